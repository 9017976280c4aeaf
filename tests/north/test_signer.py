"""Signing by a process of its own: what it answers is stored, what it fails at is tried again, nothing waits for it."""

import selectors
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.north.signer import Signer
from agent.records import signing
from agent.records.errors import LedgerError
from agent.records.ledger import Ledger
from agent.vocabulary.record import LedgerEntry, Record

WALL_MS = 1_800_000_000_000


class Loop:
    """A ledger, its signer, and the loop that both live in."""

    def __init__(self, folder: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.ledger = Ledger(folder, WALL_MS)
        self.signer = Signer(folder, self.selector)
        self.now_s = 100.0
        self.stored: list[tuple[LedgerEntry, bytes, bytes]] = []
        self._number = 0

    def end_sessions(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            self.ledger.append(
                [
                    Record(
                        "boot", self._number, "session_ended", 1.0, WALL_MS, "synced", 1, f"s{self._number}", {}
                    )
                ]
            )  # fmt: skip
        self.signer.request()

    def until_idle(self) -> None:
        deadline_s = time.monotonic() + 20.0
        self.stored += self.signer.turn(self.now_s, self.ledger)
        while self.signer.busy:
            assert time.monotonic() < deadline_s
            for key, _ in self.selector.select(0.1):
                assert key.data is self.signer
                self.stored += self.signer.ready(self.now_s, self.ledger)

    def close(self) -> None:
        self.signer.close()
        self.ledger.close()
        self.selector.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path)
    yield made
    made.close()


def _script(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Another program in the place of the signing process."""
    path = folder / "other.py"
    path.write_text(text)
    monkeypatch.setattr(signing, "__file__", str(path))


def test_every_end_is_signed_and_the_signature_holds(loop: Loop) -> None:
    loop.end_sessions(3)
    assert loop.signer.next_due() == float("-inf")
    loop.until_idle()
    assert [entry.record.session for entry, _, _ in loop.stored] == ["s1", "s2", "s3"]
    for entry, key, signature in loop.stored:
        assert signing.verify(key, signature, entry.hash)
    assert loop.ledger.unsigned(10) == []
    assert loop.signer.next_due() == float("inf")


def test_the_first_run_makes_the_key_even_without_a_session(loop: Loop, tmp_path: Path) -> None:
    loop.until_idle()
    assert (tmp_path / signing.KEY_FILE).exists()
    assert loop.stored == []
    loop.signer.request()
    assert loop.signer.turn(loop.now_s, loop.ledger) == []
    assert not loop.signer.busy, "nothing to sign, and the key is there"


def test_many_sessions_are_signed_in_batches(loop: Loop) -> None:
    loop.end_sessions(18)
    loop.until_idle()
    assert len(loop.stored) == 16
    assert loop.signer.next_due() == float("-inf"), "there may be more"
    loop.until_idle()
    assert len(loop.stored) == 18


def test_a_process_that_cannot_be_started(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nothing/there")
    loop.end_sessions(1)
    loop.until_idle()
    assert "sessions are not signed now: " in caplog.text
    assert loop.signer.next_due() == loop.now_s + 300.0
    loop.now_s += 299.0
    loop.until_idle()
    monkeypatch.undo()
    loop.until_idle()
    assert loop.stored == [], "not before its time"
    loop.now_s += 1.0
    loop.until_idle()
    assert len(loop.stored) == 1


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit('record key: odd')", "record key: odd"),
        ("import sys; sys.exit(3)", "signing process ended with 3"),
        ("print('no hexadecimal')", "signing process ended with 0"),
        ("pass", "signing process ended with 0"),
    ],
)
def test_a_process_that_fails_is_tried_again_later(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    program: str, words: str,
) -> None:  # fmt: skip
    _script(tmp_path, monkeypatch, program)
    loop.end_sessions(2)
    loop.until_idle()
    assert f"sessions are not signed now: {words}" in caplog.text
    assert loop.stored == []
    assert loop.signer.next_due() == loop.now_s + 300.0
    monkeypatch.undo()
    loop.now_s += 300.0
    loop.until_idle()
    assert len(loop.stored) == 2


def test_a_process_that_hangs_is_killed_after_a_minute(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _script(tmp_path, monkeypatch, "import time; time.sleep(600)")
    loop.end_sessions(1)
    loop.signer.turn(loop.now_s, loop.ledger)
    assert loop.signer.busy
    assert loop.signer.next_due() == loop.now_s + 60.0
    assert loop.signer.ready(loop.now_s, loop.ledger) == [], "nothing to read yet"
    loop.now_s += 59.9
    loop.signer.turn(loop.now_s, loop.ledger)
    assert loop.signer.busy
    loop.now_s += 0.1
    loop.until_idle()
    assert loop.stored == []
    assert "signing process ended with -9" in caplog.text
    assert loop.signer.next_due() == loop.now_s + 300.0


def test_a_ledger_that_does_not_take_the_signature(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LedgerError("disk full")

    loop.end_sessions(1)
    monkeypatch.setattr(loop.ledger, "add_signature", full)
    with pytest.raises(LedgerError, match="disk full"):
        loop.until_idle()
    monkeypatch.undo()
    assert loop.signer.next_due() == float("-inf"), "it is still due"
    loop.until_idle()
    assert len(loop.stored) == 1


def test_closing_ends_a_process_that_runs(loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _script(tmp_path, monkeypatch, "import time; time.sleep(600)")
    loop.end_sessions(1)
    loop.signer.turn(loop.now_s, loop.ledger)
    loop.signer.close()
    assert not loop.signer.busy
    assert not loop.selector.get_map()
    assert loop.signer.ready(loop.now_s, loop.ledger) == []
