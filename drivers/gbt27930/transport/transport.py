"""The transport between a charger and a vehicle: single frames and J1939-21 transfers, without I/O and clock.

Frames are matched on PDU format, destination and source, never on the priority: vehicles differ in the priority they
use, above all inside transfers.
"""

from collections.abc import Container

import msgspec

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.fields import SINGLE_FRAME_BYTES
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.transfer_in import IncomingTransfers
from drivers.gbt27930.transport.transfer_out import OutgoingTransfers

WAITING_FRAMES_AT_MOST = 64
"""Frames kept for the next poll; with a poll in every cycle there are never more than a few."""

COUNTERS = (
    "foreign",
    "malformed",
    "single_frames",
    "received",
    "receive_failed",
    "retransmissions",
    "duplicates",
    "mixed_up",
    "wrong_sequence",
    "inconsistent_requests",
    "turned_away",
    "unexpected_data",
    "unexpected_control",
    "aborted_by_peer",
    "sent",
    "send_failed",
    "send_refused",
    "dropped",
)
"""Names of the counters. ``received`` and ``sent`` count complete multi-packet messages."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """A complete message from the peer; ``at_s`` is the time its last frame was taken in."""

    pgn: int
    payload: bytes
    at_s: float
    multi_packet: bool


class Transport:
    """Both directions between ``own_address`` and ``peer_address``.

    ``packet_interval_s`` is the spacing of the data frames of a message sent. ``transfers_at_once`` is how many long
    messages are sent side by side: J1939-21 knows one between two nodes, some vehicles send more. ``accepted_pgns``
    limits which transfers are answered; requests for others are ignored. None accepts every PGN.
    """

    def __init__(
        self,
        own_address: int,
        peer_address: int,
        *,
        packet_interval_s: float = 0.01,
        transfers_at_once: int = 1,
        accepted_pgns: Container[int] | None = None,
    ) -> None:
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._own_address = own_address
        self._peer_address = peer_address
        self._direction = own_address << 8 | peer_address
        self._outbox: list[CanFrame] = []
        self._outbox_since_s = 0.0
        frames = segments.Frames(own_address, peer_address)
        self._incoming = IncomingTransfers(frames, self._emit, self._count, accepted_pgns)
        self._outgoing = OutgoingTransfers(frames, self._emit, self._count, packet_interval_s, transfers_at_once)

    def reset(self) -> None:
        """Forgets transfers and waiting frames of both directions; the counters stay."""
        self._incoming.clear()
        self._outgoing.clear()
        self._outbox.clear()

    def receive(self, frame: CanFrame, now_s: float) -> list[Received]:
        """Takes a frame from the bus; returns the message it completes, if any. Never raises."""
        identifier = frame.identifier
        # Bits 24 and 25 (data page and reserved) must be 0; the three priority bits above them do not matter.
        if not frame.extended or identifier & 0x0300FFFF != self._direction:
            self.counters["foreign"] += 1
            return []
        pdu_format = identifier >> 16 & 0xFF
        if pdu_format == segments.DATA:
            complete = self._incoming.data(frame.data, now_s)
            return [] if complete is None else [Received(complete[0], complete[1], now_s, True)]
        if pdu_format == segments.CONTROL:
            self._take_control(frame.data, now_s)
            return []
        self.counters["single_frames"] += 1
        return [Received(pdu_format << 8, frame.data, now_s, False)]

    def send(self, pgn: int, priority: int, payload: bytes, now_s: float) -> bool:
        """Sends a message: up to 8 bytes as one frame, 9 to 1785 as a transfer.

        Returns False if the queue of transfers is full. Raises ValueError for an empty or too long payload.
        """
        if not 1 <= len(payload) <= segments.LARGEST_BYTES:
            raise ValueError(f"a message has 1 to {segments.LARGEST_BYTES} bytes, not {len(payload)}")
        if len(payload) > SINGLE_FRAME_BYTES:
            return self._outgoing.send(pgn, payload, now_s)
        self._emit(CanFrame(priority << 26 | pgn << 8 | self._peer_address << 8 | self._own_address, payload), now_s)
        return True

    def poll(self, now_s: float) -> list[CanFrame]:
        """Frames to put on the bus now, replies first. Call it right after ``receive``: vehicles are impatient."""
        self._incoming.expire(now_s)
        data = self._outgoing.run(now_s)
        if not self._outbox:
            return data
        frames, self._outbox = self._outbox, []
        return frames + data

    def next_due(self) -> float | None:
        """When ``poll`` has something to do, or None while nothing is under way."""
        dues = (self._outbox_since_s if self._outbox else None, self._incoming.next_due(), self._outgoing.next_due())
        return min((due for due in dues if due is not None), default=None)

    def _take_control(self, data: bytes, now_s: float) -> None:
        if len(data) != SINGLE_FRAME_BYTES:
            self.counters["malformed"] += 1
            return
        pgn = int.from_bytes(data[5:8], "little")
        kind = data[0]
        if kind == segments.REQUEST_TO_SEND:
            self._incoming.request(pgn, data, now_s)
        elif kind == segments.CLEAR_TO_SEND:
            self._outgoing.clearance(pgn, data, now_s)
        elif kind == segments.END_OF_MESSAGE:
            self._outgoing.end(pgn, now_s)
        elif kind == segments.ABORT:
            incoming = self._incoming.abort(pgn, now_s)
            outgoing = self._outgoing.abort(pgn, now_s)
            self.counters["aborted_by_peer" if incoming or outgoing else "unexpected_control"] += 1
        else:
            self.counters["malformed"] += 1

    def _emit(self, frame: CanFrame, now_s: float) -> None:
        if len(self._outbox) >= WAITING_FRAMES_AT_MOST:
            self.counters["dropped"] += 1
            return
        if not self._outbox:
            self._outbox_since_s = now_s
        self._outbox.append(frame)

    def _count(self, name: str) -> None:
        self.counters[name] += 1
