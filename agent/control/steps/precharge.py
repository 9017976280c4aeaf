"""Precharge: battery voltage against BCP, output raised to just below it, K1/K2 closed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.control.core import ControlCore


def precharge(core: "ControlCore") -> None:
    """Stages: battery, raise, close."""
    memory, numbers, image, now_s = core.memory, core.parameters.numbers, core.image, core.now_s
    bcp = core.charger.vehicle.bcp
    outside_v = image.value("outside_voltage_v", now_s)
    if now_s - memory.entered_at_s > core.parameters.times.precharge_s or bcp is None:
        core.fail("precharge_failed")
        return
    if outside_v is None:
        return
    if memory.stage != "close":
        announced_v = bcp.values["battery_voltage_v"]
        if abs(outside_v - announced_v) > numbers.precharge_battery_tolerance * announced_v:
            # The vehicle has not closed its side, or has opened it again: nothing is raised, nothing is closed.
            core.no_demand()
            memory.go("", now_s)
            return
        if memory.stage == "":
            memory.go("raise", now_s)
            return
    target_v = outside_v - numbers.precharge_below_battery_target_v
    if memory.stage == "raise":
        core.set_demand(target_v, numbers.precharge_current_a, outside_v)
        inside_v = image.value("inside_voltage_v", now_s)
        if (
            inside_v is not None
            and numbers.precharge_below_battery_minimum_v
            <= outside_v - inside_v
            <= numbers.precharge_below_battery_maximum_v
        ):
            core.want_contactors(True)
            memory.go("close", now_s)
        return
    core.want_contactors(True)
    # The target stays where it was: once closed, the output stands at battery voltage.
    core.set_demand(core.demand.voltage_v, numbers.precharge_current_a, bcp.values["maximum_voltage_v"])
    if image.value("contactor_k1_closed", now_s) is True and image.value("contactor_k2_closed", now_s) is True:
        core.charger.output_ready(now_s)
        core.move("precharged")
