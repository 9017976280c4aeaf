"""A field process that only speaks: it answers status and commands on a real socket, in a thread."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.link.framing import Decoder, encode
from agent.link.messages import Attach, Command, CommandReply, Hello, Message, StatusMessage, StatusRequest, ToField
from agent.vocabulary.reasons import Reason

Answer = Callable[[Command], list[Message]]

STATUS: dict[str, Any] = {
    "pile_id": "SX-0001",
    "boot_id": "b",
    "version": "0.1.0",
    "uptime_s": 3725.0,
    "state": "charging",
    "state_since_s": 62.0,
    "session": "S-1",
    "stop_reason": None,
    "faults": [],
    "may_start": False,
    "may_energise": True,
    "start_blockers": [],
    "values": {"meter_voltage_v": 401.26, "meter_current_a": 99.5, "meter_energy_wh": 1234567},
    "outputs": {"contactor_k1": True, "contactor_k2": True, "fan": False},
    "bms": {"phase": "charging", "demand_voltage_v": 402.0, "demand_current_a": 100.0, "soc_percent": 56},
    "energy_wh": 12345,
    "amount_e4": 123400,
    "duration_s": 600,
    "rate": "peak",
    "records": {"last_number": 9, "acknowledged": 7, "backlog": 2},
    "recorder": {"attached": True, "ok": True, "reason": "", "uplink": "connected", "uplink_pending": 3},
    "buses": {
        "io": {"port": "/dev/ttyX", "opened": 1, "devices": {"relay board": {"ok": 12, "timeouts": 0, "crc": 3}}},
        "vehicle": {"port": "can0", "opened": 1, "frames_in": 5, "frames_refused": 0},
    },
}


_OF_THE_PILE = frozenset({"pile_id", "boot_id", "version", "role", "uptime_s", "records", "recorder", "buses", "power"})


def nested(status: dict[str, Any]) -> dict[str, Any]:
    """A status as the field process gives it, from one in which pile and only connector are one table."""
    if "connectors" in status:
        return status
    pile = {key: value for key, value in status.items() if key in _OF_THE_PILE}
    connector = {key: value for key, value in status.items() if key not in _OF_THE_PILE}
    return {**pile, "connectors": [{"connector": 1, **connector}]}


class FakeField:
    """Serves one client after the other until the block is left. ``seen`` holds what clients sent."""

    def __init__(self, runtime: Path) -> None:
        self.status: list[dict[str, Any]] = [STATUS]
        """What is answered, one after the other; the last one for ever."""
        self.answer: Answer = lambda command: []
        self.seen: list[ToField] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(runtime / "field.sock"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def commands(self) -> list[Command]:
        return [message for message in self.seen if isinstance(message, Command)]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        decoder: Decoder[ToField] = Decoder(ToField)  # type: ignore[arg-type]  # a union is a type to msgspec
        connection.sendall(encode(Hello("b", "SX-0001", "0.1.0", 0)))
        while data := connection.recv(65536):
            for message in decoder.feed(data):
                self.seen.append(message)
                for reply in self._replies(message):
                    connection.sendall(encode(reply))

    def _replies(self, message: ToField) -> list[Message]:
        if isinstance(message, StatusRequest):
            status = self.status.pop(0) if len(self.status) > 1 else self.status[0]
            return [StatusMessage(nested(status))]
        if isinstance(message, Command):
            # An answer to somebody else's command comes first: a client must not take it for its own.
            return [CommandReply("another-client", "rejected", (Reason("expired"),)), *self.answer(message)]
        assert isinstance(message, Attach)
        return []


@contextlib.contextmanager
def fake_field(runtime: Path) -> Iterator[FakeField]:
    runtime.mkdir(parents=True, exist_ok=True)
    field = FakeField(runtime)
    field.start()
    try:
        yield field
    finally:
        field.close()
