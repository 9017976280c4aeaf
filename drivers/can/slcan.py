"""A serial CAN adapter that speaks the slcan line protocol, on python-can's bus but never waiting.

python-can's own bus sleeps while it opens, drains the serial line at every write, reads byte by byte and raises on a
damaged line; adapter handling (bit rates, open and close commands) is its, the four other things are replaced here.
"""

import os
import re

from can.exceptions import CanError
from can.interfaces.slcan import slcanBus

from drivers.can.frame import CanFrame
from drivers.errors import PortError
from drivers.serial_port import port_error, port_gone, read_available

_ADAPTER_BAUD = 115200
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


class _PatientBus(slcanBus):
    """python-can's adapter handling on top of a bounded output buffer."""

    def __init__(self, channel: str, bitrate_bps: int, *, listen_only: bool) -> None:
        self.backlog = bytearray()
        super().__init__(channel, _ADAPTER_BAUD, bitrate_bps, sleep_after_open=0, timeout=0, listen_only=listen_only)
        # Closing is up to the port below: python-can's finaliser must not write to a line that is gone or not ours.
        self._is_shutdown = True
        # Nothing has been written yet: a port that another program has in use must not be touched.
        try:
            self.serialPortOrig.exclusive = True
        except OSError:
            self.serialPortOrig.close()
            raise
        self.push()

    def release(self) -> None:
        """Close the serial port without a word to the adapter."""
        self.serialPortOrig.close()

    def _write(self, string: str) -> None:
        self.backlog += string.encode() + self.LINE_TERMINATOR

    def push(self) -> None:
        """Write as much of the backlog as the port takes now. Raises OSError if the port has gone."""
        if not self.backlog:
            return
        try:
            written = os.write(self.serialPortOrig.fileno(), self.backlog)
        except BlockingIOError:
            return
        del self.backlog[:written]


class SlcanPort:
    """A serial CAN adapter as a ``CanPort``.

    ``junk_lines`` counts lines that are no frame, ``dropped`` frames for which there was no room. Raises PortError
    if the port cannot be opened or the bit rate is not one of the protocol's.
    """

    def __init__(self, channel: str, bitrate_bps: int, *, listen_only: bool = False) -> None:
        self._channel = channel
        self._listen_only = listen_only
        self._input = b""
        self.junk_lines = 0
        self.dropped = 0
        try:
            self._bus = _PatientBus(channel, bitrate_bps, listen_only=listen_only)
            self._fd = self._bus.fileno()
        except ValueError as error:
            raise PortError(str(error), channel, "Correct bitrate_bps of this bus in the site file.") from error
        except OSError as error:
            raise port_error(channel, error) from error
        except CanError as error:
            cause = error.__cause__
            raise port_error(channel, cause if isinstance(cause, OSError) else OSError(str(error))) from error

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
        if len(self._bus.backlog) + len(line) > _LARGEST_BACKLOG_BYTES:
            self.dropped += 1
            return False
        self._bus.backlog += line
        self._push()
        return True

    def close(self) -> None:
        """Close the channel of the adapter and give the port back."""
        if self._fd < 0:
            return
        self._fd = -1
        # The adapter may be gone already, and then there is nothing left to close.
        try:
            self._bus.close()
            self._bus.push()
        except (CanError, OSError):
            pass
        finally:
            self._bus.release()

    def _push(self) -> None:
        try:
            self._bus.push()
        except OSError:
            raise port_gone(self._channel) from None

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
