"""Carries one case out on a running pile and gathers its evidence."""

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil_tests.bench.client import BenchError
from hil_tests.conformance.case import (
    START,
    AtThePile,
    Await,
    AwaitCurrent,
    AwaitNoSession,
    AwaitSwitch,
    Case,
    Step,
    Stop,
    TryStart,
    Vehicle,
    Wait,
)
from hil_tests.conformance.evidence import Evidence, Mark
from hil_tests.conformance.place import Place
from hil_tests.conformance.wire import Frame, Listener, Seen, read_frames, read_rows
from hil_tests.harness.field_client import FieldAwayError
from hil_tests.harness.waiting import WaitError

_POLL_S = 0.02
_CURRENT_A = 20.0
_READY_S = 45.0
_CLEAN_S = 60.0
_LOG = "case.log"
NOT_PLUGGED = ["not plugged"]


class NotReachedError(Exception):
    """The case did not reach its starting point; the text gives the missing condition."""


class PileUnfitError(Exception):
    """The pile is not ready for another case and has to be replaced."""


class _Tail:
    """Reads the recording while it grows and puts its messages together."""

    def __init__(self, path: Path, begin_s: float) -> None:
        self._file = path.open(encoding="ascii")
        self._begin_s = begin_s
        self._rest = ""
        self._listener = Listener()
        self.seen: list[Seen] = []
        self.frames: list[Frame] = []

    def read(self) -> None:
        """Take in what has come since the last call."""
        text = self._rest + self._file.read()
        whole, _, self._rest = text.rpartition("\n")
        for frame in read_frames((line + "\n" for line in whole.splitlines()), self._begin_s):
            self.frames.append(frame)
            self.seen += self._listener.take(frame)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Tester:
    """One case at one connector. ``evidence`` fills while it runs; the recording ends up in ``evidence_file``."""

    def __init__(self, place: Place, case: Case, evidence_file: Path) -> None:
        self._place = place
        self._case = case
        self._evidence_file = evidence_file
        self._offset_s = 0.0
        self._begin_s = 0.0
        self._tail: _Tail | None = None
        self.evidence = Evidence()

    def run(self) -> Evidence:
        """Carry the case out. Raises NotReachedError; the recording is kept in any case."""
        place = self._place
        told = json.loads(place.do(f"record {_LOG}"))
        self._offset_s = float(told["offset_s"])
        self._begin_s = time.monotonic() + self._offset_s
        self._tail = _Tail(Path(told["file"]), self._begin_s)
        place.do("vehicle stalls")
        try:
            self._prepare()
            for step in self._case.steps:
                self._do(step)
        except (BenchError, FieldAwayError, WaitError, AssertionError) as error:
            raise NotReachedError(str(error)[:500]) from error
        finally:
            self._end_recording(Path(told["file"]), Path(told["plant_file"]))
        return self.evidence

    # ------------------------------------------------------------------------------------------------------- steps

    def _prepare(self) -> None:
        place, case = self._place, self._case
        place.do("vehicle soc 80" if case.profile == "demo-car" else "vehicle soc 50")
        for command in case.before:
            place.do(f"vehicle {command}")
        for command in case.pile:
            place.do(command)
        place.do("plug")
        place.wait("no start blocker", lambda status: bool(status["may_start"]), _READY_S)
        self._mark(START)
        reply = place.command("start", **case.start)
        if reply.result != "accepted":
            raise NotReachedError(f"the start was refused: {reply.reason}")

    def _do(self, step: Step) -> None:
        place = self._place
        match step:
            case Vehicle():
                self._mark(step.mark)
                place.do(f"vehicle {step.command}")
            case AtThePile():
                self._mark(step.mark)
                place.do(step.command)
            case Stop():
                self._mark(step.mark)
                place.command("stop")
            case TryStart():
                self._mark(step.mark)
                reply = place.command("start")
                self.evidence.replies[step.mark.name] = f"{reply.result} {reply.reason}".strip()
            case Wait():
                self._mark(step.mark)
                time.sleep(step.seconds)
            case Await():
                self._await(step)
            case AwaitCurrent():
                if not self._look(self._current_flows, step.timeout_s):
                    raise NotReachedError("no current flows")
                time.sleep(step.hold_s)
            case AwaitSwitch():
                self._look(lambda: self._switch(step.key) is step.on, step.timeout_s)
            case AwaitNoSession():
                self._look(lambda: place.status()["session"] is None, step.timeout_s)

    def _await(self, step: Await) -> None:
        tail = self._tail
        assert tail is not None
        tail.read()
        # CHM and CCS may have begun before this step; everything else counts from here.
        since = 0 if step.needed else len(tail.seen)

        def come() -> bool:
            tail.read()
            found = [each for each in tail.seen[since:] if step.sign in (each.sign, each.name)]
            return len(found) >= step.count

        if self._look(come, step.timeout_s):
            self._mark(step.mark)
        elif step.needed:
            raise NotReachedError(f"{step.count} x {step.sign} within {step.timeout_s:g} s")

    def _current_flows(self) -> bool:
        probe = self._place.probe()
        return float(probe["current_a"]) > _CURRENT_A

    def _switch(self, key: str) -> bool:
        probe = self._place.probe()
        return {
            "contactors": bool(probe["contactor_k1"]) or bool(probe["contactor_k2"]),
            "lock": bool(probe["lock_locked"]),
            "auxiliary": float(probe["auxiliary_voltage_v"]) > 0.0,
        }[key]

    @staticmethod
    def _look(condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _mark(self, mark: Mark | None) -> None:
        if mark is not None:
            self.evidence.marks[mark.name] = time.monotonic() + self._offset_s - self._begin_s

    def _end_recording(self, log: Path, plant: Path) -> None:
        evidence, tail = self.evidence, self._tail
        assert tail is not None
        summary: dict[str, Any] = {}
        with contextlib.suppress(BenchError, ValueError):
            summary = json.loads(self._place.do("record off"))
        vehicle_ms = 0.0
        with contextlib.suppress(BenchError, ValueError):
            vehicle_ms = float(self._place.do("vehicle stalls"))
        tail.read()
        tail.close()
        evidence.end_s = time.monotonic() + self._offset_s - self._begin_s
        evidence.stall_ms = max(float(summary.get("longest_stall_ms", 0.0)), vehicle_ms)
        evidence.resolution_ms = float(summary.get("mean_delay_ms", 0.0))
        evidence.rows, evidence.stalls = read_rows(plant, self._begin_s)
        self._evidence_file.parent.mkdir(parents=True, exist_ok=True)
        text = log.read_text(encoding="ascii")
        self._evidence_file.write_text(text, encoding="ascii")
        listener = Listener()
        evidence.frames = read_frames(text.splitlines(keepends=True), self._begin_s)
        evidence.seen = [each for frame in evidence.frames for each in listener.take(frame)]
        evidence.answers = listener.answers


def clean_up(place: Place) -> None:
    """Bring the connector back to where the next case can begin. Raises PileUnfitError when that is not reached."""
    try:
        for command in ("vehicle normal", "leak off", "release estop", "cool connector"):
            place.do(command)
        if place.status()["session"] is not None:
            place.command("stop")
            place.wait_no_session(_CLEAN_S)
        with contextlib.suppress(BenchError):
            place.do("unplug force")
        place.do("vehicle normal")
        place.command("reset")
        place.wait("the pile is ready", lambda status: status["start_blockers"] == NOT_PLUGGED, _CLEAN_S)
        place.wait_probe("the vehicle sleeps", lambda probe: probe["vehicle"].get("phase") == "asleep", 10.0)
    except (BenchError, FieldAwayError, WaitError, AssertionError) as error:
        raise PileUnfitError(str(error)[:500]) from error
