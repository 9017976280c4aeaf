"""The loop of the field process in any role: wires and local clients in, one evaluation, records and replies out.

One thread, no waiting. An input edge wakes the loop and is evaluated at once; besides, everything is evaluated at least
once a cycle. What a role drives, and whether it drives anything at all, is the subclass's. Frames of the vehicles are
taken in at once, but do not make an evaluation by themselves: a saturated bus has a frame each half millisecond
(docs/decisions/0360). Each connector has its own vehicle line, with its own fetches and replies.
"""

import logging
import selectors
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agent.control.chassis.commands import CommandInput
from agent.control.pile import Pile, PileOutputs
from agent.field.can_lines import AnyCanLine
from agent.field.clients import Core, LocalClients
from agent.field.clock import WallClock
from agent.field.delivery import Delivery, Elsewhere
from agent.field.lines import Line, ModbusLine, PolledLine
from agent.field.server import Client, FieldServer
from agent.field.vehicle_side import DENSE_S, NEVER_S, VehicleSide
from drivers.can.state import BusState

_LOG = logging.getLogger(__name__)

C = TypeVar("C", bound=Core)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the loop evaluates and sends snapshots of the readings, seconds."""

    cycle_s: float
    readings_interval_s: float
    """During a session."""
    readings_idle_interval_s: float


class BaseLoop(Generic[C]):
    """Joins the cores of a pile with the lines and the local socket.

    ``vehicle_lines`` has the line of each connector's vehicle; ``lines`` are all lines, those included. ``routes`` give
    what the names of readings mean, and ``elsewhere`` takes those that belong to no process image.
    """

    def __init__(
        self,
        cores: Mapping[int, C],
        boot_id: str,
        lines: Sequence[Line],
        vehicle_lines: Mapping[int, AnyCanLine[Any]],
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        pace: Pace,
        routes: Mapping[str, tuple[int, str]],
        elsewhere: Mapping[str, Elsewhere] | None = None,
    ) -> None:
        self.pile = Pile(cores)
        self.cores = dict(sorted(cores.items()))
        self._lines = list(lines)
        self._modbus_lines = [line for line in lines if isinstance(line, ModbusLine)]
        self._polled_lines = [line for line in lines if isinstance(line, PolledLine)]
        self._sides = [VehicleSide(number, vehicle_lines[number]) for number in self.cores]
        self._side_of = {id(side.line): side for side in self._sides}
        self._server = server
        self._selector = selector
        self._cycle_s = pace.cycle_s
        self._clock = WallClock()
        self._started_at_s = time.monotonic()
        self._registered: dict[int, Line] = {}
        self._next_cycle_s = self._started_at_s
        self._line_due_s: dict[str, float] = {}
        self._next_request_s = NEVER_S
        self._edge = False
        self._bus_states: dict[str, BusState] = {}
        self._delivery = Delivery(self.pile, routes, next(iter(self.cores)), elsewhere)
        self._deliver = self._delivery.deliver
        self.clients = LocalClients(
            self.pile,
            self.cores,
            boot_id,
            server,
            status=self.status,
            for_the_pile=self._take_for_the_pile,
            readings_interval_s=pace.readings_interval_s,
            readings_idle_interval_s=pace.readings_idle_interval_s,
        )
        self.shutting_down = False
        self.scheduler = "normal"
        self.cycles = 0
        self.late_cycles = 0
        self.longest_cycle_s = 0.0

    # One turn.

    def turn(self) -> None:
        """Wait for the next thing to do, at most until the next cycle, and do it."""
        due_s = min(self._next_cycle_s, self._next_request_s)
        for side in self._sides:
            due_s = min(due_s, side.next_fetch_s, side.next_reply_s)
        for key, events in self._selector.select(max(0.0, due_s - time.monotonic())):
            self._on_ready(key.data, events)
        now_s = time.monotonic()
        for side in self._sides:
            if now_s >= side.next_fetch_s:
                self._fetch(side, now_s)
        if now_s >= self._next_cycle_s:
            # Requests leave on the cycle's beat, not at their own due times: far fewer wake-ups, and a poll
            # period that is a multiple of the cycle keeps its period.
            self._count_cycle(now_s)
            self._run_devices(now_s)
            self.evaluate(now_s)
            return
        if not self._is_edge():
            for side in self._sides:
                if now_s >= side.next_reply_s:
                    self._reply(side, now_s)
        if self._is_edge():
            self.evaluate(now_s)
        if now_s >= self._next_request_s:
            self._run_lines(now_s)

    def evaluate(self, now_s: float) -> None:
        """One step of every core, the outputs applied at once."""
        self._edge = self._delivery.edge = False
        wall_ms, wall_quality = self._clock.read(now_s)
        self._apply(self.pile.evaluate(now_s, wall_ms, wall_quality), now_s)
        if now_s >= self.clients.next_readings_s:
            self.clients.send_readings(now_s, wall_ms, wall_quality)

    def _is_edge(self) -> bool:
        return self._edge or self._delivery.edge

    def uptime_s(self, now_s: float) -> float:
        """Seconds since this process began."""
        return now_s - self._started_at_s

    def request_shutdown(self) -> None:
        """End all sessions and begin none."""
        self.shutting_down = True
        self.pile.request_shutdown()

    @property
    def in_session(self) -> bool:
        """A session is open on some connector."""
        return any(core.session is not None for core in self.cores.values())

    @property
    def state(self) -> str:
        """State of every connector, for the service manager."""
        return ", ".join(core.state for core in self.cores.values())

    def _apply(self, outputs: PileOutputs, now_s: float) -> None:
        """What came out of an evaluation is applied at once."""
        self.clients.hand_over(outputs.records, outputs.replies)

    def _read_line(self, line: Line, now_s: float) -> int:
        """Read a line that is no polled line; returns how many frames there were."""
        raise NotImplementedError

    def _reply(self, side: VehicleSide, now_s: float) -> None:
        """Something that the vehicle waits for is due; a role that answers no vehicle has nothing."""
        side.next_reply_s = NEVER_S

    def _take_for_the_pile(self, command: CommandInput) -> bool:
        """Take a command that is for the whole pile; False if it is for a connector."""
        return False

    def _vehicle_was_read(self, side: VehicleSide, now_s: float) -> None:
        """Frames of the vehicle have come: when they come densely, they are fetched from now on."""
        if side.was_read(now_s):
            self._forget(side.line)

    def _fetch(self, side: VehicleSide, now_s: float) -> None:
        """A dense bus: take in what has gathered; once nothing has, its frames wake the loop again."""
        line = side.line
        count = self._read_line(line, now_s)
        self._after_read(line)
        if line.is_open and count:
            side.next_fetch_s = now_s + DENSE_S
            return
        side.next_fetch_s = NEVER_S
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
        elif isinstance(data, PolledLine):
            # Pins: an edge is evaluated in this very turn.
            self._line_due_s[data.name] = data.turn(now_s, self._deliver, force=True)
            self._after_read(data)
        elif isinstance(data, Line):
            self._read_line(data, now_s)
            self._after_read(data)
        elif isinstance(data, Client):
            if events & selectors.EVENT_WRITE:
                self._server.flush(data)
            if events & selectors.EVENT_READ:
                for message in self._server.receive(data):
                    self._edge = self.clients.take(data, message, now_s) or self._edge
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
        """Report the ports and the state of the buses to the cores."""
        for line in self._lines:
            if isinstance(line, AnyCanLine):
                self._bus_states[line.name] = line.bus_state
        for side in self._sides:
            self.pile.on_vehicle_port(side.number, is_open=side.line.is_open)
            self.pile.on_vehicle_bus_state(side.number, side.line.bus_state)

    # What goes out.

    def _run_lines(self, now_s: float, *, force: bool = False) -> None:
        for line in self._polled_lines:
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
        """The whole status snapshot: the pile, and a list of its connectors."""
        backlog = self.pile.backlog
        return {
            "uptime_s": round(self.uptime_s(now_s), 1),
            "shutting_down": self.shutting_down,
            "records": {
                "last_number": backlog.last_number,
                "acknowledged": backlog.acknowledged,
                "backlog": backlog.last_number - backlog.acknowledged,
            },
            "recorder": self.clients.status(),
            "cycle": {
                "count": self.cycles,
                "late": self.late_cycles,
                "longest_ms": round(self.longest_cycle_s * 1000, 2),
                "scheduler": self.scheduler,
            },
            "buses": {line.name: line.status(now_s) for line in self._lines},
        }
