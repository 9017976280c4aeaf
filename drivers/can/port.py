"""Opens a CAN line of any kind. ``CanPort`` is what every kind does."""

from typing import Protocol

from drivers.can.frame import CanFrame
from drivers.can.interfaces import CAN_INTERFACES, VIRTUAL
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError


class CanPort(Protocol):
    """One open CAN line. No call ever waits. Every call but ``close`` raises PortError once the line has gone."""

    counters: CanCounters

    @property
    def state(self) -> BusState:
        """Error state of the controller, as last reported."""

    @property
    def restarts_by_opening(self) -> bool:
        """Whether closing and opening the port brings its controller back after bus-off (a kernel interface: no)."""

    def is_ready(self, now_s: float) -> bool:
        """Whether frames can be sent. An adapter that takes time to open returns True later. Raises PortError."""

    def fileno(self) -> int:
        """File descriptor to wait on, -1 once closed."""

    def receive(self, now_s: float) -> list[CanFrame]:
        """The data frames that wait, oldest first. Their ``at_s`` is at most ``now_s`` and never runs backwards."""

    def send(self, frame: CanFrame) -> bool:
        """Queue a frame; False if there is no room for it, or the port is listen-only. It is not sent later then."""

    def tick(self, now_s: float) -> None:
        """To be called about once a second, also on a silent bus: asks for the state, notices a stuck adapter."""

    def close(self) -> None:
        """Give the line back; closing twice is allowed."""


def open_can_port(interface: str, channel: str, bitrate_bps: int, listen_only: bool = False) -> CanPort:
    """Open a CAN line through python-can. Raises PortError if that fails, with cause and cure.

    ``interface`` is one of ``CAN_INTERFACES``; ``channel`` is a network interface (socketcan), a serial port (slcan),
    a channel name (pcan: PCAN_USBBUS1) or a number from 0 (canalystii, kvaser, gs_usb). ``bitrate_bps`` is set in the
    adapter; that of a kernel interface is set by the system and compared. A port opened with ``listen_only`` refuses
    to send, and its adapter is put into listen-only mode; one that has no such mode is refused.

    Opening does not wait either: see ``is_ready``.
    """
    if interface == "socketcan":
        from drivers.can.socketcan import open_socketcan

        return open_socketcan(channel, bitrate_bps, listen_only=listen_only)
    if interface == "slcan":
        from drivers.can.slcan import SlcanPort

        return SlcanPort(channel, bitrate_bps, listen_only=listen_only)
    if interface in CAN_INTERFACES or interface == VIRTUAL:
        from drivers.can.adapters import open_adapter

        return open_adapter(interface, channel, bitrate_bps, listen_only=listen_only)
    raise PortError(f"unknown CAN interface {interface}", channel, f"Use one of {', '.join(CAN_INTERFACES)}.")
