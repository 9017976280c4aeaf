"""The end of every session, step by step: current down, contactors open, bleed, statistics, last reading, bill."""

from collections.abc import Callable, Mapping

import msgspec

from agent.control.dc.actions import Finish, SetTotals
from agent.control.dc.steps import closing
from agent.control.dc.view import EventKind, Phase, View
from agent.control.dc.wants import Wants
from agent.vocabulary import reasons

_CSD_S = 0.8
"""CSD is repeated for this long after BSD (own: three periods of 250 ms)."""
_REGISTER_SETTLING_S = 1.0
"""A register reading counts as final from this long after the opening (own: the meter updates once a second)."""
_OPENING_S = 2.0
"""So long the feedback of contactors may take to show that they are open (own)."""


def stopping(view: View) -> Wants:
    """Sub-steps: ramp, open, discharge, statistics, reading. Nothing to open, to bleed or to wait for: the last two."""
    wants = view.wants()
    memory, now_s = wants.memory, view.now_s
    wants.insulation_monitor = False
    if memory.sub_step == "":
        if not memory.contactors_used:
            memory.opened = True
            wants.no_set_point()
            memory.go("statistics", now_s)
        elif memory.opened or not view.held.contactors:
            memory.opened = True
            memory.go("open", now_s)
        else:
            memory.go("ramp", now_s)
    if memory.opened and memory.sub_step == "ramp":
        memory.go("open", now_s)
    _SUB_STEPS[memory.sub_step](view, wants)
    return wants


def _ramp(view: View, wants: Wants) -> None:
    memory, now_s, times, charge = wants.memory, view.now_s, view.parameters.times, view.charge
    closing.lower_current(view, wants)
    lock_lost = charge is not None and charge.stop_reason == "lock_lost"
    longest_s = times.lock_lost_ramp_s if lock_lost else times.ramp_down_s
    if closing.current_is_low(view) or now_s - memory.sub_step_since_s > longest_s:
        memory.opened = True
        memory.go("open", now_s)
        _open(view, wants)


def _open(view: View, wants: Wants) -> None:
    memory, now_s = wants.memory, view.now_s
    wants.contactors = False
    wants.no_set_point()
    if memory.opened_at_s is None:
        memory.opened_at_s = now_s
    # A welded or unseen contactor must not hold up the end; it is a fault of its own.
    if view.contactors_seen(False) or now_s - memory.sub_step_since_s > _OPENING_S:
        memory.go("discharge", now_s)


def _dialogue_over(view: View) -> bool:
    """The dialogue is over: the charger is silent, or the vehicle has seen CEM a few times."""
    phase, lost_at_s = view.dialogue.phase, view.memory.lost_at_s
    if phase is Phase.TIMED_OUT and lost_at_s is not None:
        return view.now_s - lost_at_s >= view.parameters.times.error_message_s
    return phase not in (Phase.STOPPING, Phase.ENDING)


def _discharge(view: View, wants: Wants) -> None:
    memory, now_s = wants.memory, view.now_s
    wants.discharge = True
    if _dialogue_over(view):
        # A vehicle that no longer talks keeps its side closed for as long as its BMS is supplied.
        wants.auxiliary_supply = False
    outside_v = view.value("outside_voltage_v")
    safe = outside_v is not None and outside_v < view.parameters.numbers.safe_voltage_v
    if safe:
        memory.output_safe = True
    if safe or now_s - memory.sub_step_since_s > view.parameters.times.discharge_s:
        memory.go("statistics", now_s)


def _statistics(view: View, wants: Wants) -> None:
    """Wait for BSD and let CSD go out, if the vehicle still talks."""
    memory, now_s, charge, bsd = wants.memory, view.now_s, view.charge, view.dialogue.bsd
    if charge is None:
        return
    wants.tell.append(SetTotals(charge.duration_s(now_s) // 60, charge.energy_wh))
    waiting = not _dialogue_over(view)
    if EventKind.STATISTICS in memory.seen and bsd is not None:
        if bsd.values["soc_percent"] is not None:
            soc_percent = int(bsd.values["soc_percent"])
            wants.facts = msgspec.structs.replace(charge.facts, soc_end_percent=soc_percent)
        waiting = now_s - bsd.at_s < _CSD_S
    if waiting and view.elapsed_s() < view.parameters.times.statistics_s:
        return
    wants.auxiliary_supply = False
    wants.tell.append(Finish())
    memory.go("reading", now_s)


def _reading(view: View, wants: Wants) -> None:
    """The bill ends with a register reading taken after the contactors opened.

    The last known one counts if none comes, the last plausible one if the meter has sent something impossible.
    """
    memory, now_s, register = wants.memory, view.now_s, view.register
    if view.charge is None:
        return
    known = register.total_wh is not None
    if register.held:
        # What came after the last plausible register is not billed, and the record shows it.
        memory.register_source = reasons.FROM_LAST_PLAUSIBLE
    elif known and view.value("meter_energy_wh") is not None and _final(view, memory.opened_at_s):
        wants.take_register = True
        memory.register_source = reasons.FROM_METER
    elif now_s - memory.sub_step_since_s < view.parameters.times.final_reading_s:
        return
    else:
        wants.take_register = known
        memory.register_source = reasons.FROM_LAST_READING
    wants.discharge = False
    wants.final_register = True
    wants.move = "settle"


def _final(view: View, opened_at_s: float | None) -> bool:
    """The register was read after everything that flowed had time to show up in it."""
    if opened_at_s is None:
        return True
    taken_at_s = view.inputs.taken_at_s("meter_energy_wh")
    return taken_at_s is not None and taken_at_s >= opened_at_s + _REGISTER_SETTLING_S


_SUB_STEPS: Mapping[str, Callable[[View, Wants], None]] = {
    "ramp": _ramp,
    "open": _open,
    "discharge": _discharge,
    "statistics": _statistics,
    "reading": _reading,
}
