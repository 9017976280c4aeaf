"""Opening SQLite files for years of service on flash, and moving damaged ones aside."""

import datetime
import sqlite3
from pathlib import Path

from agent.records.errors import LedgerDamagedError, LedgerError

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CHECKPOINT_PAGES = 64
"""A log that stays small is written over and over instead of growing: half the bytes on flash."""
_JOURNAL_LIMIT_BYTES = 1 << 20


def explained(error: sqlite3.Error) -> LedgerError:
    """The error as a LedgerError with a reason for people."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _DAMAGED:
        return LedgerDamagedError(f"file damaged: {error}")
    words = {
        sqlite3.SQLITE_FULL: "disk full",
        sqlite3.SQLITE_READONLY: "file system is read-only",
        sqlite3.SQLITE_CANTOPEN: "file cannot be opened",
        sqlite3.SQLITE_IOERR: "disk input/output error",
        sqlite3.SQLITE_BUSY: "another process holds the file",
    }
    text = None if primary is None else words.get(primary)
    return LedgerError(f"{text} ({error})" if text else str(error))


def open_writable(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """A connection in WAL mode. ``synchronous`` is FULL (every commit survives a power cut) or NORMAL.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    try:
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {synchronous}",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"journal_size_limit = {_JOURNAL_LIMIT_BYTES}",
            "cache_size = -512",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def quick_check(connection: sqlite3.Connection) -> None:
    """Raises LedgerDamagedError if SQLite finds the file inconsistent, sqlite3.Error if it cannot look."""
    answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer is None or answer[0] != "ok":
        raise LedgerDamagedError(f"file damaged: {answer[0] if answer else 'no answer'}")


def move_aside(path: Path, wall_ms: int) -> Path:
    """Rename a damaged file with its log to ``<name>.damaged-<UTC time>.sqlite``; nothing is deleted.

    Raises OSError.
    """
    stamp = datetime.datetime.fromtimestamp(wall_ms / 1000, datetime.UTC).strftime("%Y%m%dT%H%M%S")
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        target = path.with_name(f"{path.stem}.damaged-{stamp}{suffix}{path.suffix}")
        if not target.exists():
            break
    # The log first: if the power goes between the two, the main file still has the name that the next start checks.
    for part in ("-wal", "-shm"):
        source = path.with_name(path.name + part)
        if source.exists():
            source.rename(target.with_name(target.name + part))
    path.rename(target)
    return target
