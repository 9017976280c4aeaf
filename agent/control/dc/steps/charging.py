"""Charging: follow the vehicle's demand within every limit, pause on its request, stop when something is reached."""

from collections.abc import Mapping
from typing import Any

import msgspec

from agent.control.dc.actions import SetOutput
from agent.control.dc.limits import OutputLimit, combine, derate_share, pile_limit, shared
from agent.control.dc.plausibility import below_minimum
from agent.control.dc.session import SessionFacts
from agent.control.dc.steps import pausing
from agent.control.dc.view import EventKind, View
from agent.control.dc.wants import Wants
from agent.vocabulary import reasons


def charging(view: View) -> Wants:
    """One evaluation while contactors are closed and the vehicle may draw."""
    wants, charge, dialogue, now_s = view.wants(), view.charge, view.dialogue, view.now_s
    bcl, bcp = dialogue.bcl, dialogue.bcp
    if charge is None or EventKind.CHARGING not in wants.memory.seen or bcl is None or bcp is None:
        return wants
    facts = wants.facts = _facts(view, charge.facts)
    # Demands and measurements of a pause judge nothing.
    wants.judge_vehicle = not dialogue.paused and view.held.contactors
    if _paused_too_long(view, wants):
        wants.halt = reasons.STOP_PAUSE_TOO_LONG
        return wants
    if pausing.hold(view, wants):
        _tell_vehicle(view, wants, facts, False)
    else:
        _follow(view, wants, facts, bcl.values, bcp.values)
    wants.halt = charge.limit_reached(now_s, facts.soc_end_percent)
    return wants


def _facts(view: View, facts: SessionFacts) -> SessionFacts:
    """What is known of the charge, with the newest state of charge."""
    bcs = view.dialogue.bcs
    soc_percent = facts.soc_end_percent
    if bcs is not None and bcs.values["soc_percent"] is not None:
        soc_percent = int(bcs.values["soc_percent"])
    if not facts.reached_charging:
        return msgspec.structs.replace(
            facts, reached_charging=True, charging_since_s=view.now_s, soc_end_percent=soc_percent
        )
    if soc_percent != facts.soc_end_percent:
        return msgspec.structs.replace(facts, soc_end_percent=soc_percent)
    return facts


def _follow(view: View, wants: Wants, facts: SessionFacts, bcl: Mapping[str, Any], bcp: Mapping[str, Any]) -> None:
    """The set point: the vehicle's demand or less, rising no faster than allowed."""
    memory, now_s = wants.memory, view.now_s
    permitted = not view.dialogue.paused
    voltage_v = min(bcl["voltage_v"], bcp["maximum_voltage_v"])
    wants.limit = limit = combine(
        shared(_derated_limit(view), view.share, now_s),
        voltage_v,
        (("vehicle", _demanded_a(view, bcl)), ("battery", bcp["maximum_current_a"])),
        view.value("module_maximum_current_a"),
    )
    target_a = limit.current_a if permitted else 0.0
    since_s = now_s if memory.setpoint_at_s is None else memory.setpoint_at_s
    rise_a = view.parameters.numbers.current_rise_a_per_s * max(0.0, now_s - since_s)
    memory.setpoint_a = min(target_a, memory.setpoint_a + rise_a)
    memory.setpoint_at_s = now_s
    wants.order(limit.voltage_v, memory.setpoint_a, bcp["maximum_voltage_v"])
    _tell_vehicle(view, wants, facts, permitted)
    _watch_current(view, wants, target_a)


def _derated_limit(view: View) -> OutputLimit:
    """Ratings of the pile, lowered by the temperature of the hottest contact; nothing while one is unknown."""
    parameters = view.parameters
    temperatures = [view.value(name) for name in parameters.contact_sensors]
    if not temperatures:
        return pile_limit(parameters, 1.0)
    known = [value for value in temperatures if value is not None]
    hottest_c = max(known) if len(known) == len(temperatures) else None
    return pile_limit(
        parameters, derate_share(hottest_c, parameters.temperature_derate_c, parameters.over_temperature_c)
    )


def _demanded_a(view: View, bcl: Mapping[str, Any]) -> float:
    """The current demand under the edition's rules; what is below the pile's minimum gets nothing."""
    if below_minimum(bcl, view.parameters):
        return 0.0
    return max(float(bcl["current_a"]), view.parameters.minimum_current_a)


def _paused_too_long(view: View, wants: Wants) -> bool:
    """BSM may pause the charge for at most ten minutes."""
    memory, now_s = wants.memory, view.now_s
    if not view.dialogue.paused:
        memory.paused_since_s = None
        return False
    if memory.paused_since_s is None:
        memory.paused_since_s = now_s
    return now_s - memory.paused_since_s > view.parameters.times.pause_s


def _tell_vehicle(view: View, wants: Wants, facts: SessionFacts, permitted: bool) -> None:
    """CCS carries what is measured at the output; what cannot be measured is sent as zero."""
    # The analogue board measures twenty times a second; the meter's value is up to a second old and lags on a ramp.
    voltage_v = view.value("outside_voltage_v") or view.value("meter_voltage_v") or 0.0
    current_a = view.value("module_current_a")
    if current_a is None:
        current_a = view.value("meter_current_a") or 0.0
    since_s = facts.charging_since_s
    minutes = 0 if since_s is None else int((view.now_s - since_s) // 60)
    wants.tell.append(SetOutput(float(voltage_v), float(current_a), permitted, minutes))


def _watch_current(view: View, wants: Wants, target_a: float) -> None:
    """Note since when current is expected and none flows."""
    memory, numbers = wants.memory, view.parameters.numbers
    measured_a = view.value("module_current_a")
    if target_a >= numbers.current_expected_a and measured_a is not None and measured_a < numbers.current_absent_a:
        if memory.current_expected_since_s is None:
            memory.current_expected_since_s = view.now_s
    else:
        memory.current_expected_since_s = None
