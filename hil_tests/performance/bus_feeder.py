"""Connects field processes to the vehicle wires of their bench and fills each bus up to its last frame.

One process for all connectors, at the highest priority of the measurement. For each connector it is the slcan adapter
that the field process opens, and a computer at the bench's own adapter; frames pass both ways, and every slot of the
bus that neither side uses carries a frame of ``bus_load.other_frames``. The charger's frames take slots of their own.
Signals: SIGUSR1 begins to fill, SIGUSR2 ends everything on the bus and writes the result.
"""

import argparse
import json
import os
import select
import signal
import time
import tty
from collections import deque
from pathlib import Path
from typing import Any

from drivers.can.frame import CanFrame
from drivers.can.slcan import SlcanPort
from drivers.gbt27930.transport import segments
from hil_tests.bench.slcan import SlcanAdapter, encode_frame
from hil_tests.performance.bus_load import FRAMES_PER_S, other_frames, watched

PRIORITY = 90
_SLOT_S = 1.0 / FRAMES_PER_S
_LONGEST_CATCH_UP_S = 0.02
_BITRATE_BPS = 250_000
_REQUEST_IDENTIFIER = segments.PRIORITY << 26 | segments.CONTROL << 16 | 0x56F4
_REPLY_IDENTIFIER = segments.PRIORITY << 26 | segments.CONTROL << 16 | 0xF456


class Bus:
    """One connector's bus."""

    def __init__(self, link: Path, bench_wire: Path) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))
        self.far = SlcanPort(str(bench_wire), _BITRATE_BPS)
        self.filling = False
        self._adapter = SlcanAdapter()
        self._queue: deque[CanFrame] = deque()
        self._others = other_frames()
        self._charger_slots = 0
        self._requested_s: dict[int, float] = {}
        self.sent = self.lost = self.filled = self.heard = self.unanswered = 0
        self.clearances_ms: list[float] = []
        self.arrivals_s: dict[str, list[float]] = {}

    def hear_agent(self, now_s: float) -> None:
        """Take what the field process writes and pass it on."""
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return
        frames, replies = self._adapter.feed(data)
        if replies:
            self._write(replies)
        for frame in frames:
            self.heard += 1
            self._charger_slots += 1
            name = watched(frame)
            if name:
                self.arrivals_s.setdefault(name, []).append(now_s)
            elif frame.identifier == _REPLY_IDENTIFIER and frame.data[0] == segments.CLEAR_TO_SEND:
                asked_s = self._requested_s.pop(int.from_bytes(frame.data[5:8], "little"), None)
                if asked_s is not None:
                    self.clearances_ms.append((now_s - asked_s) * 1000.0)
            self.far.send(frame)

    def hear_vehicle(self, now_s: float) -> None:
        """Queue the frames of the bench's vehicle for the next free slots."""
        self._queue.extend(self.far.receive(now_s))

    def slot(self) -> None:
        """One slot of the bus: the charger's frame has passed, else the vehicle's goes, else a foreign one."""
        if self._charger_slots:
            self._charger_slots -= 1
            return
        if self._queue:
            frame = self._queue.popleft()
        elif self.filling:
            frame = next(self._others)
            self.filled += 1
        else:
            return
        if not self._adapter.is_open:
            return
        if frame.identifier == _REQUEST_IDENTIFIER and frame.data[0] == segments.REQUEST_TO_SEND and self._known(frame):
            pgn = int.from_bytes(frame.data[5:8], "little")
            self.unanswered += pgn in self._requested_s
            self._requested_s[pgn] = time.monotonic()
        self.sent += 1
        self.lost += not self._write(encode_frame(frame))

    @staticmethod
    def _known(frame: CanFrame) -> bool:
        return frame.data[6] != 0x29

    def _write(self, data: bytes) -> bool:
        try:
            return os.write(self.master, data) == len(data)
        except BlockingIOError:
            return False

    def as_dict(self) -> dict[str, Any]:
        """What was counted and timed."""
        return {
            "sent": self.sent,
            "filled": self.filled,
            "lost_by_terminal": self.lost,
            "heard": self.heard,
            "unanswered": self.unanswered + len(self._requested_s),
            "clearances_ms": self.clearances_ms,
            "arrivals_s": self.arrivals_s,
        }


class Feeder:
    """All buses on one clock."""

    def __init__(self, buses: list[Bus]) -> None:
        self._buses = buses
        self.filling = False
        self.ended = False
        self.filled_s = 0.0
        self.skipped = 0
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "filling", True))
        signal.signal(signal.SIGUSR2, lambda *_: setattr(self, "ended", True))

    def run(self) -> None:
        """Until SIGUSR2."""
        buses = self._buses
        readers = [descriptor for bus in buses for descriptor in (bus.master, bus.far.fileno())]
        next_slot_s = begun_s = time.monotonic()
        while not self.ended:
            if self.filling and not buses[0].filling:
                begun_s = time.monotonic()
                for bus in buses:
                    bus.filling = True
            ready = select.select(readers, [], [], max(0.0, next_slot_s - time.monotonic()))[0]
            now_s = time.monotonic()
            for bus in buses:
                if bus.master in ready:
                    bus.hear_agent(now_s)
                if bus.far.fileno() in ready:
                    bus.hear_vehicle(now_s)
            behind_s = now_s - next_slot_s
            if behind_s > _LONGEST_CATCH_UP_S:
                # A bus does not wait for this process: what was not sent in time is not sent later in a burst.
                missed = int(behind_s / _SLOT_S)
                self.skipped += missed
                next_slot_s += missed * _SLOT_S
            while next_slot_s <= now_s:
                next_slot_s += _SLOT_S
                for bus in buses:
                    bus.slot()
        self.filled_s = time.monotonic() - begun_s


def main() -> None:
    """Run until a stop request; the terminals stay until the process is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bus", nargs=2, action="append", type=Path, required=True, metavar=("LINK", "BENCH_WIRE"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    feeder = Feeder([Bus(link, wire) for link, wire in arguments.bus])
    policy = "normal"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        policy = f"fifo {PRIORITY}"
    except PermissionError:
        pass
    feeder.run()
    content = {
        "policy": policy,
        "filled_s": feeder.filled_s,
        "skipped_slots": feeder.skipped,
        "buses": [bus.as_dict() for bus in feeder._buses],
    }
    temporary = arguments.out.with_suffix(".new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(arguments.out)
    while True:
        # Later frames of the field processes are not read; a closed terminal would be a lost line.
        select.select([bus.master for bus in feeder._buses], [], [])
        for bus in feeder._buses:
            try:
                os.read(bus.master, 65536)
            except BlockingIOError:
                continue


if __name__ == "__main__":
    main()
