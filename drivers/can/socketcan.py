"""A CAN interface of the kernel, through a raw socket. Why not through python-can: docs/decisions/0102-can-port.md.

Frame layout: Linux documentation networking/can, structure can_frame.
"""

import errno
import socket
import struct

from drivers.can.frame import CanFrame
from drivers.errors import PortError

_LAYOUT = struct.Struct("=IB3x8s")
_EXTENDED = 0x80000000
_REMOTE = 0x40000000
_ERROR = 0x20000000
_EXTENDED_MASK = 0x1FFFFFFF
_BASE_MASK = 0x7FF
# More frames than fit in a second at 250 kbit/s are left for the next call: one line must not hold up the others.
_LARGEST_BATCH = 2000
_NO_ROOM = (errno.ENOBUFS, errno.EAGAIN, errno.EWOULDBLOCK)


def _error(channel: str, cause: OSError) -> PortError:
    if cause.errno == errno.EAFNOSUPPORT:
        return PortError("this kernel has no CAN support", channel, "Load the modules can and can_raw, or use slcan.")
    if cause.errno in (errno.ENODEV, errno.ENXIO):
        return PortError(
            "there is no such CAN interface",
            channel,
            "List them with 'ip link'; check the adapter and the device tree.",
        )
    if cause.errno == errno.ENETDOWN:
        return PortError(
            "the CAN interface is down",
            channel,
            "Bring it up: ip link set <name> up type can bitrate <rate> restart-ms 100.",
        )
    if cause.errno in (errno.EACCES, errno.EPERM):
        return PortError("permission denied", channel, "The service needs the right to open raw CAN sockets.")
    return PortError(f"the CAN interface failed ({cause})", channel, "Check the adapter and the wiring.")


def open_socketcan(channel: str, *, listen_only: bool = False) -> "SocketcanPort":
    """Open the network interface ``channel`` for extended data frames. Raises PortError."""
    try:
        line = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    except OSError as error:
        raise _error(channel, error) from error
    try:
        # Extended data frames only: both protocols of a pile use nothing else.
        only_extended_data = struct.pack("=II", _EXTENDED, _EXTENDED | _REMOTE)
        line.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, only_extended_data)
        line.bind((channel,))
    except OSError as error:
        line.close()
        raise _error(channel, error) from error
    return SocketcanPort(line, channel, listen_only=listen_only)


class SocketcanPort:
    """A bound raw CAN socket as a ``CanPort``. ``dropped`` counts frames for which the kernel had no room."""

    def __init__(self, line: socket.socket, channel: str, *, listen_only: bool = False) -> None:
        line.setblocking(False)
        self._line = line
        self._channel = channel
        self._listen_only = listen_only
        self.dropped = 0

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._line.fileno()

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that wait, stamped with ``now_s``. Raises PortError if the interface went down."""
        frames: list[CanFrame] = []
        try:
            while len(frames) < _LARGEST_BATCH:
                data = self._line.recv(_LAYOUT.size)
                if len(data) != _LAYOUT.size:
                    raise OSError(errno.ENETDOWN, "short read")
                word, length, payload = _LAYOUT.unpack(data)
                if word & (_REMOTE | _ERROR):
                    continue
                extended = bool(word & _EXTENDED)
                identifier = word & (_EXTENDED_MASK if extended else _BASE_MASK)
                frames.append(CanFrame(identifier, payload[: min(length, 8)], now_s, extended))
        except BlockingIOError:
            return frames
        except OSError as error:
            if frames:
                return frames
            raise _error(self._channel, error) from error
        return frames

    def send(self, frame: CanFrame) -> bool:
        """Give a frame to the kernel; False if its queue is full or the port is listen-only."""
        if self._listen_only:
            return False
        word = frame.identifier | (_EXTENDED if frame.extended else 0)
        try:
            self._line.send(_LAYOUT.pack(word, len(frame.data), frame.data))
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise _error(self._channel, error) from error
            self.dropped += 1
            return False
        return True

    def close(self) -> None:
        """Give the interface back."""
        self._line.close()
