"""Charging: follow the vehicle's demand within every limit, pause when it says so, stop when something is reached."""

from typing import TYPE_CHECKING

from agent.control.limits import OutputLimit, combine, derate_share, pile_limit
from drivers.bms.charger import EventKind

if TYPE_CHECKING:
    from agent.control.core import ControlCore

_EXPECTED_CURRENT_A = 5.0
"""A demand from here on must lead to a current (own)."""


def charging(core: "ControlCore") -> None:
    """One evaluation while contactors are closed and the vehicle may draw."""
    session, memory, now_s = core.session, core.memory, core.now_s
    if session is None:
        return
    vehicle = core.charger.vehicle
    if EventKind.CHARGING not in memory.seen or vehicle.bcl is None or vehicle.bcp is None:
        return
    if not session.reached_charging:
        session.reached_charging = True
        session.charging_since_s = now_s
        core.reply(session.command_id, "done", "", session.id)
    if vehicle.bcs is not None and vehicle.bcs.values["soc_percent"] is not None:
        session.soc_end_percent = int(vehicle.bcs.values["soc_percent"])
    permitted = _permitted(core)
    if permitted is None:
        core.halt("pause_too_long")
        return
    bcl, bcp = vehicle.bcl.values, vehicle.bcp.values
    voltage_v = min(bcl["voltage_v"], bcp["maximum_voltage_v"])
    module_limit_a = core.image.value("module_maximum_current_a", now_s)
    core.limit = combine(
        _derated_limit(core),
        voltage_v,
        (("vehicle", bcl["current_a"]), ("battery", bcp["maximum_current_a"])),
        module_limit_a,
    )
    target_a = core.limit.current_a if permitted else 0.0
    since_s = now_s if memory.setpoint_at_s is None else memory.setpoint_at_s
    rise_a = core.parameters.numbers.current_rise_a_per_s * max(0.0, now_s - since_s)
    memory.setpoint_a = min(target_a, memory.setpoint_a + rise_a)
    memory.setpoint_at_s = now_s
    core.set_demand(core.limit.voltage_v, memory.setpoint_a, bcp["maximum_voltage_v"])
    _tell_vehicle(core, permitted)
    _watch_current(core, target_a)
    reason = session.limit_reached(now_s)
    if reason is not None:
        core.halt(reason)


def _derated_limit(core: "ControlCore") -> OutputLimit:
    """Ratings of the pile, lowered by the temperature of the hotter contact; nothing while one is unknown."""
    plus_c = core.image.value("connector_temperature_plus_c", core.now_s)
    minus_c = core.image.value("connector_temperature_minus_c", core.now_s)
    hottest_c = None if plus_c is None or minus_c is None else max(plus_c, minus_c)
    parameters = core.parameters
    return pile_limit(
        parameters, derate_share(hottest_c, parameters.temperature_derate_c, parameters.over_temperature_c)
    )


def _permitted(core: "ControlCore") -> bool | None:
    """BSM may pause the charge for at most ten minutes; None when it has lasted longer."""
    memory, now_s = core.memory, core.now_s
    bsm = core.charger.vehicle.bsm
    if bsm is None or bsm.values["charging_permitted"] is not False:
        memory.paused_since_s = None
        return True
    if memory.paused_since_s is None:
        memory.paused_since_s = now_s
    return None if now_s - memory.paused_since_s > core.parameters.times.pause_s else False


def _tell_vehicle(core: "ControlCore", permitted: bool) -> None:
    """CCS carries what is measured at the output; what cannot be measured is told as zero."""
    image, now_s = core.image, core.now_s
    session = core.session
    voltage_v = image.value("meter_voltage_v", now_s) or image.value("outside_voltage_v", now_s) or 0.0
    current_a = image.value("module_current_a", now_s)
    if current_a is None:
        current_a = image.value("meter_current_a", now_s) or 0.0
    since_s = session.charging_since_s if session is not None else None
    minutes = 0 if since_s is None else int((now_s - since_s) // 60)
    core.charger.set_output(float(voltage_v), float(current_a), permitted, minutes)


def _watch_current(core: "ControlCore", target_a: float) -> None:
    """Note since when current is expected and none flows."""
    memory, now_s = core.memory, core.now_s
    measured_a = core.image.value("module_current_a", now_s)
    if target_a >= _EXPECTED_CURRENT_A and measured_a is not None and measured_a < 1.0:
        if memory.current_expected_since_s is None:
            memory.current_expected_since_s = now_s
    else:
        memory.current_expected_since_s = None
