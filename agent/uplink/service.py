"""The uplink: the record goes up in sequence and without gaps, commands come down. Drives outbox and connection."""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent.uplink import envelope
from agent.uplink.backoff import Allowance
from agent.uplink.commands import Answer, CommandGate, Order, read_watermarks, rejected
from agent.uplink.connection import Arrived, Connected, Connection, ConnectionEvent, Lost, Taken
from agent.uplink.outbox import Outbox
from agent.vocabulary import reasons
from agent.vocabulary.messages import MAXIMUM_BYTES, Topics
from agent.vocabulary.reasons import parsed
from agent.vocabulary.record import LedgerEntry

_LOG = logging.getLogger(__name__)

_ACKNOWLEDGE_S = 20.0
"""A connection on which nothing is acknowledged for this long is no connection (own)."""
_KEPT_RESPONSES = 64


class CursorState(Protocol):
    """How far a stream has got."""

    @property
    def acknowledged(self) -> int:
        """Taken by the broker up to here."""

    @property
    def watermark(self) -> int:
        """Kept by the platform up to here."""


class Source(Protocol):
    """The ledger as the uplink sees it."""

    ledger_id: str

    @property
    def sequences(self) -> Mapping[str, int]:
        """Last number of each stream."""

    @property
    def cursors(self) -> Mapping[str, CursorState]:
        """Progress of each stream."""

    def after(self, stream: str, seq: int, limit: int) -> Sequence[LedgerEntry]:
        """Records of a stream after a number."""

    def move_cursor(self, stream: str, *, acknowledged: int | None = None, watermark: int | None = None) -> None:
        """Note progress."""

    def command_answer(self, command_id: str) -> dict[str, Any] | None:
        """Body of the last command record with this id."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The sender: the run and version of the service, its topics, and the roles of the connectors by number."""

    boot_id: str
    version: str
    topics: Topics
    connectors: Mapping[int, str]


