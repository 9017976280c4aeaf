"""Kill the writer anywhere: what it has reported as durable is there, the chain holds, the next start goes on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from record_messages import WALL_MS, message

from agent.records.ledger import FILE_NAME, Ledger
from agent.records.reader import LedgerReader

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


def _writer(folder: Path, batch: int, fatal: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(_HERE / "ledger_writer.py"), str(folder), str(batch), str(fatal)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )


def _check(folder: Path, acknowledged: int) -> int:
    ledger = Ledger(folder, WALL_MS)
    assert ledger.damage is None
    kept = ledger.last_number("boot-a") or 0
    ledger.close()
    with LedgerReader(folder) as reader:
        result = reader.verify()
    assert result.problems == []
    assert result.records == kept >= acknowledged
    return kept


@pytest.mark.parametrize("fatal", [*range(1, 16)])
def test_killed_between_any_two_statements(tmp_path: Path, fatal: int) -> None:
    # One batch of three records is BEGIN, the inserts with their session rows, COMMIT: the range covers
    # more than one batch.
    process = _writer(tmp_path, 3, fatal)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -9
    acknowledged = int(output.split()[-1]) if output else 0
    assert _check(tmp_path, acknowledged) in (acknowledged, acknowledged + 3)


def test_killed_again_and_again_in_full_flight(tmp_path: Path) -> None:
    acknowledged = 0
    for round_number in range(6):
        process = _writer(tmp_path, 1 + round_number, 0)
        assert process.stdout is not None
        for _ in range(5 + 37 * round_number):
            acknowledged = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
        process.wait()
        if rest:
            acknowledged = int(rest[-1])
        kept = _check(tmp_path, acknowledged)
        assert kept <= acknowledged + 1 + round_number


def test_a_log_cut_at_any_byte_keeps_all_that_was_durable_until_there(tmp_path: Path) -> None:
    """The power goes while the log is being written: each durable state is a prefix of it."""
    origin = tmp_path / "origin"
    ledger = Ledger(origin, WALL_MS)
    main_file = (origin / FILE_NAME).read_bytes()
    log_path = origin / f"{FILE_NAME}-wal"
    start_bytes = log_path.stat().st_size
    durable: list[tuple[int, int]] = [(start_bytes, 0)]
    for number in range(1, 6):
        ledger.append([message(number, "state")])
        durable.append((log_path.stat().st_size, number))
    log = log_path.read_bytes()
    assert (origin / FILE_NAME).read_bytes() == main_file, "a checkpoint has come between; use fewer records"
    cuts = {cut for size, _ in durable for cut in (size - 1, size, size + 1) if start_bytes <= cut <= len(log)}
    cuts.update(range(start_bytes, len(log), 1777))
    for cut in sorted(cuts):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(main_file)
        (folder / f"{FILE_NAME}-wal").write_bytes(log[:cut])
        shutil.copy(origin / "ledger.numbers", folder)
        expected = max(number for size, number in durable if size <= cut)
        assert _check(folder, expected) == expected
    ledger.close()
