"""The last gate: every combination of what is asked, permitted and commanded, and the only place that makes outputs."""

import ast
import itertools
from pathlib import Path

import msgspec
import pytest

from agent.control.safety.gate import NOTHING, OFF, Asked, Held, SetPoint, at_rest, relays, release
from agent.control.safety.permission import Permission
from agent.vocabulary.reasons import Reason

ROOT = Path(__file__).parents[2]
NOW_S = 50.0
ON = SetPoint(400.0, 20.0, True)
WHY = (Reason("why"),)


def verdict(energise: bool, close: bool) -> Permission:
    return Permission(energise, close, False, () if energise else WHY, () if close else WHY, WHY)


TRI = (None, False, True)
POINTS = (None, OFF, ON)


@pytest.mark.parametrize(("energise", "close"), [(False, False), (True, False), (True, True), (False, True)])
@pytest.mark.parametrize("held_contactors", [False, True])
@pytest.mark.parametrize("held_point", [OFF, ON])
def test_nothing_gets_past_the_permission(
    energise: bool, close: bool, held_contactors: bool, held_point: SetPoint
) -> None:
    held = Held(
        contactors=held_contactors, set_point=held_point, idle_since_s=None if held_point.on else 1.0,
        ceiling_v=500.0 if held_point.on else None,
    )  # fmt: skip
    permission = verdict(energise, close)
    for contactors, point, others in itertools.product(TRI, POINTS, TRI):
        asked = Asked(
            contactors=contactors, set_point=point, ceiling_v=500.0, lock=others, discharge=others,
            auxiliary_supply=others, insulation_monitor=others,
        )  # fmt: skip
        new = release(asked, permission, held, NOW_S)
        wanted = held_contactors if contactors is None else contactors
        assert new.contactors is (wanted and energise and (held_contactors or close))
        assert new.set_point == ((held_point if point is None else point) if energise else OFF)
        assert new.set_point.on is (new.idle_since_s is None)
        assert new.set_point.on or new.ceiling_v is None


def test_what_is_not_asked_is_left_and_nothing_else_closes() -> None:
    held = Held(lock=True, discharge=True, auxiliary_supply=True, auxiliary_since_s=3.0, insulation_monitor=True,
                idle_since_s=2.0)  # fmt: skip
    assert release(Asked(), verdict(True, True), held, NOW_S) == held
    assert release(Asked(), Permission.denied("why"), held, NOW_S) == held
    assert release(NOTHING, Permission.denied("why"), held, NOW_S) is held


@pytest.mark.parametrize("energise", [False, True])
@pytest.mark.parametrize("contactors", [False, True])
@pytest.mark.parametrize("point", [OFF, ON])
def test_the_short_way_for_nothing_asked_is_the_long_way(energise: bool, contactors: bool, point: SetPoint) -> None:
    held = Held(contactors=contactors, set_point=point, idle_since_s=None if point.on else 1.0,
                ceiling_v=400.0 if point.on else None)  # fmt: skip
    permission = verdict(energise, energise)
    assert release(NOTHING, permission, held, NOW_S) == release(Asked(), permission, held, NOW_S)


def test_the_lock_is_commanded_only_once_it_is_decided() -> None:
    first = at_rest(7.0)
    assert first == Held(idle_since_s=7.0)
    assert "electronic_lock" not in relays(first, fault_lamp=False)
    for lock in (True, False):
        held = release(Asked(lock=lock), Permission.denied("why"), first, NOW_S)
        assert relays(held, fault_lamp=False)["electronic_lock"] is lock


def test_rest_is_everything_off() -> None:
    assert msgspec.structs.astuple(OFF) == (0.0, 0.0, False)
    assert Held().contactors_since_s == 0.0
    assert [value for value in msgspec.structs.astuple(at_rest(7.0)) if value] == [OFF, 7.0, float("-inf")]


@pytest.mark.parametrize("made", [OFF, Held(), verdict(True, True)])
def test_what_is_commanded_and_permitted_cannot_be_changed(made: msgspec.Struct) -> None:
    """Only this gate makes outputs, and nothing changes those that it has made."""
    for name in made.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(made, name, True)


@pytest.mark.parametrize("kind", [Asked, Held])
def test_outputs_are_given_with_their_names(kind: type[Asked | Held]) -> None:
    """True in the wrong place would be another output."""
    with pytest.raises(TypeError):
        kind(True)  # type: ignore[call-arg]


