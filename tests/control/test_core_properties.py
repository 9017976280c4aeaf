"""Whatever comes in: the core never raises, never energises without permission, and ends every session once."""

from typing import Any

import msgspec
import pytest
from control_world import FAULTS, World, parameters_with, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interlock_cases import GOOD

from agent.control.dc.core import ControlCore
from agent.control.dc.steps import STEPS
from drivers.can.frame import CanFrame

USED_STEPS = "agent.control.dc.core.STEPS"
_NUMBERS = [0, 3.0, 4.0, 6.0, 9.0, 12.0, 59.0, 61.0, 96.0, 400.0, -50.0, float("nan"), float("inf"), 10**9]


def _values(name: str) -> st.SearchStrategy[Any]:
    return st.booleans() if isinstance(GOOD[name], bool) else st.sampled_from(_NUMBERS)


_ACTS = st.one_of(
    st.sampled_from(sorted(GOOD)).flatmap(lambda name: st.tuples(st.just("override"), st.just(name), _values(name))),
    st.tuples(st.just("clear"), st.none(), st.none()),
    st.tuples(st.just("missing"), st.sampled_from(sorted(GOOD)), st.none()),
    st.tuples(st.just("suspect"), st.sampled_from(sorted(GOOD)), st.none()),
    st.tuples(
        st.just("command"), st.sampled_from(["start", "start", "stop", "reset", "dance"]), st.sampled_from(["", "x"])
    ),
    st.tuples(
        st.just("vehicle"),
        st.sampled_from(
            [
                "silence BCL",
                "silence BSD",
                "silence BRM",
                "fault over_temperature",
                "freeze",
                "permit off",
                "permit on",
                "demand 1500 400",
                "demand 400 0",
                "normal",
            ]
        ),
        st.none(),
    ),
    st.tuples(st.just("plug"), st.booleans(), st.none()),
    st.tuples(
        st.just("flag"),
        st.sampled_from(["recorder_ok", "recorder_there", "modules_work", "vehicle_deaf"]),
        st.booleans(),
    ),
    st.tuples(st.just("frame"), st.integers(0, 2**29 - 1), st.binary(max_size=8)),
    st.tuples(st.just("weld"), st.sampled_from(["welded", "jammed"]), st.booleans()),
    st.tuples(st.just("clock"), st.integers(-(10**7), 10**7), st.sampled_from(["synced", "unset"])),
    st.tuples(st.just("port"), st.booleans(), st.none()),
)


def _do(world: World, kind: str, name: Any, value: Any) -> None:
    if kind == "override":
        world.override[name] = value
    elif kind == "clear":
        world.override.clear()
        world.missing.clear()
        world.suspect.clear()
    elif kind in ("missing", "suspect"):
        getattr(world, kind).add(name)
    elif kind == "command":
        world.command(name, command_id=value)
    elif kind == "vehicle":
        world.vehicle.command(name, world.now_s)
    elif kind == "plug":
        world.plant.plug() if name else world.plant.unplug()
    elif kind == "flag":
        setattr(world, name, value)
    elif kind == "frame":
        world.core.on_frame(CanFrame(name, value), world.now_s)
    elif kind == "weld":
        setattr(world.plant.contactor_k1, name, value)
    elif kind == "clock":
        world.wall_ms += name
        world.wall_quality = value
    else:
        world.core.on_vehicle_port(is_open=name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.sampled_from(["2015", "2023"]),
    st.sampled_from(["idle", "plugged", "locked", "insulation", "parameters", "precharge", "charging"]),
    st.lists(st.tuples(_ACTS, st.sampled_from([0.05, 0.3, 2.0])), max_size=10),
)
def test_nothing_that_happens_breaks_the_rules(
    edition: str, state: str, course: list[tuple[tuple[str, Any, Any], float]]
) -> None:
    """``check_outputs`` and ``check_end`` of the world hold at every step."""
    world = World(step_s=0.05, edition=edition).until(state)
    for (kind, name, value), seconds in course:
        _do(world, kind, name, value)
        world.run(seconds)
    world.core.request_shutdown()
    end_s = world.now_s + 40.0
    while world.now_s < end_s and not world.core.safe_to_exit:
        world.step()
    world.run(0.5)
    assert world.core.session is None, "a session that never ends"
    assert world.core.safe_to_exit
    assert world.log.events("internal_error") == []
    started = [record.session for record in world.log.kind("session_started")]
    ended = [record.session for record in world.log.kind("session_ended")]
    assert len(set(ended)) == len(ended), "a session that ended twice"
    assert set(started) <= set(ended)
    attempts = {record.body["id"] for record in world.log.kind("command") if record.body["name"] == "start"}
    assert len(ended) == len(attempts)
    numbers = [record.number for record in world.log.records]
    assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**29 - 1), st.lists(st.binary(max_size=8), max_size=20))
