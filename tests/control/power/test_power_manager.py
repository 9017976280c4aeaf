"""The whole evaluation: what is visible, what is found, and what a silent or odd input does."""

import dataclasses

import pytest
from power_plant import QUICK, Plant, parameters
from test_power_plant import begun, charging

from agent.control.power.manager import INCOMER_OVERLOAD, PowerManager
from agent.control.power.parameters import ModuleGroup
from agent.control.power.values import OFF, ConnectorInput, Finding, GroupInput, PowerInputs, SetPoint
from drivers.reading import Reading


def test_without_any_input_nothing_is_given() -> None:
    manager = PowerManager(parameters(), 0.0)
    for step in range(100):
        outputs = manager.evaluate(step * 0.05, PowerInputs({}, {}))
        assert not any(outputs.relays.values())
        assert set(outputs.set_points.values()) == {OFF}
        assert [share.power_w for share in outputs.shares.values()] == [0.0, 0.0]
        assert [share.by for share in outputs.shares.values()] == ["fault", "fault"]
    assert not outputs.ready[1].close
    assert outputs.ready[1].reasons == (
        "no group of modules is joined",
        "allocation contactor allocation_A1 of group A is not seen open",
        "allocation contactor allocation_B1 of group B is not seen open",
    )


def test_a_group_without_contactors_is_always_at_home() -> None:
    plant = Plant(parameters("fixed", contactors=()))
    plant.guns[1].plugged = True
    assert plant.run(20.0, lambda p: charging(p, 1))
    plant.run(3.0)
    assert plant.state("A") == ("joined", 1)
    plant.guns[1].faulted = True
    plant.step()
    assert plant.outputs is not None
    assert plant.outputs.set_points["A"] == OFF
    assert plant.outputs.relays == {}
    assert plant.broken == []


def test_a_connector_is_ready_when_its_groups_are_home_and_the_others_seen_away() -> None:
    plant = Plant()
    assert plant.run(5.0, lambda p: p.outputs is not None and p.outputs.ready[1].close)
    plant.contactors["B", 1].feedback = "missing"
    plant.run(0.2)
    assert plant.outputs is not None
    assert plant.outputs.ready[1].reasons == ("allocation contactor allocation_B1 of group B is not seen open",)
    assert plant.outputs.ready[2].close


def test_a_group_that_moves_is_recorded() -> None:
    plant = begun(1)
    plant.guns[1].demand_a = 240.0
    plant.events.clear()
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1))
    moves = [(e["state"], e["connector"]) for e in plant.events if e["event"] == "power_group" and e["group"] == "B"]
    assert moves == [
        ("unloading", 2),
        ("opening", None),
        ("parked", None),
        ("matching", 1),
        ("closing", 1),
        ("joined", 1),
    ]


def one_connector(now_s: float, **changes: object) -> PowerInputs:
    base = ConnectorInput(
        now_s,
        wants_power=True,
        wanted_power_w=40_000.0,
        set_point=SetPoint(True, 400.0, 100.0),
        contactors_closed=Reading(True, "bool", now_s),
        bus_voltage_v=Reading(400.0, "V", now_s),
        vehicle_side_voltage_v=Reading(400.0, "V", now_s),
        current_a=Reading(100.0, "A", now_s),
    )
    group = GroupInput(voltage_v=Reading(400.0, "V", now_s))
    return PowerInputs(
        {1: dataclasses.replace(base, **{k: v for k, v in changes.items() if hasattr(base, k)})},  # type: ignore[arg-type]
        {"A": dataclasses.replace(group, **{k: v for k, v in changes.items() if not hasattr(base, k)})},  # type: ignore[arg-type]
    )


def single(rating_w: float = 60_000.0, **changes: object) -> PowerManager:
    """A pile of one connector and one group without contactors, raises at once."""
    return PowerManager(
        parameters(
            "fixed",
            contactors=(),
            groups=(ModuleGroup("A", 1, 2, 60_000.0, 150.0, 200.0, 1000.0),),
            connector_power_w={1: rating_w},
            connector_current_a={1: 150.0},
            numbers=dataclasses.replace(QUICK, raise_rate_w_per_s=1e9),
            **changes,
        ),
        0.0,
    )


def settled(manager: PowerManager, **changes: object) -> object:
    for step in range(5):
        outputs = manager.evaluate(step * 0.1, one_connector(step * 0.1, **changes))
    return outputs.shares[1].power_w, outputs.shares[1].current_a, outputs.shares[1].by


