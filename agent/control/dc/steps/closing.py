"""Raising the output to just below the battery and closing K1/K2 onto it: before a charge and after a pause of 2023."""

from agent.control.dc.view import View
from agent.control.dc.wants import Wants


def separated(view: View) -> bool:
    """The module side is not at the battery's voltage by itself: the contactors are really open.

    While the module side follows the vehicle side, nothing is raised; the interlock of welded contactors finds the
    cause.
    """
    outside_v, inside_v = view.value("outside_voltage_v"), view.value("inside_voltage_v")
    return (
        outside_v is not None
        and inside_v is not None
        and outside_v - inside_v > view.parameters.numbers.precharge_below_battery_maximum_v
    )


def raise_output(view: View, wants: Wants, outside_v: float, highest_v: float) -> bool:
    """Raise the output towards the battery, never above ``highest_v``; closes and returns True within 1 to 10 V."""
    numbers = view.parameters.numbers
    target_v = min(outside_v - numbers.precharge_below_battery_target_v, highest_v)
    wants.order(max(0.0, target_v), numbers.precharge_current_a, outside_v)
    inside_v = view.value("inside_voltage_v")
    if inside_v is None:
        return False
    below_v = outside_v - inside_v
    if not numbers.precharge_below_battery_minimum_v <= below_v <= numbers.precharge_below_battery_maximum_v:
        return False
    wants.contactors = True
    return True


def closed(view: View, wants: Wants, ceiling_v: float) -> bool:
    """Keep closing; True once both contactors are seen closed."""
    wants.contactors = True
    # The target stays where it was: once closed, the output is at battery voltage.
    wants.order(view.held.set_point.voltage_v, view.parameters.numbers.precharge_current_a, ceiling_v)
    return view.contactors_seen(True)


def current_is_low(view: View) -> bool:
    """Little enough current flows for the contactors to open."""
    current_a = view.value("module_current_a")
    return current_a is not None and current_a < view.parameters.numbers.opening_current_a


def lower_current(view: View, wants: Wants) -> None:
    """Keep the voltage of the set point and ask for no current."""
    held = view.held
    if held.set_point.on and held.ceiling_v is not None:
        wants.order(held.set_point.voltage_v, 0.0, held.ceiling_v)
