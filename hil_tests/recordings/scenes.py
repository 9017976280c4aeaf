"""The charges that are recorded: a good one, one with a bus that sends its cells, and one with every kind of fault."""

from collections.abc import Callable, Mapping

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Phase, StopCause
from drivers.gbt27930.messages.table import identifier_of
from hil_tests.recordings.charge import Charge

_CCS, _BCL = identifier_of("CCS"), identifier_of("BCL")

LATE_CCS_S = (12.0, 12.3)
"""No CCS passes in between: six periods."""

SHORT_BCL_S = (14.0, 14.06)
"""BCL lacks its last byte in between."""

LOST_BCL_S = (20.0, 21.6)
"""No BCL passes in between: longer than the charger waits (1 s)."""


def good() -> Charge:
    """A whole charge of the demo car, to its own end."""
    return Charge("demo-car").run_until(Phase.ENDED, 150)


def bus_with_cells() -> Charge:
    """A bus with cell voltages and temperatures beside BCS; stopped at the pile."""
    charge = Charge("bus").run_until(Phase.CHARGING, 30)
    charge.run(25.0)
    charge.stop(StopCause.MANUAL)
    return charge.run_until(Phase.ENDED, 15)


def faulty() -> Charge:
    """Late CCS, a short BCL, a demand above BCP, a time-out with reconnection, foreign frames; then a stop."""

    def tamper(now_s: float, frame: CanFrame) -> list[CanFrame]:
        if frame.identifier == _CCS and LATE_CCS_S[0] <= now_s < LATE_CCS_S[1]:
            return []
        if frame.identifier == _BCL and LOST_BCL_S[0] <= now_s < LOST_BCL_S[1]:
            return []
        if frame.identifier == _BCL and SHORT_BCL_S[0] <= now_s < SHORT_BCL_S[1]:
            return [CanFrame(frame.identifier, frame.data[:4])]
        return [frame]

    charge = Charge("nmc-car", tamper=tamper).run_until(Phase.CHARGING, 30)
    charge.tell("raw 18E2F456 0102030405060708")
    charge.tell("raw 0C3956F4 0000020000000000")
    charge.run(16.0 - charge.now_s)
    charge.tell("demand 900 150")
    charge.run(1.0)
    charge.tell("demand own")
    charge.run(24.0 - charge.now_s).run_until(Phase.CHARGING, 30)
    charge.run(10.0)
    charge.stop(StopCause.MANUAL)
    return charge.run_until(Phase.ENDED, 20)


SCENES: Mapping[str, Callable[[], Charge]] = {"good": good, "bus-with-cells": bus_with_cells, "faulty": faulty}
"""Every charge by its name."""
