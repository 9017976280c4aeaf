"""The north process: record, readings, uplink. One loop, one thread (plus one while a connection is being made).

It runs on without its peers: without the field process it waits, without the broker it keeps the records.
"""

import contextlib
import logging
import os
import random
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import sdnotify

from agent.link.messages import SOCKET_NAME, Command, CommandReply, Hello, ReadingsMessage, RecorderHealth
from agent.north.field_link import FieldLink
from agent.north.ledger_writer import LedgerWriter
from agent.north.signer import Signer
from agent.records.errors import LedgerError
from agent.settings.schema import Settings
from agent.uplink.commands import Answer, Order, rejected
from agent.uplink.mqtt import MqttConnection, pile_connection
from agent.uplink.service import Identity, Uplink
from agent.vocabulary import reasons
from agent.vocabulary.messages import Topics
from agent.vocabulary.reasons import Reason
from agent.vocabulary.record import Record
from agent.vocabulary.states import CLOCK_UNSET, OLDEST_CREDIBLE_WALL_MS, ROLE_CHARGER, ROLE_LISTENER

_LOG = logging.getLogger(__name__)

_HEALTH_S = 1.0
_CURSORS_S = 2.0
_WATCHDOG_S = 2.0
_ANSWER_S = 0.9
"""The platform gets a first answer within a second, whatever the field process does."""
_FAREWELL_S = 2.0


