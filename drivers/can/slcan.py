"""A serial adapter that speaks the slcan line protocol, through python-can's slcanBus set to never wait.

python-can keeps the protocol: commands, frames to lines, lines to frames. Replaced is the way of its bytes: its bus
sleeps while it opens, drains the serial line after every frame, reads byte by byte, raises on a damaged line, shares
the port with other programs and ignores refusals. Lines carry no time stamp that is comparable (an optional one of the
adapter counts milliseconds of a minute), so a frame is stamped with the time at which its bytes were read.

Protocol: Lawicel CAN232 manual; answers are CR (done), BELL (refused), ``z`` or ``Z`` (frame taken), ``Fxx`` (status).
"""

import fcntl
import os
import re
import time
from collections import deque

import can
from can.interfaces.slcan import slcanBus

from drivers.can import messages
from drivers.can.frame import CanFrame
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError
from drivers.line.serial_port import port_error, port_gone, read_available

_ADAPTER_BAUD = 115200
# A time stamp of four digits may follow the data.
_FRAME = re.compile(rb"(?:T([0-9A-Fa-f]{8})|t([0-9A-Fa-f]{3}))([0-8])((?:[0-9A-Fa-f]{2})*)")
_TIME_STAMP_DIGITS = 4
_STATUS = re.compile(rb"F([0-9A-Fa-f]{2})")
_LINE = re.compile(rb"([^\r\a]*)([\r\a])")
# Longest line: T, identifier, length, data, time stamp. More without an end is junk.
_LONGEST_LINE_BYTES = 64
# Room for the 64 frames that a transport session may put out at once.
_LARGEST_BACKLOG_BYTES = 64 * 27
_LONGEST_WAIT_S = 0.05
"""Own: a frame waits here at most this long and as long again in the serial port, 100 ms in all."""
_ANSWER_S = 1.0
"""Own: an adapter answers within this time, or it is one that gives no answers."""
_STATUS_INTERVAL_S = 1.0
_UNANSWERED_STATUS = 3
"""Own: an adapter that leaves so many questions for its status without answer is not asked again."""
_PASSIVE, _WARNING, _OVERRUN = 0x20, 0x04, 0x08 | 0x01
"""Bits of the status (SJA1000): error passive, error warning, data lost or receive queue full."""


