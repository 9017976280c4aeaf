"""A serial line with real byte timing and Modbus meters on it, in a process of its own, and what a master made of it.

Prints the port to open, then serves: a request is on the wire for its bytes, the meter takes ``--latency-ms``, its
reply is on the wire for its bytes. Counting begins ``--settle`` seconds after the first request. After ``--seconds``
more it prints one line of JSON and ends. An unknown unit is silent, as on a real line.
"""

import argparse
import contextlib
import json
import os
import select
import struct
import sys
import time
import tty
from dataclasses import dataclass, field
from typing import Any

from drivers.modbus import codec
from hil_tests.performance.samples import summarise

PRIORITY = 90
REQUEST_BYTES = 8
REPLY_OVERHEAD_BYTES = 5
_PORTION_S = 0.01
_SPIN_S = 0.0004
_FOREVER_S = 30.0


def frame_gap_s(baud: int) -> float:
    """Silence between frames: 3.5 characters, at least 1.75 ms above 19200 baud (serial line guide V1.02 2.5.1.1)."""
    gap_s = 3.5 * 10 / baud
    return max(gap_s, 0.00175) if baud > 19200 else gap_s


def limit_cycle_s(baud: int, registers: int, latency_s: float) -> float:
    """Shortest time from one request to the next that wire, meter and frame gap permit, with 10 bits a character."""
    characters = REQUEST_BYTES + REPLY_OVERHEAD_BYTES + 2 * registers
    return characters * 10 / baud + latency_s + frame_gap_s(baud)


@dataclass(slots=True)
class Tally:
    """What happened since counting began."""

    polls: int = 0
    silent: int = 0
    gap_broken: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    gaps_s: list[float] = field(default_factory=list)

    def reply(self, now_s: float) -> None:
        """A reply has ended."""
        if not self.polls:
            self.first_s = now_s
        self.last_s = now_s
        self.polls += 1

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """For the report; ``cycle_s`` is the mean time from reply to reply, which has no ends to be rounded at."""
        gaps = summarise([gap * 1000 for gap in self.gaps_s]).as_dict(3) if self.gaps_s else {}
        return {
            "polls": self.polls,
            "silent": self.silent,
            "seconds": seconds,
            "cycle_s": (self.last_s - self.first_s) / (self.polls - 1) if self.polls > 1 else None,
            "gap_broken": self.gap_broken,
            "gap_ms": gaps,
        }


class Wire:
    """The master's port, and ``meters`` units from address 1 on."""

    def __init__(self, baud: int, meters: int, latency_s: float) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = slave
        self.path = os.ttyname(slave)
        os.set_blocking(self.master, False)
        self._character_s = 10 / baud
        self._portion = max(1, int(_PORTION_S / self._character_s))
        self._meters = meters
        self._latency_s = latency_s
        self._gap_s = frame_gap_s(baud)
        self._buffer = bytearray()
        self._deliveries: list[tuple[float, bytes]] = []
        self._reply_end_s: float | None = None
        self.tally = Tally()
        self.began_s: float | None = None

    def run(self, settle_s: float, seconds: float) -> float:
        """Serve; returns the seconds counted."""
        deadline_s = time.monotonic() + _FOREVER_S
        counting = False
        while True:
            now_s = time.monotonic()
            if self.began_s is not None and not counting and now_s >= self.began_s + settle_s:
                counting = True
                self.tally = Tally()
                deadline_s = now_s + seconds
                started_s = now_s
            if now_s >= deadline_s:
                return now_s - started_s if counting else 0.0
            self._deliver(now_s)
            wait_s = min(deadline_s - now_s, 0.05)
            if self._deliveries:
                wait_s = min(wait_s, max(0.0, self._deliveries[0][0] - time.monotonic() - _SPIN_S))
            if select.select([self.master], [], [], wait_s)[0]:
                self._receive(time.monotonic())

    def _deliver(self, now_s: float) -> None:
        while self._deliveries and self._deliveries[0][0] <= now_s:
            _, data = self._deliveries.pop(0)
            with contextlib.suppress(OSError):
                os.write(self.master, data)
            if not self._deliveries:
                self._reply_end_s = time.monotonic()
                self.tally.reply(self._reply_end_s)

    def _receive(self, now_s: float) -> None:
        try:
            self._buffer += os.read(self.master, 4096)
        except OSError:
            return
        while len(self._buffer) >= REQUEST_BYTES:
            request = bytes(self._buffer[:REQUEST_BYTES])
            if codec.checksum(request[:-2]) != request[-2:]:
                del self._buffer[0]
                continue
            del self._buffer[:REQUEST_BYTES]
            self._answer(request, now_s)

    def _answer(self, request: bytes, now_s: float) -> None:
        if self.began_s is None:
            self.began_s = now_s
        if self._reply_end_s is not None:
            gap_s = now_s - self._reply_end_s
            self.tally.gaps_s.append(gap_s)
            self.tally.gap_broken += gap_s < self._gap_s
            self._reply_end_s = None
        address, function, register, count = struct.unpack(">BBHH", request[:6])
        if not 1 <= address <= self._meters:
            self.tally.silent += 1
            return
        values = [(register + place) & 0xFFFF for place in range(count)]
        body = bytes((address, function, 2 * count)) + struct.pack(f">{count}H", *values)
        reply = body + codec.checksum(body)
        at_s = now_s + len(request) * self._character_s + self._latency_s
        for offset in range(0, len(reply), self._portion):
            piece = reply[offset : offset + self._portion]
            at_s += len(piece) * self._character_s
            self._deliveries.append((at_s, piece))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baud", type=int, required=True)
    parser.add_argument("--meters", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, required=True)
    parser.add_argument("--settle", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    wire = Wire(options.baud, options.meters, options.latency_ms / 1000)
    print(wire.path, flush=True)
    seconds = wire.run(options.settle, options.seconds)
    json.dump(wire.tally.as_dict(seconds), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
