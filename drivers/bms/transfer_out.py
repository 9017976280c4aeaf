"""The sending side of multi-packet transfers to one peer."""

from collections import deque
from collections.abc import Callable

from drivers.bms import segments
from drivers.bms.segments import Frames
from drivers.can.frame import CanFrame

QUEUED_AT_MOST = 8
"""Messages that may wait for their turn; further ones are refused."""


class OutgoingTransfers:
    """Sends long messages one after the other, as J1939-21 demands between two nodes.

    A message that is not cleared in time is given up, not repeated: the cyclic messages that need this come again
    with fresher content.
    """

    def __init__(
        self,
        frames: Frames,
        emit: Callable[[CanFrame, float], None],
        count: Callable[[str], None],
        packet_interval_s: float,
    ) -> None:
        self._frames = frames
        self._emit = emit
        self._count = count
        self._interval_s = packet_interval_s
        self._queue: deque[tuple[int, bytes]] = deque()
        self._pgn: int | None = None
        self._payload = b""
        self._next_packet = 0
        self._last_packet = -1
        self._due_s = 0.0

    def clear(self) -> None:
        """Forgets everything, without a word to the receiver."""
        self._queue.clear()
        self._pgn = None

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
        packets = segments.packets_of(len(self._payload))
        if pgn != self._pgn or (count and not 1 <= first <= packets):
            self._count("unexpected_control")
        elif count == 0:
            self._next_packet, self._last_packet = 0, -1
            self._due_s = now_s + segments.HELD_S
        else:
            self._next_packet = first
            self._last_packet = min(first + count - 1, packets)
            self._due_s = now_s

    def end(self, pgn: int, now_s: float) -> None:
        """Takes the acknowledgement of the whole message."""
        if pgn != self._pgn:
            self._count("unexpected_control")
            return
        self._count("sent")
        self._pgn = None
        self._start_next(now_s)

    def abort(self, pgn: int, now_s: float) -> bool:
        """The receiver gives up ``pgn``; returns whether it was being sent."""
        if pgn != self._pgn:
            return False
        self._count("send_failed")
        self._pgn = None
        self._start_next(now_s)
        return True

    def run(self, now_s: float) -> list[CanFrame]:
        """The data frames that are due; gives up a message that was not cleared in time."""
        due: list[CanFrame] = []
        while self._pgn is not None and now_s >= self._due_s:
            if self._next_packet > self._last_packet:
                self._count("send_failed")
                self._emit(self._frames.abort(self._pgn, segments.REASON_TIMEOUT), now_s)
                self._pgn = None
                self._start_next(now_s)
                break
            due.append(self._frames.data(self._next_packet, self._payload))
            self._next_packet += 1
            wait_s = self._interval_s if self._next_packet <= self._last_packet else segments.CLEARANCE_S
            self._due_s = now_s + wait_s
        return due

    def next_due(self) -> float | None:
        """When ``run`` has something to do, or None."""
        return None if self._pgn is None else self._due_s

    def _start_next(self, now_s: float) -> None:
        if self._pgn is not None or not self._queue:
            return
        self._pgn, self._payload = self._queue.popleft()
        self._next_packet, self._last_packet = 0, -1
        self._due_s = now_s + segments.CLEARANCE_S
        self._emit(self._frames.request(self._pgn, len(self._payload)), now_s)
