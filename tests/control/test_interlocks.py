"""The interlocks alone: each rule at its limit, just below and just above, and the verdict that denies by default."""

from typing import Any

import msgspec
import pytest
from control_world import CONFIG, FAULTS, parameters_with
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock_cases import GOOD, NOW_S, Case, case, texts

from agent.control.listener.faults import FAULT_IDS as MONITOR_FAULT_IDS
from agent.control.metering.findings import METER_FINDINGS
from agent.control.power.allocation import FAULT_IDS as ALLOCATION_FAULTS
from agent.control.power.manager import INCOMER_OVERLOAD, SHARE_EXPIRED
from agent.control.power_quality.limits import GRID_FINDINGS
from agent.control.safety.permission import BLOCKING_ACTIONS, Permission, stop_reason
from agent.control.safety.requirements import FULL_INPUTS as START_INPUTS
from agent.control.safety.requirements import safety_inputs
from agent.control.safety.rules import EVENT_FAULTS, FAULT_IDS, POWER_FINDINGS, RULES, VEHICLE_FINDINGS, is_plugged
from agent.control.safety.situation import Situation
from agent.vocabulary.reasons import Reason
from agent.vocabulary.signals import ANALOG_INPUTS, DISCRETE_INPUTS, SIGNALS
from drivers.can.state import BusState
from drivers.gbt27930.charger.timers import TIME_LIMITS
from drivers.reading import Quality

SAFETY_INPUTS = safety_inputs(START_INPUTS)
ENDED_AT_S = NOW_S - 100.0


def test_the_good_moment_permits_everything_and_finds_nothing() -> None:
    good = Case()
    assert good.conditions() == ()
    assert good.permission() == Permission(True, True, True, (), (), ())


def test_the_fresh_situation_permits_nothing() -> None:
    made = Case()
    made.situation = Situation(now_s=NOW_S, started_at_s=NOW_S)
    assert texts(made.permission().energise_reasons) == ("record not durable", "no session")
    assert not made.permission().energise
    assert not made.permission().close


def test_before_anything_is_known_the_situation_says_nothing_that_helps() -> None:
    nothing_wanted = Situation(
        now_s=1.0, started_at_s=2.0, in_session=False, record_durable=False, lock_required=False,
        vehicle_expected=False, contactors_wanted=False, contactors_wanted_since_s=0.0, before_insulation_test=False,
        auxiliary_wanted_since_s=None, voltage_ceiling_v=None, current_envelope_a=None, current_expected_since_s=None,
        vehicle_port_open=True, vehicle_bus_state=BusState.UNKNOWN, module_bus_state=BusState.UNKNOWN,
        battery_limits_violated=False, recorder_ready_at_s=None, uplink_lost=False,
        clock_unset=False, discharged_side=True, power_findings=frozenset(), power_reasons=(), modules_away=False,
        events=frozenset(),
    )  # fmt: skip
    assert Situation(now_s=1.0, started_at_s=2.0) == nothing_wanted


@pytest.mark.parametrize(
    ("name", "fault_ids"),
    [
        ("vehicle_findings", VEHICLE_FINDINGS),
        ("meter_findings", METER_FINDINGS),
        ("grid_findings", GRID_FINDINGS),
        ("power_findings", POWER_FINDINGS),
    ],
)
def test_what_the_watches_have_found_is_a_condition_in_a_fixed_order(name: str, fault_ids: frozenset[str]) -> None:
    made = Case()
    made.let(**{name: frozenset(fault_ids)})
    assert made.conditions() == tuple(sorted(fault_ids))


def test_a_denied_permission_says_why_in_all_three_places() -> None:
    why = (Reason("why"),)
    assert Permission.denied("why") == Permission(False, False, False, why, why, why)


