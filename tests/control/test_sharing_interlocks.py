"""What power sharing adds to the interlocks: its findings, its reasons against closing, and modules that are away."""

import pytest
from control_world import FAULTS
from interlock_cases import NOW_S, Case, case, texts

from agent.control.safety.permission import BLOCKING_ACTIONS, stop_reason
from agent.control.safety.rules import POWER_FINDINGS
from agent.vocabulary import reasons
from agent.vocabulary.reasons import Reason

NOT_READY = Reason(reasons.GROUPS_NOT_READY, "group A is not joined")
SILENT_S = 3.0
"""Threshold of ``power_stage_lost``."""


@pytest.mark.parametrize("fault_id", sorted(POWER_FINDINGS))
def test_a_finding_of_power_sharing_acts_as_the_catalogue_says(fault_id: str) -> None:
    made = case(power_findings=frozenset({fault_id}))
    assert made.conditions() == (fault_id,)
    verdict, blocking = made.permission(), FAULTS[fault_id].action in BLOCKING_ACTIONS
    # A cause alone opens nothing: that is for the fault register, after the debounce.
    assert (verdict.energise, verdict.close, verdict.start) == (True, not blocking, not blocking)
    assert texts(verdict.close_reasons) == ((fault_id,) if blocking else ())


@pytest.mark.parametrize("fault_id", sorted(each for each in POWER_FINDINGS if FAULTS[each].action == "open"))
def test_a_finding_in_force_that_opens_is_the_stop_reason(fault_id: str) -> None:
    assert stop_reason(Case().force(fault_id).permission()) == fault_id


def test_findings_follow_the_rules_each_once() -> None:
    found = frozenset({"power_share_expired", "allocation_contactor_welded", "door_open"})
    made = case({"door_open": True}, power_findings=found)
    assert made.conditions() == ("door_open", "allocation_contactor_welded", "power_share_expired")
    assert case().conditions() == ()


def test_a_reason_of_power_sharing_refuses_closing_and_nothing_else() -> None:
    verdict = case(power_reasons=(NOT_READY,)).permission()
    assert (verdict.energise, verdict.close, verdict.start) == (True, False, True)
    assert (verdict.energise_reasons, verdict.close_reasons, verdict.start_reasons) == ((), (NOT_READY,), ())


def test_a_reason_of_power_sharing_follows_the_others() -> None:
    verdict = case(None, power_reasons=(NOT_READY,), record_durable=False).permission()
    assert verdict.close_reasons == (Reason(reasons.RECORD_NOT_DURABLE), NOT_READY)


@pytest.mark.parametrize("never", [False, True])
def test_modules_that_are_away_are_no_lost_power_stage(never: bool) -> None:
    made = Case()
    if never:
        made["module_voltage_v"] = None
    else:
        made.ages_s["module_voltage_v"] = SILENT_S + 0.01
    assert made.conditions() == ("power_stage_lost",)
    made.let(modules_away=True)
    assert made.conditions() == ()


def test_a_start_waits_for_no_module_that_is_away_and_for_everything_else() -> None:
    made = case({"module_voltage_v": None, "module_count": None})
    made.let(started_at_s=NOW_S - SILENT_S)
    lacking = texts(made.permission().start_reasons)
    assert set(lacking) == {"no value: module_voltage_v", "no value: module_count"}
    made.let(modules_away=True)
    assert made.permission().start_reasons == ()
    made["door_open"] = None
    assert "no value: door_open" in texts(made.permission().start_reasons)
    assert not made.permission().start


def test_a_group_that_answers_without_a_module_refuses_a_start_also_while_away() -> None:
    verdict = case({"module_count": 0}, modules_away=True).permission()
    assert texts(verdict.start_reasons) == ("no power module",)


@pytest.mark.parametrize("signal", ["door_open", "contactor_k1_closed", "inside_voltage_v", "cc1_voltage_v"])
def test_modules_that_are_away_excuse_no_safety_input(signal: str) -> None:
    verdict = case({signal: None}, modules_away=True).permission()
    assert (verdict.energise, verdict.close, verdict.start) == (False, False, False)
    assert f"no value: {signal}" in texts(verdict.energise_reasons)
