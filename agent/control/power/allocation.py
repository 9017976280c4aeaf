"""Switched groups 模块组切换: one state machine a group, from parked over matching and closing to joined, and back.

parked     off, every contactor seen open
matching   all contactors open; the output is brought to the voltage of the target's bus, or waits until both are safe
closing    one contactor commanded closed
joined     seen closed; the group gives what its connector orders
unloading  off, until the current has fallen
opening    every contactor commanded open, until each is seen open
faulted    the rest state: off, every contactor commanded open

A value that is missing closes nothing. Every state but parked and joined has a time limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.control.power.evidence import Evidence
from agent.control.power.parameters import ModuleGroup, PowerNumbers
from agent.control.power.values import OFF, SetPoint
from agent.control.power.witness import DischargeWatch
from drivers.reading import Reading

State = Literal["parked", "matching", "closing", "joined", "unloading", "opening", "faulted"]

WELDED = "allocation_contactor_welded"
REFUSES = "allocation_contactor_refuses"
FEEDBACK_LOST = "allocation_feedback_lost"
MISMATCH = "allocation_voltage_mismatch"
CURRENT_REMAINS = "allocation_current_remains"
FAULT_IDS = frozenset({WELDED, REFUSES, FEEDBACK_LOST, MISMATCH, CURRENT_REMAINS})

NEED_A_PERSON = frozenset({WELDED})
"""Faults after which a group never tries again by itself."""
_WEAR = frozenset({REFUSES, CURRENT_REMAINS})
"""Faults of which a repetition wears contactors: only ``retry_limit`` of them in a row."""


@dataclass(frozen=True, slots=True)
class Bus:
    """Module side of one connector, fresh values only."""

    voltage_v: Reading | None
    contactors_closed: bool | None
    """K1/K2: True both seen closed, False both seen open, None unknown."""
    driven: bool
    """Its core orders an output."""
    discharged: bool
    """What charged it last has been seen to go; see ``DischargeWatch``."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """What a group's machine sees, fresh values only."""

    now_s: float
    wanted: int | None
    """Connector that shall have the group."""
    voltage_v: Reading | None
    current_a: Reading | None
    feedback: Mapping[int, Reading | None]
    buses: Mapping[int, Bus]
    reset: bool = False


@dataclass(frozen=True, slots=True)
class GroupFault:
    """Why a group is at rest."""

    fault: str
    connector: int
    """Connector of the contactor concerned."""


