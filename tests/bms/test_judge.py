"""The judge of the vehicle's data: exactly at, below and above each limit, and with values that are not known."""

from typing import Any

import pytest

from agent.control.chassis.vehicle_faults import FAULT_OF_FINDING, faults_of_findings
from drivers.gbt27930.judge.demands import Ceiling, announced, demand_below, demand_beyond
from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import Lasting, StateOfCharge, Stuck
from drivers.gbt27930.judge.limits import LIMITS
from drivers.gbt27930.judge.output import Output
from drivers.gbt27930.judge.states import CHARGER_STOP_FAULTS, VEHICLE_STOP_FAULTS, vehicle_says_fault
from drivers.gbt27930.judge.status import Difference, battery_beyond
from drivers.gbt27930.messages.table import MESSAGES
from drivers.gbt27930.observer.rules import RULES

OLD, NEW = LIMITS["2015"], LIMITS["2023"]


def test_every_finding_of_the_vehicle_is_a_fault_or_a_rule_of_the_decoder() -> None:
    own = {"demand.minimum", "demand.voltage_pile", "demand.current_pile"}
    assert set(FAULT_OF_FINDING) - own <= set(RULES)
    finding = Finding("frozen", "BCS", 300.0, 301.0, "s", 1.0)
    assert faults_of_findings([finding, finding]) == {"bms_data_stuck"}
    with pytest.raises(KeyError):
        faults_of_findings([finding._replace(code="output.current")])


def test_stop_reasons_are_fields_of_their_messages() -> None:
    assert {field.name for field in MESSAGES["BST"].fields} >= VEHICLE_STOP_FAULTS
    assert {field.name for field in MESSAGES["CST"].fields} >= CHARGER_STOP_FAULTS


@pytest.mark.parametrize(
    ("voltage_v", "current_a", "codes"),
    [
        (400.05, 100.05, []),
        (400.06, 100.0, ["demand.voltage_bcp"]),
        (400.0, 100.06, ["demand.current_bcp"]),
        (None, None, []),
    ],
)
def test_a_demand_beyond_a_ceiling(voltage_v: float | None, current_a: float | None, codes: list[str]) -> None:
    demand = {"voltage_v": voltage_v, "current_a": current_a}
    assert [each.code for each in demand_beyond(demand, [Ceiling("bcp", 400.0, 100.0)], OLD)] == codes
    assert demand_beyond(demand, [announced("cml", {})], OLD) == []


def test_a_finding_says_by_how_much() -> None:
    [found] = demand_beyond({"voltage_v": 410.0}, [Ceiling("cml", 400.0, None)], OLD)
    assert found == Finding("demand.voltage_cml", "BCL", 400.0, 410.0, "V", 10.0)
    [found] = demand_below({"voltage_v": 190.0, "current_a": 5.0}, 200.0, 1.0, OLD)
    assert found == Finding("demand.minimum", "BCL", 200.0, 190.0, "V", 10.0)
    [found] = demand_below({"voltage_v": 300.0, "current_a": 0.5}, 200.0, 1.0, OLD)
    assert found == Finding("demand.minimum", "BCL", 1.0, 0.5, "A", 0.5)


@pytest.mark.parametrize(("limits", "below"), [(OLD, 0), (NEW, 1)])
def test_a_demand_of_nothing(limits: Any, below: int) -> None:
    assert len(demand_below({"voltage_v": 300.0, "current_a": 0.0}, 200.0, 1.0, limits)) == below
    assert demand_below({"voltage_v": 200.0, "current_a": 1.0}, 200.0, 1.0, limits) == []


@pytest.mark.parametrize(
    ("message", "values", "found"),
    [
        ("BCS", {"maximum_cell_voltage_v": 3.65, "voltage_v": 426.2}, []),
        ("BCS", {"maximum_cell_voltage_v": 3.66}, ["battery.cell_voltage"]),
        ("BMV", {"cell_voltages_v": [3.3, 3.66]}, ["battery.cell_voltage"]),
        ("BMV", {"cell_voltages_v": [None, 3.65]}, []),
        ("BCS", {"voltage_v": 426.21}, ["battery.voltage"]),
        ("BSM", {"highest_temperature_c": 56}, ["battery.temperature"]),
        ("BMT", {"temperatures_c": [20, 56]}, ["battery.temperature"]),
        ("BMT", {"temperatures_c": [20, 55]}, []),
    ],
)
def test_the_battery_beyond_its_own_limits(message: str, values: dict[str, Any], found: list[str]) -> None:
    bcp = {"maximum_cell_voltage_v": 3.65, "maximum_voltage_v": 420.0, "maximum_temperature_c": 55}
    assert [each.code for each in battery_beyond({"BCP": bcp, message: values}, OLD)] == found
    assert battery_beyond({message: values}, OLD) == []