class SlcanBus(slcanBus):
    """python-can's bus with reading and writing that never wait. Raises PortError where the port has gone."""

    def __init__(self, channel: str, bitrate_bps: int, *, listen_only: bool) -> None:
        self.fd = -1
        self.path = channel.split("@")[0]
        self.counters = CanCounters()
        self.lines: deque[str] = deque()
        self.status: int | None = None
        self.asked: deque[tuple[str, float]] = deque()
        """Commands without an answer yet, with the time until which it may come."""
        self.refused_command = ""
        self._input = b""
        self._output: deque[tuple[bytes, float, bool]] = deque()
        """Lines to the adapter, the time until which each may be written, and whether a part of it has been."""
        self._output_bytes = 0
        self._configured = False
        # The lock comes first: a port that another program uses must not get a single byte.
        self._lock_fd = _claim(self.path)
        try:
            super().__init__(channel, _ADAPTER_BAUD, sleep_after_open=0, listen_only=listen_only, timeout=0)
            self._serial_room_bytes = max(int(self.serialPortOrig.baudrate / 10 * _LONGEST_WAIT_S), 64)
            self._configured = True
            # Closes the channel first, because one that an earlier program left open takes no bit rate.
            self.set_bitrate(bitrate_bps)
            self.fd = self.serialPortOrig.fileno()
            self.push()
        except BaseException:
            can.BusABC.shutdown(self)
            self._release()
            raise

    def open(self) -> None:
        """Open the channel; python-can does so once before the bit rate is set, and that is left out."""
        if self._configured:
            super().open()

    def has_room(self) -> bool:
        """Whether one more frame may be queued."""
        return self._output_bytes + 27 <= _LARGEST_BACKLOG_BYTES

    def push(self) -> None:
        """Write as much as the port takes now; a frame that has waited too long is dropped. Raises PortError."""
        if not self._output:
            return
        self._drop_expired()
        try:
            if not self._output or self.serialPortOrig.out_waiting >= self._serial_room_bytes:
                return
            written = os.write(self.fd, b"".join(line for line, _, _ in self._output)[: self._serial_room_bytes])
        except BlockingIOError:
            return
        except OSError:
            raise port_gone(self.path) from None
        self._output_bytes -= written
        while written:
            line, until_s, _ = self._output.popleft()
            if written < len(line):
                # A line that has begun must end, or the next one is spoilt as well.
                self._output.appendleft((line[written:], until_s, True))
                return
            written -= len(line)

    def _drop_expired(self) -> None:
        now_s = time.monotonic()
        kept: deque[tuple[bytes, float, bool]] = deque()
        for entry in self._output:
            line, until_s, begun = entry
            if begun or line[:1] not in b"tT" or now_s <= until_s:
                kept.append(entry)
            else:
                self._output_bytes -= len(line)
                self.counters.expired += 1
        self._output = kept

    def fill(self) -> None:
        """Read what has arrived in one block and sort it into frames, answers and junk. Raises PortError."""
        data = read_available(self.fd, self.path)
        if not data:
            return
        self._input += data
        end = 0
        for match in _LINE.finditer(self._input):
            end = match.end()
            self._sort(match.group(1), refused=match.group(2) == b"\a")
        # More without an end of line is junk.
        self._input = self._input[end:][-_LONGEST_LINE_BYTES:]

    def ask_status(self) -> None:
        """Ask for the status of the controller (command F)."""
        self._write("F")

    def shutdown(self) -> None:
        """Close the channel as far as the port takes it, and give the port back."""
        can.BusABC.shutdown(self)
        try:
            self.close()
        except PortError:
            # The adapter may be gone already, and then there is nothing left to close.
            self._output.clear()
        self._release()

    def _release(self) -> None:
        port = getattr(self, "serialPortOrig", None)
        if port is not None:
            port.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
        self.fd = -1

    def _write(self, string: str) -> None:
        """One line to the adapter. Overrides the library's, which waits until all is written."""
        if not string:
            # The library's bit rate of a data phase, which classic CAN has not.
            return
        now_s = time.monotonic()
        line = string.encode() + self.LINE_TERMINATOR
        if string[:1] not in ("t", "T"):
            self.asked.append((string[:1], now_s + _ANSWER_S))
        self._output.append((line, now_s + _LONGEST_WAIT_S, False))
        self._output_bytes += len(line)
        if self.fd >= 0:
            self.push()

    def _read(self, timeout: float | None) -> str | None:
        """The next line that is a frame. Overrides the library's, which reads byte by byte."""
        return self.lines.popleft() if self.lines else None

    def _sort(self, line: bytes, *, refused: bool) -> None:
        if refused:
            self._answered(refused=True)
            line = b""
        if not line:
            if not refused:
                self._answered(refused=False)
        elif line in (b"z", b"Z"):
            # A frame was taken.
            return
        elif status := _STATUS.fullmatch(line):
            self.status = int(status.group(1), 16)
            self._drop_question("F")
        elif end := _end_of_frame(line):
            self.lines.append(line[:end].decode("ascii"))
        else:
            self.counters.junk += 1

    def _answered(self, *, refused: bool) -> None:
        """CR or BELL: the answer to the oldest command that still has time, or to a frame."""
        now_s = time.monotonic()
        while self.asked and self.asked[0][1] < now_s:
            self.asked.popleft()
        if not self.asked:
            # To a frame, which this adapter confirms with a bare CR or has no room for.
            self.counters.refused += refused
            return
        command, _ = self.asked.popleft()
        # A channel that is closed already may refuse to be closed; not every adapter knows F or takes an empty line.
        if refused and command in ("S", "O", "L") and not self.refused_command:
            self.refused_command = command

    def _drop_question(self, command: str) -> None:
        for entry in self.asked:
            if entry[0] == command:
                self.asked.remove(entry)
                return


