"""The ledger's tables, as numbered migrations: the file's ``user_version`` counts those applied.

Written here and not with sqlite-utils' migrations: the daemon applies them, and importing that library costs
27 MB. A migration that has been released is never edited; a change is a new one at the end.
"""

import sqlite3

from agent.records.errors import LedgerError

APPEND_ONLY = ("record", "signature", "boot", "signing_key")

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boot (
    boot_id TEXT PRIMARY KEY,
    pile_id TEXT NOT NULL,
    version TEXT NOT NULL,
    started_wall_ms INTEGER NOT NULL,
    machine_boot TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at_s REAL NOT NULL,
    wall_ms INTEGER NOT NULL,
    wall_quality TEXT NOT NULL,
    connector INTEGER NOT NULL,
    session TEXT,
    body TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (stream, seq),
    UNIQUE (boot_id, number)
);
CREATE INDEX record_of_session ON record (session, id) WHERE session IS NOT NULL;
CREATE INDEX record_of_alarm ON record (id) WHERE stream = 'alarm';
CREATE INDEX record_of_command ON record (json_extract(body, '$.id')) WHERE kind = 'command';
CREATE TABLE cursor (
    stream TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    watermark INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (
    session TEXT PRIMARY KEY,
    boot_id TEXT NOT NULL,
    connector INTEGER NOT NULL,
    started INTEGER REFERENCES record (id),
    ended INTEGER REFERENCES record (id)
) WITHOUT ROWID;
CREATE INDEX session_open ON session (session) WHERE ended IS NULL;
CREATE TABLE signing_key (key_id TEXT PRIMARY KEY, public_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE signature (
    session TEXT PRIMARY KEY REFERENCES session (session),
    record INTEGER NOT NULL REFERENCES record (id),
    key_id TEXT NOT NULL REFERENCES signing_key (key_id),
    signature BLOB NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER session_once BEFORE UPDATE ON session WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a session ends once'); END;
CREATE TRIGGER session_kept BEFORE DELETE ON session
BEGIN SELECT RAISE(ABORT, 'sessions are never deleted'); END;
CREATE VIEW session_summary AS
SELECT session.session, session.connector,
       CASE WHEN session.ended IS NULL THEN 'open' ELSE 'closed' END AS status,
       coalesce(json_extract(e.body, '$.started_wall_ms'), s.wall_ms) AS started_wall_ms,
       json_extract(e.body, '$.ended_wall_ms') AS ended_wall_ms,
       json_extract(e.body, '$.result') AS result,
       json_extract(e.body, '$.stop_reason') AS stop_reason,
       json_extract(e.body, '$.energy_wh') AS energy_wh,
       json_extract(e.body, '$.amount_e4') AS amount_e4,
       json_extract(e.body, '$.duration_s') AS duration_s,
       json_extract(e.body, '$.closed_by') AS closed_by,
       s.body AS started_body, e.body AS ended_body,
       signature.key_id AS signed_with
FROM session
LEFT JOIN record AS s ON s.id = session.started
LEFT JOIN record AS e ON e.id = session.ended
LEFT JOIN signature ON signature.session = session.session;
"""


def _append_only_triggers() -> str:
    return "".join(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END;\n"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    )


_AUDITS = "CREATE INDEX record_of_audit ON record (id) WHERE kind = 'audit';"
"""Few among millions, and asked for at every start."""

MIGRATIONS: tuple[str, ...] = (_TABLES + _append_only_triggers(), _AUDITS)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring the file to the newest version, each step in a transaction of its own. Returns the former version.

    Raises LedgerError if a newer program has written the file: its rules are not known here.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise LedgerError(f"the record has layout {version}, this program knows {len(migrations)}: update the program")
    for index in range(version, len(migrations)):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{migrations[index]}\nPRAGMA user_version = {index + 1};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return version