def test_no_input_of_the_design_is_missing_from_the_lists() -> None:
    safety = {
        "emergency_stop_pressed", "door_open", "smoke_detected", "contactor_k1_closed", "contactor_k2_closed",
        "lock_locked", "cc1_voltage_v", "outside_voltage_v", "inside_voltage_v", "connector_temperature_plus_c",
        "connector_temperature_minus_c",
    }  # fmt: skip
    start = safety | {
        "auxiliary_voltage_v", "meter_energy_wh", "insulation_plus_kohm", "insulation_minus_kohm",
        "module_voltage_v", "module_count", "recorder_ready",
    }  # fmt: skip
    assert safety <= set(SAFETY_INPUTS)
    assert start <= set(START_INPUTS)
    # A new contact is one of them as well; whatever is delivered by a device may only be among the second.
    assert set(SAFETY_INPUTS) <= {*DISCRETE_INPUTS, *ANALOG_INPUTS}
    assert START_INPUTS[: len(SAFETY_INPUTS)] == SAFETY_INPUTS
    assert frozenset({"open", "stop", "inhibit"}) == BLOCKING_ACTIONS


def test_every_fault_of_the_catalogue_is_found_somewhere_and_every_found_one_is_in_the_catalogue() -> None:
    # What the recorder finds in its own files it puts into the record itself.
    recorder = (CONFIG.parent / "agent" / "north" / "ledger_writer.py").read_text(encoding="utf-8")
    of_the_recorder = {fault_id for fault_id in set(FAULTS) - FAULT_IDS if f'"{fault_id}"' in recorder}
    of_power_sharing = ALLOCATION_FAULTS | {INCOMER_OVERLOAD, SHARE_EXPIRED}
    assert set(FAULTS) == FAULT_IDS | MONITOR_FAULT_IDS | of_the_recorder | of_power_sharing
    assert of_power_sharing == POWER_FINDINGS
    watched = VEHICLE_FINDINGS | METER_FINDINGS | GRID_FINDINGS | POWER_FINDINGS
    assert FAULT_IDS - {fault_id for fault_id, _ in RULES} - watched <= EVENT_FAULTS
    assert {
        "insulation_fault", "insulation_warning", "precharge_failed", "parameter_mismatch", "bms_timeout_bhm",
        "bms_timeout_brm", "bms_timeout_bcp", "bms_timeout_bro", "bms_timeout_bcs", "bms_timeout_bcl",
        "bms_timeout_bsm", "bms_timeout_bst", "bms_timeout_bsd", "bms_error_message", "bms_fault", "bms_not_ready",
        "bms_message_unusable", "vehicle_protocol_2011", "meter_abnormal", "meter_register_moved",
        "start_timeout", "control_restarted",
        "internal_error", "lock_lost",
    } == EVENT_FAULTS  # fmt: skip
    assert {f"bms_timeout_{limit.missing.lower()}" for limit in TIME_LIMITS} <= EVENT_FAULTS
    assert [fault_id for fault_id, _ in RULES] == list(dict.fromkeys(fault_id for fault_id, _ in RULES))


# Rules on one reading: fault, situation, signal, the last value that is good, the first that is not.
EDGES: list[tuple[str, dict[str, Any], str, float, float]] = [
    ("over_temperature", {}, "connector_temperature_plus_c", 94.99, 95.0),
    ("over_temperature", {}, "connector_temperature_minus_c", 94.99, 95.0),
    ("temperature_high", {}, "connector_temperature_plus_c", 84.99, 85.0),
    ("temperature_high", {}, "connector_temperature_minus_c", 84.99, 85.0),
    ("output_over_voltage", {"voltage_ceiling_v": 400.0}, "outside_voltage_v", 406.0, 406.01),
    ("output_over_voltage", {"voltage_ceiling_v": 400.0}, "inside_voltage_v", 406.0, 406.01),
    ("output_over_voltage", {"voltage_ceiling_v": 400.0}, "meter_voltage_v", 406.0, 406.01),
    ("output_over_voltage", {"voltage_ceiling_v": 400.0}, "module_voltage_v", 406.0, 406.01),
    ("output_over_current", {"current_envelope_a": 0.0}, "module_current_a", 3.0, 3.01),
    ("output_over_current", {"current_envelope_a": 29.9}, "module_current_a", 32.9, 32.91),
    ("output_over_current", {"current_envelope_a": 30.0}, "module_current_a", 33.0, 33.01),
    ("output_over_current", {"current_envelope_a": 30.1}, "module_current_a", 33.1, 33.12),
    ("output_over_current", {"current_envelope_a": 100.0}, "meter_current_a", 110.0, 110.01),
    ("outside_voltage_present", {"before_insulation_test": True}, "outside_voltage_v", 10.0, 10.01),
    ("residual_voltage", {}, "outside_voltage_v", 60.0, 60.01),
    ("reverse_polarity", {}, "meter_voltage_v", -10.0, -10.01),
    ("auxiliary_supply_fault", {"auxiliary_wanted_since_s": NOW_S - 1.0}, "auxiliary_voltage_v", 10.8, 10.79),
    ("auxiliary_supply_fault", {"auxiliary_wanted_since_s": NOW_S - 1.0}, "auxiliary_voltage_v", 13.2, 13.21),
    ("emergency_stop", {}, "emergency_stop_pressed", False, True),
    ("door_open", {}, "door_open", False, True),
    ("smoke", {}, "smoke_detected", False, True),
    ("power_stage_fault", {}, "module_fault", False, True),
    ("contactor_refuses", {"contactors_wanted": True}, "contactor_k1_closed", True, False),
    ("contactor_refuses", {"contactors_wanted": True}, "contactor_k2_closed", True, False),
    ("contactor_welded", {}, "contactor_k1_closed", False, True),
    ("contactor_welded", {}, "contactor_k2_closed", False, True),
    ("lock_lost", {"lock_required": True}, "lock_locked", True, False),
    ("recorder_absent", {}, "recorder_ready", True, False),
    ("connector_unplugged", {"vehicle_expected": True}, "cc1_voltage_v", 3.4, 3.39),
    ("connector_unplugged", {"vehicle_expected": True}, "cc1_voltage_v", 4.6, 4.61),
]


