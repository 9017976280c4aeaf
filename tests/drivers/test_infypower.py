"""InfyPower modules: frames against the vectors of the protocol, behaviour in virtual time."""

import math
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.power import infypower
from drivers.power.infypower import InfyPower, identifier
from drivers.power.module_group import GroupPlan
from drivers.reading import Quality, Reading

ALL_ON_OFF = 0x029A3FF0
ALL_OUTPUT = 0x029B3FF0
ALL_WALK_IN = 0x02933FF0


def reply(command: int, module: int, data: bytes, at_s: float, error: int = 0) -> CanFrame:
    return CanFrame(error << 26 | identifier(command, 0xF0, module), data, at_s)


class Line:
    """Modules that answer reads at once, and the log of what was sent."""

    def __init__(self, stage: InfyPower, modules: int = 2) -> None:
        self.stage = stage
        self.now_s = 50.0
        self.alive = set(range(modules))
        self.sent: list[tuple[float, CanFrame]] = []
        self.output = dict.fromkeys(range(modules), (400.0, 10.0))
        self.words = dict.fromkeys(range(modules), (0, 0, 0))
        self.demand: tuple[float, float, bool] | None = None

    def run(self, seconds: float) -> list[tuple[float, CanFrame]]:
        """Goes through time in steps of 5 ms and returns what was sent."""
        begin = len(self.sent)
        for _ in range(round(seconds / 0.005)):
            self.now_s += 0.005
            if self.demand is not None:
                self.stage.set_point(*self.demand)
            for frame in self.stage.poll(self.now_s):
                self.sent.append((self.now_s, frame))
                self.answer(frame)
        return self.sent[begin:]

    def answer(self, frame: CanFrame) -> None:
        command, destination = frame.identifier >> 16 & 0x3F, frame.identifier >> 8 & 0xFF
        for module in sorted(self.alive):
            if destination not in (module, 0x3F):
                continue
            if command == 0x04:
                status2, status1, status0 = self.words[module]
                data = struct.pack(">BBBBbBBB", 0, 0, 0, 0, 31 + module, status2, status1, status0)
            elif command == 0x09:
                voltage_v, current_a = self.output[module]
                data = struct.pack(">II", round(voltage_v * 1000), round(current_a * 1000))
            elif command == 0x0A:
                data = struct.pack(">HHHH", 1000, 150, 1000, 3000)
            else:
                continue
            self.stage.receive(reply(command, module, data, self.now_s))

    def readings(self) -> dict[str, Reading]:
        return dict(self.stage.readings(self.now_s))


def sent_of(frames: list[tuple[float, CanFrame]], wanted: int) -> list[tuple[float, bytes]]:
    return [(at_s, frame.data) for at_s, frame in frames if frame.identifier == wanted]


def test_identifiers_match_the_examples_of_the_protocol() -> None:
    assert identifier(0x1A, 0x3F) == 0x029A3FF0
    assert identifier(0x1C, 0x3F) == 0x029C3FF0
    assert identifier(0x09, 0xF0, source=0x00) == 0x0289F000
    assert identifier(0x1B, 0x02, device=0x0B) == 0x02DB02F0


def test_set_points_are_millivolts_and_milliamperes_high_byte_first() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.demand = (750.0, 15.0, True)
    frames = line.run(0.2)
    assert sent_of(frames, ALL_OUTPUT)[-1][1] == bytes.fromhex("000B71B000003A98")
    assert sent_of(frames, ALL_ON_OFF)[-1][1] == bytes(8)


def test_output_replies_decode_as_in_the_example() -> None:
    stage = InfyPower(GroupPlan.of(1))
    stage.receive(CanFrame(0x0289F000, bytes.fromhex("00030D4000001388"), 1.0))
    readings = dict(stage.readings(1.1))
    assert (readings["module_voltage_v"].value, readings["module_current_a"].value) == (200.0, 5.0)
    assert readings["module_voltage_v"].at_s == 1.0


def test_without_a_demand_the_modules_are_held_off() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    frames = line.run(1.0)
    assert {data for _, data in sent_of(frames, ALL_ON_OFF)} == {bytes.fromhex("0100000000000000")}
    assert {data for _, data in sent_of(frames, ALL_OUTPUT)} == {bytes(8)}
    assert len(sent_of(frames, ALL_ON_OFF)) == pytest.approx(10, abs=1)


