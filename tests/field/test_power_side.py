"""Power sharing joined with cores and groups: what feeds a connector, its readings, findings, feedback, status."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from field_world import FieldWorld, two_guns
from interlock_cases import GOOD

from agent.control.dc.power_share import ALONE
from agent.control.power.values import Finding, GroupStatus, PowerInputs, PowerOutputs, Ready
from agent.field import power_side
from agent.field.power_side import PowerSide
from agent.settings.load import load_site
from agent.vocabulary import kinds, reasons
from agent.vocabulary.signals import SIGNALS
from drivers.reading import Quality, Reading
from hil_tests.bench.site import write_site_file, write_two_guns_file

MODULES = {
    "module_count": 2,
    "module_voltage_v": 400.0,
    "module_current_a": 10.0,
    "module_fault": False,
    "module_temperature_c": 30.0,
    "module_maximum_current_a": 150.0,
}


@pytest.fixture
def switched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    """Two connectors and two groups that allocation contactors join to either."""
    return FieldWorld(load_site(write_two_guns_file(tmp_path, mqtt_port=1883, switched=True)), monkeypatch)


@pytest.fixture
def fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    return two_guns(tmp_path, monkeypatch)


INCOMER: Any = [{"role": "incomer", "bus": "meter", "address": 10, "model": "eastron-sdm630"}]


def power_of(world: FieldWorld) -> PowerSide:
    assert world.loop._power is not None
    return world.loop._power


def measure(world: FieldWorld, group_id: str, **changes: Any) -> None:
    """A group has measured: its readings, on their way to the connectors that it feeds."""
    (side,) = [group for group in world.loop._groups.groups if group.id == group_id]
    values = {**MODULES, **changes}
    found = [(name, Reading(value, SIGNALS[name].unit, world.clock.now_s)) for name, value in values.items()]
    side.readings.update(found)
    for connector, readings in power_of(world).readings(side, world.clock.now_s):
        for name, reading in readings:
            world.loop.cores[connector].on_reading(name, reading)


def module_voltages(world: FieldWorld) -> list[Any]:
    return [core.image.value("module_voltage_v", world.clock.now_s) for core in world.loop.cores.values()]


def outputs_with(world: FieldWorld, **changes: Any) -> PowerOutputs:
    """The last result with some of it replaced."""
    world.step()
    outputs = power_of(world).outputs
    assert outputs is not None
    return dataclasses.replace(outputs, **changes)


def watched(world: FieldWorld, monkeypatch: pytest.MonkeyPatch) -> list[PowerInputs]:
    """What power sharing gets from now on, evaluation by evaluation."""
    seen: list[PowerInputs] = []
    manager = power_of(world)._manager
    evaluate = manager.evaluate

    def watch(now_s: float, inputs: PowerInputs) -> PowerOutputs:
        seen.append(inputs)
        return evaluate(now_s, inputs)

    monkeypatch.setattr(manager, "evaluate", watch)
    return seen


def play(world: FieldWorld, monkeypatch: pytest.MonkeyPatch, outputs: PowerOutputs) -> None:
    """Power sharing decides ``outputs`` from now on."""
    monkeypatch.setattr(power_of(world)._manager, "evaluate", lambda now_s, inputs: outputs)
    world.step()


def test_a_group_at_home_for_good_feeds_its_connector_from_the_start(fixed: FieldWorld) -> None:
    measure(fixed, "A", module_voltage_v=401.0)
    measure(fixed, "B", module_voltage_v=402.0)
    assert module_voltages(fixed) == [401.0, 402.0]
    fixed.step()
    assert [core.point.sharing for core in fixed.loop.cores.values()] == [ALONE, ALONE]


def test_a_group_behind_contactors_feeds_no_connector_before_it_is_joined(switched: FieldWorld) -> None:
    measure(switched, "A")
    measure(switched, "B")
    assert module_voltages(switched) == [None, None]
    switched.step()
    for core in switched.loop.cores.values():
        assert core.point.sharing.modules_away
        assert core.point.sharing.reasons
        assert {reason.code for reason in core.point.sharing.reasons} == {reasons.GROUPS_NOT_READY}


def test_groups_that_are_joined_are_read_together_and_gone_when_they_leave(
    switched: FieldWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = outputs_with(
        switched,
        groups={"A": GroupStatus("joined", 1), "B": GroupStatus("unloading", 1)},
        ready={1: Ready(True), 2: Ready(False, ("no group",))},
    )
    measure(switched, "A", module_voltage_v=401.0, module_current_a=10.0)
    measure(switched, "B", module_voltage_v=402.0, module_current_a=5.0)
    play(switched, monkeypatch, joined)
    first, second = switched.loop.cores.values()
    assert module_voltages(switched) == [402.0, None]
    assert first.image.value("module_current_a", switched.clock.now_s) == 15.0
    assert first.point.sharing == ALONE
    assert [reason.text for reason in second.point.sharing.reasons] == [f"{reasons.GROUPS_NOT_READY}: no group"]
    parted = outputs_with(
        switched, groups={"A": GroupStatus("opening", 1), "B": GroupStatus("parked", None)}, ready=joined.ready
    )
    play(switched, monkeypatch, parted)
    assert module_voltages(switched) == [None, None], "the last reading counts no longer, however young"
    assert first.point.sharing.modules_away, "ready without a group is not ready"


def test_a_finding_acts_on_its_connector_and_one_of_the_pile_on_all(
    fixed: FieldWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Finding("allocation_contactor_welded", 2, "A", "allocation_a2")
    play(fixed, monkeypatch, outputs_with(fixed, findings=(own,)))
    assert [core.point.sharing.findings for core in fixed.loop.cores.values()] == [
        frozenset(), frozenset({"allocation_contactor_welded"}),
    ]  # fmt: skip
    play(fixed, monkeypatch, outputs_with(fixed, findings=(own, Finding("incomer_overload", None))))
    assert [core.point.sharing.findings for core in fixed.loop.cores.values()] == [
        frozenset({"incomer_overload"}), frozenset({"allocation_contactor_welded", "incomer_overload"}),
    ]  # fmt: skip
    assert power_of(fixed).status()["findings"] == [
        {"fault": "allocation_contactor_welded", "connector": 2, "group": "A", "output": "allocation_a2"},
        {"fault": "incomer_overload", "connector": None, "group": None, "output": None},
    ]


def test_an_event_is_recorded_at_its_connector_and_one_of_the_pile_at_the_first(
    fixed: FieldWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = (
        {"event": "power_group", "group": "B", "state": "joined", "connector": 2},
        {"event": "power_budget", "power_w": 1, "by": "profile"},
    )
    outputs = outputs_with(fixed, events=events)
    before = fixed.loop.pile.backlog.last_number
    play(fixed, monkeypatch, outputs)
    new = [record for record in fixed.loop.pile.backlog.pending() if record.number > before]
    found = [(record.body["event"], record.connector) for record in new if record.kind == kinds.EVENT]
    assert found == [("power_group", 2), ("power_budget", 1)]


def test_a_closing_that_the_last_gate_refuses_is_an_error_of_the_program_once(
    switched: FieldWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    for core in switched.loop.cores.values():
        monkeypatch.setattr(core.chassis.guard, "note", lambda error: noted.append(str(error)))
    refused = outputs_with(switched, refused=("allocation_a2",))
    assert noted == []
    play(switched, monkeypatch, refused)
    switched.step()
    assert len(noted) == 2, "each connector once, not in every evaluation"
    assert all("allocation_a2" in text for text in noted)


def test_feedback_and_reset_reach_power_sharing(switched: FieldWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(switched, monkeypatch)
    row = switched.loop._power_parameters.paths("A")[2]
    closed = Reading(True, "bool", switched.clock.now_s)
    switched.loop._deliver(row.feedback, closed)
    switched.step()
    assert seen[-1].groups["A"].feedback[2] is closed
    assert seen[-1].groups["A"].feedback[1] is None
    resets = [seen[-1].reset]
    switched.ask(switched.local, "reset", "a", connector=1)
    resets.append(seen[-1].reset)
    switched.step(2.0)
    resets.append(seen[-1].reset)
    switched.ask(switched.north, "reset", "b", connector=1, origin=reasons.ORIGIN_PLATFORM)
    resets.append(seen[-1].reset)
    # It acts for 2 s, and only a person at the pile resets.
    assert resets == [False, True, False, False]


@pytest.mark.parametrize("shared", [False, True])
def test_power_at_the_incomer_is_for_power_sharing_and_for_the_power_quality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    limit = {"incomer_limit_w": 40_000} if shared else {}
    site = load_site(write_site_file(tmp_path, mqtt_port=1883, auxiliary_meter=INCOMER, power=limit))
    world = FieldWorld(site, monkeypatch)
    watch = world.loop.cores[1].point.power_quality
    assert watch is not None
    taken: list[tuple[str, Reading]] = []
    monkeypatch.setattr(watch, "take", lambda name, reading: taken.append((name, reading)))
    incomer = Reading(50_000.0, "W", world.clock.now_s)
    seen = watched(world, monkeypatch) if shared else []
    world.loop._deliver("active_power_w", incomer)
    world.step()
    assert taken == [("active_power_w", incomer)]
    assert [inputs.incomer_power_w for inputs in seen] == ([incomer] if shared else [])
    if shared:
        assert world.loop.cores[1].point.sharing.findings == {"incomer_overload"}


def test_a_vehicle_that_is_plugged_in_asks_for_the_groups_only_where_they_are_switched(
    switched: FieldWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fixed").mkdir()
    for world, wanted in ((switched, True), (two_guns(tmp_path / "fixed", monkeypatch), False)):
        seen = watched(world, monkeypatch)
        world.step()
        assert not seen[-1].connectors[1].wants_power
        for _ in range(300):
            for name, value in GOOD.items():
                world.loop.cores[1].on_reading(name, Reading(value, SIGNALS[name].unit, world.clock.now_s))
            world.step()
        assert world.loop.cores[1].state == "plugged"
        assert (seen[-1].connectors[1].wants_power, seen[-1].connectors[2].wants_power) == (wanted, False)
        assert seen[-1].connectors[1].wanted_power_w == (power_side._START_NEED_W if wanted else 0.0)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (Reading(True, "bool", 1.0), Reading(True, "bool", 2.0), Reading(True, "bool", 1.0)),
        (Reading(False, "bool", 3.0), Reading(False, "bool", 2.0), Reading(False, "bool", 2.0)),
        (Reading(True, "bool", 1.0), Reading(False, "bool", 1.0), None),
        (None, Reading(True, "bool", 1.0), None),
        (Reading(True, "bool", 1.0), None, None),
        (Reading(True, "bool", 1.0, Quality.SUSPECT), Reading(True, "bool", 1.0), None),
        (Reading(True, "bool", 1.0), Reading(True, "bool", 1.0, Quality.SUSPECT), None),
    ],
)
def test_k1_and_k2_count_together_only_when_they_agree(
    first: Reading | None, second: Reading | None, both: Reading | None
) -> None:
    assert power_side._both(first, second) == both


def test_the_status_shows_budget_shares_and_groups(fixed: FieldWorld) -> None:
    assert power_of(fixed).status() == {}
    measure(fixed, "A", module_voltage_v=400.04, module_current_a=9.96)
    fixed.step()
    status = power_of(fixed).status()
    assert status["budget_w"] == fixed.loop._power_parameters.maximum_power_w
    assert status["groups"]["A"] == {"state": "joined", "connector": 1, "voltage_v": 400.0, "current_a": 10.0}
    assert status["groups"]["B"] == {"state": "joined", "connector": 2, "voltage_v": None, "current_a": None}
    assert set(status["shares"]["1"]) == {"power_w", "current_a", "by"}
    assert status["ready"] == {"1": [], "2": []}


def test_an_incomer_limit_alone_begins_power_sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = load_site(write_site_file(tmp_path, mqtt_port=1883, power={"incomer_limit_w": 40_000}))
    world = FieldWorld(site, monkeypatch)
    budget_w, by = world.budget()
    assert by == "incomer"
    assert 30_000 < budget_w < 40_000
