"""The receiving side of multi-packet transfers from one peer.

A data frame carries a packet number but no PGN. Two transfers can be open at once all the same as long as the numbers
distinguish them: a message of n packets is cleared beside another one when everything that one may still send has a
number above n. A BCS of two packets slips in after the second packet of a long BMV, and neither takes a packet of the
other, even if the sender keeps to no window (docs/decisions/0320).
"""

from collections.abc import Callable, Container

from drivers.can.frame import CanFrame
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.segments import BYTES_PER_PACKET, Frames

TRANSFERS_AT_MOST = 6
"""Transfers open or waiting at once, one for each message that has more than 8 bytes; further ones are refused."""

DEAF_PAUSE_S = 1.25
"""Time without new messages from a sender that ignores clearances, after its messages were mixed up.

Own choice: what it still sends of them must have passed; a BMV takes about 0.4 s, and BCS may be away for 5 s.
"""

LONGEST_WAIT_S = 3.5
"""A request that has waited this long ends the transfers in its way.

Own choice: BCS must arrive every 5 s, however slowly an optional message comes.
"""


class _Transfer:
    """A message being reassembled. Bit n of ``missing`` stands for packet n."""

    __slots__ = (
        "buffer", "deadline_s", "grant", "missing", "overtaken", "packets", "pgn", "retransmissions", "size",
        "upcoming", "window_end",
    )  # fmt: skip

    def __init__(self, pgn: int, size: int, grant: int) -> None:
        self.pgn = pgn
        self.size = size
        self.grant = grant
        self.packets = segments.packets_of(size)
        self.buffer = bytearray(size)
        self.missing = (2 << self.packets) - 2
        self.window_end = 0
        self.upcoming = 1
        self.retransmissions = 0
        self.overtaken = False
        """Whether the sender has begun another message since the last packet of this one."""
        self.deadline_s = 0.0

    @property
    def first_missing(self) -> int:
        """Number of the first packet that has not come."""
        return (self.missing & -self.missing).bit_length() - 1

    def leaves_room_for(self, packets: int) -> bool:
        """Whether nothing that may still come has a number a message of ``packets`` uses.

        ``upcoming`` is the sender's next packet, which is below what is missing when it has gone back to a lost packet.
        """
        return packets < min(self.upcoming, self.first_missing)


class _Request:
    """A request that waits for its turn, since ``since_s``."""

    __slots__ = ("grant", "packets", "since_s", "size")

    def __init__(self, size: int, grant: int, since_s: float) -> None:
        self.size = size
        self.grant = grant
        self.packets = segments.packets_of(size)
        self.since_s = since_s


