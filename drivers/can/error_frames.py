"""Reads the state of the controller from an error frame.

Layout: Linux ``include/uapi/linux/can/error.h``. The class bits are in the identifier, the controller's state in the
second data byte. gs_usb adapters use the same layout.
"""

from drivers.can.state import BusState

CONTROLLER = 0x0004
"""CAN_ERR_CRTL: the controller changed its state or lost frames; see the second data byte."""
BUS_OFF = 0x0040
"""CAN_ERR_BUSOFF."""
RESTARTED = 0x0100
"""CAN_ERR_RESTARTED: the controller takes part in the bus again."""
STATE_CLASSES = CONTROLLER | BUS_OFF | RESTARTED
"""The classes that a port asks the kernel for. Single bus errors are left out: with berr-reporting on, a broken wire
causes thousands in a second."""

_RX_OVERFLOW = 0x01
_WARNING = 0x04 | 0x08
_PASSIVE = 0x10 | 0x20
_ACTIVE = 0x40


def state_in(classes: int, data: bytes) -> BusState | None:
    """The state that an error frame reports, None if it reports none. ``classes`` is its identifier without flags."""
    if classes & BUS_OFF:
        return BusState.OFF
    if classes & RESTARTED:
        return BusState.ACTIVE
    if not classes & CONTROLLER or len(data) < 2:
        return None
    detail = data[1]
    if detail & _PASSIVE:
        return BusState.PASSIVE
    if detail & _WARNING:
        return BusState.WARNING
    return BusState.ACTIVE if detail & _ACTIVE else None


def is_overrun(classes: int, data: bytes) -> bool:
    """Whether the controller reports that received frames were lost."""
    return bool(classes & CONTROLLER) and len(data) > 1 and bool(data[1] & _RX_OVERFLOW)
