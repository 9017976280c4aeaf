"""A pile without some sensors, by its profile: they are not demanded, their rules are silent, and it charges."""

import pytest
from control_world import World, parameters_with
from interlock_cases import case, texts

from agent.control.dc.parameters import ControlParameters
from agent.control.safety.requirements import FULL_INPUTS, MINIMUM_INPUTS, checked_inputs, safety_inputs
from agent.control.safety.rules import RULES, SILENT_WITHOUT

OPTIONAL = tuple(name for name in FULL_INPUTS if name not in MINIMUM_INPUTS)


def without(*names: str) -> ControlParameters:
    return parameters_with(inputs=tuple(name for name in FULL_INPUTS if name not in names))


def test_the_default_is_every_sensor() -> None:
    assert parameters_with().start_inputs == FULL_INPUTS
    assert parameters_with().safety_inputs == safety_inputs(FULL_INPUTS)
    assert set(MINIMUM_INPUTS) < set(FULL_INPUTS)


@pytest.mark.parametrize("name", [name for name in MINIMUM_INPUTS if name != "recorder_ready"])
def test_the_minimum_cannot_be_left_out(name: str) -> None:
    with pytest.raises(ValueError, match=f"the profile leaves out {name}"):
        without(name)


def test_the_recorder_is_no_sensor_and_always_demanded() -> None:
    assert "recorder_ready" in without("recorder_ready").start_inputs


def test_an_unknown_input_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match="no such input: nonsense; inputs are emergency_stop_pressed, door_open"):
        checked_inputs((*FULL_INPUTS, "nonsense"))


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_input_that_the_pile_does_not_have_is_not_demanded(name: str) -> None:
    whole = case({name: None})
    assert f"no value: {name}" in texts(whole.permission().start_reasons)
    made = case({name: None}, auxiliary_wanted_since_s=-10.0)
    made.parameters = without(name)
    verdict = made.permission()
    assert verdict.energise
    assert (verdict.start, texts(verdict.start_reasons)) == (True, ())
    assert made.conditions() == ()


@pytest.mark.parametrize(("fault", "name"), SILENT_WITHOUT.items())
def test_the_rules_about_missing_values_speak_where_the_sensor_is(fault: str, name: str) -> None:
    assert fault in {rule for rule, _ in RULES}
    made = case({name: None}, auxiliary_wanted_since_s=-10.0)
    assert fault in made.conditions()
    made.parameters = without(name)
    assert fault not in made.conditions()


BARE = ("door_open", "smoke_detected", "auxiliary_voltage_v", "connector_temperature_plus_c",
        "connector_temperature_minus_c", "insulation_plus_kohm", "insulation_minus_kohm")  # fmt: skip


def test_a_pile_with_the_fewest_sensors_charges_and_says_that_it_measured_no_insulation() -> None:
    inputs = tuple(name for name in FULL_INPUTS if name not in BARE)
    world = World(step_s=0.05, inputs=inputs)
    world.missing.update(BARE)
    world.until("charging")
    world.run(5.0)
    assert world.plant.circuit.current_a > 20.0
    (event,) = world.log.events("insulation")
    assert sorted(event) == ["event", "voltage_dv"]
    assert world.log.alarms() == []
    world.command("stop")
    assert world.run_to_end(30.0)["result"] == "settled"


def test_without_a_measured_auxiliary_supply_its_rise_time_is_waited_for() -> None:
    inputs = tuple(name for name in FULL_INPUTS if name != "auxiliary_voltage_v")
    world = World(inputs=inputs)
    world.missing.add("auxiliary_voltage_v")
    world.until("locked")
    while not world.core.point.held.auxiliary_supply:
        world.step()
    began_s = world.now_s
    world.run_until("handshake", 3.0)
    rise_s = world.parameters.numbers.auxiliary_rise_s
    assert rise_s <= world.now_s - began_s < rise_s + 0.1


def test_one_of_two_temperature_sensors_is_enough_where_the_pile_has_one() -> None:
    inputs = tuple(name for name in FULL_INPUTS if name != "connector_temperature_minus_c")
    world = World(step_s=0.05, inputs=inputs)
    world.missing.add("connector_temperature_minus_c")
    world.until("charging")
    world.override["connector_temperature_plus_c"] = 90.0
    world.run(3.0)
    assert world.core.point.limit.by in ("temperature", "vehicle", "battery")
    assert 0.0 < world.core.point.held.set_point.current_a <= 150.0 * 0.65
