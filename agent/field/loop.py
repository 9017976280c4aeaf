"""The loop of a pile that charges: what the base loop leaves open, with relay board and power stage."""

import selectors
import time
from typing import Any

from agent.control.dc.core import ControlCore, Outputs
from agent.control.dc.parameters import ControlParameters
from agent.control.safety.gate import OFF
from agent.field.assembly import LOCK, Hardware
from agent.field.base_loop import BaseLoop
from agent.field.can_lines import CanLine
from agent.field.lines import Line
from agent.field.server import FieldServer
from agent.field.status import snapshot
from drivers.can.frame import CanFrame


class FieldLoop(BaseLoop[ControlCore]):
    """Joins the control core with the hardware and the local socket."""

    def __init__(
        self,
        core: ControlCore,
        parameters: ControlParameters,
        hardware: Hardware,
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        cycle_s: float,
        readings_interval_s: float,
        readings_idle_interval_s: float,
    ) -> None:
        (connector,) = hardware.connectors
        (group,) = connector.groups
        lines: list[Line] = [*hardware.modbus_lines, *hardware.can_lines]
        super().__init__(
            core,
            parameters.boot_id,
            parameters.connector,
            lines,
            connector.vehicle_line,
            server,
            selector,
            cycle_s=cycle_s,
            readings_interval_s=readings_interval_s,
            readings_idle_interval_s=readings_idle_interval_s,
        )
        self.hardware = hardware
        self._outputs = connector.outputs
        self._can_line = connector.vehicle_line
        self._module_line, self._stage = group.line, group.stage
        self._set_point = OFF
        self._relays: dict[str, bool] = {}

    def close(self) -> None:
        """Outputs off as far as the wires let us, then everything closed."""
        now_s = time.monotonic()
        self._outputs.all_off(now_s, keep=(LOCK,))
        self._stage.set_point(0.0, 0.0, False)
        deadline_s = now_s + 0.5
        while now_s < deadline_s and any(not line.master.idle for line in self.hardware.modbus_lines if line.is_open):
            self._run_power_stage(now_s)
            self._run_lines(now_s, force=True)
            for key, events in self._selector.select(0.005):
                self._on_ready(key.data, events)
            now_s = time.monotonic()
        super().close()

    def _step(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        self._apply(self.core.evaluate(now_s, wall_ms, wall_quality), now_s)
        self._next_reply_s = self.core.reply_due_s()

    def _reply(self, now_s: float) -> None:
        """Let out what the vehicle waits for; what it said may ask for an evaluation at once."""
        frames = self.core.replies(now_s)
        if frames:
            self._write_can(self._can_line, frames, now_s)
        self._next_reply_s = self.core.reply_due_s()
        self._edge = self._edge or self.core.wants_evaluation

    def _report_buses(self) -> None:
        super()._report_buses()
        self.core.on_module_bus_state(self._module_line.bus_state)

    def _run_devices(self, now_s: float) -> None:
        self._run_power_stage(now_s)
        self._run_lines(now_s)

    def _read_line(self, line: Line, now_s: float) -> int:
        if not isinstance(line, CanLine):
            return 0
        frames = line.read(now_s)
        if not frames:
            return 0
        if line is self._module_line:
            for frame in frames:
                self._stage.receive(frame)
            for name, reading in self._stage.readings(now_s):
                self._deliver(name, reading)
        if line is self._can_line:
            for frame in frames:
                self.core.on_frame(frame, now_s)
            self._next_reply_s = now_s
            self._vehicle_was_read(now_s)
        return len(frames)

    def _apply(self, outputs: Outputs, now_s: float) -> None:
        if outputs.relays != self._relays:
            for name, on in outputs.relays.items():
                self._outputs.set_output(name, on, now_s)
            self._relays = outputs.relays
            self._run_lines(now_s, force=True)
        set_point = outputs.set_point
        self._stage.set_point(set_point.voltage_v, set_point.current_a, set_point.on)
        if set_point.on is not self._set_point.on:
            self._run_power_stage(now_s)
        self._set_point = set_point
        if outputs.frames:
            self._write_can(self._can_line, outputs.frames, now_s)
        self._hand_over(outputs.records, outputs.replies)

    def _run_power_stage(self, now_s: float) -> None:
        stage = self._stage
        if now_s >= self._line_due_s.get("", 0.0):
            frames = stage.poll(now_s)
            if frames:
                self._write_can(self._module_line, frames, now_s)
            self._line_due_s[""] = max(now_s + 0.002, stage.next_due(now_s))

    def _write_can(self, line: CanLine, frames: list[CanFrame], now_s: float) -> None:
        line.write(frames, now_s)
        if not line.is_open:
            self._forget(line)

    def status(self, now_s: float) -> dict[str, Any]:
        """The whole status snapshot."""
        return {
            **snapshot(self.core, now_s, self.uptime_s(now_s)),
            "outputs": self._relays,
            **super().status(now_s),
            "modules": {str(address): entry for address, entry in self._stage.status().items()},
            "vehicle_protocol": self.core.point.charger.status(),
        }
