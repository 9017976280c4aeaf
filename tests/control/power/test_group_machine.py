"""The state machine of a switched group, value by value."""

from dataclasses import dataclass, field, replace

import pytest

from agent.control.power.allocation import Bus, GroupFault, GroupMachine, GroupView
from agent.control.power.parameters import ModuleGroup, PowerNumbers
from agent.control.power.values import OFF, SetPoint
from drivers.reading import Reading

NUMBERS = PowerNumbers()
GROUP = ModuleGroup("A", 1, 2, 60_000.0, 150.0, 200.0, 1000.0)
STEP_S = 0.05


@dataclass
class Hand:
    """A machine whose every value is set by hand. Feedback follows the commands unless ``feedback`` says otherwise."""

    wanted: int | None = None
    voltage_v: float | None = 0.0
    current_a: float | None = 0.0
    bus_v: dict[int, float | None] = field(default_factory=lambda: {1: 0.0, 2: 0.0})
    k_closed: dict[int, bool | None] = field(default_factory=lambda: {1: False, 2: False})
    driven: dict[int, bool] = field(default_factory=lambda: {1: False, 2: False})
    discharged: dict[int, bool] = field(default_factory=lambda: {1: True, 2: True})
    feedback: dict[int, bool | None] = field(default_factory=dict)
    reset: bool = False
    numbers: PowerNumbers = NUMBERS

    def __post_init__(self) -> None:
        self.now_s = 100.0
        self.machine = GroupMachine(GROUP, (1, 2), self.numbers, self.now_s)
        self.states: list[str] = []

    def _reading(self, value: float | None, unit: str) -> Reading | None:
        return None if value is None else Reading(value, unit, self.now_s)

    def step(self) -> None:
        self.now_s += STEP_S
        closed = {connector: self.machine.closed == connector for connector in (1, 2)}
        said = {**closed, **self.feedback}
        buses = {
            c: Bus(self._reading(self.bus_v[c], "V"), self.k_closed[c], self.driven[c], self.discharged[c])
            for c in (1, 2)
        }
        view = GroupView(
            now_s=self.now_s,
            wanted=self.wanted,
            voltage_v=self._reading(self.voltage_v, "V"),
            current_a=self._reading(self.current_a, "A"),
            feedback={c: None if value is None else Reading(value, "bool", self.now_s) for c, value in said.items()},
            buses=buses,
            reset=self.reset,
        )
        self.machine.evaluate(view)
        if not self.states or self.states[-1] != self.machine.state:
            self.states.append(self.machine.state)

    def run(self, seconds: float) -> "Hand":
        for _ in range(round(seconds / STEP_S)):
            self.step()
        return self

    def until(self, state: str, seconds: float = 5.0) -> "Hand":
        for _ in range(round(seconds / STEP_S)):
            if self.machine.state == state:
                return self
            self.step()
        assert self.machine.state == state, self.states
        return self

    def at(self, state: str) -> bool:
        return self.machine.state == state

    def live(self, connector: int, bus_v: float = 400.0) -> "Hand":
        """A vehicle charges at ``connector``."""
        self.bus_v[connector], self.k_closed[connector] = bus_v, True
        return self

    def follow(self, seconds: float = 2.0) -> "Hand":
        """The group does what it is ordered."""
        for _ in range(round(seconds / STEP_S)):
            order = self.machine.set_point
            if order is not None and order.on:
                self.voltage_v = order.voltage_v
            self.step()
        return self


def parked(**changes: object) -> Hand:
    hand = Hand(**changes)  # type: ignore[arg-type]
    return hand.until("parked")


def joined(connector: int = 1) -> Hand:
    hand = parked(wanted=connector)
    return hand.until("joined")


def joined_live(connector: int = 2) -> Hand:
    hand = parked().live(connector)
    hand.wanted = connector
    hand.follow().until("joined")
    return hand


