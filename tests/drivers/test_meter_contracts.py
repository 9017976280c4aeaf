"""Meters on a line against their contract."""

import struct

from boards import CONFIG
from contracts.line_device import DeviceLine
from contracts.meter import MeterContract

from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from hil_tests.bench.line_devices import RegisterInputs, RtuDevice


class Djsf1352(RegisterInputs):
    """Acrel DJSF1352-RN: mantissa and exponent in registers 0 to 15, energy in Wh at 12."""

    def __init__(self) -> None:
        super().__init__(3, 0, [4000, 2, 2500, 1, 0, 250, 0, 0, 10_000, 3, 0, 0, 0, 0, 0, 0, 1, 250, 0, 0])
        self.energy(123_456)

    def energy(self, wh: int) -> None:
        self.values[12:14] = struct.unpack(">HH", struct.pack(">I", wh))


class Dcm230(RegisterInputs):
    """Eastron DCM230: the compact copy from 0x4000, f32 in V, A, W and kWh."""

    def __init__(self) -> None:
        super().__init__(4, 0x4000, [0] * 0x14)
        self.energy(123_456)

    def energy(self, wh: int) -> None:
        # A thousandth more than the number: f32 would fall below it otherwise.
        values = (400.0, 25.0, 10_000.0, wh / 1000 + 1e-5, 0.0)
        self.values[: 2 * len(values)] = struct.unpack(">10H", struct.pack(">5f", *values))


class TestDjsf1352(MeterContract):
    MODEL = "acrel-djsf1352-rn"

    def device(self) -> Djsf1352 | Dcm230:
        return Djsf1352()

    def line(self) -> DeviceLine:
        meter = Meter(load_register_map(CONFIG / "meters" / f"{self.MODEL}.toml"), 5, 0.5)
        return DeviceLine(meter, RtuDevice(5, self.device()))

    def add_energy(self, line: DeviceLine) -> None:
        device = line.device.device
        assert isinstance(device, Djsf1352 | Dcm230)
        device.energy(124_456)


class TestDcm230(TestDjsf1352):
    MODEL = "eastron-dcm230"

    def device(self) -> Djsf1352 | Dcm230:
        return Dcm230()
