"""What a port knows of its bus besides the frames: the state of the CAN controller, and counters."""

from enum import StrEnum

import msgspec


class BusState(StrEnum):
    """Error state of the CAN controller (ISO 11898-1, fault confinement)."""

    ACTIVE = "active"
    """Both error counters below 96."""
    WARNING = "warning"
    """An error counter at 96 or more."""
    PASSIVE = "passive"
    """An error counter above 127: frames get no acknowledgement, or the bus is disturbed."""
    OFF = "off"
    """Transmit error counter above 255: the controller has left the bus."""
    UNKNOWN = "unknown"
    """The adapter or the kernel does not report it."""


class CanCounters(msgspec.Struct):
    """Counters of one port since it was opened."""

    error_frames: int = 0
    """Reports of the controller about errors on the bus."""
    junk: int = 0
    """Damaged lines or frames from the adapter."""
    refused: int = 0
    """Frames for which there was no room, or that the adapter refused."""
    expired: int = 0
    """Frames that could not be handed to the adapter in time; they were not sent."""
    overruns: int = 0
    """Received frames that were lost because a queue was full, as far as the adapter reports it."""