def test_a_dead_bus_is_joined_off() -> None:
    hand = joined()
    assert hand.states == ["opening", "parked", "matching", "closing", "joined"]
    assert (hand.machine.connector, hand.machine.closed, hand.machine.set_point) == (1, 1, None)


def test_a_live_bus_is_joined_in_two_levels() -> None:
    hand = parked().live(2)
    hand.wanted = 2
    hand.run(0.3)
    assert hand.machine.set_point == SetPoint(True, 375.0, 2.0)
    hand.voltage_v = 375.0
    hand.run(0.2)
    assert hand.machine.set_point == SetPoint(True, 395.0, 2.0)
    assert hand.at("matching")
    hand.voltage_v = 395.0
    hand.run(0.2)
    assert hand.machine.closed == 2


@pytest.mark.parametrize(("voltage_v", "closes"), [(389.9, False), (390.0, True), (410.0, True), (410.1, False)])
def test_the_joining_window_is_10_volt(voltage_v: float, closes: bool) -> None:
    hand = parked().live(2)
    hand.wanted = 2
    hand.run(0.3)
    hand.voltage_v = 375.0
    hand.run(0.2)
    hand.voltage_v = voltage_v
    hand.run(0.3)
    assert (hand.machine.closed == 2) is closes


@pytest.mark.parametrize(("group_v", "bus_v", "closes"), [(59.9, 59.9, True), (60.0, 0.0, False), (0.0, 60.0, False)])
def test_a_dead_joining_needs_both_below_60_volt(group_v: float, bus_v: float, closes: bool) -> None:
    hand = parked(voltage_v=group_v)
    hand.bus_v[1] = bus_v
    hand.wanted = 1
    hand.run(0.5)
    assert (hand.machine.closed == 1) is closes


@pytest.mark.parametrize(
    ("name", "value"), [("driven", True), ("discharged", False), ("k_closed", None), ("bus_v", None)]
)
def test_a_dead_joining_needs_a_quiet_known_bus(name: str, value: bool | None) -> None:
    hand = parked()
    getattr(hand, name)[1] = value
    hand.wanted = 1
    hand.run(2.0)
    assert hand.at("matching")
    hand.run(NUMBERS.waiting_limit_s)
    assert hand.machine.fault == GroupFault("allocation_voltage_mismatch", 1)


def test_an_unknown_group_voltage_joins_nothing() -> None:
    hand = parked()
    hand.voltage_v, hand.wanted = None, 1
    hand.run(NUMBERS.matching_limit_s + 0.5)
    assert hand.states[-2:] == ["matching", "faulted"]
    assert hand.machine.fault == GroupFault("allocation_voltage_mismatch", 1)


@pytest.mark.parametrize("bus_v", [224.9, 1000.1])
def test_a_bus_beyond_the_range_of_the_modules_is_not_matched(bus_v: float) -> None:
    hand = parked().live(2, bus_v)
    hand.wanted = 2
    hand.run(1.0)
    assert hand.machine.set_point == OFF


@pytest.mark.parametrize("bus_v", [225.0, 1000.0])
def test_a_bus_at_the_ends_of_the_range_is_matched(bus_v: float) -> None:
    hand = parked().live(2, bus_v)
    hand.wanted = 2
    hand.run(1.0)
    assert hand.machine.set_point == SetPoint(True, bus_v - 25.0, 2.0)


def test_a_live_bus_without_a_value_is_not_matched() -> None:
    hand = parked().live(2)
    hand.bus_v[2], hand.wanted = None, 2
    hand.run(1.0)
    assert hand.machine.set_point == OFF
    assert hand.at("matching")


def test_a_group_is_not_raised_while_another_live_bus_may_be_connected() -> None:
    """Its voltage follows a charging connector 1 although the contactor says open: raising could feed that vehicle."""
    hand = Hand(voltage_v=300.0).live(1, 300.0).until("parked").live(2, 400.0)
    hand.wanted = 2
    hand.run(2.0)
    assert hand.machine.set_point == OFF
    hand.run(NUMBERS.matching_limit_s)
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 1)


