"""What surrounds the north process in its tests: a broker, a platform, the field process's end of the link."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.link.framing import Decoder, encode
from agent.link.messages import (
    Acknowledge,
    Command,
    CommandReply,
    Hello,
    Message,
    ReadingsMessage,
    RecorderHealth,
    ToField,
)
from agent.settings.schema import Settings
from agent.vocabulary.record import Record

ROOT = Path(__file__).parents[2]
OPERATOR = "123456789"
PILE = "pile-1"
UP = f"ev/1/{OPERATOR}/{PILE}/up/"
DOWN = f"ev/1/{OPERATOR}/{PILE}/down/"


def eventually(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The first true value of ``condition``; fails if none comes."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)
    return value


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(folder: Path, port: int, **uplink: Any) -> Settings:
    """Settings of a pile whose files are in ``folder`` and whose broker listens on ``port``."""
    document = {
        "schema": 2,
        "pile": {"id": PILE, "operator_id": OPERATOR, "profile": "dc-60kw"},
        "paths": {"state": str(folder / "state"), "runtime": str(folder / "run")},
        "bus": {"modbus": [], "can": []},
        "connector": [{"vehicle_bus": "vehicle"}],
        "uplink": {"host": "127.0.0.1", "port": port, "tls": False, "keep_alive_s": 5, **uplink},
        "record": {"minimum_free_mb": 10},
    }
    return msgspec.convert(document, Settings)


class Broker:
    """A mosquitto of our own on loopback."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.port = free_port()
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n{extra}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
            return True
        return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self, frozen: bool) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


class Relay:
    """The network between pile and broker: can be cut while messages are on their way."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                return
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2048):
                sink.sendall(data)

    def cut(self) -> None:
        """Nothing passes any more, what was under way is lost."""
        ends, self._ends = self._ends, []
        if self._listener is not None:
            ends.append(self._listener)
            self._listener = None
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Platform:
    """Listens to all that the pile publishes, and commands it."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.correlations: list[bytes | None] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="platform", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("ev/1/#", 1)
        # The broker keeps messages for this platform while either of them is away.
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        lasting.SessionExpiryInterval = 3600
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port, 60, clean_start=False, properties=lasting)
        self._client.loop_start()
        assert subscribed.wait(10.0)

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        if "/down/" in message.topic:
            return
        self.messages.append((message.topic, json.loads(message.payload)))
        self.correlations.append(getattr(message.properties, "CorrelationData", None))

    def of(self, name: str) -> list[dict[str, Any]]:
        """Messages of one class, in the order of their arrival."""
        return [content for topic, content in list(self.messages) if topic == UP + name]

    def numbers(self, stream: str) -> list[int]:
        """Sequence numbers of a stream, each as often as it came."""
        return [content["q"] for content in self.of(stream)]

    def send(self, name: str, payload: bytes | dict[str, Any], properties: Properties | None = None) -> None:
        """Publish below ``down/``."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(DOWN + name, data, qos=1, properties=properties)

    def answers(self, command_id: str) -> list[tuple[str, str]]:
        """(result, code) of each answer to a command."""
        return [(a["result"], a.get("code", "")) for a in self.of("rsp") if a["id"] == command_id]

    def close(self) -> None:
        self._client.loop_stop()
        self._client.disconnect()


def body_of(kind: str, number: int) -> dict[str, Any]:
    """A body that tells one record from the next."""
    return {"state": f"n{number}"} if kind in ("telemetry", "state") else {}


class Field:
    """The field process's end of the link: keeps records until they are acknowledged, sends them again."""

    def __init__(self, runtime: Path, boot_id: str = "field-a") -> None:
        runtime.mkdir(parents=True, exist_ok=True)
        self.boot_id = boot_id
        self.path = runtime / "field.sock"
        self.acknowledged = 0
        self.health: list[RecorderHealth] = []
        self.commands: list[Command] = []
        self.answer_with: tuple[str, ...] = ("accepted",)
        self._pending: list[Record] = []
        self._number = 0
        self._lock = threading.RLock()
        self._connection: socket.socket | None = None
        self._closed = False
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            decoder: Decoder[ToField] = Decoder(ToField)  # type: ignore[arg-type]  # a union is a type to msgspec
            with self._lock:
                self._connection = connection
                self._send(Hello(boot_id=self.boot_id, pile_id=PILE, version="0", started_wall_ms=now_ms()))
                for record in self._pending:
                    self._send(record)
            while True:
                try:
                    data = connection.recv(65536)
                except OSError:
                    break
                if not data:
                    break
                for message in decoder.feed(data):
                    self._take(message)
            with self._lock:
                self._connection = None

    def _take(self, message: ToField) -> None:
        with self._lock:
            if isinstance(message, Acknowledge) and message.boot_id == self.boot_id:
                assert self.acknowledged <= message.number <= self._number
                self.acknowledged = message.number
                self._pending = [record for record in self._pending if record.number > message.number]
            elif isinstance(message, RecorderHealth):
                self.health.append(message)
            elif isinstance(message, Command):
                self.commands.append(message)
                for result in self.answer_with:
                    self._send(CommandReply(message.id, result, (), "s1"))

    def _send(self, message: Message | Record) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.sendall(encode(message))

    @property
    def attached(self) -> bool:
        return self._connection is not None

    @property
    def last_number(self) -> int:
        return self._number

    def record(self, kind: str, body: dict[str, Any] | None = None, session: str | None = None, count: int = 1) -> None:
        """Make records and send them if somebody listens."""
        with self._lock:
            for _ in range(count):
                self._number += 1
                message = Record(
                    self.boot_id,
                    self._number,
                    kind,
                    time.monotonic(),
                    now_ms(),
                    "synced",
                    1,
                    session,
                    body_of(kind, self._number) if body is None else body,
                )
                self._pending.append(message)
                self._send(message)

    def readings(self, **values: float) -> None:
        """Send one snapshot."""
        with self._lock:
            self._send(ReadingsMessage(time.monotonic(), now_ms(), "synced", 1, None, dict(values)))

    def send(self, message: Message) -> None:
        """Send anything."""
        with self._lock:
            self._send(message)

    def all_kept(self) -> bool:
        """Everything is acknowledged."""
        return self.acknowledged == self._number

    def close(self) -> None:
        """Vanish as a killed process does."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(5.0)


class North:
    """The real north process, in a process of its own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.state = Path(settings.paths.state)
        self._settings = folder / "settings.json"
        self._settings.write_bytes(msgspec.json.encode(settings))
        self._log = folder / "north.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        code = (
            "import sys, logging, msgspec\n"
            "from agent.settings.schema import Settings\n"
            "from agent.north.process import run_north\n"
            "logging.basicConfig(level=logging.INFO, stream=sys.stderr)\n"
            f"settings = msgspec.json.decode(open({str(self._settings)!r}, 'rb').read(), type=Settings)\n"
            "sys.exit(run_north(settings, version='0.1.0'))\n"
        )
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(15.0)
        self._process = None
        return code

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def rss_kb(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))


