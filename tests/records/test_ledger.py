"""The ledger takes each record once, numbers it for good, chains it, and lets nobody change it."""

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from record_messages import WALL_MS, message

from agent.records.canonical import COLUMNS, canonical_json, entry_of, follows, row_of
from agent.records.errors import LedgerError
from agent.records.ledger import FILE_NAME, Ledger
from agent.records.reader import LedgerReader
from agent.records.schema import MIGRATIONS, migrate
from agent.vocabulary.kinds import stream_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path, WALL_MS)
    yield opened
    opened.close()


def test_a_repeated_record_is_kept_once(ledger: Ledger) -> None:
    first = ledger.append([message(1), message(2)])
    again = ledger.append([message(1), message(2), message(3)])
    assert [entry.record.number for entry in first] == [1, 2]
    assert [entry.record.number for entry in again] == [3]
    assert ledger.append([message(2), message(3)]) == []
    assert ledger.last_number("boot-a") == 3
    assert ledger.last_number("boot-b") is None


def test_a_repeated_record_within_one_call_is_kept_once(ledger: Ledger) -> None:
    assert len(ledger.append([message(1), message(1)])) == 1


def test_the_same_number_of_another_boot_is_another_record(ledger: Ledger) -> None:
    ledger.append([message(1)])
    assert len(ledger.append([message(1, boot_id="boot-b")])) == 1


@pytest.mark.parametrize(
    ("kind", "stream"),
    [
        ("state", "state"),
        ("session_started", "session"),
        ("session_ended", "session"),
        ("alarm_raised", "alarm"),
        ("alarm_cleared", "alarm"),
        ("telemetry", "tele"),
        ("command", "event"),
        ("event", "event"),
    ],
)
def test_streams(kind: str, stream: str) -> None:
    assert stream_of(kind) == stream


def test_each_stream_counts_from_one_without_gaps_over_restarts(tmp_path: Path) -> None:
    for boot in ("a", "b", "c"):
        ledger = Ledger(tmp_path, WALL_MS)
        ledger.append([message(1, "state", boot_id=boot), message(2, boot_id=boot), message(3, "state", boot_id=boot)])
        ledger.close()
    with LedgerReader(tmp_path) as reader:
        assert reader.verify().problems == []
        assert reader.counts()["streams"]["state"]["last"] == 6
        assert reader.counts()["streams"]["tele"]["last"] == 3


@pytest.mark.parametrize("table", ["record", "signature", "boot", "signing_key"])
def test_kept_rows_cannot_be_changed_or_deleted(tmp_path: Path, table: str) -> None:
    ledger = Ledger(tmp_path, WALL_MS)
    records = ledger.append([message(1, "session_started", session="s"), message(2, "session_ended", session="s")])
    ledger.note_boot("boot-a", "pile", "1", WALL_MS, "machine")
    ledger.add_signature(records[1], b"k" * 32, "key", b"s" * 64)
    ledger.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    column = next(row[1] for row in connection.execute(f"PRAGMA table_info({table})"))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names of this test
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(f"UPDATE {table} SET {column} = {column}")  # noqa: S608  # names of this test
    connection.close()


