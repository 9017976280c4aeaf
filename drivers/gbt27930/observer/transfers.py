"""Puts the multi-packet transfers of two others together by listening. Sends nothing, never raises, bounded.

A listener only follows what the receiver clears and takes a message as complete when its last packet has
passed. Data frames carry no PGN; they belong to the message that was cleared last, or to one beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.messages.table import MESSAGES, message_of
from drivers.gbt27930.transport import segments

FOLLOWED_AT_MOST = 8
"""Transfers of one sender followed at once; the oldest gives way."""

CONTROL_BYTES = 8

DECLINABLE = frozenset(name for name, message in MESSAGES.items() if message.optional and message.charging_data)
"""Messages a charger may turn away (GB/T 34658-2017 DP.3002)."""


class Tell(Protocol):
    """Takes an observation; ``source`` is the source of its limit when the rule has none."""

    def __call__(
        self, code: str, message: str, at_s: float, expected: str = "", seen: str = "", amount: float = 0.0,
        source: str = "",
    ) -> None:  # fmt: skip
        """Take it."""


@dataclass(slots=True)
class Complete:
    """A message of which the last packet has passed."""

    pgn: int
    payload: bytes
    started_s: float


@dataclass(slots=True)
class _Transfer:
    pgn: int
    size: int
    started_s: float
    answered: bool = False
    cleared_until: int = 0
    deadline_s: float = 0.0
    expected_next: int = 1
    complete: bool = False
    missing: set[int] = field(default_factory=set)
    buffer: bytearray = field(default_factory=bytearray)

    @property
    def packets(self) -> int:
        return segments.packets_of(self.size)


class HeardTransfers:
    """Transfers of one ``sender`` to the other side.

    ``answered`` is called with the seconds from a request to its first answer.
    """

    def __init__(self, sender: Sender, tell: Tell, answered: Callable[[Sender, float], None]) -> None:
        self._sender = sender
        self._receiver = Sender.VEHICLE if sender is Sender.CHARGER else Sender.CHARGER
        self._tell = tell
        self._answered = answered
        self._open: dict[int, _Transfer] = {}
        self._active: int | None = None
        self._requested = False
        self._refused = False

    def clear(self) -> None:
        """Forgets all transfers: what follows has nothing to do with them."""
        self._open.clear()
        self._active = None
        self._requested = self._refused = False

    def next_due(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        return min((transfer.deadline_s for transfer in self._open.values()), default=None)

    # ------------------------------------------------------------------------------------ frames of the sender

    def request(self, pgn: int, data: bytes, now_s: float) -> bool:
        """A request to send; returns whether it is consistent."""
        size, packets = data[1] | data[2] << 8, data[3]
        name = self._name(pgn)
        self._requested = True
        known = self._open.pop(pgn, None)
        if known is not None and not known.complete:
            self._tell(
                "transfer.repeated", name, now_s, "", f"{len(known.missing)} of {known.packets} packets open", 0.0
            )
        if not segments.SMALLEST_BYTES <= size <= segments.LARGEST_BYTES or packets != segments.packets_of(size):
            self._refused = True
            self._active = None if self._active == pgn else self._active
            needed = segments.packets_of(size)
            self._tell("transfer.request", name, now_s, f"{needed} packets", f"{size} bytes in {packets}")
            return False
        self._refused = False
        while len(self._open) >= FOLLOWED_AT_MOST:
            self._drop(next(iter(self._open)))
        transfer = _Transfer(pgn, size, now_s, deadline_s=now_s + segments.CLEARANCE_S)
        transfer.missing = set(range(1, packets + 1))
        transfer.buffer = bytearray(size)
        self._open[pgn] = transfer
        return True

    def data(self, data: bytes, now_s: float) -> Complete | None:
        """A data frame; returns the message it completes."""
        transfer = self._receiving(data[0] if data else 0)
        if transfer is None or not data:
            if not self._requested:
                self._tell("capture.transfer", "", now_s)
                self._requested = True
            elif not self._refused:
                self._tell("transfer.unexpected", "", now_s, "", f"packet {data[0]}" if data else "0 bytes")
            return None
        name = self._name(transfer.pgn)
        number = data[0]
        start = (number - 1) * segments.BYTES_PER_PACKET
        part = data[1 : 1 + min(segments.BYTES_PER_PACKET, max(transfer.size - start, 0))]
        if not 1 <= number <= transfer.packets:
            self._tell("transfer.sequence", name, now_s, f"1-{transfer.packets}", f"packet {number}")
            return None
        if len(data) != CONTROL_BYTES:
            self._tell("transfer.frame", name, now_s, f"{CONTROL_BYTES} bytes", f"{len(data)} bytes")
            if len(part) < min(segments.BYTES_PER_PACKET, transfer.size - start):
                return None
        if number != transfer.expected_next:
            self._tell("transfer.sequence", name, now_s, f"packet {transfer.expected_next}", f"packet {number}")
        transfer.expected_next = number + 1
        transfer.buffer[start : start + len(part)] = part
        transfer.missing.discard(number)
        if transfer.missing or transfer.complete:
            more = number < transfer.cleared_until
            transfer.deadline_s = now_s + (segments.DATA_GAP_S if more else segments.CLEARANCE_S)
            return None
        transfer.complete = True
        transfer.deadline_s = now_s + segments.CLEARANCE_S
        return Complete(transfer.pgn, bytes(transfer.buffer), transfer.started_s)

    # ------------------------------------------------------------------------------------ frames of the receiver

    def clearance(self, pgn: int, data: bytes, now_s: float) -> None:
        """The receiver clears packets, or holds the sender."""
        transfer = self._answer(pgn, now_s)
        if transfer is None:
            return
        count, first = data[1], data[2]
        if count == 0:
            transfer.deadline_s = now_s + segments.HELD_S
            return
        name = self._name(pgn)
        if not 1 <= first <= transfer.packets:
            self._tell("transfer.clearance", name, now_s, f"1-{transfer.packets}", f"packet {first}")
            return
        if first < transfer.expected_next:
            self._tell("transfer.retransmission", name, now_s, "", f"packet {first}")
        self._active = pgn
        transfer.expected_next = first
        transfer.cleared_until = min(first + count - 1, transfer.packets)
        transfer.deadline_s = now_s + segments.DATA_AFTER_CLEARANCE_S

    def end(self, pgn: int, now_s: float) -> None:
        """The receiver has the whole message."""
        transfer = self._answer(pgn, now_s)
        if transfer is None:
            return
        if not transfer.complete:
            lost = f"{len(transfer.missing)} of {transfer.packets} packets"
            self._tell("capture.lost", self._name(pgn), now_s, "", lost)
        self._drop(pgn)

    def abort(self, pgn: int, reason: int, by: Sender, now_s: float) -> bool:
        """Either side gives up; returns whether there was such a transfer."""
        if self._open.get(pgn) is None:
            return False
        name = self._name(pgn)
        declined = by is self._receiver and name in DECLINABLE
        side = by.name.lower()
        self._tell(
            "transfer.declined" if declined else "transfer.abort", name, now_s, "", f"{side}, reason {reason}", 0.0
        )
        self._drop(pgn)
        return True

    def expire(self, now_s: float) -> None:
        """Gives up what has waited too long, and reports which side let it."""
        for transfer in list(self._overdue(now_s)):
            name, at_s = self._name(transfer.pgn), transfer.deadline_s
            if transfer.complete:
                self._tell("transfer.no_end", name, at_s, f"{segments.CLEARANCE_S:g} s", "")
            elif not transfer.answered:
                self._tell("transfer.no_answer", name, at_s, f"{segments.CLEARANCE_S:g} s", "")
            else:
                still = f"{len(transfer.missing)} of {transfer.packets} packets open"
                self._tell("transfer.timeout", name, at_s, "", still)
            self._drop(transfer.pgn)

    # ------------------------------------------------------------------------------------ inside

    def _overdue(self, now_s: float) -> Iterator[_Transfer]:
        return (transfer for transfer in self._open.values() if now_s >= transfer.deadline_s)

    def _receiving(self, number: int) -> _Transfer | None:
        """The transfer a data frame belongs to: the one cleared last, else the oldest request.

        A charger may clear a short message beside a long one, which then goes on (docs/decisions/0320): a packet the
        one cleared last does not lack belongs to a cleared one that does.
        """
        if self._active is None and self._open:
            self._active = next(iter(self._open))
        active = None if self._active is None else self._open.get(self._active)
        if active is not None and number not in active.missing:
            for other in self._open.values():
                if other.cleared_until and number in other.missing:
                    return other
        return active

    def _answer(self, pgn: int, now_s: float) -> _Transfer | None:
        transfer = self._open.get(pgn)
        if transfer is None:
            if self._requested and not self._refused:
                self._tell("transfer.answer", self._name(pgn), now_s)
            return None
        if not transfer.answered:
            transfer.answered = True
            self._answered(self._receiver, now_s - transfer.started_s)
        return transfer

    def _drop(self, pgn: int) -> None:
        self._open.pop(pgn, None)
        if self._active == pgn:
            self._active = None

    def _name(self, pgn: int) -> str:
        message = message_of(self._sender.value, pgn)
        return f"PGN {pgn:06X}" if message is None else message.name
