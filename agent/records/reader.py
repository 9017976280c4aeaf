"""Read-only access to the record for the command line, the local page and tests, also while the service writes."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.records.canonical import COLUMNS, GENESIS, entry_of, follows, row_of
from agent.records.errors import LedgerError
from agent.records.files import explained
from agent.records.ledger import FILE_NAME
from agent.records.signing import key_id_of, verify
from agent.vocabulary import kinds
from agent.vocabulary.record import LedgerEntry

_COLUMNS = ", ".join(f"record.{name}" for name in COLUMNS)


@dataclass(slots=True)
class Verification:
    """Result of checking the whole ledger. ``problems`` is empty if everything holds."""

    records: int = 0
    signatures: int = 0
    unsigned_sessions: int = 0
    key_ids: list[str] = field(default_factory=list)
    head: str = ""
    """Hash of the last record, hexadecimal; whoever keeps it elsewhere can prove later that nothing was changed."""
    problems: list[str] = field(default_factory=list)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises LedgerError if there is no file or it cannot be read."""
    if not path.exists():
        raise LedgerError(f"no record at {path}: the service has not run here yet")
    address = path.absolute().as_uri()
    # A reader without write permission in the folder cannot make the shared memory file of a closed
    # database; without a log beside it the file cannot change under the reader.
    modes = ("?mode=ro",) if path.with_name(path.name + "-wal").exists() else ("?mode=ro", "?mode=ro&immutable=1")
    for mode in modes:
        connection = sqlite3.connect(f"{address}{mode}", uri=True, timeout=2.0)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            failure = explained(error)
        else:
            return connection
    raise LedgerError(f"{path}: {failure}")


