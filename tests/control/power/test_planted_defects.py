"""Proof that the tests on the plant can fail: each defect of this table, planted in the logic, is found."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest
import test_group_machine as machine_story
import test_power_budget as budget_story
import test_power_plant as stories
from power_plant import Plant
from test_power_properties import play

PACKAGE = "agent.control.power"


def _flicker_while_parked() -> None:
    play("switched", [(0, ("feedback", "A", 1, "flicker")), (6, ("plug", 2, 400.0, 240))])


def _contact_stuck_closed() -> None:
    play("switched", [(0, ("feedback", "A", 2, "closed")), (6, ("plug", 1, 400.0, 240))])


def _vehicles_of_two_voltages() -> None:
    plant = stories.begun(1, battery_v={1: 650.0})
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1))
    plant.run(5.0)
    plant.guns[2].plugged = True
    plant.guns[2].battery_v = 300.0
    assert plant.run(60.0, lambda p: stories.charging(p, 1, 2))
    assert plant.broken == []


def _frozen_low_sensor() -> None:
    """The sensor of a group freezes at 0 V before a charge: charged, the group must not be taken for dead."""
    plant = Plant()
    assert plant.run(10.0, lambda p: p.state("A") == ("joined", 1))
    plant.groups["A"].sensor = "stuck"
    plant.guns[1].plugged = True
    assert plant.run(30.0, lambda p: p.guns[1].phase == "charge")
    plant.run(3.0)
    plant.guns[1].faulted = True
    plant.run(1.0)
    plant.guns[1].faulted = False
    plant.guns[1].plugged = False
    plant.run(20.0)
    assert plant.broken == []


def _lower_then_raise() -> None:
    """A limit falls while both charge, one ends, the limit rises: the sum is watched in every cycle."""
    plant = stories.begun(1, 2)
    for gun in plant.guns.values():
        gun.demand_a = 140.0
    plant.run(5.0)
    assert plant.limit(60_000.0, 3.0) == "granted"
    plant.run(1.5)
    plant.guns[1].demand_a = 20.0
    plant.run(8.0)
    assert plant.outputs is not None
    assert plant.outputs.shares[2].power_w == pytest.approx(140 * 410)
    assert plant.broken == []


def _slow_modules_hold_the_share() -> None:
    """While one connector still draws its old share, the other is not raised."""
    plant = stories.begun(1, 2)
    for gun in plant.guns.values():
        gun.demand_a = 140.0
    plant.guns[2].demand_a = 10.0
    plant.limit(62_000.0, 60.0)
    plant.run(6.0)
    plant.groups["A"].deaf = True
    plant.guns[2].demand_a = 140.0
    plant.run(6.0)
    assert plant.outputs is not None
    drawn_w = plant.guns[1].current_a * plant.guns[1].voltage_v
    assert drawn_w > 50_000.0
    assert drawn_w + plant.outputs.shares[2].power_w <= plant.outputs.budget_w * 1.02
    plant.groups["A"].deaf = False
    plant.run(6.0)
    assert plant.outputs.shares[2].power_w == pytest.approx(31_000.0)


def _one_needs_little() -> None:
    plant = stories.begun(1, 2)
    plant.guns[1].demand_a, plant.guns[2].demand_a = 20.0, 140.0
    assert plant.limit(70_000.0, 60.0) == "granted"
    plant.run(8.0)
    assert plant.outputs is not None
    assert plant.outputs.shares[1].power_w == pytest.approx(20 * 410)
    assert plant.outputs.shares[2].power_w == pytest.approx(140 * 410)
    assert plant.broken == []


def _control_of_the_modules_is_off_by_8_volt() -> None:
    """The group comes no nearer than 13 V: it joins nothing, and says so."""
    plant = stories.begun(1)
    plant.groups["B"].offset_v = -8.0
    plant.guns[1].demand_a = 240.0
    assert plant.run(60.0, lambda p: ("allocation_voltage_mismatch", "allocation_B1") in p.faults)
    assert plant.broken == []


def _weld_hidden_from_a_second_live_bus() -> None:
    """A group that hangs on a live bus by a hidden weld is neither raised nor closed onto another one."""
    machine_story.test_a_group_is_not_raised_while_another_live_bus_may_be_connected()


def _bus_at_the_same_voltage_unproven() -> None:
    machine_story.test_a_group_does_not_close_while_another_contactor_is_unproven()


def _expiry() -> None:
    plant = stories.begun(1)
    assert plant.limit(10_000.0, 2.0) == "granted"
    plant.run(1.0)
    assert plant.outputs is not None
    assert plant.outputs.budget_w == 10_000.0
    assert plant.limit(20_000.0, None) == "expiry_missing"
    plant.run(2.0)
    assert plant.outputs.budget_w == 120_000.0


def _unloaded_before_opening() -> None:
    stories.test_a_free_group_joins_the_live_bus_of_the_other_and_goes_home_again(400.0)


@dataclass(frozen=True)
class Defect:
    """A change of the source that must be found."""

    module: str
    old: str
    new: str
    story: Callable[[], None]


DEFECTS = {
    "joins a live bus at any voltage": Defect(
        "allocation",
        "close_enough and self._follows_orders and self._others_apart(connector)",
        "True",
        _unloaded_before_opening,
    ),
    "joining window three times as wide": Defect(
        "allocation",
        "voltage_v.value - bus.voltage_v.value) <= self._numbers.joining_difference_v",
        "voltage_v.value - bus.voltage_v.value) <= 3.0 * self._numbers.joining_difference_v",
        _control_of_the_modules_is_off_by_8_volt,
    ),
    "believes a voltage that does not follow": Defect(
        "allocation",
        "close_enough and self._follows_orders and",
        "close_enough and",
        lambda: stories.test_a_group_whose_voltage_cannot_be_trusted_joins_nothing_live("stuck", 400.0),
    ),
    "takes a low reading for a discharged group": Defect(
        "allocation", "self._discharge.discharged and abs(", "abs(", _frozen_low_sensor
    ),
    "does not look at the voltage of a dead bus": Defect(
        "allocation",
        "abs(voltage_v.value) < self._numbers.safe_voltage_v and self._dead(bus)",
        "True",
        _vehicles_of_two_voltages,
    ),
    "opens under load": Defect(
        "allocation",
        "low = abs(current_a.value) < self._numbers.opening_current_a",
        "low = True",
        _vehicles_of_two_voltages,
    ),
    "waits for ever for a current that stays": Defect(
        "allocation",
        "self._stayed_s(view) > self._numbers.unloading_limit_s",
        "False",
        stories.test_modules_that_do_not_stop_are_cut_off_and_named,
    ),
    "never proves other contactors open": Defect(
        "allocation",
        "return all(other in self._apart for other in self._feedback if other != connector)",
        "return True",
        _bus_at_the_same_voltage_unproven,
    ),
    "an unknown feedback counts as open": Defect(
        "allocation",
        "all(value is False for value in self._feedback.values())",
        "all(value is not True for value in self._feedback.values())",
        _flicker_while_parked,
    ),
    "a closed feedback counts as open": Defect(
        "allocation",
        "all(value is False for value in self._feedback.values())",
        "all(value is not None for value in self._feedback.values())",
        _contact_stuck_closed,
    ),
    "one sample is enough": Defect(
        "evidence",
        "self._seen >= self._samples and now_s - self._since_s >= self._duration_s",
        "True",
        budget_story.test_evidence_needs_samples_and_time,
    ),
    "a weld passes by itself": Defect(
        "allocation",
        "fault.fault in NEED_A_PERSON or",
        "",
        stories.test_a_welded_contactor_is_named_and_its_group_rests,
    ),
    "a refusing contactor is tried for ever": Defect(
        "allocation",
        "or self._failures >= self._numbers.retry_limit",
        "",
        stories.test_a_jammed_contactor_is_named_and_needs_a_person_after_three_attempts,
    ),
    "a dead bus that follows is not looked at": Defect(
        "allocation",
        'is True and self.state == "joined":',
        "is None:",
        stories.test_a_hidden_weld_onto_a_dead_bus_is_seen_when_the_bus_follows,
    ),
    "raises a group while another contactor is unproven": Defect(
        "allocation",
        "if bus.contactors_closed is not False or bus.driven or bus.voltage_v is None:",
        "if False:",
        _weld_hidden_from_a_second_live_bus,
    ),
    "groups of a faulted connector stay on": Defect(
        "policy",
        "if claims[home].wants_power and not claims[home].blocked:",
        "if claims[home].wants_power or claims[home].blocked:",
        stories.test_a_fault_takes_the_groups_off_and_offers_them_to_the_other,
    ),
    "a silent core keeps its share": Defect(
        "manager",
        " or now_s - connector.at_s > self._numbers.input_age_limit_s",
        "",
        stories.test_a_silent_core_counts_as_a_fault,
    ),
    "raises before the other is seen to fall": Defect(
        "budget",
        "room_w = budget.power_w - self.committed_w + account.committed_w - account.granted_w",
        "room_w = budget.power_w - sum(a.granted_w for a in self._accounts.values())",
        _slow_modules_hold_the_share,
    ),
    "raises without looking at the room": Defect(
        "budget", "min(gap_w, step_w, room_w)", "min(gap_w, step_w * 1e3)", _slow_modules_hold_the_share
    ),
    "a lowering is believed without measurement": Defect(
        "budget",
        "low = measured_w.value <= account.granted_w + tolerance_w",
        "low = True",
        _slow_modules_hold_the_share,
    ),
    "lowers slowly": Defect(
        "budget",
        "account.granted_w, account.lowered_at_s, account.raising = targets[connector], now_s, False",
        "account.granted_w = max(targets[connector], account.granted_w - 100.0)",
        _lower_then_raise,
    ),
    "what one cannot use is lost": Defect(
        "budget", "left_w / (len(ascending) - position)", "total_w / len(ascending)", _one_needs_little
    ),
    "a limit never runs out": Defect(
        "commands", "held.expires_at_s <= now_s", "held.expires_at_s <= float('-inf')", _expiry
    ),
    "raises without an expiry": Defect("commands", 'return "expiry_missing"', 'return "granted"', _expiry),
    "each group gets the whole current": Defect(
        "split", "part * each_a", "part * total_a", lambda: _share_of_two_groups()
    ),
}


def _share_of_two_groups() -> None:
    plant = stories.begun(1)
    plant.guns[1].demand_a = 240.0
    assert plant.run(30.0, lambda p: p.state("B") == ("joined", 1))
    plant.run(5.0)
    assert plant.broken == []


def _planted(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every function and method of a module by the one of its spoiled source."""
    module = importlib.import_module(f"{PACKAGE}.{defect.module}")
    source = inspect.getsource(module)
    assert source.count(defect.old) == 1, f"{source.count(defect.old)} places"
    spoiled = ModuleType(module.__name__)
    # Dataclasses look their module up by name; the spoiled one is never registered, so it borrows the true one's.
    exec(compile(source.replace(defect.old, defect.new), module.__file__ or "", "exec"), spoiled.__dict__)  # noqa: S102
    for name, kind in vars(module).items():
        if inspect.isclass(kind) and kind.__module__ == module.__name__:
            for key, value in vars(vars(spoiled)[name]).items():
                if inspect.isfunction(value) or isinstance(value, property):
                    monkeypatch.setattr(kind, key, value)
        elif inspect.isfunction(kind) and kind.__module__ == module.__name__:
            monkeypatch.setattr(kind, "__code__", vars(spoiled)[name].__code__)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    defect = DEFECTS[name]
    _planted(defect, monkeypatch)
    with pytest.raises(AssertionError):
        defect.story()


@pytest.mark.parametrize("story", list(dict.fromkeys(defect.story for defect in DEFECTS.values())))
def test_every_story_passes_without_a_defect(story: Callable[[], None]) -> None:
    story()
