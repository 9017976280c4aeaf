"""What every kind of connector has, once: image, faults with their alarm records, records, command answers, guard.

A core owns one chassis and decides what it is used for. The chassis reads no clock and knows neither relays nor a
dialogue with a vehicle.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import Answers, CommandInput, Reply
from agent.control.chassis.errors import ErrorGuard, error_body
from agent.control.chassis.image import ProcessImage
from agent.control.chassis.pace import Pace
from agent.control.safety.fault_register import ActiveFault, FaultRegister
from agent.settings.catalogue import Fault
from agent.vocabulary import events, kinds, reasons
from agent.vocabulary.record import Record
from drivers.can.state import BusState
from drivers.reading import Reading

_RESET_WINDOW_S = 2.0
"""A reset clears a latch if its cause is away, or goes away within this time (own)."""
_PASSING = ("control_restarted", "internal_error")
"""Faults that are present in one evaluation only; the register's latch holds them."""
_UPLINK_UNTROUBLED = ("off", "connected")

AlarmHead = Callable[[Fault], dict[str, Any]]
"""Keys of an alarm record about its fault."""


class ChassisParameters(Protocol):
    """What the chassis must know of its connector."""

    @property
    def pile_id(self) -> str:
        """Name of the pile."""

    @property
    def boot_id(self) -> str:
        """Id of the run of the process."""

    @property
    def connector(self) -> int:
        """Number of the connector, from 1."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The fault catalogue by id."""

    @property
    def maximum_backlog(self) -> int:
        """Records kept in memory while the recorder is away."""


