"""Working several guns of one pile at once: bring each into a charge, and watch one while the other one ends."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hil_tests.harness.pile import Pile

FLOWS_A = 20.0
"""Own: from this current on a gun counts as charging."""
_POLL_S = 0.05


def begin(pile: Pile, gun: int) -> str:
    """Plug a vehicle in at a gun that is ready and start its charge; returns the session's id."""
    pile.wait("ready for a vehicle", lambda status: status["start_blockers"] == ["not plugged"], connector=gun)
    pile.bench.do("plug", gun)
    pile.wait_state("plugged", connector=gun)
    return pile.start(gun)


def wait_charging(pile: Pile, gun: int) -> None:
    """Wait until current flows at a gun and its meter has counted something of it."""
    pile.wait_state("charging", connector=gun)
    begin_wh = pile.bench.probe(gun)["energy_register_wh"]
    pile.wait_probe(
        f"current flows at gun {gun} and its register moves",
        lambda probe: probe["current_a"] > FLOWS_A and probe["energy_register_wh"] > begin_wh,
        gun=gun,
    )


def charge(pile: Pile, guns: Sequence[int] = (1, 2)) -> dict[int, str]:
    """Bring these guns into a charge together; returns the session of each."""
    sessions = {gun: begin(pile, gun) for gun in guns}
    for gun in guns:
        wait_charging(pile, gun)
    return sessions


@dataclass(frozen=True, slots=True)
class Flow:
    """How a gun delivered over some time: the least current, and whether its contactors opened meanwhile."""

    seconds: float
    least_a: float
    opened: bool

    @property
    def without_gap(self) -> bool:
        """Current never stopped."""
        return self.least_a > FLOWS_A and not self.opened


def watch(pile: Pile, gun: int, seconds: float) -> Flow:
    """Look at a gun of the bench for some time."""
    begin_s = time.monotonic()
    probe = pile.bench.probe(gun)
    opened_before_s = probe["contactors_opened_at_s"]
    least_a = float(probe["current_a"])
    while time.monotonic() - begin_s < seconds:
        time.sleep(_POLL_S)
        probe = pile.bench.probe(gun)
        least_a = min(least_a, float(probe["current_a"]))
    opened = probe["contactors_opened_at_s"] != opened_before_s or not probe["contactors_closed"]
    return Flow(time.monotonic() - begin_s, least_a, opened)


def leave(pile: Pile, gun: int) -> None:
    """Unplug a gun once it is unlocked."""
    pile.wait_probe(f"gun {gun} is unlocked", lambda probe: not probe["lock_locked"], gun=gun)
    if pile.bench.probe(gun)["plugged"]:
        pile.bench.do("unplug", gun)


def records_of(pile: Pile, stream: str, connector: int) -> list[dict[str, Any]]:
    """What the platform has of a stream for one connector, by the ``c`` of its messages."""
    return [message for message in pile.platform.records(stream) if message["c"] == connector]
