"""What the vehicle says about itself, at each limit."""

from typing import Any

import msgspec
import pytest
from control_world import FAULTS, parameters_with

from agent.control.dc.parameters import ControlParameters
from agent.control.dc.plausibility import VehicleWatch, below_minimum
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


@pytest.mark.parametrize(
    ("measured", "differs"),
    [((400.0, 80.0), False), ((444.4, 80.0), False), ((444.5, 80.0), True), ((363.7, 80.0), False),
     ((363.6, 80.0), True), ((400.0, 100.0), False), ((400.0, 100.1), True), ((400.0, 63.7), False),
     ((400.0, 63.6), True), ((None, None), False)],
)  # fmt: skip
def test_measurements_that_differ(measured: tuple[float | None, float | None], differs: bool) -> None:
    watch = VehicleWatch()
    watch.look(0.0, vehicle(), parameters_with(), *measured)
    assert ("bms_measurement_differs" in watch.findings(0.0)) is differs


@pytest.mark.parametrize(
    ("bcs", "differs"),
    [({"voltage_v": 440.0}, False), ({"voltage_v": 440.1}, True), ({"current_a": 98.0}, False),
     ({"current_a": 98.1}, True)],
)  # fmt: skip
def test_a_difference_at_its_limit_is_none(bcs: dict[str, float], differs: bool) -> None:
    watch = VehicleWatch()
    watch.look(0.0, vehicle(bcs=bcs), parameters_with(), 400.0, 80.0)
    assert ("bms_measurement_differs" in watch.findings(0.0)) is differs


def frozen_at(seconds: float, measured_a: float | None = 80.0, faults: Any = FAULTS, **changed: Any) -> bool:
    watch, parameters = VehicleWatch(), parameters_with(faults=faults)
    watch.look(0.0, vehicle(), parameters, 400.0, 80.0)
    watch.look(seconds, vehicle(seconds, bcs=changed), parameters, 400.0, measured_a)
    return "bms_data_frozen" in watch.findings(seconds)


def test_data_that_stand_still_for_300_s_while_a_current_flows() -> None:
    assert not frozen_at(300.0)
    assert frozen_at(300.1)
    assert frozen_at(300.1, 20.0)
    assert not frozen_at(300.1, 19.9)
    assert not frozen_at(300.1, None)
    for name in BCS:
        assert not frozen_at(300.1, **{name: 21})
    without = msgspec.structs.replace(FAULTS["bms_data_frozen"], threshold=None)
    assert not frozen_at(9999.0, faults={**FAULTS, "bms_data_frozen": without})
