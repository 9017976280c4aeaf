"""Groups of modules and their allocation contactors: who feeds which gun, and what is counted as an error."""

from functools import partial

import pytest

from hil_tests.bench.module_bank import ModuleBank
from hil_tests.bench.plant import Plant
from hil_tests.bench.power_stage import PowerStage
from hil_tests.bench.site import ALLOCATIONS, GROUP_HOMES
from hil_tests.bench.wiring import load_wiring


class Yard:
    """Two guns, two groups of two modules, and hands on the coils of the allocation contactors."""

    def __init__(self, *, switched: bool) -> None:
        self.stage = PowerStage(4)
        self.bank = ModuleBank(self.stage, GROUP_HOMES, 2, ALLOCATIONS if switched else ())
        self.plants = {number: Plant(load_wiring(), None, self.bank.feed(number)) for number in (1, 2)}
        self.bank.gun_voltage_v = {number: partial(self.module_side_v, number) for number in self.plants}
        self.coils: set[str] = set()
        self.bank.coil = self.coils.__contains__
        self.now_s = 0.0

    def run(self, seconds: float) -> None:
        """Let time pass; the controller is heard all the time."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.005
            for module in self.stage.modules:
                module.last_frame_s = self.now_s
            for plant in self.plants.values():
                plant.advance(self.now_s)

    def set_group(self, name: str, voltage_v: float, *, on: bool = True) -> None:
        """The set point of one group."""
        for module in self.bank.groups[name].modules:
            module.on, module.voltage_set_v, module.current_set_a = on, voltage_v, 5.0

    def module_side_v(self, gun: int) -> float:
        return self.plants[gun].circuit.inside_voltage_v


def test_in_a_fixed_split_each_group_feeds_its_own_gun() -> None:
    yard = Yard(switched=False)
    yard.set_group("A", 400.0)
    yard.run(2.0)
    assert yard.module_side_v(1) == pytest.approx(400.0, abs=1.0)
    assert yard.module_side_v(2) == pytest.approx(0.0, abs=1.0)
    assert yard.bank.groups["A"].voltage_v == pytest.approx(400.0, abs=1.0)
    assert yard.bank.joined("B") == (2,)


def test_a_group_without_a_closed_contactor_feeds_no_gun_and_bleeds_when_off() -> None:
    yard = Yard(switched=True)
    yard.set_group("A", 500.0)
    yard.run(2.0)
    assert yard.module_side_v(1) == pytest.approx(0.0, abs=1.0)
    assert yard.bank.groups["A"].voltage_v == pytest.approx(500.0, abs=1.0)
    yard.set_group("A", 500.0, on=False)
    yard.run(2.0)
    assert yard.bank.groups["A"].voltage_v < 60.0


def test_a_contactor_brings_a_group_to_the_other_gun_and_its_closing_voltage_is_noted() -> None:
    yard = Yard(switched=True)
    yard.coils.add("allocation_a2")
    yard.run(0.2)
    yard.set_group("A", 380.0)
    yard.run(2.0)
    assert yard.bank.joined("A") == (2,)
    assert yard.module_side_v(2) == pytest.approx(380.0, abs=1.0)
    assert yard.module_side_v(1) == pytest.approx(0.0, abs=1.0)
    # A second group at another voltage closed onto the same gun: what an agent must never do.
    yard.set_group("B", 700.0)
    yard.run(2.0)
    yard.coils.add("allocation_b2")
    yard.run(0.2)
    probe = yard.bank.probe()
    closings = {name: each["closing_differences_v"] for name, each in probe["allocations"].items()}  # type: ignore[attr-defined]
    assert closings["allocation_a2"] == [pytest.approx(0.0, abs=1.0)]
    assert closings["allocation_b2"] == [pytest.approx(320.0, abs=5.0)]


def test_a_group_at_two_guns_is_counted() -> None:
    yard = Yard(switched=True)
    yard.coils |= {"allocation_a1", "allocation_a2"}
    yard.run(0.2)
    assert yard.bank.fed_two_guns == 1
    yard.run(0.5)
    assert yard.bank.fed_two_guns == 1, "counted when it begins, not in every step"


def test_a_welded_contactor_stays_and_a_jammed_one_does_not_close() -> None:
    yard = Yard(switched=True)
    welded, jammed = (each.contactor for each in yard.bank.allocations[:2])
    welded.welded = jammed.jammed = True
    yard.coils.add("allocation_a2")
    yard.run(0.2)
    assert yard.bank.joined("A") == (1,)
