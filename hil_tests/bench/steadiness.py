"""The environment of a pile does not wait for a busy computer: priority for the bench, a record of its stalls."""

import ctypes
import os
from collections import deque
from dataclasses import dataclass

PRIORITY = 45
"""SCHED_FIFO of the bench: above ordinary processes, below the field process (50), so as not to disturb its figures."""

STANDSTILL_S = 0.1
"""A delay from which the bench has stalled: a real board, meter or vehicle never does."""

TOO_LONG_STANDSTILL_S = 0.3
"""A stall from this length on makes a failed run invalid (own choice).

Half the age limit of the most impatient input: what is shorter must not make a charge fail.
"""

_KEPT = 32
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def take_priority(priority: int = PRIORITY) -> bool:
    """Real-time priority and locked memory for this process alone, where the system grants them; whether it did.

    Children start with ordinary priority. Without the right to it nothing changes: a bench on a busy machine is then
    as slow as that machine.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


@dataclass(frozen=True, slots=True)
class Standstill:
    """A time in which the bench did nothing although it should have: until ``at_s`` (monotonic), ``length_s`` long."""

    at_s: float
    length_s: float


class StandstillWatch:
    """Detects stalls of a loop from its period."""

    def __init__(self, period_s: float) -> None:
        self.standstills: deque[Standstill] = deque(maxlen=_KEPT)
        self.longest_s = 0.0
        self._period_s = period_s
        self._last_s: float | None = None

    def beat(self, now_s: float) -> None:
        """The loop has come round."""
        if self._last_s is not None:
            late_s = now_s - self._last_s - self._period_s
            self.longest_s = max(self.longest_s, late_s)
            if late_s >= STANDSTILL_S:
                self.standstills.append(Standstill(now_s, late_s))
        self._last_s = now_s
