"""The end of every session, in order: current down, contactors open, bleed, statistics, last reading, bill."""

from typing import TYPE_CHECKING

from drivers.gbt27930.charger.dialogue import EventKind, Phase

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

_CSD_S = 0.8
"""CSD is repeated for this long after BSD (own: three periods of 250 ms)."""
_REGISTER_SETTLING_S = 1.0
"""A register reading counts as final from this long after the opening (own: the meter updates once a second)."""


def stopping(core: "ControlCore") -> None:
    """Stages: ramp, open, discharge, statistics, reading. Nothing to open, to bleed or to wait for: the last two."""
    memory = core.memory
    core.relays_wanted["insulation_monitor"] = False
    if memory.stage == "":
        if not memory.contactors_used:
            memory.opened = True
            core.no_demand()
            memory.go("statistics", core.now_s)
        elif memory.opened or not core.relays_wanted["contactors"]:
            memory.opened = True
            memory.go("open", core.now_s)
        else:
            memory.go("ramp", core.now_s)
    if memory.opened and memory.stage == "ramp":
        memory.go("open", core.now_s)
    {"ramp": _ramp, "open": _open, "discharge": _discharge, "statistics": _statistics, "reading": _reading}[
        memory.stage
    ](core)


def _ramp(core: "ControlCore") -> None:
    memory, image, now_s = core.memory, core.image, core.now_s
    if core.demand.on and memory.voltage_ceiling_v is not None:
        core.set_demand(core.demand.voltage_v, 0.0, memory.voltage_ceiling_v)
    current_a = image.value("module_current_a", now_s)
    low = current_a is not None and current_a < core.parameters.numbers.opening_current_a
    times, session = core.parameters.times, core.session
    lock_lost = session is not None and session.stop_reason == "lock_lost"
    if low or now_s - memory.stage_since_s > (times.lock_lost_ramp_s if lock_lost else times.ramp_down_s):
        memory.opened = True
        memory.go("open", now_s)
        _open(core)


def _open(core: "ControlCore") -> None:
    memory, image, now_s = core.memory, core.image, core.now_s
    core.want_contactors(False)
    core.no_demand()
    if memory.opened_at_s is None:
        memory.opened_at_s = now_s
    states = [image.value(name, now_s) for name in ("contactor_k1_closed", "contactor_k2_closed")]
    # A welded or unseen contactor must not hold up the end; it is a fault of its own.
    if all(state is False for state in states) or now_s - memory.stage_since_s > 2.0:
        memory.go("discharge", now_s)


def _dialogue_over(core: "ControlCore") -> bool:
    """Nothing more will be said: the charger is silent, or the vehicle has seen CEM a few times."""
    memory, phase = core.memory, core.charger.phase
    if phase is Phase.TIMED_OUT and memory.lost_at_s is not None:
        return core.now_s - memory.lost_at_s >= core.parameters.times.error_message_s
    return phase not in (Phase.STOPPING, Phase.ENDING)


def _discharge(core: "ControlCore") -> None:
    memory, now_s = core.memory, core.now_s
    core.relays_wanted["discharge"] = True
    if _dialogue_over(core):
        # A vehicle that no longer talks keeps its side closed for as long as its BMS is supplied.
        core.want_auxiliary(False)
    outside_v = core.image.value("outside_voltage_v", now_s)
    safe = outside_v is not None and outside_v < core.parameters.numbers.safe_voltage_v
    if safe:
        memory.output_safe = True
    if safe or now_s - memory.stage_since_s > core.parameters.times.discharge_s:
        memory.go("statistics", now_s)


def _statistics(core: "ControlCore") -> None:
    """Wait for BSD and let CSD go out, if the vehicle still talks."""
    memory, now_s, session = core.memory, core.now_s, core.session
    if session is None:
        return
    core.charger.set_totals(session.duration_s(now_s) // 60, session.billing.bill().energy_wh)
    waiting = not _dialogue_over(core)
    if EventKind.STATISTICS in memory.seen:
        bsd = core.charger.vehicle.bsd
        if bsd is not None:
            if bsd.values["soc_percent"] is not None:
                session.soc_end_percent = int(bsd.values["soc_percent"])
            waiting = now_s - bsd.at_s < _CSD_S
    if waiting and now_s - memory.entered_at_s < core.parameters.times.statistics_s:
        return
    core.want_auxiliary(False)
    core.charger.finish(now_s)
    memory.go("reading", now_s)


def _reading(core: "ControlCore") -> None:
    """The bill ends with a register reading taken after the contactors opened.

    The last known one counts if none comes, the last plausible one if the meter has said something impossible.
    """
    memory, now_s, session = core.memory, core.now_s, core.session
    if session is None:
        return
    register = core.metering.register
    register_wh = register.total_wh
    valid = core.image.value("meter_energy_wh", now_s) is not None
    taken_at_s = core.image.taken_at_s("meter_energy_wh")
    final_from_s = None if memory.opened_at_s is None else memory.opened_at_s + _REGISTER_SETTLING_S
    final = final_from_s is None or (taken_at_s is not None and taken_at_s >= final_from_s)
    if register.held:
        # What came after the last plausible register is not billed, and the record says so.
        memory.register_source = "last_plausible"
    elif register_wh is not None and valid and final:
        session.billing.sample(register_wh, core.wall_ms)
        memory.register_source = "meter"
    elif now_s - memory.stage_since_s < core.parameters.times.final_reading_s:
        return
    else:
        if register_wh is not None:
            session.billing.sample(register_wh, core.wall_ms)
        memory.register_source = "last_reading"
    core.relays_wanted["discharge"] = False
    core.end_session()
    core.move("settle")