class IncomingTransfers:
    """Puts messages together from data frames.

    A request that the packet numbers cannot distinguish from an open transfer is held (clearance for no packets). It is
    cleared as soon as they can, or when the blocking transfer is complete, has failed, or has blocked for too long.
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
        self._open: list[_Transfer] = []
        """Shortest first: each is below everything the next ones may still send."""
        self._waiting: dict[int, _Request] = {}
        self._hold_due_s = 0.0
        self._latest = b""
        """The data frame before, as long as no request has followed it."""
        self._deaf = False
        """Whether the sender was seen not to wait for its clearance; holding it would be of no use."""
        self._deaf_until_s = 0.0

    def clear(self) -> None:
        """Forgets everything, without a word to the sender."""
        self._open.clear()
        self._waiting.clear()
        self._deaf = False

    def request(self, pgn: int, data: bytes, now_s: float) -> None:
        """Takes a request to send. A repeated request for the same message starts it afresh."""
        if self._accepted_pgns is not None and pgn not in self._accepted_pgns:
            self._count("foreign")
            return
        size, packets, grant = data[1] | data[2] << 8, data[3], data[4] or 0xFF
        former = self._drop(pgn)
        self._latest = b""
        if not segments.SMALLEST_BYTES <= size <= segments.LARGEST_BYTES or packets != segments.packets_of(size):
            self._count("inconsistent_requests")
            self._emit(self._frames.abort(pgn, segments.REASON_OTHER), now_s)
        elif self._deaf and now_s < self._deaf_until_s:
            self._turn_away(pgn, now_s)
        elif not (in_the_way := self._in_the_way_of(packets)):
            self._start(pgn, size, grant, now_s)
        elif self._deaf:
            self._turn_away(pgn, now_s)
            self._deaf_until_s = now_s + DEAF_PAUSE_S
            for transfer in in_the_way:
                self._give_up(transfer, segments.REASON_OTHER, now_s)
        elif len(self._open) + len(self._waiting) < TRANSFERS_AT_MOST:
            self._hold(pgn, _Request(size, grant, former.since_s if isinstance(former, _Request) else now_s), now_s)
        else:
            self._turn_away(pgn, now_s)
        if self._waiting:
            self._admit(now_s)

    def data(self, data: bytes, now_s: float) -> tuple[int, bytes] | None:
        """Takes a data frame; returns PGN and payload when it completes a message."""
        if not self._open:
            self._count("unexpected_data")
            return None
        if data == self._latest:
            self._count("duplicates")  # the bus may repeat a frame; it belongs to the message of the first one
            return None
        self._latest = data
        number = data[0] if data else 0
        for transfer in self._open:
            if number <= transfer.packets:
                break
        else:
            self._count("wrong_sequence")
            return None
        start = (number - 1) * BYTES_PER_PACKET
        part = data[1 : 1 + min(BYTES_PER_PACKET, transfer.size - start)]
        end = start + len(part)
        if not number or (len(part) < BYTES_PER_PACKET and end != transfer.size):
            self._count("wrong_sequence")
            return None
        transfer.upcoming = number + 1
        bit = 1 << number
        if not transfer.missing & bit:
            if part == transfer.buffer[start:end]:
                self._count("duplicates")
            else:
                self._take_mixed_up(transfer, now_s)
            return None
        transfer.missing ^= bit
        transfer.buffer[start:end] = part
        transfer.deadline_s = now_s + segments.DATA_GAP_S
        transfer.overtaken = False
        complete = None
        if not transfer.missing:
            self._count("received")
            self._emit(self._frames.end(transfer.pgn, transfer.size), now_s)
            self._open.remove(transfer)
            complete = transfer.pgn, bytes(transfer.buffer)
        elif number >= transfer.window_end:
            self._continue(transfer, now_s)
        if self._waiting:
            self._admit(now_s)
        return complete

    def abort(self, pgn: int, now_s: float) -> bool:
        """The sender aborts ``pgn``; returns whether there was such a transfer."""
        found = self._drop(pgn)
        self._admit(now_s)
        return found is not None

    def expire(self, now_s: float) -> None:
        """Handles time-outs: requests missing packets again, aborts dead transfers, repeats holds."""
        if not self._open:
            return  # nothing waits while nothing is open
        for transfer in [each for each in self._open if now_s >= each.deadline_s]:
            # A sender that has begun another message has most likely left this one, and may take the clearance of the
            # lost packets for one of the other message.
            if not transfer.overtaken and not self._waiting:
                self._ask_again(transfer, segments.REASON_TIMEOUT, now_s)
            else:
                self._give_up(transfer, segments.REASON_TIMEOUT, now_s)
        if not self._waiting:
            return
        self._end_long_wait(now_s)
        self._admit(now_s)
        if self._waiting and now_s >= self._hold_due_s:
            self._hold_due_s = now_s + segments.HOLD_REPEAT_S
            for pgn in self._waiting:
                self._emit(self._frames.clearance(pgn, 0, 0xFF), now_s)

    def next_due(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        if not self._open:
            return None  # nothing waits while nothing is open
        dues = [transfer.deadline_s for transfer in self._open]
        if self._waiting:
            dues.append(self._hold_due_s)
            dues.extend(request.since_s + LONGEST_WAIT_S for request in self._waiting.values())
        return min(dues)

    def _in_the_way_of(self, packets: int) -> list[_Transfer]:
        return [transfer for transfer in self._open if not transfer.leaves_room_for(packets)]

    def _take_mixed_up(self, transfer: _Transfer, now_s: float) -> None:
        """Two packets under one number: two messages at a time, or one torn between two moments. Neither may be used.

        From now on the sender counts as deaf: it is not held any more, and of messages that overlap so that the
        numbers do not distinguish them none is accepted. They come again.
        """
        self._count("mixed_up")
        self._deaf = True
        self._deaf_until_s = now_s + DEAF_PAUSE_S
        self._give_up(transfer, segments.REASON_DUPLICATE, now_s)
        for pgn in list(self._waiting):
            del self._waiting[pgn]
            self._turn_away(pgn, now_s)

    def _turn_away(self, pgn: int, now_s: float) -> None:
        self._count("turned_away")
        self._emit(self._frames.abort(pgn, segments.REASON_BUSY), now_s)

    def _start(self, pgn: int, size: int, grant: int, now_s: float) -> None:
        for other in self._open:
            other.overtaken = True
        transfer = _Transfer(pgn, size, grant)
        self._open.insert(0, transfer)
        self._grant(transfer, now_s)

    def _hold(self, pgn: int, request: _Request, now_s: float) -> None:
        if not self._waiting:
            self._hold_due_s = now_s + segments.HOLD_REPEAT_S
        self._waiting[pgn] = request
        self._emit(self._frames.clearance(pgn, 0, 0xFF), now_s)

    def _admit(self, now_s: float) -> None:
        """Starts what can start by now; the shortest first, because it needs the line for the shortest time."""
        for pgn, request in sorted(self._waiting.items(), key=lambda item: item[1].packets):
            if not self._in_the_way_of(request.packets):
                del self._waiting[pgn]
                self._start(pgn, request.size, request.grant, now_s)

    def _end_long_wait(self, now_s: float) -> None:
        oldest = min(self._waiting.values(), key=lambda request: request.since_s)
        if now_s < oldest.since_s + LONGEST_WAIT_S:
            return
        for transfer in self._in_the_way_of(oldest.packets):
            self._give_up(transfer, segments.REASON_RESOURCES, now_s)
        for request in self._waiting.values():
            request.since_s = now_s  # from here on another transfer blocks them

    def _grant(self, transfer: _Transfer, now_s: float) -> None:
        """Clears the first unbroken run of missing packets, as far as the sender allows at once."""
        first = transfer.first_missing
        end = first
        while transfer.missing >> end + 1 & 1 and end + 1 - first < transfer.grant:
            end += 1
        transfer.window_end = end
        transfer.deadline_s = now_s + segments.DATA_AFTER_CLEARANCE_S
        self._emit(self._frames.clearance(transfer.pgn, end + 1 - first, first), now_s)

    def _continue(self, transfer: _Transfer, now_s: float) -> None:
        """The granted packets have passed: grants the next, or requests the lost ones."""
        if transfer.first_missing > transfer.window_end:
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
        self._open.remove(transfer)

    def _drop(self, pgn: int) -> _Transfer | _Request | None:
        for transfer in self._open:
            if transfer.pgn == pgn:
                self._open.remove(transfer)
                return transfer
        return self._waiting.pop(pgn, None)
