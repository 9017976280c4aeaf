"""Groups of modules: what they measure together, and frames on a line that they share."""

from typing import Any, cast

from agent.field.assembly import GroupHardware
from agent.field.groups import GroupLines, GroupSide, gone, together
from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading


class Line:
    name = "modules"


class Stage:
    """Always has a frame."""

    def __init__(self) -> None:
        self.ordered: tuple[float, float, bool] | None = None

    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        self.ordered = (voltage_v, current_a, on)

    def poll(self, now_s: float) -> list[CanFrame]:
        return [CanFrame(1, b"")]

    def next_due(self, now_s: float) -> float:
        return now_s


def group(name: str, line: Line) -> GroupSide:
    return GroupSide(GroupHardware(name, cast("Any", None), cast("Any", line), cast("Any", Stage())))


def read(side: GroupSide, at_s: float, **values: float | bool) -> GroupSide:
    side.readings = {name: Reading(value, "u", at_s) for name, value in values.items()}
    return side


# Readings of a whole group, first and second.
A = {"module_count": 2, "module_voltage_v": 400.0, "module_current_a": 20.0, "module_fault": False}
B = {"module_count": 1, "module_voltage_v": 401.0, "module_current_a": 5.0, "module_fault": True}


def test_groups_of_one_connector_are_read_together() -> None:
    line = Line()
    first = read(
        group("A", line), 1.0, module_count=2, module_voltage_v=400.0, module_current_a=20.0, module_fault=False
    )
    second = read(
        group("B", line), 2.0, module_count=1, module_voltage_v=401.0, module_current_a=5.0, module_fault=True
    )
    found = {name: (reading.value, reading.at_s) for name, reading in together([first, second])}
    assert found == {
        "module_count": (3, 1.0),
        "module_voltage_v": (401.0, 1.0),
        "module_current_a": (25.0, 1.0),
        "module_fault": (True, 1.0),
    }


def test_what_one_group_lacks_is_absent_and_the_worst_quality_counts() -> None:
    line = Line()
    first = read(group("A", line), 1.0, module_count=2, module_voltage_v=400.0)
    second = read(group("B", line), 1.0, module_count=2)
    second.readings["module_count"] = Reading(2, "1", 1.0, Quality.SUSPECT)
    ((name, reading),) = together([first, second])
    assert (name, reading.quality) == ("module_count", Quality.SUSPECT)


def test_without_a_group_no_reading_is_a_value() -> None:
    assert all(not reading.quality.is_value and reading.at_s == 5.0 for _, reading in gone(5.0))
    assert {name for name, _ in gone(5.0)} >= {"module_voltage_v", "module_count"}


def test_frames_of_two_groups_on_one_line_are_apart_and_both_have_their_turn() -> None:
    line, sent = Line(), []
    sides = [group("A", line), group("B", line)]
    lines = GroupLines(sides, lambda _, frames, now_s: sent.append(now_s))
    for step in range(20):
        lines.run(step / 1000.0)
    assert sent == [0.0, 0.005, 0.01, 0.015]


def test_being_switched_is_seen_once() -> None:
    side = group("A", Line())
    assert [side.order(400.0, 1.0, True), side.order(401.0, 2.0, True), side.order(0.0, 0.0, False)] == [
        True,
        False,
        True,
    ]
