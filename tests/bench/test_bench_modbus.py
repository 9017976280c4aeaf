"""The bench's Modbus devices as a client sees them: over the wire, served by pymodbus's server."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU

from hil_tests.bench.modbus_parts import Boards, InsulationMonitor, LineServer, Meter
from hil_tests.bench.plant import Plant
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.wires import SerialWire
from hil_tests.bench.wiring import load_wiring

FIRST_OF_MARCH_S = 1_709_251_200.0


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


class Line:
    """A wire with devices and a client on it."""

    def __init__(self, plant: Plant, relays: RelayBoard, clock: Clock, client: AsyncModbusSerialClient) -> None:
        self.plant = plant
        self.relays = relays
        self.clock = clock
        self.client = client


def registers_of(reply: ModbusPDU) -> list[int]:
    assert not reply.isError(), reply
    return list(reply.registers)


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[Line]:
    relays, clock = RelayBoard(), Clock()
    plant = Plant(load_wiring(), relays)
    # Fast: these tests look at the devices, the pace of the wire has its own.
    wire = SerialWire("line", 115200, folder / "line")
    boards = Boards(plant, relays, clock)
    devices = [
        Meter(plant, lambda: FIRST_OF_MARCH_S).device(1),
        InsulationMonitor(plant).device(2),
        boards.relay_device(3),
        boards.analog_device(4),
    ]
    server = LineServer(wire, devices, [boards.write_coil_request(3)])
    await server.start()
    client = AsyncModbusSerialClient(str(folder / "line"), baudrate=115200, timeout=2.0, retries=0)
    await client.connect()
    try:
        yield Line(plant, relays, clock, client)
    finally:
        client.close()
        await server.stop()
        wire.close()


def on_line(folder: Path, scenario: Callable[[Line], Awaitable[None]]) -> None:
    async def main() -> None:
        async with line(folder) as bench:
            await scenario(bench)

    asyncio.run(main())


def test_meter_reads_as_a_djsf1352(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        meter = bench.plant.meter
        meter.voltage_v, meter.current_a, meter.energy_wh = 402.3, 87.65, 1_234_999.9
        registers = registers_of(await bench.client.read_holding_registers(0, count=20, device_id=1))
        assert registers[0] * 10.0 ** (registers[1] - 3) == pytest.approx(402.3, abs=0.15)
        assert registers[2] * 10.0 ** (registers[3] - 3) == pytest.approx(87.65, abs=0.02)
        assert registers[8] * 10.0 ** (registers[9] - 3) == pytest.approx(402.3 * 87.65, abs=60.0)
        assert registers[5] == 333
        assert registers[12] << 16 | registers[13] == 1_234_999, "the register never shows an unfinished watt-hour"
        assert registers[17] == 250
        floats = registers_of(await bench.client.read_holding_registers(50, count=6, device_id=1))
        voltage_v, current_a, power_kw = struct.unpack(">fff", struct.pack(">6H", *floats))
        assert power_kw == pytest.approx(voltage_v * current_a / 1000.0, rel=0.001)

    on_line(tmp_path, scenario)


def test_meter_at_rest_reads_true_zero_and_tells_its_clock(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        registers = registers_of(await bench.client.read_holding_registers(0, count=9, device_id=1))
        assert (registers[0], registers[2], registers[8]) == (0, 0, 0)
        clock = registers_of(await bench.client.read_holding_registers(30, count=3, device_id=1))
        assert clock[0] >> 8 == 24, "binary bytes: year 24"
        assert (await bench.client.read_holding_registers(40, count=2, device_id=1)).isError()

    on_line(tmp_path, scenario)


def test_insulation_monitor_shows_the_leak_of_both_poles_and_its_alarms(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        bench.plant.inputs.leak_kohm = 40.0
        bench.plant.circuit.outside_voltage_v = 500.0
        assert registers_of(await bench.client.read_input_registers(0x20, count=6, device_id=2)) == [
            0, 10_000, 10_000, 0, 0, 0,
        ]  # fmt: skip
        bench.relays.write_single(bench.plant.wiring.outputs["insulation_monitor"], 0xFF00, 0.0)
        for step in range(1, 3):
            bench.plant.advance(step * 0.01)
        shown = registers_of(await bench.client.read_holding_registers(0x20, count=6, device_id=2))
        assert shown[:3] == [0b111100, 40, 40]
        assert shown[3:] == pytest.approx([2500, 2500, 5000], abs=10)

    on_line(tmp_path, scenario)


def test_relay_pulse_runs_on_the_boards_timer(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        pulse = bytes.fromhex("0305020000 0a".replace(" ", ""))
        assert await exchange(bench, pulse) == pulse, "the board echoes the full value"
        coils = await bench.client.read_coils(0, count=8, device_id=3)
        assert coils.bits[:2] == [True, False]
        bench.clock.now_s += 0.9
        await exchange(bench, pulse)
        bench.clock.now_s += 0.9
        assert (await bench.client.read_coils(0, count=8, device_id=3)).bits[0], "renewed"
        bench.clock.now_s += 0.2
        assert not (await bench.client.read_coils(0, count=8, device_id=3)).bits[0], "dropped by itself"
        bench.relays.write_single(0x0200, 10, bench.clock.now_s)
        await bench.client.write_coil(0, False, device_id=3)
        assert not (await bench.client.read_coils(0, count=8, device_id=3)).bits[0], "off at once"

    on_line(tmp_path, scenario)


async def exchange(bench: Line, pdu_with_address: bytes) -> bytes:
    """Send a function 05 request with any value and return the reply, both without checksum."""
    raw: list[bytes] = []
    request = RawCoil(pdu_with_address)

    def listen(sending: bool, data: bytes) -> bytes:
        if not sending:
            raw.append(data)
        return data

    bench.client.ctx.trace_packet = listen
    await bench.client.execute(False, request)
    return raw[-1][:-2]


class RawCoil(ModbusPDU):
    """Function 05 with a value of its own."""

    function_code = 5
    rtu_frame_size = 8

    def __init__(self, pdu_with_address: bytes) -> None:
        super().__init__(dev_id=pdu_with_address[0])
        self.payload = pdu_with_address[2:]

    def encode(self) -> bytes:
        return self.payload


def test_many_coils_and_refusals(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        assert not (await bench.client.write_coils(2, [True, True], device_id=3)).isError()
        assert bench.relays.closed(50.0)[2:4] == (True, True)
        assert (await bench.client.write_coil(9, True, device_id=3)).isError()
        assert (await bench.client.write_coil(0, True, device_id=4)).isError(), "no relays on the analogue board"
        assert (await bench.client.read_coils(0, count=8, device_id=4)).isError()
        assert bench.relays.closed(50.0)[0] is False

    on_line(tmp_path, scenario)


def test_discrete_inputs_and_millivolts(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        bench.plant.inputs.door_open = True
        bench.plant.contactor_k2.closed = True
        bits = (await bench.client.read_discrete_inputs(0, count=8, device_id=3)).bits
        assert bits == [True, False, True, False, True, False, False, False]
        bench.plant.inputs.plugged = True
        bench.plant.circuit.outside_voltage_v = 440.0
        raw = registers_of(await bench.client.read_input_registers(0, count=8, device_id=4))
        assert raw[0] * 0.002 == pytest.approx(4.0, abs=0.005)
        assert raw[1] * 0.11 == pytest.approx(440.0, abs=0.3)
        assert raw[2] == 0
        assert raw[3] * 0.025 - 50.0 == pytest.approx(25.0, abs=0.06)

    on_line(tmp_path, scenario)


def test_an_address_that_nobody_has_stays_silent(tmp_path: Path) -> None:
    async def scenario(bench: Line) -> None:
        with pytest.raises(ModbusIOException):
            await bench.client.read_holding_registers(0, count=2, device_id=9)
        assert registers_of(await bench.client.read_holding_registers(1, count=1, device_id=1)) == [2]

    on_line(tmp_path, scenario)
