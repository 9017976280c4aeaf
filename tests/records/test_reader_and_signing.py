"""Reading while the service writes; signatures that tell a changed record from a whole one."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from record_messages import WALL_MS, message

from agent.records import signing
from agent.records.errors import LedgerError
from agent.records.ledger import FILE_NAME, Ledger
from agent.records.reader import LedgerReader


def _sign(key_file: Path, hashes: list[bytes]) -> list[tuple[bytes, bytes]]:
    answer = subprocess.run(
        [sys.executable, "-P", signing.__file__, str(key_file)],
        input="".join(f"{value.hex()}\n" for value in hashes),
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = [line.split() for line in answer.stdout.splitlines()]
    return [(bytes.fromhex(key), bytes.fromhex(signature)) for key, signature in pairs]


def _signed_ledger(folder: Path) -> bytes:
    ledger = Ledger(folder, WALL_MS)
    ledger.append(
        [
            message(1, "session_started", session="s1", body={"register_wh": 100}),
            message(2, "session_vehicle", session="s1", body={"vin": "V"}),
            message(3, "alarm_raised", session="s1", body={"fault": "door_open", "level": 1}),
            message(4, "session_ended", session="s1", body={"result": "failed", "energy_wh": 5, "amount_e4": 700}),
            message(5, "alarm_cleared", body={"fault": "door_open", "level": 1}),
            message(6, "alarm_raised", body={"fault": "smoke", "level": 1}),
        ]
    )
    (record,) = ledger.unsigned(5)
    ((public_key, signature),) = _sign(folder / signing.KEY_FILE, [record.hash])
    ledger.add_signature(record, public_key, signing.key_id_of(public_key), signature)
    assert ledger.unsigned(5) == []
    ledger.close()
    return public_key


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key_file = tmp_path / signing.KEY_FILE
    ((first, _),) = _sign(key_file, [b"a" * 32])
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    (second, third) = _sign(key_file, [b"a" * 32, b"b" * 32])
    assert first == second[0] == third[0]
    assert signing.verify(first, third[1], b"b" * 32)
    assert not signing.verify(first, third[1], b"a" * 32)
    assert not signing.verify(b"short", third[1], b"b" * 32)


def test_a_key_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    answer = subprocess.run(
        [sys.executable, "-P", signing.__file__, str(tmp_path / "key.pem")], input="", capture_output=True, text=True
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("record key: ")
    assert "Traceback" not in answer.stderr


def test_one_session_with_everything(tmp_path: Path) -> None:
    _signed_ledger(tmp_path)
    with LedgerReader(tmp_path) as reader:
        session = reader.session("s1")
        assert session is not None
        assert reader.session("s2") is None
        assert [row["session"] for row in reader.sessions()] == ["s1"]
        assert [row["body"]["fault"] for row in reader.faults()] == ["smoke", "door_open", "door_open"]
        assert [row["kind"] for row in reader.faults(fault="door_open")] == ["alarm_cleared", "alarm_raised"]
        assert [row["number"] for row in reader.records("session_ended")] == [4]
        counts = reader.counts()
    assert session["ended"]["amount_e4"] == 700
    assert session["started"] == {"register_wh": 100}
    assert session["vehicle"] == {"vin": "V"}
    assert [row["body"]["fault"] for row in session["alarms"]] == ["door_open"]
    assert [row["number"] for row in session["records"]] == [1, 2, 3, 4]
    assert session["signed"] is True
    assert counts["sessions"] == {"open": 0, "closed": 1}
    assert counts["streams"]["alarm"] == {"last": 3, "acknowledged": 0, "watermark": 0}


def test_verify_accepts_what_is_whole(tmp_path: Path) -> None:
    key = _signed_ledger(tmp_path)
    with LedgerReader(tmp_path) as reader:
        result = reader.verify(key)
        assert (result.records, result.signatures, result.unsigned_sessions, result.problems) == (6, 1, 0, [])
        assert result.key_ids == [signing.key_id_of(key)]
        other = reader.verify(b"k" * 32)
    assert "another key" in other.problems[0]


def test_a_chain_made_anew_is_given_away_by_its_signature(tmp_path: Path) -> None:
    """Who changes a bill and repairs the whole chain after it still lacks the key."""
    _signed_ledger(tmp_path)
    rewritten = tmp_path / "rewritten"
    ledger = Ledger(rewritten, WALL_MS)
    with LedgerReader(tmp_path) as reader:
        originals = sorted(reader.records(), key=lambda row: row["id"])
    for row in originals:
        body = {**row["body"], "energy_wh": 500} if row["kind"] == "session_ended" else row["body"]
        ledger.append([message(row["number"], row["kind"], session=row["session"], body=body)])
    source = sqlite3.connect(tmp_path / FILE_NAME)
    (record,) = ledger.unsigned(1)
    ((key_id, public_key),) = source.execute("SELECT key_id, public_key FROM signing_key").fetchall()
    ((signature,),) = source.execute("SELECT signature FROM signature").fetchall()
    source.close()
    ledger.add_signature(record, public_key, key_id, signature)
    ledger.close()
    with LedgerReader(rewritten) as reader:
        assert reader.verify().problems == ["the signature of session s1 does not match"]


def test_reading_while_writing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, WALL_MS)
    ledger.append([message(1, "session_started", session="s1")])
    with LedgerReader(tmp_path) as reader:
        assert [row["status"] for row in reader.sessions()] == ["open"]
        ledger.append([message(2, "session_ended", session="s1")])
        assert [row["status"] for row in reader.sessions()] == ["closed"]
        assert reader.verify().problems == []
    ledger.close()


def test_the_reader_cannot_write(tmp_path: Path) -> None:
    Ledger(tmp_path, WALL_MS).close()
    with LedgerReader(tmp_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("INSERT INTO meta VALUES ('a', 'b')")


def test_no_record_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="has not run here yet"):
        LedgerReader(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError, match="damaged"):
        LedgerReader(tmp_path)


def test_somebody_who_may_only_read() -> None:
    folder = Path(tempfile.mkdtemp())
    _signed_ledger(folder)
    (folder / FILE_NAME).chmod(0o444)
    folder.chmod(0o555)
    child = os.fork()
    if child == 0:
        # Root may write everywhere, so root becomes somebody else first.
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            with LedgerReader(folder) as reader:
                os._exit(0 if reader.counts()["sessions"] == {"open": 0, "closed": 1} else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    folder.chmod(0o755)
    shutil.rmtree(folder)
    assert os.waitstatus_to_exitcode(status) == 0