def test_the_same_inputs_give_the_same_outputs(identifier: int, frames: list[bytes]) -> None:
    def run() -> list[tuple[Any, ...]]:
        core = ControlCore(parameters_with(), 0.0)
        seen: list[tuple[Any, ...]] = []
        for number, data in enumerate(frames):
            core.on_frame(CanFrame(identifier, data), number * 0.1)
            outputs = core.evaluate(number * 0.1, number, "synced")
            seen.append((outputs.relays, outputs.set_point, outputs.frames, outputs.records, outputs.replies))
        return seen

    assert run() == run()


# Errors of the program itself.


def _broken(core: Any) -> None:
    raise KeyError("broken on purpose")


def test_an_error_opens_the_output_in_the_same_step_and_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World().until("charging")
    world.run(2.0)
    with monkeypatch.context() as patch:
        patch.setattr(USED_STEPS, {**STEPS, "charging": _broken})
        outputs = world.step()
        assert not outputs.relays["contactor_k1"]
        assert not outputs.set_point.on
        assert outputs.frames == []
        (event,) = world.log.events("internal_error")
        assert event["error"] == "KeyError: 'broken on purpose'"
        assert event["place"].startswith("_broken:")
        assert texts(world.core.permission.energise_reasons) == ("internal_error",)
    world.step()
    assert world.core.state == "stopping"
    assert world.run_to_end(30.0)["stop_reason"] == "internal_error"
    world.run(1.0)
    assert world.core.state == "faulted"
    world.command("reset")
    world.run(0.5)
    assert world.core.state == "plugged"


def test_the_third_error_in_a_row_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World().until("idle")
    monkeypatch.setattr(USED_STEPS, {**STEPS, "idle": _broken, "faulted": _broken})
    world.step()
    world.step()
    with pytest.raises(KeyError):
        world.step()


def test_errors_that_are_not_in_a_row_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World().until("idle")
    for _ in range(4):
        monkeypatch.setattr(USED_STEPS, dict.fromkeys(STEPS, _broken))
        world.step()
        monkeypatch.setattr(USED_STEPS, STEPS)
        world.step()
    assert len(world.log.events("internal_error")) == 4


def test_a_catalogue_without_a_fault_the_core_may_raise_is_refused() -> None:
    faults = {fault_id: fault for fault_id, fault in FAULTS.items() if fault_id not in ("smoke", "door_open")}
    with pytest.raises(ValueError, match="lacks door_open, smoke"):
        ControlCore(parameters_with(faults=faults), 0.0)


def test_only_faults_of_the_list_may_be_reported_by_the_sequence() -> None:
    with pytest.raises(ValueError, match="door_open"):
        ControlCore(parameters_with(), 0.0).point.fail("door_open")


def test_a_permission_lost_before_any_fault_opens_the_output_at_once() -> None:
    """A catalogue that gives the lost inputs a debounce does not delay the opening."""
    slow = {**FAULTS, "inputs_lost": msgspec.structs.replace(FAULTS["inputs_lost"], debounce_s=5.0)}
    world = World(faults=slow).until("charging")
    world.missing.add("door_open")
    world.run(0.7)
    assert world.core.state == "stopping"
    assert world.outputs is not None
    assert not world.outputs.relays["contactor_k1"]
    assert world.run_to_end(30.0)["stop_reason"] == "inputs_lost"