def test_a_session_ends_once(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([message(1, "session_started", session="s")])
    assert ledger.open_sessions() == [("s", "boot-a", 1)]
    ledger.append([message(2, "session_ended", session="s", body={"energy_wh": 7})])
    ledger.append([message(1, "session_ended", session="s", body={"energy_wh": 9}, boot_id="boot-b")])
    assert ledger.open_sessions() == []
    with LedgerReader(tmp_path) as reader:
        assert [row["energy_wh"] for row in reader.sessions()] == [7]


def test_two_ends_in_one_batch_leave_the_first(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(
        [
            message(1, "session_ended", session="s", body={"energy_wh": 7}),
            message(2, "session_ended", session="s", body={"energy_wh": 9}),
        ]
    )
    with LedgerReader(tmp_path) as reader:
        assert [row["energy_wh"] for row in reader.sessions()] == [7]


def test_a_refused_start_is_one_closed_session(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([message(1, "session_ended", session="s", body={"result": "refused"})])
    assert ledger.open_sessions() == []
    with LedgerReader(tmp_path) as reader:
        (row,) = reader.sessions()
    assert (row["status"], row["result"]) == ("closed", "refused")


def test_one_writer(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="another process"):
        Ledger(tmp_path, WALL_MS)


def test_the_lock_goes_with_the_ledger(tmp_path: Path) -> None:
    Ledger(tmp_path, WALL_MS).close()
    Ledger(tmp_path, WALL_MS).close()


def test_a_newer_layout_is_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path, WALL_MS).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(LedgerError, match="update the program"):
        Ledger(tmp_path, WALL_MS)
    assert [path.name for path in tmp_path.glob("*damaged*")] == []


def test_migrations_are_applied_in_order_and_once() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    steps = ("CREATE TABLE one (a);", "ALTER TABLE one ADD COLUMN b;")
    assert migrate(connection, steps[:1]) == 0
    assert migrate(connection, steps) == 1
    assert migrate(connection, steps) == 2
    assert [row[1] for row in connection.execute("PRAGMA table_info(one)")] == ["a", "b"]


def test_a_migration_that_fails_changes_nothing() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.Error):
        migrate(connection, ("CREATE TABLE one (a); CREATE TABLE one (a);",))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 0


def test_numbers_are_reserved_before_they_are_used(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([message(1)])
    assert '"tele": 1000' in (tmp_path / "ledger.numbers").read_text()


def test_a_new_ledger_never_uses_old_numbers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WALL_MS)
    ledger.append([message(number) for number in range(1, 6)])
    ledger.close()
    (tmp_path / FILE_NAME).unlink()
    ledger = Ledger(tmp_path, WALL_MS)
    assert ledger.damage is not None
    (record,) = ledger.append([message(6)])
    assert record.seq == 1001
    assert ledger.cursors["tele"].acknowledged == 1000
    ledger.close()
    with LedgerReader(tmp_path) as reader:
        assert reader.verify().problems == []


def test_cursors_move_forward_only_and_survive(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WALL_MS)
    ledger.append([message(number) for number in range(1, 6)])
    ledger.move_cursor("tele", acknowledged=4, watermark=3)
    ledger.move_cursor("tele", acknowledged=2, watermark=1)
    ledger.move_cursor("tele", watermark=900)
    ledger.close()
    ledger = Ledger(tmp_path, WALL_MS)
    cursor = ledger.cursors["tele"]
    assert (cursor.acknowledged, cursor.watermark) == (4, 5)
    ledger.close()


@pytest.mark.any_body("values that no table allows")
def test_unwritable_values_do_not_stop_the_record(ledger: Ledger) -> None:
    body = {"a": math.nan, "b": math.inf, "c": b"\x01\x02", "d": [1.5, {"e": -math.inf}]}
    ledger.append([message(1, body=body)])
    (entry,) = ledger.after("tele", 0, 1)
    assert entry.record.body == {"a": None, "b": None, "c": "0102", "d": [1.5, {"e": None}]}


def test_the_canonical_form_is_the_documented_one() -> None:
    import hashlib

    entry = entry_of((1, "tele", 1, "b", 7, "telemetry", 1.5, 99, "synced", 1, None, '{"a":1}', bytes(32), b""))
    text = '[1,1,"tele",1,"b",7,"telemetry",1500000,99,"synced",1,null]\n{"a":1}'
    expected = hashlib.sha256(bytes(32) + text.encode()).digest()
    assert follows(entry._replace(hash=expected), bytes(32))
    assert canonical_json({"b": "中", "a": 0.1}) == '{"a":0.1,"b":"中"}'


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "hash"])
def test_every_column_is_protected(ledger: Ledger, column: str) -> None:
    (entry,) = ledger.append([message(1, "state", session="s")])
    row = dict(zip(COLUMNS, row_of(entry), strict=True))
    value = row[column]
    assert follows(entry_of(list(row.values())), bytes(32))
    row[column] = value + 1 if isinstance(value, int | float) else value + (b"x" if isinstance(value, bytes) else "x")
    assert not follows(entry_of(list(row.values())), bytes(32))


@pytest.mark.parametrize("text", [None, 5, b"\xff", "", "{", "[1]", "[" * 100_000])
def test_a_damaged_body_is_no_body_and_does_not_follow(ledger: Ledger, text: Any) -> None:
    (entry,) = ledger.append([message(1)])
    row = dict(zip(COLUMNS, row_of(entry), strict=True))
    damaged = entry_of(list({**row, "body": text}.values()))
    assert damaged.record.body == {}
    assert not follows(damaged, bytes(32))


def test_former_answers_are_found_by_command_id(ledger: Ledger) -> None:
    ledger.append([message(1, "command", body={"id": "c1", "result": "accepted"})])
    ledger.append([message(2, "command", body={"id": "c1", "result": "rejected", "reason": "x"})])
    assert ledger.command_answer("c1") == {"id": "c1", "reason": "x", "result": "rejected"}
    assert ledger.command_answer("c2") is None
    plan = ledger._query(
        "EXPLAIN QUERY PLAN SELECT body FROM record WHERE kind = 'command' AND json_extract(body, '$.id') = ?", "c1"
    )
    assert "record_of_command" in str(plan[0])
