"""The loop of a pile that charges: the base loop with relay boards, power stages and power sharing."""

import selectors
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc.core import ControlCore, Outputs
from agent.control.pile import PileOutputs
from agent.control.power.parameters import PowerParameters
from agent.field.assembly import LOCK, ConnectorHardware, Hardware
from agent.field.base_loop import BaseLoop, Pace
from agent.field.can_lines import CanLine
from agent.field.groups import GroupLines, GroupSide
from agent.field.lines import Line
from agent.field.server import FieldServer
from agent.field.status import connector_status, pile_status
from agent.field.vehicle_side import VehicleSide
from agent.vocabulary import reasons
from drivers.can.frame import CanFrame
from drivers.reading import Reading

if TYPE_CHECKING:
    from agent.field.power_side import PowerSide

_LAST_WRITES_S = 0.5
"""Own: the longest time for the last writes before the ports are closed."""


class FieldLoop(BaseLoop[ControlCore]):
    """Joins the control cores, by connector, with the hardware and the local socket."""

    def __init__(
        self,
        cores: Mapping[int, ControlCore],
        hardware: Hardware,
        power: PowerParameters,
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        pace: Pace,
    ) -> None:
        self.hardware = hardware
        self._power_parameters = power
        self._power: PowerSide | None = None
        feedback = dict.fromkeys((row.feedback for row in power.contactors), self._take_feedback)
        super().__init__(
            cores,
            next(iter(cores.values())).parameters.boot_id,
            [*hardware.modbus_lines, *hardware.gpio_lines, *hardware.can_lines],
            {connector.number: connector.vehicle_line for connector in hardware.connectors},
            server,
            selector,
            pace=pace,
            routes=hardware.routes,
            elsewhere={**feedback, "active_power_w": self._take_incomer},
        )
        self._ends = {connector.number: _End(connector) for connector in hardware.connectors}
        self._groups = GroupLines(
            [GroupSide(group) for connector in hardware.connectors for group in connector.groups], self._write_can
        )
        self._allocation: dict[str, bool] = {}
        self._switched = False
        """A group has been switched on or off and is to know it at once."""
        if power.shared:
            self._power = self._begin_sharing(time.monotonic())

    def _begin_sharing(self, now_s: float) -> "PowerSide":
        from agent.field.power_side import PowerSide

        return PowerSide(self._power_parameters, self.cores, self._groups.groups, now_s)

    def close(self) -> None:
        """Outputs off as far as the wires let us, then everything closed."""
        now_s = time.monotonic()
        for end in self._ends.values():
            end.outputs.all_off(now_s, keep=(LOCK,))
        self.hardware.allocation.all_off(now_s)
        for group in self._groups.groups:
            group.order(0.0, 0.0, False)
        deadline_s = now_s + _LAST_WRITES_S
        waiting = True
        while waiting and now_s < deadline_s:
            self._groups.run(now_s)
            self._run_lines(now_s, force=True)
            waiting = any(not line.master.idle for line in self.hardware.modbus_lines if line.is_open)
            if waiting:
                for key, events in self._selector.select(0.005):
                    self._on_ready(key.data, events)
            now_s = time.monotonic()
        super().close()

    # What comes in.

    def _take_feedback(self, name: str, reading: Reading) -> None:
        if self._power is not None:
            self._power.take_feedback(name, reading)

    def _take_incomer(self, name: str, reading: Reading) -> None:
        if self._power is not None:
            self._power.take_incomer(reading)
        next(iter(self.cores.values())).on_reading(name, reading)

    def _take_for_the_pile(self, command: CommandInput) -> bool:
        now_s = time.monotonic()
        if command.name == reasons.LIMIT:
            # Kept, recorded and answered by the first connector, as there is no core of the pile.
            first = next(iter(self.cores.values()))
            former = first.chassis.answers.former(command.id)
            if former is not None:
                # A repeated id acts no second time: a later limit may have replaced its own.
                first.chassis.repeat(former)
                return True
            if self._power is None:
                self._power = self._begin_sharing(now_s)
            wall_ms, wall_quality = self._clock.read(now_s)
            refusal = self._power.limit(command, now_s, wall_ms, wall_quality)
            first.chassis.decide(command, reasons.REJECTED if refusal else reasons.ACCEPTED, refusal)
            return True
        if command.name == reasons.RESET and command.origin == reasons.ORIGIN_LOCAL and self._power is not None:
            self._power.reset(now_s)
        return False

    def _report_buses(self) -> None:
        super()._report_buses()
        for connector in self.hardware.connectors:
            if connector.groups:
                self.cores[connector.number].on_module_bus_state(connector.groups[0].line.bus_state)

    def _run_devices(self, now_s: float) -> None:
        self._groups.run(now_s)
        self._run_lines(now_s)

    def _read_line(self, line: Line, now_s: float) -> int:
        if not isinstance(line, CanLine):
            return 0
        frames = line.read(now_s)
        if not frames:
            return 0
        for group in self._groups.on_line(line):
            self._take_modules(group, frames, now_s)
        side = self._side_of.get(id(line))
        if side is not None:
            core = self.cores[side.number]
            for frame in frames:
                core.on_frame(frame, now_s)
            side.next_reply_s = now_s
            self._vehicle_was_read(side, now_s)
        return len(frames)

    def _take_modules(self, group: GroupSide, frames: list[CanFrame], now_s: float) -> None:
        found = group.take(frames, now_s)
        if self._power is None:
            for name, reading in found:
                self._deliver(name, reading)
        elif found:
            for connector, readings in self._power.readings(group, now_s):
                for name, reading in readings:
                    self._delivery.take(connector, name, reading)

    # What goes out.

    def _reply(self, side: VehicleSide, now_s: float) -> None:
        """Let out what the vehicle waits for; what it sent may ask for an evaluation at once."""
        core = self.cores[side.number]
        frames = core.replies(now_s)
        if frames:
            self._write_can(self._ends[side.number].line, frames, now_s)
        side.next_reply_s = core.reply_due_s()
        self._edge = self._edge or core.wants_evaluation

    def _apply(self, outputs: PileOutputs, now_s: float) -> None:
        by_connector: Mapping[int, Outputs] = outputs.by_connector
        changed = False
        for number, each in by_connector.items():
            changed = self._ends[number].set_relays(each.relays, now_s) or changed
        if changed:
            self._run_lines(now_s, force=True)
        if self._power is None:
            (alone,) = by_connector.values()
            order = alone.set_point
            self._order(self._groups.groups[0], order.voltage_v, order.current_a, order.on)
        else:
            self._share_power(self._power, by_connector, now_s)
        if self._switched:
            self._switched = False
            self._groups.run(now_s)
        for number, each in by_connector.items():
            if each.frames:
                self._write_can(self._ends[number].line, each.frames, now_s)
        super()._apply(outputs, now_s)
        for side in self._sides:
            side.next_reply_s = self.cores[side.number].reply_due_s()

    def _share_power(self, power: "PowerSide", by_connector: Mapping[int, Outputs], now_s: float) -> None:
        """Shares for the next evaluation, set points of the groups, allocation contactors."""
        shared = power.step(now_s, {number: each.set_point for number, each in by_connector.items()})
        if shared.relays != self._allocation:
            for name, on in shared.relays.items():
                self.hardware.allocation.set_output(name, on, now_s)
            self._allocation = dict(shared.relays)
            self._run_lines(now_s, force=True)
        for group in self._groups.groups:
            wanted = shared.set_points[group.id]
            self._order(group, wanted.voltage_v, wanted.current_a, wanted.on)

    def _order(self, group: GroupSide, voltage_v: float, current_a: float, on: bool) -> None:
        self._switched = group.order(voltage_v, current_a, on) or self._switched

    def _write_can(self, line: CanLine, frames: list[CanFrame], now_s: float) -> None:
        line.write(frames, now_s)
        if not line.is_open:
            self._forget(line)

    def status(self, now_s: float) -> dict[str, Any]:
        """See BaseLoop."""
        first = next(iter(self.cores.values()))
        power = {} if self._power is None else {"power": self._power.status()}
        return {
            **pile_status(first.parameters),
            **super().status(now_s),
            **power,
            "connectors": [
                {**connector_status(core, now_s), **self._ends[number].status()} for number, core in self.cores.items()
            ],
        }


class _End:
    """Outputs, line and groups of one connector."""

    def __init__(self, connector: ConnectorHardware) -> None:
        self.line = connector.vehicle_line
        self.outputs = connector.outputs
        self.groups = connector.groups
        self.relays: dict[str, bool] = {}

    def set_relays(self, relays: dict[str, bool], now_s: float) -> bool:
        """Command what has changed. Returns whether anything has."""
        if relays == self.relays:
            return False
        for name, on in relays.items():
            self.outputs.set_output(name, on, now_s)
        self.relays = relays
        return True

    def status(self) -> dict[str, Any]:
        """Outputs and the modules at home here."""
        return {
            "outputs": self.relays,
            "modules": {
                str(address): entry for group in self.groups for address, entry in group.stage.status().items()
            },
        }