class GroupMachine:
    """One switched group. ``evaluate`` once a cycle; then read ``state``, ``closed``, ``set_point`` and ``fault``."""

    def __init__(self, group: ModuleGroup, connectors: tuple[int, ...], numbers: PowerNumbers, now_s: float) -> None:
        self.group = group
        self.state: State = "opening"
        self.fault: GroupFault | None = None
        self.set_point: SetPoint | None = OFF
        """None: what the connector orders."""
        self._numbers = numbers
        self._steps = {
            "parked": self._parked,
            "matching": self._matching,
            "closing": self._closing,
            "joined": self._joined,
            "unloading": self._unloading,
            "opening": self._opening,
            "faulted": self._faulted,
        }
        self._target = 0
        self._since_s = now_s
        self._opening_limit_s = numbers.start_up_grace_s
        self._trying_since_s = now_s
        self._pending: GroupFault | None = None
        """Found while the group still has to be unloaded and opened."""
        self._failures = 0
        self._withdrawals = 0
        self._feedback: dict[int, bool | None] = dict.fromkeys(connectors)
        self._apart: set[int] = set()
        """Connectors with a contactor that has been proven open by voltage since it was last commanded closed."""
        samples, seconds = int(numbers.evidence_samples), numbers.evidence_s
        self._feedback_evidence = {connector: Evidence(samples, seconds) for connector in connectors}
        self._apart_evidence = {connector: Evidence(samples, seconds) for connector in connectors}
        self._follow_evidence = {connector: Evidence(samples, numbers.follow_s) for connector in connectors}
        self._low_current = Evidence(samples, seconds)
        self._joinable = Evidence(samples, seconds)
        self._first_level = Evidence(samples, seconds)
        self._follows_orders = False
        """In this attempt the voltage was seen at the first level of matching: its sensor is alive."""
        self._discharge = DischargeWatch(numbers)

    @property
    def connector(self) -> int | None:
        """Connector that the group is joined to, moves to or leaves; None: nowhere."""
        return self._target if self.state in ("matching", "closing", "joined", "unloading") else None

    @property
    def closed(self) -> int | None:
        """Connector with its contactor commanded closed, or None."""
        return self._target if self.state in ("closing", "joined", "unloading") else None

    def seen_open(self, connector: int) -> bool:
        """Whether the contactor to ``connector`` is confirmed open by its feedback."""
        return self._feedback[connector] is False

    def evaluate(self, view: GroupView) -> None:
        """Take one set of values in and decide; at most one state is left in one evaluation."""
        self._witness(view)
        self._discharge.update(view.now_s, view.voltage_v, energised=self._energised(view))
        self._steps[self.state](view, self._target)

    def _energised(self, view: GroupView) -> bool:
        """The group's output may be charged by itself, by the groups beside it or by a vehicle."""
        if self.closed is None or self.state == "closing":
            return self.set_point != OFF
        bus = view.buses[self.closed]
        return bus.driven or bus.contactors_closed is not False

    def _enter(self, state: State, view: GroupView, set_point: SetPoint | None = OFF) -> None:
        self.state, self._since_s, self.set_point = state, view.now_s, set_point
        self._trying_since_s = view.now_s
        self._opening_limit_s = self._numbers.contactor_limit_s
        for evidence in (self._low_current, self._joinable, self._first_level):
            evidence.update(view.now_s, None, None)
        if state == "matching":
            self._follows_orders = False
        if state == "closing":
            self._apart.discard(self._target)

    def _stayed_s(self, view: GroupView) -> float:
        return view.now_s - self._since_s

    # What the values show.

    def _witness(self, view: GroupView) -> None:
        for connector in self._feedback:
            reading = view.feedback.get(connector)
            value, stamp = (None, None) if reading is None else (reading.value is True, reading.at_s)
            self._feedback[connector] = self._feedback_evidence[connector].update(view.now_s, value, stamp)
            self._see_separation(view, connector)

    def _see_separation(self, view: GroupView, connector: int) -> None:
        """An open contactor is proven open by a difference of voltage; a dead bus that follows the group is not."""
        difference_v, stamp = _difference(view, connector)
        apart = follows = None
        if difference_v is not None and self._feedback[connector] is False and connector != self.closed:
            apart = difference_v > self._numbers.separation_difference_v
            follows = not apart and connector not in self._apart and self._dead_bus_live(view, connector)
        if self._apart_evidence[connector].update(view.now_s, apart, stamp) is True:
            self._apart.add(connector)
        if self._follow_evidence[connector].update(view.now_s, follows, stamp) is True and self.state == "joined":
            self._pending = GroupFault(WELDED, connector)

    def _dead_bus_live(self, view: GroupView, connector: int) -> bool:
        """The bus has a voltage that neither its vehicle nor its own groups explain."""
        bus = view.buses[connector]
        live = bus.voltage_v is not None and bus.voltage_v.value >= self._numbers.safe_voltage_v
        return live and bus.contactors_closed is False and not bus.driven and bus.discharged

    def _all_open(self) -> bool:
        return all(value is False for value in self._feedback.values())

    def _not_open(self) -> GroupFault:
        """The contactor that is not seen open: welded if seen closed, else without feedback."""
        closed = [connector for connector, value in self._feedback.items() if value is True]
        if closed:
            return GroupFault(WELDED, closed[0])
        return GroupFault(FEEDBACK_LOST, next(iter(c for c, value in self._feedback.items() if value is None)))

    def compatible(self, view: GroupView, connector: int) -> bool:
        """Whether the contactor to ``connector`` may close: both sides safe and quiet, or within the joining window."""
        bus, voltage_v = view.buses[connector], view.voltage_v
        if voltage_v is None or bus.voltage_v is None or bus.contactors_closed is None:
            return False
        if bus.contactors_closed:
            close_enough = abs(voltage_v.value - bus.voltage_v.value) <= self._numbers.joining_difference_v
            return close_enough and self._follows_orders and self._others_apart(connector)
        return self._discharge.discharged and abs(voltage_v.value) < self._numbers.safe_voltage_v and self._dead(bus)

    def _others_apart(self, connector: int) -> bool:
        return all(other in self._apart for other in self._feedback if other != connector)

    # The states.

    def _parked(self, view: GroupView, target: int) -> None:
        if not self._all_open():
            self._enter("opening", view)
        elif view.wanted is not None:
            self._target = view.wanted
            self._enter("matching", view)

    def _matching(self, view: GroupView, target: int) -> None:
        if view.wanted != target or not self._all_open():
            self._enter("opening", view)
            return
        bus = view.buses[target]
        self.set_point = OFF
        if bus.contactors_closed is None or (not bus.contactors_closed and not self._dead(bus)):
            # Insulation test, precharge or bleeding at the target: the time of trying begins when they are over.
            self._trying_since_s = view.now_s
        elif bus.contactors_closed and bus.voltage_v is not None and self._may_raise(view, target):
            self.set_point = self._matching_order(view, bus.voltage_v)
        stamp = (_stamp(view.voltage_v), _stamp(bus.voltage_v))
        if self._joinable.update(view.now_s, self.compatible(view, target), stamp) is True:
            self._enter("closing", view, self.set_point)
        elif (
            view.now_s - self._trying_since_s > self._numbers.matching_limit_s
            or self._stayed_s(view) > self._numbers.waiting_limit_s
        ):
            self._fail(self._why_not_matched(view, target), view)

    def _matching_order(self, view: GroupView, bus_v: Reading) -> SetPoint:
        """First a level outside the joining window, and only once the voltage is seen there the one inside."""
        numbers, voltage_v = self._numbers, view.voltage_v
        first_v = bus_v.value - numbers.matching_proof_below_v
        near = None if voltage_v is None else abs(voltage_v.value - first_v) < numbers.joining_difference_v
        if self._first_level.update(view.now_s, near, _stamp(voltage_v)) is True:
            self._follows_orders = True
        target_v = bus_v.value - numbers.matching_below_v if self._follows_orders else first_v
        return SetPoint(on=True, voltage_v=target_v, current_a=numbers.matching_current_a)

    def _dead(self, bus: Bus) -> bool:
        low = bus.voltage_v is not None and abs(bus.voltage_v.value) < self._numbers.safe_voltage_v
        return low and bus.discharged and not bus.driven

    def _may_raise(self, view: GroupView, target: int) -> bool:
        """Every other contactor is proven open, or its bus is dead and will show it if it follows.

        The target is within what the modules can do.
        """
        bus_v = view.buses[target].voltage_v
        if bus_v is None or bus_v.value > self.group.maximum_voltage_v:
            return False
        if bus_v.value - self._numbers.matching_proof_below_v < self.group.minimum_voltage_v:
            return False
        for other in self._feedback:
            if other in (target, *self._apart):
                continue
            bus = view.buses[other]
            if bus.contactors_closed is not False or bus.driven or bus.voltage_v is None:
                return False
        return True

    def _why_not_matched(self, view: GroupView, target: int) -> GroupFault:
        """Welded if a live voltage never parted from another bus, else only that the voltages do not meet."""
        for other in self._feedback:
            if other == target or other in self._apart:
                continue
            difference_v, _ = _difference(view, other)
            voltage_v = view.voltage_v
            live = voltage_v is not None and voltage_v.value >= self._numbers.safe_voltage_v
            if live and difference_v is not None and difference_v <= self._numbers.separation_difference_v:
                return GroupFault(WELDED, other)
        return GroupFault(MISMATCH, target)

    def _closing(self, view: GroupView, target: int) -> None:
        others_open = all(value is False for connector, value in self._feedback.items() if connector != target)
        if view.wanted != target:
            self._enter("opening", view)
        elif not others_open or not self.compatible(view, target):
            # Withdrawn: whatever made it compatible is gone. Not for ever: every attempt wears the contactor.
            self._withdrawals += 1
            if self._withdrawals >= self._numbers.retry_limit:
                self._pending = GroupFault(MISMATCH, target)
                self._failures += 1
            self._enter("opening", view)
        elif self._feedback[target] is True:
            self._failures = self._withdrawals = 0
            self._enter("joined", view, None)
        elif self._stayed_s(view) > self._numbers.contactor_limit_s:
            self._pending = GroupFault(REFUSES, target)
            self._enter("opening", view)

    def _joined(self, view: GroupView, target: int) -> None:
        for connector, value in self._feedback.items():
            if connector != target and value is True:
                self._pending = GroupFault(WELDED, connector)
        if self._feedback[target] is True:
            self._trying_since_s = view.now_s
        elif view.now_s - self._trying_since_s > self._numbers.contactor_limit_s:
            lost = self._feedback[target] is None
            self._pending = GroupFault(FEEDBACK_LOST if lost else REFUSES, target)
        if view.wanted != target or self._pending is not None:
            self._enter("unloading", view)

    def _unloading(self, view: GroupView, target: int) -> None:
        current_a, low = view.current_a, None
        if current_a is not None and current_a.at_s > self._since_s:
            low = abs(current_a.value) < self._numbers.opening_current_a
        if self._low_current.update(view.now_s, low, _stamp(view.current_a)) is True:
            self._enter("opening", view)
        elif self._stayed_s(view) > self._numbers.unloading_limit_s:
            self._pending = self._pending or GroupFault(CURRENT_REMAINS, target)
            self._enter("opening", view)

    def _opening(self, view: GroupView, target: int) -> None:
        if self._all_open():
            if self._stayed_s(view) < self._numbers.opening_rest_s:
                return
            if self._pending is None:
                self.fault = None
                self._enter("parked", view)
            else:
                self._fail(self._pending, view)
        elif self._stayed_s(view) > self._opening_limit_s:
            found = self._not_open()
            self._fail(found if found.fault == WELDED or self._pending is None else self._pending, view)

    def _fail(self, fault: GroupFault, view: GroupView) -> None:
        self.fault, self._pending = fault, None
        self._withdrawals = 0
        if fault.fault in _WEAR:
            self._failures += 1
        self._enter("faulted", view)

    def _faulted(self, view: GroupView, target: int) -> None:
        if any(value is True for value in self._feedback.values()):
            self.fault = self._not_open()
        if view.reset:
            self._failures = 0
        if view.reset or self._may_retry(view):
            # The fault stays named until every contactor has been seen open.
            self._enter("opening", view)

    def _may_retry(self, view: GroupView) -> bool:
        fault = self.fault
        if fault is None or fault.fault in NEED_A_PERSON or self._failures >= self._numbers.retry_limit:
            return False
        elsewhere = fault.fault == MISMATCH and view.wanted not in (None, fault.connector)
        return elsewhere or self._stayed_s(view) >= self._numbers.retry_after_s


def _stamp(reading: Reading | None) -> float | None:
    return None if reading is None else reading.at_s


def _difference(view: GroupView, connector: int) -> tuple[float | None, tuple[float, float] | None]:
    """Voltage between group and bus, and the stamp of both readings."""
    group_v, bus_v = view.voltage_v, view.buses[connector].voltage_v
    if group_v is None or bus_v is None:
        return None, None
    return abs(group_v.value - bus_v.value), (group_v.at_s, bus_v.at_s)
