"""Joins power sharing with the cores, the groups of modules and the allocation contactors, once an evaluation.

Only loaded where a pile shares power: several connectors, several groups, allocation contactors, a limit of the site,
or a limit by command.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc.core import ControlCore
from agent.control.dc.power_share import ALONE, PowerShare, Sharing
from agent.control.power.commands import LimitCommand, Origin
from agent.control.power.manager import PowerManager
from agent.control.power.parameters import PowerParameters
from agent.control.power.values import (
    ConnectorInput,
    GroupInput,
    PowerInputs,
    PowerOutputs,
    SetPoint,
)
from agent.control.safety import gate
from agent.field.groups import GroupSide, gone, together
from agent.vocabulary import kinds, reasons, states
from agent.vocabulary.reasons import Reason
from drivers.reading import Reading

_START_NEED_W = 5_000.0
"""Own: insulation test and precharge of a session that has no demand yet take 2 to 4 kW at 1000 V."""
_RESET_WINDOW_S = 2.0
"""As in ``agent.control.chassis.chassis``: a reset acts on causes that go away within this time."""
_NEVER_S = float("-inf")


class PowerSide:
    """See the module. ``step`` follows each evaluation of the cores."""

    def __init__(
        self, parameters: PowerParameters, cores: Mapping[int, ControlCore], groups: Sequence[GroupSide], now_s: float
    ) -> None:
        self._manager = PowerManager(parameters, now_s)
        self._parameters = parameters
        self._cores = cores
        self._groups = {group.id: group for group in groups}
        self._feedback: dict[str, Reading] = {}
        self._paths = {group.id: parameters.paths(group.id) for group in parameters.groups}
        self._switched = {group.home for group in parameters.groups if self._paths[group.id]}
        self._incomer_w: Reading | None = None
        self._reset_until_s = _NEVER_S
        self._refused: tuple[str, ...] = ()
        self._fed = {number: self._home(number) for number in cores}
        self.outputs: PowerOutputs | None = None
        """Result of the last evaluation."""

    def _home(self, connector: int) -> tuple[str, ...]:
        """Groups that feed a connector for good; one with contactors feeds none before it is joined."""
        return tuple(
            group.id for group in self._parameters.groups if group.home == connector and not self._paths[group.id]
        )

    # What comes in.

    def take_feedback(self, name: str, reading: Reading) -> None:
        """Auxiliary contact of an allocation contactor."""
        self._feedback[name] = reading

    def take_incomer(self, reading: Reading) -> None:
        """Power at the grid side."""
        self._incomer_w = reading

    def reset(self, now_s: float) -> None:
        """A person at the pile resets faults."""
        self._reset_until_s = now_s + _RESET_WINDOW_S

    def limit(self, command: CommandInput, now_s: float, wall_ms: int, wall_quality: str) -> str:
        """Take a power limit by command: ``power_w`` and ``until_ms`` (UTC), or ``off``. Returns why not, or "".

        ``off`` ends the limit of the origin that sends it.
        """
        origin: Origin = "platform" if command.origin == reasons.ORIGIN_PLATFORM else "local"
        if command.arguments.get("off") == 1:
            self._manager.end_limit(origin)
            return ""
        value_w = command.arguments.get("power_w")
        if isinstance(value_w, bool) or not isinstance(value_w, int | float):
            return Reason(reasons.BAD_ARGUMENTS, "power_w").text
        until_ms = command.arguments.get("until_ms", command.expires_wall_ms)
        if isinstance(until_ms, bool) or not isinstance(until_ms, int | float):
            return Reason(reasons.BAD_ARGUMENTS, "until_ms").text
        known = until_ms and wall_quality != states.CLOCK_UNSET
        expires_at_s = now_s + (until_ms - wall_ms) / 1000.0 if known else None
        answer = self._manager.limit(LimitCommand(float(value_w), origin, expires_at_s), now_s)
        return _REFUSALS[answer]

    def readings(self, group: GroupSide, now_s: float) -> list[tuple[int, list[tuple[str, Reading]]]]:
        """Module readings of the connector that a group feeds, after the group has measured; none while it is away."""
        return [
            (connector, together([self._groups[each] for each in fed]))
            for connector, fed in self._fed.items()
            if group.id in fed
        ]

    # The evaluation.

    def step(self, now_s: float, set_points: Mapping[int, gate.SetPoint]) -> PowerOutputs:
        """One evaluation. ``set_points`` are what each core orders of all its groups together."""
        inputs = PowerInputs(
            {
                number: self._connector(number, core, now_s, _order(set_points[number]))
                for number, core in self._cores.items()
            },
            {group: self._group(group) for group in self._paths},
            self._incomer_w,
            now_s < self._reset_until_s,
        )
        self.outputs = outputs = self._manager.evaluate(now_s, inputs)
        for number, core in self._cores.items():
            share = outputs.shares[number]
            core.set_power_share(PowerShare(share.power_w, share.current_a, share.by, share.expires_at_s))
            self._follow_groups(number, core, outputs, now_s)
            core.on_power_sharing(self._sharing(number, outputs))
        self._record(outputs)
        return outputs

    def _connector(self, number: int, core: ControlCore, now_s: float, set_point: SetPoint) -> ConnectorInput:
        point, read = core.point, core.image.inputs(now_s).readings
        # Groups that are away come home as soon as a vehicle is plugged in.
        waits = core.state == states.PLUGGED and number in self._switched
        wants = point.stoppable or waits
        return ConnectorInput(
            at_s=now_s,
            wants_power=wants,
            wanted_power_w=_wanted_w(core, set_point) if wants else 0.0,
            set_point=set_point,
            faulted=any(item.fault.action in ("open", "stop") for item in core.active_faults),
            contactors_closed=_both(read.get("contactor_k1_closed"), read.get("contactor_k2_closed")),
            bus_voltage_v=read.get("inside_voltage_v"),
            vehicle_side_voltage_v=read.get("outside_voltage_v"),
            current_a=read.get("module_current_a"),
        )

    def _group(self, group_id: str) -> GroupInput:
        read = self._groups[group_id].readings
        return GroupInput(
            voltage_v=read.get("module_voltage_v"),
            current_a=read.get("module_current_a"),
            maximum_current_a=read.get("module_maximum_current_a"),
            feedback={number: self._feedback.get(row.feedback) for number, row in self._paths[group_id].items()},
        )

    def _follow_groups(self, number: int, core: ControlCore, outputs: PowerOutputs, now_s: float) -> None:
        """Which groups feed the connector now; what the others measure is not its own any more."""
        fed = tuple(
            group
            for group, status in outputs.groups.items()
            if status.connector == number and status.state in ("joined", "unloading")
        )
        if fed == self._fed[number]:
            return
        self._fed[number] = fed
        for name, reading in together([self._groups[each] for each in fed]) if fed else gone(now_s):
            core.on_reading(name, reading)

    def _sharing(self, number: int, outputs: PowerOutputs) -> Sharing:
        ready, fed = outputs.ready[number], self._fed[number]
        found = frozenset(each.fault for each in outputs.findings if each.connector in (None, number))
        if ready.close and not found and fed:
            return ALONE
        return Sharing(found, tuple(Reason(reasons.GROUPS_NOT_READY, why) for why in ready.reasons), not fed)

    def _record(self, outputs: PowerOutputs) -> None:
        first = next(iter(self._cores.values()))
        for body in outputs.events:
            core = self._cores.get(body.get("connector") or 0, first)
            core.chassis.record(kinds.EVENT, body)
        if outputs.refused and outputs.refused != self._refused:
            for core in self._cores.values():
                core.chassis.guard.note(RuntimeError(f"closing refused by the last gate: {outputs.refused}"))
        self._refused = outputs.refused

    # What can be seen.

    def status(self) -> dict[str, Any]:
        """Budget, who sets it, share of each connector, and where each group is."""
        outputs = self.outputs
        if outputs is None:
            return {}
        return {
            "budget_w": round(outputs.budget_w),
            "budget_by": outputs.budget_by,
            "shares": {
                str(number): {"power_w": round(share.power_w), "current_a": round(share.current_a, 1), "by": share.by}
                for number, share in outputs.shares.items()
            },
            "ready": {str(number): list(ready.reasons) for number, ready in outputs.ready.items()},
            "groups": {
                group: {
                    "state": status.state,
                    "connector": status.connector,
                    "voltage_v": _shown(self._groups[group].readings.get("module_voltage_v")),
                    "current_a": _shown(self._groups[group].readings.get("module_current_a")),
                }
                for group, status in outputs.groups.items()
            },
            "findings": [
                {"fault": found.fault, "connector": found.connector, "group": found.group, "output": found.output}
                for found in outputs.findings
            ],
        }


_REFUSALS = {
    "granted": "",
    "value_invalid": Reason(reasons.BAD_ARGUMENTS, "power_w").text,
    "expired": reasons.EXPIRED,
    "expiry_missing": reasons.NO_EXPIRY,
    "expiry_too_far": reasons.EXPIRY_TOO_FAR,
}


def _order(set_point: gate.SetPoint) -> SetPoint:
    return SetPoint(set_point.on, set_point.voltage_v, set_point.current_a)


def _wanted_w(core: ControlCore, set_point: SetPoint) -> float:
    """Most that the vehicle can take now: its demand while it charges, and at least what is ordered."""
    bcl = core.point.charger.vehicle.bcl
    asked_w = 0.0
    if bcl is not None and core.state == states.CHARGING:
        asked_w = float(bcl.values["voltage_v"]) * float(bcl.values["current_a"])
    ordered_w = set_point.voltage_v * set_point.current_a if set_point.on else 0.0
    return max(asked_w, ordered_w, _START_NEED_W)


def _both(first: Reading | None, second: Reading | None) -> Reading | None:
    """K1 and K2 as one reading: both closed, both open, or none; its time is that of the older one."""
    if first is None or second is None or first.value is not second.value:
        return None
    if not (first.quality.is_value and second.quality.is_value):
        return None
    return first if first.at_s <= second.at_s else second


def _shown(reading: Reading | None) -> float | None:
    return None if reading is None else round(float(reading.value), 1)
