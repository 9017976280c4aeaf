"""A damaged file is moved aside, never deleted; the new one goes on with numbers never used before."""

import sqlite3
from pathlib import Path

import pytest
from record_messages import WALL_MS, message

from agent.records.errors import LedgerDamagedError
from agent.records.files import explained
from agent.records.ledger import FILE_NAME, Ledger
from agent.records.reader import LedgerReader


def _filled(folder: Path, records: int = 50) -> bytes:
    ledger = Ledger(folder, WALL_MS)
    ledger.append([message(number) for number in range(1, records + 1)])
    ledger.close()
    return (folder / FILE_NAME).read_bytes()


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as stream:
        stream.seek(offset)
        stream.write(data)


@pytest.mark.parametrize("damage", ["header", "zeros", "middle", "half", "text"])
def test_damage_is_noticed_and_the_file_is_kept(tmp_path: Path, damage: str) -> None:
    content = _filled(tmp_path)
    path = tmp_path / FILE_NAME
    if damage == "header":
        _overwrite(path, 0, b"no database here")
    elif damage == "zeros":
        _overwrite(path, 0, bytes(len(content)))
    elif damage == "middle":
        _overwrite(path, 8192, b"\xff" * 4096)
    elif damage == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_text("this is a text file\n" * 1000)
    damaged = path.read_bytes()
    ledger = Ledger(tmp_path, WALL_MS)
    assert ledger.damage is not None
    assert ledger.damage.file == "ledger.damaged-20270115T080000.sqlite"
    assert (tmp_path / ledger.damage.file).read_bytes() == damaged
    (record,) = ledger.append([message(51)])
    assert record.seq == 1001
    ledger.close()


def test_a_changed_body_is_noticed(tmp_path: Path) -> None:
    content = _filled(tmp_path)
    offset = content.index(b'{"state":"n42"}')
    _overwrite(tmp_path / FILE_NAME, offset, b'{"state":"n43"}')
    ledger = Ledger(tmp_path, WALL_MS)
    assert ledger.damage is not None
    assert ledger.damage.reason == "record 42 does not follow from the one before it"
    assert ledger.damage.last_known == {"tele": 50}
    ledger.close()


def test_an_old_changed_body_is_found_by_verify(tmp_path: Path) -> None:
    content = _filled(tmp_path, 600)
    offset = content.index(b'{"state":"n42"}')
    _overwrite(tmp_path / FILE_NAME, offset, b'{"state":"n43"}')
    Ledger(tmp_path, WALL_MS).close()
    with LedgerReader(tmp_path) as reader:
        assert reader.verify().problems == ["record 42 was changed or does not follow from the one before it"]


def test_a_removed_record_is_found_by_verify(tmp_path: Path) -> None:
    _filled(tmp_path, 600)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("DROP TRIGGER record_no_delete")
    connection.execute("DELETE FROM record WHERE id = 42")
    connection.commit()
    connection.close()
    with LedgerReader(tmp_path) as reader:
        problems = reader.verify().problems
    assert problems[0] == "record 42 is missing"
    assert "record 43: number 43 is out of sequence in tele" in problems


def test_two_damages_in_one_second_keep_both_files(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
        Ledger(tmp_path, WALL_MS).close()
    assert sorted(path.name for path in tmp_path.glob("*damaged*.sqlite")) == [
        "ledger.damaged-20270115T080000-2.sqlite",
        "ledger.damaged-20270115T080000.sqlite",
    ]


def test_what_stands_only_in_the_log_is_kept_too(tmp_path: Path) -> None:
    _filled(tmp_path)
    ledger = Ledger(tmp_path, WALL_MS)
    ledger.append([message(51, body={"state": "in the log"})])
    log = (tmp_path / f"{FILE_NAME}-wal").read_bytes()
    assert b"in the log" in log
    ledger.close()
    _overwrite(tmp_path / FILE_NAME, 0, bytes(16384))
    (tmp_path / f"{FILE_NAME}-wal").write_bytes(log)
    ledger = Ledger(tmp_path, WALL_MS)
    assert ledger.damage is not None
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("*.damaged-*"))
    assert b"in the log" in kept
    ledger.close()


def test_a_log_that_holds_everything_mends_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WALL_MS)
    ledger.append([message(1)])
    log = (tmp_path / f"{FILE_NAME}-wal").read_bytes()
    ledger.close()
    (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
    (tmp_path / f"{FILE_NAME}-wal").write_bytes(log)
    ledger = Ledger(tmp_path, WALL_MS)
    assert ledger.damage is None
    assert ledger.last_number("boot-a") == 1
    ledger.close()


def test_damage_in_service_is_told_from_trouble(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"x" * 5000)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.Error) as caught:
        connection.execute("SELECT * FROM sqlite_master")
    assert isinstance(explained(caught.value), LedgerDamagedError)
    connection.close()
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect(tmp_path / "none" / "x.sqlite")
    assert type(explained(caught.value)).__name__ == "LedgerError"
