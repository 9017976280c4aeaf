"""The whole run, as a person starts it: to its good end, and interrupted at the worst moments."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# A run on a stalled machine proves nothing about the agent and reports it: it is repeated.
pytestmark = [pytest.mark.bench, pytest.mark.flaky(reruns=2, only_rerun=["machine stalled for"])]


@pytest.fixture
def folder() -> Iterator[Path]:
    # pytest's own folders are too long for a unix socket below them.
    path = Path(tempfile.mkdtemp(prefix="pa-"))
    yield path / "run"
    shutil.rmtree(path)


class Run:
    """A run with plain lines, read as they come."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hil_tests.demo", "--plain", "--folder", str(folder), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, what: str, timeout_s: float) -> bool:
        """Read until a line holds ``what``."""
        assert self.process.stdout is not None
        guard = threading.Timer(timeout_s, self.process.kill)
        guard.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if what in line:
                    return True
        finally:
            guard.cancel()
        return False

    def end(self, timeout_s: float) -> int:
        """Read the rest and return the exit code."""
        self.until("\0", timeout_s)
        return self.process.wait(10)

    @property
    def text(self) -> str:
        """Everything it has said."""
        return "".join(self.lines)


def processes_with(folder: Path) -> list[str]:
    """Command lines of living processes that name ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in line:
                    found.append(line)
    return found


def sessions(folder: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "agent.cli.main", "--config", str(folder / "pile.toml"), "sessions", "--json"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody sits on the usual port of a broker; if that is so anyway, all the better."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield


def test_a_whole_charge_ends_well_also_when_the_usual_port_is_taken(folder: Path) -> None:
    with taken(1883):
        run = Run(folder)
        code = run.end(240)
    assert code == 0, run.text
    assert "The charge passed every check." in run.text
    for state in ("plugged:", "insulation test:", "charging:", "settled:", "idle:"):
        assert state in run.text, state
    (session,) = sessions(folder)
    assert session["result"] == "settled"
    assert session["energy_wh"] > 0
    assert processes_with(folder) == []


def test_two_guns_charge_at_once_and_every_claim_is_observed(folder: Path) -> None:
    run = Run(folder, "--pile", "dc-120kw-two-guns")
    code = run.end(240)
    assert code == 0, run.text
    assert "Both guns: every claim was observed." in run.text
    found = sorted((each["connector"], each["stop_reason"]) for each in sessions(folder))
    assert found == [(1, "emergency_stop"), (2, "emergency_stop"), (2, "over_temperature")]
    assert processes_with(folder) == []


@pytest.mark.parametrize(
    ("moment", "number", "with_session"),
    [
        ("-- starting the bench", signal.SIGINT, False),
        ("-- starting the agent", signal.SIGINT, False),
        ("-- vehicle plugged in", signal.SIGINT, False),
        ("handshake:", signal.SIGINT, True),
        ("insulation test:", signal.SIGINT, True),
        ("charging: 4", signal.SIGINT, True),
        ("charging: 4", signal.SIGTERM, True),
    ],
)
def test_an_interrupted_run_ends_in_order(
    folder: Path, moment: str, number: signal.Signals, with_session: bool
) -> None:
    run = Run(folder)
    assert run.until(moment, 60), run.text
    run.process.send_signal(number)
    assert run.end(60) == 130, run.text
    assert "Stopped normally on request." in run.text
    assert "not open" not in run.text
    assert processes_with(folder) == []
    if with_session:
        (session,) = sessions(folder)
        assert session["stop_reason"] == "shutdown"
        assert session["result"] == ("settled" if moment.startswith("charging") else "failed")


def test_a_reader_that_goes_away_ends_the_run_in_order(folder: Path) -> None:
    run = Run(folder)
    assert run.until("plugged:", 60), run.text
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.process.wait(60) == 130
    assert processes_with(folder) == []


def test_what_cannot_start_says_why(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "state").write_text("a file where the agent wants a folder")
    run = Run(folder)
    assert run.end(30) == 1
    assert "is not empty; a run needs a fresh folder" in run.text


def test_a_killed_run_leaves_no_process_and_the_agent_ends_the_charge(folder: Path) -> None:
    run = Run(folder)
    assert run.until("charging: 4", 60), run.text
    run.process.kill()
    run.process.wait(10)
    assert run.process.stdout is not None
    run.process.stdout.close()
    deadline_s = time.monotonic() + 30.0
    while processes_with(folder):
        assert time.monotonic() < deadline_s, processes_with(folder)
        time.sleep(0.1)
    (session,) = sessions(folder)
    assert session["status"] == "closed"
    assert session["closed_by"] == "control"
