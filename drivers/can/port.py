"""Opening a CAN line: a kernel interface (socketcan) or a serial adapter (slcan).

Neither brings python-can into the process; why, and what that saves, stands in docs/decisions/0102.
"""

from typing import Protocol

from drivers.can.frame import CanFrame
from drivers.errors import PortError


class CanPort(Protocol):
    """One open CAN line. No call ever waits. Every call raises PortError once the line has gone."""

    def fileno(self) -> int:
        """File descriptor to wait on."""

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that wait, oldest first, stamped with ``now_s``."""

    def send(self, frame: CanFrame) -> bool:
        """Queue a frame; False if there is no room for it (it is not sent later either)."""

    def close(self) -> None:
        """Give the line back; closing twice is allowed."""


def open_can_port(interface: str, channel: str, bitrate_bps: int, listen_only: bool = False) -> CanPort:
    """Open a CAN line. Raises PortError if that fails, naming the cause.

    ``interface`` is "socketcan" (``channel`` is a network interface such as can0; its bit rate and listen-only mode
    are set by the system, not here) or "slcan" (``channel`` is a serial port, ``bitrate_bps`` one of the rates of
    the slcan protocol, 10000 to 1000000). A port opened with ``listen_only`` refuses to send.
    """
    if interface == "socketcan":
        from drivers.can.socketcan import open_socketcan

        return open_socketcan(channel, listen_only=listen_only)
    if interface == "slcan":
        from drivers.can.slcan import SlcanPort

        return SlcanPort(channel, bitrate_bps, listen_only=listen_only)
    raise PortError(f"unknown CAN interface {interface}", channel, "Use socketcan or slcan.")
