"""The readings: snapshots of the process image in a file of their own, bounded, thinned before dropped.

One row a snapshot, one column a signal, scaled integers (2.7 bytes a value instead of 6.3 for floats); NULL is
"not known". Rows are kept in memory and written together every ten seconds or at the end of a session, with
``synchronous = NORMAL``: a power cut may cost the seconds since the last checkpoint of this file, never the file.
The ledger, not this file, is what bills are made of.
"""

import logging
import math
import sqlite3
from pathlib import Path

from agent.link.messages import ReadingsMessage
from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.files import explained, move_aside, open_writable, quick_check
from agent.vocabulary.signals import SIGNALS

_LOG = logging.getLogger(__name__)

FILE_NAME = "readings.sqlite"
COMMIT_INTERVAL_S = 10.0
_LAYOUT = 1
_MAXIMUM_WAITING = 600
"""Snapshots kept in memory while the file cannot be written; older ones go first."""
_CHUNK_ROWS = 5000
"""Rows thinned or dropped at once, so that making room never takes long."""
_THIN_TO = 10
"""Thinning keeps every tenth row."""
_CHECK_LIMIT_BYTES = 64 << 20

SCALES = {"V": 100, "A": 100, "W": 1, "Wh": 1, "degC": 10, "kohm": 10, "bool": 1, "1": 1}
"""Stored integer = value * scale, by unit."""

_QUALITIES = ("unset", "holdover", "synced")


def scaled(value: float | bool | None, scale: int) -> int | None:
    """The stored integer; None for what is absent or not a finite number."""
    if value is None or not math.isfinite(value):
        return None
    return round(value * scale)


