"""CAN lines, every one of them opened through python-can (docs/decisions/0520)."""

from drivers.can.interfaces import CAN_INTERFACES, CanInterface

__all__ = ["CAN_INTERFACES", "CanInterface"]