def test_power_becomes_current_at_the_higher_of_order_and_measurement() -> None:
    assert settled(single()) == (40_000.0, 100.0, "vehicle")
    assert settled(single(), set_point=SetPoint(True, 500.0, 100.0)) == (40_000.0, 80.0, "vehicle")
    # Nothing known: the highest voltage of the pile gives the lowest current.
    assert settled(single(), set_point=OFF, bus_voltage_v=None) == (40_000.0, 40.0, "vehicle")


def test_modules_limit_by_current_and_by_power() -> None:
    assert settled(single(), wanted_power_w=60_000.0, maximum_current_a=None) == (60_000.0, 150.0, "vehicle")
    derated = Reading(75.0, "A", 0.4)
    assert settled(single(), wanted_power_w=60_000.0, maximum_current_a=derated) == (30_000.0, 75.0, "modules")
    weak = single(rating_w=20_000.0)
    assert settled(weak) == (20_000.0, 50.0, "connector")


def test_a_group_that_says_nothing_gives_nothing() -> None:
    assert settled(single(), voltage_v=None) == (0.0, 0.0, "modules")


def test_an_overload_is_found_by_the_meter_of_the_incomer_or_by_the_sum() -> None:
    manager = single(incomer_limit_w=50_000.0)
    inputs = one_connector(1.0)
    assert manager.evaluate(1.0, inputs).findings == ()
    at_limit = dataclasses.replace(inputs, incomer_power_w=Reading(52_500.0, "W", 1.0))
    assert manager.evaluate(1.0, at_limit).findings == ()
    above = dataclasses.replace(inputs, incomer_power_w=Reading(52_501.0, "W", 1.0))
    assert manager.evaluate(1.0, above).findings == (Finding(INCOMER_OVERLOAD, None),)
    without = single()
    assert without.evaluate(1.0, above).findings == ()
    # 120 kW and 5 % and 500 W: 126.5 kW is the last that may flow.
    for current_a, findings in ((316.25, 0), (316.3, 1)):
        found = without.evaluate(1.0, one_connector(1.0, current_a=Reading(current_a, "A", 1.0))).findings
        assert len(found) == findings


def test_the_default_limit_holds_without_a_command() -> None:
    outputs = single(default_limit_w=10_000.0).evaluate(1.0, one_connector(1.0))
    assert (outputs.budget_w, outputs.budget_by) == (10_000.0, "default")
    assert outputs.events[0] == {"event": "power_budget", "power_w": 10_000, "by": "default"}


def test_no_group_raises_a_dead_bus_while_another_one_joins_it() -> None:
    plant = Plant()
    plant.guns[2].faulted = True
    plant.guns[1].plugged = True
    plant.guns[1].demand_a = 240.0
    plant.contactors["B", 1].jammed = True
    plant.guns[1].phase = "waiting"
    plant.guns[1].order = OFF
    seen = False
    for _ in range(200):
        plant.guns[1].phase = "idle"
        plant.guns[1].voltage_v = max(plant.guns[1].voltage_v, 0.0)
        plant._core = lambda number, gun: setattr(gun, "said_at_s", plant.now_s)  # type: ignore[method-assign]
        plant.step()
        assert plant.outputs is not None
        if plant.state("B") == ("closing", 1):
            plant.guns[1].order = SetPoint(True, 500.0, 2.0)
            inputs = plant._inputs()
            plant.manager._machines["B"].set_point = OFF
            claims = {c: plant.manager._claim(plant.now_s, inputs.connectors[c]) for c in (1, 2)}
            able = plant.manager._able(plant.now_s, inputs)
            orders = plant.manager._set_points(inputs, claims, plant.outputs.shares, able, ())
            assert orders["A"] == OFF
            seen = True
            break
    assert seen


def test_an_unsure_gate_turns_the_group_off() -> None:
    plant = begun(1)
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("closing", 1))
    assert plant.outputs is not None
    assert plant.outputs.set_points["B"].on
    inputs = plant._inputs()
    claims = {c: plant.manager._claim(plant.now_s, inputs.connectors[c]) for c in (1, 2)}
    able = plant.manager._able(plant.now_s, inputs)
    orders = plant.manager._set_points(inputs, claims, plant.outputs.shares, able, ("allocation_B1",))
    assert orders["B"] == OFF


@pytest.mark.parametrize("age_s", [0.9, 1.1])
def test_a_core_may_be_silent_for_a_second(age_s: float) -> None:
    manager = single()
    inputs = one_connector(10.0, at_s=10.0 - age_s)
    assert (manager.evaluate(10.0, inputs).shares[1].by == "fault") is (age_s > 1.0)