def now_ms() -> int:
    """UTC, milliseconds."""
    return time.time_ns() // 1_000_000


class World:
    """All of them around one folder."""

    def __init__(self, folder: Path, broker_extra: str = "", relayed: bool = False, **uplink: Any) -> None:
        self.folder = folder
        self.broker = Broker(folder, broker_extra)
        self.relay = Relay(self.broker.port)
        port = self.relay.port if relayed else self.broker.port
        self.settings = settings_for(folder, port, **uplink)
        self.north = North(folder, self.settings)
        self._field: Field | None = None
        self._platform: Platform | None = None

    @property
    def field(self) -> Field:
        if self._field is None:
            self._field = Field(Path(self.settings.paths.runtime))
        return self._field

    def new_field(self, boot_id: str) -> Field:
        """The field process dies and another one starts."""
        if self._field is not None:
            self._field.close()
        self._field = Field(Path(self.settings.paths.runtime), boot_id)
        return self._field

    @property
    def platform(self) -> Platform:
        if self._platform is None:
            self._platform = Platform(self.broker.port)
        return self._platform

    def close(self) -> None:
        self.north.kill()
        if self._platform is not None:
            self._platform.close()
        if self._field is not None:
            self._field.close()
        self.relay.cut()
        self.broker.kill()


@contextlib.contextmanager
def world(folder: Path, broker_extra: str = "", relayed: bool = False, **uplink: Any) -> Iterator[World]:
    """A world that is cleared away at the end."""
    made = World(folder, broker_extra, relayed, **uplink)
    try:
        yield made
    finally:
        made.close()
