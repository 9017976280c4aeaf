"""The ledger: sessions, bills, alarms, commands and telemetry; append-only, chained, fully synced, never dropped.

One process writes (a lock file sees to it), others may read at any time. Every ``append`` is one transaction
that has reached the disk when it returns; nothing is acknowledged to anybody before that.
"""

import fcntl
import logging
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.records.canonical import COLUMNS, GENESIS, canonical_json, entry_hash, entry_of, follows, row_of
from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.files import explained, move_aside, open_writable, quick_check
from agent.records.queries import SELECT, LedgerQueries
from agent.records.reserved import BLOCK, read_reserved, write_reserved
from agent.records.schema import migrate
from agent.vocabulary import kinds
from agent.vocabulary.record import LedgerEntry, Record

_LOG = logging.getLogger(__name__)

FILE_NAME = "ledger.sqlite"
_TAIL = 256
"""Records of which the chain is verified at every start."""
_COLUMNS = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO record ({_COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  # constants


@dataclass(slots=True)
class Cursor:
    """How far a stream has got: given out from ``first``, taken by the broker, kept by the platform."""

    first: int
    acknowledged: int
    watermark: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that was moved aside when the ledger was opened, or that is missing."""

    reason: str
    file: str
    last_known: Mapping[str, int]
    """Last number of each stream that could still be read in the damaged file; it may be too low."""


class Ledger(LedgerQueries):
    """See the module. Every method raises LedgerError (LedgerDamagedError if the file itself is bad)."""

    def __init__(self, folder: Path, wall_ms: int) -> None:
        """Open or create the ledger in ``folder``; a damaged file is moved aside and reported in ``damage``."""
        self.path = folder / FILE_NAME
        self.damage: Damage | None = None
        self._numbers_path = folder / "ledger.numbers"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "ledger.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise LedgerError(f"{folder}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LedgerError(f"another process writes the record in {folder}") from error
            try:
                self._connection = self._open()
            except LedgerDamagedError as error:
                aside = self._set_aside(wall_ms)
                self.damage = Damage(str(error), aside.name, _last_numbers(aside))
                self._connection = self._open()
        except BaseException:
            os.close(self._lock)
            raise
        self._load()

    def _open(self) -> sqlite3.Connection:
        known = self.path.exists()
        reserved = read_reserved(self._numbers_path)
        connection: sqlite3.Connection | None = None
        try:
            connection = open_writable(self.path, synchronous="FULL")
            if known:
                quick_check(connection)
            fresh = migrate(connection) == 0
            if fresh:
                if reserved and self.damage is None:
                    self.damage = Damage("the file was missing or empty", "", {})
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO meta VALUES ('ledger_id', ?)", (secrets.token_hex(8),))
                for stream in kinds.STREAMS:
                    last = reserved.get(stream, 0)
                    connection.execute("INSERT INTO cursor VALUES (?, ?, ?, ?)", (stream, last + 1, last, last))
                connection.execute("COMMIT")
            _check_tail(connection)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise explained(error) from error
        except LedgerError:
            if connection is not None:
                connection.close()
            raise
        return connection

    def _set_aside(self, wall_ms: int) -> Path:
        try:
            target = move_aside(self.path, wall_ms)
        except OSError as error:
            raise LedgerError(f"the damaged record cannot be moved aside: {error.strerror}") from error
        _LOG.error("the record was damaged and has been moved aside to %s", target)
        return target

    def _load(self) -> None:
        self.ledger_id = str(self._query("SELECT value FROM meta WHERE name = 'ledger_id'")[0][0])
        last = self._query("SELECT id, hash FROM record ORDER BY id DESC LIMIT 1")
        self._last_id, self._last_hash = (int(last[0][0]), bytes(last[0][1])) if last else (0, GENESIS)
        self._cursors = {
            row[0]: Cursor(*row[1:]) for row in self._query("SELECT stream, first, acknowledged, watermark FROM cursor")
        }
        self._sequences = {
            stream: int(
                self._query("SELECT coalesce(max(seq), ?) FROM record WHERE stream = ?", cursor.first - 1, stream)[0][0]
            )
            for stream, cursor in self._cursors.items()
        }
        self._reserved = read_reserved(self._numbers_path)
        self._numbers: dict[str, int] = {}
        self._moved_cursors: set[str] = set()

    def _query(self, statement: str, *arguments: Any) -> list[Any]:
        try:
            return self._connection.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise explained(error) from error

    def _write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run all statements in one durable transaction, or none."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, arguments in statements:
                connection.execute(statement, arguments)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                try:
                    connection.execute("ROLLBACK")
                except sqlite3.Error as second:
                    raise explained(second) from error
            raise explained(error) from error

    # Writing.

    def append(self, records: Sequence[Record]) -> list[LedgerEntry]:
        """Add the records not yet known, in sequence, and return those added; durable on return.

        A record with a number not above the last one of its ``boot_id`` is a repetition and is left out.
        On error nothing is added, and the same call may be made again.
        """
        entries: list[LedgerEntry] = []
        statements: list[tuple[str, Sequence[Any]]] = []
        numbers = dict(self._numbers)
        sequences = dict(self._sequences)
        ended: set[str] = set()
        last_id, last_hash = self._last_id, self._last_hash
        for record in records:
            known = numbers.get(record.boot_id)
            if known is None:
                known = self.last_number(record.boot_id) or 0
            if record.number <= known:
                continue
            numbers[record.boot_id] = record.number
            stream = kinds.stream_of(record.kind)
            sequences[stream] += 1
            text = canonical_json(record.body)
            unhashed = LedgerEntry(last_id + 1, stream, sequences[stream], record, text, last_hash, b"")
            entry = unhashed._replace(hash=entry_hash(unhashed))
            last_id, last_hash = entry.id, entry.hash
            entries.append(entry)
            statements.append((_INSERT, row_of(entry)))
            statements.extend(self._session_statements(entry.id, record, ended))
        if not entries:
            return entries
        self._reserve(sequences)
        self._write([*statements, *self._cursor_statements()])
        self._moved_cursors.clear()
        self._numbers, self._sequences = numbers, sequences
        self._last_id, self._last_hash = last_id, last_hash
        return entries

    def _session_statements(
        self, entry_id: int, record: Record, ended: set[str]
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        if record.session is None or record.kind not in (kinds.SESSION_STARTED, kinds.SESSION_ENDED):
            return
        yield (
            "INSERT INTO session (session, boot_id, connector) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (record.session, record.boot_id, record.connector),
        )
        if record.kind == kinds.SESSION_STARTED:
            yield (
                "UPDATE session SET started = ? WHERE session = ? AND started IS NULL AND ended IS NULL",
                (entry_id, record.session),
            )
            return
        if record.session in ended or self._query(
            "SELECT 1 FROM session WHERE session = ? AND ended IS NOT NULL", record.session
        ):
            _LOG.error("session %s has ended twice; the first end is kept", record.session)
            return
        ended.add(record.session)
        yield ("UPDATE session SET ended = ? WHERE session = ?", (entry_id, record.session))

    def _reserve(self, sequences: Mapping[str, int]) -> None:
        if all(self._reserved.get(stream, 0) >= value for stream, value in sequences.items()):
            return
        reserved = {
            stream: max(self._reserved.get(stream, 0), (value // BLOCK + 1) * BLOCK)
            for stream, value in sequences.items()
        }
        try:
            write_reserved(self._numbers_path, reserved)
        except OSError as error:
            raise LedgerError(f"{self._numbers_path.name}: {error.strerror}") from error
        self._reserved = reserved

    def note_boot(self, boot_id: str, pile_id: str, version: str, started_wall_ms: int, machine_boot: str) -> None:
        """Keep who wrote the records of ``boot_id`` and during which run of the machine."""
        if self._query("SELECT 1 FROM boot WHERE boot_id = ?", boot_id):
            return
        arguments = (boot_id, pile_id, version, started_wall_ms, machine_boot)
        self._write([("INSERT INTO boot VALUES (?, ?, ?, ?, ?)", arguments)])

    def move_cursor(self, stream: str, *, acknowledged: int | None = None, watermark: int | None = None) -> None:
        """Note progress of a stream. It reaches the disk with the next ``append`` or ``save_cursors``.

        Losing it costs a repeated message, so it is not worth a synchronisation of its own.
        """
        cursor = self._cursors[stream]
        if acknowledged is not None and acknowledged > cursor.acknowledged:
            cursor.acknowledged = min(acknowledged, self._sequences[stream])
            self._moved_cursors.add(stream)
        if watermark is not None and watermark > cursor.watermark:
            cursor.watermark = min(watermark, self._sequences[stream])
            self._moved_cursors.add(stream)

    def save_cursors(self) -> None:
        """Write moved cursors to the disk."""
        if self._moved_cursors:
            self._write(self._cursor_statements())
            self._moved_cursors.clear()

    def _cursor_statements(self) -> list[tuple[str, Sequence[Any]]]:
        return [
            (
                "UPDATE cursor SET acknowledged = ?, watermark = ? WHERE stream = ?",
                (self._cursors[stream].acknowledged, self._cursors[stream].watermark, stream),
            )
            for stream in sorted(self._moved_cursors)
        ]

    def add_signature(self, entry: LedgerEntry, public_key: bytes, key_id: str, signature: bytes) -> None:
        """Keep the signature over the hash of the session's end record. A second one is ignored."""
        self._write(
            [
                ("INSERT INTO signing_key VALUES (?, ?) ON CONFLICT DO NOTHING", (key_id, public_key)),
                (
                    "INSERT INTO signature VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (entry.record.session, entry.id, key_id, signature),
                ),
            ]
        )

    # Reading.

    def last_number(self, boot_id: str) -> int | None:
        """Number of the last record kept of this ``boot_id``, None if there is none."""
        known = self._numbers.get(boot_id)
        if known is None:
            row = self._query("SELECT max(number) FROM record WHERE boot_id = ?", boot_id)[0]
            if row[0] is None:
                return None
            known = self._numbers[boot_id] = int(row[0])
        return known

    @property
    def sequences(self) -> Mapping[str, int]:
        """Last number given out in each stream."""
        return self._sequences

    @property
    def cursors(self) -> Mapping[str, Cursor]:
        """Progress of each stream."""
        return self._cursors

    def reopen(self) -> None:
        """Let go of the file and open it again, for instance when the disk works again after an error."""
        self._connection.close()
        self._connection = self._open()
        moved = {stream: self._cursors[stream] for stream in self._moved_cursors}
        self._load()
        for stream, cursor in moved.items():
            self.move_cursor(stream, acknowledged=cursor.acknowledged, watermark=cursor.watermark)

    def close(self) -> None:
        """Save the cursors, fold the log into the file and let go of everything. Never raises."""
        try:
            self.save_cursors()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (LedgerError, sqlite3.Error) as error:
            _LOG.warning("closing the record: %s", error)
        try:
            self._connection.close()
        finally:
            os.close(self._lock)


def _check_tail(connection: sqlite3.Connection) -> None:
    """Raises LedgerDamagedError if the youngest records do not follow from each other."""
    rows = connection.execute(f"{SELECT} ORDER BY id DESC LIMIT ?", (_TAIL + 1,)).fetchall()
    entries = [entry_of(row) for row in reversed(rows)]
    previous = entries.pop(0).hash if len(entries) > _TAIL else GENESIS
    for entry in entries:
        if not follows(entry, previous):
            raise LedgerDamagedError(f"record {entry.id} does not follow from the one before it")
        previous = entry.hash


def _last_numbers(path: Path) -> dict[str, int]:
    """The last numbers that a damaged file still gives; opened without writing to it."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = connection.execute("SELECT stream, max(seq) FROM record GROUP BY stream").fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return {}
    return {str(stream): seq for stream, seq in rows if type(seq) is int}
