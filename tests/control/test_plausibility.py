"""What the vehicle says about itself, at each limit."""

from typing import Any

import pytest
from control_world import parameters_with

from agent.control.dc.parameters import ControlParameters
from agent.control.dc.plausibility import VehicleWatch, battery_limits_violated, below_minimum
from drivers.gbt27930.charger.phases import Latest, VehicleData

BCP = {"maximum_voltage_v": 420.0, "maximum_current_a": 100.0, "soc_percent": 20.0}
BCS = {"voltage_v": 400.0, "current_a": 80.0, "maximum_cell_voltage_v": 3.4, "soc_percent": 20, "remaining_min": 40}
BCL = {"voltage_v": 410.0, "current_a": 80.0, "mode": 2}


def vehicle(at_s: float = 0.0, **changes: Any) -> VehicleData:
    def values(name: str, good: dict[str, Any]) -> Latest | None:
        changed = changes.get(name, {})
        return None if changed is None else Latest({**good, **changed}, at_s)

    return VehicleData(bcp=values("bcp", BCP), bcl=values("bcl", BCL), bcs=values("bcs", BCS))


def found(parameters: ControlParameters | None = None, **changes: Any) -> set[str]:
    watch = VehicleWatch()
    watch.look(0.0, vehicle(**changes), parameters or parameters_with(), 400.0, 80.0)
    return set(watch.findings(0.0))


def test_a_good_vehicle_shows_nothing_and_so_does_a_silent_one() -> None:
    assert found() == set()
    assert found(bcp=None, bcl=None, bcs=None) == set()
    assert found(bcp=None) == set()
    assert found(bcl=None) == set()
    assert VehicleWatch().findings(0.0) == frozenset()


@pytest.mark.parametrize(
    ("bcl", "beyond"),
    [({"voltage_v": 420.0}, False), ({"voltage_v": 420.1}, True), ({"current_a": 100.0}, False),
     ({"current_a": 100.1}, True)],
)  # fmt: skip
def test_a_demand_beyond_bcp(bcl: dict[str, float], beyond: bool) -> None:
    assert ("bms_demand_beyond_limits" in found(bcl=bcl)) is beyond


@pytest.mark.parametrize(
    ("bcl", "beyond"),
    [({"voltage_v": 500.1}, True), ({"current_a": 60.1}, True), ({"voltage_v": 500.0, "current_a": 60.0}, False)],
)
def test_a_demand_beyond_cml(bcl: dict[str, float], beyond: bool) -> None:
    pile = parameters_with(maximum_voltage_v=500.0, maximum_current_a=60.0)
    wide = {"maximum_voltage_v": 900.0, "maximum_current_a": 390.0}
    demand = {"current_a": 50.0, **bcl}
    assert ("bms_demand_beyond_limits" in found(pile, bcp=wide, bcl=demand)) is beyond


def test_the_rounding_of_a_limit_is_no_demand_beyond_it() -> None:
    """The charger says 420.1 V and 60.1 A in CML, and the vehicle asks for what it was told."""
    pile = parameters_with(maximum_voltage_v=420.06, maximum_current_a=60.06)
    wide = {"maximum_voltage_v": 900.0, "maximum_current_a": 390.0}
    assert found(pile, bcp=wide, bcl={"voltage_v": 420.1, "current_a": 60.1}) == set()
    assert found(pile, bcp=wide, bcl={"voltage_v": 420.2, "current_a": 60.1}) == {"bms_demand_beyond_limits"}
    assert found(pile, bcp=wide, bcl={"voltage_v": 420.1, "current_a": 60.2}) == {"bms_demand_beyond_limits"}


@pytest.mark.parametrize(
    ("edition", "voltage_v", "current_a", "below"),
    [("2015", 400.0, 0.0, False), ("2015", 400.0, 0.1, True), ("2015", 400.0, 0.9, True), ("2015", 400.0, 1.0, False),
     ("2015", 149.9, 50.0, True), ("2015", 149.9, 0.0, True), ("2015", 150.0, 50.0, False),
     ("2023", 400.0, 0.0, True), ("2023", 400.0, 0.9, True), ("2023", 400.0, 1.0, False)],
)  # fmt: skip
def test_a_demand_below_the_minimum_by_edition(edition: Any, voltage_v: float, current_a: float, below: bool) -> None:
    parameters = parameters_with(edition=edition)
    demand = {"voltage_v": voltage_v, "current_a": current_a}
    assert below_minimum(demand, parameters) is below
    assert ("demand_below_minimum" in found(parameters, bcl=demand)) is below


@pytest.mark.parametrize(("later", "jumps"), [(25, False), (26, True), (15, False), (14, True), (None, False)])
def test_a_jump_of_the_state_of_charge(later: int | None, jumps: bool) -> None:
    watch, parameters = VehicleWatch(), parameters_with()
    watch.look(0.0, vehicle(), parameters, 400.0, 80.0)
    watch.look(1.0, vehicle(1.0, bcs={"soc_percent": later}), parameters, 400.0, 80.0)
    assert ("bms_soc_jump" in watch.findings(1.0)) is jumps
    assert ("bms_soc_jump" in watch.findings(10.9)) is jumps
    assert "bms_soc_jump" not in watch.findings(11.0)


