"""The read planner: from registers that are wanted to the requests that take the least time on the line.

Pure arithmetic, nothing of meters. A ``Need`` is never split: its registers come from one reply. Needs are read
together where that is cheaper than to ask twice, only across registers that are known to be readable, and within what
the meter takes in one request.

Why the result is the best of its kind: sorted by their first register, the needs of one request are neighbours (what
is between them is read anyway), so every set of requests is a way to cut a row into pieces, and the cheapest cut
is found exactly (shortest path over the cut points). Needs with different intervals are first kept apart, then joined
in every possible way of grouping the intervals, and the cheapest is taken. "One request per need" and every list of
hand-written blocks with at most one interval each are among the cuts, so the plan is never worse than those.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

REQUEST_BYTES = 8
REPLY_OVERHEAD_BYTES = 5
"""Address, function, count, checksum: Modbus application protocol V1.1b3 clause 6, serial line V1.02 clause 2.5."""

_GAP_CHARACTERS = 3.5
_LEAST_GAP_US = 1750
"""Serial line guide V1.02 clause 2.5.1.1: the gap above 19200 baud."""


class Need(msgspec.Struct, frozen=True, gc=False):
    """Registers ``first`` to ``last`` that must come from one request, every ``every`` poll intervals.

    ``priority`` is that of ``drivers.modbus.codec.Request``: 1 urgent to 3 patient.
    """

    key: str
    function: int
    first: int
    last: int
    every: int = 1
    priority: int = 2


class Read(msgspec.Struct, frozen=True, gc=False):
    """One request of a plan: ``count`` registers from ``start``, and the keys of all needs that it serves."""

    function: int
    start: int
    count: int
    every: int
    priority: int
    keys: tuple[str, ...]


class Limits(msgspec.Struct, frozen=True, gc=False):
    """What the meter takes.

    ``readable``: (function, first, last) of registers that may be read although no need uses them; what is neither
    there nor in a need is never read. ``even``: requests begin at an even register and have an even count, for which
    one register more may be read at either end.
    """

    maximum_registers: int
    even: bool = False
    readable: tuple[tuple[int, int, int], ...] = ()


class Wire(msgspec.Struct, frozen=True, gc=False):
    """What a request costs on the line.

    ``reply_delay_s`` is how long the meter usually thinks, ``minimum_gap_s`` the pause that it needs.
    """

    baud: int = 9600
    bits_per_character: int = 10
    minimum_gap_s: float = 0.0
    reply_delay_s: float = 0.03

    def bytes_of(self, count: int) -> int:
        """Bytes of request and reply for ``count`` registers."""
        return REQUEST_BYTES + REPLY_OVERHEAD_BYTES + 2 * count

    def time_us(self, count: int) -> int:
        """Microseconds that a request for ``count`` registers keeps the line busy, until the next may be sent."""
        character_us = self.bits_per_character * 1e6 / self.baud
        gap_us = max(_GAP_CHARACTERS * character_us, _LEAST_GAP_US)
        after_us = max(gap_us, self.minimum_gap_s * 1e6)
        return round(self.bytes_of(count) * character_us + self.reply_delay_s * 1e6 + after_us)


class PlanError(Exception):
    """A need that no request can serve: ``key`` names it, ``registers`` is how many it takes."""

    def __init__(self, key: str, registers: int) -> None:
        super().__init__(f"{key} takes {registers} registers in one request")
        self.key = key
        self.registers = registers


def cost_us(reads: Iterable[Read], wire: Wire) -> float:
    """Microseconds of the line that a plan takes per poll interval, on average."""
    return sum(wire.time_us(read.count) / read.every for read in reads)


def plan(needs: Sequence[Need], limits: Limits, wire: Wire) -> list[Read]:
    """The cheapest requests that serve every need. Raises PlanError for a need that cannot be served.

    Of equally cheap plans the one with fewer requests is taken, then the one with fewer bytes; the order of the needs
    does not matter. Fast requests come first.
    """
    if len({need.key for need in needs}) != len(needs):
        raise ValueError("two needs have the same key")
    reads: list[Read] = []
    for function in sorted({need.function for need in needs}):
        own = sorted(
            (need for need in needs if need.function == function), key=lambda need: (need.first, need.last, need.key)
        )
        reads += _Planner(function, own, limits, wire).best()
    return sorted(reads, key=lambda read: (read.every, read.priority, read.function, read.start))


class _Planner:
    """Needs of one function code, sorted by their first register."""

    def __init__(self, function: int, needs: Sequence[Need], limits: Limits, wire: Wire) -> None:
        self._function = function
        self._needs = needs
        self._limits = limits
        self._wire = wire
        spans = [(need.first, need.last) for need in needs]
        self._runs = _runs([*spans, *((first, last) for code, first, last in limits.readable if code == function)])
        for need in needs:
            self._check(need)

    def _check(self, need: Need) -> None:
        _, count = self._window(need.first, need.last)
        if count > self._limits.maximum_registers:
            raise PlanError(need.key, count)

    def _window(self, first: int, last: int) -> tuple[int, int]:
        """Start and count of a request that covers the registers."""
        if self._limits.even:
            first, last = first & ~1, last | 1
        return first, last - first + 1

    def _joinable(self, first: int, last: int) -> bool:
        """Whether one request may cover the registers."""
        _, count = self._window(first, last)
        if count > self._limits.maximum_registers:
            return False
        return any(low <= first and last <= high for low, high in self._runs)

    def best(self) -> list[Read]:
        """The cheapest reads over all ways of treating intervals alike."""
        intervals = sorted({need.every for need in self._needs})
        plans = [self._with(classes) for classes in _partitions(intervals)]
        return min(plans, key=self._rank)

    def _rank(self, reads: Sequence[Read]) -> tuple[float, int, int]:
        total = sum(self._wire.bytes_of(read.count) for read in reads)
        return round(cost_us(reads, self._wire), 3), len(reads), total

    def _with(self, classes: Sequence[Sequence[int]]) -> list[Read]:
        """Reads when the needs of each class are cut together; a slow need in reach of a faster read joins it."""
        reads: list[Read] = []
        for intervals in sorted(classes, key=min):
            left = []
            for need in self._needs:
                if need.every not in intervals:
                    continue
                host = next((index for index, read in enumerate(reads) if _covers(read, need)), None)
                if host is None:
                    left.append(need)
                else:
                    reads[host] = _with_need(reads[host], need)
            reads += self._cut(left)
        return reads

    def _cut(self, needs: Sequence[Need]) -> list[Read]:
        """The cheapest way to cut a row of needs into requests."""
        # best[i]: cheapest way for the first i needs, as (cost, requests, bytes, cut before).
        best: list[tuple[float, int, int, int]] = [(0.0, 0, 0, 0)]
        for end in range(1, len(needs) + 1):
            options = []
            first, last, every = 0x10000, -1, needs[end - 1].every
            for begin in range(end - 1, -1, -1):
                need = needs[begin]
                first, last, every = min(first, need.first), max(last, need.last), min(every, need.every)
                if begin < end - 1 and not self._joinable(first, last):
                    break
                _, count = self._window(first, last)
                before = best[begin]
                options.append(
                    (
                        before[0] + self._wire.time_us(count) / every,
                        before[1] + 1,
                        before[2] + self._wire.bytes_of(count),
                        begin,
                    )
                )
            best.append(min(options, key=lambda option: (round(option[0], 3), *option[1:])))
        cuts = [len(needs)]
        while cuts[-1]:
            cuts.append(best[cuts[-1]][3])
        return [self._read(needs[begin:end]) for end, begin in pairwise(cuts)][::-1]

    def _read(self, needs: Sequence[Need]) -> Read:
        start, count = self._window(min(need.first for need in needs), max(need.last for need in needs))
        return Read(
            self._function,
            start,
            count,
            min(need.every for need in needs),
            min(need.priority for need in needs),
            tuple(need.key for need in needs),
        )


def _covers(read: Read, need: Need) -> bool:
    return read.every <= need.every and read.start <= need.first and need.last < read.start + read.count


def _with_need(read: Read, need: Need) -> Read:
    return msgspec.structs.replace(read, keys=(*read.keys, need.key), priority=min(read.priority, need.priority))


def _runs(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of registers, joined where they touch."""
    runs: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = runs[-1][0], max(runs[-1][1], last)
        else:
            runs.append((first, last))
    return runs


