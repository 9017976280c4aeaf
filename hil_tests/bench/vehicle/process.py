"""The vehicle as a process: ports and clock around ``Vehicle``. One thread, which waits only in ``select``."""

import ctypes
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable

from drivers.can.port import CanPort
from hil_tests.bench.vehicle.alone import AloneInlet, SourceFile
from hil_tests.bench.vehicle.plant_link import PlantGone, PlantLink
from hil_tests.bench.vehicle.vehicle import STEP_S, Vehicle

BITRATE_BPS = 250_000
"""GB/T 27930: 250 kbit/s."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends. Raises OSError if the kernel refuses."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit(0)  # the parent left before the kernel was asked


class Process:
    """Runs one vehicle on a CAN port until it is stopped or the plant leaves.

    ``say`` gets a line for every change of phase.
    """

    def __init__(self, vehicle: Vehicle, port: CanPort, say: Callable[[str], None]) -> None:
        self._vehicle = vehicle
        self._port = port
        self._say = say
        self._phase = vehicle.bms.phase
        self._alone: AloneInlet | None = None
        self._running = True
        self._planned_s: float | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(port.fileno(), selectors.EVENT_READ)

    def stop(self) -> None:
        """End the run at the next turn."""
        self._running = False

    def run_with(self, link: PlantLink) -> None:
        """Run beside a plant until it leaves, or until stopped. Raises PortError and PlantError."""
        self._selector.register(link.fileno(), selectors.EVENT_READ, lambda now_s: self._read_plant(link, now_s))
        report_s, told_closed = 0.0, None
        try:
            while self._running:
                now_s = self._turn()
                link.flush()
                source = self._vehicle.source
                if now_s >= report_s or source.contactors_closed is not told_closed:
                    link.send_source(source)
                    report_s, told_closed = now_s + STEP_S, source.contactors_closed
        except PlantGone:
            self._running = False

    def run_alone(self, source_file: SourceFile | None) -> None:
        """Run without a plant until stopped; commands come by standard input. Raises PortError and OSError."""
        self._alone = AloneInlet()
        self._watch_input()
        while self._running:
            now_s = self._turn()
            self._vehicle.sense(self._alone.inlet(self._vehicle, now_s), now_s)
            if source_file is not None:
                source_file.update(self._vehicle.source, now_s)

    def _turn(self) -> float:
        """Wait until something is to be done, and do it. Returns the time it was done at."""
        before_s = time.monotonic()
        due_s = max(before_s, self._vehicle.next_due(before_s))
        ready = self._selector.select(due_s - before_s)
        now_s = time.monotonic()
        # Waking up late and being held up since the last turn are the same to whoever measures.
        planned_s = due_s if self._planned_s is None else min(due_s, self._planned_s)
        self._vehicle.longest_stall_s = max(self._vehicle.longest_stall_s, now_s - planned_s)
        self._planned_s = now_s + STEP_S
        for key, _ in ready:
            if key.data is not None:
                key.data(now_s)
        for frame in self._port.receive(now_s):
            if self._alone is not None:
                self._alone.receive(frame, now_s)
            self._vehicle.receive(frame, now_s)
        for frame in self._vehicle.poll(now_s):
            self._port.send(frame)
        self._tell_phase()
        return now_s

    def _tell_phase(self) -> None:
        bms = self._vehicle.bms
        if bms.phase is not self._phase:
            self._phase = bms.phase
            why = bms.timed_out or bms.stop_reason
            self._say(f"vehicle: {bms.phase.value}{f' ({why})' if why else ''}")

    def _read_plant(self, link: PlantLink, now_s: float) -> None:
        for item in link.receive():
            if isinstance(item, str):
                link.send_reply(self._vehicle.command(item, now_s))
            else:
                self._vehicle.sense(item, now_s)

    def _watch_input(self) -> None:
        try:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_input)
        except (PermissionError, ValueError, OSError):
            return  # a file or nothing at all is there: then there are no commands

    def _read_input(self, now_s: float) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self._selector.unregister(sys.stdin.fileno())
        for line in data.decode(errors="replace").splitlines():
            if line.strip():
                self._say(self._vehicle.command(line, now_s).reply)
