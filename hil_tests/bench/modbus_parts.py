"""The Modbus devices of the bench, served by pymodbus's server on the device side of the wires.

Meter (Acrel DJSF1352-RN), insulation monitor (Acrel AIM-D100) and the two Waveshare boards are ``SimDevice`` objects
with an action that fills the registers from the plant at the moment of the request. The server's data model cannot
represent the timed pulse of the relay board: function 05 keeps only on or off of its value. So a request class of our
own (``custom_pdu``) replaces function 05 on that line and passes address and full value to the board.
"""

import random
import struct
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil_tests.bench.plant import Plant
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.wires import SerialWire
from hil_tests.bench.wiring import Wiring

Clock = Callable[[], float]

# Position of the decimal point as the meter reports it: 0.1 V, 0.01 A and 10 W per digit (value = raw * 10^(D - 3)).
_DPT, _DCT, _DP = 2, 1, 4
_RATED_CURRENT_A = 250
_METER_TEMPERATURE_C = 33.3
_SOFTWARE_VERSION = 118

_READ_COILS, _READ_DISCRETE, _READ_HOLDING, _READ_INPUT = 1, 2, 3, 4
_WRITE_COILS = 15
_INSULATION_ALARM_KOHM, _INSULATION_WARNING_KOHM = 50, 100


def _registers(layout: str, *values: float) -> list[int]:
    data = struct.pack(f">{layout}", *values)
    return list(struct.unpack(f">{len(data) // 2}H", data))


def _clamp_mantissa(value: float, exponent: int) -> int:
    return min(max(round(value * 10.0 ** (3 - exponent)), -32768), 32767)


class Meter:
    """DJSF1352-RN: mantissa and exponent registers, energy in Wh, floats; noise below one digit."""

    def __init__(self, plant: Plant, wall_clock: Clock) -> None:
        self._plant = plant
        self._wall_clock = wall_clock
        self._random = random.Random(1352)

    def device(self, address: int) -> SimDevice:
        """The device as the server takes it."""
        blocks = [
            SimData(0, count=36, values=0, datatype=DataType.REGISTERS),
            SimData(50, count=6, values=0, datatype=DataType.REGISTERS),
            SimData(2010, count=2, values=0, datatype=DataType.REGISTERS),
            SimData(2150, count=2, values=0, datatype=DataType.REGISTERS),
        ]
        return SimDevice(address, simdata=blocks, action=self._action)

    def measured(self) -> tuple[float, float]:
        """Voltage in V and current in A with noise of less than a digit; a true zero reads zero."""
        values = self._plant.meter
        voltage_v = values.voltage_v + self._random.uniform(-0.08, 0.08) if values.voltage_v > 0.5 else 0.0
        current_a = values.current_a + self._random.uniform(-0.008, 0.008) if values.current_a > 0.05 else 0.0
        return voltage_v, current_a

    def image(self) -> dict[int, list[int]]:
        """Register contents by first address."""
        voltage_v, current_a = self.measured()
        power_w = voltage_v * current_a
        register_wh = self._plant.meter.register_wh & 0xFFFFFFFF
        clock = time.localtime(self._wall_clock())
        return {
            0: [
                *_registers("hHhHHh", _clamp_mantissa(voltage_v, _DPT), _DPT, _clamp_mantissa(current_a, _DCT), _DCT, 0,
                            round(_METER_TEMPERATURE_C * 10)),
                0, 0,
                *_registers("hHHH", _clamp_mantissa(power_w, _DP), _DP, 0, 0),
                *_registers("IIHHHH", register_wh, 0, 1, _RATED_CURRENT_A, 0, 0),
            ],
            30: [
                *_registers("BBBBBB", clock.tm_year % 100, clock.tm_mon, clock.tm_mday, clock.tm_hour, clock.tm_min,
                            clock.tm_sec),
                0x0100, 0, _SOFTWARE_VERSION,
            ],
            50: _registers("fff", voltage_v, current_a, power_w / 1000.0),
            2010: _registers("I", register_wh),
            2150: _registers("I", 0),
        }  # fmt: skip

    async def _action(
        self, function: int, start: int, _address: int, _count: int, current: list[int], written: object
    ) -> ExcCodes | None:
        if function not in (_READ_HOLDING, 16):
            return ExcCodes.ILLEGAL_FUNCTION
        if written is None:
            _fill(current, start, self.image())
        return None


