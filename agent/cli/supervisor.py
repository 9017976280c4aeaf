"""``pile-agent run``: starts both processes, restarts them when they die, and stops them orderly.

The order of the end matters: first the field process, which ends a charge by itself, then the north process, which
keeps the record of that. When the field process dies, the outputs are opened before anything else is done.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.cli.complaints import say_error
from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.cli.service import service_command
from drivers.text import Language, Text

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HEALTHY_S = 60.0
"""A process that has run for this long starts again without a pause."""
FIELD_END_S = 45.0
"""The field process ends a charge within 40 s, or opens the contactors."""
NORTH_END_S = 15.0
_MAKE_SAFE_S = 10.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Process(Protocol):
    """A child process."""

    def poll(self) -> int | None:
        """Exit code, None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class World(Protocol):
    """What the supervisor needs of the machine; the tests bring their own."""

    def now_s(self) -> float:
        """Monotonic time."""

    def start(self, name: str) -> Process:
        """Start ``field`` or ``north``."""

    def make_safe(self) -> bool:
        """Open the outputs directly; whether the board confirmed."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep until a child ends, a signal comes or the time is over; True if a stop was requested."""

    def say(self, chinese: str, english: str) -> None:
        """Print a line for the operator."""


@dataclass(slots=True)
class Watched:
    """One of the two processes and its history."""

    name: str
    process: Process | None = None
    started_at_s: float = 0.0
    start_at_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    exit_code: int | None = None


@dataclass(slots=True)
class Supervisor:
    """See the module. ``run`` returns the exit code."""

    world: World
    north_process: Watched = field(default_factory=lambda: Watched("north"))
    field_process: Watched = field(default_factory=lambda: Watched("field"))

    def run(self) -> int:
        """Watch until a stop is requested, or until a process reports a configuration error."""
        # The record comes first, so that it is there when the field process asks for it.
        watched = (self.north_process, self.field_process)
        while True:
            for one in watched:
                self._care_for(one)
            if any(one.exit_code == EXIT_WRONG for one in watched):
                self._end()
                return EXIT_WRONG
            if self.world.wait(self._until_next_start(watched)):
                return self._end()

    def _care_for(self, one: Watched) -> None:
        now_s = self.world.now_s()
        if one.process is not None:
            code = one.process.poll()
            if code is None:
                return
            self._note_death(one, code, now_s)
        if one.exit_code != EXIT_WRONG and now_s >= one.start_at_s:
            one.process = self.world.start(one.name)
            one.started_at_s = now_s

    def _note_death(self, one: Watched, code: int, now_s: float) -> None:
        one.process = None
        one.exit_code = code
        if one is self.field_process and code != EXIT_WRONG:
            self._make_safe()
        if now_s - one.started_at_s >= _HEALTHY_S:
            one.pause_s = _FIRST_PAUSE_S
        one.start_at_s = now_s + one.pause_s
        if code != EXIT_WRONG:
            self.world.say(
                f"{one.name} 进程意外结束({_ending(code)}),{one.pause_s:g} s 后重启",
                f"process {one.name} ended unexpectedly ({_ending(code)}); restart in {one.pause_s:g} s",
            )
        one.pause_s = min(2 * one.pause_s, _LONGEST_PAUSE_S)

    def _make_safe(self) -> None:
        if not self.world.make_safe():
            self.world.say(
                "继电器板未确认断开;板子会在脉冲停止后约 1 s 自行断开接触器",
                "the relay board did not confirm the opening; its timed relays open 1 s after the last pulse",
            )

    def _until_next_start(self, watched: Sequence[Watched]) -> float:
        now_s = self.world.now_s()
        waiting = [one.start_at_s - now_s for one in watched if one.process is None]
        return max(0.0, min([*waiting, 5.0]))

    # The end.

    def _end(self) -> int:
        self.world.say("正在停止:先结束充电(再按一次立即停止)", "stopping: the charge ends first (again: stop at once)")
        well = self._end_field()
        well = self._end_one(self.north_process, NORTH_END_S, hurry=False) and well
        return EXIT_OK if well else EXIT_FAILED

    def _end_field(self) -> bool:
        if self.field_process.process is None:
            # It is dead, and the outputs were opened when it died.
            return self.field_process.exit_code == EXIT_OK
        well = self._end_one(self.field_process, FIELD_END_S, hurry=True)
        if not well:
            self._make_safe()
        return well

    def _end_one(self, one: Watched, limit_s: float, *, hurry: bool) -> bool:
        """Ask a process to end and wait for it; it is killed when the time is over, or when a person hurries."""
        process = one.process
        if process is None:
            return one.exit_code == EXIT_OK
        process.terminate()
        deadline_s = self.world.now_s() + limit_s
        while (code := process.poll()) is None:
            left_s = deadline_s - self.world.now_s()
            if left_s <= 0 or (self.world.wait(min(left_s, 1.0)) and hurry):
                process.kill()
                self._wait_for_the_killed(process)
                one.process, one.exit_code = None, -signal.SIGKILL
                self.world.say(f"{one.name} 进程被强制结束", f"process {one.name} was killed")
                return False
        one.process, one.exit_code = None, code
        return code == EXIT_OK

    def _wait_for_the_killed(self, process: Process) -> None:
        deadline_s = self.world.now_s() + 5.0
        while process.poll() is None and self.world.now_s() < deadline_s:
            self.world.wait(0.2)


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Machine:
    """The real world: child processes and signals. For the main thread of a process that does nothing else.

    The signals are blocked and fetched one by one, so that none is lost and none interrupts anything.
    """

    def __init__(self, commands: dict[str, list[str]], make_safe: Callable[[], bool], language: Language) -> None:
        self._commands = commands
        self._make_safe = make_safe
        self._language = language
        self._signals = {*_STOP_SIGNALS, signal.SIGCHLD}
        self._former = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def now_s(self) -> float:
        """Monotonic time."""
        return time.monotonic()

    def start(self, name: str) -> Process:
        """Start a child in a session of its own: Ctrl-C reaches only the supervisor, which then stops all orderly."""
        parent = os.getpid()

        def in_child() -> None:
            # The child gets SIGTERM when the supervisor dies, even by kill -9 (prctl(2)).
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._former)

        return subprocess.Popen(
            self._commands[name],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=in_child,  # noqa: PLW1509  # this process has one thread
        )

    def make_safe(self) -> bool:
        """Open the outputs directly."""
        return self._make_safe()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a signal; True if it requests a stop."""
        received = signal.sigtimedwait(self._signals, timeout_s)
        return received is not None and received.si_signo in _STOP_SIGNALS

    def say(self, chinese: str, english: str) -> None:
        """A line on standard error."""
        say_error(Text(chinese, english).in_(self._language))

    def close(self) -> None:
        """Give the signals back."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._former)


def supervise(config: str, language: Language) -> int:
    """Run both processes until SIGINT or SIGTERM. Returns the exit code."""
    commands = {name: service_command(name, config, language) for name in ("field", "north")}

    def make_safe() -> bool:
        command = service_command("make-safe", config, language)
        try:
            return subprocess.run(command, timeout=_MAKE_SAFE_S, check=False).returncode == EXIT_OK
        except subprocess.TimeoutExpired:
            return False

    machine = Machine(commands, make_safe, language)
    try:
        return Supervisor(machine).run()
    finally:
        machine.close()
