"""Rules about the contactors that look at voltages and currents: welded poles, inrush; and ends that bar a start."""

from typing import Any

import pytest
from control_world import World, parameters_with, texts
from interlock_cases import NOW_S, Case, case

from agent.control.safety.rules import VEHICLE_FINDINGS, suppressed
from agent.control.safety.situation import Situation

# Welded: inside stands with a voltage that comes from outside although nothing is asked for and the feedback says open.


def welded(outside_v: float | None = 400.0, inside_v: float | None = 400.0, **situation: Any) -> bool:
    known = {"output_idle_since_s": NOW_S - 100.0, "discharged_side": False, **situation}
    made = case({"outside_voltage_v": outside_v, "inside_voltage_v": inside_v}, **known)
    return "contactor_welded" in made.conditions()


@pytest.mark.parametrize(
    ("outside_v", "inside_v", "found"),
    [(400.0, 400.0, True), (400.0, 395.0, True), (400.0, 405.0, True), (400.0, 394.9, False), (400.0, 405.1, False),
     (60.0, 60.0, False), (60.1, 60.1, True), (0.0, 0.0, False), (400.0, 0.0, False), (None, 400.0, False),
     (400.0, None, False)],
)  # fmt: skip
def test_welded_poles_by_their_voltages(outside_v: float | None, inside_v: float | None, found: bool) -> None:
    assert welded(outside_v, inside_v) is found


def test_the_voltages_are_given_3_s_to_part() -> None:
    assert welded(output_idle_since_s=NOW_S - 3.0)
    assert not welded(output_idle_since_s=NOW_S - 2.99)
    assert not welded(output_idle_since_s=None)
    assert welded(contactors_wanted_since_s=NOW_S - 3.0)
    assert not welded(contactors_wanted_since_s=NOW_S - 2.99)
    # The later of the two counts, and closed contactors are meant to conduct.
    assert not welded(output_idle_since_s=NOW_S - 2.0, contactors_wanted_since_s=NOW_S - 50.0)
    assert not welded(output_idle_since_s=NOW_S - 50.0, contactors_wanted_since_s=NOW_S - 2.0)
    assert not welded(contactors_wanted=True)


def test_both_poles_welded_with_a_lying_feedback_are_found_before_anything_is_raised() -> None:
    world = World().until("parameters")
    # As the plant would show it: the battery stands on both sides, and the feedback says open.
    battery_v = world.vehicle.source.open_circuit_voltage_v
    world.override.update(outside_voltage_v=battery_v, inside_voltage_v=battery_v)
    for _ in range(300):
        outputs = world.step()
        assert not outputs.set_point.on
        assert not outputs.relays["contactor_k1"]
        if world.core.state == "stopping":
            break
    assert world.run_to_end(30.0)["stop_reason"] == "contactor_welded"
    world.run(1.0)
    assert world.core.state == "faulted"


def test_a_precharge_that_was_given_up_looks_like_no_weld() -> None:
    """Inside has been raised to just below the battery and now falls by itself."""
    world = World().until("precharge")
    while world.core.point.memory.sub_step != "raise":
        world.step()
    world.run(0.02)
    world.vehicle.command("contactors open", world.now_s)
    world.run(5.0)
    assert "contactor_welded" not in world.log.alarms()


# Inrush: a current read within a second of the closing, above 20 A and above what was asked for.


def inrush(value_a: float | None, age_s: float = 0.0, signal: str = "module_current_a", **situation: Any) -> bool:
    known = {"contactors_wanted": True, "contactors_wanted_since_s": NOW_S - 1.0, **situation}
    made = case({signal: value_a, "contactor_k1_closed": True, "contactor_k2_closed": True}, **known)
    made.ages_s[signal] = age_s
    return "inrush_excessive" in made.conditions()


@pytest.mark.parametrize("signal", ["module_current_a", "meter_current_a"])
def test_inrush_at_its_limits(signal: str) -> None:
    assert inrush(20.01, signal=signal)
    assert not inrush(20.0, signal=signal)
    assert not inrush(None, signal=signal)
    assert not inrush(-50.0, signal=signal)
    # Read from the closing on for a second, no earlier and no later.
    assert inrush(50.0, 1.0, signal)
    assert not inrush(50.0, 1.01, signal)
    assert inrush(50.0, 0.0, signal)
    assert not inrush(50.0, 0.0, signal, contactors_wanted_since_s=NOW_S - 1.01)
    assert not inrush(50.0, signal=signal, contactors_wanted=False)


def test_inrush_of_either_measurement_counts() -> None:
    readings = {"contactor_k1_closed": True, "contactor_k2_closed": True}
    known: dict[str, Any] = {"contactors_wanted": True, "contactors_wanted_since_s": NOW_S - 0.5}
    for low, high in (("module_current_a", "meter_current_a"), ("meter_current_a", "module_current_a")):
        assert "inrush_excessive" in case({**readings, low: 0.0, high: 30.0}, **known).conditions()
        assert "inrush_excessive" in case({**readings, low: None, high: 30.0}, **known).conditions()


def test_a_current_that_was_asked_for_is_no_inrush() -> None:
    assert not inrush(33.0, current_envelope_a=30.0)
    assert inrush(33.01, current_envelope_a=30.0)
    assert not inrush(20.0, current_envelope_a=2.0)
    assert inrush(20.01, current_envelope_a=2.0)
    assert inrush(20.01, current_envelope_a=None)


# What is told only, and what bars.


def test_the_cause_of_a_broken_dialogue_is_present_and_suppressed() -> None:
    made = case(reconnect_cause="bms_timeout_bcl")
    assert made.conditions() == ("bms_timeout_bcl",)
    assert suppressed(made.situation) == ("bms_timeout_bcl",)
    assert not made.permission().close
    assert made.permission().energise
    made.let(events=frozenset({"bms_timeout_bcl"}))
    assert made.conditions() == ("bms_timeout_bcl",)
    assert suppressed(made.situation) == ()
    assert suppressed(case().situation) == ()


def test_a_bar_until_the_plug_is_pulled_is_a_reason_against_a_start_and_nothing_else() -> None:
    verdict = case(replug_after="vehicle_fault").permission()
    assert texts(verdict.start_reasons) == ("replug: vehicle_fault",)
    assert (verdict.energise, verdict.close) == (True, True)
    assert case().permission().start


def test_findings_about_the_vehicle_come_sorted_and_once() -> None:
    made = case({"door_open": True}, vehicle_findings=VEHICLE_FINDINGS, events={"bms_fault"})
    assert made.conditions() == ("door_open", "bms_fault", *sorted(VEHICLE_FINDINGS))
    fresh = Situation(now_s=0.0, started_at_s=0.0)
    assert (fresh.vehicle_findings, fresh.reconnect_cause, fresh.replug_after) == (frozenset(), None, None)
    assert fresh.output_idle_since_s is None


def test_reverse_polarity_is_the_same_in_both_editions() -> None:
    for edition in ("2015", "2023"):
        made = Case(parameters_with(edition=edition))
        made["meter_voltage_v"] = -10.01
        assert made.conditions() == ("reverse_polarity",)