class Uplink:
    """See the module. ``turn`` may raise what the source raises; nothing from the network is ever raised."""

    def __init__(self, identity: Identity, connection: Connection, source: Source, *, window: int) -> None:
        self.topics = identity.topics
        self.connection = connection
        self.state = "offline: not yet connected"
        self._identity = identity
        self._window = window
        self._gate = CommandGate(self._former_answer, identity.connectors)
        self._orders: list[Order] = []
        self._reply_places: OrderedDict[str, tuple[str, bytes | None]] = OrderedDict()
        self._responses: OrderedDict[int, tuple[str, bytes, bytes | None]] = OrderedDict()
        self._birth_id: int | None = None
        self._refused_streams: dict[str, str] = {}
        self._unsent: list[tuple[str, bytes, bytes | None]] = []
        self._hostile = Allowance(burst=10, per_s=0.1)
        self._misunderstood = Allowance(burst=3, per_s=0.02)
        self._flow = Allowance(burst=50, per_s=5.0)
        self._maximum_bytes = MAXIMUM_BYTES
        self._heard_s = 0.0
        self._told = ""
        self.bind(source)

    def bind(self, source: Source) -> None:
        """Send from this ledger from now on (it may have been replaced after damage)."""
        self._source = source
        self._outbox = Outbox({stream: cursor.acknowledged for stream, cursor in source.cursors.items()}, self._window)

    def rebind(self, source: Source, now_s: float) -> None:
        """As ``bind``, with a new connection, because the old one's messages mean other numbers."""
        self.bind(source)
        self.connection.drop("the record was replaced", now_s)

    @property
    def pending(self) -> int:
        """Records that the broker has not acknowledged."""
        return self._outbox.pending(self._source.sequences)

    def take_orders(self) -> list[Order]:
        """Orders that have come since the last call."""
        orders, self._orders = self._orders, []
        return orders

    def next_due(self, now_s: float) -> float:
        """When ``turn`` wants to be called at the latest."""
        return self.connection.next_due(now_s)

    def turn(self, now_s: float, wall_ms: int, *, clock_set: bool) -> None:
        """Look after the connection, take in what has come, send what is due."""
        self.connection.turn(now_s)
        for event in self.connection.events():
            self._take(event, now_s, wall_ms, clock_set)
        if not self.connection.connected:
            return
        if self._outbox.in_flight and now_s - self._heard_s > _ACKNOWLEDGE_S:
            self.connection.drop("the broker acknowledges nothing", now_s)
            return
        self._send(now_s)

    def _take(self, event: ConnectionEvent, now_s: float, wall_ms: int, clock_set: bool) -> None:
        if isinstance(event, Connected):
            self._on_connected(event, now_s, wall_ms)
        elif isinstance(event, Lost):
            self._on_lost(event.reason, now_s)
        elif isinstance(event, Taken):
            self._on_taken(event, now_s)
        elif event.topic == self.topics.command:
            self._on_command(event, now_s, wall_ms, clock_set)
        elif event.topic == self.topics.watermark:
            self._on_watermark(event.payload, now_s)

    def _on_connected(self, event: Connected, now_s: float, wall_ms: int) -> None:
        self._heard_s = now_s
        self._maximum_bytes = min(MAXIMUM_BYTES, (event.maximum_bytes or 1 << 30) - 512)
        last = self._source.sequences
        self._outbox.connected(last, event.receive_maximum)
        self.connection.subscribe(now_s)
        birth = envelope.birth(
            boot_id=self._identity.boot_id,
            ledger_id=self._source.ledger_id,
            version=self._identity.version,
            connectors=self._identity.connectors,
            wall_ms=wall_ms,
            unacknowledged={
                stream: (cursor.acknowledged + 1, last[stream])
                for stream, cursor in self._source.cursors.items()
                if last[stream] > cursor.acknowledged
            },
            watermarks={stream: cursor.watermark for stream, cursor in self._source.cursors.items()},
        )
        self._birth_id = self.connection.publish(self.topics.birth, birth, now_s)
        self._unsent = [*self._responses.values(), *self._unsent][-_KEPT_RESPONSES:]
        self._responses.clear()
        self._tell("connected" if not self._refused_streams else self._refusal())

    def _on_lost(self, reason: str, now_s: float) -> None:
        # A broker that refuses the pile leaves its socket open for a moment: it is given up in any case.
        self.connection.drop(reason, now_s)
        self._tell(f"offline: {reason}")

    def _refusal(self) -> str:
        stream, reason = next(iter(self._refused_streams.items()))
        return f"offline: the broker refuses {stream} messages: {reason}"

    def _tell(self, state: str) -> None:
        """One line when the uplink is lost, when the reason changes, and when it is back."""
        self.state = state
        if state == self._told:
            return
        self._told = state
        if state == "connected":
            _LOG.info("uplink connected, %d records to send", self.pending)
        else:
            _LOG.warning("uplink %s; records are kept and sent later", state)

    def _on_taken(self, event: Taken, now_s: float) -> None:
        self._heard_s = now_s
        self._responses.pop(event.message_id, None)
        if event.message_id == self._birth_id:
            self._birth_id = None
        if event.refusal:
            stream = self._outbox.refused(event.message_id, now_s)
            if stream is not None:
                self._refused_streams[stream] = event.refusal
                self._tell(self._refusal())
            return
        moved = self._outbox.acknowledged(event.message_id)
        if moved is not None:
            self._source.move_cursor(moved[0], acknowledged=moved[1])
            if moved[0] in self._refused_streams:
                del self._refused_streams[moved[0]]
                if not self._refused_streams:
                    self._tell("connected")

    def _send(self, now_s: float) -> None:
        while self._unsent and self._outbox.room(self._others()) > 0:
            topic, payload, correlation = self._unsent[0]
            message_id = self.connection.publish(topic, payload, now_s, correlation=correlation)
            if message_id is None:
                return
            del self._unsent[0]
            self._responses[message_id] = (topic, payload, correlation)
        last = self._source.sequences
        while (wanted := self._outbox.wanted(last, now_s, self._others())) is not None:
            if self._outbox.in_flight == 0:
                self._heard_s = now_s
            entries = self._source.after(wanted.stream, wanted.after, wanted.count)
            if not entries:
                return
            for entry in entries:
                message = envelope.envelope(
                    entry,
                    resent=self._outbox.is_repeated(entry.stream, entry.seq),
                    maximum_bytes=self._maximum_bytes,
                )
                message_id = self.connection.publish(self.topics.up(entry.stream), message, now_s)
                if message_id is None:
                    return
                self._outbox.sent(entry.stream, entry.seq, message_id)

    def _others(self) -> int:
        """Messages in flight that are not records."""
        return len(self._responses) + (self._birth_id is not None)

    # Commands.

    def _former_answer(self, command_id: str) -> Answer | None:
        body = self._source.command_answer(command_id)
        if body is None:
            return None
        return Answer(command_id, str(body.get("result", "")), parsed(str(body.get("reason", ""))))

    def _on_command(self, event: Arrived, now_s: float, wall_ms: int, clock_set: bool) -> None:
        place = (self.topics.response_topic(event.response_topic), event.correlation)
        outcome = self._gate.take(event.payload, wall_ms, clock_set=clock_set)
        if isinstance(outcome, Order):
            if not self._flow.take(now_s):
                outcome = rejected(outcome.id, reasons.TOO_MANY_COMMANDS)
                self._gate.remember(outcome)
            else:
                self._reply_places[outcome.id] = place
                while len(self._reply_places) > _KEPT_RESPONSES:
                    self._reply_places.popitem(last=False)
                self._orders.append(outcome)
                return
        if outcome.result == reasons.ACCEPTED and outcome.code == reasons.IN_PROGRESS:
            self._reply_places[outcome.id] = place
        if outcome.result == reasons.REJECTED and not self._hostile.take(now_s):
            return
        if outcome.code in (reasons.MALFORMED, reasons.TOO_LARGE):
            _LOG.warning(
                "a command of %d bytes was rejected: %s (%d such answers left out so far)",
                len(event.payload),
                outcome.code,
                self._hostile.refused,
            )
        self._respond(outcome, place, now_s, wall_ms)

    def answer(self, answer: Answer, now_s: float, wall_ms: int) -> None:
        """The field process has answered an order; the platform hears of it."""
        self._gate.remember(answer)
        place = self._reply_places.get(answer.id, (self.topics.response, None))
        if answer.result in reasons.FINAL_RESULTS:
            self._reply_places.pop(answer.id, None)
        self._respond(answer, place, now_s, wall_ms)

    def _respond(self, answer: Answer, place: tuple[str, bytes | None], now_s: float, wall_ms: int) -> None:
        payload = envelope.response(
            answer.id,
            answer.result,
            answer.reasons,
            session=answer.session,
            wall_ms=wall_ms,
            boot_id=self._identity.boot_id,
        )
        self._unsent.append((place[0], payload, place[1]))
        del self._unsent[:-_KEPT_RESPONSES]
        if self.connection.connected:
            self._send(now_s)

    def _on_watermark(self, payload: bytes, now_s: float) -> None:
        watermarks = read_watermarks(payload, self._source.sequences)
        if watermarks is None:
            if self._misunderstood.take(now_s):
                _LOG.warning("a watermark message of %d bytes is not understood", len(payload))
            return
        for stream, seq in watermarks.items():
            self._source.move_cursor(stream, watermark=seq)

    def stop(self, now_s: float) -> None:
        """Disconnect; the will is not published."""
        if self.connection.connected:
            self.connection.publish(
                self.topics.birth, envelope.farewell(boot_id=self._identity.boot_id, graceful=True), now_s
            )
        self.connection.close(now_s)
