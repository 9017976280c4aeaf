"""A pause under the 2023 edition: current down, C1/C2 open, and precharged again before they close.

The vehicle keeps C5/C6 closed, so outside stays at its battery's voltage and is not bled: the discharge resistor would
only drain the battery. What has to fall below 60 V is inside, which the idle power stage does by itself.
"""

from typing import TYPE_CHECKING

from agent.control.dc.steps import closing

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def hold(core: "ControlCore") -> bool:
    """One evaluation of a pause; False while there is none and the demand may be followed."""
    memory = core.memory
    if memory.stage == "":
        if not core.charger.paused or not core.parameters.numbers.pause_opens_contactors:
            return False
        memory.go("lower", core.now_s)
    {"lower": _lower, "open": _open, "rest": _rest, "raise": _raise, "close": _close}[memory.stage](core)
    return True


def _lower(core: "ControlCore") -> None:
    memory, now_s = core.memory, core.now_s
    memory.setpoint_a, memory.setpoint_at_s = 0.0, None
    memory.current_expected_since_s = None
    if not core.charger.paused:
        memory.go("", now_s)
        return
    if memory.voltage_ceiling_v is not None:
        core.set_demand(core.demand.voltage_v, 0.0, memory.voltage_ceiling_v)
    current_a = core.image.value("module_current_a", now_s)
    low = current_a is not None and current_a < core.parameters.numbers.opening_current_a
    if low or now_s - memory.stage_since_s > core.parameters.times.ramp_down_s:
        core.want_contactors(False)
        memory.go("open", now_s)


def _open(core: "ControlCore") -> None:
    core.no_demand()
    states = [core.image.value(name, core.now_s) for name in ("contactor_k1_closed", "contactor_k2_closed")]
    if all(state is False for state in states):
        core.memory.go("rest", core.now_s)


def _rest(core: "ControlCore") -> None:
    core.no_demand()
    if not core.charger.paused:
        core.memory.go("raise", core.now_s)


def _raise(core: "ControlCore") -> None:
    memory, parameters, now_s = core.memory, core.parameters, core.now_s
    bcp = core.charger.vehicle.bcp
    if core.charger.paused or bcp is None:
        memory.go("rest", now_s)
        return
    if now_s - memory.stage_since_s > parameters.times.precharge_s:
        core.fail("precharge_failed")
        return
    outside_v = core.image.value("outside_voltage_v", now_s)
    highest_v = min(bcp.values["maximum_voltage_v"], parameters.maximum_voltage_v)
    if outside_v is None or not parameters.minimum_voltage_v <= outside_v <= highest_v:
        core.no_demand()
    elif (core.demand.on or closing.separated(core)) and closing.raise_output(core, outside_v, highest_v):
        memory.go("close", now_s)


def _close(core: "ControlCore") -> None:
    memory, bcp = core.memory, core.charger.vehicle.bcp
    if bcp is not None and closing.closed(core, bcp.values["maximum_voltage_v"]):
        memory.go("", core.now_s)
