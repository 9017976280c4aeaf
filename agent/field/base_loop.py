"""The loop of the field process in any role: wires and local clients in, one evaluation, records and replies out.

One thread, no waiting. An input edge wakes the loop and is evaluated at once; besides, everything is evaluated at least
once a cycle. What a role drives, and whether it drives anything at all, is the subclass's. Frames of the vehicle are
taken in at once, but do not make an evaluation by themselves: a saturated bus has a frame each half millisecond
(docs/decisions/0360).
"""

import logging
import selectors
import time
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.field.can_lines import AnyCanLine
from agent.field.clock import WallClock
from agent.field.lines import Line, ModbusLine
from agent.field.server import Client, FieldServer
from agent.link.messages import (
    RECORDER,
    Acknowledge,
    Attach,
    Command,
    CommandReply,
    ReadingsMessage,
    RecorderHealth,
    StatusMessage,
    StatusRequest,
    ToField,
)
from agent.vocabulary import reasons
from agent.vocabulary.reasons import Reason, parsed
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from drivers.can.state import BusState
from drivers.reading import Reading

_LOG = logging.getLogger(__name__)

_OPEN_REQUESTS = 64
_DENSE_S = 0.002
"""While the vehicle's frames come closer than this, they are fetched at this interval instead of one by one.

Own choice: a wake-up costs ten times what a frame costs, and a saturated bus has 1,900 frames a second. CTS is to leave
within 5 ms of the RTS.
"""


class OpenSession(Protocol):
    """What the loop asks of a session."""

    @property
    def id(self) -> str:
        """Its number."""


class Core(Protocol):
    """What the loop asks of the core of any role."""

    @property
    def image(self) -> ProcessImage:
        """The process image."""

    @property
    def backlog(self) -> Backlog:
        """Records that are not yet durable."""

    @property
    def session(self) -> OpenSession | None:
        """The session that is open."""

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value."""

    def on_command(self, command: CommandInput) -> None:
        """Somebody asks for something."""

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health."""

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""


C = TypeVar("C", bound=Core)


