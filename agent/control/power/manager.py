"""Power sharing of one pile: budget, shares, groups and contactors in one evaluation 功率管理.

Pure: inputs with their time in, outputs out. It has no clock and touches no wire.
"""

from collections.abc import Mapping
from typing import Any

from agent.control.power.allocation import Bus, GroupMachine, GroupView
from agent.control.power.budget import Budget, Grant, Need, ShareKeeper, pile_budget
from agent.control.power.commands import Answer, LimitBook, LimitCommand, Origin
from agent.control.power.gate import AllocationGate
from agent.control.power.parameters import ModuleGroup, PowerParameters
from agent.control.power.policy import Claim, policy_of
from agent.control.power.split import split
from agent.control.power.values import (
    OFF,
    ConnectorInput,
    Finding,
    GroupInput,
    GroupStatus,
    PowerInputs,
    PowerOutputs,
    PowerShare,
    Ready,
    SetPoint,
    fresh,
    number,
)
from agent.control.power.witness import DischargeWatch
from agent.vocabulary import events as event_names
from drivers.reading import Reading

INCOMER_OVERLOAD = "incomer_overload"
SHARE_EXPIRED = "power_share_expired"
"""Raised by the connector's core when its share ran out while a session runs (``PowerShare.in_force``)."""

_NO_GROUP = GroupInput()


