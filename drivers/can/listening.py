"""A CAN line that is only listened to: a port that has no way to send, and the state of the interface from the kernel.

Default deny: the port below refuses to send as well (``listen_only``), an adapter is opened in its listen-only mode or
not at all, and this wrapper has no method that could reach the other one's ``send``.
"""

import logging
from enum import Enum

from drivers.can.frame import CanFrame
from drivers.can.interfaces import SELF_LISTEN_ONLY
from drivers.can.port import open_can_port
from drivers.can.state import BusState

_LOG = logging.getLogger(__name__)


class Acknowledging(Enum):
    """Whether an interface takes part in the bus although nothing is sent on it."""

    NO = "no"
    """It is set listen-only: not even the acknowledge bit is driven."""
    YES = "yes"
    """It acknowledges frames, and its error flags reach the bus."""
    UNKNOWN = "unknown"
    """The kernel gives none: a virtual interface, or no netlink."""


class ListeningPort:
    """One open CAN line that can be read and closed, and nothing else."""

    __slots__ = ("_close", "_fileno", "_is_ready", "_receive", "_state", "_tick", "acknowledging", "counters")

    restarts_by_opening = True

    def __init__(self, interface: str, channel: str, bitrate_bps: int) -> None:
        """Open the line listen-only. Raises PortError as ``open_can_port`` does."""
        port = open_can_port(interface, channel, bitrate_bps, listen_only=True)
        # Only these ways into the port are kept; the port itself is not.
        self._fileno, self._receive, self._close = port.fileno, port.receive, port.close
        self._is_ready, self._tick, self.counters = port.is_ready, port.tick, port.counters

        def state() -> BusState:
            return port.state

        self._state = state
        self.acknowledging = Acknowledging.NO if interface in SELF_LISTEN_ONLY else interface_acknowledges(channel)

    @property
    def state(self) -> BusState:
        """See CanPort."""
        return self._state()

    def is_ready(self, now_s: float) -> bool:
        """See CanPort."""
        return self._is_ready(now_s)

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._fileno()

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that wait, oldest first. Raises PortError once the line has gone."""
        return self._receive(now_s)

    def tick(self, now_s: float) -> None:
        """See CanPort."""
        self._tick(now_s)

    def close(self) -> None:
        """Give the line back; closing twice is allowed."""
        self._close()


def interface_acknowledges(channel: str) -> Acknowledging:
    """Mode of a network interface, from the kernel; UNKNOWN when it cannot be asked."""
    from drivers.can.kernel_link import KernelLinkError, kernel_link

    try:
        listen_only = kernel_link(channel).listen_only
    except KernelLinkError as error:
        _LOG.warning("%s: unknown whether the interface is listen-only (%s)", channel, error)
        return Acknowledging.UNKNOWN
    if listen_only is None:
        _LOG.warning("%s: unknown whether the interface is listen-only: no answer from the kernel", channel)
        return Acknowledging.UNKNOWN
    if not listen_only:
        _LOG.error(
            "%s: the interface is not listen-only and acknowledges frames of the two sides. Bring it down, then: "
            "ip link set %s up type can bitrate <rate> listen-only on",
            channel,
            channel,
        )
        return Acknowledging.YES
    return Acknowledging.NO