@pytest.mark.parametrize(("fault", "situation", "signal", "good", "bad"), EDGES)
def test_a_rule_at_its_limit(fault: str, situation: dict[str, Any], signal: str, good: float, bad: float) -> None:
    others = {"contactor_k1_closed": True, "contactor_k2_closed": True} if fault == "contactor_refuses" else {}
    situation = {"discharged_side": fault == "residual_voltage", **situation}
    # Temperature is the one quantity with two limits.
    also = ("temperature_high",) if fault == "over_temperature" else ()
    assert case({**others, signal: good}, **situation).conditions() == also
    assert case({**others, signal: bad}, **situation).conditions() == (fault, *also)


@pytest.mark.parametrize(
    ("situation", "readings"),
    [
        ({"voltage_ceiling_v": None}, {"outside_voltage_v": 50.0, "module_voltage_v": 990.0}),
        ({"current_envelope_a": None}, {"meter_current_a": 200.0}),
        ({"before_insulation_test": False}, {"outside_voltage_v": 50.0}),
        ({"discharged_side": False}, {"outside_voltage_v": 500.0}),
        ({"contactors_wanted_since_s": NOW_S - 4.99}, {"outside_voltage_v": 500.0}),
        ({"auxiliary_wanted_since_s": None}, {"auxiliary_voltage_v": 0.0}),
        ({"auxiliary_wanted_since_s": NOW_S - 0.99}, {"auxiliary_voltage_v": 0.0}),
        ({"lock_required": False}, {"lock_locked": False}),
        ({"vehicle_expected": False}, {"cc1_voltage_v": 6.0}),
        ({"contactors_wanted": False}, {}),
    ],
)
def test_a_rule_that_does_not_apply_now_finds_nothing(situation: dict[str, Any], readings: dict[str, Any]) -> None:
    assert case(readings, **situation).conditions() == ()


def test_a_level_of_cc1_that_cannot_be_read_is_a_lost_input_and_no_pulled_plug() -> None:
    made = case(vehicle_expected=True)
    made.ages_s["cc1_voltage_v"] = SIGNALS["cc1_voltage_v"].age_limit_s + 0.01
    assert made.conditions() == ("inputs_lost",)
    assert "connector_unplugged" in case({"cc1_voltage_v": 0.0}, vehicle_expected=True).conditions()


def test_residual_voltage_is_looked_at_from_5_s_after_the_opening() -> None:
    assert "residual_voltage" in case({"outside_voltage_v": 61.0}, contactors_wanted_since_s=NOW_S - 5.0).conditions()
    closed = {"outside_voltage_v": 400.0, "contactor_k1_closed": True, "contactor_k2_closed": True}
    assert case(closed, contactors_wanted=True).conditions() == ()


