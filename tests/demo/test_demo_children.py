import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hil_tests.demo.children import Child, descendants

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.01)
    return False


def is_running(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def test_a_child_leads_its_own_session_and_ends_on_request(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEPER, tmp_path / "log")
    try:
        assert wait_until(lambda: child.last_lines() == ["up"])
        assert os.getsid(child.process.pid) == child.process.pid != os.getsid(0)
        assert child.process.pid in descendants(os.getpid())
    finally:
        assert child.stop(5.0) == -signal.SIGTERM
    assert child.process.pid not in descendants(os.getpid())


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = Child("stubborn", [sys.executable, "-c", code], tmp_path / "log")
    assert wait_until(lambda: child.last_lines() == ["up"])
    assert child.stop(0.2) == -signal.SIGKILL


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child("nothing", [str(tmp_path / "no-such-program")], tmp_path / "log")


PARENT = """
import sys, time
from pathlib import Path
from hil_tests.demo.children import Child
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
print(child.process.pid, flush=True)
time.sleep(60)
"""


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not is_running(pid))


ORPHANS = """
import os, subprocess, sys, time
from hil_tests.demo.children import adopt_orphans, descendants, end_descendants
adopt_orphans()
# A child that starts a grandchild in a session of its own and dies at once.
sleeper = "[sys.executable, '-c', 'import time; time.sleep(60)']"
inner = f"import subprocess, sys; subprocess.Popen({sleeper}, start_new_session=True)"
subprocess.run([sys.executable, "-c", inner], check=True)
left = end_descendants()
print(len(left), "time.sleep(60)" in left[0], descendants(os.getpid()))
"""


def test_an_orphan_of_a_child_is_found_named_and_ended() -> None:
    answer = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout.split() == ["1", "True", "[]"]


def test_nothing_left_is_nothing_to_end() -> None:
    assert subprocess.run(
        [sys.executable, "-c", "from hil_tests.demo.children import end_descendants; print(end_descendants())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip() == str([])
