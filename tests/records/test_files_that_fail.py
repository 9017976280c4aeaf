"""What the record does when a file or the disk does not do as it should: a LedgerError with words, and no loss."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from record_messages import WALL_MS, message

from agent.link.messages import ReadingsMessage
from agent.records import files, ledger, readings
from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.ledger import FILE_NAME, Ledger
from agent.records.readings import Readings
from agent.records.reserved import BLOCK, read_reserved, write_reserved

BUDGET_BYTES = 10 << 20


class Stubborn:
    """A connection that fails at statements that begin as named; everything else goes to the real one."""

    def __init__(self, real: sqlite3.Connection, *fails_at: str) -> None:
        self._real = real
        self.fails_at = fails_at

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        if statement.startswith(self.fails_at):
            raise sqlite3.OperationalError(f"no {statement.split()[0]} today")
        return self._real.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _snapshot(second: int, **values: float) -> ReadingsMessage:
    return ReadingsMessage(float(second), WALL_MS + second * 1000, "synced", 1, None, dict(values))


def _damaged(path: Path) -> None:
    path.write_bytes(b"x" * 9000)


def _cannot_move(*_: Any) -> Path:
    raise OSError(30, "Read-only file system")


# The ledger.


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")
    with pytest.raises(LedgerError, match=r"state: (File exists|Not a directory)"):
        Ledger(tmp_path / "state", WALL_MS)


def test_a_damaged_ledger_that_cannot_be_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _damaged(tmp_path / FILE_NAME)
    monkeypatch.setattr(ledger, "move_aside", _cannot_move)
    with pytest.raises(LedgerError, match="the damaged record cannot be moved aside: Read-only file system"):
        Ledger(tmp_path, WALL_MS)
    monkeypatch.undo()
    opened = Ledger(tmp_path, WALL_MS)
    assert opened.damage is not None, "the lock is free again, and the file still there"
    opened.close()


def test_a_ledger_that_cannot_be_opened_for_another_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> int:
        raise sqlite3.OperationalError("odd")

    monkeypatch.setattr(ledger, "migrate", fails)
    with pytest.raises(LedgerError, match="odd"):
        Ledger(tmp_path, WALL_MS)
    monkeypatch.undo()
    Ledger(tmp_path, WALL_MS).close()


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(LedgerError):
        Ledger(tmp_path, WALL_MS)


def test_a_query_that_fails_says_so(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    real = book._connection
    book._connection = Stubborn(real, "SELECT max(number)")  # type: ignore[assignment]
    with pytest.raises(LedgerError, match="no SELECT today"):
        book.last_number("boot-a")
    book._connection = real
    book.close()


def test_a_commit_and_a_way_back_that_fail(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    real = book._connection
    book._connection = Stubborn(real, "COMMIT", "ROLLBACK")  # type: ignore[assignment]
    with pytest.raises(LedgerError, match="no ROLLBACK today"):
        book.append([message(1)])
    book._connection = Stubborn(real, "INSERT INTO record")  # type: ignore[assignment]
    real.execute("ROLLBACK")
    with pytest.raises(LedgerError, match="no INSERT today"):
        book.append([message(1)])
    assert not real.in_transaction
    book._connection = real
    (entry,) = book.append([message(1)])
    assert (entry.id, entry.seq) == (1, 1), "a call that failed has used no number"
    book.close()


def test_a_number_file_that_cannot_be_written_stops_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Ledger(tmp_path, WALL_MS)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "write_reserved", full)
    with pytest.raises(LedgerError, match=r"ledger\.numbers: No space left on device"):
        book.append([message(1)])
    monkeypatch.undo()
    assert [entry.seq for entry in book.append([message(1)])] == [1]
    book.close()


def test_numbers_are_reserved_again_when_a_block_is_used_up(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    book.append([message(number) for number in range(1, BLOCK)])
    assert read_reserved(tmp_path / "ledger.numbers")["tele"] == BLOCK
    book.append([message(BLOCK)])
    assert read_reserved(tmp_path / "ledger.numbers")["tele"] == BLOCK, "the last of its block"
    book.append([message(BLOCK + 1)])
    assert read_reserved(tmp_path / "ledger.numbers") == {
        "alarm": BLOCK, "event": BLOCK, "session": BLOCK, "state": BLOCK, "tele": 2 * BLOCK,
    }  # fmt: skip
    book.close()


def test_cursors_that_moved_outlive_a_new_opening(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    book.append([message(number) for number in range(1, 6)])
    book.move_cursor("tele", acknowledged=3, watermark=2)
    book.reopen()
    assert (book.cursors["tele"].acknowledged, book.cursors["tele"].watermark) == (3, 2)
    book.save_cursors()
    book.save_cursors()
    book.close()
    again = Ledger(tmp_path, WALL_MS)
    assert (again.cursors["tele"].acknowledged, again.cursors["tele"].watermark) == (3, 2)
    again.close()


def test_a_boot_is_noted_once(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    book.note_boot("boot-a", "pile", "1", WALL_MS, "machine")
    book.note_boot("boot-a", "pile", "2", WALL_MS, "machine")
    assert book._query("SELECT version FROM boot") == [("1",)]
    book.close()


def test_closing_never_raises(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = Ledger(tmp_path, WALL_MS)
    real = book._connection
    book._connection = Stubborn(real, "PRAGMA wal_checkpoint")  # type: ignore[assignment]
    book.close()
    assert "closing the record: no PRAGMA today" in caplog.text
    Ledger(tmp_path, WALL_MS).close()


def test_what_a_damaged_file_still_says_of_its_numbers(tmp_path: Path) -> None:
    book = Ledger(tmp_path, WALL_MS)
    book.append([message(1), message(2), message(3, "state")])
    book.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("DROP TRIGGER record_no_update")
    connection.execute("UPDATE record SET hash = x'00' WHERE id = 2")
    connection.commit()
    connection.close()
    again = Ledger(tmp_path, WALL_MS)
    assert again.damage is not None
    assert again.damage.reason == "record 2 does not follow from the one before it"
    assert again.damage.last_known == {"tele": 2, "state": 1}
    again.close()


# Files.


def test_names_of_damaged_files_never_collide(tmp_path: Path) -> None:
    names = []
    for content in (b"1", b"2", b"3"):
        path = tmp_path / "a.sqlite"
        path.write_bytes(content)
        (tmp_path / "a.sqlite-wal").write_bytes(content)
        target = files.move_aside(path, WALL_MS)
        assert target.read_bytes() == content
        assert target.with_name(target.name + "-wal").read_bytes() == content
        names.append(target.name)
    stamp = "a.damaged-20270115T080000"
    assert names == [f"{stamp}.sqlite", f"{stamp}-2.sqlite", f"{stamp}-3.sqlite"]


def test_a_file_that_sqlite_finds_inconsistent() -> None:
    class Finding:
        answer: Any = ("row 3 missing from index",)

        def execute(self, _: str) -> "Finding":
            return self

        def fetchone(self) -> Any:
            return self.answer

    finding = Finding()
    with pytest.raises(LedgerDamagedError, match="row 3 missing from index"):
        files.quick_check(finding)  # type: ignore[arg-type]
    finding.answer = None
    with pytest.raises(LedgerDamagedError, match="no answer"):
        files.quick_check(finding)  # type: ignore[arg-type]
    finding.answer = ("ok",)
    files.quick_check(finding)  # type: ignore[arg-type]


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    assert read_reserved(path) == {}
    for text in ("", "[1]", "5", "{", "null", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        path.write_text(text)
        assert read_reserved(path) == {}
    path.write_text('{"a": 5, "b": -1, "c": 1.5, "d": true, "e": "7", "f": 0}')
    assert read_reserved(path) == {"a": 5, "f": 0}


def test_the_number_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.numbers"
    write_reserved(path, {"a": 1})
    synced: list[int] = []
    sync = os.fsync

    def fails(descriptor: int) -> None:
        synced.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        write_reserved(path, {"a": 2})
    assert read_reserved(path) == {"a": 1}, "what is not on the disk does not replace what is"

    def noted(descriptor: int) -> None:
        synced.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    synced.clear()
    write_reserved(path, {"a": 3})
    assert len(synced) == 2, "the file and its folder"
    assert read_reserved(path) == {"a": 3}


# The readings.


def test_damaged_readings_that_cannot_be_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _damaged(tmp_path / readings.FILE_NAME)
    monkeypatch.setattr(readings, "move_aside", _cannot_move)
    with pytest.raises(LedgerError, match="the damaged readings cannot be moved aside: Read-only file system"):
        Readings(tmp_path, BUDGET_BYTES, WALL_MS)


def test_readings_of_a_newer_program_are_left_alone(tmp_path: Path) -> None:
    Readings(tmp_path, BUDGET_BYTES, WALL_MS).close()
    connection = sqlite3.connect(tmp_path / readings.FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="the readings have layout 99, this program knows 1: update the program"):
        Readings(tmp_path, BUDGET_BYTES, WALL_MS)
    assert not list(tmp_path.glob("*damaged*"))


def test_readings_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="file cannot be opened"):
        Readings(tmp_path / "nothing", BUDGET_BYTES, WALL_MS)


def test_large_readings_are_not_checked_through_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[sqlite3.Connection] = []
    monkeypatch.setattr(readings, "quick_check", checked.append)
    Readings(tmp_path, BUDGET_BYTES, WALL_MS).close()
    assert len(checked) == 1
    monkeypatch.setattr(readings, "_CHECK_LIMIT_BYTES", (tmp_path / readings.FILE_NAME).stat().st_size - 1)
    Readings(tmp_path, BUDGET_BYTES, WALL_MS).close()
    assert len(checked) == 1


def test_readings_that_cannot_be_written_are_said_once_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Readings(tmp_path, BUDGET_BYTES, WALL_MS)
    real = kept._connection
    kept._connection = Stubborn(real, "COMMIT")  # type: ignore[assignment]
    with caplog.at_level("INFO"):
        kept.add(_snapshot(1), 1.0)
        kept.flush(1.0)
        kept.flush(2.0)
        assert caplog.text.count("readings cannot be written: no COMMIT today") == 1
        kept._connection = Stubborn(real, "COMMIT", "ROLLBACK")  # type: ignore[assignment]
        kept.flush(3.0)
        assert "readings: no ROLLBACK today" in caplog.text
        real.execute("ROLLBACK")
        kept._connection = Stubborn(real, "BEGIN")  # type: ignore[assignment]
        kept.flush(4.0)
        kept._connection = real
        kept.flush(5.0)
        assert caplog.text.count("readings are written again") == 1
    assert real.execute("SELECT count(*) FROM reading").fetchone() == (1,)
    kept._connection = Stubborn(real, "PRAGMA wal_checkpoint")  # type: ignore[assignment]
    kept.close()
    assert "closing the readings: no PRAGMA today" in caplog.text


def test_nothing_is_written_before_there_is_something(tmp_path: Path) -> None:
    kept = Readings(tmp_path, BUDGET_BYTES, WALL_MS)
    kept.turn(1000.0)
    kept.close()
    connection = sqlite3.connect(tmp_path / readings.FILE_NAME)
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (0,)
    connection.close()
