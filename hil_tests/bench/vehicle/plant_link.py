"""The vehicle's end of the socket to the plant: one JSON object a line, both ways.

To the plant: ``{"open_circuit_voltage_v": V, "resistance_ohm": R, "contactors_closed": bool}`` and, for each command,
``{"reply": text, "ok": bool}``. From the plant: ``{"plugged": bool, "auxiliary_voltage_v": V,
"terminal_voltage_v": V, "current_a": A}`` (current positive into the vehicle) and ``{"command": text}``.
"""

import socket

import msgspec

from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.vehicle import Reply, Source

_LARGEST_LINE_BYTES = 65536
_LARGEST_BACKLOG_BYTES = 262144


class PlantError(Exception):
    """The plant cannot be reached or sends invalid data; the text gives the cause and the remedy."""


class PlantGone(Exception):  # noqa: N818  the plant leaving is how every bench ends, not an error
    """The plant has closed the connection."""


class _Line(msgspec.Struct, frozen=True):
    """One line from the plant; fields not named here are left for later versions."""

    plugged: bool | None = None
    auxiliary_voltage_v: float = 0.0
    terminal_voltage_v: float = 0.0
    current_a: float = 0.0
    command: str | None = None


class PlantProtocol:
    """Bytes to inlets and commands, and back. Pure."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._decoder = msgspec.json.Decoder(_Line)

    def receive(self, data: bytes) -> list[Inlet | str]:
        """Complete lines of the plant: an Inlet for a reading, a text for a command. Raises PlantError."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        if len(rest) > _LARGEST_LINE_BYTES:
            raise PlantError("the plant sent a line without an end")
        return [item for line in lines if line.strip() for item in self._read(bytes(line))]

    def _read(self, line: bytes) -> list[Inlet | str]:
        try:
            message = self._decoder.decode(line)
        except msgspec.DecodeError as error:
            raise PlantError(f"the plant sent {line[:80]!r}: {error}") from error
        items: list[Inlet | str] = []
        if message.plugged is not None:
            items.append(
                Inlet(message.plugged, message.auxiliary_voltage_v, message.terminal_voltage_v, message.current_a)
            )
        if message.command is not None:
            items.append(message.command)
        return items

    @staticmethod
    def source_line(source: Source) -> bytes:
        """What the inlet shows, as one line."""
        return msgspec.json.encode(source) + b"\n"

    @staticmethod
    def reply_line(reply: Reply) -> bytes:
        """The answer to a command, as one line."""
        return msgspec.json.encode(reply) + b"\n"


class PlantLink:
    """The socket around the protocol. Never blocks after it is connected."""

    def __init__(self, path: str) -> None:
        """Connect to the plant's socket. Raises PlantError when no plant listens there."""
        self._protocol = PlantProtocol()
        self._outgoing = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            reason = error.strerror or str(error)
            raise PlantError(
                f"{path}: no plant answers there ({reason}). Start the bench first, or use --alone"
            ) from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """File descriptor to wait on for reading."""
        return self._socket.fileno()

    def receive(self) -> list[Inlet | str]:
        """Everything that has come. Raises PlantGone when the plant has left."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except ConnectionError as error:
            raise PlantGone from error
        if not data:
            raise PlantGone
        return self._protocol.receive(data)

    def send_source(self, source: Source) -> None:
        """Send the state of the inlet to the plant; skipped while earlier lines are still unsent."""
        if not self._outgoing:
            self._send(self._protocol.source_line(source))

    def send_reply(self, reply: Reply) -> None:
        """Answer a command."""
        self._send(self._protocol.reply_line(reply))

    def close(self) -> None:
        """Leave the plant."""
        self._socket.close()

    def flush(self) -> None:
        """Pass on what still waits. Raises PlantGone when the plant has left or takes nothing any more."""
        self._send(b"")

    def _send(self, line: bytes) -> None:
        self._outgoing += line
        if len(self._outgoing) > _LARGEST_BACKLOG_BYTES:
            raise PlantGone
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError as error:
            raise PlantGone from error
