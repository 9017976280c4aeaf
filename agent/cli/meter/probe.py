"""How fast a meter answers, how often it fails, and how short the pause between two requests may be.

Gentle: a bounded number of requests, one at a time, pauses from long to short, and no shorter one after a failure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.cli.meter.bus import Answer
from drivers.line.exchange import LineRequest

GAP_STEPS_MS = (200, 150, 100, 75, 50, 40, 30, 20, 15, 10, 5, 2, 0)
"""Pauses that are tried; 0 is the 3.5 characters of silence that the line itself needs."""
PER_STEP = 8
_FEWEST = 20
_GIVE_UP_AFTER = 3
"""Requests without any reply: no device answers."""
_ROUND_MS = 10
_SHARE_95 = 0.95
# A figure of a dozen replies is no limit yet: what is recommended leaves room.
_GAP_MARGIN = 2.0
_LATENCY_MARGIN = 2.0
_LEAST_LATENCY_MS = 50
_LEAST_GAP_MS = 10


class Asks(Protocol):
    """What is needed of a bus."""

    def ask(self, request: LineRequest, latency_s: float, gap_s: float = 0.0) -> Answer:
        """Send one request and wait for its outcome."""


@dataclass(slots=True)
class ProbeReport:
    """What was measured. ``gap_ms`` is the shortest pause without a failure, None if even the longest failed."""

    requests: int = 0
    latencies_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    gaps: list[tuple[int, int, int]] = field(default_factory=list)
    """Pause in ms, requests, failures."""
    gap_ms: int | None = None
    unasked_bytes: int = 0

    @property
    def error_rate(self) -> float:
        """Share of the requests of the first part, at the map's own pause, that failed."""
        return sum(self.errors.values()) / self.requests if self.requests else 0.0

    def quantile_s(self, share: float) -> float:
        """Smallest latency that ``share`` of the replies did not exceed. Raises ValueError without replies."""
        if not self.latencies_s:
            raise ValueError("no reply")
        ordered = sorted(self.latencies_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    @property
    def recommended_gap_ms(self) -> int | None:
        """A pause with room to spare."""
        return None if self.gap_ms is None else max(_LEAST_GAP_MS, _up(self.gap_ms * _GAP_MARGIN))

    @property
    def recommended_latency_ms(self) -> int | None:
        """A time-out with room to spare."""
        if not self.latencies_s:
            return None
        return max(_LEAST_LATENCY_MS, _up(max(self.latencies_s) * 1000 * _LATENCY_MARGIN))


def probe(
    bus: Asks,
    requests: Sequence[LineRequest],
    brief: Sequence[LineRequest],
    *,
    latency_s: float,
    gap_ms: int,
    most: int,
) -> ProbeReport:
    """Measure with at most ``most`` requests: those of ``requests`` in turn, then ``brief`` ones for the pauses.

    ``gap_ms`` is the map's own pause.
    """
    report = ProbeReport()
    steps = [step for step in GAP_STEPS_MS if step <= gap_ms] or [0]
    for_steps = min(most // 2, PER_STEP * len(steps))
    for number in range(max(min(most, _FEWEST), most - for_steps)):
        answer = bus.ask(requests[number % len(requests)], latency_s, gap_ms / 1000)
        report.requests += 1
        report.unasked_bytes += answer.unasked_bytes
        if answer.latency_s is not None:
            report.latencies_s.append(answer.latency_s)
        if not answer.ok:
            report.errors[answer.result.error or ""] += 1
        if not report.latencies_s and report.requests >= _GIVE_UP_AFTER:
            break
    if report.latencies_s:
        _search_gap(bus, brief, report, steps, latency_s, for_steps // len(steps))
        if report.gap_ms is None:
            longer = [step for step in reversed(GAP_STEPS_MS) if step > gap_ms]
            _search_longer(bus, brief, report, longer, latency_s, for_steps // len(steps))
    return report


def _search_gap(
    bus: Asks, brief: Sequence[LineRequest], report: ProbeReport, steps: Sequence[int], latency_s: float, each: int
) -> None:
    """Ever shorter pauses, until one fails."""
    for step in steps:
        if _failures(bus, brief, report, step, latency_s, each):
            return
        report.gap_ms = step


def _search_longer(
    bus: Asks, brief: Sequence[LineRequest], report: ProbeReport, steps: Sequence[int], latency_s: float, each: int
) -> None:
    """The pause of the map is too short: longer ones, until one works."""
    for step in steps:
        if not _failures(bus, brief, report, step, latency_s, each):
            report.gap_ms = step
            return


def _failures(
    bus: Asks, brief: Sequence[LineRequest], report: ProbeReport, gap_ms: int, latency_s: float, most: int
) -> bool:
    """Whether a pause fails; it is given up with the first failure."""
    for number in range(1, max(2, most) + 1):
        # A refusal is an answer, too: the request was heard.
        if not bus.ask(brief[number % len(brief)], latency_s, gap_ms / 1000).is_there:
            report.gaps.append((gap_ms, number, 1))
            return True
    report.gaps.append((gap_ms, max(2, most), 0))
    return False


def _up(milliseconds: float) -> int:
    return math.ceil(milliseconds / _ROUND_MS) * _ROUND_MS