def test_a_voltage_read_before_anything_was_demanded_is_not_held_against_the_ceiling() -> None:
    for signal in ("outside_voltage_v", "inside_voltage_v", "meter_voltage_v", "module_voltage_v"):
        made = case(
            {signal: 500.0}, voltage_ceiling_v=400.0, voltage_ceiling_since_s=NOW_S - 0.5, discharged_side=False
        )
        made.ages_s[signal] = 0.5
        assert made.conditions() == ("output_over_voltage",)
        made.ages_s[signal] = 0.51
        assert made.conditions() == ()
    assert Situation(now_s=0.0, started_at_s=0.0).voltage_ceiling_since_s == float("-inf")


def test_the_2023_edition_allows_60_v_before_the_insulation_test() -> None:
    made = Case(parameters_with(edition="2023"), before_insulation_test=True, discharged_side=False)
    made["outside_voltage_v"] = 60.0
    assert made.conditions() == ()
    made["outside_voltage_v"] = 60.01
    assert made.conditions() == ("outside_voltage_present",)


@pytest.mark.parametrize("signal", ["outside_voltage_v", "meter_voltage_v", "cc1_voltage_v"])
def test_a_rule_that_cannot_see_its_reading_leaves_the_verdict_to_the_lost_inputs(signal: str) -> None:
    found = case({signal: None}, before_insulation_test=True).conditions()
    assert found == (() if signal == "meter_voltage_v" else ("inputs_lost",))


def test_an_auxiliary_supply_that_nobody_sees_is_a_fault() -> None:
    made = case({"auxiliary_voltage_v": None}, auxiliary_wanted_since_s=NOW_S - 1.0)
    assert made.conditions() == ("auxiliary_supply_fault",)


def test_the_higher_of_two_readings_counts() -> None:
    current = case({"meter_current_a": 0.0, "module_current_a": 50.0}, current_envelope_a=10.0)
    assert current.conditions() == ("output_over_current",)
    current["module_current_a"] = None
    assert current.conditions() == ()
    current["meter_current_a"] = 50.0
    assert current.conditions() == ("output_over_current",)


@pytest.mark.parametrize(
    ("signals", "situation"),
    [
        (("outside_voltage_v", "inside_voltage_v", "meter_voltage_v", "module_voltage_v"), {"voltage_ceiling_v": 1.0}),
        (("meter_current_a", "module_current_a"), {"current_envelope_a": 1.0}),
        (("connector_temperature_plus_c", "connector_temperature_minus_c"), {}),
    ],
)
def test_a_limit_without_any_reading_is_for_the_rule_of_lost_inputs(
    signals: tuple[str, ...], situation: dict[str, Any]
) -> None:
    found = case(dict.fromkeys(signals), **situation).conditions()
    assert set(found) <= {"inputs_lost", "power_stage_lost"}


@pytest.mark.parametrize(
    ("signal", "fault", "limit_s"),
    [("insulation_plus_kohm", "insulation_monitor_lost", 6.0), ("meter_energy_wh", "meter_lost", 10.0),
     ("module_voltage_v", "power_stage_lost", 3.0)],
)  # fmt: skip
def test_a_device_is_lost_when_its_last_sound_reading_is_too_old(signal: str, fault: str, limit_s: float) -> None:
    made = Case()
    made.ages_s[signal] = limit_s
    assert made.conditions() == ()
    made.ages_s[signal] = limit_s + 0.01
    assert made.conditions() == (fault,)


@pytest.mark.parametrize(
    ("signal", "fault", "limit_s"),
    [("insulation_plus_kohm", "insulation_monitor_lost", 6.0), ("meter_energy_wh", "meter_lost", 10.0),
     ("module_voltage_v", "power_stage_lost", 3.0)],
)  # fmt: skip
def test_a_device_that_never_spoke_is_lost_after_the_same_time(signal: str, fault: str, limit_s: float) -> None:
    for value, quality in ((None, Quality.GOOD), (1.0, Quality.SUSPECT), (float("nan"), Quality.GOOD)):
        made = case({signal: value})
        made.qualities[signal] = quality
        made.let(started_at_s=NOW_S - limit_s)
        assert made.conditions() == ()
        made.let(started_at_s=NOW_S - limit_s - 0.01)
        assert made.conditions() == (fault,)


