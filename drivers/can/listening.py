"""A CAN line that is only listened to: a port that has no way to send, and what the kernel says about the interface.

Default deny: the port below refuses to send as well (``listen_only``), an slcan adapter is opened with ``L``, and this
wrapper has no method that could reach the other one's ``send``.
"""

import logging
from enum import Enum

from drivers.can.frame import CanFrame
from drivers.can.port import open_can_port

_LOG = logging.getLogger(__name__)


class Acknowledging(Enum):
    """Whether an interface takes part in the bus although nothing is sent on it."""

    NO = "no"
    """It is set listen-only: not even the acknowledge bit is driven."""
    YES = "yes"
    """It acknowledges frames, and its error flags reach the bus."""
    UNKNOWN = "unknown"
    """The kernel does not say: a virtual interface, or no netlink."""


class ListeningPort:
    """One open CAN line that can be read and closed, and nothing else."""

    __slots__ = ("_close", "_fileno", "_receive", "acknowledging")

    def __init__(self, interface: str, channel: str, bitrate_bps: int) -> None:
        """Open the line listen-only. Raises PortError as ``open_can_port`` does."""
        port = open_can_port(interface, channel, bitrate_bps, listen_only=True)
        # Only these three ways into the port are kept; the port itself is not.
        self._fileno, self._receive, self._close = port.fileno, port.receive, port.close
        self.acknowledging = Acknowledging.NO if interface == "slcan" else interface_acknowledges(channel)

    def fileno(self) -> int:
        """File descriptor to wait on."""
        return self._fileno()

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that wait, oldest first, stamped with ``now_s``. Raises PortError once the line has gone."""
        return self._receive(now_s)

    def close(self) -> None:
        """Give the line back; closing twice is allowed."""
        self._close()


def interface_acknowledges(channel: str) -> Acknowledging:
    """What the kernel says about a network interface; UNKNOWN when it cannot be asked."""
    from drivers.can.link_mode import LinkModeError, listen_only_of

    try:
        listen_only = listen_only_of(channel)
    except LinkModeError as error:
        _LOG.warning("%s: cannot tell whether the interface is listen-only (%s)", channel, error)
        return Acknowledging.UNKNOWN
    if listen_only is None:
        _LOG.warning("%s: the kernel does not say whether the interface is listen-only", channel)
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
