"""The supervisor in virtual time with made-up processes, and once with real ones."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.cli.supervisor import FIELD_END_S, NORTH_END_S, Process, Supervisor

ROOT = Path(__file__).parents[2]


@dataclass
class Actor:
    """A process that ends when its script says so."""

    world: "Stage"
    name: str
    dies_at_s: float = float("inf")
    code: int = 0
    obeys_after_s: float = 1.0
    killed: bool = False

    def poll(self) -> int | None:
        if self.killed:
            return -signal.SIGKILL
        return self.code if self.world.time_s >= self.dies_at_s else None

    def terminate(self) -> None:
        self.world.log.append(f"terminate {self.name}")
        if self.dies_at_s > self.world.time_s + self.obeys_after_s:
            self.dies_at_s, self.code = self.world.time_s + self.obeys_after_s, 0

    def kill(self) -> None:
        self.world.log.append(f"kill {self.name}")
        self.killed = True


@dataclass
class Stage:
    """Virtual time. ``lives`` are the scripts of the processes in the order in which they are started."""

    lives: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    ends_asked_at_s: list[float] = field(default_factory=list)
    safe: bool = True
    time_s: float = 0.0
    log: list[str] = field(default_factory=list)
    starts: list[tuple[str, float]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def now_s(self) -> float:
        return self.time_s

    def start(self, name: str) -> Process:
        self.log.append(f"start {name}")
        self.starts.append((name, self.time_s))
        script = self.lives.get(name) or [{}]
        life = script.pop(0) if len(script) > 1 else script[0]
        actor = Actor(self, name, code=int(life.get("code", 0)), obeys_after_s=life.get("obeys_after_s", 1.0))
        actor.dies_at_s = self.time_s + life.get("lives_s", float("inf"))
        return actor

    def make_safe(self) -> bool:
        self.log.append("make safe")
        return self.safe

    def wait(self, timeout_s: float) -> bool:
        step_s = min(timeout_s, 0.25) or 0.01
        self.time_s += step_s
        if self.ends_asked_at_s and self.time_s >= self.ends_asked_at_s[0]:
            self.ends_asked_at_s.pop(0)
            return True
        assert self.time_s < 10_000, "it never ends"
        return False

    def say(self, chinese: str, english: str) -> None:
        assert chinese
        self.said.append(english)


def test_the_record_starts_first_and_ends_last() -> None:
    stage = Stage(ends_asked_at_s=[10.0])
    assert Supervisor(stage).run() == EXIT_OK
    assert stage.log == ["start north", "start field", "terminate field", "terminate north"]


def test_a_dead_field_process_is_made_safe_before_it_starts_again() -> None:
    stage = Stage({"field": [{"lives_s": 5.0, "code": -9}, {}]}, ends_asked_at_s=[20.0])
    assert Supervisor(stage).run() == EXIT_OK
    assert stage.log[2:4] == ["make safe", "start field"]
    assert any("field ended unexpectedly (signal 9)" in text for text in stage.said)


def test_a_dead_north_process_starts_again_and_touches_no_output() -> None:
    stage = Stage({"north": [{"lives_s": 5.0, "code": 1}, {}]}, ends_asked_at_s=[20.0])
    assert Supervisor(stage).run() == EXIT_OK
    assert stage.log == ["start north", "start field", "start north", "terminate field", "terminate north"]


def test_restarts_get_rarer_and_a_long_life_makes_them_quick_again() -> None:
    stage = Stage({"north": [{"lives_s": 0.0, "code": 1}] * 8 + [{"lives_s": 100.0, "code": 1}, {}]})
    stage.ends_asked_at_s = [300.0]
    assert Supervisor(stage).run() == EXIT_OK
    times = [time_s for name, time_s in stage.starts if name == "north"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    expected = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    # It looks at its children every quarter of a second here.
    assert pauses[:8] == pytest.approx(expected, abs=0.6)
    assert pauses[8] == pytest.approx(100.5, abs=0.6)


def test_a_wrong_configuration_ends_everything_with_exit_code_2() -> None:
    stage = Stage({"field": [{"lives_s": 1.0, "code": 2}]})
    assert Supervisor(stage).run() == EXIT_WRONG
    assert stage.log == ["start north", "start field", "terminate north"]


def test_a_field_process_that_does_not_end_is_killed_and_the_outputs_opened() -> None:
    stage = Stage({"field": [{"obeys_after_s": 1e9}]}, ends_asked_at_s=[1.0])
    assert Supervisor(stage).run() == EXIT_FAILED
    assert stage.log[2:] == ["terminate field", "kill field", "make safe", "terminate north"]
    assert FIELD_END_S < stage.time_s < FIELD_END_S + 10


def test_it_waits_as_long_as_an_orderly_end_takes() -> None:
    stage = Stage({"field": [{"obeys_after_s": 40.0}]}, ends_asked_at_s=[1.0])
    assert Supervisor(stage).run() == EXIT_OK
    assert "make safe" not in stage.log


def test_a_second_request_hastens_but_still_opens_the_outputs() -> None:
    stage = Stage({"field": [{"obeys_after_s": 30.0}]}, ends_asked_at_s=[1.0, 3.0])
    assert Supervisor(stage).run() == EXIT_FAILED
    assert stage.log[2:] == ["terminate field", "kill field", "make safe", "terminate north"]
    assert stage.time_s < 10


def test_a_field_process_that_fails_while_it_ends_is_made_safe() -> None:
    stage = Stage({"field": [{"lives_s": 2.0, "code": 1, "obeys_after_s": 30.0}]}, ends_asked_at_s=[1.0])
    assert Supervisor(stage).run() == EXIT_FAILED
    assert stage.log[2:] == ["terminate field", "make safe", "terminate north"]


def test_a_board_that_does_not_confirm_is_said() -> None:
    stage = Stage({"field": [{"lives_s": 5.0, "code": -9}, {}]}, ends_asked_at_s=[8.0], safe=False)
    Supervisor(stage).run()
    assert any("did not confirm" in text for text in stage.said)


def test_a_north_process_that_does_not_end_is_killed_in_the_end() -> None:
    stage = Stage({"north": [{"obeys_after_s": 1e9}]}, ends_asked_at_s=[1.0])
    assert Supervisor(stage).run() == EXIT_FAILED
    assert stage.log[-2:] == ["terminate north", "kill north"]
    assert stage.time_s > NORTH_END_S


CHILD = """
import os, pathlib, signal, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def end(*_):
    (folder / f"{name}.ended").write_text(str(time.monotonic_ns()))
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(folder / f"{name}.{os.getpid()}").write_text(str(os.getsid(0)))
while True:
    signal.pause()
