"""One dead meter among eight on one line, in virtual time: what it costs the others, and when it is known."""

import heapq
import struct
from itertools import pairwise

from drivers.line.device import PollBlock
from drivers.line.exchange import Result
from drivers.line.owner import DeviceTiming, LineOwner
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Reading
from hil_tests.performance.report import Figure

BAUD = 9600
CHARACTER_S = 10 / BAUD
_METERS = 8
_DEAD = 4
_PERIOD_S = 1.0
_REGISTERS = 20
_LATENCY_S = 0.02
_PATIENCE_S = 0.1
_RUN_S = 600.0


class Meter:
    """One block each second; ``seen`` holds the times of its values."""

    def __init__(self, address: int) -> None:
        self.name = f"meter {address}"
        self.address = address
        self.timing = DeviceTiming(latency_s=_PATIENCE_S, period_s=_PERIOD_S)
        self.seen: list[float] = []
        request = Request(address, 3, 0, _REGISTERS, priority=2, lifetime_s=2 * _PERIOD_S)
        self.block = PollBlock(request, _PERIOD_S)

    def requests(self, now_s: float) -> list[Request]:
        """What is due."""
        request = self.block.take(now_s)
        return [] if request is None else [request]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Note the time."""
        self.block.done()
        if result.ok:
            self.seen.append(result.at_s)
        return []


class Line:
    """The owner, eight meters, and replies that take their time on the wire."""

    def __init__(self) -> None:
        self.master = LineOwner(BAUD)
        self.meters = [Meter(address + 1) for address in range(_METERS)]
        for meter in self.meters:
            self.master.attach(meter.address, meter.timing)
        self.dead: set[int] = set()
        self.now_s = 100.0
        self._pending: list[tuple[float, bytes]] = []

    def run(self, until_s: float, *, until_known: bool = False) -> None:
        """Run until a time, or until the owner reports the dead meter as silent."""
        while self.now_s < until_s and not (until_known and self.master.failing_since_s(_DEAD) is not None):
            for meter in self.meters:
                for request in meter.requests(self.now_s):
                    self.master.submit(request, self.now_s)
            data = self.master.poll(self.now_s)
            if data and data[0] not in self.dead:
                body = data[:2] + bytes((2 * _REGISTERS,)) + bytes(2 * _REGISTERS)
                reply = body + codec.checksum(body)
                at_s = self.now_s + (len(data) + len(reply)) * CHARACTER_S + _LATENCY_S
                heapq.heappush(self._pending, (at_s, reply))
            for result in self.master.results():
                self.meters[int(result.request.address) - 1].accept(result)
            self._wait(until_s)
            while self._pending and self._pending[0][0] <= self.now_s:
                self.master.receive(heapq.heappop(self._pending)[1], self.now_s)

    def _wait(self, until_s: float) -> None:
        due = [until_s, *(meter.block.next_due() for meter in self.meters)]
        if self._pending:
            due.append(self._pending[0][0])
        master_due_s = self.master.next_due(self.now_s)
        if master_due_s is not None:
            due.append(master_due_s)
        self.now_s = max(self.now_s + 1e-5, min(due)) if not self.master.has_results else self.now_s + 1e-5


def _longest_gap_s(line: Line) -> float:
    others = [meter for meter in line.meters if meter.address != _DEAD]
    return max(b - a for meter in others for a, b in pairwise(meter.seen))


def dead_meter(group: str) -> list[Figure]:
    """The loss of the other meters, and the polls until the owner reports it as silent."""
    line = Line()
    line.run(130.0)
    alive_s = _longest_gap_s(line)
    line.run(130.37)
    died_s = line.now_s
    line.dead.add(_DEAD)
    line.run(died_s + 20.0, until_known=True)
    known_s = line.now_s - died_s
    line.run(died_s + _RUN_S)
    exchange = struct.calcsize(">BBHHH") + 5 + 2 * _REGISTERS
    time_out_s = exchange * CHARACTER_S + _PATIENCE_S + 0.02 + 7 * CHARACTER_S + 0.03
    lost_s = _longest_gap_s(line) - alive_s
    time_outs = line.master.counters[_DEAD].timeouts
    return [
        Figure(
            group,
            "one dead meter of eight: most that another loses at a time",
            round(lost_s * 1000, 1),
            "ms",
            round(time_out_s * 1000, 1),
            samples=sum(len(meter.seen) for meter in line.meters),
            detail={"limit_is": "one time-out and the silence after it", "longest_gap_before_ms": alive_s * 1000},
        ),
        Figure(
            group,
            "one dead meter of eight: time-outs in a minute",
            round(60.0 * time_outs / _RUN_S, 1),
            "",
            60.0 / 5.0,
            detail={"limit_is": "one each longest back-off (5 s)"},
        ),
        Figure(group, "dead meter known after polls", round(known_s / _PERIOD_S, 2), "polls", 3.0),
    ]
