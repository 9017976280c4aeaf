"""Odd data of a vehicle in a living charge: limited, told, or ended by name."""

from typing import Any

import pytest
from control_world import World


def charging_world(**changes: Any) -> World:
    world = World(**changes).until("charging")
    world.run(3.0)
    return world


@pytest.mark.parametrize(("edition", "current_a"), [("2015", 1.0), ("2023", 0.0)])
def test_a_demand_of_nothing_by_edition(edition: str, current_a: float) -> None:
    world = charging_world(edition=edition)
    assert world.vehicle.command("demand 410 0", world.now_s).ok
    world.run(1.0)
    assert world.core.point.held.set_point.current_a == current_a
    world.run(5.0)
    if edition == "2015":
        assert world.core.state == "charging"
        assert world.log.alarms() == []
    else:
        assert world.run_to_end(30.0)["stop_reason"] == "demand_below_minimum"


def test_a_demand_below_the_minimum_gets_nothing_and_may_come_back_within_5_s() -> None:
    world = charging_world()
    assert world.vehicle.command("demand 410 0.5", world.now_s).ok
    world.run(4.5)
    assert world.core.point.held.set_point.current_a == 0.0
    assert world.vehicle.command("demand own", world.now_s).ok
    world.run(3.0)
    assert world.core.state == "charging"
    assert world.core.point.held.set_point.current_a > 20


def test_a_demand_beyond_the_limits_is_limited_and_told() -> None:
    world = charging_world()
    bcp = world.core.point.charger.vehicle.bcp
    assert bcp is not None
    assert world.vehicle.command("demand 1500 400", world.now_s).ok
    world.run(5.0)
    assert world.core.point.held.set_point.current_a == pytest.approx(min(bcp.values["maximum_current_a"], 150.0))
    assert world.core.point.held.set_point.voltage_v <= bcp.values["maximum_voltage_v"]
    assert "bms_demand_beyond_limits" in world.log.alarms()


def test_a_message_that_cannot_be_used_stands_in_the_record_once() -> None:
    world = charging_world()
    assert world.vehicle.command("length BSM 6", world.now_s).ok
    world.run(25.0)
    (event,) = world.log.events("message_refused")
    assert event["message"] == "BSM"
    assert "6 bytes" in event["detail"]["reason"]
    assert world.log.alarms() == ["bms_message_unusable"]
    world.command("stop")
    assert world.run_to_end()["result"] == "settled"
    world.run(1.0)
    assert world.log.cleared() == ["bms_message_unusable"]


def test_a_new_dialogue_and_a_pause_begin_with_nothing_held_against_them() -> None:
    world = charging_world()
    before = world.core.point.watch
    assert world.vehicle.command("permit off", world.now_s).ok
    world.run(1.0)
    assert world.core.point.watch is not before
    assert world.core.point.situation.vehicle_findings == frozenset()
