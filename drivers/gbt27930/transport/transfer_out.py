"""The sending side of multi-packet transfers to one peer."""

from collections import deque
from collections.abc import Callable

from drivers.can.frame import CanFrame
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.segments import Frames

QUEUED_AT_MOST = 8
"""Messages that may wait for their turn; further ones are refused."""


class _Transfer:
    """A message on its way; with ``next_packet`` above ``last_packet`` it waits for the receiver."""

    __slots__ = ("due_s", "last_packet", "next_packet", "packets", "payload", "pgn")

    def __init__(self, pgn: int, payload: bytes, due_s: float) -> None:
        self.pgn = pgn
        self.payload = payload
        self.packets = segments.packets_of(len(payload))
        self.next_packet = 1
        self.last_packet = 0
        self.due_s = due_s


class OutgoingTransfers:
    """Sends long messages, ``at_once`` of them side by side; J1939-21 demands one after the other between two nodes.

    A message that is not cleared in time is dropped, not repeated: the cyclic messages that need this come again
    with fresher content.
    """

    def __init__(
        self,
        frames: Frames,
        emit: Callable[[CanFrame, float], None],
        count: Callable[[str], None],
        packet_interval_s: float,
        at_once: int,
    ) -> None:
        self._frames = frames
        self._emit = emit
        self._count = count
        self._interval_s = packet_interval_s
        self._at_once = at_once
        self._queue: deque[tuple[int, bytes]] = deque()
        self._active: dict[int, _Transfer] = {}

    def clear(self) -> None:
        """Forgets everything, without a word to the receiver."""
        self._queue.clear()
        self._active.clear()

    def send(self, pgn: int, payload: bytes, now_s: float) -> bool:
        """Queues a message; a queued older one with the same PGN is replaced. False if the queue is full."""
        for at, (queued, _) in enumerate(self._queue):
            if queued == pgn:
                self._queue[at] = (pgn, payload)
                return True
        if len(self._queue) >= QUEUED_AT_MOST:
            self._count("send_refused")
            return False
        self._queue.append((pgn, payload))
        self._start_next(now_s)
        return True

    def clearance(self, pgn: int, data: bytes, now_s: float) -> None:
        """Takes a clearance: send these packets, or wait when there are none."""
        count, first = data[1], data[2]
        transfer = self._active.get(pgn)
        if transfer is None or (count and not 1 <= first <= transfer.packets):
            self._count("unexpected_control")
        elif count == 0:
            transfer.next_packet, transfer.last_packet = 1, 0
            transfer.due_s = now_s + segments.HELD_S
        else:
            transfer.next_packet = first
            transfer.last_packet = min(first + count - 1, transfer.packets)
            transfer.due_s = now_s

    def end(self, pgn: int, now_s: float) -> None:
        """Takes the acknowledgement of the whole message."""
        if self._active.pop(pgn, None) is None:
            self._count("unexpected_control")
            return
        self._count("sent")
        self._start_next(now_s)

    def abort(self, pgn: int, now_s: float) -> bool:
        """The receiver aborts ``pgn``; returns whether it was being sent."""
        if self._active.pop(pgn, None) is None:
            return False
        self._count("send_failed")
        self._start_next(now_s)
        return True

    def run(self, now_s: float) -> list[CanFrame]:
        """The data frames that are due; drops messages that were not cleared in time."""
        due: list[CanFrame] = []
        if not self._active:
            return due
        for transfer in list(self._active.values()):
            while now_s >= transfer.due_s:
                if transfer.next_packet > transfer.last_packet:
                    self._count("send_failed")
                    self._emit(self._frames.abort(transfer.pgn, segments.REASON_TIMEOUT), now_s)
                    del self._active[transfer.pgn]
                    self._start_next(now_s)
                    break
                due.append(self._frames.data(transfer.next_packet, transfer.payload))
                transfer.next_packet += 1
                more = transfer.next_packet <= transfer.last_packet
                transfer.due_s = now_s + (self._interval_s if more else segments.CLEARANCE_S)
        return due

    def next_due(self) -> float | None:
        """When ``run`` has something to do, or None."""
        return min((transfer.due_s for transfer in self._active.values()), default=None)

    def _start_next(self, now_s: float) -> None:
        """Requests the first queued message of which no older one is still on its way."""
        if len(self._active) >= self._at_once:
            return
        for at, (pgn, payload) in enumerate(self._queue):
            if pgn not in self._active:
                del self._queue[at]
                self._active[pgn] = _Transfer(pgn, payload, now_s + segments.CLEARANCE_S)
                self._emit(self._frames.request(pgn, len(payload)), now_s)
                return
