"""Constants, timers and frame layouts of the J1939-21 connection-managed transfer (RTS/CTS).

GB/T 27930 names no timers of its own and refers to J1939-21; the values below are that standard's.
"""

from drivers.can.frame import CanFrame

PRIORITY = 7
"""Priority of every transfer frame."""

CONTROL = 0xEC
"""PDU format of the connection management frame (TP.CM)."""

DATA = 0xEB
"""PDU format of the data frame (TP.DT)."""

REQUEST_TO_SEND = 16
CLEAR_TO_SEND = 17
END_OF_MESSAGE = 19
ABORT = 255

BYTES_PER_PACKET = 7
SMALLEST_BYTES = 9
LARGEST_BYTES = 1785

DATA_GAP_S = 0.75
"""T1: longest gap between two data frames seen by the receiver."""

DATA_AFTER_CLEARANCE_S = 1.25
"""T2: longest wait of the receiver for the first data frame after its clearance."""

CLEARANCE_S = 1.25
"""T3: longest wait of the sender for a clearance or the end acknowledgement."""

HELD_S = 1.05
"""T4: longest wait of the sender after a clearance for no packets ("hold")."""

HOLD_REPEAT_S = 0.4
"""A receiver that holds a sender repeats the hold this often: below Th (0.5 s), where some senders give up."""

REASON_BUSY = 1
REASON_RESOURCES = 2
REASON_TIMEOUT = 3
REASON_RETRANSMISSIONS = 5
REASON_DUPLICATE = 8
REASON_OTHER = 250

LARGEST_RETRANSMISSIONS = 2
"""Number of requests for missing packets before the receiver aborts. Own choice: cyclic messages come again anyway."""


def packets_of(size: int) -> int:
    """Number of data frames for ``size`` bytes."""
    return -(-size // BYTES_PER_PACKET)


class Frames:
    """Builds the transfer frames of one sender to one receiver."""

    def __init__(self, own_address: int, peer_address: int) -> None:
        low = peer_address << 8 | own_address
        self._control = PRIORITY << 26 | CONTROL << 16 | low
        self._data = PRIORITY << 26 | DATA << 16 | low

    def request(self, pgn: int, size: int) -> CanFrame:
        """Request to send ``size`` bytes; any number of packets may be granted at once."""
        return self._frame(pgn, REQUEST_TO_SEND, size & 0xFF, size >> 8, packets_of(size), 0xFF)

    def clearance(self, pgn: int, count: int, first: int) -> CanFrame:
        """Clearance for ``count`` packets from number ``first``; a count of 0 holds the sender."""
        return self._frame(pgn, CLEAR_TO_SEND, count, first, 0xFF, 0xFF)

    def end(self, pgn: int, size: int) -> CanFrame:
        """Acknowledgement of a complete message."""
        return self._frame(pgn, END_OF_MESSAGE, size & 0xFF, size >> 8, packets_of(size), 0xFF)

    def abort(self, pgn: int, reason: int) -> CanFrame:
        """Either side aborts."""
        return self._frame(pgn, ABORT, reason, 0xFF, 0xFF, 0xFF)

    def data(self, number: int, payload: bytes) -> CanFrame:
        """Data frame ``number`` (from 1) of ``payload``, the last one filled with ones."""
        start = (number - 1) * BYTES_PER_PACKET
        part = payload[start : start + BYTES_PER_PACKET].ljust(BYTES_PER_PACKET, b"\xff")
        return CanFrame(self._data, bytes((number,)) + part)

    def _frame(self, pgn: int, kind: int, *rest: int) -> CanFrame:
        return CanFrame(self._control, bytes((kind, *rest)) + pgn.to_bytes(3, "little"))
