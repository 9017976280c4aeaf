"""Kinds of CAN interface that a site file may name. The names are those of python-can."""

from typing import Literal, get_args

CanInterface = Literal["socketcan", "slcan", "canalystii", "pcan", "kvaser", "gs_usb"]
"""``socketcan``: a network interface of the kernel. ``slcan``: a serial adapter. The others: USB adapters through
their maker's or a free library."""

CAN_INTERFACES: tuple[str, ...] = get_args(CanInterface)
"""The same as a tuple, in the order of documents and menus."""

VIRTUAL = "virtual"
"""python-can's bus inside one process. ``open_can_port`` opens it for tests; no site file may name it."""

SELF_LISTEN_ONLY = frozenset({"slcan", "pcan", "kvaser"})
"""Interfaces that this program itself puts into listen-only mode when it opens them as a listener."""
