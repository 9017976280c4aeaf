"""A serial CAN adapter that speaks the slcan line protocol, without ever waiting.

The protocol is one text line a frame; python-can speaks it on the other end of the tests. Its own bus is not used
here because it sleeps while it opens, drains the serial line at every write, reads byte by byte, raises on a damaged
line, and brings 6 MB of other things into a process that is counted in megabytes (docs/decisions/0102).
"""

import os
import re
from collections.abc import Mapping
from types import MappingProxyType

import serial

from drivers.can.frame import CanFrame
from drivers.errors import PortError
from drivers.line.serial_port import port_error, port_gone, read_available

_ADAPTER_BAUD = 115200
_RATE_COMMANDS: Mapping[int, str] = MappingProxyType(
    {
        10_000: "S0",
        20_000: "S1",
        50_000: "S2",
        100_000: "S3",
        125_000: "S4",
        250_000: "S5",
        500_000: "S6",
        800_000: "S7",
        1_000_000: "S8",
    }
)
"""Bit rates of the protocol (Lawicel CAN232, command S)."""
# A time stamp of four digits may follow the data.
_LINE = re.compile(rb"(?:T([0-9A-Fa-f]{8})|t([0-9A-Fa-f]{3}))([0-8])((?:[0-9A-Fa-f]{2})*)")
_TIME_STAMP_DIGITS = 4
_LARGEST_EXTENDED = 0x1FFFFFFF
_LARGEST_BASE = 0x7FF
_LINE_END = re.compile(rb"[\r\a]")
# Longest line: T, identifier, length, data, time stamp. More without an end is junk.
_LONGEST_LINE_BYTES = 64
# Room for the 64 frames that a transport session may put out at once.
_LARGEST_BACKLOG_BYTES = 64 * 27


class SlcanPort:
    """A serial CAN adapter as a ``CanPort``.

    ``junk_lines`` counts lines that are no frame, ``dropped`` frames for which there was no room. Raises PortError
    if the port cannot be opened or the bit rate is not one of the protocol's.
    """

    def __init__(self, channel: str, bitrate_bps: int, *, listen_only: bool = False) -> None:
        self._channel = channel
        self._listen_only = listen_only
        self._input = b""
        self._backlog = bytearray()
        self.junk_lines = 0
        self.dropped = 0
        command = _RATE_COMMANDS.get(bitrate_bps)
        if command is None:
            raise PortError(
                f"slcan has no bit rate of {bitrate_bps} bit/s",
                channel,
                "Correct bitrate_bps of this bus in the site file.",
            )
        try:
            self._serial = serial.Serial(channel, _ADAPTER_BAUD, timeout=0, write_timeout=0, exclusive=True)
        except OSError as error:
            raise port_error(channel, error) from error
        self._fd: int = self._serial.fileno()
        # A channel that an earlier program left open takes no bit rate, so it is closed first.
        self._backlog += f"C\r{command}\r{'L' if listen_only else 'O'}\r".encode()
        self._push()

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._fd

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that have arrived, stamped with ``now_s``. Raises PortError if the adapter is gone."""
        self._push()
        data = read_available(self._fd, self._channel)
        if not data:
            return []
        *lines, self._input = _LINE_END.split(self._input + data)
        if len(self._input) > _LONGEST_LINE_BYTES:
            self._input = self._input[-_LONGEST_LINE_BYTES:]
        return [frame for line in lines if (frame := self._frame(line, now_s)) is not None]

    def send(self, frame: CanFrame) -> bool:
        """Queue a frame; False if the adapter does not take any more or the port is listen-only."""
        if self._listen_only:
            return False
        self._push()
        head = f"T{frame.identifier:08X}" if frame.extended else f"t{frame.identifier:03X}"
        line = f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode()
        if len(self._backlog) + len(line) > _LARGEST_BACKLOG_BYTES:
            self.dropped += 1
            return False
        self._backlog += line
        self._push()
        return True

    def close(self) -> None:
        """Close the channel of the adapter and give the port back."""
        if self._fd < 0:
            return
        self._backlog += b"C\r"
        # The adapter may be gone already, and then there is nothing left to close.
        try:
            self._push()
        except PortError:
            self._backlog.clear()
        self._serial.close()
        self._fd = -1

    def _push(self) -> None:
        """Write as much of the backlog as the port takes now."""
        if not self._backlog:
            return
        try:
            written = os.write(self._fd, self._backlog)
        except BlockingIOError:
            return
        except OSError:
            raise port_gone(self._channel) from None
        del self._backlog[:written]

    def _frame(self, line: bytes, now_s: float) -> CanFrame | None:
        if not line or line in (b"z", b"Z"):
            # Acknowledgements of the adapter.
            return None
        match = _LINE.match(line)
        if match is None:
            self.junk_lines += 1
            return None
        extended, base, length, digits = match.groups()
        wanted = 2 * int(length)
        rest = len(line) - match.start(4) - wanted
        identifier = int(extended or base, 16)
        limit = _LARGEST_EXTENDED if extended else _LARGEST_BASE
        if rest not in (0, _TIME_STAMP_DIGITS) or len(digits) < wanted or identifier > limit:
            self.junk_lines += 1
            return None
        return CanFrame(identifier, bytes.fromhex(digits[:wanted].decode()), now_s, extended is not None)
