"""A pause: 2015 lowers the current, 2023 also opens C1/C2 and closes them again like the first time."""

from typing import Any

import pytest
from control_world import World

from agent.control.safety.gate import OFF, Asked
from drivers.gbt27930.messages.table import decode, identifier_of


def charging_world(**changes: Any) -> World:
    world = World(**changes).until("charging")
    world.run(3.0)
    assert world.plant.circuit.current_a > 20
    return world


def pause(world: World, on: bool = True) -> None:
    assert world.vehicle.command("permit off" if on else "permit on", world.now_s).ok


def stage(world: World, name: str, longest_s: float = 10.0) -> None:
    end_s = world.now_s + longest_s
    while world.core.point.memory.sub_step != name:
        assert world.now_s < end_s, f"{world.core.state}/{world.core.point.memory.sub_step} and not {name!r}"
        world.step()


def paused_world(**changes: Any) -> World:
    world = charging_world(edition="2023", **changes)
    pause(world)
    stage(world, "rest")
    return world


def test_2015_keeps_the_contactors_closed_and_asks_for_nothing() -> None:
    world = charging_world()
    pause(world)
    world.run(2.0)
    assert world.outputs is not None
    assert world.outputs.relays["contactor_k1"]
    assert world.core.point.held.set_point.current_a == 0.0
    assert world.plant.circuit.current_a < 5.0
    pause(world, on=False)
    world.run(3.0)
    assert world.plant.circuit.current_a > 20


def test_2023_opens_below_5_a_keeps_the_lock_and_comes_back_gently() -> None:
    world = charging_world(edition="2023")
    pause(world)
    while not world.core.point.charger.paused:
        world.step()
    began_s = world.now_s
    stage(world, "rest")
    assert world.now_s - began_s < 3.5
    assert world.currents_at_opening_a[-1] < 5.0
    for _ in range(250):
        outputs = world.step()
        assert not outputs.relays["contactor_k1"]
        assert outputs.relays["electronic_lock"]
        assert outputs.relays["auxiliary_supply"]
        assert not outputs.relays["discharge"], "the vehicle's battery stands on the discharge resistor"
        assert not outputs.set_point.on
        for frame in outputs.frames:
            if frame.identifier == identifier_of("CCS"):
                assert decode("CCS", frame.data)["permitted"] is False
    assert world.vehicle.source.contactors_closed
    assert world.plant.circuit.inside_voltage_v < 60.0
    assert world.log.alarms() == []
    pause(world, on=False)
    stage(world, "close")
    world.plant.circuit.inrush_peak_a = 0.0
    stage(world, "")
    world.run(3.0)
    assert world.plant.circuit.current_a > 20
    assert world.plant.circuit.inrush_peak_a < 200.0
    assert world.log.alarms() == []
    assert [event["event"] for event in (*world.log.events("paused"), *world.log.events("resumed"))] == [
        "paused", "resumed",
    ]  # fmt: skip
    world.command("stop")
    assert world.run_to_end()["result"] == "settled"


def test_a_pause_that_is_taken_back_at_once_opens_nothing() -> None:
    world = charging_world(edition="2023")
    world.override["module_current_a"] = 50.0
    pause(world)
    stage(world, "lower")
    pause(world, on=False)
    stage(world, "")
    del world.override["module_current_a"]
    world.run(2.0)
    assert world.currents_at_opening_a == [0.0] or len(world.currents_at_opening_a) == 1  # only the insulation test
    assert world.plant.circuit.current_a > 20


def test_current_that_does_not_fall_is_cut_after_3_s() -> None:
    world = charging_world(edition="2023")
    world.override["module_current_a"] = 50.0
    pause(world)
    stage(world, "lower")
    began_s = world.now_s
    stage(world, "open")
    assert 3.0 <= world.now_s - began_s < 3.1


def test_a_lower_stage_without_a_demand_asks_for_none() -> None:
    world = charging_world(edition="2023")
    pause(world)
    stage(world, "lower")
    world.core.point.release(Asked(set_point=OFF))
    world.override["module_current_a"] = 50.0
    world.step()
    assert not world.core.point.held.set_point.on


def test_a_new_pause_while_the_output_is_raised_goes_back_to_rest() -> None:
    world = paused_world()
    pause(world, on=False)
    world.override["inside_voltage_v"] = 20.0
    stage(world, "raise")
    world.step()
    assert world.core.point.held.set_point.on
    pause(world)
    stage(world, "rest")
    world.step()
    assert not world.core.point.held.set_point.on


@pytest.mark.parametrize("voltage_v", [0.0, 149.0, 800.0])
def test_nothing_is_raised_onto_a_voltage_that_is_no_battery(voltage_v: float) -> None:
    world = paused_world()
    world.override["outside_voltage_v"] = voltage_v
    pause(world, on=False)
    stage(world, "raise")
    for _ in range(100):
        outputs = world.step()
        assert not outputs.set_point.on
        assert not outputs.relays["contactor_k1"]


def test_an_output_that_never_follows_is_a_failed_precharge_after_30_s() -> None:
    world = paused_world(step_s=0.05)
    world.override["inside_voltage_v"] = 20.0
    pause(world, on=False)
    stage(world, "raise")
    body = world.run_to_end(60.0)
    assert body["stop_reason"] == "precharge_failed"


def test_nothing_is_raised_while_inside_stands_with_outside() -> None:
    """Both poles welded: the feedback says open, the voltages say closed."""
    world = paused_world()
    outside_v = world.plant.circuit.outside_voltage_v
    world.override["inside_voltage_v"] = outside_v
    pause(world, on=False)
    stage(world, "raise")
    world.step()
    assert not world.core.point.held.set_point.on
    body = world.run_to_end(60.0)
    assert body["stop_reason"] == "contactor_welded"


def test_a_stop_and_a_time_out_in_a_pause() -> None:
    world = paused_world()
    world.command("stop")
    body = world.run_to_end(30.0)
    assert (body["result"], body["stop_reason"]) == ("settled", "local")
    world = paused_world()
    assert world.vehicle.command("silence BCL", world.now_s).ok
    end_s = world.now_s + 3.0
    while world.core.state != "reconnecting" and world.now_s < end_s:
        world.step()
    assert world.core.state == "reconnecting"


def test_the_ordered_end_is_kept_in_a_pause() -> None:
    world = paused_world()
    session = world.core.session
    assert session is not None
    session.started_at_s = world.now_s - 10_000.0
    object.__setattr__(session.limits, "duration_s", 100)
    world.run(0.1)
    assert world.run_to_end(30.0)["stop_reason"] == "time_limit"


def test_ten_minutes_are_the_most_in_2023_too() -> None:
    world = paused_world()
    world.core.point.memory.paused_since_s = world.now_s - 599.9
    world.run(0.3)
    assert world.run_to_end(30.0)["stop_reason"] == "pause_too_long"


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_a_permission_that_is_neither_yes_nor_no_ends_no_pause(edition: str) -> None:
    world = charging_world(edition=edition)
    pause(world)
    world.run(1.0)
    bsm = world.core.point.charger.vehicle.bsm
    assert bsm is not None
    bsm.values["charging_permitted"] = None
    world.step()
    assert world.core.point.held.set_point.current_a == 0.0


def test_rest_begins_when_both_contactors_are_seen_open() -> None:
    world = charging_world(edition="2023")
    pause(world)
    stage(world, "open")
    world.override["contactor_k2_closed"] = True
    world.run(0.2)
    assert world.core.point.memory.sub_step == "open"
    del world.override["contactor_k2_closed"]
    stage(world, "rest", 0.1)
