"""Masters that read as fast as they can from the meters of ``bus_wire``: ours, and pymodbus' asynchronous client.

``python -m hil_tests.performance.bus_masters KIND PORT BAUD METERS REGISTERS`` runs until it is killed.
"""

import argparse
import asyncio
import contextlib
import os
import selectors
import time
from collections.abc import Sequence

from agent.field.lines import ModbusLine
from drivers.line.device import PollBlock
from drivers.line.exchange import Result
from drivers.line.owner import DeviceTiming
from drivers.modbus.codec import Request
from drivers.reading import Reading

PRIORITY = 50
FIRST_REGISTERS = (0, 100)
"""Two blocks of a meter, read in turn: there is always one waiting, as on a line with work to do.

The second has one register less, as a read planner makes it: so that the replies cannot be taken for one another.
"""
_CYCLE_S = 0.01
_PERIOD_S = 0.001


class BusyMeter:
    """A meter with two blocks that are always due."""

    def __init__(self, address: int, registers: int) -> None:
        self.name = f"meter {address}"
        self.address = address
        self.timing = DeviceTiming(latency_s=0.2, period_s=1.0)
        requests = [
            Request(address, 3, first, registers - place, priority=2, tag=str(first), lifetime_s=5.0)
            for place, first in enumerate(FIRST_REGISTERS)
        ]
        self._blocks = {request.tag: PollBlock(request, _PERIOD_S) for request in requests}

    def requests(self, now_s: float) -> Sequence[Request]:
        """What is due."""
        taken = (block.take(now_s) for block in self._blocks.values())
        return [request for request in taken if request is not None]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """The first register as a reading."""
        self._blocks[result.request.tag].done()
        return [(self.name, Reading(result.registers[0], "1", result.at_s))] if result.ok else []

    def next_due(self, now_s: float) -> float:
        """See ``drivers.line.device``."""
        return max(now_s, min(block.next_due() for block in self._blocks.values()))


def run_ours(port: str, baud: int, meters: int, registers: int) -> None:
    """The line of the field process, driven as its loop drives it: on the cycle's beat, and when the line is free."""
    line = ModbusLine("bus", port, baud, "N", 1, [BusyMeter(address + 1, registers) for address in range(meters)])
    line.try_open(time.monotonic())
    selector = selectors.SelectSelector()
    selector.register(line.fileno(), selectors.EVENT_READ)
    beat_s = request_s = time.monotonic()

    def deliver(name: str, reading: Reading) -> None:
        assert reading.value in FIRST_REGISTERS, name

    while True:
        if selector.select(max(0.0, min(beat_s, request_s) - time.monotonic())):
            line.read(time.monotonic())
            if line.master.has_results:
                line.take_results(deliver)
        now_s = time.monotonic()
        if now_s >= beat_s or now_s >= request_s:
            line.turn(now_s, deliver)
        if now_s >= beat_s:
            beat_s = max(beat_s + _CYCLE_S, now_s)
        due_s = line.master.next_due(now_s) if line.master.waiting else None
        request_s = float("inf") if due_s is None else due_s


async def run_pymodbus(port: str, baud: int, meters: int, registers: int) -> None:
    """The plain loop that one would write with pymodbus."""
    from pymodbus.client import AsyncModbusSerialClient

    client = AsyncModbusSerialClient(port, baudrate=baud, timeout=1.0)
    await client.connect()
    while True:
        for address in range(1, meters + 1):
            for place, first in enumerate(FIRST_REGISTERS):
                reply = await client.read_holding_registers(first, count=registers - place, device_id=address)
                assert reply.registers[0] == first


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("ours", "pymodbus"))
    parser.add_argument("port")
    for number in ("baud", "meters", "registers"):
        parser.add_argument(number, type=int)
    options = parser.parse_args()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    work = (options.port, options.baud, options.meters, options.registers)
    if options.kind == "ours":
        run_ours(*work)
    else:
        asyncio.run(run_pymodbus(*work))


if __name__ == "__main__":
    main()