def _partitions(items: Sequence[int]) -> Iterator[list[list[int]]]:
    """All ways to put items into classes (there are at most four intervals, so at most 15 ways)."""
    if not items:
        yield []
        return
    head, rest = items[0], items[1:]
    for smaller in _partitions(rest):
        yield [[head], *smaller]
        for index, group in enumerate(smaller):
            yield [*smaller[:index], [head, *group], *smaller[index + 1 :]]


def alone(need: Need, limits: Limits) -> Read:
    """The request that reads one need and nothing else."""
    first, last = (need.first & ~1, need.last | 1) if limits.even else (need.first, need.last)
    return Read(need.function, first, last - first + 1, need.every, need.priority, (need.key,))


def split(read: Read, needs: Mapping[str, Need], limits: Limits) -> list[Read]:
    """The needs of a read one by one, for a meter that refuses the joined request; what is alike stays together."""
    parts: dict[tuple[int, int], Read] = {}
    for key in read.keys:
        part = alone(needs[key], limits)
        same = parts.get((part.start, part.count))
        if same is not None:
            part = msgspec.structs.replace(
                part,
                keys=(*same.keys, key),
                every=min(part.every, same.every),
                priority=min(part.priority, same.priority),
            )
        parts[part.start, part.count] = part
    return list(parts.values())