def test_the_grace_of_start_up_is_the_longer_of_the_two() -> None:
    made = Case(parameters_with(start_up_grace_s=4.0))
    made["module_voltage_v"] = None
    made.let(started_at_s=NOW_S - 4.0)
    assert made.conditions() == ()
    made.let(started_at_s=NOW_S - 4.01)
    assert made.conditions() == ("power_stage_lost",)


@pytest.mark.parametrize("signal", SAFETY_INPUTS)
@pytest.mark.parametrize("how", ["missing", "old", "suspect", "nan", "future"])
def test_no_safety_input_may_be_missing(signal: str, how: str) -> None:
    made = Case()
    limit_s = SIGNALS[signal].age_limit_s
    if how == "missing":
        made[signal] = None
    elif how == "old":
        made.ages_s[signal] = limit_s + 0.001
    elif how == "suspect":
        made.qualities[signal] = Quality.SUSPECT
    elif how == "nan":
        made[signal] = float("nan")
    else:
        made.ages_s[signal] = -0.01
    verdict = made.permission()
    assert (verdict.energise, verdict.close, verdict.start) == (False, False, False)
    for reasons in (texts(verdict.energise_reasons), texts(verdict.close_reasons), texts(verdict.start_reasons)):
        assert f"no value: {signal}" in reasons
    assert "inputs_lost" in made.conditions()
    made = Case()
    made.ages_s[signal] = limit_s
    assert made.permission().energise


@pytest.mark.parametrize("signal", [name for name in START_INPUTS if name not in SAFETY_INPUTS])
def test_what_only_a_start_needs(signal: str) -> None:
    made = case({signal: None})
    verdict = made.permission()
    assert not verdict.start
    assert f"no value: {signal}" in texts(verdict.start_reasons)
    assert verdict.energise
    assert "inputs_lost" not in made.conditions()


def test_lost_inputs_are_no_fault_during_start_up_outside_a_session() -> None:
    made = case({"door_open": None}, in_session=False)
    made.let(started_at_s=NOW_S - 3.0)
    assert made.conditions() == ()
    assert "no value: door_open" in texts(made.permission().energise_reasons)
    made.let(in_session=True)
    assert made.conditions() == ("inputs_lost",)
    made.let(in_session=False)
    made["door_open"] = False
    made.ages_s["door_open"] = 2.0
    assert made.conditions() == ("inputs_lost",)
    made["door_open"] = None
    made.let(started_at_s=NOW_S - 3.01)
    assert made.conditions() == ("inputs_lost",)


def test_the_recorder_is_absent_from_3_s_after_start_up() -> None:
    made = case({"recorder_ready": None})
    made.let(started_at_s=NOW_S - 3.0)
    assert made.conditions() == ()
    made.let(started_at_s=NOW_S - 3.01)
    assert made.conditions() == ("recorder_absent",)


def test_the_recorder_is_lost_60_s_after_it_last_took_records() -> None:
    made = case(recorder_ready_at_s=NOW_S - 60.0)
    assert made.conditions() == ()
    made.let(recorder_ready_at_s=NOW_S - 60.01)
    assert made.conditions() == ("recorder_lost",)
    made.let(recorder_ready_at_s=None)
    assert made.conditions() == ("recorder_lost",)
    made.let(in_session=False)
    assert made.conditions() == ()


def test_current_is_absent_after_30_s() -> None:
    assert case(current_expected_since_s=NOW_S - 30.0).conditions() == ()
    assert case(current_expected_since_s=NOW_S - 30.01).conditions() == ("current_absent",)
    assert case(current_expected_since_s=None).conditions() == ()


def test_the_time_without_current_is_the_catalogue_s() -> None:
    faults = {**FAULTS, "current_absent": _with_threshold("current_absent", 12.0)}
    made = Case(parameters_with(faults=faults), current_expected_since_s=NOW_S - 12.0)
    assert made.conditions() == ()
    made.let(current_expected_since_s=NOW_S - 12.01)
    assert made.conditions() == ("current_absent",)


def _with_threshold(fault_id: str, threshold: float | None) -> Any:
    return msgspec.structs.replace(FAULTS[fault_id], threshold=threshold)


@pytest.mark.parametrize(
    ("flag", "fault"),
    [
        ("battery_limits_violated", "bms_limits_violated"),
        ("uplink_lost", "uplink_lost"),
        ("clock_unset", "clock_unset"),
    ],
)
def test_flags_of_the_situation(flag: str, fault: str) -> None:
    assert case(None, **{flag: True}).conditions() == (fault,)
    assert case(None, **{flag: False}).conditions() == ()


