"""A stale value is no value: each safety input lost in each state, and what the sequence makes of it."""

import pytest
from control_world import World

from agent.control.safety.requirements import FULL_INPUTS as START_INPUTS
from agent.control.safety.requirements import safety_inputs
from agent.vocabulary.signals import SIGNALS

SAFETY_INPUTS = safety_inputs(START_INPUTS)
SESSION_STATES = ("locked", "handshake", "insulation", "recognition", "parameters", "precharge", "charging")
NAMED_OTHERWISE = {
    "lock_locked": {"lock_lost", "inputs_lost"},
    "cc1_voltage_v": {"connector_unplugged", "inputs_lost"},
}
"""Signals whose loss is also the loss of what they stand for."""


@pytest.mark.parametrize("state", SESSION_STATES)
@pytest.mark.parametrize("signal", SAFETY_INPUTS)
def test_a_safety_input_lost_during_a_session_ends_it(state: str, signal: str) -> None:
    world = World(step_s=0.05).until(state)
    world.missing.add(signal)
    end_s = world.now_s + SIGNALS[signal].age_limit_s + world.step_s + 0.001
    while world.core.permission.energise or world.core.state not in ("stopping", "settled", "faulted"):
        assert world.now_s < end_s, f"still permitted in {world.core.state}"
        world.step()
    assert world.outputs is not None
    assert not world.outputs.relays["contactor_k1"]
    assert not world.outputs.set_point.on
    body = world.run_to_end(45.0)
    assert body["stop_reason"] in NAMED_OTHERWISE.get(signal, {"inputs_lost"})
    assert body["result"] == "failed"
    world.run(1.0)
    assert world.core.state == "faulted"


@pytest.mark.parametrize("signal", START_INPUTS)
def test_a_start_without_a_fresh_value_is_refused(signal: str) -> None:
    world = World().until("plugged")
    world.run(3.0)
    world.missing.add(signal)
    world.run(SIGNALS[signal].age_limit_s + 0.1)
    command_id = world.start()
    world.step()
    assert world.log.answers(command_id) == ["rejected"]
    body = world.log.end()
    assert body["result"] == "refused"
    assert f"no value: {signal}" in body["stop_reason"]


@pytest.mark.parametrize("signal", SAFETY_INPUTS)
def test_a_value_that_is_no_number_opens_the_output(signal: str) -> None:
    world = World().until("charging")
    world.override[signal] = float("nan")
    world.step()
    assert world.outputs is not None
    assert not world.outputs.relays["contactor_k1"]
    assert world.run_to_end(45.0)["stop_reason"] in NAMED_OTHERWISE.get(signal, {"inputs_lost"})


def test_the_bill_ends_with_the_last_sound_register_when_the_meter_is_gone() -> None:
    world = World().until("charging")
    world.run(5.0)
    last_wh = world.plant.meter.register_wh
    world.suspect.add("meter_energy_wh")
    body = world.run_to_end(40.0)
    assert body["stop_reason"] == "meter_lost"
    assert body["register_source"] == "last_reading"
    assert body["register_end_wh"] == last_wh


def test_a_meter_that_never_speaks_again_ends_the_charge_after_10_s() -> None:
    world = World().until("charging")
    world.missing.update({"meter_energy_wh", "meter_voltage_v", "meter_current_a", "meter_power_w"})
    world.run(9.9)
    assert world.core.state == "charging"
    world.run(0.3)
    assert world.core.state == "stopping"


def test_a_register_that_goes_back_never_enters_the_bill() -> None:
    world = World().until("charging")
    world.run(5.0)
    before_wh = world.plant.meter.register_wh
    world.override["meter_energy_wh"] = 7
    world.run(0.1)
    assert world.core.state == "stopping"
    body = world.run_to_end(30.0)
    assert body["stop_reason"] == "meter_abnormal"
    assert body["register_end_wh"] == before_wh
    # Afterwards a lower register is a changed meter: noted, and the new truth.
    world.run(1.0)
    assert world.log.events("register_lower")[0]["register_wh"] == 7
    assert world.core.point.last_register_wh == 7


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_register_that_is_no_number_raises_nothing_and_bills_nothing(value: float) -> None:
    world = World().until("charging")
    world.run(2.0)
    world.override["meter_energy_wh"] = value
    world.run(1.0)
    assert world.core.state == "charging"
    assert world.run_to_end(40.0)["stop_reason"] == "meter_lost"


def test_a_wild_suspect_register_is_not_held_against_the_next_good_one() -> None:
    world = World().until("charging")
    world.suspect.add("meter_energy_wh")
    world.override["meter_energy_wh"] = 10**9
    world.run(0.5)
    world.suspect.clear()
    world.override.clear()
    world.run(1.0)
    assert world.core.state == "charging"
    assert "meter_abnormal" not in world.log.alarms()


def test_an_older_register_reading_changes_nothing() -> None:
    world = World().until("charging")
    world.run(2.0)
    known_wh = world.core.point.last_register_wh
    world.put("meter_energy_wh", 1, at_s=world.now_s - 0.5)
    world.decide()
    assert world.core.point.last_register_wh == known_wh
    assert "meter_abnormal" not in world.log.alarms()


def test_without_module_temperature_or_limit_the_pile_s_own_limit_counts() -> None:
    world = World().until("charging")
    world.missing.add("module_maximum_current_a")
    world.run(5.0)
    assert world.core.state == "charging"
    assert world.core.point.limit.by == "vehicle"


def test_without_module_current_the_meter_tells_the_vehicle() -> None:
    world = World().until("charging")
    world.run(3.0)
    world.missing.update({"module_current_a", "meter_voltage_v"})
    world.run(3.5)
    assert world.core.state == "charging"
    heard = world.vehicle.bms.last_heard["CCS"]
    assert heard["current_a"] == pytest.approx(world.plant.circuit.current_a, abs=2.0)
    assert heard["voltage_v"] == pytest.approx(world.plant.circuit.outside_voltage_v, abs=5.0)
    world.missing.add("meter_current_a")
    world.run(3.5)
    assert world.vehicle.bms.last_heard["CCS"]["current_a"] == pytest.approx(0.0, abs=0.1)
