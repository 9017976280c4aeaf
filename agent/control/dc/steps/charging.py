"""Charging: follow the vehicle's demand within every limit, pause when it says so, stop when something is reached."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.control.dc.limits import OutputLimit, combine, derate_share, pile_limit
from agent.control.dc.plausibility import VehicleWatch, below_minimum
from agent.control.dc.steps import pausing
from drivers.gbt27930.charger.dialogue import EventKind

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


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
    _look_at_vehicle(core)
    if _paused_too_long(core):
        core.halt("pause_too_long")
        return
    if pausing.hold(core):
        _tell_vehicle(core, False)
    else:
        _follow(core, vehicle.bcl.values, vehicle.bcp.values)
    reason = session.limit_reached(now_s)
    if reason is not None:
        core.halt(reason)


def _follow(core: "ControlCore", bcl: Mapping[str, Any], bcp: Mapping[str, Any]) -> None:
    """The set point: the vehicle's demand or less, rising no faster than allowed."""
    memory, now_s = core.memory, core.now_s
    permitted = not core.charger.paused
    voltage_v = min(bcl["voltage_v"], bcp["maximum_voltage_v"])
    core.limit = combine(
        _derated_limit(core),
        voltage_v,
        (("vehicle", _demanded_a(core, bcl)), ("battery", bcp["maximum_current_a"])),
        core.image.value("module_maximum_current_a", now_s),
    )
    target_a = core.limit.current_a if permitted else 0.0
    since_s = now_s if memory.setpoint_at_s is None else memory.setpoint_at_s
    rise_a = core.parameters.numbers.current_rise_a_per_s * max(0.0, now_s - since_s)
    memory.setpoint_a = min(target_a, memory.setpoint_a + rise_a)
    memory.setpoint_at_s = now_s
    core.set_demand(core.limit.voltage_v, memory.setpoint_a, bcp["maximum_voltage_v"])
    _tell_vehicle(core, permitted)
    _watch_current(core, target_a)


def _derated_limit(core: "ControlCore") -> OutputLimit:
    """Ratings of the pile, lowered by the temperature of the hotter contact; nothing while one is unknown."""
    plus_c = core.image.value("connector_temperature_plus_c", core.now_s)
    minus_c = core.image.value("connector_temperature_minus_c", core.now_s)
    hottest_c = None if plus_c is None or minus_c is None else max(plus_c, minus_c)
    parameters = core.parameters
    return pile_limit(
        parameters, derate_share(hottest_c, parameters.temperature_derate_c, parameters.over_temperature_c)
    )


def _demanded_a(core: "ControlCore", bcl: Mapping[str, Any]) -> float:
    """The current demand under the edition's rules; what is below the pile's minimum gets nothing."""
    if below_minimum(bcl, core.parameters):
        return 0.0
    return max(float(bcl["current_a"]), core.parameters.minimum_current_a)


def _look_at_vehicle(core: "ControlCore") -> None:
    """Let what the vehicle says be compared with its limits and with what is measured."""
    image, now_s = core.image, core.now_s
    if core.charger.paused or not core.relays_wanted["contactors"]:
        # Demands and measurements of a pause judge nothing.
        core.memory.watch = VehicleWatch()
        return
    core.memory.watch.look(
        now_s,
        core.charger.vehicle,
        core.parameters,
        image.value("outside_voltage_v", now_s),
        image.value("module_current_a", now_s),
    )


def _paused_too_long(core: "ControlCore") -> bool:
    """BSM may pause the charge for at most ten minutes."""
    memory, now_s = core.memory, core.now_s
    if not core.charger.paused:
        memory.paused_since_s = None
        return False
    if memory.paused_since_s is None:
        memory.paused_since_s = now_s
    return now_s - memory.paused_since_s > core.parameters.times.pause_s


def _tell_vehicle(core: "ControlCore", permitted: bool) -> None:
    """CCS carries what is measured at the output; what cannot be measured is told as zero."""
    image, now_s = core.image, core.now_s
    session = core.session
    # The analogue board measures twenty times a second; the meter's value is up to a second old and lags on a ramp.
    voltage_v = image.value("outside_voltage_v", now_s) or image.value("meter_voltage_v", now_s) or 0.0
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
    numbers = core.parameters.numbers
    if target_a >= numbers.current_expected_a and measured_a is not None and measured_a < numbers.current_absent_a:
        if memory.current_expected_since_s is None:
            memory.current_expected_since_s = now_s
    else:
        memory.current_expected_since_s = None
