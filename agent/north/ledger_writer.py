"""Takes records from the field process into the ledger, in sequence, and closes sessions that were left open.

No socket and no clock: messages and the time come in, messages to send come out.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.link.messages import Acknowledge, Hello, ReadingsMessage
from agent.north.orphans import Orphans
from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.ledger import Damage, Ledger
from agent.records.readings import Readings
from agent.vocabulary import events, kinds, states
from agent.vocabulary.bodies import AlarmCleared, AlarmRaised, SessionSigned
from agent.vocabulary.event_bodies import ReadingsDamaged, RecordsMissing
from agent.vocabulary.record import LedgerEntry, MeterInLedger, Record

_LOG = logging.getLogger(__name__)

_RETRY_S = 2.0
_MAXIMUM_WAITING = 4096
"""Records kept here while the ledger does not take them; the field process keeps all of them anyway."""
_RECORD_DAMAGED = "record_damaged"
"""Fault id of a ledger that was moved aside."""


class LedgerWriter:
    """See the module. Public methods do not raise LedgerError: trouble is in ``reason`` and passes by itself."""

    def __init__(
        self, state: Path, readings_budget_bytes: int, boot_id: str, machine_boot: str, connectors: Sequence[int] = (1,)
    ) -> None:
        self.ledger: Ledger | None = None
        self.replaced = False
        """The ledger was opened again since this was last set to False: numbers may have moved."""
        self.session_ended = False
        """A session has ended since this was last set to False."""
        self.reason = "the record is not open yet"
        self.resend_needed = False
        """The field process has to send its records again (attach again)."""
        self.clock_quality: str = states.CLOCK_UNSET
        self.meters: dict[int, MeterInLedger] = {}
        """By connector: what the ledger knows of its meter."""
        self._state = state
        self._readings_budget_bytes = readings_budget_bytes
        self._readings: Readings | None = None
        self._boot_id = boot_id
        self._machine_boot = machine_boot
        self._number = 0
        self._retry_at_s = float("-inf")
        self._waiting: deque[Record] = deque()
        self._expected: dict[str, int] = {}
        self._fresh_link = True
        self._hello: Hello | None = None
        self._hello_noted = False
        self._connectors = tuple(connectors)
        self._orphans = Orphans(machine_boot)
        self._own: list[Record] = []
        self._now_s = 0.0
        self._wall_ms = 0

    # The ledger.

    @property
    def ok(self) -> bool:
        """The ledger takes records."""
        return self.ledger is not None and not self.reason

    @property
    def waiting(self) -> int:
        """Records that have arrived and are not yet durable."""
        return len(self._waiting)

    @property
    def open_sessions(self) -> dict[int, str]:
        """By connector: a session that an earlier field process left open and that is still to be closed."""
        return self._orphans.open_sessions

    def next_due(self) -> float:
        """When ``turn`` wants to be called at the latest."""
        if not self.ok:
            return self._retry_at_s
        return self._orphans.next_due()

    def _fail(self, error: LedgerError) -> None:
        reason = str(error)
        if reason != self.reason:
            _LOG.error("the record cannot be kept: %s", reason)
        self.reason = reason
        self._retry_at_s = self._now_s + _RETRY_S

    def _open(self) -> None:
        """Open what is not open; after an error let go of the file and take it again."""
        anew = False
        try:
            if self.ledger is None:
                self.ledger = Ledger(self._state, self._wall_ms)
                anew = True
            elif self.reason:
                self.ledger.reopen()
                anew = self.ledger.damage is not None
        except LedgerDamagedError as error:
            # Only a fresh start moves the file aside.
            if self.ledger is not None:
                self.ledger.close()
                self.ledger = None
            self._fail(error)
            self._retry_at_s = self._now_s
            return
        except LedgerError as error:
            self._fail(error)
            return
        if self.reason and self._number:
            _LOG.info("the record is kept again")
        self.reason = ""
        if anew:
            self.replaced = True
            self._report_damage()
        self._hello_noted = False
        self._look_up_meters()

    def _look_up_meters(self) -> None:
        if self.ledger is None:
            return
        try:
            audits = self.ledger.last_audits(kinds.METER_UNIT_PROVEN)
            self.meters = {
                connector: MeterInLedger(
                    str(audits.get(connector, {}).get("proof", "")), self.ledger.last_register_wh(connector)
                )
                for connector in self._connectors
            }
        except LedgerError as error:
            self._fail(error)

    def _report_damage(self) -> None:
        if self.ledger is None or self.ledger.damage is None:
            return
        damage, self.ledger.damage = self.ledger.damage, None
        raised = _damage_alarm(damage, self.ledger)
        cleared: AlarmCleared = {"fault": _RECORD_DAMAGED, "level": 2, "action": "log"}
        self._add_own(kinds.ALARM_RAISED, raised)
        self._add_own(kinds.ALARM_CLEARED, cleared)

    def _open_readings(self) -> None:
        if self._readings is not None:
            return
        try:
            self._readings = Readings(self._state, self._readings_budget_bytes, self._wall_ms)
        except LedgerError as error:
            _LOG.warning("readings cannot be kept: %s", error)
            return
        if self._readings.set_aside is not None:
            body: ReadingsDamaged = {"event": events.READINGS_DAMAGED, "file": self._readings.set_aside}
            self._add_own(kinds.EVENT, body)

    def _add_own(
        self, kind: str, body: Mapping[str, Any], *, session: str | None = None, connector: int | None = None
    ) -> None:
        """Queue a record of this process itself; what is no single connector's is recorded with the first."""
        self._number += 1
        number = self._connectors[0] if connector is None else connector
        quality, now_s, wall_ms = self.clock_quality, self._now_s, self._wall_ms
        self._own.append(Record(self._boot_id, self._number, kind, now_s, wall_ms, quality, number, session, body))

    # What comes from the field process.

    def on_attached(self) -> None:
        """A new connection: the field process sends all that it holds, oldest first."""
        self._fresh_link = True
        self.resend_needed = False

    def on_detached(self) -> None:
        """The connection is gone."""
        self._orphans.forget_registers()

    def on_hello(self, hello: Hello, now_s: float) -> None:
        """Who is there; a new ``boot_id`` means that sessions of others are over.

        What waits from the same one is sent again; what a former one left behind exists only here.
        """
        self._waiting = deque(message for message in self._waiting if message.boot_id != hello.boot_id)
        self._hello = hello
        self._hello_noted = False
        self._orphans.begin(now_s)

    def on_record(self, message: Record) -> None:
        """A record has arrived; it is written by the next ``turn``."""
        self.clock_quality = message.wall_quality
        if len(self._waiting) >= _MAXIMUM_WAITING:
            self.resend_needed = True
            return
        self._waiting.append(message)

    def on_readings(self, message: ReadingsMessage, now_s: float) -> None:
        """A snapshot has arrived."""
        self.clock_quality = message.wall_quality
        register = message.values.get("meter_energy_wh")
        if register is not None:
            self._orphans.note_register(message.connector, int(register))
        if self._readings is not None:
            self._readings.add(message, now_s)

    def turn(self, now_s: float, wall_ms: int) -> list[Acknowledge]:
        """Write what has arrived, close what is open. Returns what may be acknowledged to the field process."""
        self._now_s, self._wall_ms = now_s, wall_ms
        if not self.ok:
            if now_s < self._retry_at_s:
                return []
            self._open()
        self._open_readings()
        acknowledged: list[Acknowledge] = []
        if self.ledger is not None and self.ok:
            try:
                acknowledged = self._write(self.ledger)
            except LedgerDamagedError as error:
                self.ledger.close()
                self.ledger = None
                self._fail(error)
                self._retry_at_s = now_s
            except LedgerError as error:
                self._fail(error)
        if self._readings is not None:
            self._readings.turn(now_s)
        return acknowledged

    def _write(self, ledger: Ledger) -> list[Acknowledge]:
        if self._own:
            ledger.append(self._own)
            self._own.clear()
        self._note_hello(ledger)
        batch, gap = self._batch(ledger)
        entries = ledger.append(batch)
        for _ in batch:
            self._waiting.popleft()
        if gap:
            _LOG.error("a record is missing on the link: attaching again")
            self._waiting.clear()
            self.resend_needed = True
        self._look_at(entries)
        self._close_orphans(ledger)
        if self._own:
            ledger.append(self._own)
            self._own.clear()
        if not batch:
            return []
        boot_id = batch[-1].boot_id
        return [Acknowledge(boot_id, ledger.last_number(boot_id) or 0)]

    def _batch(self, ledger: Ledger) -> tuple[list[Record], bool]:
        """The longest run of waiting records without a gap, and whether a gap ends it."""
        batch: list[Record] = []
        for message in self._waiting:
            known = self._expected.get(message.boot_id)
            if known is None:
                known = ledger.last_number(message.boot_id) or 0
            if message.number > known + 1:
                if not self._fresh_link:
                    return batch, True
                # The oldest record that the field process still holds: what is before it was acknowledged
                # once and is gone from here (a ledger that was damaged). Logged, then work goes on.
                missing: RecordsMissing = {
                    "event": events.RECORDS_MISSING,
                    "boot_id": message.boot_id,
                    "from": known + 1,
                    "to": message.number - 1,
                }
                self._add_own(kinds.EVENT, missing)
            self._fresh_link = False
            self._expected = {message.boot_id: max(known, message.number)}
            batch.append(message)
        return batch, False

    def _look_at(self, entries: Sequence[LedgerEntry]) -> None:
        added = {entry.record.kind for entry in entries}
        if not added.isdisjoint((kinds.AUDIT, kinds.SESSION_ENDED)):
            self._look_up_meters()
        if kinds.SESSION_ENDED in added:
            self.session_ended = True
            if self._readings is not None:
                self._readings.flush(self._now_s)

    # Sessions that were left open.

    def _note_hello(self, ledger: Ledger) -> None:
        hello = self._hello
        if hello is None or self._hello_noted:
            return
        ledger.note_boot(hello.boot_id, hello.pile_id, hello.version, hello.started_wall_ms, self._machine_boot)
        self._expected.clear()
        self._orphans.found(item for item in ledger.open_sessions() if item.boot_id != hello.boot_id)
        self._hello_noted = True

    def _close_orphans(self, ledger: Ledger) -> None:
        closed = self._orphans.close(ledger, self._now_s)
        for item, end in closed:
            for event in end.events:
                self._add_own(kinds.EVENT, event, connector=item.connector)
            self._add_own(kinds.SESSION_ENDED, end.body, session=item.session, connector=item.connector)
        if not closed:
            return
        ledger.append(self._own)
        self._own.clear()
        self.session_ended = True
        self._look_up_meters()

    def note_signature(self, entry: LedgerEntry, public_key: bytes, signature: bytes) -> None:
        """A session was signed: the platform gets what it needs to check that (see agent.records.canonical)."""
        record = entry.record
        body = _signed_body(entry, public_key, signature)
        self._add_own(kinds.SESSION_SIGNED, body, session=record.session, connector=record.connector)

    def fail(self, error: LedgerError) -> None:
        """Another user of the ledger met an error; the next ``turn`` after a pause opens it again."""
        self._fail(error)

    def close(self) -> None:
        """Write the rest of the readings and close both files."""
        if self._readings is not None:
            self._readings.close()
            self._readings = None
        if self.ledger is not None:
            self.ledger.close()
            self.ledger = None


def _damage_alarm(damage: Damage, ledger: Ledger) -> AlarmRaised:
    """The alarm of a ledger file that was moved aside, with the numbers around it."""
    return {
        "fault": _RECORD_DAMAGED,
        "level": 2,
        "action": "log",
        "snapshot": {},
        "reason": damage.reason,
        "file": damage.file,
        "numbers": {
            stream: {"last_known": damage.last_known.get(stream), "next": cursor.first}
            for stream, cursor in ledger.cursors.items()
        },
    }


def _signed_body(entry: LedgerEntry, public_key: bytes, signature: bytes) -> SessionSigned:
    return {
        "seq": entry.seq,
        "record_id": entry.id,
        "number": entry.record.number,
        "at_us": round(entry.record.at_s * 1_000_000),
        "previous_hash": entry.previous_hash.hex(),
        "hash": entry.hash.hex(),
        "public_key": public_key.hex(),
        "signature": signature.hex(),
    }
