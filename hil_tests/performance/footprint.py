"""Figure "footprint": memory of both processes and share of a core of the field process, on the bench.

With one connector and with two in the same run: the ratio is what a further connector costs. Beside each share runs an
empty loop that wakes up as often as the field process does: what waking up alone costs on this machine.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hil_tests.harness.guns import charge
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import WaitError
from hil_tests.performance.proc import child_running, memory_of, policy_of, share_percent, wakeups_of
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.spawn import spawn

GROUP = "footprint"
FIELD_LIMIT_MB = 40.0
"""Field process with one connector, python-can included (issue 7)."""
FURTHER_LIMIT_MB = 4.0
"""Each further connector (issue 7)."""
BOTH_LIMIT_MB = 72.0
"""Both processes with one connector (issue 7)."""
SHARE_LIMIT_PERCENT = 2.0
TWO_SHARE_TIMES = 1.6
"""Idle share of a core with two connectors to that with one in the same run (issue 7)."""
VEHICLE = "lfp-car"
"""A vehicle that charges for longer than any measurement takes."""
SECOND_VEHICLE = "bus"
"""Another one at the second connector."""

_SETTLE_S = 60.0
_SLOW_INPUTS: Mapping[str, Any] = {"io": {"interval_ms": 100}}


_EMPTY = """
import sys, time
interval_s = float(sys.argv[1])
while True:
    time.sleep(interval_s)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Share of one core of the field process, and of an empty loop with as many wake-ups, percent."""

    share: float
    empty: float
    wakeups_per_s: float
    detail: Mapping[str, Any]


@contextlib.contextmanager
def _empty_loop(wakeups_per_s: float) -> Iterator[int]:
    process = spawn([sys.executable, "-c", _EMPTY, str(1.0 / max(1.0, wakeups_per_s))])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _load(pile: Pile, duration_s: float) -> Load:
    pid = child_running("control")
    before, begin_s, woken = pile.status()["cycle"], time.monotonic(), wakeups_of(pid)
    share = share_percent(pid, duration_s)
    wakeups_per_s = (wakeups_of(pid) - woken) / (time.monotonic() - begin_s)
    after = pile.status()["cycle"]
    with _empty_loop(wakeups_per_s) as empty:
        empty_share = share_percent(empty, duration_s)
    detail = {
        "over_s": duration_s,
        "wakeups_per_s": round(wakeups_per_s),
        "empty_loop_percent": round(empty_share, 2),
        "cycles": after["count"] - before["count"],
        "late_cycles": after["late"] - before["late"],
        "policy": policy_of(pid),
    }
    return Load(share, empty_share, wakeups_per_s, detail)


def _share(load: Load, name: str, *, promised: bool) -> Figure:
    return Figure(
        GROUP,
        f"share of one core, field process, {name}",
        round(load.share, 2),
        "%",
        limit=SHARE_LIMIT_PERCENT if promised else None,
        samples=1,
        detail=load.detail,
    )


def _share_ratio(one: Load, two: Load) -> Figure:
    return Figure(
        GROUP,
        "share of one core, idle, two connectors to one",
        round(two.share / one.share, 2) if one.share else None,
        "times",
        limit=TWO_SHARE_TIMES,
        rival="one connector in the same run",
        samples=1,
        detail={"one_percent": round(one.share, 2), "two_percent": round(two.share, 2), **two.detail},
        trouble="" if one.share else "one connector took no measurable time",
    )


def _memory(name: str, connectors: int = 1) -> list[Figure]:
    field, north = memory_of(child_running("control")), memory_of(child_running("agent"))
    further_mb = FURTHER_LIMIT_MB * (connectors - 1)
    return [
        Figure(
            GROUP,
            f"memory of the field process, {name}",
            field.rss_mb,
            "MB RSS",
            limit=FIELD_LIMIT_MB + further_mb,
            samples=1,
            detail={"pss_mb": field.pss_mb},
        ),
        Figure(
            GROUP,
            f"memory of both processes, {name}",
            round(field.rss_mb + north.rss_mb, 2),
            "MB RSS",
            limit=BOTH_LIMIT_MB + further_mb,
            samples=1,
            detail={
                "pss_mb": round(field.pss_mb + north.pss_mb, 2),
                "north_rss_mb": north.rss_mb,
                "north_pss_mb": north.pss_mb,
            },
        ),
    ]


def _more_memory(name: str, one: list[Figure], two: list[Figure]) -> Figure:
    """What the second connector adds to the field process, both measured in this run."""
    before, after = one[0].value, two[0].value
    assert before is not None
    assert after is not None
    return Figure(
        GROUP,
        f"memory that a second connector adds, {name}",
        round(after - before, 2),
        "MB RSS",
        limit=FURTHER_LIMIT_MB,
        rival="one connector in the same run",
        samples=1,
        detail={"one_mb": before, "two_mb": after, "times": round(after / before, 3)},
    )


def _ready(status: dict[str, Any]) -> bool:
    """Everything but the plug is there: all lines answer, the recorder is attached."""
    return bool(status["recorder"]["ok"]) and len(status["values"]) >= 20


def _one_connector(duration_s: float) -> tuple[list[Figure], Load, dict[str, list[Figure]]]:
    with Pile(vehicle_profile=VEHICLE) as pile:
        pile.wait("all parts answer", _ready, _SETTLE_S)
        load = _load(pile, duration_s)
        memory = {"idle": _memory("idle")}
        figures = [_share(load, "idle, 10 ms cycle, inputs each 20 ms", promised=True), *memory["idle"]]
        pile.bench.do("plug")
        pile.start()
        pile.wait_state("charging", timeout_s=90.0)
        figures.append(_share(_load(pile, duration_s), "charging", promised=False))
        memory["charging"] = _memory("charging")
        figures += memory["charging"]
        pile.stop()
        pile.wait_no_session()
    return figures, load, memory


def _two_connectors(duration_s: float, one: Load, before: Mapping[str, list[Figure]]) -> list[Figure]:
    with Pile(vehicle_profile=VEHICLE, more_vehicles=(SECOND_VEHICLE,)) as pile:
        for connector in (1, 2):
            pile.wait("all parts answer", _ready, _SETTLE_S, connector)
        figures = [_share_ratio(one, _load(pile, duration_s))]
        memory = _memory("two connectors, idle", 2)
        figures += [*memory, _more_memory("idle", before["idle"], memory)]
        charge(pile)
        figures.append(_share(_load(pile, duration_s), "two connectors charging", promised=False))
        memory = _memory("two connectors charging", 2)
        figures += [*memory, _more_memory("charging", before["charging"], memory)]
        for connector in (1, 2):
            pile.stop(connector)
            pile.wait_no_session(connector=connector)
    return figures


def measure(*, quick: bool) -> list[Figure]:
    """Idle with the inputs as configured and charging, with one connector and two; idle with slower inputs."""
    duration_s = 8.0 if quick else 30.0
    figures: list[Figure] = []
    try:
        found, one, memory = _one_connector(duration_s)
        figures += found
        figures += _two_connectors(duration_s, one, memory)
        with Pile(board=_SLOW_INPUTS) as pile:
            pile.wait("all parts answer", _ready, _SETTLE_S)
            slow = _load(pile, duration_s)
            figures.append(_share(slow, "idle, 10 ms cycle, inputs each 100 ms", promised=False))
    except (WaitError, OSError, AssertionError) as error:
        figures.append(not_measured(GROUP, "the rest", "", str(error)[:600]))
    return figures
