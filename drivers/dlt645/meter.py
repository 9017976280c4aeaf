"""A meter with the protocol DL/T 645-2007, sans-I/O: the same readings as a Modbus meter, from identifiers.

A value that comes in several frames (control B1, asked for with 12) is put together here and is as old as its first
part.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from drivers.dlt645.request import READ_MORE, Request
from drivers.dlt645.values import decode_bcd, decode_binary
from drivers.line.device import PollBlock
from drivers.line.exchange import Result
from drivers.line.owner import DeviceTiming
from drivers.reading import Reading

_MORE = "+"
# 16 frames of 200 bytes hold more than any block of the standard.
_MOST_PARTS = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One quantity: value = raw * ``factor`` in ``unit``, raw being ``length`` bytes at ``identifier``.

    ``signed``: the top bit of a BCD value means minus, a binary one is a two's complement. ``whole``: the value is a
    count (of Wh), delivered as an integer and rounded down. ``energy``: ``energy_unit_wh`` of the site applies.
    """

    identifier: int
    length: int
    signal: str
    unit: str
    factor: Fraction = Fraction(1)
    signed: bool = False
    binary: bool = False
    whole: bool = False
    energy: bool = False

    def value(self, data: bytes) -> float | int | None:
        """The number in ``data``, None if it is not a number."""
        raw = (decode_binary if self.binary else decode_bcd)(data, signed=self.signed)
        if raw is None:
            return None
        exact = raw * self.factor
        return math.floor(exact) if self.whole else float(exact)


@dataclass(frozen=True, slots=True)
class Read:
    """One request: the items that ``identifier`` returns, one after the other, every ``every`` poll intervals."""

    identifier: int
    items: tuple[Item, ...]
    every: int = 1
    priority: int = 2

    @property
    def length(self) -> int:
        """Bytes of the whole value."""
        return sum(item.length for item in self.items)


@dataclass(frozen=True, slots=True)
class Product:
    """A signal that the meter does not give itself: ``one`` times ``other``, both from it, as old as the older."""

    signal: str
    one: str
    other: str
    unit: str


@dataclass(slots=True)
class _State:
    read: Read
    poll: PollBlock[Request]
    parts: bytearray = field(default_factory=bytearray)
    sequence: int = 0
    begun_at_s: float = 0.0
    follow_up: Request | None = None

    def clear(self) -> None:
        self.parts.clear()
        self.sequence = 0
        self.follow_up = None

    def done(self) -> None:
        self.clear()
        self.poll.done()


class Dlt645Meter:
    """One meter with the number ``address`` (twelve digits), read every ``poll_interval_s`` seconds.

    ``energy_unit_wh`` multiplies what the items make of the energy registers (1.0: they are right). ``latency_s``: the
    standard allows 0.5 s until the reply begins. ``signals`` are those to be delivered (None: all). A block of several
    items may end early, after any of them: a meter with fewer tariffs sends fewer. ``undecodable`` counts values that
    were no numbers. Raises ValueError without a signal to read, if an identifier is listed twice, or a number is not
    positive.
    """

    def __init__(
        self,
        reads: Sequence[Read],
        address: str,
        poll_interval_s: float,
        energy_unit_wh: float = 1.0,
        *,
        latency_s: float = 0.5,
        minimum_gap_s: float = 0.02,
        name: str = "meter",
        products: Sequence[Product] = (),
        signals: Collection[str] | None = None,
    ) -> None:
        if not (math.isfinite(energy_unit_wh) and energy_unit_wh > 0):
            raise ValueError(f"energy_unit_wh {energy_unit_wh} is not positive")
        if not reads:
            raise ValueError("no signal to read")
        if len({read.identifier for read in reads}) != len(reads):
            raise ValueError("an identifier is listed twice")
        self.name = name
        self.address = address
        self.timing = DeviceTiming(latency_s, minimum_gap_s, poll_interval_s)
        self.undecodable = 0
        self._products = tuple(products)
        self._signals = None if signals is None else frozenset(signals)
        self._latest: dict[str, Reading] = {}
        unit = Fraction(str(energy_unit_wh))
        known = tuple((read.identifier, read.length) for read in reads)
        self._states: dict[str, _State] = {}
        for read in reads:
            interval_s = poll_interval_s * read.every
            tag = f"{read.identifier:08X}"
            request = Request(
                address,
                read.identifier,
                read.length,
                least_length=read.items[0].length,
                others=tuple(other for other in known if other[0] != read.identifier)[:3],
                priority=read.priority,
                tag=tag,
                lifetime_s=2 * interval_s,
            )
            request.encode()
            scaled = tuple(replace(i, factor=i.factor * unit) if i.energy else i for i in read.items)
            self._states[tag] = _State(replace(read, items=scaled), PollBlock(request, interval_s))

    def requests(self, now_s: float) -> list[Request]:
        """The reads that are due, the rest of a value that came in part first."""
        due = []
        for state in self._states.values():
            if state.follow_up is not None:
                due.append(state.follow_up)
                state.follow_up = None
        for state in self._states.values():
            request = state.poll.take(now_s)
            if request is not None:
                state.clear()
                due.append(request)
        return due

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; signals that have no value are absent."""
        asked = result.request
        tag = asked.tag.removesuffix(_MORE)
        state = self._states.get(tag)
        if state is None or not isinstance(asked, Request) or asked.sequence != state.sequence:
            return []
        if not result.ok:
            state.done()
            return []
        if not state.parts:
            state.begun_at_s = result.at_s
        state.parts += result.data
        if result.more:
            self._ask_for_more(tag, state)
            return []
        data = bytes(state.parts)
        at_s = state.begun_at_s
        state.done()
        return self._readings(state.read, data, at_s)

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        if any(state.follow_up is not None for state in self._states.values()):
            return now_s
        return max(now_s, min(state.poll.next_due() for state in self._states.values()))

    def _ask_for_more(self, tag: str, state: _State) -> None:
        missing = state.read.length - len(state.parts)
        if missing < 1 or state.sequence >= _MOST_PARTS:
            self.undecodable += 1
            state.done()
            return
        state.sequence += 1
        first = state.poll.request
        state.follow_up = Request(
            self.address,
            first.identifier,
            missing,
            READ_MORE,
            state.sequence,
            first.others,
            first.priority,
            tag + _MORE,
            first.lifetime_s,
        )

    def _readings(self, read: Read, data: bytes, at_s: float) -> list[tuple[str, Reading]]:
        readings: list[tuple[str, Reading] | None] = []
        offset = 0
        for item in read.items:
            if offset == len(data):
                break
            part = data[offset : offset + item.length]
            offset += item.length
            value = item.value(part) if len(part) == item.length else None
            if value is None:
                self.undecodable += 1
                self._latest.pop(item.signal, None)
            else:
                readings.append((item.signal, Reading(value, item.unit, at_s)))
        for signal, reading in [entry for entry in readings if entry is not None]:
            self._latest[signal] = reading
            readings += [self._product(product) for product in self._products if product.other == signal]
        wanted = self._signals
        return [entry for entry in readings if entry is not None and (wanted is None or entry[0] in wanted)]

    def _product(self, product: Product) -> tuple[str, Reading] | None:
        one, other = self._latest.get(product.one), self._latest.get(product.other)
        if one is None or other is None or abs(one.at_s - other.at_s) > self.timing.period_s:
            return None
        return product.signal, Reading(one.value * other.value, product.unit, min(one.at_s, other.at_s))
