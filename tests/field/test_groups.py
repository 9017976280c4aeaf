"""Groups of modules: what they measure together, and frames on a line that they share."""

from typing import Any, cast

from agent.field.assembly import GroupHardware
from agent.field.groups import GroupLines, GroupSide, gone, together
from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading


class Line:
    def __init__(self, name: str = "modules") -> None:
        self.name = name


class Stage:
    """Always has a frame, unless it is ``silent``; it is due again after ``pause_s``."""

    def __init__(self) -> None:
        self.ordered: tuple[float, float, bool] | None = None
        self.received: list[CanFrame] = []
        self.polls: list[float] = []
        self.silent = False
        self.pause_s = 0.0

    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        self.ordered = (voltage_v, current_a, on)

    def poll(self, now_s: float) -> list[CanFrame]:
        self.polls.append(now_s)
        return [] if self.silent else [CanFrame(1, b"")]

    def next_due(self, now_s: float) -> float:
        return now_s + self.pause_s

    def receive(self, frame: CanFrame) -> None:
        self.received.append(frame)

    def readings(self, now_s: float) -> list[tuple[str, Reading]]:
        return [("module_count", Reading(2, "1", now_s))]


def group(name: str, line: Line) -> GroupSide:
    return GroupSide(GroupHardware(name, cast("Any", None), cast("Any", line), cast("Any", Stage())))


def read(side: GroupSide, at_s: float, **values: float | bool) -> GroupSide:
    side.readings = {name: Reading(value, "u", at_s) for name, value in values.items()}
    return side


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
    assert cast("Stage", side.stage).ordered is None
    assert [side.order(400.0, 1.0, True), side.order(401.0, 2.0, True), side.order(0.0, 0.0, False)] == [
        True,
        False,
        True,
    ]


def test_a_single_group_is_read_as_it_is_with_its_own_time_and_quality() -> None:
    side = read(group("A", Line()), 1.0, module_voltage_v=400.0)
    side.readings["module_count"] = Reading(2, "1", 3.0, Quality.SUSPECT)
    assert together([side]) == list(side.readings.items())


def test_temperature_is_the_hottest_and_the_most_current_the_sum() -> None:
    line = Line()
    sides = [
        read(group("A", line), 1.0, module_temperature_c=40.0, module_maximum_current_a=100.0),
        read(group("B", line), 1.0, module_temperature_c=55.0, module_maximum_current_a=50.0),
    ]
    found = {name: reading.value for name, reading in together(sides)}
    assert found == {"module_temperature_c": 55.0, "module_maximum_current_a": 150.0}
    assert all(reading.quality is Quality.GOOD for _, reading in together(sides))


def test_frames_of_a_line_go_to_the_groups_on_it_and_what_they_read_is_kept() -> None:
    first, second = Line(), Line()
    sides = [group("A", first), group("B", second), group("C", first)]
    lines = GroupLines(sides, lambda *_: None)
    assert [side.id for side in lines.on_line(first)] == ["A", "C"]
    assert [side.id for side in lines.on_line(second)] == ["B"]
    frame = CanFrame(7, b"x")
    assert sides[0].take([frame, frame], 4.0) == [("module_count", Reading(2, "1", 4.0))]
    assert sides[0].readings == {"module_count": Reading(2, "1", 4.0)}
    assert sides[2].readings == {}
    sides[0].take([], 5.0)
    assert sides[0].readings["module_count"].at_s == 5.0
    assert cast("Stage", sides[0].stage).received == [frame, frame]


def test_groups_on_lines_of_their_own_do_not_wait_for_each_other() -> None:
    sent: list[tuple[str, float]] = []
    lines = GroupLines(
        [group("A", Line("one")), group("B", Line("two"))],
        lambda line, frames, now_s: sent.append((line.name, now_s)),
    )
    lines.run(0.0)
    lines.run(0.001)
    lines.run(0.002)
    assert sent == [("one", 0.0), ("two", 0.0), ("one", 0.002), ("two", 0.002)]


def test_a_group_without_a_frame_keeps_no_line_busy_and_is_asked_when_it_says() -> None:
    line, sent = Line(), []
    silent, talker = group("A", line), group("B", line)
    stage = cast("Stage", silent.stage)
    stage.silent, stage.pause_s = True, 0.5
    lines = GroupLines([silent, talker], lambda _, frames, now_s: sent.append(now_s))
    for step in range(3):
        lines.run(step / 1000.0)
    assert sent == [0.0]
    assert stage.polls == [0.0]
    lines.run(0.499)
    assert stage.polls == [0.0]
    lines.run(0.505)
    assert stage.polls == [0.0, 0.505]
