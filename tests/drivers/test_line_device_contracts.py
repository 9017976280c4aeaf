"""Every board and insulation monitor of config/ against a device of the bench."""

from pathlib import Path

import pytest
from boards import ANALOG, INPUTS, REGISTERS, RELAYS, WATCHDOG, board_of
from contracts.inputs import AnalogueContract, InputsContract, InsulationContract
from contracts.line_device import DeviceLine
from contracts.outputs import OutputsContract, RelayDevice

from drivers.contracts import Outputs
from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.insulation.monitor import RegisterMonitor
from drivers.insulation.register_map import load_insulation_map
from drivers.reading import Quality
from hil_tests.bench.line_devices import (
    CommandBoard,
    IsoCha425,
    LineDevice,
    PulseBoard,
    RegisterInputs,
    RtuDevice,
    WatchdogBoard,
)

MAPS = Path(__file__).resolve().parents[2] / "config" / "insulation_monitors"
CONTACTS = Wires(inputs={"direct": InputWire(0, False), "inverted": InputWire(1, True)})
LEVEL = Wires(analog={"level_v": AnalogWire(0, "V", 0.01, 0.0, 900, 5200)})


class OutputsOf(OutputsContract):
    """Outputs of a Modbus board."""

    MODEL: str

    def device(self) -> RelayDevice:
        raise NotImplementedError

    def outputs_line(self) -> tuple[DeviceLine, Outputs, RelayDevice]:
        wires = Wires(
            outputs={
                "first": OutputWire(0, self.TIMED),
                "second": OutputWire(1, False),
                "held": OutputWire(2, False),
            }
        )
        device = self.device()
        driver = board_of(self.MODEL, wires, 5, held=("held",))
        return DeviceLine(driver, RtuDevice(5, device)), driver, device


class TestPulsedOutputs(OutputsOf):
    MODEL = RELAYS

    def device(self) -> RelayDevice:
        return PulseBoard()


class TestWatchedOutputs(OutputsOf):
    MODEL = WATCHDOG

    def device(self) -> RelayDevice:
        return WatchdogBoard()

    def test_without_a_watchdog_that_holds_no_timed_output_is_closed(self) -> None:
        line, outputs, device = self.outputs_line()
        assert isinstance(device, WatchdogBoard)
        device.keeps_timer = False
        line.run(2.0)
        outputs.set_output("first", True, line.now_s)
        outputs.set_output("second", True, line.now_s)
        line.run(5.0)
        assert device.relays(line.now_s)[:2] == [False, True]


class TestCommandedOutputs(OutputsOf):
    MODEL = REGISTERS
    TIMED = False

    def device(self) -> RelayDevice:
        return CommandBoard()

    def close_by_hand(self, device: RelayDevice, channel: int, now_s: float) -> None:
        device.ask(6, channel + 1, 0x0100, now_s)


class InputsOf(InputsContract):
    MODEL: str

    def device(self) -> LineDevice:
        raise NotImplementedError

    def line(self) -> DeviceLine:
        return DeviceLine(board_of(self.MODEL, CONTACTS, 5), RtuDevice(5, self.device()))

    def set_levels(self, line: DeviceLine, levels: tuple[bool, bool]) -> None:
        device = line.device.device
        assert isinstance(device, PulseBoard | WatchdogBoard)
        device.levels[:2] = levels


class TestInputsOfTheRelayBoard(InputsOf):
    MODEL = RELAYS

    def device(self) -> LineDevice:
        return PulseBoard()


class TestInputsOfTheBoardWithWatchdog(InputsOf):
    MODEL = WATCHDOG

    def device(self) -> LineDevice:
        return WatchdogBoard()


class TestInputsThatAreOnlyRead(InputsOf):
    MODEL = INPUTS

    def device(self) -> LineDevice:
        return PulseBoard()


class TestVoltages(AnalogueContract):
    GOOD = (2500, 25.0)
    ENDS = (900, 5200)

    def line(self) -> DeviceLine:
        return DeviceLine(board_of(ANALOG, LEVEL, 5, 0.05), RtuDevice(5, RegisterInputs(4, 0, [1000] * 8)))

    def set_raw(self, line: DeviceLine, raw: int) -> None:
        device = line.device.device
        assert isinstance(device, RegisterInputs)
        device.values[0] = raw


class TestTemperatureTransmitter(TestVoltages):
    ENDS = (-500, 2000)
    GOOD = (251, 25.1)
    CODES = (30000, 32767, -32767, -32768)

    def line(self) -> DeviceLine:
        wires = Wires(analog={"level_v": AnalogWire(0, "V", 0.1, 0.0, -500, 2000)})
        return DeviceLine(board_of("rtd-2ch", wires, 5, 0.2), RtuDevice(5, RegisterInputs(3, 0, [250, 260])))


class AcrelImage(RegisterInputs):
    """AIM-D100: fault bits, R+, R-, U+, U-, system voltage from 0x20."""

    def __init__(self) -> None:
        super().__init__(3, 0x20, [0, 800, 800, 3750, 3750, 7500])


class TestAcrel(InsulationContract):
    def line(self) -> DeviceLine:
        driver = RegisterMonitor(load_insulation_map(MAPS / "acrel-aim-d100.toml"), 5, 0.5)
        return DeviceLine(driver, RtuDevice(5, AcrelImage()))

    def image(self, line: DeviceLine) -> list[int]:
        device = line.device.device
        assert isinstance(device, AcrelImage)
        return device.values

    def set_kohm(self, line: DeviceLine, kohm: float) -> None:
        self.image(line)[1:3] = [int(kohm)] * 2

    def break_down(self, line: DeviceLine) -> None:
        self.image(line)[1:3] = [0xFFFF, 0xFFFF]

    def cast_doubt(self, line: DeviceLine) -> None:
        self.image(line)[0] = 1 << 15


class TestBender(InsulationContract):
    EXPECTED_KOHM = 400.0

    def line(self) -> DeviceLine:
        driver = RegisterMonitor(load_insulation_map(MAPS / "bender-isocha425.toml"), 5, 0.5)
        return DeviceLine(driver, RtuDevice(5, IsoCha425(lambda: 400.0, lambda: 750.0)))

    def device(self, line: DeviceLine) -> IsoCha425:
        device = line.device.device
        assert isinstance(device, IsoCha425)
        return device

    def set_kohm(self, line: DeviceLine, kohm: float) -> None:
        self.device(line).forced_ohm = kohm * 500.0

    def break_down(self, line: DeviceLine) -> None:
        self.device(line).validity = 3

    def cast_doubt(self, line: DeviceLine) -> None:
        self.device(line).test = 1

    @pytest.mark.parametrize("ohm", [float("nan"), 1e12, -1.0])
    def test_impossible_values_are_failed(self, ohm: float) -> None:
        line = self.line()
        self.device(line).forced_ohm = ohm
        line.run(3.0)
        assert {reading.quality for reading in line.readings.values()} == {Quality.FAILED}

    def test_its_voltages_are_those_of_the_poles(self) -> None:
        line = self.line()
        line.run(3.0)
        values = self.monitor(line).values
        assert (values["insulation_plus_v"].value, values["insulation_minus_v"].value) == (375.0, -375.0)
