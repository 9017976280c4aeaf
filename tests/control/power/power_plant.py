"""A small true plant for power sharing: groups with capacitors, contactors that take time and weld, and batteries.

The logic sees only what the sensors say; the plant knows what is true and judges every closing and opening by it.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.control.power.commands import LimitCommand
from agent.control.power.manager import PowerManager
from agent.control.power.parameters import AllocationContactor, ModuleGroup, Policy, PowerNumbers, PowerParameters
from agent.control.power.values import OFF, ConnectorInput, GroupInput, GroupStatus, PowerInputs, PowerOutputs, SetPoint
from drivers.reading import Reading

STEP_S = 0.04
CLOSE_S = 0.08
"""A contactor closes this long after its command."""
OPEN_S = 0.04
GROUP_DECAY_S = 8.0
BUS_DECAY_S = 2.0
QUICK = PowerNumbers(
    need_hold_s=1.0,
    lend_hold_s=1.0,
    matching_limit_s=40.0,
    waiting_limit_s=60.0,
    retry_after_s=4.0,
    lowering_unmeasured_s=3.0,
)
"""The numbers of the product, some waits shortened so that a test sees several moves."""
CLOSING_LIMIT_V = 12.0
"""Truth at the instant of closing: the window of 10 V and what voltages may move while a contactor closes."""


def parameters(policy: Policy = "switched", numbers: PowerNumbers = QUICK, **changes: object) -> PowerParameters:
    """A pile of 120 kW with two groups of 60 kW and a contactor from each to each connector."""
    base = PowerParameters(
        maximum_power_w=120_000.0,
        maximum_voltage_v=1000.0,
        connector_power_w={1: 120_000.0, 2: 120_000.0},
        connector_current_a={1: 250.0, 2: 250.0},
        groups=(
            ModuleGroup("A", 1, 2, 60_000.0, 150.0, 200.0, 1000.0),
            ModuleGroup("B", 2, 2, 60_000.0, 150.0, 200.0, 1000.0),
        ),
        contactors=tuple(
            AllocationContactor(
                group, connector, f"allocation_{group}{connector}", f"allocation_{group}{connector}_closed"
            )
            for group in "AB"
            for connector in (1, 2)
        ),
        policy=policy,
        numbers=numbers,
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


@dataclass
class Contactor:
    """Truth of one allocation contactor, and what its auxiliary contact is made to say."""

    closed: bool = False
    commanded: bool = False
    since_s: float = 0.0
    welded: bool = False
    jammed: bool = False
    feedback: str = "true"
    """``true``, ``open``, ``closed`` (stuck), ``missing`` or ``flicker``."""


@dataclass
class Group:
    """Truth of a group: one capacitor and a current source with a voltage limit."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    order: SetPoint = OFF
    sensor: str = "true"
    """``true``, ``stuck``, ``missing`` or ``flicker``."""
    stuck_v: float = 0.0
    deaf: bool = False
    """Modules keep their last order."""
    offset_v: float = 0.0
    """Error of the modules' voltage control."""


@dataclass
class Gun:
    """Truth of a connector and its vehicle, and a small core that charges it."""

    battery_v: float = 400.0
    demand_a: float = 100.0
    plugged: bool = False
    faulted: bool = False
    silent: bool = False
    sensor: str = "true"
    stuck_v: float = 0.0
    voltage_v: float = 0.0
    current_a: float = 0.0
    k_closed: bool = False
    phase: str = "idle"
    since_s: float = 0.0
    order: SetPoint = OFF
    said_at_s: float = 0.0
    charged_s: float = 0.0


@dataclass
class Watch:
    """What must never happen, collected with time and place."""

    broken: list[str] = field(default_factory=list)

    def __call__(self, fine: bool, what: str) -> None:
        if not fine:
            self.broken.append(what)


