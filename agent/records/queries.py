"""What is asked of the ledger while it is written: streams, sessions, answers, meters. See ``agent.records.ledger``."""

from typing import Any, NamedTuple

from agent.records.canonical import COLUMNS, entry_of
from agent.vocabulary.record import LedgerEntry, parsed

SELECT = f"SELECT {', '.join(COLUMNS)} FROM record"  # noqa: S608  # constants only
"""Beginning of a query for whole rows."""


class OpenSession(NamedTuple):
    """A session that has begun and not ended."""

    session: str
    boot_id: str
    connector: int


class LedgerQueries:
    """The questions; the connection belongs to the ledger. Every method raises LedgerError."""

    def _query(self, statement: str, *arguments: Any) -> list[Any]:
        """All rows of a statement. Raises LedgerError."""
        raise NotImplementedError

    def after(self, stream: str, seq: int, limit: int) -> list[LedgerEntry]:
        """Up to ``limit`` records of a stream with numbers above ``seq``, in sequence."""
        rows = self._query(f"{SELECT} WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?", stream, seq, limit)
        return [entry_of(row) for row in rows]

    def open_sessions(self) -> list[OpenSession]:
        """Sessions that have begun and not ended, oldest first."""
        rows = self._query("SELECT session, boot_id, connector FROM session WHERE ended IS NULL ORDER BY started")
        return [OpenSession(*row) for row in rows]

    def of_session(self, session: str) -> list[LedgerEntry]:
        """All records of a session, in sequence."""
        return [entry_of(row) for row in self._query(f"{SELECT} WHERE session = ? ORDER BY id", session)]

    def machine_boot(self, boot_id: str) -> str | None:
        """The run of the machine during which ``boot_id`` was written."""
        rows = self._query("SELECT machine_boot FROM boot WHERE boot_id = ?", boot_id)
        return str(rows[0][0]) if rows else None

    def last_wall_ms(self, boot_id: str) -> int | None:
        """Wall time of the last record of ``boot_id``."""
        rows = self._query(
            "SELECT wall_ms FROM record WHERE boot_id = ? ORDER BY number DESC LIMIT 1",
            boot_id,
        )
        return int(rows[0][0]) if rows else None

    def unsigned(self, limit: int) -> list[LedgerEntry]:
        """End records of sessions that have no signature yet."""
        names = ", ".join(f"record.{name}" for name in COLUMNS)
        rows = self._query(
            f"SELECT {names} FROM session JOIN record ON record.id = session.ended "  # noqa: S608  # constants only
            "LEFT JOIN signature ON signature.session = session.session "
            "WHERE signature.session IS NULL ORDER BY record.id LIMIT ?",
            limit,
        )
        return [entry_of(row) for row in rows]

    def command_answer(self, command_id: str) -> dict[str, Any] | None:
        """Body of the last ``command`` record with this id."""
        rows = self._query(
            "SELECT body FROM record WHERE kind = 'command' AND json_extract(body, '$.id') = ? "
            "ORDER BY id DESC LIMIT 1",
            command_id,
        )
        if not rows:
            return None
        return parsed(rows[0][0])

    def last_audits(self, name: str) -> dict[int, dict[str, Any]]:
        """Body of the last ``audit`` record of this name (its key ``audit``), by connector."""
        rows = self._query(
            "SELECT connector, body FROM record WHERE kind = 'audit' AND json_extract(body, '$.audit') = ? ORDER BY id",
            name,
        )
        return {connector: parsed(text) for connector, text in rows}

    def last_register_wh(self, connector: int) -> int | None:
        """The register of a connector at the end of its last session with a register, or after an exchange."""
        rows = self._query(
            "SELECT record.id, json_extract(record.body, '$.register_end_wh') "
            "FROM session JOIN record ON record.id = session.ended "
            "WHERE session.connector = ? AND json_extract(record.body, '$.register_source') <> 'none' "
            "ORDER BY session.ended DESC LIMIT 1",
            connector,
        )
        rows += self._query(
            "SELECT id, json_extract(body, '$.new.register_start_wh') FROM record "
            "WHERE kind = 'audit' AND connector = ? AND json_extract(body, '$.audit') = 'meter_exchanged' "
            "ORDER BY id DESC LIMIT 1",
            connector,
        )
        known = [(row[0], row[1]) for row in rows if type(row[1]) is int]
        return max(known)[1] if known else None
