"""Follows a bus while it runs. The port is opened for listening only; nothing here can send."""

import contextlib
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from agent.cli.bms.files import candump_line
from agent.cli.bms.view import heard_line, observation_line, show_foreign, show_session, status_line
from agent.cli.bms.words import BmsSpeaker
from agent.cli.screen import Screen
from drivers.can.frame import CanFrame
from drivers.can.port import CanPort
from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.observer.observer import Observation, Observer, Severity, Stage
from drivers.text import Language

STATUS_EVERY_S = 10.0
"""Interval at which the state of a running charge is shown."""

LONGEST_WAIT_S = 0.5
_READY_POLL_S = 0.02

_EVERY_TIME = frozenset(
    {"stage", "attempt", "permit", "pause", "resume", "stop", "timeout", "vehicle.fault", "identified"}
)
"""Notes that are shown each time; of all others only the first of its kind in a session."""


class Live:
    """The lines shown while frames come in. Times are seconds since the first frame."""

    def __init__(self, *, edition: Edition, language: Language, list_frames: bool = False, quiet: bool = False) -> None:
        self.observer = Observer(edition)
        self._speak = BmsSpeaker(language)
        self._list_frames = list_frames
        self._quiet = quiet
        self._begin_s: float | None = None
        self._status_s = 0.0

    def take(self, frame: CanFrame, now_s: float) -> None:
        """A frame has come."""
        if self._begin_s is None:
            self._begin_s = now_s
        at_s = now_s - self._begin_s
        self._tell(self.observer.receive(frame, at_s))
        if self._list_frames:
            for heard in self.observer.heard:
                self._write(heard_line(self._speak, heard))

    def poll(self, now_s: float) -> None:
        """Time passes."""
        if self._begin_s is None:
            return
        at_s = now_s - self._begin_s
        self._tell(self.observer.poll(at_s))
        session = self.observer.session
        if session is not None and session.stage is Stage.CHARGING and at_s >= self._status_s:
            self._status_s = at_s + STATUS_EVERY_S
            self._write(status_line(self._speak, session, at_s))

    def finish(self) -> None:
        """The listening is over."""
        self._tell(self.observer.finish())

    def show_summary(self) -> None:
        """Every session in words."""
        screen = Screen()
        if not self.observer.sessions:
            pick = self._speak.pick
            count = self.observer.frames
            screen.line(
                pick(
                    f"没有充电机与车辆的报文（共{count}帧）",
                    f"no message of a charger or a vehicle ({count} frames received)",
                )
            )
        for session in self.observer.sessions:
            show_session(screen, self._speak, session)
        show_foreign(screen, self._speak, self.observer)

    def _tell(self, observations: list[Observation]) -> None:
        for observation in observations:
            if observation.first or (observation.severity is Severity.NOTE and observation.code in _EVERY_TIME):
                self._write(observation_line(self._speak, observation))

    def _write(self, line: str) -> None:
        if not self._quiet:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def wait_until_ready(port: CanPort) -> None:
    """Wait for an adapter that takes time to open. Raises PortError when it cannot be opened."""
    while not port.is_ready(time.monotonic()):
        time.sleep(_READY_POLL_S)


def run_live(port: CanPort, live: Live, *, record: Path | None, name: str, seconds: float | None) -> None:
    """Listen until Ctrl-C, for ``seconds``, or until the port fails. Raises PortError, and OSError for the record."""
    end_s = None if seconds is None else time.monotonic() + seconds
    poller = select.poll()
    poller.register(port.fileno(), select.POLLIN)
    # A name with blanks or slashes would break the line of the recording.
    channel = "".join(letter if letter.isalnum() else "_" for letter in name.rsplit("/", 1)[-1]) or "can"
    polled_s = float("-inf")
    with contextlib.suppress(KeyboardInterrupt), _recording(record) as file:
        while end_s is None or time.monotonic() < end_s:
            due_s = live.observer.next_due()
            poller.poll((LONGEST_WAIT_S if due_s is None else 0.1) * 1000)
            now_s = time.monotonic()
            wall_s = time.time()
            for frame in port.receive(now_s):
                # What was decided at the last turn is not turned back by a stamp from before it.
                at_s = max(frame.at_s, polled_s)
                live.take(frame, at_s)
                if file is not None:
                    # The age of a frame is known on the monotonic clock; the file has wall time.
                    file.write(candump_line(wall_s - (now_s - at_s), frame, channel))
            live.poll(now_s)
            polled_s = now_s


@contextlib.contextmanager
def _recording(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="ascii", buffering=1) as file:
        yield file
