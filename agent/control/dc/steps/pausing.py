"""A pause under the 2023 edition: current down, C1/C2 open, and precharged again before they close.

The vehicle keeps C5/C6 closed, so the vehicle side stays at its battery's voltage and is not bled: the discharge
resistor would only drain the battery. What has to fall below 60 V is the module side, which the idle power modules do
by themselves.
"""

from collections.abc import Callable, Mapping

from agent.control.dc.steps import closing
from agent.control.dc.view import View
from agent.control.dc.wants import Wants


def hold(view: View, wants: Wants) -> bool:
    """One evaluation of a pause; False while there is none and the demand may be followed."""
    memory = wants.memory
    if memory.sub_step == "":
        if not view.dialogue.paused or not view.parameters.numbers.pause_opens_contactors:
            return False
        memory.go("lower", view.now_s)
    _SUB_STEPS[memory.sub_step](view, wants)
    return True


def _lower(view: View, wants: Wants) -> None:
    memory, now_s, held = wants.memory, view.now_s, view.held
    memory.setpoint_a, memory.setpoint_at_s = 0.0, None
    memory.current_expected_since_s = None
    if not view.dialogue.paused:
        memory.go("", now_s)
        return
    if held.ceiling_v is not None:
        wants.order(held.set_point.voltage_v, 0.0, held.ceiling_v)
    if closing.current_is_low(view) or now_s - memory.sub_step_since_s > view.parameters.times.ramp_down_s:
        wants.contactors = False
        memory.go("open", now_s)


def _open(view: View, wants: Wants) -> None:
    wants.no_set_point()
    if view.contactors_seen(False):
        wants.memory.go("rest", view.now_s)


def _rest(view: View, wants: Wants) -> None:
    wants.no_set_point()
    if not view.dialogue.paused:
        wants.memory.go("raise", view.now_s)


def _raise(view: View, wants: Wants) -> None:
    memory, parameters, now_s, bcp = wants.memory, view.parameters, view.now_s, view.dialogue.bcp
    if view.dialogue.paused or bcp is None:
        memory.go("rest", now_s)
        return
    if now_s - memory.sub_step_since_s > parameters.times.precharge_s:
        wants.fail("precharge_failed")
        return
    outside_v = view.value("outside_voltage_v")
    highest_v = min(bcp.values["maximum_voltage_v"], parameters.maximum_voltage_v)
    if outside_v is None or not parameters.minimum_voltage_v <= outside_v <= highest_v:
        wants.no_set_point()
    elif (view.held.set_point.on or closing.separated(view)) and closing.raise_output(
        view, wants, outside_v, highest_v
    ):
        memory.go("close", now_s)


def _close(view: View, wants: Wants) -> None:
    bcp = view.dialogue.bcp
    if bcp is not None and closing.closed(view, wants, bcp.values["maximum_voltage_v"]):
        wants.memory.go("", view.now_s)


_SUB_STEPS: Mapping[str, Callable[[View, Wants], None]] = {
    "lower": _lower,
    "open": _open,
    "rest": _rest,
    "raise": _raise,
    "close": _close,
}
