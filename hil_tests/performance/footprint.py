"""Figure "footprint": memory of both processes and share of a core of the field process, on the bench."""

from collections.abc import Mapping
from typing import Any

from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import WaitError
from hil_tests.performance.proc import child_running, memory_of, policy_of, share_percent
from hil_tests.performance.report import Figure, not_measured

GROUP = "footprint"
FIELD_LIMIT_MB = 30.0
BOTH_LIMIT_MB = 60.0
SHARE_LIMIT_PERCENT = 2.0
VEHICLE = "lfp-car"
"""A vehicle that charges for longer than any measurement takes."""

_SETTLE_S = 60.0
_SLOW_INPUTS: Mapping[str, Any] = {"io": {"interval_ms": 100}}


def _share(pile: Pile, name: str, duration_s: float, *, promised: bool) -> Figure:
    pid = child_running("control")
    before = pile.status()["cycle"]
    share = share_percent(pid, duration_s)
    after = pile.status()["cycle"]
    return Figure(
        GROUP,
        f"share of one core, field process, {name}",
        round(share, 2),
        "%",
        limit=SHARE_LIMIT_PERCENT if promised else None,
        samples=1,
        detail={
            "over_s": duration_s,
            "cycles": after["count"] - before["count"],
            "late_cycles": after["late"] - before["late"],
            "policy": policy_of(pid),
        },
    )


def _memory(name: str) -> list[Figure]:
    field, north = memory_of(child_running("control")), memory_of(child_running("agent"))
    return [
        Figure(
            GROUP,
            f"memory of the field process, {name}",
            field.rss_mb,
            "MB RSS",
            limit=FIELD_LIMIT_MB,
            samples=1,
            detail={"pss_mb": field.pss_mb},
        ),
        Figure(
            GROUP,
            f"memory of both processes, {name}",
            round(field.rss_mb + north.rss_mb, 2),
            "MB RSS",
            limit=BOTH_LIMIT_MB,
            samples=1,
            detail={
                "pss_mb": round(field.pss_mb + north.pss_mb, 2),
                "north_rss_mb": north.rss_mb,
                "north_pss_mb": north.pss_mb,
            },
        ),
    ]


def _ready(status: dict[str, Any]) -> bool:
    """Everything but the plug is there: all lines answer, the recorder is attached."""
    return bool(status["recorder"]["ok"]) and len(status["values"]) >= 20


def measure(*, quick: bool) -> list[Figure]:
    """Idle with the inputs as configured, idle with slower inputs, and charging."""
    duration_s = 8.0 if quick else 30.0
    figures: list[Figure] = []
    try:
        with Pile(vehicle_profile=VEHICLE) as pile:
            pile.wait("all parts answer", _ready, _SETTLE_S)
            figures.append(_share(pile, "idle, 10 ms cycle, inputs each 20 ms", duration_s, promised=True))
            figures += _memory("idle")
            pile.bench.do("plug")
            pile.start()
            pile.wait_state("charging", timeout_s=90.0)
            figures.append(_share(pile, "charging", duration_s, promised=False))
            figures += _memory("charging")
            pile.stop()
            pile.wait_no_session()
        with Pile(board=_SLOW_INPUTS) as pile:
            pile.wait("all parts answer", _ready, _SETTLE_S)
            figures.append(_share(pile, "idle, 10 ms cycle, inputs each 100 ms", duration_s, promised=False))
    except (WaitError, OSError, AssertionError) as error:
        figures.append(not_measured(GROUP, "the rest", "", str(error)[:600]))
    return figures
