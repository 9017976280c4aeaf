"""A CAN interface of the kernel, through python-can's SocketcanBus set to never wait.

Frames carry the kernel's time stamp (``SO_TIMESTAMPNS``), converted by ``WallStamps``. The controller's state comes
from error frames, and from the kernel once a second while it is not "active".
"""

import errno
import logging
import time

import can
from can.interfaces.socketcan import SocketcanBus, constants

from drivers.can import messages
from drivers.can.error_frames import STATE_CLASSES, is_overrun, state_in
from drivers.can.frame import CanFrame
from drivers.can.kernel_link import KernelLink, KernelLinkError, check_kernel_link, kernel_link
from drivers.can.stamps import WallStamps
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError

_LOG = logging.getLogger(__name__)

# More frames than fit in a second at 250 kbit/s are left for the next call: one line must not hold up the others.
_LARGEST_BATCH = 2000
_NOTHING = (errno.EAGAIN, errno.EWOULDBLOCK)
_NO_ROOM = (errno.ENOBUFS, *_NOTHING)
# Extended data frames only: both protocols of a pile use nothing else. Error frames have a filter of their own.
_FILTERS = [{"can_id": 0, "can_mask": 0, "extended": True}]


def socketcan_error(channel: str, code: int | None, text: str) -> PortError:
    """The error for people that belongs to an error number of the kernel."""
    if code == errno.EAFNOSUPPORT:
        return PortError("this kernel has no CAN support", channel, "Load the modules can and can_raw, or use slcan.")
    if code in (errno.ENODEV, errno.ENXIO):
        return PortError(
            "there is no such CAN interface",
            channel,
            "List them with 'ip link'; check the adapter and the device tree.",
        )
    if code == errno.ENETDOWN:
        return PortError(
            "the CAN interface is down",
            channel,
            f"Bring it up: ip link set {channel} up type can bitrate <rate> restart-ms 100.",
        )
    if code in (errno.EACCES, errno.EPERM):
        return PortError("permission denied", channel, "The service needs the right to open raw CAN sockets.")
    return PortError(f"the CAN interface failed ({text})", channel, "Check the adapter and the wiring.")


def link_of(channel: str) -> KernelLink | None:
    """State of an interface, from the kernel; None if it cannot be asked."""
    try:
        return kernel_link(channel)
    except KernelLinkError as error:
        _LOG.debug("%s: cannot ask the kernel about the interface (%s)", channel, error)
        return None


def open_socketcan(channel: str, bitrate_bps: int, *, listen_only: bool = False) -> "SocketcanPort":
    """Open the network interface ``channel``. Raises PortError, also when its bit rate is another one."""
    try:
        bus = SocketcanBus(channel, can_filters=_FILTERS)  # type: ignore[arg-type]  # its TypedDict has no literal form
    except OSError as error:
        raise socketcan_error(channel, error.errno, str(error)) from error
    link = link_of(channel)
    found = [] if link is None else check_kernel_link(link, bitrate_bps)
    for finding in found:
        if finding.wrong:
            bus.shutdown()
            raise PortError(finding.what.en, channel, f"{finding.cure.en}.")
        _LOG.warning("%s: %s; %s", channel, finding.what.en, finding.cure.en)
    return SocketcanPort(bus, channel, link, listen_only=listen_only)


class SocketcanPort:
    """An open SocketcanBus as a ``CanPort``."""

    restarts_by_opening = False

    def __init__(self, bus: SocketcanBus, channel: str, link: KernelLink | None, *, listen_only: bool = False) -> None:
        self._bus = bus
        self._channel = channel
        self._listen_only = listen_only
        self._stamps = WallStamps()
        self.counters = CanCounters()
        self._state = BusState.UNKNOWN if link is None else link.state
        # Its select reports that a call would not wait; this makes sure.
        bus.socket.setblocking(False)
        try:
            bus.socket.setsockopt(constants.SOL_CAN_RAW, constants.CAN_RAW_ERR_FILTER, STATE_CLASSES)
        except OSError as error:
            _LOG.warning("%s: bus-off and error-passive cannot be reported (%s)", channel, error)

    @property
    def state(self) -> BusState:
        """See CanPort."""
        return self._state

    def is_ready(self, now_s: float) -> bool:
        """See CanPort."""
        return True

    def fileno(self) -> int:
        """See CanPort."""
        return self._bus.fileno()

    def receive(self, now_s: float) -> list[CanFrame]:
        """See CanPort."""
        frames: list[CanFrame] = []
        self._stamps.begin(time.time(), time.monotonic())
        for _ in range(_LARGEST_BATCH):
            try:
                message = self._bus.recv(0)
            except can.CanError as error:
                code = error.error_code
                if code in _NOTHING or frames:
                    break
                raise socketcan_error(self._channel, code, str(error)) from error
            if message is None:
                break
            if message.is_error_frame:
                self._take_error(message)
                continue
            frame = messages.frame_of(message, self._stamps.convert(message.timestamp, now_s))
            if frame is None:
                continue
            frames.append(frame)
        if frames and self._state is BusState.OFF:
            # The report of the restart was lost: a controller that is off receives nothing.
            self._state = BusState.ACTIVE
        return frames

    def send(self, frame: CanFrame) -> bool:
        """See CanPort. The kernel's queue is as long as ``txqueuelen`` of the interface (10 unless set)."""
        if self._listen_only:
            return False
        try:
            self._bus.send(messages.message_of(frame))
        except can.CanError as error:
            # "Transmit buffer full" has no number.
            if error.error_code is not None and error.error_code not in _NO_ROOM:
                raise socketcan_error(self._channel, error.error_code, str(error)) from error
            self.counters.refused += 1
            return False
        return True

    def tick(self, now_s: float) -> None:
        """Ask the kernel for the state while it is not "active": not every driver reports the way back."""
        if self._state in (BusState.ACTIVE, BusState.UNKNOWN):
            return
        link = link_of(self._channel)
        if link is not None and link.state is not BusState.UNKNOWN:
            self._state = link.state

    def close(self) -> None:
        """See CanPort."""
        self._bus.shutdown()

    def _take_error(self, message: can.Message) -> None:
        self.counters.error_frames += 1
        data = bytes(message.data)
        self.counters.overruns += is_overrun(message.arbitration_id, data)
        self._state = state_in(message.arbitration_id, data) or self._state