class Chassis:
    """See the module. Raises ValueError if the catalogue lacks a fault of ``raisable``."""

    def __init__(
        self,
        parameters: ChassisParameters,
        now_s: float,
        *,
        raisable: Collection[str],
        backlog: Backlog | None = None,
        restarted: bool = False,
        session_essential: bool,
    ) -> None:
        """``session_essential``: what belongs to a session is recorded even when the backlog is full."""
        missing = set(raisable).difference(parameters.faults)
        if missing:
            raise ValueError(f"the fault catalogue lacks {', '.join(sorted(missing))}")
        self.parameters = parameters
        self.image = ProcessImage()
        self.backlog = Backlog(parameters.maximum_backlog, parameters.boot_id) if backlog is None else backlog
        self.answers = Answers()
        self.guard = ErrorGuard()
        self.telemetry_pace = Pace()
        self.events: set[str] = {"control_restarted"} if restarted else set()
        """Faults that the core itself has found and that stay until their clear rule is met."""
        self.active: list[ActiveFault] = []
        """Faults in force at the last evaluation."""
        self.session_id: str | None = None
        """Session to which records belong that name no other."""
        self.started_at_s = self.now_s = now_s
        self.wall_ms = 0
        self.wall_quality = "unset"
        self.shutting_down = False
        self.uplink_state = "off"
        self.recorder_ready_at_s: float | None = None
        self.vehicle_port_open = True
        self.vehicle_bus_state = BusState.UNKNOWN
        self._session_essential = session_essential
        self._faults = FaultRegister(parameters.faults)
        self._reset_until_s = float("-inf")
        self._sessions_begun = 0
        self._commands: list[CommandInput] = []
        self._records: list[Record] = []
        self._replies: list[Reply] = []
        self._omitted = 0

    # What comes in.

    def begin(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        """An evaluation begins."""
        self.now_s, self.wall_ms, self.wall_quality = now_s, wall_ms, wall_quality

    def put(self, name: str, reading: Reading, take_register: Callable[[int, float], bool]) -> None:
        """A driver delivered a value. ``take_register`` decides whether a register of the meter may be believed.

        Raises KeyError for an unknown signal.
        """
        if (
            name != "meter_energy_wh"
            or not self.image.usable(name, reading)
            or take_register(int(reading.value), reading.at_s)
        ):
            self.image.put(name, reading)

    def on_command(self, command: CommandInput) -> None:
        """A command came in; answered by the next evaluation."""
        self._commands.append(command)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float) -> None:
        """The recorder reported its health."""
        self.image.put("recorder_ready", Reading(ready, "bool", at_s))
        if ready:
            self.recorder_ready_at_s = at_s
        self.uplink_state = uplink

    @property
    def uplink_lost(self) -> bool:
        """The platform is configured and not reached."""
        return self.uplink_state not in _UPLINK_UNTROUBLED

    # Records.

    def record(
        self, kind: str, body: Mapping[str, Any], session_id: str | None = None, *, essential: bool = False
    ) -> None:
        """Number a record; ``session_id`` if it is not that of the running session.

        While the recorder is away for so long that only the room for the ends of sessions is left, what is not
        ``essential`` is counted instead.
        """
        backlog = self.backlog
        kept = essential or (self._session_essential and self.session_id is not None)
        if not kept and backlog.full:
            self._omitted += 1
            return
        if session_id is None:
            session_id = self.session_id
        connector = self.parameters.connector
        self._records.append(
            backlog.add(kind, self.now_s, self.wall_ms, self.wall_quality, session_id, body, connector=connector)
        )

    def omit(self) -> None:
        """Count a record for which there is no room."""
        self._omitted += 1

    def record_omitted(self) -> None:
        """Record how many records were left out, once there is room again."""
        if self._omitted and not self.backlog.crowded:
            omitted, self._omitted = self._omitted, 0
            self.record(kinds.EVENT, {"event": events.RECORDS_OMITTED, "count": omitted})

    def record_error(self, error: Exception) -> None:
        """The program found an error in itself: a fault, and a record of the place."""
        self.events.add("internal_error")
        self.record(kinds.EVENT, error_body(error))

    def take_out(self) -> tuple[list[Record], list[Reply]]:
        """Records and answers since the last time."""
        records, self._records = self._records, []
        replies, self._replies = self._replies, []
        return records, replies

    def new_session_id(self) -> str:
        """A session id that no other boot, connector or pile gives out."""
        self._sessions_begun += 1
        parameters = self.parameters
        return (
            f"{parameters.pile_id}-{parameters.connector}-{self.wall_ms:013d}"
            f"-{parameters.boot_id[:4]}{self._sessions_begun:03d}"
        )

    # Commands.

    def take_commands(self) -> list[CommandInput]:
        """Commands since the last time."""
        commands, self._commands = self._commands, []
        return commands

    def decide(self, command: CommandInput, result: str, reason: str = "", session: str | None = None) -> None:
        """Record and answer a command."""
        self.record(
            kinds.COMMAND,
            {"id": command.id, "name": command.name, "origin": command.origin, "result": result, "reason": reason},
        )
        self.reply(command.id, result, reason, session)

    def reply(self, command_id: str, result: str, reason: str = "", session: str | None = None) -> None:
        """Answer a command; the answer is kept for a repeated id."""
        reply = Reply(command_id, result, reason, session)
        self.answers.keep(reply)
        self._replies.append(reply)

    def repeat(self, reply: Reply) -> None:
        """Give a former answer once more."""
        self._replies.append(reply)

    def reset(self, command: CommandInput) -> str:
        """A person asks to clear latches. Returns why not, or ""."""
        if command.origin != reasons.ORIGIN_LOCAL:
            return reasons.ONLY_AT_THE_PILE
        self._reset_until_s = self.now_s + _RESET_WINDOW_S
        return ""

    # Faults.

    def update_faults(
        self,
        present: Collection[str],
        *,
        unplugged: bool,
        suppressed: Collection[str],
        head: AlarmHead,
        snapshot: Callable[[], dict[str, Any]],
    ) -> list[Fault]:
        """Debounce, latch and clear; record what changed. Returns the faults that were raised now.

        ``present`` are the ids with a present cause, those in ``suppressed`` are recorded only (``FaultRegister``),
        ``unplugged`` is what clears latches that ask for it.
        """
        now_s = self.now_s
        raised, cleared = self._faults.update(
            now_s, present, unplugged=unplugged, reset=now_s < self._reset_until_s, suppressed=suppressed
        )
        if raised or cleared or self.active:
            self.active = self._faults.active()
        for fault in raised:
            self.record(kinds.ALARM_RAISED, {**head(fault), "snapshot": snapshot()})
        for fault in cleared:
            self.record(kinds.ALARM_CLEARED, head(fault))
        return raised

    def pass_events(self) -> None:
        """Events have been taken in: those of one evaluation go, and without a session all go."""
        self.events.difference_update(_PASSING)
        if self.session_id is None:
            self.events.clear()
