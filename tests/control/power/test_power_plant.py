"""Power sharing against a true plant: whole stories of two guns, and the faults of contactors and sensors."""

import pytest
from power_plant import Plant, parameters


def charging(plant: Plant, *numbers: int) -> bool:
    return all(plant.guns[number].phase == "charge" and plant.guns[number].current_a > 20.0 for number in numbers)


def begun(*numbers: int, battery_v: dict[int, float] | None = None, policy: str = "switched") -> Plant:
    """A plant in which the vehicles of ``numbers`` charge."""
    plant = Plant(parameters(policy))  # type: ignore[arg-type]
    for number in numbers:
        plant.guns[number].plugged = True
        plant.guns[number].battery_v = (battery_v or {}).get(number, 400.0)
    assert plant.run(40.0, lambda p: charging(p, *numbers)), (plant.outputs, plant.guns)
    return plant


def test_after_a_restart_everything_is_open_until_seen_open() -> None:
    plant = Plant()
    plant.contactors["A", 1].feedback = "missing"
    plant.step()
    assert plant.outputs is not None
    assert not any(plant.outputs.relays.values())
    assert plant.state("A") == ("opening", None)
    plant.run(3.5)
    assert plant.state("A") == ("faulted", None)
    assert ("allocation_feedback_lost", "allocation_A1") in plant.faults
    assert plant.state("B") == ("joined", 2)
    assert plant.broken == []


@pytest.mark.parametrize("policy", ["fixed", "switched"])
@pytest.mark.parametrize("second_v", [400.0, 402.0, 650.0])
def test_two_vehicles_charge_each_with_its_own_group(policy: str, second_v: float) -> None:
    plant = begun(1, 2, battery_v={2: second_v}, policy=policy)
    plant.run(20.0)
    assert plant.state("A") == ("joined", 1)
    assert plant.state("B") == ("joined", 2)
    assert plant.broken == []
    assert plant.faults == set()


@pytest.mark.parametrize("battery_v", [300.0, 400.0, 700.0])
def test_a_free_group_joins_the_live_bus_of_the_other_and_goes_home_again(battery_v: float) -> None:
    plant = begun(1, battery_v={1: battery_v})
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1))
    plant.run(5.0)
    assert plant.guns[1].current_a > 160.0 if battery_v > 400.0 else plant.guns[1].current_a > 230.0
    plant.guns[2].plugged = True
    assert plant.run(60.0, lambda p: charging(p, 1, 2))
    assert plant.state("B") == ("joined", 2)
    assert plant.broken == []
    assert plant.faults == set()


def test_with_a_fixed_split_no_group_leaves_its_home() -> None:
    plant = begun(1, policy="fixed")
    plant.guns[1].demand_a = 240.0
    plant.run(30.0)
    assert plant.state("B") == ("joined", 2)
    assert plant.guns[1].current_a == pytest.approx(60_000 / 410, rel=0.01)
    assert plant.outputs is not None
    assert plant.outputs.shares[1].by == "modules"


def test_a_fault_takes_the_groups_off_and_offers_them_to_the_other() -> None:
    plant = begun(1, 2)
    plant.guns[1].demand_a = 240.0
    plant.guns[2].faulted = True
    plant.step()
    assert plant.outputs is not None
    assert not plant.outputs.set_points["B"].on
    assert plant.outputs.shares[2].by == "fault"
    assert plant.run(40.0, lambda p: p.state("B") == ("joined", 1))
    assert plant.broken == []
    assert plant.faults == set()


def test_a_silent_core_counts_as_a_fault() -> None:
    plant = begun(1, 2)
    plant.guns[2].silent = True
    plant.run(1.2)
    assert plant.outputs is not None
    assert plant.outputs.shares[2].power_w == 0.0
    assert not plant.outputs.set_points["B"].on


def test_a_welded_contactor_is_named_and_its_group_rests() -> None:
    plant = begun(1, 2)
    plant.contactors["B", 2].welded = True
    plant.guns[2].plugged = False
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B")[0] == "faulted")
    assert plant.faults == {("allocation_contactor_welded", "allocation_B2")}
    plant.run(20.0)
    assert plant.state("B") == ("faulted", None)
    assert plant.broken == []
    plant.contactors["B", 2].welded = False
    plant.run(1.0)
    plant.reset = True
    plant.run(0.1)
    plant.reset = False
    assert plant.run(40.0, lambda p: p.state("B") == ("joined", 1))
    assert plant.broken == []


@pytest.mark.parametrize("other_v", [400.0, 650.0])
def test_a_weld_that_the_feedback_hides_is_shown_by_the_voltage(other_v: float) -> None:
    plant = begun(1, battery_v={1: other_v})
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1))
    plant.contactors["B", 1].welded = True
    plant.contactors["B", 1].feedback = "open"
    plant.guns[2].plugged = True
    assert plant.run(60.0, lambda p: ("allocation_contactor_welded", "allocation_B1") in p.faults)
    assert plant.state("B") == ("faulted", None)
    assert plant.broken == []


