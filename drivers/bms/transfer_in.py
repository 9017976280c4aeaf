"""The receiving side of multi-packet transfers from one peer."""

from collections.abc import Callable, Container

from drivers.bms import segments
from drivers.bms.segments import BYTES_PER_PACKET, Frames
from drivers.can.frame import CanFrame

WAITING_AT_MOST = 4
"""Transfers that may wait for their turn; further ones are turned away."""


class _Transfer:
    """A message being put together."""

    __slots__ = ("buffer", "deadline_s", "grant", "missing", "packets", "pgn", "retransmissions", "size", "window_end")

    def __init__(self, pgn: int, size: int, grant: int) -> None:
        self.pgn = pgn
        self.size = size
        self.grant = grant
        self.packets = segments.packets_of(size)
        self.buffer = bytearray(size)
        self.missing = set(range(1, self.packets + 1))
        self.window_end = 0
        self.retransmissions = 0
        self.deadline_s = 0.0


class IncomingTransfers:
    """Puts messages together from data frames.

    A data frame does not say which message it belongs to, so one transfer is active at a time. A request for another
    message meanwhile is held (clearance for no packets) and gets its turn when the active one is complete or has
    failed; nothing is lost as long as the sender keeps to the hold.
    """

    def __init__(
        self,
        frames: Frames,
        emit: Callable[[CanFrame, float], None],
        count: Callable[[str], None],
        accepted_pgns: Container[int] | None,
    ) -> None:
        self._frames = frames
        self._emit = emit
        self._count = count
        self._accepted_pgns = accepted_pgns
        self._active: _Transfer | None = None
        self._waiting: dict[int, tuple[int, int]] = {}
        self._hold_due_s = 0.0

    def clear(self) -> None:
        """Forgets everything, without a word to the sender."""
        self._active = None
        self._waiting.clear()

    def request(self, pgn: int, data: bytes, now_s: float) -> None:
        """Takes a request to send. A repeated request for the same message starts it afresh."""
        if self._accepted_pgns is not None and pgn not in self._accepted_pgns:
            self._count("foreign")
            return
        size, packets, grant = data[1] | data[2] << 8, data[3], data[4] or 0xFF
        if not segments.SMALLEST_BYTES <= size <= segments.LARGEST_BYTES or packets != segments.packets_of(size):
            self._count("inconsistent_requests")
            self._drop(pgn)
            self._emit(self._frames.abort(pgn, segments.REASON_OTHER), now_s)
            self._next(now_s)
        elif self._active is None or self._active.pgn == pgn:
            self._start(pgn, size, grant, now_s)
        elif pgn in self._waiting or len(self._waiting) < WAITING_AT_MOST:
            self._hold_due_s = now_s + segments.HOLD_REPEAT_S if not self._waiting else self._hold_due_s
            self._waiting[pgn] = (size, grant)
            self._emit(self._frames.clearance(pgn, 0, 0xFF), now_s)
        else:
            self._count("turned_away")
            self._emit(self._frames.abort(pgn, segments.REASON_BUSY), now_s)

    def data(self, data: bytes, now_s: float) -> tuple[int, bytes] | None:
        """Takes a data frame; returns PGN and payload when it completes a message."""
        transfer = self._active
        if transfer is None or not data:
            self._count("unexpected_data")
            return None
        number = data[0]
        start = (number - 1) * BYTES_PER_PACKET
        part = data[1 : 1 + min(BYTES_PER_PACKET, transfer.size - start)]
        if not 1 <= number <= transfer.packets or len(part) < min(BYTES_PER_PACKET, transfer.size - start):
            self._count("wrong_sequence")
            return None
        if number not in transfer.missing:
            self._count("duplicates")
            return None
        transfer.missing.remove(number)
        transfer.buffer[start : start + len(part)] = part
        transfer.deadline_s = now_s + segments.DATA_GAP_S
        if not transfer.missing:
            self._count("received")
            self._emit(self._frames.end(transfer.pgn, transfer.size), now_s)
            self._active = None
            self._next(now_s)
            return transfer.pgn, bytes(transfer.buffer)
        if number >= transfer.window_end:
            self._continue(transfer, now_s)
        return None

    def abort(self, pgn: int, now_s: float) -> bool:
        """The sender gives up ``pgn``; returns whether there was such a transfer."""
        found = self._drop(pgn)
        self._next(now_s)
        return found

    def expire(self, now_s: float) -> None:
        """Does what time demands: missing packets are asked for again, dead transfers given up, holds repeated."""
        transfer = self._active
        if transfer is not None and now_s >= transfer.deadline_s:
            if self._waiting:
                self._give_up(transfer, segments.REASON_TIMEOUT, now_s)
            else:
                self._ask_again(transfer, segments.REASON_TIMEOUT, now_s)
        if self._waiting and now_s >= self._hold_due_s:
            self._hold_due_s = now_s + segments.HOLD_REPEAT_S
            for pgn in self._waiting:
                self._emit(self._frames.clearance(pgn, 0, 0xFF), now_s)

    def next_due(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        if self._active is None:
            return None  # nothing waits while nothing is active
        return min(self._active.deadline_s, self._hold_due_s) if self._waiting else self._active.deadline_s

    def _start(self, pgn: int, size: int, grant: int, now_s: float) -> None:
        self._active = _Transfer(pgn, size, grant)
        self._grant(self._active, now_s)

    def _grant(self, transfer: _Transfer, now_s: float) -> None:
        """Clears the first unbroken run of missing packets, as far as the sender allows at once."""
        first = min(transfer.missing)
        end = first
        while end + 1 in transfer.missing and end + 1 - first < transfer.grant:
            end += 1
        transfer.window_end = end
        transfer.deadline_s = now_s + segments.DATA_AFTER_CLEARANCE_S
        self._emit(self._frames.clearance(transfer.pgn, end + 1 - first, first), now_s)

    def _continue(self, transfer: _Transfer, now_s: float) -> None:
        """The granted packets have passed: grants the next, or asks for the lost ones."""
        if min(transfer.missing) > transfer.window_end:
            self._grant(transfer, now_s)
        else:
            self._ask_again(transfer, segments.REASON_RETRANSMISSIONS, now_s)

    def _ask_again(self, transfer: _Transfer, reason: int, now_s: float) -> None:
        if transfer.retransmissions >= segments.LARGEST_RETRANSMISSIONS:
            self._give_up(transfer, reason, now_s)
            return
        transfer.retransmissions += 1
        self._count("retransmissions")
        self._grant(transfer, now_s)

    def _give_up(self, transfer: _Transfer, reason: int, now_s: float) -> None:
        self._count("receive_failed")
        self._emit(self._frames.abort(transfer.pgn, reason), now_s)
        self._active = None
        self._next(now_s)

    def _drop(self, pgn: int) -> bool:
        if self._active is not None and self._active.pgn == pgn:
            self._active = None
            return True
        return self._waiting.pop(pgn, None) is not None

    def _next(self, now_s: float) -> None:
        if self._active is None and self._waiting:
            pgn = next(iter(self._waiting))
            size, grant = self._waiting.pop(pgn)
            self._start(pgn, size, grant, now_s)