class Plant:
    """Steps truth and logic together. ``broken`` names everything that must never happen and did."""

    def __init__(self, given: PowerParameters | None = None, manager: PowerManager | None = None) -> None:
        self.parameters = parameters() if given is None else given
        self.now_s = 1000.0
        self.manager = PowerManager(self.parameters, self.now_s) if manager is None else manager
        self.groups = {group.id: Group() for group in self.parameters.groups}
        self.guns = {connector: Gun() for connector in self.parameters.connector_power_w}
        self.contactors = {(row.group, row.connector): Contactor() for row in self.parameters.contactors}
        self.watch = Watch()
        self.outputs: PowerOutputs | None = None
        self.steps = 0
        self.moves = 0
        self.events: list[dict[str, object]] = []
        self.faults: set[tuple[str, str | None]] = set()
        self.reset = False
        self._over_since_s: float | None = None
        self._relays: dict[str, bool] = {}

    @property
    def broken(self) -> list[str]:
        return self.watch.broken

    # Time.

    def run(self, seconds: float, until: Callable[["Plant"], bool] | None = None) -> bool:
        """Let time pass; True as soon as ``until`` holds."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.step()
            if until is not None and until(self):
                return True
        return until is None

    def step(self) -> None:
        """One cycle: the plant moves, the cores speak, the logic decides, its outputs act."""
        self.steps += 1
        self.now_s = round(self.now_s + STEP_S, 6)
        self._move_contactors()
        self._electricity()
        for number, gun in self.guns.items():
            self._core(number, gun)
        inputs = self._inputs()
        outputs = self.manager.evaluate(self.now_s, inputs)
        self.events += outputs.events
        self.faults |= {(finding.fault, finding.output) for finding in outputs.findings}
        self._judge(inputs, outputs)
        self.outputs = outputs
        self._act(outputs)

    # Truth.

    def joined(self, group: str) -> list[int]:
        """Connectors that the group is in truth connected to."""
        if not self.parameters.paths(group):
            return [next(g.home for g in self.parameters.groups if g.id == group)]
        return [
            connector for (its, connector), contactor in self.contactors.items() if its == group and contactor.closed
        ]

    def _move_contactors(self) -> None:
        for (group, connector), contactor in self.contactors.items():
            delay_s = CLOSE_S if contactor.commanded else OPEN_S
            if contactor.closed == contactor.commanded or self.now_s - contactor.since_s < delay_s:
                continue
            if contactor.commanded and not contactor.jammed:
                self._close(group, connector, contactor)
            elif not contactor.commanded and not contactor.welded:
                patient = any(fault == "allocation_current_remains" for fault, _ in self.faults)
                self.watch(
                    abs(self.groups[group].current_a) <= 8.0 or patient or self.groups[group].deaf,
                    f"{self.now_s}: {group}{connector} opens under {self.groups[group].current_a:.0f} A",
                )
                contactor.closed = False

    def _close(self, group: str, connector: int, contactor: Contactor) -> None:
        self.moves += 1
        group_v, bus_v = self.groups[group].voltage_v, self.guns[connector].voltage_v
        safe = max(abs(group_v), abs(bus_v)) < 60.0 + 2.0
        fine = safe or abs(group_v - bus_v) <= CLOSING_LIMIT_V
        self.watch(fine, f"{self.now_s}: {group}{connector} closes at {group_v:.0f} V onto {bus_v:.0f} V")
        others = [other for other in self.joined(group) if other != connector]
        hidden = any(self.contactors[group, other].feedback == "open" for other in others)
        self.watch(not others or (hidden and safe), f"{self.now_s}: {group} joins {connector} while at {others}")
        contactor.closed = True

    def _electricity(self) -> None:
        for group_id, group in self.groups.items():
            connectors = self.joined(group_id)
            live = [self.guns[c] for c in connectors if self.guns[c].k_closed]
            if live:
                group.voltage_v = live[0].battery_v
                wanted_a = group.order.current_a if group.order.on and group.order.voltage_v >= group.voltage_v else 0.0
                group.current_a += (wanted_a - group.current_a) * 0.15
            else:
                group.current_a = 0.0
                target_v = group.order.voltage_v + group.offset_v
                if group.order.on and group.voltage_v < target_v:
                    group.voltage_v = min(target_v, group.voltage_v + 400.0 * STEP_S)
                else:
                    group.voltage_v -= group.voltage_v * STEP_S / GROUP_DECAY_S
        for number, gun in self.guns.items():
            fed = [group for group_id, group in self.groups.items() if number in self.joined(group_id)]
            if gun.k_closed:
                gun.voltage_v = gun.battery_v
            elif fed:
                gun.voltage_v = max(group.voltage_v for group in fed)
                for group in fed:
                    group.voltage_v = gun.voltage_v
            else:
                gun.voltage_v -= gun.voltage_v * STEP_S / BUS_DECAY_S
            gun.current_a = sum(group.current_a for group in fed) if gun.k_closed else 0.0

    # A small core: waits for its groups, tests the insulation, precharges, charges, ends.

    def _core(self, number: int, gun: Gun) -> None:
        share = None if self.outputs is None else self.outputs.shares[number].in_force(self.now_s)
        ready = self.outputs is not None and self.outputs.ready[number].close
        steps = {"idle": self._idle, "test": self._test, "bleed": self._bleed, "charge": self._charge}
        if gun.faulted or not gun.plugged:
            gun.order = OFF
            if gun.k_closed and (gun.faulted or gun.current_a < 5.0):
                gun.k_closed = False
            gun.phase = "idle"
        elif share is not None:
            steps.get(gun.phase, self._precharge)(gun, ready, share.current_a)
        if not gun.silent:
            gun.said_at_s = self.now_s

    def _go(self, gun: Gun, phase: str) -> None:
        gun.phase, gun.since_s = phase, self.now_s

    def _idle(self, gun: Gun, ready: bool, current_a: float) -> None:
        gun.order = OFF
        if ready and gun.voltage_v < 60.0:
            self._go(gun, "test")

    def _test(self, gun: Gun, ready: bool, current_a: float) -> None:
        gun.order = SetPoint(True, 500.0, 2.0)
        if self.now_s - gun.since_s > 2.0:
            self._go(gun, "bleed")

    def _bleed(self, gun: Gun, ready: bool, current_a: float) -> None:
        gun.order = OFF
        if gun.voltage_v < gun.battery_v - 20.0:
            self._go(gun, "precharge")

    def _precharge(self, gun: Gun, ready: bool, current_a: float) -> None:
        gun.order = SetPoint(True, gun.battery_v - 5.0, 2.0)
        if ready and 1.0 <= gun.battery_v - gun.voltage_v <= 10.0 and gun.sensor == "true":
            gun.k_closed = True
            self._go(gun, "charge")
        elif self.now_s - gun.since_s > 10.0:
            self._go(gun, "idle")

    def _charge(self, gun: Gun, ready: bool, current_a: float) -> None:
        gun.order = SetPoint(True, gun.battery_v + 10.0, min(gun.demand_a, current_a))
        gun.charged_s += STEP_S

    # What the sensors say.

    def _contact(self, contactor: Contactor) -> Reading | None:
        if contactor.feedback == "missing":
            return None
        if contactor.feedback == "flicker" and self.steps % 4 < 2:
            return Reading(not contactor.closed, "bool", self.now_s)
        value = {"open": False, "closed": True}.get(contactor.feedback, contactor.closed)
        return Reading(value, "bool", self.now_s)

    def _voltage(self, sensor: str, true_v: float, stuck_v: float) -> Reading | None:
        if sensor == "missing" or (sensor == "flicker" and self.steps % 3 == 0):
            return None
        return Reading(stuck_v if sensor == "stuck" else true_v, "V", self.now_s)

    def _inputs(self) -> PowerInputs:
        connectors = {}
        for number, gun in self.guns.items():
            connectors[number] = ConnectorInput(
                at_s=gun.said_at_s,
                wants_power=gun.plugged and not gun.faulted,
                wanted_power_w=gun.demand_a * (gun.battery_v + 10.0),
                set_point=gun.order,
                faulted=gun.faulted,
                contactors_closed=Reading(gun.k_closed, "bool", self.now_s),
                bus_voltage_v=self._voltage(gun.sensor, gun.voltage_v, gun.stuck_v),
                vehicle_side_voltage_v=Reading(gun.battery_v if gun.plugged or gun.k_closed else 0.0, "V", self.now_s),
                current_a=Reading(gun.current_a, "A", self.now_s),
            )
        groups = {
            group_id: GroupInput(
                voltage_v=self._voltage(group.sensor, group.voltage_v, group.stuck_v),
                current_a=Reading(group.current_a, "A", self.now_s),
                feedback={c: self._contact(self.contactors[group_id, c]) for c in self.parameters.paths(group_id)},
            )
            for group_id, group in self.groups.items()
        }
        return PowerInputs(connectors, groups, reset=self.reset)

    def _act(self, outputs: PowerOutputs) -> None:
        for row in self.parameters.contactors:
            contactor = self.contactors[row.group, row.connector]
            if contactor.commanded != outputs.relays[row.output]:
                contactor.commanded, contactor.since_s = outputs.relays[row.output], self.now_s
        for group_id, group in self.groups.items():
            if not group.deaf:
                group.order = outputs.set_points[group_id]

    # What must hold at every instant.

    def _judge(self, inputs: PowerInputs, outputs: PowerOutputs) -> None:
        watch, now_s = self.watch, self.now_s
        total_w = sum(share.power_w for share in outputs.shares.values())
        watch(total_w <= outputs.budget_w + 1e-6, f"{now_s}: shares of {total_w} W in a budget of {outputs.budget_w} W")
        watch(outputs.refused == (), f"{now_s}: the gate had to refuse {outputs.refused}")
        for number, share in outputs.shares.items():
            watch(share.expires_at_s == now_s + self.parameters.numbers.share_validity_s, f"{now_s}: share without end")
            gun = self.guns[number]
            watch(not gun.faulted or share.power_w == 0.0, f"{now_s}: connector {number} is in fault and has a share")
            fed = [group for group, status in outputs.groups.items() if status == GroupStatus("joined", number)]
            asked_a = sum(outputs.set_points[group].current_a for group in fed)
            watch(asked_a <= share.current_a + 1e-6, f"{now_s}: {asked_a} A of {number}, share {share.current_a} A")
            voltages = {outputs.set_points[group].voltage_v for group in fed if outputs.set_points[group].on}
            watch(len(voltages) <= 1, f"{now_s}: connector {number} is fed at {voltages}")
        self._judge_groups(inputs, outputs)
        self._judge_power(outputs)

    def _judge_groups(self, inputs: PowerInputs, outputs: PowerOutputs) -> None:
        for group in self.parameters.groups:
            rows = self.parameters.paths(group.id)
            commanded = [c for c, row in rows.items() if outputs.relays[row.output]]
            self.watch(len(commanded) <= 1, f"{self.now_s}: {group.id} commanded to {commanded}")
            order, status = outputs.set_points[group.id], outputs.groups[group.id]
            allowed = status.state in ("joined", "matching", "closing")
            self.watch(not order.on or allowed, f"{self.now_s}: {group.id} is on in {status.state}")
            self.watch(order.current_a <= group.maximum_current_a, f"{self.now_s}: {group.id} beyond its rating")
            rising = [c for c in commanded if not self._relays.get(rows[c].output, False)]
            said = inputs.groups[group.id]
            for connector in rising:
                known = all(r is not None and r.value is False for r in said.feedback.values())
                bus_v = inputs.connectors[connector].bus_voltage_v
                seen = said.voltage_v is not None and bus_v is not None
                self.watch(known and seen, f"{self.now_s}: {group.id}{connector} is closed blindly")
                healthy = all(self.contactors[group.id, c].feedback in ("true", "open") for c in rows)
                self.watch(healthy, f"{self.now_s}: {group.id}{connector} is closed with a bad feedback")
        self._relays = dict(outputs.relays)

    def _judge_power(self, outputs: PowerOutputs) -> None:
        # a limit acts within 2 s, the modules of this plant included.
        true_w = sum(gun.current_a * gun.voltage_v for gun in self.guns.values())
        if true_w <= outputs.budget_w * 1.02 + 1000.0 or any(group.deaf for group in self.groups.values()):
            self._over_since_s = None
        elif self._over_since_s is None:
            self._over_since_s = self.now_s
        else:
            over_s = self.now_s - self._over_since_s
            self.watch(
                over_s <= 2.0, f"{self.now_s}: {true_w:.0f} W beyond {outputs.budget_w:.0f} W for {over_s:.1f} s"
            )

    # Means of the tests.

    def state(self, group: str) -> tuple[str, int | None]:
        """State and connector of a group as the logic sees it."""
        assert self.outputs is not None
        status = self.outputs.groups[group]
        return status.state, status.connector

    def limit(self, value_w: float, seconds: float | None) -> str:
        """A limit by the platform for so many seconds."""
        expires_at_s = None if seconds is None else self.now_s + seconds
        return self.manager.limit(LimitCommand(value_w, "platform", expires_at_s), self.now_s)

    def settled(self) -> set[str]:
        """Groups that are joined, parked or at rest with a named fault."""
        assert self.outputs is not None
        named = {finding.group for finding in self.outputs.findings}
        return {
            group
            for group, status in self.outputs.groups.items()
            if status.state in ("joined", "parked") or (status.state == "faulted" and group in named)
        }