def test_a_hidden_weld_onto_a_dead_bus_is_seen_when_the_bus_follows() -> None:
    plant = Plant()
    plant.run(5.0)
    assert plant.state("A") == ("joined", 1)
    plant.guns[1].faulted = True
    plant.contactors["A", 1].welded = True
    plant.contactors["A", 1].feedback = "open"
    plant.guns[2].plugged = True
    plant.guns[2].demand_a = 240.0
    assert plant.run(60.0, lambda p: ("allocation_contactor_welded", "allocation_A1") in p.faults)
    assert plant.joined("A") != [1, 2]
    plant.run(2.0)
    assert plant.state("A") == ("faulted", None)
    assert plant.broken == []


def test_a_jammed_contactor_is_named_and_needs_a_person_after_three_attempts() -> None:
    plant = Plant()
    plant.contactors["A", 1].jammed = True
    assert plant.run(10.0, lambda p: ("allocation_contactor_refuses", "allocation_A1") in p.faults)
    plant.run(40.0)
    assert plant.state("A") == ("faulted", None)
    closings = [event for event in plant.events if event["event"] == "power_group" and event["state"] == "closing"]
    assert sum(event["group"] == "A" for event in closings) == 3
    plant.contactors["A", 1].jammed = False
    plant.reset = True
    plant.run(0.1)
    plant.reset = False
    assert plant.run(10.0, lambda p: p.state("A") == ("joined", 1))
    assert plant.broken == []


@pytest.mark.parametrize("feedback", ["missing", "flicker", "open"])
def test_a_feedback_lost_while_charging_takes_the_group_off(feedback: str) -> None:
    plant = begun(1, 2)
    plant.contactors["B", 2].feedback = feedback
    assert plant.run(4.0, lambda p: p.state("B") == ("faulted", None))
    expected = "allocation_contactor_refuses" if feedback == "open" else "allocation_feedback_lost"
    assert plant.faults == {(expected, "allocation_B2")}
    assert plant.joined("B") == []
    assert charging(plant, 1)
    assert plant.broken == []


def test_modules_that_do_not_stop_are_cut_off_and_named() -> None:
    plant = begun(1)
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1) and p.guns[1].current_a > 200)
    plant.groups["B"].deaf = True
    plant.guns[2].plugged = True
    assert plant.run(6.0, lambda p: p.state("B") == ("faulted", None))
    assert ("allocation_current_remains", "allocation_B1") in plant.faults
    assert plant.joined("B") == []


@pytest.mark.parametrize("sensor", ["stuck", "missing", "flicker"])
@pytest.mark.parametrize("stuck_v", [0.0, 375.0, 395.0, 400.0])
def test_a_group_whose_voltage_cannot_be_trusted_joins_nothing_live(sensor: str, stuck_v: float) -> None:
    plant = begun(1)
    group = plant.groups["B"]
    group.sensor, group.stuck_v = sensor, stuck_v
    plant.guns[1].demand_a = 240.0
    closed_before = plant.moves
    plant.run(90.0)
    assert plant.moves == closed_before
    assert plant.state("B")[0] != "joined"
    assert ("allocation_voltage_mismatch", "allocation_B1") in plant.faults
    assert plant.broken == []


@pytest.mark.parametrize("stuck_v", [0.0, 395.0])
def test_nothing_joins_a_bus_whose_two_witnesses_differ(stuck_v: float) -> None:
    plant = begun(1)
    plant.guns[1].demand_a = 240.0
    plant.guns[1].sensor, plant.guns[1].stuck_v = "stuck", stuck_v - 6.0 if stuck_v else 0.0
    plant.run(50.0)
    assert plant.state("B")[0] != "joined"
    assert plant.joined("B") == []
    assert plant.broken == []


def test_who_limits_whom_is_visible() -> None:
    plant = begun(1, 2)
    for gun in plant.guns.values():
        gun.demand_a = 140.0
    assert plant.limit(50_000.0, 10.0) == "granted"
    plant.run(4.0)
    assert plant.outputs is not None
    assert (plant.outputs.budget_w, plant.outputs.budget_by) == (50_000.0, "command:platform")
    assert [plant.outputs.shares[n].by for n in (1, 2)] == ["shared with connector 2", "shared with connector 1"]
    assert plant.outputs.shares[1].power_w == pytest.approx(25_000.0)
    plant.guns[2].plugged = False
    plant.run(4.0)
    assert plant.outputs.shares[1].by == "command:platform"
    plant.run(4.0)
    assert plant.outputs.budget_by == "profile"
    assert plant.outputs.shares[1].by == "vehicle"
    assert {"event": "power_limit_expired", "origin": "platform"} in plant.events
    assert plant.broken == []
