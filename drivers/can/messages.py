"""Frames of this project and messages of python-can, and the library's own log.

Importing ``can`` also loads its file formats and viewers; the package offers no smaller entry (docs/decisions/0520 has
the cost). Interfaces are imported one at a time, when a line names them.
"""

import logging

import can

from drivers.can.frame import CanFrame

# What python-can logs about an error it also raises, and that a PortError gives with a cure.
logging.getLogger("can").setLevel(logging.CRITICAL)

LARGEST_EXTENDED = 0x1FFFFFFF
"""29 bits."""
LARGEST_BASE = 0x7FF
"""11 bits."""


def message_of(frame: CanFrame) -> can.Message:
    """A frame as python-can sends it."""
    return can.Message(arbitration_id=frame.identifier, is_extended_id=frame.extended, data=frame.data)


def frame_of(message: can.Message, at_s: float) -> CanFrame | None:
    """A data frame received by python-can; None for all others and for one that is damaged or our own."""
    if message.is_remote_frame or message.is_error_frame or message.is_fd or not message.is_rx:
        return None
    identifier, extended = message.arbitration_id, message.is_extended_id
    data = bytes(message.data[: message.dlc])
    if len(data) > 8 or not 0 <= identifier <= (LARGEST_EXTENDED if extended else LARGEST_BASE):
        return None
    return CanFrame(identifier, data, at_s, extended)
