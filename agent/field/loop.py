"""The loop of the field process: wires and local clients in, one evaluation, outputs out. One thread, no waiting.

An input edge wakes the loop and is evaluated at once; besides, everything is evaluated at least once a cycle.
"""

import logging
import selectors
import time
from typing import Any

from agent.control.backlog import RecordDraft
from agent.control.commands import CommandInput
from agent.control.core import ControlCore, Outputs
from agent.control.parameters import ControlParameters
from agent.control.steps.context import Demand
from agent.field.assembly import LOCK, Hardware
from agent.field.clock import WallClock
from agent.field.lines import CanLine, Line, ModbusLine
from agent.field.server import Client, FieldServer
from agent.field.status import snapshot
from agent.link.messages import (
    Acknowledge,
    Attach,
    Command,
    CommandReply,
    ReadingsMessage,
    RecorderHealth,
    RecordMessage,
    StatusMessage,
    StatusRequest,
    ToField,
)
from drivers.can.frame import CanFrame
from drivers.reading import Reading

_LOG = logging.getLogger(__name__)

_OPEN_REQUESTS = 64


class FieldLoop:
    """Joins the core with the hardware and the local socket."""

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
        self.core = core
        self.hardware = hardware
        self._parameters = parameters
        self._server = server
        self._selector = selector
        self._cycle_s = cycle_s
        self._readings_interval_s = readings_interval_s
        self._readings_idle_interval_s = readings_idle_interval_s
        self._clock = WallClock()
        self._started_at_s = time.monotonic()
        self._lines: list[Line] = [*hardware.modbus_lines, hardware.vehicle_line]
        if hardware.module_line is not hardware.vehicle_line:
            self._lines.append(hardware.module_line)
        self._registered: dict[int, Line] = {}
        self._next_cycle_s = self._started_at_s
        self._line_due_s: dict[str, float] = {}
        self._next_request_s = float("inf")
        self._next_readings_s = self._started_at_s
        self._edge = False
        self._bool_values: dict[str, bool] = {}
        self._askers: dict[str, Client] = {}
        self._demand = Demand()
        self._relays: dict[str, bool] = {}
        self.recorder_health: RecorderHealth | None = None
        self.scheduler = "normal"
        self.cycles = 0
        self.late_cycles = 0
        self.longest_cycle_s = 0.0

    # One turn.

    def turn(self) -> None:
        """Wait for the next thing to do, at most until the next cycle, and do it."""
        due_s = min(self._next_cycle_s, self._next_request_s)
        for key, events in self._selector.select(max(0.0, due_s - time.monotonic())):
            self._on_ready(key.data, events)
        now_s = time.monotonic()
        if now_s >= self._next_cycle_s:
            # Requests leave on the cycle's beat, not at their own due times: far fewer wake-ups, and a poll
            # period that is a multiple of the cycle keeps its period.
            self._count_cycle(now_s)
            self._run_power_stage(now_s)
            self._run_lines(now_s)
            self._edge = False
            self.evaluate(now_s)
            return
        if self._edge:
            self._edge = False
            self.evaluate(now_s)
        if now_s >= self._next_request_s:
            self._run_lines(now_s)

    def evaluate(self, now_s: float) -> None:
        """One step of the core, its outputs applied at once."""
        wall_ms, wall_quality = self._clock.read(now_s)
        outputs = self.core.step(now_s, wall_ms, wall_quality)
        self._apply(outputs, now_s)
        if now_s >= self._next_readings_s:
            self._send_readings(now_s, wall_ms, wall_quality)

    def open_lines(self) -> None:
        """Try to open every line that is closed; called once a second and at the start."""
        now_s = time.monotonic()
        for line in self._lines:
            if line.try_open(now_s):
                self._watch(line)
        self.core.on_vehicle_port(is_open=self.hardware.vehicle_line.is_open)

    def close(self) -> None:
        """Outputs off as far as the wires let us, then everything closed."""
        now_s = time.monotonic()
        self.hardware.relay_board.all_off(now_s, keep=(LOCK,))
        self.hardware.power_stage.demand(0.0, 0.0, False)
        deadline_s = now_s + 0.5
        while now_s < deadline_s and any(not line.master.idle for line in self.hardware.modbus_lines if line.is_open):
            self._run_power_stage(now_s)
            self._run_lines(now_s, force=True)
            for key, events in self._selector.select(0.005):
                self._on_ready(key.data, events)
            now_s = time.monotonic()
        for line in self._lines:
            self._forget(line)
            line.close(now_s)
        self._server.close()

    # What comes in.

    def _on_ready(self, data: Any, events: int) -> None:
        now_s = time.monotonic()
        if isinstance(data, ModbusLine):
            data.read(now_s)
            if data.master.has_results:
                # An edge among the readings is evaluated in this very turn.
                data.take_results(self._deliver)
                # What is queued behind this reply may go as soon as the line has been silent long enough.
                self._line_due_s[data.name] = now_s
                self._plan_requests(now_s)
            self._after_read(data)
        elif isinstance(data, CanLine):
            self._read_can(data, now_s)
            self._after_read(data)
        elif isinstance(data, Client):
            if events & selectors.EVENT_WRITE:
                self._server.flush(data)
            if events & selectors.EVENT_READ:
                for message in self._server.receive(data):
                    self._on_message(data, message, now_s)
        elif isinstance(data, FieldServer):
            data.accept()

    def _read_can(self, line: CanLine, now_s: float) -> None:
        frames = line.read(now_s)
        if not frames:
            return
        if line is self.hardware.module_line:
            for frame in frames:
                self.hardware.power_stage.receive(frame)
            for name, reading in self.hardware.power_stage.readings(now_s):
                self._deliver(name, reading)
        if line is self.hardware.vehicle_line:
            for frame in frames:
                self.core.on_frame(frame, now_s)
            self._edge = True

    def _after_read(self, line: Line) -> None:
        if not line.is_open:
            self._forget(line)
            self.core.on_vehicle_port(is_open=self.hardware.vehicle_line.is_open)
            self._edge = True

    def _deliver(self, name: str, reading: Reading) -> None:
        self.core.on_reading(name, reading)
        value = reading.value
        if (value is True or value is False) and self._bool_values.get(name) is not value:
            self._bool_values[name] = value
            self._edge = True

    def _on_message(self, client: Client, message: ToField, now_s: float) -> None:
        if isinstance(message, Attach):
            if message.role == "recorder":
                for draft in self.core.backlog.pending():
                    self._server.send(client, self._record_message(draft))
        elif isinstance(message, Acknowledge):
            if client.role == "recorder" and message.boot_id == self._parameters.boot_id:
                self.core.on_acknowledged(message.number)
                self._edge = True
        elif isinstance(message, RecorderHealth):
            if client.role == "recorder":
                self.recorder_health = message
                ready = message.ok and message.open_session is None
                if message.open_session is not None:
                    # It is closed with the meter's register, and until then nobody may start.
                    self._next_readings_s = min(self._next_readings_s, now_s + self._readings_interval_s)
                self.core.on_recorder(ready=ready, uplink=message.uplink, at_s=now_s, meter_proof=message.meter_proof)
        elif isinstance(message, Command):
            self._on_command(client, message)
        elif isinstance(message, StatusRequest):
            self._server.send(client, StatusMessage(self.status(now_s)))

    def _on_command(self, client: Client, message: Command) -> None:
        # Only the recorder speaks for the platform; an operator on the pile speaks for itself.
        origin = "platform" if client.role == "recorder" and message.origin == "platform" else "local"
        if message.connector != self._parameters.connector:
            self._server.send(client, CommandReply(message.id, "rejected", "no_such_connector"))
            return
        while len(self._askers) >= _OPEN_REQUESTS:
            self._askers.pop(next(iter(self._askers)))
        self._askers[message.id] = client
        self.core.on_command(
            CommandInput(message.id, message.name, origin, dict(message.arguments), message.expires_wall_ms)
        )
        self._edge = True

    # What goes out.

    def _apply(self, outputs: Outputs, now_s: float) -> None:
        if outputs.relays != self._relays:
            for name, on in outputs.relays.items():
                self.hardware.relay_board.set_output(name, on, now_s)
            self._relays = outputs.relays
            self._run_lines(now_s, force=True)
        demand = outputs.demand
        self.hardware.power_stage.demand(demand.voltage_v, demand.current_a, demand.on)
        if demand.on is not self._demand.on:
            self._run_power_stage(now_s)
        self._demand = demand
        if outputs.frames:
            self._write_can(self.hardware.vehicle_line, outputs.frames, now_s)
        recorder = self._server.recorder
        if recorder is not None:
            for draft in outputs.records:
                self._server.send(recorder, self._record_message(draft))
        for reply in outputs.replies:
            asker = self._askers.get(reply.id)
            if asker is not None:
                self._server.send(asker, CommandReply(reply.id, reply.result, reply.reason, reply.session))
                if reply.result != "accepted":
                    self._askers.pop(reply.id, None)

    def _record_message(self, draft: RecordDraft) -> RecordMessage:
        return RecordMessage(
            boot_id=self._parameters.boot_id,
            number=draft.number,
            kind=draft.kind,
            at_s=draft.at_s,
            wall_ms=draft.wall_ms,
            wall_quality=draft.wall_quality,
            connector=self._parameters.connector,
            session=draft.session,
            body=draft.body,
        )

    def _send_readings(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        session = self.core.session
        interval_s = self._readings_idle_interval_s if session is None else self._readings_interval_s
        self._next_readings_s = now_s + interval_s
        recorder = self._server.recorder
        if recorder is None:
            return
        self._server.send(
            recorder,
            ReadingsMessage(
                at_s=now_s,
                wall_ms=wall_ms,
                wall_quality=wall_quality,
                connector=self._parameters.connector,
                session=None if session is None else session.id,
                values=self.core.image.snapshot(now_s),
            ),
        )

    def _run_lines(self, now_s: float, *, force: bool = False) -> None:
        for line in self.hardware.modbus_lines:
            if force or now_s >= self._line_due_s.get(line.name, 0.0):
                self._line_due_s[line.name] = line.turn(now_s, self._deliver, force=force)
                if not line.is_open and line.fileno() < 0:
                    self._forget(line)
        self._plan_requests(now_s)

    def _plan_requests(self, now_s: float) -> None:
        """Work out when the next queued request may leave; until then only the cycle and the wires wake the loop."""
        next_s = float("inf")
        for line in self.hardware.modbus_lines:
            if line.master.waiting:
                due_s = line.master.next_due(now_s)
                if due_s is not None:
                    self._line_due_s[line.name] = min(self._line_due_s.get(line.name, due_s), due_s)
                    next_s = min(next_s, due_s)
        self._next_request_s = next_s

    def _run_power_stage(self, now_s: float) -> None:
        stage = self.hardware.power_stage
        if now_s >= self._line_due_s.get("", 0.0):
            frames = stage.poll(now_s)
            if frames:
                self._write_can(self.hardware.module_line, frames, now_s)
            self._line_due_s[""] = max(now_s + 0.002, stage.next_due(now_s))

    def _write_can(self, line: CanLine, frames: list[CanFrame], now_s: float) -> None:
        line.write(frames, now_s)
        if not line.is_open:
            self._forget(line)

    # Housekeeping.

    def _count_cycle(self, now_s: float) -> None:
        late_s = now_s - self._next_cycle_s
        self.cycles += 1
        if late_s > self._cycle_s:
            self.late_cycles += 1
        self.longest_cycle_s = max(self.longest_cycle_s, late_s + self._cycle_s)
        self._next_cycle_s = max(self._next_cycle_s + self._cycle_s, now_s)

    def _watch(self, line: Line) -> None:
        fd = line.fileno()
        if fd >= 0:
            self._selector.register(fd, selectors.EVENT_READ, line)
            self._registered[fd] = line

    def _forget(self, line: Line) -> None:
        for fd in [fd for fd, known in self._registered.items() if known is line]:
            del self._registered[fd]
            try:
                self._selector.unregister(fd)
            except (KeyError, ValueError, OSError):
                # The descriptor went with the device; epoll has dropped it already.
                _LOG.debug("line %s was already forgotten", line.name)

    def status(self, now_s: float) -> dict[str, Any]:
        """The whole status snapshot."""
        health = self.recorder_health
        return {
            **snapshot(self.core, now_s, now_s - self._started_at_s),
            "outputs": self._relays,
            "recorder": {
                "attached": self._server.recorder is not None,
                "ok": health is not None and health.ok,
                "reason": "" if health is None else health.reason,
                "uplink": "" if health is None else health.uplink,
                "uplink_pending": 0 if health is None else health.uplink_pending,
                "open_session": None if health is None else health.open_session,
            },
            "cycle": {
                "count": self.cycles,
                "late": self.late_cycles,
                "longest_ms": round(self.longest_cycle_s * 1000, 2),
                "scheduler": self.scheduler,
            },
            "buses": {
                **{line.name: line.status() for line in self.hardware.modbus_lines},
                **{line.name: line.status() for line in self.hardware.can_lines},
            },
            "modules": {str(address): entry for address, entry in self.hardware.power_stage.status().items()},
            "vehicle_protocol": self.core.charger.status(),
        }
