"""Whatever guns, contactors, sensors and commands do: no wrong voltage, no group at two guns, shares within budget."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from power_plant import Plant, parameters

from agent.control.power.budget import water_fill

Action = tuple[object, ...]
connectors, groups = st.sampled_from([1, 2]), st.sampled_from(["A", "B"])
ORDINARY = st.one_of(
    st.tuples(st.just("plug"), connectors, st.sampled_from([250.0, 400.0, 405.0, 650.0]), st.integers(5, 250)),
    st.tuples(st.just("demand"), connectors, st.integers(0, 250)),
    st.tuples(st.just("unplug"), connectors),
    st.tuples(st.just("fault"), connectors),
    st.tuples(st.just("heal"), connectors),
    st.tuples(st.just("limit"), st.integers(0, 150_000), st.sampled_from([None, 1.0, 5.0, 30.0])),
)
CONTACTORS = st.one_of(
    st.tuples(st.just("weld"), groups, connectors),
    st.tuples(st.just("jam"), groups, connectors),
    st.tuples(
        st.just("feedback"), groups, connectors, st.sampled_from(["open", "closed", "missing", "flicker", "true"])
    ),
    st.tuples(st.just("reset")),
)
SENSORS = st.one_of(
    st.tuples(st.just("sensor"), groups, st.sampled_from(["missing", "flicker", "true"])),
    st.tuples(st.just("freeze"), groups),
    st.tuples(st.just("bus"), connectors, st.sampled_from(["missing", "flicker", "true"])),
    st.tuples(st.just("freeze_bus"), connectors),
    st.tuples(st.just("silent"), connectors),
)


def act(plant: Plant, action: Action) -> None:
    """Do one thing to the plant."""
    match action:
        case ("plug", int(number), float(battery_v), int(demand_a)):
            gun = plant.guns[number]
            if not gun.plugged and not gun.k_closed:
                gun.plugged, gun.battery_v, gun.demand_a = True, battery_v, float(demand_a)
        case ("demand", int(number), int(demand_a)):
            plant.guns[number].demand_a = float(demand_a)
        case ("unplug", int(number)):
            plant.guns[number].plugged = False
        case ("fault" | "heal", int(number)):
            plant.guns[number].faulted = action[0] == "fault"
        case ("limit", int(value_w), seconds):
            plant.limit(float(value_w), seconds)  # type: ignore[arg-type]
        case ("weld", str(group), int(number)):
            plant.contactors[group, number].welded = True
        case ("jam", str(group), int(number)):
            plant.contactors[group, number].jammed = True
        case ("feedback", str(group), int(number), str(mode)):
            plant.contactors[group, number].feedback = mode
        case ("sensor", str(group), str(mode)):
            plant.groups[group].sensor = mode
        case ("freeze", str(group)):
            plant.groups[group].sensor, plant.groups[group].stuck_v = "stuck", plant.groups[group].voltage_v
        case ("bus", int(number), str(mode)):
            plant.guns[number].sensor = mode
        case ("freeze_bus", int(number)):
            plant.guns[number].sensor, plant.guns[number].stuck_v = "stuck", plant.guns[number].voltage_v
        case ("silent", int(number)):
            plant.guns[number].silent = not plant.guns[number].silent
        case ("reset",):
            plant.reset = True


def play(policy: str, story: list[tuple[int, Action]]) -> Plant:
    """Play a story and let everything come to its end."""
    plant = Plant(parameters(policy))  # type: ignore[arg-type]
    for pause_s, action in story:
        plant.run(float(pause_s))
        plant.reset = False
        act(plant, action)
    plant.run(0.2)
    plant.reset = False
    # Each group ends, each in its own time: a fault that stays is tried again after a rest.
    settled: set[str] = set()

    def ended(p: Plant) -> bool:
        settled.update(p.settled())
        return settled == set(p.groups)

    plant.run(150.0, ended)
    assert plant.broken == [], plant.broken[:3]
    assert settled == set(plant.groups), plant.outputs
    return plant


def stories(*kinds: st.SearchStrategy[Action]) -> st.SearchStrategy[list[tuple[int, Action]]]:
    return st.lists(st.tuples(st.integers(0, 9), st.one_of(*kinds)), min_size=2, max_size=9)


QUIET = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("policy", ["switched", "fixed"])
@QUIET
@given(story=stories(ORDINARY))
def test_sound_hardware_never_shows_a_fault(policy: str, story: list[tuple[int, Action]]) -> None:
    plant = play(policy, story)
    assert plant.faults - {("incomer_overload", None)} == set()


@QUIET
@given(story=stories(ORDINARY, CONTACTORS))
def test_contactors_that_weld_jam_or_say_nothing(story: list[tuple[int, Action]]) -> None:
    play("switched", [(4, ("plug", 1, 400.0, 240)), *story])


@QUIET
@given(story=stories(ORDINARY, SENSORS))
def test_voltages_that_freeze_flicker_or_are_missing(story: list[tuple[int, Action]]) -> None:
    play("switched", [(4, ("plug", 1, 400.0, 240)), *story])


@given(
    total_w=st.floats(0, 1e6),
    wanted_w=st.dictionaries(st.integers(1, 4), st.floats(0, 1e6), min_size=1),
)
def test_water_filling_is_fair_and_within_the_total(total_w: float, wanted_w: dict[int, float]) -> None:
    shares = water_fill(total_w, wanted_w)
    slack = 1e-6 * max(1.0, total_w)
    assert sum(shares.values()) <= total_w + slack
    assert all(0.0 <= shares[n] <= wanted_w[n] for n in wanted_w)
    short = [n for n in wanted_w if shares[n] < wanted_w[n] - slack]
    if short:
        assert sum(shares.values()) == pytest.approx(total_w, abs=slack)
        least = min(shares[n] for n in short)
        assert all(share <= least + slack for share in shares.values()), "no one has more than one that is short"
