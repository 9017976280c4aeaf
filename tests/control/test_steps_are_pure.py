"""A step is a function of its view: the same view gives the same wants, and nothing but the wants changes anything."""

import copy
from collections.abc import Callable

import msgspec
import pytest
from control_world import World

from agent.control.dc.steps import STEPS
from agent.control.dc.view import View
from agent.control.dc.wants import Wants

USED_STEPS = "agent.control.dc.core.STEPS"


def _twice(step: Callable[[View], Wants], seen: set[str], name: str) -> Callable[[View], Wants]:
    def run(view: View) -> Wants:
        other = msgspec.structs.replace(view, memory=copy.copy(view.memory))
        charger = view.dialogue._charger
        before = (copy.copy(charger.vehicle), charger.phase, charger.paused, charger.local_time, view.held)
        first = step(other)
        assert before == (charger.vehicle, charger.phase, charger.paused, charger.local_time, view.held)
        second = step(view)
        assert first == second
        seen.add(name)
        return second

    return run


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_every_step_asked_twice_wants_the_same(edition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    monkeypatch.setattr(USED_STEPS, {name: _twice(step, seen, name) for name, step in STEPS.items()})
    world = World(step_s=0.05, edition=edition).until("charging")
    world.run(3.0)
    assert world.vehicle.command("permit off", world.now_s).ok
    world.run(6.0)
    assert world.vehicle.command("permit on", world.now_s).ok
    world.run(6.0)
    assert world.vehicle.command("silence BCL", world.now_s).ok
    world.run(4.0)
    assert world.vehicle.command("speak BCL", world.now_s).ok
    world.run(10.0)
    world.override["emergency_stop_pressed"] = True
    world.run(0.2)
    del world.override["emergency_stop_pressed"]
    world.run_to_end(40.0)
    world.run(1.0)
    world.command("reset")
    world.run(1.0)
    world.plant.unplug()
    world.run(2.0)
    assert seen == set(STEPS)