class PowerManager:
    """See the module. After a restart every contactor is open and every group parked until its feedback is known."""

    def __init__(self, parameters: PowerParameters, now_s: float) -> None:
        self.parameters = parameters
        self._numbers = parameters.numbers
        self._connectors = tuple(sorted(parameters.connector_power_w))
        self._groups = {group.id: group for group in parameters.groups}
        default_w = parameters.default_limit_w
        self._limits = LimitBook(parameters.maximum_power_w if default_w is None else default_w)
        self._shares = ShareKeeper(parameters.numbers, parameters.connector_power_w)
        self._policy = policy_of(parameters)
        self._gate = AllocationGate(parameters)
        self._discharge = {connector: DischargeWatch(parameters.numbers) for connector in self._connectors}
        self._machines = {
            group.id: GroupMachine(group, tuple(parameters.paths(group.id)), parameters.numbers, now_s)
            for group in parameters.groups
            if parameters.paths(group.id)
        }
        self._last_states: dict[str, GroupStatus] = {}
        self._last_budget: Budget | None = None
        self._last_expired: tuple[Origin, ...] = ()

    def limit(self, command: LimitCommand, now_s: float) -> Answer:
        """Take a power limit of the pile; it acts in the next evaluation."""
        return self._limits.take(command, now_s)

    def end_limit(self, origin: Origin) -> None:
        """An origin takes its limit back; it acts in the next evaluation."""
        self._limits.end(origin)

    def evaluate(self, now_s: float, inputs: PowerInputs) -> PowerOutputs:
        """Decide everything once. ``now_s`` is monotonic and never goes back."""
        claims = {connector: self._claim(now_s, inputs.connectors.get(connector)) for connector in self._connectors}
        self._move_groups(now_s, inputs, claims)
        relays, refused = self._gate.passed(now_s, self._wanted_relays(), inputs)
        budget = pile_budget(self.parameters, self._limits.in_force(now_s))
        able_a = self._able(now_s, inputs)
        needs = {connector: self._need(now_s, inputs, connector, claims, able_a) for connector in self._connectors}
        grants = self._shares.update(now_s, budget, needs)
        shares = {
            connector: self._share(now_s, inputs, connector, grants[connector], able_a)
            for connector in self._connectors
        }
        return PowerOutputs(
            budget_w=budget.power_w,
            budget_by=budget.by,
            shares=shares,
            set_points=self._set_points(inputs, claims, shares, able_a, refused),
            relays=relays,
            ready={connector: self._ready(connector) for connector in self._connectors},
            groups=self._status(),
            findings=self._findings(now_s, inputs, budget),
            refused=refused,
            events=self._events(now_s, budget),
        )

    # Groups.

    def _claim(self, now_s: float, connector: ConnectorInput | None) -> Claim:
        if connector is None or connector.faulted or now_s - connector.at_s > self._numbers.input_age_limit_s:
            return Claim()
        return Claim(connector.wants_power, connector.wanted_power_w, blocked=False)

    def _move_groups(self, now_s: float, inputs: PowerInputs, claims: Mapping[int, Claim]) -> None:
        usable = {group for group in self._groups if self._fault_free(group)}
        wanted = self._policy.wanted(now_s, claims, usable)
        buses = {
            connector: self._bus(now_s, connector, inputs.connectors.get(connector), claims[connector])
            for connector in self._connectors
        }
        age_s, feedback_age_s = self._numbers.value_age_limit_s, self._numbers.feedback_age_limit_s
        for group_id, machine in self._machines.items():
            group = inputs.groups.get(group_id, _NO_GROUP)
            view = GroupView(
                now_s=now_s,
                wanted=wanted[group_id],
                voltage_v=fresh(group.voltage_v, now_s, age_s),
                current_a=fresh(group.current_a, now_s, age_s),
                feedback={
                    connector: fresh(reading, now_s, feedback_age_s) for connector, reading in group.feedback.items()
                },
                buses=buses,
                reset=inputs.reset,
            )
            machine.evaluate(view)

    def _fault_free(self, group_id: str) -> bool:
        machine = self._machines.get(group_id)
        return machine is None or machine.fault is None

    def _bus(self, now_s: float, number_: int, connector: ConnectorInput | None, claim: Claim) -> Bus:
        said = ConnectorInput(now_s) if connector is None else connector
        age_s = self._numbers.value_age_limit_s
        voltage_v = fresh(said.bus_voltage_v, now_s, age_s)
        seen = fresh(said.contactors_closed, now_s, self._numbers.feedback_age_limit_s)
        closed = None if seen is None else seen.value is True
        driven = said.set_point.on and not claim.blocked
        watch = self._discharge[number_]
        watch.update(now_s, voltage_v, energised=driven or closed is True)
        vehicle_v = number(said.vehicle_side_voltage_v, now_s, age_s)
        if closed and voltage_v is not None:
            agree = vehicle_v is not None and abs(vehicle_v - voltage_v.value) <= self._numbers.sides_differ_v
            voltage_v = voltage_v if agree else None
        return Bus(voltage_v, closed, driven, watch.discharged)

    def _wanted_relays(self) -> dict[str, bool]:
        return {row.output: self._machines[row.group].closed == row.connector for row in self.parameters.contactors}

    def _joined(self, group: ModuleGroup) -> int | None:
        """Connector that the group may feed now."""
        machine = self._machines.get(group.id)
        if machine is None:
            return group.home
        return machine.connector if machine.state == "joined" else None

    # Shares.

    def _able(self, now_s: float, inputs: PowerInputs) -> dict[int, dict[str, float]]:
        """Current that each joined group can give now, by connector. A silent group can give nothing."""
        able_a: dict[int, dict[str, float]] = {connector: {} for connector in self._connectors}
        for group in self.parameters.groups:
            connector, readings = self._joined(group), inputs.groups.get(group.id, _NO_GROUP)
            alive = fresh(readings.voltage_v, now_s, self._numbers.value_age_limit_s) is not None
            if connector is None or not alive:
                continue
            said_a = number(readings.maximum_current_a, now_s, self._numbers.value_age_limit_s)
            current_a = group.maximum_current_a if said_a is None else min(said_a, group.maximum_current_a)
            able_a[connector][group.id] = max(0.0, current_a)
        return able_a

    def _voltage_v(self, now_s: float, connector: ConnectorInput | None) -> float:
        """Voltage that turns power into current: the higher of order and measurement; unknown: the pile's highest."""
        found = []
        if connector is not None:
            measured_v = number(connector.bus_voltage_v, now_s, self._numbers.value_age_limit_s)
            found = [connector.set_point.voltage_v] if connector.set_point.on else []
            found += [] if measured_v is None else [measured_v]
        highest_v = max(found, default=0.0)
        return highest_v if highest_v >= self._numbers.safe_voltage_v else self.parameters.maximum_voltage_v

    def _need(
        self,
        now_s: float,
        inputs: PowerInputs,
        connector: int,
        claims: Mapping[int, Claim],
        able_a: Mapping[int, Mapping[str, float]],
    ) -> Need:
        claim, said = claims[connector], inputs.connectors.get(connector)
        voltage_v = self._voltage_v(now_s, said)
        modules_w = sum(
            min(self._groups[group].maximum_power_w, current_a * voltage_v)
            for group, current_a in able_a[connector].items()
        )
        rating_w = min(
            self.parameters.connector_power_w[connector], self.parameters.connector_current_a[connector] * voltage_v
        )
        return Need(
            wanted_w=claim.wanted_w if claim.wants_power else 0.0,
            capability_w=min(modules_w, rating_w),
            capability_by="modules" if modules_w <= rating_w else "connector",
            measured_w=self._measured(now_s, said),
            blocked=claim.blocked,
        )

    def _measured(self, now_s: float, connector: ConnectorInput | None) -> Reading | None:
        if connector is None:
            return None
        limit_s = self._numbers.value_age_limit_s
        voltage_v, current_a = (
            fresh(connector.bus_voltage_v, now_s, limit_s),
            fresh(connector.current_a, now_s, limit_s),
        )
        if voltage_v is None or current_a is None:
            return None
        return Reading(voltage_v.value * current_a.value, "W", min(voltage_v.at_s, current_a.at_s))

    def _share(
        self,
        now_s: float,
        inputs: PowerInputs,
        connector: int,
        grant: Grant,
        able_a: Mapping[int, Mapping[str, float]],
    ) -> PowerShare:
        by_power_a = grant.power_w / self._voltage_v(now_s, inputs.connectors.get(connector))
        most_a = min(sum(able_a[connector].values()), self.parameters.connector_current_a[connector])
        return PowerShare(grant.power_w, min(by_power_a, most_a), grant.by, now_s + self._numbers.share_validity_s)

    def _set_points(
        self,
        inputs: PowerInputs,
        claims: Mapping[int, Claim],
        shares: Mapping[int, PowerShare],
        able_a: Mapping[int, Mapping[str, float]],
        refused: tuple[str, ...],
    ) -> dict[str, SetPoint]:
        """Off, the matching order of a group on its way, or its part of what its connector orders."""
        set_points = dict.fromkeys(self._groups, OFF)
        for group_id, machine in self._machines.items():
            paths = self.parameters.paths(group_id).values()
            if machine.set_point is not None and not any(row.output in refused for row in paths):
                set_points[group_id] = machine.set_point
        for connector, groups_a in able_a.items():
            said = inputs.connectors.get(connector)
            if said is not None and not claims[connector].blocked and self._quiet(connector):
                set_points.update(split(said.set_point, shares[connector].current_a, groups_a))
        return set_points

    def _quiet(self, connector: int) -> bool:
        """No group is just being joined to this bus while it is dead: nothing may raise it meanwhile."""
        return not any(
            machine.state == "closing" and machine.connector == connector and machine.set_point == OFF
            for machine in self._machines.values()
        )

    # What is reported about it.

    def _ready(self, connector: int) -> Ready:
        reasons = []
        joined = [group.id for group in self.parameters.groups if self._joined(group) == connector]
        if not joined:
            reasons.append("no group of modules is joined")
        for row in self.parameters.contactors:
            machine = self._machines[row.group]
            if row.connector != connector or row.group in joined:
                continue
            if machine.closed == connector or not machine.seen_open(connector):
                reasons.append(f"allocation contactor {row.output} of group {row.group} is not seen open")
        return Ready(not reasons, tuple(reasons))

    def _status(self) -> dict[str, GroupStatus]:
        status = {}
        for group in self.parameters.groups:
            machine = self._machines.get(group.id)
            status[group.id] = (
                GroupStatus("joined", group.home) if machine is None else GroupStatus(machine.state, machine.connector)
            )
        return status

    def _findings(self, now_s: float, inputs: PowerInputs, budget: Budget) -> tuple[Finding, ...]:
        found = []
        for group_id, machine in self._machines.items():
            if machine.fault is not None:
                row = self.parameters.paths(group_id)[machine.fault.connector]
                found.append(Finding(machine.fault.fault, row.connector, group_id, row.output))
        if self._overloaded(now_s, inputs, budget):
            found.append(Finding(INCOMER_OVERLOAD, None))
        return tuple(found)

    def _overloaded(self, now_s: float, inputs: PowerInputs, budget: Budget) -> bool:
        """More flows than may: at the meter of the incomer, or what the connectors give against the budget."""
        margin = 1.0 + self._numbers.overload_share
        taken_w = number(inputs.incomer_power_w, now_s, self._numbers.value_age_limit_s)
        limit_w = self.parameters.incomer_limit_w
        if taken_w is not None and limit_w is not None and taken_w > limit_w * margin:
            return True
        given = [self._measured(now_s, inputs.connectors.get(connector)) for connector in self._connectors]
        given_w = sum(max(0.0, reading.value) for reading in given if reading is not None)
        return given_w > budget.power_w * margin + self._numbers.lowering_tolerance_w

    def _events(self, now_s: float, budget: Budget) -> tuple[dict[str, Any], ...]:
        events: list[dict[str, Any]] = []
        if budget != self._last_budget:
            events.append({"event": event_names.POWER_BUDGET, "power_w": round(budget.power_w), "by": budget.by})
        expired = self._limits.expired(now_s)
        events += [
            {"event": event_names.POWER_LIMIT_EXPIRED, "origin": origin}
            for origin in expired
            if origin not in self._last_expired
        ]
        status = self._status()
        events += [
            {"event": event_names.POWER_GROUP, "group": group, "state": now.state, "connector": now.connector}
            for group, now in status.items()
            if now != self._last_states.get(group)
        ]
        self._last_budget, self._last_expired, self._last_states = budget, expired, status
        return tuple(events)
