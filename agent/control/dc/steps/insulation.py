"""Insulation test of GB/T 18487.1: close onto the open vehicle, raise, measure, bleed below 60 V, open."""

from collections.abc import Callable, Mapping

from agent.control.dc.actions import InsulationPassed
from agent.control.dc.view import View
from agent.control.dc.wants import Wants
from agent.vocabulary import events

_MEASURED = ("insulation_plus_kohm", "insulation_minus_kohm")


def insulation(view: View) -> Wants:
    """Sub-steps: close, raise, measure, bleed, open."""
    wants = view.wants()
    memory = wants.memory
    if view.elapsed_s() > view.parameters.times.insulation_s:
        wants.fail("precharge_failed" if memory.sub_step in ("", "close") else "insulation_fault")
        return wants
    bhm = view.dialogue.bhm
    if bhm is not None and bhm.values["maximum_voltage_v"] < memory.test_voltage_v:
        # The vehicle withstands less than it reported when the test voltage was chosen.
        wants.no_set_point()
        wants.fail("parameter_mismatch")
        return wants
    _SUB_STEPS[memory.sub_step](view, wants)
    return wants


def _close(view: View, wants: Wants) -> None:
    memory = wants.memory
    if memory.sub_step == "":
        memory.go("close", view.now_s)
    wants.insulation_monitor = True
    wants.discharge = False
    wants.contactors = True
    if view.contactors_seen(True):
        memory.go("raise", view.now_s)


def _order_test_voltage(view: View, wants: Wants) -> float:
    test_v = wants.memory.test_voltage_v
    wants.order(test_v, view.parameters.numbers.insulation_test_current_a, test_v)
    return test_v


def _raise(view: View, wants: Wants) -> None:
    memory, test_v = wants.memory, _order_test_voltage(view, wants)
    outside_v = view.value("outside_voltage_v")
    if outside_v is not None and abs(outside_v - test_v) <= view.parameters.numbers.insulation_test_tolerance * test_v:
        memory.test_voltage_reached_at_s = view.now_s
        memory.go("measure", view.now_s)


def _measure(view: View, wants: Wants) -> None:
    memory, numbers, now_s = wants.memory, view.parameters.numbers, view.now_s
    test_v = _order_test_voltage(view, wants)
    voltage_v = view.value("outside_voltage_v")
    if voltage_v is None:
        return
    if abs(voltage_v - test_v) > numbers.insulation_test_tolerance * test_v:
        # A resistance counts only at the test voltage: divided by a lower one it would look too good.
        memory.go("raise", now_s)
        return
    if not any(view.has(name) for name in _MEASURED):
        # A pile without an insulation monitor, by its profile: the record shows that nothing was measured.
        wants.event(events.INSULATION, voltage_dv=round(voltage_v * 10))
        memory.go("bleed", now_s)
        return
    needed_s = memory.test_voltage_reached_at_s + numbers.insulation_settling_s
    for name in _MEASURED:
        taken_at_s = view.inputs.taken_at_s(name)
        if taken_at_s is None or taken_at_s < needed_s:
            return
    plus_kohm, minus_kohm = view.value("insulation_plus_kohm"), view.value("insulation_minus_kohm")
    if plus_kohm is None or minus_kohm is None:
        return
    ohm_per_v = min(plus_kohm, minus_kohm) * 1000.0 / voltage_v
    wants.event(
        events.INSULATION,
        plus_kohm=round(plus_kohm),
        minus_kohm=round(minus_kohm),
        voltage_dv=round(voltage_v * 10),
        ohm_per_v=round(ohm_per_v),
    )
    if ohm_per_v <= numbers.insulation_fault_ohm_per_v:
        wants.fail("insulation_fault")
        return
    if ohm_per_v <= numbers.insulation_warning_ohm_per_v:
        wants.fail("insulation_warning")
    memory.go("bleed", now_s)


def _bleed(view: View, wants: Wants) -> None:
    wants.no_set_point()
    wants.insulation_monitor = False
    wants.discharge = True
    limit_v = view.parameters.numbers.safe_voltage_v
    voltages = [view.value(name) for name in ("outside_voltage_v", "inside_voltage_v")]
    if all(value is not None and value < limit_v for value in voltages):
        wants.contactors = False
        wants.memory.go("open", view.now_s)


def _open(view: View, wants: Wants) -> None:
    if view.contactors_seen(False):
        wants.discharge = False
        wants.tell.append(InsulationPassed())
        wants.move = "insulated"


_SUB_STEPS: Mapping[str, Callable[[View, Wants], None]] = {
    "": _close,
    "close": _close,
    "raise": _raise,
    "measure": _measure,
    "bleed": _bleed,
    "open": _open,
}
