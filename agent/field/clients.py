"""Requests of local clients and their answers: recorder, operators, command line."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from agent.control.chassis.commands import CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.control.pile import ConnectorCore, Pile
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
from agent.vocabulary.record import NO_METER, Record

_OPEN_REQUESTS = 64


class OpenSession(Protocol):
    """What is asked of a session."""

    @property
    def id(self) -> str:
        """Its number."""


class Core(ConnectorCore, Protocol):
    """What the loop asks of the core of any role."""

    @property
    def state(self) -> str:
        """Where the connector is in its sequence."""

    @property
    def image(self) -> ProcessImage:
        """The process image."""

    @property
    def session(self) -> OpenSession | None:
        """The session that is open."""


class LocalClients:
    """See the module. ``status`` gives the status snapshot of a time; ``for_the_pile`` takes commands for no connector.

    The latter returns False for a command that is not its own.
    """

    def __init__(
        self,
        pile: Pile,
        cores: Mapping[int, Core],
        boot_id: str,
        server: FieldServer,
        *,
        status: Callable[[float], dict[str, Any]],
        for_the_pile: Callable[[CommandInput], bool],
        readings_interval_s: float,
        readings_idle_interval_s: float,
    ) -> None:
        self._pile = pile
        self._cores = cores
        self._boot_id = boot_id
        self._server = server
        self._status = status
        self._for_the_pile = for_the_pile
        self._intervals_s = (readings_idle_interval_s, readings_interval_s)
        self._readings_due_s = dict.fromkeys(cores, 0.0)
        self.next_readings_s = 0.0
        """When a snapshot of the readings is due."""
        self._askers: dict[str, Client] = {}
        self.recorder_health: RecorderHealth | None = None

    # What comes in.

    def take(self, client: Client, message: ToField, now_s: float) -> bool:
        """Take one message. Returns whether it is to be evaluated at once."""
        if isinstance(message, Attach):
            if message.role == RECORDER:
                for record in self._pile.backlog.pending():
                    self._server.send(client, record)
        elif isinstance(message, Acknowledge):
            if client.role == RECORDER and message.boot_id == self._boot_id:
                self._pile.on_acknowledged(message.number)
                return True
        elif isinstance(message, RecorderHealth):
            if client.role == RECORDER:
                self._on_recorder(message, now_s)
        elif isinstance(message, Command):
            return self._on_command(client, message)
        elif isinstance(message, StatusRequest):
            self._server.send(client, StatusMessage(self._status(now_s)))
        return False

    def _on_recorder(self, health: RecorderHealth, now_s: float) -> None:
        self.recorder_health = health
        for number, core in self._cores.items():
            is_open = health.open_sessions.get(number) is not None
            if is_open:
                # It is closed with the meter's register, and until then no session may start here.
                self._plan_readings(number, min(self._readings_due_s[number], now_s + self._intervals_s[True]))
            meter = health.meters.get(number, NO_METER)
            core.on_recorder(ready=health.ok and not is_open, uplink=health.uplink, at_s=now_s, meter=meter)

    def _on_command(self, client: Client, message: Command) -> bool:
        # Only the recorder speaks for the platform; an operator on the pile speaks for itself.
        platform = client.role == RECORDER and message.origin == reasons.ORIGIN_PLATFORM
        origin = reasons.ORIGIN_PLATFORM if platform else reasons.ORIGIN_LOCAL
        command = CommandInput(message.id, message.name, origin, dict(message.arguments), message.expires_wall_ms)
        while len(self._askers) >= _OPEN_REQUESTS:
            self._askers.pop(next(iter(self._askers)))
        self._askers[message.id] = client
        if self._for_the_pile(command):
            return True
        connector, refusal = message.connector, ""
        if connector == 0:
            connector = next(iter(self._cores))
            refusal = reasons.CONNECTOR_MISSING if len(self._cores) > 1 else ""
        elif connector not in self._cores:
            refusal = reasons.NO_SUCH_CONNECTOR
        if refusal:
            self._askers.pop(message.id)
            self._server.send(client, CommandReply(message.id, reasons.REJECTED, (Reason(refusal),)))
            return False
        self._pile.on_command(connector, command)
        return True

    # What goes out.

    def hand_over(self, records: Sequence[Record], replies: Iterable[Reply]) -> None:
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

    def send_readings(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        """Snapshots of the readings of the connectors for which they are due."""
        recorder = self._server.recorder
        for number, core in self._cores.items():
            if now_s < self._readings_due_s[number]:
                continue
            session = core.session
            self._readings_due_s[number] = now_s + self._intervals_s[session is not None]
            if recorder is None:
                continue
            self._server.send(
                recorder,
                ReadingsMessage(
                    at_s=now_s,
                    wall_ms=wall_ms,
                    wall_quality=wall_quality,
                    connector=number,
                    session=None if session is None else session.id,
                    values=core.image.snapshot(now_s),
                ),
            )
        self.next_readings_s = min(self._readings_due_s.values())

    def _plan_readings(self, number: int, due_s: float) -> None:
        self._readings_due_s[number] = due_s
        self.next_readings_s = min(self.next_readings_s, due_s)

    def status(self) -> dict[str, Any]:
        """What is known of the recorder."""
        health = self.recorder_health
        open_sessions = {} if health is None else health.open_sessions
        return {
            "attached": self._server.recorder is not None,
            "ok": health is not None and health.ok,
            "reason": "" if health is None else health.reason,
            "uplink": "" if health is None else health.uplink,
            "uplink_pending": 0 if health is None else health.uplink_pending,
            "open_sessions": {str(number): session for number, session in open_sessions.items()},
        }