def test_the_margin_over_a_maximum_by_edition() -> None:
    assert OLD.over_maximum_limit_v(400.0) == pytest.approx(406.0)
    assert NEW.over_maximum_limit_v(400.0) == 415.0


@pytest.mark.parametrize(("soc", "jumps"), [(25.0, False), (25.1, True), (15.0, False), (14.9, True), (None, False)])
def test_a_jump_of_the_state_of_charge(soc: float | None, jumps: bool) -> None:
    judge = StateOfCharge()
    assert judge.take(20.0, OLD) == []
    assert bool(judge.take(soc, OLD)) is jumps
    assert judge.former_percent == (20.0 if soc is None else soc)


@pytest.mark.parametrize(
    ("after_s", "current_a", "values", "stuck"),
    [(300.0, 20.0, 1, False), (300.01, 20.0, 1, True), (300.01, 19.99, 1, False), (300.01, None, 1, False),
     (300.01, 20.0, 2, False)],
)  # fmt: skip
def test_content_that_is_stuck(after_s: float, current_a: float | None, values: int, stuck: bool) -> None:
    judge = Stuck("BCS")
    assert judge.take({"a": 1}, 0.0, 50.0, OLD) == []
    assert bool(judge.take({"a": values}, after_s, current_a, OLD)) is stuck
    assert (judge.present, judge.begins) == (stuck, stuck)
    if stuck:
        assert judge.take({"a": 1}, after_s + 1.0, 20.0, OLD)[0].amount == pytest.approx(1.01)
        assert (judge.present, judge.begins) == (True, False)
        assert judge.take({"a": 3}, after_s + 2.0, 20.0, OLD) == []
        assert not judge.present


def test_a_condition_that_lasts() -> None:
    judge = Lasting()
    assert [judge.take(1.0, at_s, 2.0) for at_s in (0.0, 2.0, 2.1, 3.0)] == [False, False, True, True]
    assert not judge.begins
    assert not judge.take(0.0, 4.0, 2.0)
    assert [judge.take(40.0, at_s, 1.0, 20.0) for at_s in (5.0, 6.9, 7.0, 7.1)] == [False, False, False, True]


def test_the_worst_excess_counts_for_the_fall() -> None:
    judge = Lasting()
    judge.take(40.0, 0.0, 1.0, 20.0)
    assert not judge.take(1.0, 2.0, 1.0, 20.0)
    assert judge.take(1.0, 2.1, 1.0, 20.0)


def test_a_difference_of_both_quantities_and_of_none() -> None:
    judge = Difference()
    bcs = {"voltage_v": 441.0, "current_a": 51.0}
    assert judge.take(bcs, 400.0, 30.0, 0.0, OLD) == []
    found = judge.take(bcs, 400.0, 30.0, 30.1, OLD)
    assert [(each.unit, each.limit, each.seen, each.amount) for each in found] == [
        ("V", 400.0, 441.0, 41.0),
        ("A", 30.0, 51.0, 21.0),
    ]
    assert judge.begins("V")
    assert judge.begins("A")
    assert judge.take(bcs, None, 30.0, 31.0, OLD)[0].unit == "A"
    assert not judge.begins("A")
    assert judge.take({}, 400.0, 30.0, 32.0, OLD) == []


def test_an_output_that_is_not_known_is_not_judged() -> None:
    judge = Output(OLD)
    for at_s in (0.0, 100.0):
        assert judge.take({}, {"voltage_v": 1.0, "current_a": 1.0}, {"maximum_voltage_v": 1.0}, at_s) == []
    for at_s in (0.0, 100.0):
        assert judge.take({"voltage_v": 400.0, "current_a": 50.0}, {}, {}, at_s) == []


def test_a_vehicle_reports_faults() -> None:
    bsm = dict.fromkeys(
        ("cell_voltage_state", "soc_state", "over_current_state", "over_temperature_state", "insulation_state",
         "connector_state"), 0,
    )  # fmt: skip
    assert not vehicle_says_fault({}, {})
    assert not vehicle_says_fault(bsm, {"soc_target_reached": 1})
    assert vehicle_says_fault({**bsm, "soc_state": 2}, {})
    assert not vehicle_says_fault({**bsm, "insulation_state": 2}, {})
    assert vehicle_says_fault(bsm, {"other_fault": 1})
