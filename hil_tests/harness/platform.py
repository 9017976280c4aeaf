"""The platform of a test: keeps every message of the pile as it came, and sends commands."""

import json
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hil_tests.harness.waiting import wait_until

STREAMS = ("alarm", "event", "session", "state", "tele")
_VALIDITY_MS = 60_000


class TestPlatform:
    """An MQTT 5 client with a thread of its own; ``close`` ends it."""

    __test__ = False

    def __init__(self, port: int, operator_id: str, pile_id: str) -> None:
        self._root = f"ev/1/{operator_id}/{pile_id}"
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        self._messages: list[tuple[str, dict[str, Any]]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, f"test-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.wait_subscribed()

    def wait_subscribed(self) -> None:
        """Wait until the broker delivers to this client (again)."""
        wait_until(self._subscribed.is_set, "the platform is subscribed", 30.0)

    def close(self) -> None:
        """Leave and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def order(self, name: str, **arguments: Any) -> str:
        """Send a command that is valid for a minute; returns its id."""
        command_id = uuid.uuid4().hex
        now_ms = time.time_ns() // 1_000_000
        order = {"id": command_id, "name": name, "c": 1, "args": arguments, "iat": now_ms, "exp": now_ms + _VALIDITY_MS}
        self._client.publish(f"{self._root}/down/cmd", json.dumps(order), qos=1)
        return command_id

    def replies(self, command_id: str) -> list[dict[str, Any]]:
        """Answers to a command in the order in which they came."""
        return [message for message in self.messages("rsp") if message.get("id") == command_id]

    def messages(self, topic_class: str) -> list[dict[str, Any]]:
        """Everything that came on ``up/<topic_class>``, in the order in which it came."""
        with self._lock:
            return [message for name, message in self._messages if name == topic_class]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Records of a stream, each number once, in the order in which they first came."""
        first: dict[int, dict[str, Any]] = {}
        for message in self.messages(stream):
            first.setdefault(int(message["q"]), message)
        return list(first.values())

    def numbers(self, stream: str) -> list[int]:
        """Numbers of ``records``."""
        return [int(message["q"]) for message in self.records(stream)]

    def alarms(self, kind: str) -> set[str]:
        """Faults of which an alarm of this kind (alarm_raised, alarm_cleared) has come."""
        return {str(message["d"]["fault"]) for message in self.records("alarm") if message["k"] == kind}

    def highest(self) -> Mapping[str, int]:
        """Highest number by stream."""
        return {stream: max(self.numbers(stream), default=0) for stream in STREAMS}

    def _on_connect(
        self, client: mqtt.Client, _user: object, _flags: object, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe(f"{self._root}/up/#", qos=1)

    def _on_disconnect(self, *_: object) -> None:
        self._subscribed.clear()

    def _on_subscribe(
        self, _client: mqtt.Client, _user: object, _mid: int, _codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._subscribed.set()

    def _on_message(self, _client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self._messages.append((message.topic.rpartition("/")[2], json.loads(message.payload)))
