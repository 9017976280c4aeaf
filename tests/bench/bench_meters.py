"""The service's own bus owner and meter drivers on a port of the bench."""

import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers.line.device import Device
from drivers.line.exchange import Result
from drivers.line.owner import LineOwner
from drivers.line.serial_port import SerialPort
from drivers.reading import Reading

_DEADLINE_S = 30.0
"""Only a broken part takes so long; then the test fails instead of waiting for ever."""


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
        self.master = LineOwner(wire.baud, bits, late_limit_s=late_limit_s)
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
