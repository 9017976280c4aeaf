"""The platform's side of the wire: orders the start over MQTT, counts received records and returns those it keeps."""

import contextlib
import json
import select
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_TIMEOUT_S = 10.0
PUMP_WAIT_S = 0.05
LARGEST_BATCH = 200
START_VALIDITY_MS = 60_000
RECORD_STREAMS = frozenset({"alarm", "event", "session", "state", "tele"})


class PlatformError(Exception):
    """The broker cannot be reached."""


class Inbox:
    """What the platform knows of one pile. Pure: topics and payloads in, counts and watermarks out."""

    def __init__(self) -> None:
        self.replies: dict[str, Mapping[str, Any]] = {}
        """Latest answer to each command, by its id."""
        self.sessions: list[tuple[int, Mapping[str, Any]]] = []
        """Connector and body of each ``session_ended``, in the order in which they came."""
        self._states: dict[int, list[tuple[str, int]]] = {}
        self._seen: dict[str, set[int]] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Records received by stream; one that came twice counts once."""
        return {stream: len(numbers) for stream, numbers in self._seen.items()}

    def states(self, connector: int = 1) -> list[tuple[str, int]]:
        """States that a connector reported, each with the pile's time, UTC milliseconds."""
        return self._states.get(connector, [])

    def ended(self, connector: int = 1) -> Mapping[str, Any]:
        """Body of the latest ``session_ended`` of a connector; empty before."""
        return next((body for number, body in reversed(self.sessions) if number == connector), {})

    def take(self, topic_class: str, payload: bytes | bytearray) -> bool:
        """Take a message in. Returns whether it was a record that had not come before."""
        try:
            message = json.loads(payload)
        except ValueError:
            return False
        if topic_class == "rsp":
            self.replies[str(message.get("id"))] = message
            return False
        if topic_class not in RECORD_STREAMS:
            return False
        numbers = self._seen.setdefault(topic_class, set())
        number = int(message["q"])
        if number in numbers:
            return False
        numbers.add(number)
        if message["k"] == "state":
            self._states.setdefault(int(message["c"]), []).append((str(message["d"]["state"]), int(message["t"])))
        elif message["k"] == "session_ended":
            self.sessions.append((int(message["c"]), message["d"]))
        return True

    def watermarks(self) -> dict[str, int]:
        """By stream, the number up to which everything is here."""
        marks: dict[str, int] = {}
        for stream, numbers in self._seen.items():
            mark = 0
            while mark + 1 in numbers:
                mark += 1
            marks[stream] = mark
        return marks


class Platform:
    """An MQTT 5 client that stands for the platform. It works only while ``pump`` runs.

    No thread: the children of a process with threads get their parent's death signalled once for each thread
    (prctl(2), PR_SET_PDEATHSIG), and to the agent a second signal means "hurry".
    """

    def __init__(self, host: str, port: int, operator_id: str, pile_id: str) -> None:
        """Connect and subscribe. Raises PlatformError when that takes longer than CONNECT_TIMEOUT_S."""
        self._root = f"ev/1/{operator_id}/{pile_id}"
        self._inbox = Inbox()
        self._is_subscribed = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, f"platform-{uuid.uuid4().hex[:8]}", protocol=mqtt.MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise PlatformError(f"{host}:{port}: {error}") from error
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._is_subscribed:
            self.pump(PUMP_WAIT_S)
            if time.monotonic() > deadline_s:
                raise PlatformError(f"{host}:{port} did not answer within {CONNECT_TIMEOUT_S:.0f} s")

    @property
    def counts(self) -> Mapping[str, int]:
        """Records received by stream."""
        return self._inbox.counts

    @property
    def sessions(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Connector and body of each session's end that the pile reported."""
        return self._inbox.sessions

    def states(self, connector: int = 1) -> list[tuple[str, int]]:
        """States that a connector reported, each with the pile's time, UTC milliseconds."""
        return self._inbox.states(connector)

    def ended(self, connector: int = 1) -> Mapping[str, Any]:
        """What the pile reported of the latest session's end at a connector; empty before."""
        return self._inbox.ended(connector)

    def reply(self, command_id: str) -> Mapping[str, Any] | None:
        """Latest answer to a command, None before the first."""
        return self._inbox.replies.get(command_id)

    def order_start(self, connector: int = 1) -> str:
        """Send a start command for a connector that is valid for a minute; returns its id."""
        command_id = uuid.uuid4().hex
        now_ms = time.time_ns() // 1_000_000
        expiry_ms = now_ms + START_VALIDITY_MS
        order = {"id": command_id, "name": "start", "c": connector, "iat": now_ms, "exp": expiry_ms}
        self._client.publish(f"{self._root}/down/cmd", json.dumps(order), qos=1)
        return command_id

    def pump(self, wait_s: float = 0.0) -> None:
        """Take in and send what there is, waiting at most ``wait_s`` for the first of it. Raises nothing."""
        for _ in range(LARGEST_BATCH):
            connection = self._client.socket()
            if connection is None:
                # The broker is away for the moment; the agent has the same trouble and shows it.
                with contextlib.suppress(OSError):
                    self._client.reconnect()
                return
            wanted = [connection.fileno()]
            readable, writable, _ = select.select(wanted, wanted if self._client.want_write() else [], [], wait_s)
            self._client.loop_misc()
            if not readable and not writable:
                return
            if readable:
                self._client.loop_read()
            if writable:
                self._client.loop_write()
            wait_s = 0.0

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self.pump()

    def _on_connect(
        self, client: mqtt.Client, _user: object, _flags: object, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        # Again after every reconnection: a session that the broker has lost has no subscriptions.
        client.subscribe(f"{self._root}/up/#", qos=1)

    def _on_subscribe(
        self, _client: mqtt.Client, _user: object, _mid: int, _codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._is_subscribed = True

    def _on_message(self, client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        if self._inbox.take(message.topic.rpartition("/")[2], message.payload):
            client.publish(f"{self._root}/down/wm", json.dumps(self._inbox.watermarks()), qos=1)