def test_bcp_is_the_first_state_of_charge() -> None:
    watch, parameters = VehicleWatch(), parameters_with()
    watch.look(0.0, vehicle(bcs=None), parameters, 400.0, 80.0)
    watch.look(1.0, vehicle(1.0, bcs={"soc_percent": 90}), parameters, 400.0, 80.0)
    assert "bms_soc_jump" in watch.findings(1.0)


def differs_after(seconds: float, measured: tuple[float | None, float | None], **bcs: float) -> bool:
    """BCS every 250 ms, the pile measures the same all the time."""
    watch, parameters = VehicleWatch(), parameters_with()
    for step in range(round(seconds * 4) + 1):
        watch.look(step / 4, vehicle(step / 4, bcs=bcs), parameters, *measured)
    return "bms_measurement_differs" in watch.findings(seconds)


@pytest.mark.parametrize(
    ("measured", "differs"),
    [((400.0, 80.0), False), ((444.4, 80.0), False), ((444.5, 80.0), True), ((363.7, 80.0), False),
     ((363.6, 80.0), True), ((400.0, 100.0), False), ((400.0, 100.1), True), ((400.0, 63.7), False),
     ((400.0, 63.6), True), ((None, None), False)],
)  # fmt: skip
def test_measurements_that_differ(measured: tuple[float | None, float | None], differs: bool) -> None:
    assert differs_after(30.25, measured) is differs
    assert not differs_after(30.0, measured), "it has not lasted"


@pytest.mark.parametrize(
    ("bcs", "differs"),
    [({"voltage_v": 440.0}, False), ({"voltage_v": 440.1}, True), ({"current_a": 98.0}, False),
     ({"current_a": 98.1}, True)],
)  # fmt: skip
def test_a_difference_at_its_limit_is_none(bcs: dict[str, float], differs: bool) -> None:
    assert differs_after(30.25, (400.0, 80.0), **bcs) is differs


def test_a_difference_that_ends_in_between_begins_again() -> None:
    watch, parameters = VehicleWatch(), parameters_with()
    for at_s, measured_a in ((0.0, 120.0), (20.0, 80.0), (20.25, 120.0), (50.25, 120.0)):
        watch.look(at_s, vehicle(at_s), parameters, 400.0, measured_a)
        assert "bms_measurement_differs" not in watch.findings(at_s)
    watch.look(50.5, vehicle(50.5), parameters, 400.0, 120.0)
    assert "bms_measurement_differs" in watch.findings(50.5)


def stuck_at(seconds: float, measured_a: float | None = 80.0, **changed: Any) -> bool:
    watch, parameters = VehicleWatch(), parameters_with()
    watch.look(0.0, vehicle(), parameters, 400.0, 80.0)
    watch.look(seconds, vehicle(seconds, bcs=changed), parameters, 400.0, measured_a)
    return "bms_data_stuck" in watch.findings(seconds)


def test_data_that_stay_the_same_for_300_s_while_a_current_flows() -> None:
    assert not stuck_at(300.0)
    assert stuck_at(300.1)
    assert stuck_at(300.1, 20.0)
    assert not stuck_at(300.1, 19.9)
    assert not stuck_at(300.1, None)
    for name in BCS:
        assert not stuck_at(300.1, **{name: 21})


def test_an_old_message_alone_is_not_stuck() -> None:
    """A BCS that comes no more is a time-out, not content that is repeated."""
    watch, parameters = VehicleWatch(), parameters_with()
    watch.look(0.0, vehicle(), parameters, 400.0, 80.0)
    watch.look(400.0, vehicle(), parameters, 400.0, 80.0)
    assert "bms_data_stuck" not in watch.findings(400.0)


@pytest.mark.parametrize(
    ("bcp", "bcs", "bsm", "violated"),
    [
        ({}, {"maximum_cell_voltage_v": 3.65}, {}, False),
        ({}, {"maximum_cell_voltage_v": 3.66}, {}, True),
        ({}, {"voltage_v": 426.2}, {}, False),
        ({}, {"voltage_v": 426.3}, {}, True),
        ({}, {}, {"highest_temperature_c": 55}, False),
        ({}, {}, {"highest_temperature_c": 56}, True),
        ({"maximum_cell_voltage_v": None}, {"maximum_cell_voltage_v": 9.9}, {}, False),
        (None, {"voltage_v": 900.0}, {}, False),
    ],
)
def test_the_battery_above_its_own_limits(
    bcp: dict[str, Any] | None, bcs: dict[str, Any], bsm: dict[str, Any], violated: bool
) -> None:
    own = {**BCP, "maximum_cell_voltage_v": 3.65, "maximum_temperature_c": 55}
    data = vehicle(bcs=bcs, bcp=None if bcp is None else {**own, **bcp})
    data.bsm = Latest({"highest_temperature_c": 20, **bsm}, 0.0)
    assert battery_limits_violated(data, parameters_with()) is violated