class BaseLoop(Generic[C]):
    """Joins a core with the lines and the local socket."""

    def __init__(
        self,
        core: C,
        boot_id: str,
        connector: int,
        lines: Sequence[Line],
        vehicle_line: AnyCanLine[Any],
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        cycle_s: float,
        readings_interval_s: float,
        readings_idle_interval_s: float,
    ) -> None:
        self.core = core
        self._boot_id = boot_id
        self._connector = connector
        self._lines = list(lines)
        self._modbus_lines = [line for line in lines if isinstance(line, ModbusLine)]
        self._vehicle_line = vehicle_line
        self._server = server
        self._selector = selector
        self._cycle_s = cycle_s
        self._readings_interval_s = readings_interval_s
        self._readings_idle_interval_s = readings_idle_interval_s
        self._clock = WallClock()
        self._started_at_s = time.monotonic()
        self._registered: dict[int, Line] = {}
        self._next_cycle_s = self._started_at_s
        self._line_due_s: dict[str, float] = {}
        self._next_request_s = float("inf")
        self._next_reply_s = float("inf")
        self._next_fetch_s = float("inf")
        self._vehicle_read_s = float("-inf")
        self._next_readings_s = self._started_at_s
        self._edge = False
        self._bool_values: dict[str, bool] = {}
        self._bus_states: dict[str, BusState] = {}
        self._askers: dict[str, Client] = {}
        self.recorder_health: RecorderHealth | None = None
        self.scheduler = "normal"
        self.cycles = 0
        self.late_cycles = 0
        self.longest_cycle_s = 0.0

    # One turn.

    def turn(self) -> None:
        """Wait for the next thing to do, at most until the next cycle, and do it."""
        due_s = min(self._next_cycle_s, self._next_request_s, self._next_reply_s, self._next_fetch_s)
        for key, events in self._selector.select(max(0.0, due_s - time.monotonic())):
            self._on_ready(key.data, events)
        now_s = time.monotonic()
        if now_s >= self._next_fetch_s:
            self._fetch(now_s)
        if now_s >= self._next_cycle_s:
            # Requests leave on the cycle's beat, not at their own due times: far fewer wake-ups, and a poll
            # period that is a multiple of the cycle keeps its period.
            self._count_cycle(now_s)
            self._run_devices(now_s)
            self._edge = False
            self.evaluate(now_s)
            return
        if not self._edge and now_s >= self._next_reply_s:
            self._reply(now_s)
        if self._edge:
            self._edge = False
            self.evaluate(now_s)
        if now_s >= self._next_request_s:
            self._run_lines(now_s)

    def evaluate(self, now_s: float) -> None:
        """One step of the core, its outputs applied at once."""
        wall_ms, wall_quality = self._clock.read(now_s)
        self._step(now_s, wall_ms, wall_quality)
        if now_s >= self._next_readings_s:
            self._send_readings(now_s, wall_ms, wall_quality)

    def uptime_s(self, now_s: float) -> float:
        """Seconds since this process began."""
        return now_s - self._started_at_s

    def _step(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        """One step of the core; what comes out of it is applied at once."""
        raise NotImplementedError

    def _read_line(self, line: Line, now_s: float) -> int:
        """Read a line that is no Modbus line; returns how many frames there were."""
        raise NotImplementedError

    def _reply(self, now_s: float) -> None:
        """Something that the vehicle waits for is due (``_next_reply_s``); a role that answers nobody has nothing."""
        self._next_reply_s = float("inf")

    def _vehicle_was_read(self, now_s: float) -> None:
        """Frames of the vehicle have come: when they come densely, they are fetched from now on."""
        if now_s - self._vehicle_read_s < _DENSE_S and self._next_fetch_s == float("inf"):
            self._forget(self._vehicle_line)
            self._next_fetch_s = now_s + _DENSE_S
        self._vehicle_read_s = now_s

    def _fetch(self, now_s: float) -> None:
        """A dense bus: take in what has gathered; once nothing has, its frames wake the loop again."""
        line = self._vehicle_line
        count = self._read_line(line, now_s)
        self._after_read(line)
        if line.is_open and count:
            self._next_fetch_s = now_s + _DENSE_S
            return
        self._next_fetch_s = float("inf")
        if line.fileno() not in self._registered:
            self._watch(line)

    def _run_devices(self, now_s: float) -> None:
        """On the beat of the cycle, before the evaluation."""
        self._run_lines(now_s)

    def open_lines(self) -> None:
        """Try to open every line that is closed; called once a second and at the start."""
        now_s = time.monotonic()
        for line in self._lines:
            if line.try_open(now_s):
                self._watch(line)
            elif not line.is_open:
                # Lost in its regular call; a descriptor that is closed must not stay in the selector.
                self._forget(line)
        self._report_buses()

    def close(self) -> None:
        """Everything closed."""
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
        elif isinstance(data, Line):
            self._read_line(data, now_s)
            self._after_read(data)
        elif isinstance(data, Client):
            if events & selectors.EVENT_WRITE:
                self._server.flush(data)
            if events & selectors.EVENT_READ:
                for message in self._server.receive(data):
                    self._on_message(data, message, now_s)
        elif isinstance(data, FieldServer):
            data.accept()

    def _after_read(self, line: Line) -> None:
        if not line.is_open:
            self._forget(line)
            self._report_buses()
            self._edge = True
        elif isinstance(line, AnyCanLine) and line.bus_state is not self._bus_states.get(line.name):
            self._report_buses()
            self._edge = True

    def _report_buses(self) -> None:
        """Tell the core of the ports and the state of the buses."""
        for line in self._lines:
            if isinstance(line, AnyCanLine):
                self._bus_states[line.name] = line.bus_state
        self.core.on_vehicle_port(is_open=self._vehicle_line.is_open)
        self.core.on_vehicle_bus_state(self._vehicle_line.bus_state)

    def _deliver(self, name: str, reading: Reading) -> None:
        self.core.on_reading(name, reading)
        value = reading.value
        if (value is True or value is False) and self._bool_values.get(name) is not value:
            self._bool_values[name] = value
            self._edge = True

    def _on_message(self, client: Client, message: ToField, now_s: float) -> None:
        if isinstance(message, Attach):
            if message.role == RECORDER:
                for record in self.core.backlog.pending():
                    self._server.send(client, record)
        elif isinstance(message, Acknowledge):
            if client.role == RECORDER and message.boot_id == self._boot_id:
                self.core.on_acknowledged(message.number)
                self._edge = True
        elif isinstance(message, RecorderHealth):
            if client.role == RECORDER:
                self.recorder_health = message
                open_session = message.open_sessions.get(self._connector)
                ready = message.ok and open_session is None
                if open_session is not None:
                    # It is closed with the meter's register, and until then nobody may start.
                    self._next_readings_s = min(self._next_readings_s, now_s + self._readings_interval_s)
                meter = message.meters.get(self._connector, NO_METER)
                self.core.on_recorder(ready=ready, uplink=message.uplink, at_s=now_s, meter=meter)
        elif isinstance(message, Command):
            self._on_command(client, message)
        elif isinstance(message, StatusRequest):
            self._server.send(client, StatusMessage(self.status(now_s)))

    def _on_command(self, client: Client, message: Command) -> None:
        # Only the recorder speaks for the platform; an operator on the pile speaks for itself.
        platform = client.role == RECORDER and message.origin == reasons.ORIGIN_PLATFORM
        origin = reasons.ORIGIN_PLATFORM if platform else reasons.ORIGIN_LOCAL
        if message.connector not in (0, self._connector):
            refusal = (Reason(reasons.NO_SUCH_CONNECTOR),)
            self._server.send(client, CommandReply(message.id, reasons.REJECTED, refusal))
            return
        while len(self._askers) >= _OPEN_REQUESTS:
            self._askers.pop(next(iter(self._askers)))
        self._askers[message.id] = client
        self.core.on_command(
            CommandInput(message.id, message.name, origin, dict(message.arguments), message.expires_wall_ms)
        )
        self._edge = True

    # What goes out.

    def _hand_over(self, records: Sequence[Record], replies: Sequence[Reply]) -> None:
        """Records to the recorder, answers to who asked."""
        recorder = self._server.recorder
        if recorder is not None:
            for record in records:
                self._server.send(recorder, record)
        for reply in replies:
            asker = self._askers.get(reply.id)
            if asker is not None:
                self._server.send(asker, CommandReply(reply.id, reply.result, parsed(reply.reason), reply.session))
                if reply.result != reasons.ACCEPTED:
                    self._askers.pop(reply.id, None)

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
                connector=self._connector,
                session=None if session is None else session.id,
                values=self.core.image.snapshot(now_s),
            ),
        )

    def _run_lines(self, now_s: float, *, force: bool = False) -> None:
        for line in self._modbus_lines:
            if force or now_s >= self._line_due_s.get(line.name, 0.0):
                self._line_due_s[line.name] = line.turn(now_s, self._deliver, force=force)
                if not line.is_open and line.fileno() < 0:
                    self._forget(line)
        self._plan_requests(now_s)

    def _plan_requests(self, now_s: float) -> None:
        """Work out when the next queued request may leave; until then only the cycle and the wires wake the loop."""
        next_s = float("inf")
        for line in self._modbus_lines:
            if line.master.waiting:
                due_s = line.master.next_due(now_s)
                if due_s is not None:
                    self._line_due_s[line.name] = min(self._line_due_s.get(line.name, due_s), due_s)
                    next_s = min(next_s, due_s)
        self._next_request_s = next_s

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
        """What the loop itself knows; a role adds its own."""
        health = self.recorder_health
        return {
            "recorder": {
                "attached": self._server.recorder is not None,
                "ok": health is not None and health.ok,
                "reason": "" if health is None else health.reason,
                "uplink": "" if health is None else health.uplink,
                "uplink_pending": 0 if health is None else health.uplink_pending,
                "open_session": None if health is None else health.open_sessions.get(self._connector),
            },
            "cycle": {
                "count": self.cycles,
                "late": self.late_cycles,
                "longest_ms": round(self.longest_cycle_s * 1000, 2),
                "scheduler": self.scheduler,
            },
            "buses": {line.name: line.status(now_s) for line in self._lines},
        }
