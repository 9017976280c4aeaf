"""Raising the output to just below the battery and closing K1/K2 onto it: before a charge and after a pause of 2023."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def separated(core: "ControlCore") -> bool:
    """Inside is not at the battery's voltage by itself: the contactors are open in truth, so raising tells something.

    While inside follows outside, nothing is raised; the interlock of welded contactors finds the cause.
    """
    outside_v = core.image.value("outside_voltage_v", core.now_s)
    inside_v = core.image.value("inside_voltage_v", core.now_s)
    return (
        outside_v is not None
        and inside_v is not None
        and outside_v - inside_v > core.parameters.numbers.precharge_below_battery_maximum_v
    )


def raise_output(core: "ControlCore", outside_v: float, highest_v: float) -> bool:
    """Raise the output towards the battery, never above ``highest_v``; closes and returns True within 1 to 10 V."""
    numbers = core.parameters.numbers
    target_v = min(outside_v - numbers.precharge_below_battery_target_v, highest_v)
    core.set_demand(max(0.0, target_v), numbers.precharge_current_a, outside_v)
    inside_v = core.image.value("inside_voltage_v", core.now_s)
    if inside_v is None:
        return False
    below_v = outside_v - inside_v
    if not numbers.precharge_below_battery_minimum_v <= below_v <= numbers.precharge_below_battery_maximum_v:
        return False
    core.want_contactors(True)
    return True


def closed(core: "ControlCore", ceiling_v: float) -> bool:
    """Keep closing; True once both contactors are seen closed."""
    core.want_contactors(True)
    # The target stays where it was: once closed, the output stands at battery voltage.
    core.set_demand(core.demand.voltage_v, core.parameters.numbers.precharge_current_a, ceiling_v)
    return all(core.image.value(name, core.now_s) is True for name in ("contactor_k1_closed", "contactor_k2_closed"))