def test_since_when_the_outputs_are_as_they_are() -> None:
    yes = verdict(True, True)
    closed = release(Asked(contactors=True, auxiliary_supply=True), yes, at_rest(1.0), 10.0)
    assert (closed.contactors_since_s, closed.auxiliary_since_s) == (10.0, 10.0)
    still = release(Asked(contactors=True, auxiliary_supply=True), yes, closed, 11.0)
    assert (still.contactors_since_s, still.auxiliary_since_s) == (10.0, 10.0)
    opened = release(Asked(contactors=False, auxiliary_supply=False), yes, still, 12.0)
    assert (opened.contactors_since_s, opened.auxiliary_since_s) == (12.0, None)
    lost = release(Asked(contactors=True), verdict(False, False), still, 13.0)
    assert (lost.contactors, lost.contactors_since_s) == (False, 13.0)


def test_the_ceiling_holds_since_the_first_set_point() -> None:
    yes = verdict(True, True)
    first = release(Asked(set_point=ON, ceiling_v=410.0), yes, at_rest(1.0), 10.0)
    assert (first.ceiling_v, first.ceiling_since_s, first.idle_since_s) == (410.0, 10.0, None)
    second = release(Asked(set_point=ON, ceiling_v=420.0), yes, first, 11.0)
    assert (second.ceiling_v, second.ceiling_since_s) == (420.0, 10.0)
    left = release(Asked(), yes, second, 12.0)
    assert (left.ceiling_v, left.ceiling_since_s) == (420.0, 10.0)
    off = release(Asked(set_point=OFF), yes, left, 13.0)
    assert (off.ceiling_v, off.idle_since_s) == (None, 13.0)
    assert release(Asked(set_point=OFF), yes, off, 14.0).idle_since_s == 13.0
    again = release(Asked(set_point=ON, ceiling_v=400.0), yes, off, 15.0)
    assert again.ceiling_since_s == 15.0


def test_a_set_point_that_is_refused_counts_as_seen_by_the_modules() -> None:
    refused = release(Asked(set_point=ON, ceiling_v=410.0), verdict(False, False), at_rest(1.0), 10.0)
    assert (refused.set_point, refused.idle_since_s) == (OFF, 10.0)


def test_the_relays_follow_what_is_commanded() -> None:
    held = Held(contactors=True, auxiliary_supply=True, discharge=True, insulation_monitor=True, set_point=ON)
    assert relays(held, fault_lamp=True) == dict.fromkeys(
        ("contactor_k1", "contactor_k2", "auxiliary_supply", "discharge", "insulation_monitor", "fan", "fault_lamp"),
        True,
    )
    assert not any(relays(Held(), fault_lamp=False).values())


def _calls(name: str) -> set[str]:
    """Files of the control in which something called ``name`` is called."""
    found = set()
    for path in (ROOT / "agent" / "control").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == name:
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_the_gate_makes_what_is_commanded() -> None:
    assert _calls("Held") == {"agent/control/safety/gate.py"}
    assert _calls("relays") == {"agent/control/dc/core.py"}
    assert _calls("release") <= {
        "agent/control/dc/point.py",
        "agent/control/dc/core.py",
        "agent/control/dc/applying.py",
    }


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", sorted((ROOT / "agent/control/dc/steps").glob("*.py")), ids=lambda path: path.stem)
def test_a_step_knows_views_and_wants_and_nothing_that_acts(path: Path) -> None:
    allowed = {"collections.abc", "typing", "msgspec"}
    of_the_agent = {name for name in _imports(path) if name not in allowed}
    acting = {"core", "point", "applying", "sessions", "requests", "reactions", "machine", "vehicle_events"}
    assert not {name for name in of_the_agent if name.rpartition(".")[2] in acting}
    assert not {name for name in of_the_agent if name.startswith(("agent.control.chassis", "agent.control.safety"))}
    assert not {name for name in of_the_agent if name.startswith("drivers")}


SAFETY_LINES = 1500


def test_the_safety_part_can_be_read_in_one_sitting() -> None:
    folder = ROOT / "agent/control/safety"
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.glob("*.py"))
    assert 0 < lines <= SAFETY_LINES
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert [
        path.name for path in sorted(folder.glob("*.py")) if path.name not in page and path.stem != "__init__"
    ] == []
