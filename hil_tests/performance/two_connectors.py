"""Figure "cycle, two connectors": what one evaluation of a pile costs with one and with two connectors, in one run.

Both piles live in virtual time and are evaluated in turn, cycle by cycle, so that whatever else the machine does meets
both alike.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.control.pile import Pile
from hil_tests.performance.report import Figure
from hil_tests.performance.samples import Summary, summarise
from hil_tests.performance.virtual_pile import VirtualPile, reference_site, two_guns_site

GROUP = "two connectors"
LIMIT_TIMES = 2.2
"""Own: two connectors may cost as much as two piles with one, and a tenth beside that."""
_WARM_UP = 200
_VEHICLE = "lfp-car"
"""The same at each connector: another one sends other messages, and costs more or less for that."""


class VirtualPiles:
    """Connectors of one pile in virtual time, evaluated together as the field process does it."""

    def __init__(self, connectors: Sequence[VirtualPile]) -> None:
        self.connectors = dict(enumerate(connectors, start=1))
        self._pile = Pile({number: each.core for number, each in self.connectors.items()})
        self._meet()

    def _meet(self) -> None:
        """Each has been brought into its state by itself: let the clocks that are behind catch up."""
        latest_s = max(each.now_s for each in self.connectors.values())
        for each in self.connectors.values():
            each.run_for(latest_s - each.now_s)

    def turn(self) -> int:
        """One cycle. Returns what the evaluation took, in nanoseconds."""
        for each in self.connectors.values():
            each.feed()
        first = self.connectors[1]
        begin_ns = time.perf_counter_ns()
        outputs = self._pile.evaluate(first.now_s, first.wall_ms, "synced")
        cost_ns = time.perf_counter_ns() - begin_ns
        for number, each in self.connectors.items():
            each.obey(outputs.by_connector[number])
        return cost_ns


def one_and_two(folder: Path, *, charging: bool) -> tuple[VirtualPiles, VirtualPiles]:
    """A pile with one connector and one with two, all idle or all charging."""
    first = VirtualPile(two_guns_site(folder), vehicle_profile=_VEHICLE)
    second = VirtualPile(two_guns_site(folder), connector=2, backlog=first.core.backlog, vehicle_profile=_VEHICLE)
    alone = VirtualPile(reference_site(folder), vehicle_profile=_VEHICLE)
    for each in (alone, first, second):
        if charging:
            each.plug_and_start()
            each.run_until("charging")
        each.run_for(2.0)
    return VirtualPiles([alone]), VirtualPiles([first, second])


def _costs(piles: Sequence[VirtualPiles], count: int) -> list[Summary]:
    costs: list[list[float]] = [[] for _ in piles]
    for turn in range(count + _WARM_UP):
        for kept, pile in zip(costs, piles, strict=True):
            cost_us = pile.turn() / 1000.0
            if turn >= _WARM_UP:
                kept.append(cost_us)
    return [summarise(kept) for kept in costs]


def measure(*, quick: bool) -> list[Figure]:
    """Evaluation with one connector and with two, idle and charging, and the ratio against its limit."""
    count = 500 if quick else 5000
    figures: list[Figure] = []
    for charging in (False, True):
        state = "charging" if charging else "idle"
        with tempfile.TemporaryDirectory(prefix="pile-") as name:
            one, two = _costs(one_and_two(Path(name), charging=charging), count)
        figures.append(
            Figure(
                GROUP,
                f"evaluation of two connectors to one, {state}, p50",
                round(two.p50 / one.p50, 2),
                "times",
                limit=LIMIT_TIMES,
                rival="one connector in the same run",
                samples=count,
                detail={
                    "one_p50_us": round(one.p50, 1),
                    "two_p50_us": round(two.p50, 1),
                    "one_p99_us": round(one.p99, 1),
                    "two_p99_us": round(two.p99, 1),
                },
            )
        )
    return figures
