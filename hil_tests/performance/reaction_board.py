"""Plays the boards on the I/O line, and the other wires, against the agent under test.

One process at the highest priority of the measurement, so that its own waiting is small beside what it measures.
It answers the agent's requests as the boards would. When the agent is ready, each poll of the discrete inputs is
answered with the emergency stop pressed after a random pause of 0.3 to 4 ms (edges fall anywhere in the agent's
cycle), and so are the polls after it. The time from the write of that reply to the arrival of the coil-off frame of
contactor K1 is one sample.
With ``--floor`` the other side is an echo without any work: what pseudo-terminal and scheduler take by themselves.
"""

import argparse
import json
import os
import random
import select
import time
import tty
from array import array
from pathlib import Path

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import encode as encode_message
from drivers.modbus import codec
from hil_tests.bench.site import INPUTS_OUTPUTS_WIRE, METER_WIRE, MODULES_WIRE, VEHICLE_WIRE
from hil_tests.bench.slcan import encode_frame
from hil_tests.performance.flags import Flags, Slot

PRIORITY = 90
WIRES = (INPUTS_OUTPUTS_WIRE, METER_WIRE, VEHICLE_WIRE, MODULES_WIRE)
FLOOR_REPLY = bytes(range(8))

_RELAY_ADDRESS = 1
_PAUSE_S = (0.0003, 0.004)
_GIVE_UP_S = 1.0
_DEMAND_PERIOD_S = 0.05
_BCL_IDENTIFIER = 0x181056F4
_REQUEST_BYTES = 8
_PULSE_ON = 0x0200


def framed(body: bytes) -> bytes:
    """A Modbus frame."""
    return body + codec.checksum(body)


class Boards:
    """What both boards answer. ``inputs`` are levels by channel, ``analog`` raw millivolts."""

    def __init__(self, inputs: list[bool], analog: list[int], stop_channel: int) -> None:
        self._inputs = sum(level << channel for channel, level in enumerate(inputs))
        self._stop_bit = 1 << stop_channel
        self._analog = b"".join(value.to_bytes(2, "big") for value in analog)
        self._coils = 0

    def answer(self, request: bytes, *, pressed: bool = False) -> bytes:
        """The reply to a request frame, empty if none of the boards knows it."""
        address, function = request[0], request[1]
        register, value = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        head = bytes((address, function))
        if function == codec.WRITE_COIL:
            bit = 1 << (register & 0x07)
            self._coils = self._coils | bit if register >= _PULSE_ON or value else self._coils & ~bit
            return request
        if function == codec.READ_COILS:
            return framed(head + bytes((1, self._coils)))
        if function == codec.READ_DISCRETE_INPUTS:
            return framed(head + bytes((1, self._inputs ^ (self._stop_bit if pressed else 0))))
        if function == codec.READ_INPUT_REGISTERS:
            return framed(head + bytes((2 * value,)) + self._analog[2 * register : 2 * (register + value)])
        return b""


def requests(buffer: bytearray) -> list[bytes]:
    """Take the whole requests out of ``buffer``: every function that the agent uses here has eight bytes."""
    found = []
    while len(buffer) >= _REQUEST_BYTES:
        found.append(bytes(buffer[:_REQUEST_BYTES]))
        del buffer[:_REQUEST_BYTES]
    return found


class Wires:
    """Pseudo-terminals with the names that the site file opens."""

    def __init__(self, dev: Path) -> None:
        dev.mkdir(parents=True, exist_ok=True)
        self.masters: dict[str, int] = {}
        self._slaves: list[int] = []
        for name in WIRES:
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            # Held open here as well: a terminal without an open descriptor hangs up.
            self._slaves.append(slave)
            self.masters[name] = master
            link = dev / name
            link.unlink(missing_ok=True)
            link.symlink_to(os.ttyname(slave))

    def read(self, name: str) -> bytes:
        """What the agent has written, possibly nothing."""
        try:
            return os.read(self.masters[name], 4096)
        except BlockingIOError:
            return b""

    def write(self, name: str, data: bytes) -> None:
        """Send to the agent; what does not fit is lost."""
        try:
            os.write(self.masters[name], data)
        except BlockingIOError:
            return


