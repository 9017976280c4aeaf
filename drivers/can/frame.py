"""A CAN frame as it passes between a port and the protocol logic."""

import msgspec


class CanFrame(msgspec.Struct, frozen=True, gc=False):
    """One classic CAN frame.

    ``identifier`` is the 29-bit (or 11-bit, when ``extended`` is false) identifier, ``data`` has
    0 to 8 bytes, ``at_s`` is the monotonic time of arrival (0.0 for a frame still to be sent).
    """

    identifier: int
    data: bytes
    at_s: float = 0.0
    extended: bool = True
