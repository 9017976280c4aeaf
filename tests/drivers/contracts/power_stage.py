"""What every family of power modules owes: the test of a driver inherits ``PowerStageContract`` and names its parts."""

import math

import pytest

from drivers.can.frame import CanFrame
from drivers.contracts import PowerStage
from drivers.power.module_group import GroupPlan
from drivers.reading import Quality, Reading
from hil_tests.bench.power_stage import Module
from hil_tests.bench.power_stage import PowerStage as BenchStage

STEP_S = 0.005
AGE_LIMITS_S = {
    "module_count": 3.0,
    "module_voltage_v": 1.5,
    "module_current_a": 1.5,
    "module_fault": 3.0,
    "module_temperature_c": 5.0,
    "module_maximum_current_a": 3.0,
}
"""Age limits of the signals in the process image."""
UNITS = dict(zip(AGE_LIMITS_S, ("1", "V", "A", "bool", "degC", "A"), strict=True))


class Line:
    """Groups of simulated modules and their drivers on one CAN line, in virtual time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.step_s = STEP_S
        self.banks: list[BenchStage] = []
        self.stages: list[PowerStage] = []
        self.wanted: dict[int, tuple[float, float]] = {}
        """Set point that is renewed, by position of its driver."""
        self.last_reply_s = -math.inf
        self.replies: list[CanFrame] = []
        self.sent_at_s: list[float] = []
        self.most_asked_a = 0.0
        self.starts: list[tuple[float, float]] = []
        """Voltage and current with which modules went on."""
        self.gone: set[int] = set()
        """Addresses of modules without supply."""
        self._was_on: dict[int, bool] = {}

    def add(self, stage: PowerStage, bank: BenchStage) -> None:
        self.stages.append(stage)
        self.banks.append(bank)

    @property
    def modules(self) -> list[Module]:
        return [module for bank in self.banks for module in bank.modules]

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.step_s)):
            self.now_s += self.step_s
            for position, stage in enumerate(self.stages):
                if position in self.wanted:
                    stage.set_point(*self.wanted[position], True)
                assert stage.next_due(self.now_s) >= self.now_s
                frames = stage.poll(self.now_s)
                assert len(frames) <= 1
                for frame in frames:
                    self.sent_at_s.append(self.now_s)
                    self._to_modules(frame)
            self._live()

    def off(self, position: int = 0) -> None:
        self.wanted.pop(position, None)
        self.stages[position].set_point(0.0, 0.0, False)

    def readings(self, position: int = 0) -> dict[str, Reading]:
        return dict(self.stages[position].readings(self.now_s))

    def _to_modules(self, frame: CanFrame) -> None:
        for bank in self.banks:
            everyone = bank.modules
            bank.modules = [module for module in everyone if module.address not in self.gone]
            replies = bank.receive(frame, self.now_s)
            bank.modules = everyone
            for reply in replies:
                arrived = CanFrame(reply.identifier, reply.data, self.now_s)
                self.last_reply_s = self.now_s
                self.replies.append(arrived)
                for stage in self.stages:
                    stage.receive(arrived)

    def _live(self) -> None:
        for bank in self.banks:
            sources = bank.sources(self.step_s, self.now_s)
            voltage_v = max((source.voltage_v for source in sources), default=0.0)
            bank.feed_back(voltage_v, [source.current_limit_a for source in sources])
            asked_a = sum(module.current_set_a for module in bank.modules if module.delivering)
            self.most_asked_a = max(self.most_asked_a, asked_a)
        for module in self.modules:
            if module.address in self.gone:
                module.on = False
            if module.on and not self._was_on.get(module.address, False):
                self.starts.append((module.voltage_set_v, module.current_set_a))
            self._was_on[module.address] = module.on


class PowerStageContract:
    """Inherit, and give a driver and its simulated modules. Two modules a group."""

    FIRST: tuple[int, ...] = (1, 2)
    SECOND: tuple[int, ...] = (3, 4)

    def driver(self, plan: GroupPlan) -> PowerStage:
        """The driver under test."""
        raise NotImplementedError

    def bank(self, plan: GroupPlan) -> BenchStage:
        """Simulated modules of the bench, written without the driver."""
        raise NotImplementedError

    def line(self, *, groups: int = 1) -> Line:
        line = Line()
        for number, addresses in enumerate((self.FIRST, self.SECOND)[:groups], 1):
            plan = GroupPlan(addresses, number if groups > 1 else None)
            line.add(self.driver(plan), self.bank(plan))
        return line

    def running(self, voltage_v: float = 400.0, current_a: float = 20.0) -> Line:
        line = self.line()
        line.run(1.0)
        line.wanted[0] = (voltage_v, current_a)
        line.run(3.0)
        return line

    def test_modules_that_are_found_on_are_switched_off(self) -> None:
        line = self.line()
        for module in line.modules:
            # Heard a moment ago: their own time-out for silence does not help.
            module.on, module.last_frame_s = True, line.now_s
        line.run(3.0)
        assert [module.on for module in line.modules] == [False, False]

    def test_a_set_point_reaches_every_module_and_the_total_is_kept(self) -> None:
        line = self.running()
        assert [module.on for module in line.modules] == [True, True]
        assert [module.voltage_set_v for module in line.modules] == [pytest.approx(400.0, abs=0.1)] * 2
        assert sum(module.current_set_a for module in line.modules) == pytest.approx(20.0, abs=0.2)
        assert line.most_asked_a <= 20.0 + 1e-3

    def test_a_module_starts_with_the_set_point_of_now(self) -> None:
        line = self.line()
        for module in line.modules:
            module.voltage_set_v, module.current_set_a = 900.0, 80.0
        line.run(1.0)
        line.wanted[0] = (400.0, 20.0)
        line.run(3.0)
        assert len(line.starts) == 2
        assert all(voltage_v == pytest.approx(400.0, abs=0.1) for voltage_v, _ in line.starts)
        assert all(current_a <= 20.0 for _, current_a in line.starts)

    def test_off_goes_before_everything_else(self) -> None:
        line = self.running()
        line.off()
        line.run(0.03)
        assert not any(module.on for module in line.modules)

    def test_a_set_point_that_is_not_renewed_ends_after_one_second(self) -> None:
        line = self.running()
        line.wanted.clear()
        line.run(0.9)
        assert all(module.on for module in line.modules)
        line.run(0.3)
        assert not any(module.on for module in line.modules)

    def test_less_current_arrives_within_a_third_of_a_second(self) -> None:
        line = self.running()
        line.wanted[0] = (400.0, 4.0)
        line.run(0.3)
        assert sum(module.current_set_a for module in line.modules) <= 4.0 + 1e-3

    @pytest.mark.parametrize("wrong", [(-1.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
    def test_a_set_point_that_makes_no_sense_is_refused(self, wrong: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="set point"):
            self.driver(GroupPlan(self.FIRST)).set_point(*wrong, True)

    def test_readings_of_healthy_modules(self) -> None:
        line = self.running()
        readings = line.readings()
        assert {name: reading.unit for name, reading in readings.items()} == UNITS
        assert {reading.quality for reading in readings.values()} == {Quality.GOOD}
        assert readings["module_count"].value == 2
        assert readings["module_voltage_v"].value == pytest.approx(400.0, abs=1.0)
        assert readings["module_current_a"].value == pytest.approx(20.0, abs=0.5)
        assert readings["module_fault"].value is False
        assert readings["module_maximum_current_a"].value == pytest.approx(200.0)

    def test_readings_have_the_time_of_their_arrival_and_are_in_time(self) -> None:
        line = self.running()
        for _ in range(200):
            line.run(0.02)
            for name, reading in line.readings().items():
                assert reading.at_s <= line.last_reply_s
                assert line.now_s - reading.at_s <= AGE_LIMITS_S[name] / 2
        line.gone = set(self.FIRST)
        line.run(0.1)
        before = {name: reading.at_s for name, reading in line.readings().items()}
        line.run(0.5)
        assert {name: reading.at_s for name, reading in line.readings().items()} == before

    def test_a_faulted_module_shows_and_counts_no_more(self) -> None:
        line = self.running()
        self.break_module(line.banks[0], line.modules[1])
        line.run(2.5)
        readings = line.readings()
        assert readings["module_fault"].value is True
        assert readings["module_maximum_current_a"].value == pytest.approx(100.0)

    def break_module(self, bank: BenchStage, module: Module) -> None:
        """Make a module report a fault."""
        module.faulted = True

    def test_a_lost_module_makes_values_suspect_and_then_counts_no_more(self) -> None:
        line = self.running()
        line.gone = {self.FIRST[1]}
        line.run(5.0)
        assert line.readings()["module_current_a"].quality is Quality.SUSPECT
        line.run(15.0)
        assert line.readings()["module_count"].value == 1
        assert line.readings()["module_current_a"].quality is Quality.GOOD
        line.gone = set()
        line.run(4.0)
        assert line.readings()["module_count"].value == 2

    def test_the_total_holds_while_modules_are_lost_and_return(self) -> None:
        line = self.running()
        for gone, seconds in (({self.FIRST[1]}, 25.0), (set(), 5.0), ({self.FIRST[0]}, 4.0), (set(), 5.0)):
            line.gone = gone
            line.run(seconds)
        assert line.most_asked_a <= 20.0 + 1e-3
        assert all(module.on for module in line.modules)

    def test_with_no_module_heard_there_are_no_readings(self) -> None:
        line = self.running()
        assert line.readings()
        line.gone = set(self.FIRST)
        line.run(4.0)
        assert line.readings() == {}

    def test_a_module_that_restarts_follows(self) -> None:
        line = self.running()
        restarted = line.modules[0]
        restarted.on, restarted.voltage_set_v, restarted.current_set_a = False, 0.0, 0.0
        line.run(1.0)
        assert restarted.on
        assert restarted.voltage_set_v == pytest.approx(400.0, abs=0.1)

    def test_frames_of_another_kind_change_nothing(self) -> None:
        line = self.running()
        stage, before = line.stages[0], line.readings()
        # None of these is a reply of the family: format, length, identifier.
        for reply in line.replies[-40:]:
            at_s = line.now_s
            stage.receive(CanFrame(reply.identifier, b"\x7f" * 8, at_s, extended=False))
            stage.receive(CanFrame(reply.identifier, reply.data[:2] + b"\x7f" * 5, at_s))
            stage.receive(CanFrame(reply.identifier, b"", at_s))
            stage.receive(CanFrame(reply.identifier ^ 1 << 27, reply.data[:2] + b"\x7f" * 6, at_s))
        after = line.readings()
        for name in ("module_voltage_v", "module_current_a", "module_fault", "module_temperature_c"):
            assert after[name] == before[name]

    def test_two_groups_on_one_line_do_not_disturb_each_other(self) -> None:
        line = self.line(groups=2)
        line.run(1.0)
        line.wanted[0] = (400.0, 20.0)
        line.run(3.0)
        assert [module.on for module in line.modules] == [True, True, False, False]
        line.wanted[1] = (300.0, 10.0)
        line.run(3.0)
        assert [round(module.voltage_set_v) for module in line.modules] == [400, 400, 300, 300]
        assert [line.readings(position)["module_count"].value for position in (0, 1)] == [2, 2]
        assert line.readings(1)["module_current_a"].value == pytest.approx(10.0, abs=0.5)
        line.off(0)
        line.run(2.0)
        assert [module.on for module in line.modules] == [False, False, True, True]
        line.gone = set(self.SECOND)
        line.run(5.0)
        assert line.readings(1) == {}
        assert line.readings(0)["module_current_a"].quality is Quality.GOOD

    def test_one_frame_at_a_time_with_distance(self) -> None:
        line = self.running()
        line.step_s = 0.001
        line.sent_at_s.clear()
        line.run(1.0)
        gaps = [after - before for before, after in zip(line.sent_at_s, line.sent_at_s[1:], strict=False)]
        assert len(gaps) > 20
        assert min(gaps) >= 0.005 - 1e-9
