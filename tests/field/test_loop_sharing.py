"""The loop of a pile that shares power: frames of the modules to connectors, set points and contactors to the wires."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import pytest
from field_world import FieldWorld, PaperClock, one_gun, two_guns

from agent.control.power.values import OFF, PowerOutputs, SetPoint
from agent.field.groups import GroupSide
from agent.settings.load import load_site
from drivers.can.frame import CanFrame
from drivers.reading import Reading
from hil_tests.bench.site import write_two_guns_file


class Stage:
    """Measures what it is asked to give; each frame is a new measurement."""

    def __init__(self) -> None:
        self.orders: list[tuple[float, float, bool]] = []
        self.frames = 0

    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        self.orders.append((voltage_v, current_a, on))

    def receive(self, frame: CanFrame) -> None:
        self.frames += 1

    def poll(self, now_s: float) -> list[CanFrame]:
        return []

    def next_due(self, now_s: float) -> float:
        return now_s

    def readings(self, now_s: float) -> list[tuple[str, Reading]]:
        return [("module_voltage_v", Reading(100.0 + self.frames, "V", now_s))] if self.frames else []

    def status(self) -> dict[int, dict[str, object]]:
        return {}


def on_paper(world: FieldWorld) -> dict[str, Stage]:
    """Every group gets a stage of paper."""
    stages = {}
    for group in world.loop._groups.groups:
        stages[group.id] = Stage()
        group.stage = stages[group.id]
    return stages


def group(world: FieldWorld, group_id: str) -> GroupSide:
    (found,) = [each for each in world.loop._groups.groups if each.id == group_id]
    return found


def arrive(world: FieldWorld, monkeypatch: pytest.MonkeyPatch, group_id: str, frames: int = 1) -> int:
    line = group(world, group_id).line
    monkeypatch.setattr(line, "read", lambda now_s: [CanFrame(1, b"")] * frames)
    return world.loop._read_line(line, world.clock.now_s)


def voltages(world: FieldWorld) -> list[Any]:
    return [core.image.value("module_voltage_v", world.clock.now_s) for core in world.loop.cores.values()]


def test_without_power_sharing_the_modules_are_those_of_the_connector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = one_gun(tmp_path, monkeypatch)
    on_paper(world)
    assert voltages(world) == [None]
    assert arrive(world, monkeypatch, "A", 2) == 2
    assert voltages(world) == [102.0]
    assert arrive(world, monkeypatch, "A", 0) == 0


def test_frames_of_a_group_reach_the_connector_that_it_feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_guns(tmp_path, monkeypatch)
    stages = on_paper(world)
    shared = group(world, "A").line is group(world, "B").line
    arrive(world, monkeypatch, "A")
    assert voltages(world) == [101.0, 101.0 if shared else None]
    arrive(world, monkeypatch, "B")
    assert [stages["A"].frames, stages["B"].frames] == ([2, 2] if shared else [1, 1])
    assert voltages(world)[1] is not None


def test_set_points_of_power_sharing_reach_their_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_guns(tmp_path, monkeypatch)
    stages = on_paper(world)
    world.step()
    assert [stage.orders[-1] for stage in stages.values()] == [(0.0, 0.0, False), (0.0, 0.0, False)]
    decide(world, monkeypatch, set_points={"A": SetPoint(True, 400.0, 20.0), "B": OFF})
    assert (stages["A"].orders[-1], stages["B"].orders[-1]) == ((400.0, 20.0, True), (0.0, 0.0, False))


def test_a_group_that_is_switched_sends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_guns(tmp_path, monkeypatch)
    on_paper(world)
    world.step()
    sent: list[float] = []
    monkeypatch.setattr(world.loop._groups, "run", sent.append)
    decide(world, monkeypatch, set_points={"A": SetPoint(True, 400.0, 20.0), "B": OFF})
    assert sent == [world.clock.now_s]
    world.step()
    assert len(sent) == 1, "a new set point waits for the beat of the cycle"
    decide(world, monkeypatch, set_points={"A": OFF, "B": OFF})
    assert len(sent) == 2


class Allocation:
    """The wires to the allocation contactors."""

    def __init__(self, clock: PaperClock) -> None:
        self.set: list[tuple[str, bool]] = []
        self.off = 0
        self._clock = clock

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        assert now_s == self._clock.now_s
        self.set.append((name, on))

    def all_off(self, now_s: float) -> None:
        self.off += 1


def test_allocation_contactors_follow_and_are_commanded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = FieldWorld(load_site(write_two_guns_file(tmp_path, mqtt_port=1883, switched=True)), monkeypatch)
    stages = on_paper(world)
    wires = Allocation(world.clock)
    world.loop.hardware.allocation = cast("Any", wires)
    world.step()
    outputs = world.loop._power_parameters.outputs
    assert sorted(wires.set) == [(name, False) for name in sorted(outputs)]
    wires.set.clear()
    relays = {name: name == outputs[0] for name in outputs}
    on = SetPoint(True, 400.0, 20.0)
    decide(world, monkeypatch, relays=relays, set_points={"A": on, "B": on})
    assert sorted(wires.set) == sorted(relays.items())
    wires.set.clear()
    world.step()
    assert wires.set == []
    assert [stage.orders[-1][2] for stage in stages.values()] == [True, True]
    world.loop.close()
    assert wires.off == 1
    assert [stage.orders[-1] for stage in stages.values()] == [(0.0, 0.0, False), (0.0, 0.0, False)]


def decide(world: FieldWorld, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Power sharing decides as it did last, with some of it replaced, from now on."""
    power = world.loop._power
    assert power is not None
    assert power.outputs is not None
    outputs: PowerOutputs = dataclasses.replace(power.outputs, events=(), **changes)
    monkeypatch.setattr(power._manager, "evaluate", lambda now_s, inputs: outputs)
    world.step()