def test_the_vehicle_bus_is_lost_with_its_port() -> None:
    assert case(vehicle_port_open=False).conditions() == ("vehicle_bus_lost",)
    assert case(vehicle_bus_state=BusState.OFF).conditions() == ("vehicle_bus_off",)
    assert case(vehicle_bus_state=BusState.PASSIVE).conditions() == ("vehicle_bus_error_passive",)
    assert case(module_bus_state=BusState.OFF).conditions() == ("module_bus_off",)
    for state in (BusState.ACTIVE, BusState.WARNING, BusState.UNKNOWN):
        assert case(vehicle_bus_state=state, module_bus_state=state).conditions() == ()
    assert Situation(now_s=0.0, started_at_s=0.0).vehicle_port_open


def test_events_come_after_the_rules_sorted_and_once() -> None:
    events = frozenset({"start_timeout", "lock_lost", "bms_fault"})
    made = case({"lock_locked": False, "door_open": True}, lock_required=True, events=events)
    assert made.conditions() == ("door_open", "lock_lost", "bms_fault", "start_timeout")


@pytest.mark.parametrize(
    ("voltage_v", "plugged"),
    # 3.65 to 4.37 V must be taken for a plug; up to 3.2 V and above 4.8 V must not (GB/T 34657.1).
    [(0.0, None), (3.2, None), (3.39, None), (3.4, True), (3.65, True), (4.0, True), (4.37, True), (4.6, True),
     (4.61, None), (4.8, None), (4.81, None), (5.19, None), (5.2, False),
     (6.0, False), (12.0, False), (None, None)],
)  # fmt: skip
def test_the_window_of_cc1(voltage_v: float | None, plugged: bool | None) -> None:
    made = case({"cc1_voltage_v": voltage_v})
    assert is_plugged(made.image(), NOW_S, made.parameters) is plugged


# The verdict.


@pytest.mark.parametrize("fault_id", sorted(FAULTS))
def test_what_a_fault_in_force_takes_away(fault_id: str) -> None:
    action = FAULTS[fault_id].action
    verdict = Case().force(fault_id).permission()
    assert verdict.energise is (action != "open")
    assert verdict.close is (action != "open")
    assert verdict.start is (action in ("derate", "log"))
    assert texts(verdict.energise_reasons) == ((fault_id,) if action == "open" else ())
    assert texts(verdict.start_reasons) == ((fault_id,) if action in BLOCKING_ACTIONS else ())


@pytest.mark.parametrize("fault_id", sorted(EVENT_FAULTS))
def test_a_cause_refuses_closing_and_starting_before_its_debounce_is_over(fault_id: str) -> None:
    verdict = case(events=frozenset({fault_id})).permission()
    blocking = FAULTS[fault_id].action in BLOCKING_ACTIONS
    assert verdict.energise
    assert verdict.close is not blocking
    assert verdict.start is not blocking
    assert texts(verdict.close_reasons) == ((fault_id,) if blocking else ())


def test_all_reasons_are_kept_and_none_stands_twice() -> None:
    made = case(
        {"door_open": True, "inside_voltage_v": None, "cc1_voltage_v": 6.0}, in_session=False, record_durable=False
    )
    made.force("emergency_stop", "door_open", "meter_lost")
    verdict = made.permission()
    assert texts(verdict.energise_reasons) == (
        "emergency_stop", "door_open", "no value: inside_voltage_v", "record not durable", "no session",
    )  # fmt: skip
    assert texts(verdict.close_reasons) == (*texts(verdict.energise_reasons), "inputs_lost")
    assert texts(verdict.start_reasons) == (
        "emergency_stop", "door_open", "meter_lost", "inputs_lost", "no value: inside_voltage_v", "not plugged",
    )  # fmt: skip


def test_a_start_needs_a_recorder_that_takes_records_modules_and_a_plug() -> None:
    made = case({"recorder_ready": False})
    made.let(started_at_s=NOW_S - 1.0)
    assert texts(made.permission().start_reasons) == ("recorder not ready",)
    assert texts(case({"module_count": 0}).permission().start_reasons) == ("no power module",)
    assert case({"module_count": 1}).permission().start
    for voltage_v in (2.0, 5.0, 6.0):
        assert texts(case({"cc1_voltage_v": voltage_v}).permission().start_reasons) == ("not plugged",)