def test_a_group_does_not_close_while_another_contactor_is_unproven() -> None:
    """The dead bus of connector 1 rises with the group: its contactor conducts."""
    hand = parked().live(2)
    hand.wanted = 2
    for _ in range(100):
        order = hand.machine.set_point
        if order is not None and order.on:
            hand.voltage_v = hand.bus_v[1] = order.voltage_v
        hand.step()
    assert hand.machine.closed is None
    hand.run(NUMBERS.matching_limit_s)
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 1)


@pytest.mark.parametrize("low_v", [0.0, 59.0])
def test_no_weld_is_named_without_a_live_voltage(low_v: float) -> None:
    hand = parked(voltage_v=low_v).live(2, 210.0)
    hand.wanted = 2
    hand.run(NUMBERS.matching_limit_s + 1.0)
    assert hand.machine.fault == GroupFault("allocation_voltage_mismatch", 2)


def test_an_unknown_other_bus_is_no_weld_but_joins_nothing() -> None:
    hand = parked(voltage_v=375.0).live(2)
    hand.bus_v[1], hand.wanted = None, 2
    hand.run(NUMBERS.matching_limit_s + 1.0)
    assert hand.machine.fault == GroupFault("allocation_voltage_mismatch", 2)


def test_what_is_no_longer_wanted_is_given_up() -> None:
    hand = parked(voltage_v=100.0)
    hand.wanted = 1
    hand.until("matching")
    hand.wanted = 2
    hand.run(0.1)
    assert hand.at("opening")
    hand = parked(wanted=1).until("closing")
    hand.wanted = None
    hand.run(0.1)
    assert hand.machine.closed is None


def test_a_closing_is_withdrawn_when_the_voltage_goes_and_not_tried_for_ever() -> None:
    hand = parked()
    hand.feedback = {1: False, 2: False}
    hand.wanted = 1
    for _ in range(3):
        hand.until("closing")
        hand.voltage_v = None
        hand.run(0.1)
        assert hand.machine.closed is None
        hand.voltage_v = 0.0
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_voltage_mismatch", 1)


def test_a_closing_is_withdrawn_when_another_contactor_shows_closed() -> None:
    hand = parked(wanted=1).until("closing")
    hand.feedback = {2: True}
    hand.run(0.1)
    assert hand.machine.closed is None
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 2)


def test_a_joined_group_is_unloaded_before_its_contactor_opens() -> None:
    hand = joined_live()
    hand.current_a, hand.wanted = 100.0, 1
    hand.run(1.0)
    assert (hand.machine.state, hand.machine.closed, hand.machine.set_point) == ("unloading", 2, OFF)
    hand.current_a = 5.0
    hand.run(0.5)
    assert hand.machine.closed == 2
    hand.current_a = 4.9
    hand.run(0.2)
    assert hand.machine.closed is None


def test_a_current_that_is_unknown_is_not_low() -> None:
    hand = joined_live()
    hand.current_a, hand.wanted = None, None
    hand.run(NUMBERS.unloading_limit_s - 0.2)
    assert hand.machine.closed == 2
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_current_remains", 2)


@pytest.mark.parametrize(
    ("feedback", "fault"),
    [
        ({2: True}, GroupFault("allocation_contactor_welded", 2)),
        ({2: None}, GroupFault("allocation_feedback_lost", 2)),
    ],
)
def test_a_contactor_that_is_not_seen_open_ends_in_rest(feedback: dict[int, bool | None], fault: GroupFault) -> None:
    hand = joined_live()
    hand.wanted, hand.feedback = None, feedback
    hand.until("faulted")
    assert hand.machine.fault == fault
    assert hand.machine.set_point == OFF


def test_a_welded_contactor_outweighs_a_current_that_remains() -> None:
    hand = joined_live()
    hand.current_a, hand.wanted, hand.feedback = 50.0, None, {2: True}
    hand.until("faulted", 6.0)
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 2)


