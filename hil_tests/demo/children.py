"""Child processes that cannot be left behind.

Every child leads a session of its own, so that Ctrl-C reaches only this process, which then stops everything
orderly. If this process is killed, the kernel signals the children (``PR_SET_PDEATHSIG``). Children of children that
lose their parent come to this process (``PR_SET_CHILD_SUBREAPER``), so that ``descendants`` sees them.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (prctl(2))."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _follow_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Child:
    """One child process with its output in a log file."""

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it. Raises OSError if the program cannot be started."""
        self.name = name
        self.log = log
        self._log_file: IO[bytes] = log.open("ab")
        # _follow_parent only makes one system call; no other thread holds a lock it needs.
        self.process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=self._log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_follow_parent,  # noqa: PLW1509  # started from the main thread, see above
            env=dict(environment) if environment is not None else None,
        )

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal, or None while it runs."""
        return self.process.poll()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; nothing happens when it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def wait(self, timeout_s: float) -> int | None:
        """Exit code, or None if it still runs after ``timeout_s``."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float) -> int | None:
        """Ask, wait ``timeout_s``, then kill it. Returns the exit code."""
        self.ask_to_stop()
        code = self.wait(timeout_s)
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            code = self.wait(5.0)
        self._log_file.close()
        return code

    def last_lines(self, count: int = 5) -> list[str]:
        """The end of its log."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-count:]


def descendants(pid: int, proc: Path = Path("/proc")) -> list[int]:
    """All living processes below ``pid``, zombies left out."""
    children: dict[int, list[int]] = {}
    zombies: set[int] = set()
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        # The name in parentheses may itself hold blanks and parentheses (proc(5)).
        state, parent = text.rpartition(")")[2].split()[:2]
        children.setdefault(int(parent), []).append(int(entry.name))
        if state == "Z":
            zombies.add(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return sorted(set(found) - zombies)


def describe(pid: int) -> str:
    """Number and command line of a process, for a message."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    return f"{pid} {words}".strip()


def end_descendants(grace_s: float = 3.0) -> list[str]:
    """End whatever still runs below this process. Returns what had to be ended, as text."""
    own = os.getpid()
    left = [describe(pid) for pid in descendants(own)]
    deadline_s = time.monotonic() + grace_s
    number = signal.SIGTERM
    while pids := descendants(own):
        if time.monotonic() > deadline_s:
            number = signal.SIGKILL
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.05)
        _reap()
        if time.monotonic() > deadline_s + 5.0:
            break
    return left


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