def machine_boot_id() -> str:
    """Names the run of the machine: it changes when the power was lost, not when a process was restarted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def connectors_of(settings: Settings) -> dict[int, str]:
    """Role of each connector by number."""
    # The word on the wire is the one that platforms know; the site file has listener.
    words = {"charger": ROLE_CHARGER, "listener": ROLE_LISTENER}
    return {each.number: words[each.kind] for each in settings.connector}


class NorthProcess:
    """Puts ledger writer, field link, signer and uplink together around one selector."""

    def __init__(self, settings: Settings, *, version: str) -> None:
        self._settings = settings
        self._state = Path(settings.paths.state)
        self._selector = selectors.DefaultSelector()
        self._boot_id = f"n{secrets.token_hex(8)}"
        connectors = connectors_of(settings)
        topics = Topics(settings.pile.operator_id, settings.pile.id)
        self._identity = Identity(self._boot_id, version, topics, connectors)
        budget_bytes = settings.record.readings_budget_mb << 20
        self._writer = LedgerWriter(self._state, budget_bytes, self._boot_id, machine_boot_id(), sorted(connectors))
        self._field = FieldLink(Path(settings.paths.runtime) / SOCKET_NAME, self._selector)
        self._signer = Signer(self._state, self._selector)
        self._uplink: Uplink | None = None
        self._connection: MqttConnection | None = None
        self._unanswered: dict[str, float] = {}
        self._next_health_s = 0.0
        self._next_cursors_s = 0.0
        self._next_watchdog_s = 0.0
        self._field_boot: str | None = None
        self._stopping = False
        self._notifier = sdnotify.SystemdNotifier()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)

    def request_stop(self) -> None:
        """End the loop soon; may be called from a signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def run(self) -> None:
        """Work until ``request_stop``; then write what has arrived and close everything."""
        self._turn()
        self._notifier.notify("READY=1")
        while not self._stopping:
            self._wait()
            self._turn()
        self._notifier.notify("STOPPING=1")
        self._end()

    # The loop.

    def _wait(self) -> None:
        now_s = time.monotonic()
        due_s = min(
            self._next_health_s,
            self._field.next_due(now_s),
            self._writer.next_due(),
            self._signer.next_due(),
            self._uplink.next_due(now_s) if self._uplink is not None else float("inf"),
            *(at_s + _ANSWER_S for at_s in self._unanswered.values()),
        )
        self._select(max(0.0, due_s - now_s))

    def _select(self, timeout_s: float) -> None:
        for key, mask in self._selector.select(timeout_s):
            now_s = time.monotonic()
            owner = key.data
            if owner is self._field:
                if mask & selectors.EVENT_WRITE:
                    self._field.flush(now_s)
                self._receive(now_s)
            elif owner is self._signer:
                self._sign(now_s, readable=True)
            elif owner is None:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(64)
            elif self._connection is not None:
                self._connection.ready(mask, now_s)

    def _turn(self) -> None:
        now_s, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        if self._field.turn(now_s):
            self._field_boot = None
            self._writer.on_attached()
        self._record(now_s, wall_ms)
        self._sign(now_s, readable=False)
        self._run_uplink(now_s, wall_ms)
        self._answer_late(now_s, wall_ms)
        if now_s >= self._next_cursors_s:
            self._next_cursors_s = now_s + _CURSORS_S
            with self._ledger_trouble():
                if self._writer.ok and self._writer.ledger is not None:
                    self._writer.ledger.save_cursors()
        if now_s >= self._next_health_s:
            self._next_health_s = now_s + _HEALTH_S
            self._report_health(now_s)
        if now_s >= self._next_watchdog_s:
            # Reached only when record, signatures, uplink and health all had their turn.
            self._next_watchdog_s = now_s + _WATCHDOG_S
            self._notifier.notify("WATCHDOG=1")

    @contextlib.contextmanager
    def _ledger_trouble(self) -> Iterator[None]:
        """Trouble with the ledger, wherever it shows, is the ledger writer's to mend."""
        try:
            yield
        except LedgerError as error:
            self._writer.fail(error)

    # The field process.

    def _receive(self, now_s: float) -> None:
        for message in self._field.receive(now_s):
            if isinstance(message, Record):
                self._writer.on_record(message)
            elif isinstance(message, ReadingsMessage):
                self._writer.on_readings(message, now_s)
            elif isinstance(message, CommandReply):
                self._on_reply(message, now_s)
            elif isinstance(message, Hello):
                self._field_boot = message.boot_id
                self._writer.on_hello(message, now_s)
                self._next_health_s = now_s
        if not self._field.attached:
            self._writer.on_detached()

    def _record(self, now_s: float, wall_ms: int) -> None:
        for acknowledge in self._writer.turn(now_s, wall_ms):
            self._field.send(acknowledge, now_s)
        if self._writer.resend_needed and self._writer.ok:
            self._field.close(now_s)
            self._writer.on_detached()
            self._writer.resend_needed = False
        if self._writer.session_ended:
            self._writer.session_ended = False
            self._signer.request()

    def _report_health(self, now_s: float) -> None:
        if self._field_boot is None:
            return
        writer = self._writer
        ok, reason = writer.ok, writer.reason
        free_bytes = self._free_bytes()
        if ok and free_bytes < self._settings.record.minimum_free_mb << 20 and not self._session_runs():
            # A session that runs may end normally; none begins that might not be kept.
            ok, reason = False, f"disk nearly full, {free_bytes >> 20} MB left"
        uplink = self._uplink
        state = "off" if not self._settings.uplink.enabled else "offline: the record is not open"
        self._field.send(
            RecorderHealth(
                ok=ok,
                reason=reason,
                free_bytes=free_bytes,
                uplink=state if uplink is None else uplink.state,
                uplink_pending=0 if uplink is None else uplink.pending,
                open_sessions=writer.open_sessions,
                meters=writer.meters,
            ),
            now_s,
        )

    def _free_bytes(self) -> int:
        try:
            status = os.statvfs(self._state)
        except OSError:
            return 0
        return status.f_bavail * status.f_frsize

    def _session_runs(self) -> bool:
        with self._ledger_trouble():
            if self._writer.ledger is not None:
                return any(item.boot_id == self._field_boot for item in self._writer.ledger.open_sessions())
        return False

    # Signatures.

    def _sign(self, now_s: float, *, readable: bool) -> None:
        ledger = self._writer.ledger
        if ledger is None or not self._writer.ok:
            return
        with self._ledger_trouble():
            signed = self._signer.ready(now_s, ledger) if readable else self._signer.turn(now_s, ledger)
            for record, public_key, signature in signed:
                self._writer.note_signature(record, public_key, signature)
            if signed:
                # A record of the field process may be written in the same turn: it is acknowledged like any other.
                self._record(now_s, time.time_ns() // 1_000_000)

    # Uplink and commands.

    def _clock_set(self, wall_ms: int) -> bool:
        return self._writer.clock_quality != CLOCK_UNSET and wall_ms >= OLDEST_CREDIBLE_WALL_MS

    def _run_uplink(self, now_s: float, wall_ms: int) -> None:
        ledger = self._writer.ledger
        if ledger is None or not self._settings.uplink.enabled:
            return
        if self._uplink is None:
            self._connection = pile_connection(
                self._settings.uplink,
                self._settings.pile.id,
                self._identity.topics,
                self._boot_id,
                selector=self._selector,
                draw=random.random,
            )
            self._uplink = Uplink(self._identity, self._connection, ledger, window=self._settings.uplink.window)
            self._writer.replaced = False
        elif self._writer.replaced:
            self._writer.replaced = False
            self._uplink.rebind(ledger, now_s)
        with self._ledger_trouble():
            self._uplink.turn(now_s, wall_ms, clock_set=self._clock_set(wall_ms))
        for order in self._uplink.take_orders():
            self._forward(order, now_s, wall_ms)

    def _forward(self, order: Order, now_s: float, wall_ms: int) -> None:
        if not self._field.attached or self._field_boot is None:
            self._answer(rejected(order.id, reasons.CONTROL_ABSENT), now_s, wall_ms)
            return
        self._unanswered[order.id] = now_s
        self._field.send(
            Command(
                id=order.id,
                name=order.name,
                connector=order.connector,
                arguments=order.arguments,
                origin=reasons.ORIGIN_PLATFORM,
                expires_wall_ms=order.expires_wall_ms,
            ),
            now_s,
        )

    def _on_reply(self, reply: CommandReply, now_s: float) -> None:
        self._unanswered.pop(reply.id, None)
        answer = Answer(reply.id, reply.result, reply.reasons, reply.session)
        self._answer(answer, now_s, time.time_ns() // 1_000_000)

    def _answer(self, answer: Answer, now_s: float, wall_ms: int) -> None:
        if self._uplink is not None:
            with self._ledger_trouble():
                self._uplink.answer(answer, now_s, wall_ms)

    def _answer_late(self, now_s: float, wall_ms: int) -> None:
        for command_id in [key for key, at_s in self._unanswered.items() if now_s - at_s >= _ANSWER_S]:
            del self._unanswered[command_id]
            # An answer that comes after this one is passed on as well.
            late = Answer(command_id, reasons.FAILED, (Reason(reasons.CONTROL_SILENT),))
            self._answer(late, now_s, wall_ms)

    # The end.

    def _end(self) -> None:
        """Take in what has arrived, write it, acknowledge it, give the uplink a moment, close."""
        now_s = time.monotonic()
        self._receive(now_s)
        self._record(now_s, time.time_ns() // 1_000_000)
        uplink = self._uplink
        deadline_s = now_s + _FAREWELL_S
        while (self._signer.busy or (uplink is not None and uplink.connection.connected and uplink.pending > 0)) and (
            now_s := time.monotonic()
        ) < deadline_s:
            self._select(0.05)
            self._record(now_s, time.time_ns() // 1_000_000)
            self._run_uplink(now_s, time.time_ns() // 1_000_000)
        if uplink is not None:
            uplink.stop(now_s)
        self._signer.close()
        self._field.flush(now_s)
        self._field.close(now_s)
        self._writer.close()
        self._selector.close()
        self._waker.close()
        self._woken.close()


def run_north(settings: Settings, *, version: str = "0") -> int:
    """Run the north process until SIGTERM or SIGINT. Returns the exit code: 0, it ended normally."""
    process = NorthProcess(settings, version=version)

    def stop(_: int, __: object) -> None:
        process.request_stop()

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        process.run()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return 0