"""

PARENT = """
import pathlib, sys
from agent.cli.supervisor import Machine, Supervisor
folder = pathlib.Path(sys.argv[1])
def make_safe():
    (folder / "safe").touch()
    return True
commands = {name: [sys.executable, str(folder / "child.py"), str(folder), name] for name in ("field", "north")}
machine = Machine(commands, make_safe, "en")
sys.exit(Supervisor(machine).run())
"""


class Real:
    """A supervisor process with two real children."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "child.py").write_text(CHILD, encoding="utf-8")
        (folder / "parent.py").write_text(textwrap.dedent(PARENT), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "parent.py"), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pids(self, name: str) -> list[int]:
        return [int(path.suffix[1:]) for path in self.folder.glob(f"{name}.[0-9]*") if path.read_text()]

    def wait_for(self, name: str, count: int = 1) -> int:
        """Process id of the newest child of that name, once there have been ``count``."""
        known: list[int] = []
        while len(known) < count:
            assert self.process.poll() is None, self.process.communicate()[0]
            known = self.pids(name)
        return max(known, key=lambda pid: (self.folder / f"{name}.{pid}").stat().st_mtime_ns)


@pytest.fixture
def real(tmp_path: Path) -> Real:
    return Real(tmp_path)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_reaches_only_the_supervisor_which_ends_both_in_order(real: Real) -> None:
    control, north = real.wait_for("field"), real.wait_for("north")
    sessions = {(real.folder / f"{name}.{pid}").read_text() for name, pid in (("field", control), ("north", north))}
    assert sessions == {str(control), str(north)}, "each leads a session of its own"
    # What a terminal does: the whole foreground group.
    os.killpg(real.process.pid, signal.SIGINT)
    assert real.process.wait(30) == 0
    ended = [int((real.folder / f"{name}.ended").read_text()) for name in ("field", "north")]
    assert ended[0] < ended[1]
    assert not (real.folder / "safe").exists()


def test_a_killed_field_process_is_made_safe_and_started_again(real: Real) -> None:
    control = real.wait_for("field")
    real.wait_for("north")
    os.kill(control, signal.SIGKILL)
    assert real.wait_for("field", 2) != control
    assert (real.folder / "safe").exists()
    real.process.terminate()
    assert real.process.wait(30) == 0
    assert "field ended unexpectedly (signal 9)" in real.process.communicate()[0]


def test_children_do_not_outlive_a_killed_supervisor(real: Real) -> None:
    pids = [real.wait_for("field"), real.wait_for("north")]
    real.process.kill()
    real.process.wait(30)
    while any(is_alive(pid) for pid in pids):
        pass
    assert (real.folder / "field.ended").exists(), "it was asked to end the charge normally"
