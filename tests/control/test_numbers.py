"""The table of numbers: both editions, a source for each, and the rules that follow from them."""

import dataclasses

import pytest
from control_world import FAULTS, parameters_with

from agent.control.safety import numbers
from agent.control.safety.numbers import NUMBERS, TIMES, SequenceNumbers, StepTimes
from drivers.gbt27930.judge.limits import LIMITS, JudgeLimits
from scripts.documents.sequence import table

KINDS = (SequenceNumbers, StepTimes, JudgeLimits)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_has_a_source_and_both_editions(kind: type) -> None:
    for field in dataclasses.fields(kind):
        assert field.metadata["source"], field.name
        assert field.default == field.metadata["2015"]
        assert type(field.metadata["2015"]) is type(field.metadata["2023"])


def test_where_the_editions_differ() -> None:
    differing = {
        field.name: (field.metadata["2015"], field.metadata["2023"])
        for kind in KINDS
        for field in dataclasses.fields(kind)
        if field.metadata["2015"] != field.metadata["2023"]
    }
    assert differing == {
        "outside_voltage_before_test_v": (10.0, 60.0),
        "over_maximum_v": (2.0, 15.0),
        "over_maximum_share": (0.01, 0.0),
        "over_voltage_margin_v": (2.0, 15.0),
        "over_voltage_share": (0.01, 0.0),
        "pause_opens_contactors": (False, True),
        "zero_demand_gets_minimum": (True, False),
    }


def test_the_edition_of_the_parameters_chooses() -> None:
    assert parameters_with().judge_limits is LIMITS["2015"]
    assert parameters_with(edition="2023").judge_limits is LIMITS["2023"]
    assert LIMITS["2015"] == JudgeLimits()
    assert parameters_with().numbers is NUMBERS["2015"]
    assert parameters_with(edition="2023").numbers is NUMBERS["2023"]
    assert parameters_with(edition="2023").times is TIMES["2023"]
    assert NUMBERS["2015"] == SequenceNumbers()
    assert TIMES["2015"] == StepTimes()
    assert NUMBERS["2023"].outside_voltage_before_test_v == 60.0


def test_the_highest_voltage_of_an_output() -> None:
    assert NUMBERS["2015"].over_voltage_limit_v(400.0) == pytest.approx(406.0)
    assert NUMBERS["2023"].over_voltage_limit_v(400.0) == 415.0


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_numbers_keep_the_order_that_the_sequence_counts_on(edition: numbers.SequenceEdition) -> None:
    found, times = NUMBERS[edition], TIMES[edition]
    # The windows of CC1: what must be taken lies inside, what must not outside (GB/T 34657.1).
    assert 3.2 < found.cc1_plugged_minimum_v < 3.65
    assert 4.37 < found.cc1_plugged_maximum_v < 4.8 < found.cc1_unplugged_minimum_v
    assert found.insulation_fault_ohm_per_v < found.insulation_warning_ohm_per_v
    below = (found.precharge_below_battery_minimum_v, found.precharge_below_battery_maximum_v)
    assert below[0] < found.precharge_below_battery_target_v < below[1]
    # A change of the demand: 20 A within a second, more at 20 A/s or faster; K1/K2 in time after a time-out.
    assert found.current_rise_a_per_s >= 20.0
    assert times.ramp_down_s < {"2015": 10.0, "2023": 5.0}[edition] <= times.reconnect_s
    # The lock: its debounce and the ramp together stay below a second.
    assert FAULTS["lock_lost"].debounce_s + times.lock_lost_ramp_s < 1.0
    assert found.precharge_current_a < found.inrush_limit_a


def test_the_table_shows_every_number_once() -> None:
    lines = table().splitlines()
    assert len(lines) == 2 + sum(len(dataclasses.fields(kind)) for kind in KINDS)
    assert (
        "| `outside_voltage_before_test_v` | 10 | 60 | GB/T 18487.1: outside K1/K2 before the insulation test |"
        in lines
    )
    assert any(line.startswith("| `pause_opens_contactors` | no | yes |") for line in lines)
    assert any(line.startswith("| `safe_voltage_v` | 60 | same |") for line in lines)