def test_the_whole_state_is_repeated_and_no_two_frames_are_close() -> None:
    line = Line(InfyPower(GroupPlan.of(2), 0.1, frame_spacing_s=0.01, walk_in=True))
    line.demand = (500.0, 60.0, True)
    frames = line.run(10.0)
    gaps = [b - a for (a, _), (b, _) in pairwise(frames)]
    assert min(gaps) >= 0.01 - 1e-9
    for command in (ALL_OUTPUT, ALL_ON_OFF):
        times = [at_s for at_s, _ in sent_of(frames, command)]
        assert max(b - a for a, b in pairwise(times)) <= 0.121
    assert {data for _, data in sent_of(frames, ALL_WALK_IN)} == {bytes.fromhex("0100000000000000")}
    # 0x1C would multiply the current by the number of modules and excludes 0x1B.
    assert not [f for _, f in frames if f.identifier >> 16 & 0x3F == 0x1C]


def test_reads_carry_eight_zero_bytes() -> None:
    frames = Line(InfyPower(GroupPlan.of(2))).run(3.0)
    reads = [f for _, f in frames if f.identifier >> 16 & 0x3F in (0x04, 0x09, 0x0A)]
    assert {f.identifier >> 16 & 0x3F for f in reads} == {0x04, 0x09, 0x0A}
    assert {f.data for f in reads} == {bytes(8)}


def test_switching_on_sends_the_set_point_first_switching_off_the_switch() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.run(0.5)
    line.demand = (400.0, 20.0, True)
    commands = [f for _, f in line.run(0.05) if f.identifier in (ALL_OUTPUT, ALL_ON_OFF)]
    assert [f.identifier for f in commands[:2]] == [ALL_OUTPUT, ALL_ON_OFF]
    assert commands[0].data == struct.pack(">II", 400_000, 20_000)
    line.run(0.333)
    line.demand = (400.0, 20.0, False)
    [(at_s, first), *_] = line.run(0.05)
    assert (first.identifier, first.data[0]) == (ALL_ON_OFF, 1)
    assert at_s <= line.now_s - 0.05 + 0.015


def test_a_demand_that_is_not_renewed_ends_after_one_second() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.demand = (400.0, 20.0, True)
    line.run(2.0)
    line.demand = None
    renewed_s = line.now_s
    frames = line.run(2.0)
    offs = [at_s for at_s, data in sent_of(frames, ALL_ON_OFF) if data[0] == 1]
    assert 1.0 <= offs[0] - renewed_s <= 1.03
    assert {data for at_s, data in sent_of(frames, ALL_OUTPUT) if at_s > offs[0]} == {bytes(8)}


def test_a_lower_demand_does_not_wait_for_its_turn_and_reads_survive_a_falling_ramp() -> None:
    line = Line(InfyPower(GroupPlan.of(2), 0.2))
    line.demand = (400.0, 100.0, True)
    line.run(1.0)
    for tenth in range(3000):
        line.demand = (400.0, 100.0 - tenth / 100, True)
        line.run(0.005)
        at_s = line.readings()["module_voltage_v"].at_s
        assert line.now_s - at_s < 1.0
    line.demand = (400.0, 5.0, True)
    frames = line.run(0.13)
    assert struct.pack(">II", 400_000, 5_000) in [data for _, data in sent_of(frames, ALL_OUTPUT)]


