"""What wakes the field loop: the cycle, a queued request, and the next frame of the dialogue with the vehicle."""

import selectors
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.field import loop as field_loop
from agent.field.loop import FieldLoop

CYCLE_S = 0.010
BEGIN_S = 500.0


class World:
    """The loop with nothing around it but a clock by hand and a core that only says when its next frame is due."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = BEGIN_S
        self.waits_s: list[float] = []
        self.steps_s: list[float] = []
        self.frame_due_s = float("inf")
        monkeypatch.setattr(field_loop, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        line = SimpleNamespace(name="vehicle", fileno=lambda: -1, is_open=True)
        hardware = SimpleNamespace(
            modbus_lines=[],
            vehicle_line=line,
            module_line=line,
            power_stage=SimpleNamespace(
                poll=lambda _: [], next_due=lambda now_s: now_s + 1.0, demand=lambda *_: None, status=dict
            ),
        )
        world = self

        class Core:
            @property
            def next_frame_due_s(self) -> float:
                return world.frame_due_s

        self.loop = FieldLoop(
            cast(Any, Core()),
            cast(Any, None),
            cast(Any, hardware),
            cast(Any, SimpleNamespace(recorder=None)),
            cast(selectors.BaseSelector, SimpleNamespace(select=self.select)),
            cycle_s=CYCLE_S,
            readings_interval_s=1.0,
            readings_idle_interval_s=1.0,
        )
        monkeypatch.setattr(self.loop, "evaluate", self.steps_s.append)

    def select(self, timeout_s: float) -> list[Any]:
        self.waits_s.append(timeout_s)
        self.now_s += timeout_s
        return []


def test_without_a_frame_to_send_only_the_cycle_wakes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    for _ in range(4):
        world.loop.turn()
    assert world.steps_s == pytest.approx([BEGIN_S, BEGIN_S + 0.01, BEGIN_S + 0.02, BEGIN_S + 0.03])


def test_a_frame_leaves_when_it_is_due_and_not_with_the_next_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.loop.turn()
    world.frame_due_s = BEGIN_S + 0.004
    world.loop.turn()
    assert world.steps_s[-1] == pytest.approx(BEGIN_S + 0.004)
    world.frame_due_s = BEGIN_S + 0.054
    world.loop.turn()
    assert world.steps_s[-1] == pytest.approx(BEGIN_S + 0.010)


def test_a_frame_that_is_overdue_does_not_make_it_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.loop.turn()
    world.frame_due_s = BEGIN_S - 1.0
    world.loop.turn()
    assert world.waits_s[-1] == 0.0
    assert world.steps_s[-1] == BEGIN_S