class Readings:
    """See the module. ``budget_bytes`` bounds the pages in use; no method but the constructor raises."""

    def __init__(self, folder: Path, budget_bytes: int, wall_ms: int) -> None:
        """Open or create the file; a damaged one is moved aside (see ``set_aside``). Raises LedgerError."""
        self.path = folder / FILE_NAME
        self.set_aside: str | None = None
        self.dropped = 0
        self._budget_bytes = budget_bytes
        self._waiting: list[ReadingsMessage] = []
        self._last_commit_s: float | None = None
        self._failing = False
        try:
            self._connection = self._open()
        except LedgerDamagedError:
            try:
                self.set_aside = move_aside(self.path, wall_ms).name
            except OSError as error:
                raise LedgerError(f"the damaged readings cannot be moved aside: {error.strerror}") from error
            self._connection = self._open()
        names = list(SIGNALS)
        columns = ("wall_ms", "wall_quality", "at_ms", "connector", "session", *names)
        self._insert = f"INSERT INTO reading ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  # names of the catalogue
        self._scales = [(name, SCALES[SIGNALS[name].unit]) for name in names]

    def _open(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            large = self.path.exists() and self.path.stat().st_size > _CHECK_LIMIT_BYTES
            connection = open_writable(self.path, synchronous="NORMAL")
            if not large:
                quick_check(connection)
            _prepare(connection)
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise explained(error) from error
        except LedgerError:
            if connection is not None:
                connection.close()
            raise
        return connection

    def add(self, message: ReadingsMessage, now_s: float) -> None:
        """Take a snapshot in; it reaches the file with a later ``turn`` or ``flush``."""
        if self._last_commit_s is None:
            self._last_commit_s = now_s
        self._waiting.append(message)
        if len(self._waiting) > _MAXIMUM_WAITING:
            del self._waiting[0]
            self.dropped += 1

    def turn(self, now_s: float) -> None:
        """Write if it is time."""
        if self._waiting and self._last_commit_s is not None and now_s - self._last_commit_s >= COMMIT_INTERVAL_S:
            self.flush(now_s)

    def flush(self, now_s: float) -> None:
        """Write what waits, then make room if the budget is exceeded."""
        self._last_commit_s = now_s
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(self._insert, [self._row(message) for message in self._waiting])
            self._make_room()
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            if connection.in_transaction:
                try:
                    connection.execute("ROLLBACK")
                except sqlite3.Error as second:
                    _LOG.warning("readings: %s", second)
            if not self._failing:
                _LOG.warning("readings cannot be written: %s", error)
            self._failing = True
            return
        if self._failing:
            _LOG.info("readings are written again")
        self._failing = False
        self._waiting.clear()

    def _row(self, message: ReadingsMessage) -> tuple[int | str | None, ...]:
        values = message.values
        quality = _QUALITIES.index(message.wall_quality) if message.wall_quality in _QUALITIES else 0
        return (
            message.wall_ms,
            quality,
            round(message.at_s * 1000),
            message.connector,
            message.session,
            *(scaled(values.get(name), scale) for name, scale in self._scales),
        )

    def used_bytes(self) -> int:
        """Bytes of pages in use."""
        pages, free, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _make_room(self) -> None:
        if self.used_bytes() <= self._budget_bytes:
            return
        execute = self._connection.execute
        first, last = execute("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM reading").fetchone()
        thinned = int(execute("SELECT value FROM meta WHERE name = 'thinned_until'").fetchone()[0])
        if max(thinned, first) < (first + last) // 2:
            # The older half has rows at full rate: thin the oldest of them.
            until = max(thinned, first - 1) + _CHUNK_ROWS
            execute(
                "DELETE FROM reading WHERE id > ? AND id <= ? AND id % ? <> 0",
                (max(thinned, first - 1), min(until, last - 1), _THIN_TO),
            )
            execute("UPDATE meta SET value = ? WHERE name = 'thinned_until'", (min(until, last - 1),))
        else:
            execute(
                "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE id < ? ORDER BY id LIMIT ?)",
                (last, _CHUNK_ROWS // _THIN_TO),
            )

    def close(self) -> None:
        """Write what waits and let go of the file. Never raises."""
        if self._waiting:
            self.flush(self._last_commit_s or 0.0)
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._connection.close()
        except sqlite3.Error as error:
            _LOG.warning("closing the readings: %s", error)


def _prepare(connection: sqlite3.Connection) -> None:
    """Tables, one column for each signal of the catalogue, and a view in physical units for standard tools."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _LAYOUT:
        raise LedgerError(f"the readings have layout {version}, this program knows {_LAYOUT}: update the program")
    connection.execute("BEGIN IMMEDIATE")
    if version == 0:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO meta VALUES ('thinned_until', 0)")
        connection.execute(
            "CREATE TABLE signal (name TEXT PRIMARY KEY, unit TEXT NOT NULL, scale INTEGER NOT NULL) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE reading (id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL, "
            "wall_quality INTEGER NOT NULL, at_ms INTEGER NOT NULL, connector INTEGER NOT NULL, session TEXT)"
        )
        connection.execute("CREATE INDEX reading_of_session ON reading (session, id) WHERE session IS NOT NULL")
    known = {row[0] for row in connection.execute("SELECT name FROM signal")}
    for signal in SIGNALS.values():
        if signal.name not in known:
            connection.execute(f"ALTER TABLE reading ADD COLUMN {signal.name} INTEGER")
            connection.execute("INSERT INTO signal VALUES (?, ?, ?)", (signal.name, signal.unit, SCALES[signal.unit]))
    if not known.issuperset(SIGNALS):
        columns = ", ".join(
            f"{name} / {scale}.0 AS {name}" if scale > 1 else name
            for name, scale in connection.execute("SELECT name, scale FROM signal ORDER BY name")
        )
        connection.execute("DROP VIEW IF EXISTS reading_in_units")
        connection.execute(
            f"CREATE VIEW reading_in_units AS SELECT id, wall_ms, at_ms, connector, session, {columns} FROM reading"  # noqa: S608  # names of the catalogue
        )
    connection.execute(f"PRAGMA user_version = {_LAYOUT}")
    connection.execute("COMMIT")
