"""Insulation test of GB/T 18487.1: close onto the open vehicle, raise, measure, bleed below 60 V, open."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def insulation(core: "ControlCore") -> None:
    """Stages: close, raise, measure, bleed, open."""
    memory = core.memory
    if core.now_s - memory.entered_at_s > core.parameters.times.insulation_s:
        core.fail("precharge_failed" if memory.stage in ("", "close") else "insulation_fault")
        return
    bhm = core.charger.vehicle.bhm
    if bhm is not None and bhm.values["maximum_voltage_v"] < memory.test_voltage_v:
        # The vehicle bears less than it said when the test voltage was chosen.
        core.no_demand()
        core.fail("parameter_mismatch")
        return
    {"": _close, "close": _close, "raise": _raise, "measure": _measure, "bleed": _bleed, "open": _open}[memory.stage](
        core
    )


def _both(core: "ControlCore", closed: bool) -> bool:
    image, now_s = core.image, core.now_s
    return image.value("contactor_k1_closed", now_s) is closed and image.value("contactor_k2_closed", now_s) is closed


def _close(core: "ControlCore") -> None:
    memory = core.memory
    if memory.stage == "":
        memory.go("close", core.now_s)
    core.relays_wanted["insulation_monitor"] = True
    core.relays_wanted["discharge"] = False
    core.want_contactors(True)
    if _both(core, True):
        memory.go("raise", core.now_s)


def _raise(core: "ControlCore") -> None:
    memory, numbers = core.memory, core.parameters.numbers
    test_v = memory.test_voltage_v
    core.set_demand(test_v, numbers.insulation_test_current_a, test_v)
    outside_v = core.image.value("outside_voltage_v", core.now_s)
    if outside_v is not None and abs(outside_v - test_v) <= numbers.insulation_test_tolerance * test_v:
        memory.test_voltage_reached_at_s = core.now_s
        memory.go("measure", core.now_s)


def _measure(core: "ControlCore") -> None:
    memory, numbers, image, now_s = core.memory, core.parameters.numbers, core.image, core.now_s
    test_v = memory.test_voltage_v
    core.set_demand(test_v, numbers.insulation_test_current_a, test_v)
    voltage_v = image.value("outside_voltage_v", now_s)
    if voltage_v is None:
        return
    if abs(voltage_v - test_v) > numbers.insulation_test_tolerance * test_v:
        # A resistance counts only while the test voltage stands: divided by a lower one it would look too good.
        memory.go("raise", now_s)
        return
    needed_s = memory.test_voltage_reached_at_s + numbers.insulation_settling_s
    for name in ("insulation_plus_kohm", "insulation_minus_kohm"):
        taken_at_s = image.taken_at_s(name)
        if taken_at_s is None or taken_at_s < needed_s:
            return
    plus_kohm = image.value("insulation_plus_kohm", now_s)
    minus_kohm = image.value("insulation_minus_kohm", now_s)
    if plus_kohm is None or minus_kohm is None:
        return
    ohm_per_v = min(plus_kohm, minus_kohm) * 1000.0 / voltage_v
    core.record(
        "event",
        {
            "event": "insulation",
            "plus_kohm": round(plus_kohm),
            "minus_kohm": round(minus_kohm),
            "voltage_dv": round(voltage_v * 10),
            "ohm_per_v": round(ohm_per_v),
        },
    )
    if ohm_per_v <= numbers.insulation_fault_ohm_per_v:
        core.fail("insulation_fault")
        return
    if ohm_per_v <= numbers.insulation_warning_ohm_per_v:
        core.fail("insulation_warning")
    memory.go("bleed", now_s)


def _bleed(core: "ControlCore") -> None:
    core.no_demand()
    core.relays_wanted["insulation_monitor"] = False
    core.relays_wanted["discharge"] = True
    limit_v = core.parameters.numbers.safe_voltage_v
    voltages = [core.image.value(name, core.now_s) for name in ("outside_voltage_v", "inside_voltage_v")]
    if all(value is not None and value < limit_v for value in voltages):
        core.want_contactors(False)
        core.memory.go("open", core.now_s)


def _open(core: "ControlCore") -> None:
    if _both(core, False):
        core.relays_wanted["discharge"] = False
        core.charger.insulation_passed(core.now_s)
        core.move("insulated")