class SlcanPort:
    """A serial CAN adapter as a ``CanPort``.

    Raises PortError if the port cannot be opened or the bit rate is none of the protocol's; ``receive`` raises it when
    the adapter refuses the bit rate, opening or listen-only mode. Bus-off is not among what the protocol reports.
    """

    restarts_by_opening = True

    def __init__(self, channel: str, bitrate_bps: int, *, listen_only: bool = False) -> None:
        self._channel = channel
        self._bitrate_bps = bitrate_bps
        self._listen_only = listen_only
        self._state = BusState.UNKNOWN
        self._unanswered = 0
        self._next_status_s = float("-inf")
        try:
            self._bus = SlcanBus(channel, bitrate_bps, listen_only=listen_only)
        except can.CanError as error:
            cause = error.__cause__
            raise port_error(channel, cause if isinstance(cause, OSError) else OSError(str(error))) from error
        except ValueError as error:
            raise PortError(
                f"slcan has no bit rate of {bitrate_bps} bit/s",
                channel,
                "Correct bitrate_bps of this bus in the site file.",
            ) from error
        self.counters = self._bus.counters

    @property
    def state(self) -> BusState:
        """See CanPort."""
        return self._state

    def is_ready(self, now_s: float) -> bool:
        """See CanPort."""
        return True

    def fileno(self) -> int:
        """See CanPort."""
        return self._bus.fd

    def receive(self, now_s: float) -> list[CanFrame]:
        """See CanPort."""
        bus = self._bus
        bus.push()
        bus.fill()
        if bus.refused_command:
            raise self._refusal(bus.refused_command)
        if bus.status is not None:
            self._take_status(bus.status)
        frames = []
        while bus.lines:
            message = bus.recv(0)
            frame = None if message is None else messages.frame_of(message, now_s)
            if frame is not None:
                frames.append(frame)
        return frames

    def send(self, frame: CanFrame) -> bool:
        """See CanPort."""
        if self._listen_only:
            return False
        bus = self._bus
        bus.push()
        if not bus.has_room():
            bus.counters.refused += 1
            return False
        bus.send(messages.message_of(frame))
        return True

    def tick(self, now_s: float) -> None:
        """Ask for the status of the controller; write what waits."""
        if self._unanswered < _UNANSWERED_STATUS and now_s >= self._next_status_s:
            self._next_status_s = now_s + _STATUS_INTERVAL_S
            self._unanswered += 1
            self._bus.ask_status()
        self._bus.push()

    def close(self) -> None:
        """See CanPort."""
        if self._bus.fd >= 0:
            self._bus.shutdown()

    def _take_status(self, status: int) -> None:
        self._bus.status = None
        self._unanswered = 0
        self.counters.overruns += bool(status & _OVERRUN)
        if status & _PASSIVE:
            self._state = BusState.PASSIVE
        else:
            self._state = BusState.WARNING if status & _WARNING else BusState.ACTIVE

    def _refusal(self, command: str) -> PortError:
        if command == "S":
            return PortError(
                f"the adapter refuses a bit rate of {self._bitrate_bps} bit/s",
                self._channel,
                "Correct bitrate_bps, or use an adapter that supports this rate.",
            )
        if command == "L":
            return PortError(
                "the adapter has no listen-only mode",
                self._channel,
                "Update its firmware, or use an adapter that can be opened listen-only.",
            )
        return PortError("the adapter refuses to open its channel", self._channel, "Unplug the adapter and plug it in.")


def _claim(path: str) -> int:
    """Lock the port for this program; the lock is on the descriptor that is returned. Raises PortError."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise port_error(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise port_error(path, error) from error
    return fd


def _end_of_frame(line: bytes) -> int:
    """Where the data of a frame end in its line, 0 if the line is none."""
    match = _FRAME.match(line)
    if match is None:
        return 0
    extended, base, length, digits = match.groups()
    wanted = 2 * int(length)
    end = match.start(4) + wanted
    limit = messages.LARGEST_EXTENDED if extended else messages.LARGEST_BASE
    if len(line) - end not in (0, _TIME_STAMP_DIGITS) or len(digits) < wanted or int(extended or base, 16) > limit:
        return 0
    return end