class InsulationMonitor:
    """AIM-D100: resistances and voltages of both poles to earth at 0x20 to 0x25, for function 03 and 04."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def device(self, address: int) -> SimDevice:
        """The device as the server takes it."""
        settings = [0] * 0x50
        settings[0x01], settings[0x02] = address, 9600 // 100
        settings[0x30] = settings[0x34] = 0xFEFE
        settings[0x31], settings[0x32], settings[0x33] = 1000, 110, 90
        settings[0x35], settings[0x36] = _INSULATION_WARNING_KOHM, _INSULATION_ALARM_KOHM
        settings[0x3F], settings[0x40] = 1, 0x01
        return SimDevice(address, simdata=SimData(0, values=settings, datatype=DataType.REGISTERS), action=self._action)

    def image(self) -> dict[int, list[int]]:
        """Register contents by first address."""
        kohm = round(self._plant.insulation_kohm)
        voltage_v = self._plant.insulation_voltage_v
        faults = 0
        if kohm < _INSULATION_ALARM_KOHM:
            faults |= 1 << 2 | 1 << 4
        if kohm < _INSULATION_WARNING_KOHM:
            faults |= 1 << 3 | 1 << 5
        half_dv = round(voltage_v * 5)
        return {0x20: [faults, kohm, kohm, half_dv, half_dv, round(voltage_v * 10)]}

    async def _action(
        self, _function: int, start: int, _address: int, _count: int, current: list[int], _written: object
    ) -> ExcCodes | None:
        _fill(current, start, self.image())
        return None


def _fill(current: list[int], start: int, image: dict[int, list[int]]) -> None:
    """Put the image's blocks into the server's registers."""
    for first, registers in image.items():
        current[first - start : first - start + len(registers)] = registers


def input_device(address: int, levels: Callable[[], list[bool]], asked: Callable[[int], None]) -> SimDevice:
    """A board of discrete inputs; ``asked`` hears every function code it is asked with, reading or writing."""

    async def action(
        function: int, start: int, _address: int, _count: int, current: list[int], written: object
    ) -> ExcCodes | None:
        asked(function)
        if function != _READ_DISCRETE:
            return ExcCodes.ILLEGAL_FUNCTION
        # The server packs bits into registers of 16, the first in the lowest bit.
        current[0] = sum(1 << index for index, level in enumerate(levels()) if level)
        return None

    coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    inputs = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    holding = [SimData(0, count=8, values=0, datatype=DataType.REGISTERS)]
    unused = [SimData(0, values=0, datatype=DataType.REGISTERS)]
    return SimDevice(address, simdata=(coils, inputs, holding, unused), action=action)


class Wired(Protocol):
    """What hangs on the inputs of a board."""

    @property
    def wiring(self) -> Wiring:
        """Channels, keyed by name."""

    @property
    def discrete_inputs(self) -> dict[str, bool]:
        """The meaning of each discrete input, keyed by name."""

    @property
    def analog_inputs(self) -> Mapping[str, float]:
        """The value at each analogue input, keyed by name."""


class Boards:
    """The Waveshare relay board (with discrete inputs) and analogue input board on one line."""

    def __init__(self, plant: Wired, relays: RelayBoard, clock: Clock) -> None:
        self._plant = plant
        self._relays = relays
        self._clock = clock
        self._random = random.Random(8)

    def relay_device(self, address: int) -> SimDevice:
        """Coils 0-7, discrete inputs 0-7, channel modes at 0x1000."""
        coils = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        inputs = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        modes = [SimData(0x1000, count=8, values=0, datatype=DataType.REGISTERS)]
        unused = [SimData(0, values=0, datatype=DataType.REGISTERS)]
        return SimDevice(address, simdata=(coils, inputs, modes, unused), action=self._relay_action)

    def analog_device(self, address: int) -> SimDevice:
        """Input registers 0-7 in mV, channel ranges at 0x1000."""
        unused = SimData(0, values=[False] * 16, datatype=DataType.BITS)
        ranges = [SimData(0x1000, count=8, values=0, datatype=DataType.REGISTERS)]
        inputs = [SimData(0, count=8, values=0, datatype=DataType.REGISTERS)]
        return SimDevice(address, simdata=([unused], [unused], ranges, inputs), action=self._analog_action)

    def write_coil_request(self, address: int) -> type[ModbusPDU]:
        """The request class of function 05 for this line; only the board at ``address`` has relays."""
        relays, clock = self._relays, self._clock

        class WriteCoil(ModbusPDU):
            """Function 05 with its full value: the board answers with an echo."""

            function_code = 5
            rtu_frame_size = 8
            value = 0

            def decode(self, data: bytes) -> None:
                self.address, self.value = struct.unpack(">HH", data[:4])

            def encode(self) -> bytes:
                return struct.pack(">HH", self.address, self.value)

            async def datastore_update(self, context: object, device_id: int) -> ModbusPDU:
                if device_id != address:
                    return ExceptionResponse(self.function_code, ExcCodes.ILLEGAL_FUNCTION)
                if not relays.write_single(self.address, self.value, clock()):
                    return ExceptionResponse(self.function_code, ExcCodes.ILLEGAL_ADDRESS)
                return self

        return WriteCoil

    async def _relay_action(
        self, function: int, _start: int, address: int, count: int, current: list[int], written: object
    ) -> ExcCodes | None:
        if function == _READ_COILS:
            current[0] = _bits(self._relays.closed(self._clock()))
        elif function == _READ_DISCRETE:
            current[0] = _bits(self._plant.wiring.input_levels(self._plant.discrete_inputs))
        elif function == _WRITE_COILS and isinstance(written, list):
            if not self._relays.write_many(address, [bool(state) for state in written], self._clock()):
                return ExcCodes.ILLEGAL_ADDRESS
        elif function == _READ_INPUT:
            return ExcCodes.ILLEGAL_FUNCTION
        return None

    async def _analog_action(
        self, function: int, _start: int, _address: int, _count: int, current: list[int], _written: object
    ) -> ExcCodes | None:
        if function in (_READ_COILS, _READ_DISCRETE, _WRITE_COILS):
            return ExcCodes.ILLEGAL_FUNCTION
        if function == _READ_INPUT:
            for name, value in self._plant.analog_inputs.items():
                wired = self._plant.wiring.analog[name]
                raw_mv = wired.raw_mv(value)
                # One count of noise, but a true zero stays zero: the converter cannot go below it.
                current[wired.channel] = raw_mv + self._random.choice((-1, 0, 1)) if 0 < raw_mv < 10_000 else raw_mv
        return None


def _bits(states: list[bool] | tuple[bool, ...]) -> int:
    return sum(1 << position for position, state in enumerate(states) if state)


def _drop_foreign(served: frozenset[int], sending: bool, data: bytes) -> bytes:
    """Silence for addresses that no simulated device has: on a shared line only the addressed device answers."""
    return b"" if sending and data and data[0] not in served else data


class LineServer:
    """pymodbus's serial server on one device port of a wire."""

    def __init__(
        self, wire: SerialWire, devices: list[SimDevice], custom_pdu: list[type[ModbusPDU]] | None = None
    ) -> None:
        self._server = ModbusSerialServer(
            devices,
            framer=FramerType.RTU,
            port=wire.add_device_port(),
            baudrate=wire.baud,
            trace_packet=partial(_drop_foreign, frozenset(device.id for device in devices)),
            custom_pdu=custom_pdu,
        )

    async def start(self) -> None:
        """Begin to serve; raises RuntimeError if the port cannot be opened."""
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        """Stop serving and close the port."""
        await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves this one untyped