@pytest.mark.parametrize(("flag", "reason"), [("record_durable", "record not durable"), ("in_session", "no session")])
def test_no_record_no_charge(flag: str, reason: str) -> None:
    verdict = case(None, **{flag: False}).permission()
    assert texts(verdict.energise_reasons) == texts(verdict.close_reasons) == (reason,)
    assert verdict.start


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (Case().force("door_open", "emergency_stop"), "door_open"),
        (case({"door_open": None}), "inputs_lost"),
        (case(record_durable=False), "record_not_durable"),
    ],
)
def test_the_stop_reason_of_a_lost_permission(made: Case, reason: str) -> None:
    assert stop_reason(made.permission()) == reason


# Default deny, against an oracle that shares no code with the unit.


def _oracle(made: Case) -> tuple[bool, bool, bool]:
    """What a person would conclude from the same moment: (energise, close, start)."""

    def sound(name: str) -> bool:
        value = made.values.get(name)
        if value is None or value != value:
            return False
        return made.qualities.get(name) != Quality.SUSPECT and -0.001 <= made.ages_s[name] <= SIGNALS[name].age_limit_s

    situation = made.situation
    opened = any(item.fault.action == "open" for item in made.active)
    blocked = any(item.fault.action in ("open", "stop", "inhibit") for item in made.active)
    causes = [FAULTS[fault_id].action for fault_id in made.conditions()]
    cause = any(action in ("open", "stop", "inhibit") for action in causes)
    energise = (
        situation.in_session and situation.record_durable and not opened and all(sound(name) for name in SAFETY_INPUTS)
    )
    start = (
        not blocked
        and not cause
        and all(sound(name) for name in START_INPUTS)
        and made.values["recorder_ready"] is True
        and made.values["module_count"] > 0
        and 3.2 <= made.values["cc1_voltage_v"] <= 4.8
    )
    return energise, energise and not cause, start


_BOOLEANS = [name for name, value in GOOD.items() if isinstance(value, bool)]


@st.composite
def _moments(draw: st.DrawFn) -> Case:
    made = Case()
    spoilt = draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=3))
    for name in spoilt:
        if name in _BOOLEANS:
            value: Any = draw(st.sampled_from([True, False, None]))
        else:
            value = draw(st.sampled_from([None, 0, 3.0, 4.0, 61.0, 96.0, 500.0, -20.0, float("nan"), float("inf")]))
        if value == float("inf"):
            value = float("nan")
        made[name] = value
        made.ages_s[name] = draw(st.sampled_from([0.0, 0.5, 2.9, 20.0, -1.0]))
        if draw(st.booleans()):
            made.qualities[name] = draw(st.sampled_from([Quality.SUSPECT, Quality.SUBSTITUTED]))
    for flag in ("in_session", "record_durable"):
        made.let(**{flag: draw(st.sampled_from([True, True, True, False]))})
    for flag in ("lock_required", "vehicle_expected", "contactors_wanted", "before_insulation_test"):
        made.let(**{flag: draw(st.booleans())})
    made.let(events=frozenset(draw(st.lists(st.sampled_from(sorted(EVENT_FAULTS)), max_size=1))))
    made.force(*draw(st.lists(st.sampled_from(sorted(FAULTS)), max_size=2, unique=True)))
    return made


@settings(max_examples=250, deadline=None)
@given(_moments())
def test_permission_is_denied_by_default(made: Case) -> None:
    verdict = made.permission()
    assert (verdict.energise, verdict.close, verdict.start) == _oracle(made)
    assert bool(texts(verdict.energise_reasons)) is not verdict.energise
    assert bool(texts(verdict.close_reasons)) is not verdict.close
    assert bool(texts(verdict.start_reasons)) is not verdict.start


def test_the_numbers_are_those_of_the_standards() -> None:
    numbers = Case(parameters_with(edition="2023")).parameters.numbers
    assert (numbers.over_voltage_margin_v, numbers.over_current_share, numbers.safe_voltage_v) == (15.0, 0.10, 60.0)
    assert numbers.over_voltage_limit_v(400.0) == 415.0
