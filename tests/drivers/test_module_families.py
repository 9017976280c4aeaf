"""Every family of power modules against the modules of the bench."""

import struct
from pathlib import Path

import pytest
from contracts.power_stage import Line, PowerStageContract
from hypothesis import given
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.catalogue import build_power_stage, load_power_model
from drivers.contracts import PowerStage
from drivers.power import protno060, uugreenpower
from drivers.power.addressed import LARGEST_GROUP, NOT_CONFIRMED
from drivers.power.module_group import GroupPlan
from drivers.power.protno060 import Protno060
from drivers.power.uugreenpower import StatusBit, UUGreenPower
from hil_tests.bench.module_families import AddressedStage, Protno060Stage, UUGreenStage
from hil_tests.bench.power_stage import Module
from hil_tests.bench.power_stage import PowerStage as BenchStage

MODELS = Path(__file__).resolve().parents[2] / "config" / "power_modules"
UUGREEN = uugreenpower.Settings(rated_current_a=100.0, status_bits=[StatusBit(bit=0, name="fault", effect="fault")])


def stage_of(model: str, plan: GroupPlan) -> PowerStage:
    return build_power_stage(load_power_model(MODELS / f"{model}.toml"), plan, 0.1)


class TestInfyPower(PowerStageContract):
    def driver(self, plan: GroupPlan) -> PowerStage:
        return stage_of("infypower", plan)

    def bank(self, plan: GroupPlan) -> BenchStage:
        bank = BenchStage(len(plan.addresses))
        for module, address in zip(bank.modules, plan.addresses, strict=True):
            module.address, module.group = address, plan.group_number or 0
        return bank

    def test_a_module_that_reports_another_group_is_faulted(self) -> None:
        line = self.line(groups=2)
        line.modules[1].group = 2
        line.run(3.0)
        assert line.readings()["module_fault"].value is True
        assert "wrong group" in str(line.stages[0].status()[2]["status"])

    def test_group_numbers_and_addresses_out_of_range_are_refused(self) -> None:
        for plan in (GroupPlan((0, 0x3F)), GroupPlan((1,), 0x3F), GroupPlan((1, 1))):
            with pytest.raises(ValueError, match=r"within|twice|past"):
                self.driver(plan)


class AddressedContract(PowerStageContract):
    """What families owe besides whose modules are commanded one by one."""

    def addressed(self, line: Line) -> AddressedStage:
        bank = line.banks[0]
        assert isinstance(bank, AddressedStage)
        return bank

    def test_a_module_that_confirms_nothing_is_never_switched_on_and_is_faulted(self) -> None:
        line = self.line()
        self.addressed(line).faults.deaf = {2}
        line.run(1.0)
        line.wanted[0] = (400.0, 20.0)
        self.addressed(line).faults.deaf = set()
        self.refuse_set_points(line)
        line.run(6.0)
        assert not any(module.on for module in line.modules)
        assert line.readings()["module_fault"].value is True
        assert NOT_CONFIRMED in str(line.stages[0].status()[1]["status"])
        self.accept_set_points(line)
        line.run(2.0)
        assert not any(module.on for module in line.modules), "not tried again before it was off"
        line.off()
        line.run(2.0)
        line.wanted[0] = (400.0, 20.0)
        line.run(2.0)
        assert all(module.on for module in line.modules)

    def refuse_set_points(self, line: Line) -> None:
        raise NotImplementedError

    def accept_set_points(self, line: Line) -> None:
        raise NotImplementedError

    def test_a_mute_module_is_commanded_off_and_the_others_take_over(self) -> None:
        line = self.running()
        self.addressed(line).faults.mute = {2}
        line.run(20.0)
        first, second = line.modules
        assert (first.on, second.on) == (True, False)
        assert first.current_set_a == pytest.approx(20.0, abs=0.2)
        assert line.most_asked_a <= 20.0 + 1e-3

    def test_a_share_is_never_above_the_rating_of_a_module(self) -> None:
        line = self.running(400.0, 500.0)
        assert all(module.current_set_a <= 100.0 + 1e-3 for module in line.modules)

    def test_short_and_late_replies_are_no_values(self) -> None:
        line = self.running()
        self.addressed(line).faults.late = {1}
        line.run(3.0)
        assert line.readings()["module_voltage_v"].value == pytest.approx(400.0, abs=1.0)
        self.addressed(line).faults.late = set()
        self.addressed(line).faults.short = {1, 2}
        line.run(4.0)
        assert line.readings().keys() == {"module_count"}

    def test_frames_of_strangers_between_replies_are_ignored(self) -> None:
        line = self.running()
        self.addressed(line).faults.stray = CanFrame(0x0289F000, b"\xff" * 8)
        line.run(2.0)
        assert line.readings()["module_count"].value == 2
        assert line.readings()["module_voltage_v"].value == pytest.approx(400.0, abs=1.0)

    def test_a_full_group_is_commanded_and_read_in_time(self) -> None:
        plan = GroupPlan.of(LARGEST_GROUP, 1)
        line = Line()
        line.add(self.driver(plan), self.bank(plan))
        line.run(1.0)
        line.wanted[0] = (400.0, 240.0)
        line.run(6.0)
        readings = line.readings()
        assert readings["module_current_a"].value == pytest.approx(240.0, abs=5.0)
        assert line.now_s - readings["module_voltage_v"].at_s < 1.5
        line.off()
        line.run(0.1)
        assert not any(module.on for module in line.modules)

    def test_too_many_modules_are_refused(self) -> None:
        with pytest.raises(ValueError, match="within"):
            self.driver(GroupPlan.of(LARGEST_GROUP + 1, 1))


