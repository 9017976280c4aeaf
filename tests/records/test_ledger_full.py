"""A full disk or a read-only one: a clear error, nothing lost, and it goes on by itself when there is room."""

import contextlib
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_messages import WALL_MS, message

from agent.records.errors import LedgerDamagedError, LedgerError
from agent.records.ledger import Ledger
from agent.records.reader import LedgerReader


class Narrow:
    """A folder that can be filled up: a small tmpfs, or a limit on file sizes where mounting is not allowed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        answer = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
        self.mounted = answer.returncode == 0

    def fill(self) -> None:
        if self.mounted:
            with open(self.folder / "ballast", "wb", buffering=0) as stream, contextlib.suppress(OSError):
                while stream.write(b"\0" * 4096):
                    pass
        else:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            largest = max(path.stat().st_size for path in self.folder.iterdir())
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def empty(self) -> None:
        if self.mounted:
            (self.folder / "ballast").unlink()
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Narrow]:
    folder = tmp_path / "narrow"
    folder.mkdir()
    room = Narrow(folder)
    yield room
    room.close()


def _append_until_error(ledger: Ledger, number: int) -> tuple[int, LedgerError]:
    for candidate in range(number, number + 5000):
        try:
            ledger.append([message(candidate, body={"state": "x" * 500})])
        except LedgerError as error:
            return candidate, error
    raise AssertionError("the disk never became full")


def test_full_disk(narrow: Narrow) -> None:
    ledger = Ledger(narrow.folder, WALL_MS)
    ledger.append([message(1)])
    narrow.fill()
    number, error = _append_until_error(ledger, 2)
    assert "disk full" in str(error) or "input/output" in str(error)
    assert not isinstance(error, LedgerDamagedError)
    with pytest.raises(LedgerError):
        ledger.append([message(number, body={"state": "x" * 500})])
    assert ledger.last_number("boot-a") == number - 1
    narrow.empty()
    ledger.reopen()
    assert len(ledger.append([message(number)])) == 1
    assert len(ledger.append([message(number + 1)])) == 1
    ledger.close()
    with LedgerReader(narrow.folder) as reader:
        result = reader.verify()
    assert result.problems == []
    assert result.records == number + 1


def test_a_full_disk_at_the_start_is_trouble_not_damage(narrow: Narrow) -> None:
    if not narrow.mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    else:
        narrow.fill()
    with pytest.raises(LedgerError) as caught:
        Ledger(narrow.folder, WALL_MS)
    assert not isinstance(caught.value, LedgerDamagedError)
    narrow.empty()
    ledger = Ledger(narrow.folder, WALL_MS)
    assert ledger.damage is None
    ledger.append([message(1)])
    ledger.close()


def test_read_only_file_system(narrow: Narrow) -> None:
    ledger = Ledger(narrow.folder, WALL_MS)
    ledger.append([message(1)])
    if narrow.mounted:
        # A file system with files open for writing cannot be remounted read-only: the ledger is closed first.
        ledger.close()
        subprocess.run(["mount", "-o", "remount,ro", str(narrow.folder)], check=True)
        with pytest.raises(LedgerError, match=r"[Rr]ead-only"):
            Ledger(narrow.folder, WALL_MS)
        with LedgerReader(narrow.folder) as reader:
            assert reader.counts()["records"] == {"telemetry": 1}
        subprocess.run(["mount", "-o", "remount,rw", str(narrow.folder)], check=True)
    else:
        ledger.close()
    ledger = Ledger(narrow.folder, WALL_MS)
    assert len(ledger.append([message(1), message(2)])) == 1
    ledger.close()
