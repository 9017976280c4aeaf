"""Precharge: battery voltage against BCP, output raised to just below it, K1/K2 closed."""

from typing import TYPE_CHECKING

from agent.control.dc.steps import closing

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def precharge(core: "ControlCore") -> None:
    """Stages: battery, raise, close."""
    memory, parameters, now_s = core.memory, core.parameters, core.now_s
    bcp = core.charger.vehicle.bcp
    outside_v = core.image.value("outside_voltage_v", now_s)
    if now_s - memory.entered_at_s > parameters.times.precharge_s or bcp is None:
        core.fail("precharge_failed")
        return
    if outside_v is None:
        return
    if memory.stage != "close":
        announced_v = bcp.values["battery_voltage_v"]
        if abs(outside_v - announced_v) > parameters.numbers.precharge_battery_tolerance * announced_v:
            # The vehicle has not closed its side, or has opened it again: nothing is raised, nothing is closed.
            core.no_demand()
            memory.go("", now_s)
            return
        if memory.stage == "":
            if closing.separated(core):
                memory.go("raise", now_s)
            return
    highest_v = bcp.values["maximum_voltage_v"]
    if memory.stage == "raise":
        if closing.raise_output(core, outside_v, min(highest_v, parameters.maximum_voltage_v)):
            memory.go("close", now_s)
    elif closing.closed(core, highest_v):
        core.charger.output_ready(now_s)
        core.move("precharged")
