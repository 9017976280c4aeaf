"""A line of bench meters in a thread of its own, and the agent's own bus owner and drivers to read it."""

import asyncio
import contextlib
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from drivers.exchange import Result
from drivers.modbus.device import Device
from drivers.modbus.master import ModbusMaster
from drivers.reading import Reading
from drivers.serial_port import SerialPort
from hil_tests.bench.meters.line import MeterLine, MeterSpec

T = TypeVar("T")
_DEADLINE_S = 30.0
"""Only a broken part takes so long; then the test fails instead of waiting for ever."""


class RunningLine:
    """A line that is being served. ``do`` runs something in its thread, as everything that touches it must."""

    def __init__(self, line: MeterLine, loop: asyncio.AbstractEventLoop) -> None:
        self.line = line
        self._loop = loop

    def do(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_DEADLINE_S)


@contextlib.contextmanager
def serving(
    specs: list[MeterSpec],
    pty: Path | None,
    *,
    tcp: bool = False,
    settings: tuple[int | None, str | None, int | None] = (None, None, None),
    checks_settings: bool = False,
) -> Iterator[RunningLine]:
    """Serve meters until the block is left."""
    started = threading.Event()
    running: list[RunningLine] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        end = asyncio.Event()
        line = MeterLine(specs, pty, *settings, checks_settings=checks_settings)
        if tcp:
            await line.start_tcp()
        running.append(RunningLine(line, asyncio.get_running_loop()))
        ends.append((asyncio.get_running_loop(), end))
        started.set()
        await end.wait()
        await line.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(_DEADLINE_S), "the line was not served"
    try:
        yield running[0]
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join(_DEADLINE_S)
        assert not thread.is_alive()


class HasSettings(Protocol):
    """How a wire is set."""

    baud: int
    parity: str
    stop_bits: int


class Reader:
    """The service's own bus owner and meter drivers on a serial port, in one plain loop."""

    def __init__(self, path: Path, wire: HasSettings, devices: list[Device], *, late_limit_s: float = 2.0) -> None:
        self.port = SerialPort(str(path), wire.baud, wire.parity, wire.stop_bits)
        bits = 9 + wire.stop_bits + (wire.parity != "N")
        self.master = ModbusMaster(wire.baud, bits, late_limit_s=late_limit_s)
        self.devices = devices
        for device in devices:
            self.master.attach(device.address, device.timing)
        self.readings: dict[str, Reading] = {}
        self.history: list[tuple[str, Reading]] = []
        self.results: list[Result] = []

    def run_until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + _DEADLINE_S
        while not condition():
            now_s = time.monotonic()
            assert now_s < deadline_s, (self.readings, self.results[-5:])
            self.turn(now_s)
            select.select([self.port], [], [], 0.002)

    def turn(self, now_s: float) -> None:
        self.master.receive(self.port.read(), now_s)
        for result in self.master.results():
            self.results.append(result)
            for device in self.devices:
                if device.address == result.request.address:
                    found = device.accept(result)
                    self.readings.update(found)
                    self.history += found
        for device in self.devices:
            for request in device.requests(now_s):
                self.master.submit(request, now_s)
        if data := self.master.poll(now_s):
            self.port.write(data)

    def close(self) -> None:
        self.port.close()