class TestUUGreenPower(AddressedContract):
    def driver(self, plan: GroupPlan) -> PowerStage:
        return UUGreenPower(UUGREEN, plan)

    def bank(self, plan: GroupPlan) -> BenchStage:
        return UUGreenStage(plan.addresses)

    def break_module(self, bank: BenchStage, module: Module) -> None:
        assert isinstance(bank, UUGreenStage)
        bank.reported_status[module.address] = 1

    def refuse_set_points(self, line: Line) -> None:
        self._take = UUGreenStage._take

        def reading_only(stage: UUGreenStage, module: Module, frame: CanFrame, now_s: float) -> CanFrame | None:
            is_set_point = frame.data[0] & 0x0F == 0 and frame.data[1] in (2, 3)
            return None if is_set_point else self._take(stage, module, frame, now_s)

        self.addressed(line)._take = reading_only.__get__(self.addressed(line))  # type: ignore[method-assign]

    def accept_set_points(self, line: Line) -> None:
        del self.addressed(line)._take

    def test_frames_as_in_the_description(self) -> None:
        assert uugreenpower.identifier(0) == 0x02200000
        stage = UUGreenPower(UUGREEN, GroupPlan((5,), 2))
        [frame] = stage.poll(1.0)
        assert (frame.identifier, frame.data) == (0x02200000 | 5 << 14, bytes.fromhex("2004000000000001"))
        [frame] = stage.poll(1.1)
        assert frame.data.hex() in ("2208000000000000", "2004000000000001")

    def test_unlisted_status_bits_show_with_their_number(self) -> None:
        line = self.line()
        self.addressed(line).reported_status[1] = 1 << 9
        line.run(2.0)
        assert line.stages[0].status()[1]["status"] == ["status bit 9"]
        assert line.readings()["module_fault"].value is False

    @pytest.mark.parametrize("plan", [GroupPlan((0,)), GroupPlan((128,)), GroupPlan((1,), 16)])
    def test_addresses_and_numbers_out_of_range_are_refused(self, plan: GroupPlan) -> None:
        with pytest.raises(ValueError, match="within"):
            self.driver(plan)


class TestWinline(AddressedContract):
    def driver(self, plan: GroupPlan) -> PowerStage:
        return stage_of("winline-uxr", plan)

    def bank(self, plan: GroupPlan) -> BenchStage:
        return Protno060Stage(plan.addresses, group=plan.group_number or 0)

    def refuse_set_points(self, line: Line) -> None:
        bank = line.banks[0]
        assert isinstance(bank, Protno060Stage)
        bank.refuses = {0x21, 0x22, 0x1B}

    def accept_set_points(self, line: Line) -> None:
        bank = line.banks[0]
        assert isinstance(bank, Protno060Stage)
        bank.refuses = set()

    def test_a_value_that_is_no_number_is_an_error(self) -> None:
        stage = self.driver(GroupPlan((1,)))
        assert isinstance(stage, Protno060)
        reply = 0x060 << 20 | 0xF0 << 11 | 1 << 3
        for register, value in ((0x01, float("nan")), (0x12, -5.0)):
            stage.receive(CanFrame(reply, struct.pack(">BBHf", 0x41, 0xF0, register, value), 1.0))
        assert stage.errors == 2
        assert [name for name, _ in stage.readings(1.0)] == ["module_count"]

    @pytest.mark.parametrize("plan", [GroupPlan((0xF0,)), GroupPlan((1,), 8)])
    def test_addresses_and_numbers_out_of_range_are_refused(self, plan: GroupPlan) -> None:
        with pytest.raises(ValueError, match="within"):
            Protno060(protno060.Settings(rated_current_a=1, current="x1024", read_function=16, second_byte=0), plan)


class TestDpm1000(TestWinline):
    def driver(self, plan: GroupPlan) -> PowerStage:
        return stage_of("scu-dpm1000", plan)

    def bank(self, plan: GroupPlan) -> BenchStage:
        return Protno060Stage(plan.addresses, winline=False)


def test_identifiers_match_the_examples_of_the_family() -> None:
    assert protno060.identifier(0, 3) == 0x06080783
    assert protno060.identifier(0xFF, 3, to_one=False) == 0x0607FF83


def test_each_status_bit_of_the_family_is_decoded_alone() -> None:
    stage = stage_of("vertiv-r48", GroupPlan((0,)))
    for bit, name in protno060.STATUS_BITS.items():
        # Replies of real rectifiers: 0x060F8003, and 0x060F8007 when more follow.
        stage.receive(CanFrame(0x060F8007, struct.pack(">BBHI", 0x42, 0xF0, 0x40, 1 << bit), 1.0))
        assert stage.status()[0]["status"] == [name]
        is_fault = name not in (
            "communication lost",
            "load sharing failed",
            "output off",
            "power limited",
            "derated",
            "input power limited",
        )
        assert dict(stage.readings(1.0))["module_fault"].value is is_fault


@pytest.mark.parametrize("model", sorted(path.stem for path in MODELS.glob("*.toml")))
@given(frames=st.lists(st.tuples(st.integers(0, (1 << 29) - 1), st.binary(max_size=8), st.booleans()), max_size=20))
def test_no_frame_raises(model: str, frames: list[tuple[int, bytes, bool]]) -> None:
    stage = stage_of(model, GroupPlan((1, 2)))
    for number, (word, data, extended) in enumerate(frames):
        for identifier in (
            word,
            0x11 << 21 | 1 << 14 | word & 0x3FFF,
            0x060F8008 | word & 7,
            0x0280F001 | word & 0x3F0000,
        ):
            stage.receive(CanFrame(identifier, data, float(number), extended))
        stage.poll(float(number))
        stage.readings(float(number))
        assert stage.next_due(float(number)) >= number
