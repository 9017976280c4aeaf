"""All time-outs the charger watches, in one table with their sources.

The sources are the time-out clauses of GB/T 27930-2015 and the conformance tests of GB/T 34658-2017 (items DN.nnnn);
"2023" marks rules of class A of the 2023 edition. A time runs from entering the phase, or from the latest message.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from drivers.gbt27930.charger.phases import Edition, Phase


class Watch(enum.Enum):
    """What is being waited for."""

    BHM = "first BHM"
    BRM = "complete BRM"
    BCP = "complete BCP"
    BRO = "any BRO"
    BRO_READY = "first BRO ready"
    BRO_AGAIN = "next BRO ready"
    BCL_FIRST = "first BCL"
    BCS_FIRST = "first BCS"
    BCL = "next BCL"
    BCS = "next BCS"
    BSM = "next BSM"
    BST = "BST"
    BSD = "BSD"
    PAUSE = "end of the pause"


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """How long the charger waits, and what follows.

    ``starts_in`` is the phase that starts the time; None for times that start with a message.
    ``cem_field`` is the field of CEM that reports it; None where the standard has none. ``reconnect`` is whether
    a new start of the recognition is open afterwards.
    """

    watch: Watch
    missing: str
    limit_s: float
    starts_in: Phase | None
    cem_field: str | None
    reconnect: bool
    source: str
    limit_2023_s: float | None = None
    only_2023: bool = False

    def applies(self, edition: Edition) -> bool:
        """Whether ``edition`` has this time-out."""
        return edition == "2023" or not self.only_2023

    def limit(self, edition: Edition) -> float:
        """The limit in seconds under ``edition``."""
        return self.limit_s if edition == "2015" or self.limit_2023_s is None else self.limit_2023_s


TIME_LIMITS: tuple[TimeLimit, ...] = (
    TimeLimit(
        Watch.BHM, "BHM", 5.0, Phase.HANDSHAKE, None, False,
        "2015: general rule of 5 s; 10 s in implementations of 2023; no CEM field exists", limit_2023_s=10.0,
    ),
    TimeLimit(Watch.BRM, "BRM", 5.0, Phase.RECOGNITION, "brm_timeout", True, "2015; DN.1001-1003"),
    TimeLimit(Watch.BCP, "BCP", 5.0, Phase.RECOGNISED, "bcp_timeout", True, "2015; DN.1004, DN.2001, DN.2002"),
    TimeLimit(Watch.BRO, "BRO", 5.0, Phase.PARAMETERS, "bro_timeout", True, "2015; DN.2003, DN.2004, DN.2006"),
    TimeLimit(Watch.BRO_READY, "BRO", 60.0, Phase.PARAMETERS, "bro_timeout", True, "2015; DN.2005"),
    TimeLimit(Watch.BRO_AGAIN, "BRO", 5.0, Phase.WAIT_READY, "bro_timeout", True, "2015; DN.2007, DN.2008"),
    TimeLimit(Watch.BCL_FIRST, "BCL", 1.0, Phase.READY, "bcl_timeout", True, "2015; DN.2010, DN.3002, DN.3004"),
    TimeLimit(Watch.BCS_FIRST, "BCS", 5.0, Phase.READY, "bcs_timeout", True, "2015; DN.3001, DN.3003"),
    TimeLimit(Watch.BCL, "BCL", 1.0, None, "bcl_timeout", True, "2015; DN.3006, DN.3008"),
    TimeLimit(Watch.BCS, "BCS", 5.0, None, "bcs_timeout", True, "2015; DN.3005, DN.3007"),
    TimeLimit(
        Watch.BSM, "BSM", 5.0, None, "bsm_timeout", False,
        "2023: after the first BSM; new handshake only after plugging again", only_2023=True,
    ),
    TimeLimit(Watch.BST, "BST", 5.0, Phase.STOPPING, "bst_timeout", False, "2015; DN.3009, DN.3010"),
    TimeLimit(Watch.BSD, "BSD", 10.0, Phase.STOPPING, "bsd_timeout", False, "2015 with amendment 1; DN.4001-4004"),
    TimeLimit(Watch.PAUSE, "BSM", 600.0, None, None, False, "2015; GB/T 18487.1-2023 annex B; DP.3005"),
)  # fmt: skip
"""The table. PAUSE ends in CST like any decision of the charger's own; all others end the dialogue."""

BY_WATCH = {limit.watch: limit for limit in TIME_LIMITS}

LONGEST_RECONNECTS = 3
"""New starts of the recognition in one session, at most."""


class Cycle:
    """A message sent again and again on a fixed grid.

    A late poll sends once and the next sending stays on the grid: no drift, no burst.
    """

    __slots__ = ("_count", "_period_s", "_start_s", "build", "identifier")

    def __init__(self, identifier: int, period_s: float, build: Callable[[], bytes], start_s: float) -> None:
        self.identifier = identifier
        self.build = build
        self._period_s = period_s
        self._start_s = start_s
        self._count = 0

    @property
    def due_s(self) -> float:
        """When the message is to be sent next."""
        return self._start_s + self._count * self._period_s

    def take(self, now_s: float) -> bool:
        """Whether the message is due at ``now_s``; if so the next grid point after it is set."""
        if now_s < self.due_s:
            return False
        self._count = max(int((now_s - self._start_s) / self._period_s), self._count)
        while self.due_s <= now_s:
            self._count += 1
        return True