def test_a_current_that_remains_outweighs_a_feedback_that_is_lost_later() -> None:
    hand = joined_live()
    hand.current_a, hand.wanted, hand.feedback = 50.0, None, {1: None}
    hand.until("faulted", 6.0)
    assert hand.machine.fault == GroupFault("allocation_current_remains", 2)


def test_another_contactor_seen_closed_takes_a_joined_group_off() -> None:
    hand = joined()
    hand.feedback = {2: True}
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 2)


def test_a_dead_bus_that_follows_a_joined_group_for_5_seconds_is_connected_to_it() -> None:
    hand = joined()
    hand.driven[1] = True
    hand.voltage_v = hand.bus_v[1] = hand.bus_v[2] = 300.0
    hand.run(4.9)
    assert hand.at("joined")
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 2)


@pytest.mark.parametrize(
    "why", [{"driven": True}, {"discharged": False}, {"k_closed": True}, {"k_closed": None}, {"bus_v": 59.0}]
)
def test_a_bus_whose_voltage_is_explained_is_no_weld(why: dict[str, bool | float | None]) -> None:
    hand = joined()
    hand.driven[1] = True
    hand.voltage_v = hand.bus_v[1] = 60.0
    hand.bus_v[2] = 60.0
    for name, value in why.items():
        getattr(hand, name)[2] = value
    hand.run(8.0)
    assert hand.at("joined")


def test_a_rest_that_passes_is_over_after_a_minute_and_at_once_for_another_connector() -> None:
    hand = parked().live(2, 210.0)
    hand.wanted = 2
    hand.until("faulted", NUMBERS.matching_limit_s + 1.0)
    hand.run(NUMBERS.retry_after_s - 1.0)
    assert hand.at("faulted")
    hand.run(2.0)
    assert not hand.at("faulted")
    hand.until("faulted", NUMBERS.matching_limit_s + 1.0)
    hand.wanted = 1
    hand.until("joined")
    assert hand.machine.fault is None


def test_a_fault_stays_named_until_every_contactor_is_seen_open() -> None:
    hand = joined()
    hand.wanted, hand.feedback = None, {1: True}
    hand.until("faulted")
    hand.run(NUMBERS.retry_after_s + 1.0)
    assert hand.at("faulted")
    hand.reset = True
    hand.step()
    hand.reset = False
    assert hand.at("opening")
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 1)
    hand.until("faulted")
    hand.feedback, hand.reset = {}, True
    hand.step()
    hand.reset = False
    hand.until("parked")
    assert hand.machine.fault is None


def test_a_contactor_that_is_found_welded_at_rest_is_named() -> None:
    hand = Hand()
    hand.feedback = {1: None}
    hand.until("faulted")
    assert hand.machine.fault == GroupFault("allocation_feedback_lost", 1)
    hand.feedback = {2: True}
    hand.run(0.3)
    assert hand.machine.fault == GroupFault("allocation_contactor_welded", 2)


def test_start_up_waits_3_seconds_for_first_readings() -> None:
    hand = Hand()
    hand.feedback = {1: None}
    hand.run(NUMBERS.start_up_grace_s)
    assert hand.at("opening")
    hand.run(0.1)
    assert hand.at("faulted")


def test_one_missing_reading_starts_the_evidence_over() -> None:
    hand = parked(voltage_v=100.0, numbers=replace(NUMBERS, evidence_s=1.0), wanted=1)
    hand.until("matching")
    hand.voltage_v = 0.0
    hand.run(0.9)
    hand.voltage_v = None
    hand.run(0.05)
    hand.voltage_v = 0.0
    hand.run(0.9)
    assert hand.at("matching")
    hand.run(0.3)
    assert hand.at("closing")


def test_seen_open_is_what_the_feedback_confirms() -> None:
    hand = joined()
    assert not hand.machine.seen_open(1)
    assert hand.machine.seen_open(2)