class LedgerReader:
    """Reads the ledger in ``folder``. Methods raise LedgerError. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._connection = open_read_only(self.path)
        self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> "LedgerReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, statement: str, *arguments: Any) -> list[sqlite3.Row]:
        try:
            return self._connection.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise explained(error) from error

    def _records(self, condition: str, *arguments: Any) -> Iterator[LedgerEntry]:
        # The conditions are constants of this module.
        statement = f"SELECT {_COLUMNS} FROM record {condition}"  # noqa: S608
        try:
            for row in self._connection.execute(statement, arguments):
                yield entry_of(row)
        except sqlite3.Error as error:
            raise explained(error) from error

    def sessions(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest sessions, newest first: one for each start attempt.

        Keys: session, connector, status (open, closed), started_wall_ms, ended_wall_ms, result, stop_reason,
        energy_wh, amount_e4, duration_s, closed_by, signed. Absent values are None.
        """
        rows = self._rows(
            "SELECT * FROM session_summary WHERE session IN "
            "(SELECT session FROM session ORDER BY coalesce(started, ended) DESC LIMIT ?) "
            "ORDER BY started_wall_ms DESC, session DESC",
            limit,
        )
        return [_summary(row) for row in rows]

    def session(self, session: str) -> dict[str, Any] | None:
        """Everything about one session, None if there is no such session.

        Beside the keys of ``sessions``: ``started`` and ``ended`` (bodies, the latter with the bill), ``records``
        (all its records in sequence), ``alarms`` and ``vehicle``.
        """
        rows = self._rows("SELECT * FROM session_summary WHERE session = ?", session)
        if not rows:
            return None
        records = [as_document(record) for record in self._records("WHERE session = ? ORDER BY id", session)]
        started, ended = rows[0]["started_body"], rows[0]["ended_body"]
        vehicle: dict[str, Any] = {}
        for record in records:
            if record["kind"] == kinds.SESSION_VEHICLE:
                vehicle.update(record["body"])
        return {
            **_summary(rows[0]),
            "started": None if started is None else json.loads(started),
            "ended": None if ended is None else json.loads(ended),
            "vehicle": vehicle,
            "alarms": [record for record in records if record["stream"] == kinds.STREAM_ALARM],
            "records": records,
        }

    def faults(self, limit: int = 50, fault: str | None = None) -> list[dict[str, Any]]:
        """The newest alarm records, newest first; only those of ``fault`` if given."""
        condition = (
            "WHERE stream = 'alarm' AND (?1 IS NULL OR json_extract(body, '$.fault') = ?1) ORDER BY id DESC LIMIT ?2"
        )
        return [as_document(record) for record in self._records(condition, fault, limit)]

    def records(self, kind: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest records, newest first; only those of ``kind`` if given."""
        condition = "WHERE (?1 IS NULL OR kind = ?1) ORDER BY id DESC LIMIT ?2"
        return [as_document(record) for record in self._records(condition, kind, limit)]

    def counts(self) -> dict[str, Any]:
        """Records by kind, sessions by status, numbers by stream (last, taken by the broker, kept by the platform)."""
        last = {row[0]: row[1] for row in self._rows("SELECT stream, max(seq) FROM record GROUP BY stream")}
        return {
            "records": {row[0]: row[1] for row in self._rows("SELECT kind, count(*) FROM record GROUP BY kind")},
            "sessions": {
                "open": self._rows("SELECT count(*) FROM session WHERE ended IS NULL")[0][0],
                "closed": self._rows("SELECT count(*) FROM session WHERE ended IS NOT NULL")[0][0],
            },
            "streams": {
                row["stream"]: {
                    "last": last.get(row["stream"], row["first"] - 1),
                    "acknowledged": row["acknowledged"],
                    "watermark": row["watermark"],
                }
                for row in self._rows("SELECT * FROM cursor")
            },
        }

    def verify(self, trusted_key: bytes | None = None) -> Verification:
        """Check every link of the chain, every number and every signature.

        ``trusted_key`` is the pile's public key (32 bytes) as noted elsewhere; without it the signatures are
        checked against the keys in the ledger itself, which proves only that they belong together.
        """
        result = Verification()
        previous, last_id = GENESIS, 0
        sequences = {row["stream"]: row["first"] - 1 for row in self._rows("SELECT stream, first FROM cursor")}
        for entry in self._records("ORDER BY id"):
            result.records += 1
            if entry.id != last_id + 1:
                result.problems.append(f"record {last_id + 1} is missing")
            if not follows(entry, previous):
                result.problems.append(f"record {entry.id} was changed or does not follow from the one before it")
            if entry.seq != sequences.get(entry.stream, 0) + 1:
                result.problems.append(f"record {entry.id}: number {entry.seq} is out of sequence in {entry.stream}")
            sequences[entry.stream] = entry.seq
            previous, last_id = entry.hash, entry.id
        result.head = previous.hex()
        self._verify_signatures(result, trusted_key)
        return result

    def _verify_signatures(self, result: Verification, trusted_key: bytes | None) -> None:
        rows = self._rows(
            "SELECT session.session, record.hash, signature.signature, signing_key.public_key, signing_key.key_id, "
            "signature.record = session.ended AS fits "
            "FROM session JOIN record ON record.id = session.ended "
            "LEFT JOIN signature ON signature.session = session.session "
            "LEFT JOIN signing_key ON signing_key.key_id = signature.key_id"
        )
        for row in rows:
            if row["signature"] is None:
                result.unsigned_sessions += 1
                continue
            result.signatures += 1
            key = row["public_key"] or b""
            if row["key_id"] not in result.key_ids:
                result.key_ids.append(row["key_id"])
            if trusted_key is not None and key != trusted_key:
                result.problems.append(f"session {row['session']} is signed with another key ({key_id_of(key)})")
            elif not row["fits"] or not verify(key, row["signature"], row["hash"]):
                result.problems.append(f"the signature of session {row['session']} does not match")


def as_document(entry: LedgerEntry) -> dict[str, Any]:
    """A record for people and machines: hashes in hexadecimal, the body parsed."""
    return {
        **dict(zip(COLUMNS, row_of(entry), strict=True)),
        "body": dict(entry.record.body),
        "previous_hash": entry.previous_hash.hex(),
        "hash": entry.hash.hex(),
    }


def _summary(row: sqlite3.Row) -> dict[str, Any]:
    summary = {name: row[name] for name in row.keys() if not name.endswith("_body") and name != "signed_with"}  # noqa: SIM118  # a Row iterates over values
    summary["signed"] = row["signed_with"] is not None
    return summary