@pytest.mark.parametrize("wrong", [(-1.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_an_undefined_demand_is_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="set point"):
        InfyPower(GroupPlan.of(2)).set_point(*wrong, True)


@pytest.mark.parametrize("wrong", [(0, 0.1, 0.01), (61, 0.1, 0.01), (2, 0.3, 0.01), (2, 0.1, 0.05)])
def test_settings_out_of_range_are_refused(wrong: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match=r"within|room|none"):
        InfyPower(GroupPlan.of(wrong[0]), wrong[1], frame_spacing_s=wrong[2])


def test_signals_of_a_healthy_stage() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.output = {0: (400.0, 10.0), 1: (401.0, 12.5)}
    line.run(3.0)
    readings = line.readings()
    assert {name: r.value for name, r in readings.items()} == {
        "module_count": 2,
        "module_voltage_v": 401.0,
        "module_current_a": 22.5,
        "module_fault": False,
        "module_temperature_c": 32,
        "module_maximum_current_a": 200.0,
    }
    assert {r.quality for r in readings.values()} == {Quality.GOOD}
    for name, limit_s in (("module_voltage_v", 0.5), ("module_fault", 1.2)):
        assert line.now_s - readings[name].at_s < limit_s


def test_sixty_modules_are_read_within_their_age_limits() -> None:
    line = Line(InfyPower(GroupPlan.of(60)), 60)
    line.demand = (400.0, 1000.0, True)
    line.run(10.0)
    worst_s = 0.0
    for _ in range(100):
        line.run(0.05)
        readings = line.readings()
        assert readings["module_current_a"].value == pytest.approx(600.0)
        worst_s = max(worst_s, line.now_s - readings["module_voltage_v"].at_s)
    assert worst_s < 1.5


def test_a_fault_shows_by_name_and_takes_the_module_out_of_the_capability() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.words[1] = (0, 1 << 4 | 1 << 2, 0)
    line.run(3.0)
    readings = line.readings()
    assert readings["module_fault"].value is True
    assert readings["module_maximum_current_a"].value == 100.0
    assert line.stage.status()[1]["status"] == ["protection", "over-temperature"]
    assert line.stage.status()[0]["status"] == []


@pytest.mark.parametrize(("key", "name"), list(infypower.STATUS_BITS.items()))
def test_each_status_bit_is_decoded_alone(key: tuple[int, int], name: str) -> None:
    word, bit = key
    values = {2: 0, 1: 0, 0: 0, word: 1 << bit}
    stage = InfyPower(GroupPlan.of(1))
    stage.receive(reply(0x04, 0, bytes((0, 0, 3, 0, 0xF6, values[2], values[1], values[0])), 1.0))
    status = stage.status()[0]
    assert (status["status"], status["temperature_c"], status["group"]) == ([name], -10, 3)
    assert dict(stage.readings(1.0))["module_fault"].value is (name in infypower.FAULT_NAMES)


def test_normal_states_are_no_faults() -> None:
    for name in ("output off", "walk-in on", "power limited", "sleeping", "input stage off", "communication lost"):
        assert name in infypower.STATUS_BITS.values()
        assert name not in infypower.FAULT_NAMES


def test_one_silent_module_counts_for_fifteen_seconds_and_makes_values_suspect() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.run(3.0)
    line.alive = {0}
    line.run(5.0)
    readings = line.readings()
    assert readings["module_count"].value == 2
    assert readings["module_current_a"].value == 10.0
    assert readings["module_current_a"].quality is Quality.SUSPECT
    line.run(9.0)
    assert line.readings()["module_count"].value == 2
    line.run(2.0)
    readings = line.readings()
    assert readings["module_count"].value == 1
    assert readings["module_current_a"].quality is Quality.GOOD
    line.alive = {0, 1}
    line.run(3.5)
    assert line.readings()["module_count"].value == 2


def test_when_all_fall_silent_the_readings_stop() -> None:
    line = Line(InfyPower(GroupPlan.of(2)))
    line.run(3.0)
    line.alive = set()
    line.run(1.2)
    last = line.readings()
    assert last["module_count"].value == 2
    line.run(2.5)
    assert line.readings() == {}
    line.run(20.0)
    assert line.stage.status() == {}
    line.alive = {0, 1}
    line.run(5.0)
    assert line.readings()["module_count"].value == 2


def test_a_value_never_gets_a_new_time() -> None:
    line = Line(InfyPower(GroupPlan.of(1)), 1)
    line.run(2.0)
    line.alive = set()
    before = line.readings()["module_voltage_v"].at_s
    line.run(1.0)
    assert line.readings()["module_voltage_v"].at_s == before


def test_foreign_frames_are_ignored_and_errors_count_as_life_only() -> None:
    stage = InfyPower(GroupPlan.of(1))
    for frame in (
        CanFrame(0x0289F0F1, bytes(8), 1.0),  # from another controller
        CanFrame(0x02893F00, bytes(8), 1.0),  # not to us
        CanFrame(0x02C9F000, bytes(8), 1.0),  # from a group
        CanFrame(0x123, bytes(8), 1.0, extended=False),
    ):
        stage.receive(frame)
    assert stage.readings(1.0) == []
    assert stage.ignored == 4
    stage.receive(reply(0x09, 0, bytes.fromhex("00030D4000001388"), 1.0, error=7))
    stage.receive(reply(0x09, 0, b"\x00", 1.0))
    assert [name for name, _ in stage.readings(1.0)] == ["module_count"]
    assert stage.errors == 2


@given(st.lists(st.tuples(st.integers(0, (1 << 29) - 1), st.binary(max_size=8), st.booleans()), max_size=30))
def test_no_frame_raises(frames: list[tuple[int, bytes, bool]]) -> None:
    stage = InfyPower(GroupPlan.of(2))
    for number, (word, data, extended) in enumerate(frames):
        stage.receive(CanFrame(word, data, float(number), extended))
        stage.poll(float(number))
        stage.readings(float(number))
        assert stage.next_due(float(number)) >= number