class Measurement:
    """Takes ``count`` samples and keeps them in nanoseconds."""

    def __init__(self, wires: Wires, flags: Flags, count: int, seed: int) -> None:
        self.totals = array("q")
        self.decisions = array("q")
        self.lost = 0
        self.overtaken = 0
        self._wires = wires
        self._flags = flags
        self._count = count
        self._random = random.Random(seed)
        self._io = wires.masters[INPUTS_OUTPUTS_WIRE]
        self._others = [wires.masters[name] for name in WIRES if name != INPUTS_OUTPUTS_WIRE]
        self._demand_due_s = 0.0
        frame = CanFrame(_BCL_IDENTIFIER, encode_message("BCL", {"voltage_v": 380.0, "current_a": 100.0, "mode": 2}))
        self._demand = encode_frame(frame)

    @property
    def complete(self) -> bool:
        """All samples are there."""
        return len(self.totals) + self.lost >= self._count

    def pause(self, duration_s: float) -> None:
        """Wait while the other wires live."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            self.serve_others()
            select.select([], [], [], min(left_s, 0.001))

    def serve_others(self) -> None:
        """The vehicle repeats its demand; other frames of the agent are ignored."""
        now_s = time.monotonic()
        if now_s >= self._demand_due_s:
            self._demand_due_s = now_s + _DEMAND_PERIOD_S
            self._wires.write(VEHICLE_WIRE, self._demand)
        for master in select.select(self._others, [], [], 0)[0]:
            os.read(master, 4096)

    def random_pause_s(self) -> float:
        """A pause before an edge."""
        return self._random.uniform(*_PAUSE_S)

    def run_boards(self, board_file: Path) -> None:
        """Answer, and once the agent is ready measure edges."""
        content = json.loads(board_file.read_text(encoding="utf-8"))
        boards = Boards(content["inputs"], content["analog"], content["stop_channel"])
        opening = framed(bytes((_RELAY_ADDRESS, codec.WRITE_COIL, 0, content["contactor_channel"], 0, 0)))
        flags, buffer = self._flags, bytearray()
        while not self.complete:
            self.serve_others()
            if not select.select([self._io], [], [], 0.005)[0]:
                continue
            buffer += self._wires.read(INPUTS_OUTPUTS_WIRE)
            for request in requests(buffer):
                is_poll = request[:2] == bytes((_RELAY_ADDRESS, codec.READ_DISCRETE_INPUTS))
                if flags.get(Slot.READY) and flags.get(Slot.RESTORED) != flags.get(Slot.MEASURED):
                    # Between an edge and its restoring the boards are silent: nothing may be left on the line.
                    continue
                if is_poll and flags.get(Slot.READY):
                    self._edge(boards, request, opening)
                    buffer.clear()
                    break
                self._wires.write(INPUTS_OUTPUTS_WIRE, boards.answer(request))

    def _edge(self, boards: Boards, poll: bytes, opening: bytes) -> None:
        self.pause(self.random_pause_s())
        reply = boards.answer(poll, pressed=True)
        received = bytearray()
        begin_ns = time.monotonic_ns()
        os.write(self._io, reply)
        deadline_ns = begin_ns + int(_GIVE_UP_S * 1e9)
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            if not select.select([self._io], [], [], left_ns / 1e9)[0]:
                continue
            received += self._wires.read(INPUTS_OUTPUTS_WIRE)
            end_ns = time.monotonic_ns()
            for request in requests(received):
                if request == opening:
                    self.totals.append(end_ns - begin_ns)
                    self.decisions.append(self._flags.get(Slot.DECIDED_NS) - begin_ns)
                    # The echo wakes the agent, which then finds that it is to be restored.
                    self._wires.write(INPUTS_OUTPUTS_WIRE, opening)
                    self._flags.put(Slot.MEASURED, self._flags.get(Slot.MEASURED) + 1)
                    return
                self.overtaken += 1
                # The button stays pressed.
                self._wires.write(INPUTS_OUTPUTS_WIRE, boards.answer(request, pressed=True))
        self.lost += 1
        self._flags.put(Slot.MEASURED, self._flags.get(Slot.MEASURED) + 1)

    def run_floor(self) -> None:
        """Six bytes to an echo, eight bytes back."""
        while not self.complete:
            self.pause(self.random_pause_s())
            begin_ns = time.monotonic_ns()
            os.write(self._io, bytes(6))
            received = 0
            while received < len(FLOOR_REPLY):
                if not select.select([self._io], [], [], _GIVE_UP_S)[0]:
                    self.lost += 1
                    break
                received += len(self._wires.read(INPUTS_OUTPUTS_WIRE))
            else:
                self.totals.append(time.monotonic_ns() - begin_ns)

    def as_dict(self) -> dict[str, object]:
        """For the process that started this one."""
        return {
            "totals_ns": list(self.totals),
            "decisions_ns": list(self.decisions),
            "lost": self.lost,
            "overtaken": self.overtaken,
        }


def main() -> None:
    """Measure and write the samples."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--flags", type=Path, required=True)
    parser.add_argument("--board", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--floor", action="store_true")
    arguments = parser.parse_args()
    wires = Wires(arguments.dev)
    policy = "normal"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        policy = f"fifo {PRIORITY}"
    except PermissionError:
        pass
    measurement = Measurement(wires, Flags(arguments.flags), arguments.count, arguments.seed)
    (arguments.dev / "ready").touch()
    while not arguments.board.exists():
        measurement.pause(0.01)
    if arguments.floor:
        measurement.run_floor()
    else:
        measurement.run_boards(arguments.board)
    temporary = arguments.out.with_suffix(".new")
    temporary.write_text(json.dumps({"policy": policy, **measurement.as_dict()}), encoding="utf-8")
    temporary.replace(arguments.out)
    # The wires stay until the agent has gone: a line that hangs up is not what it is asked about.
    while True:
        measurement.pause(1.0)


if __name__ == "__main__":
    main()
