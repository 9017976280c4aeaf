"""Register maps and the meters that they describe."""

import math
import struct
from pathlib import Path

import pytest

from drivers.line.owner import Result
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from drivers.reading import Reading

MAPS = Path(__file__).parents[2] / "config" / "meters"
ACREL = load_register_map(MAPS / "acrel-djsf1352-rn.toml")
EASTRON = load_register_map(MAPS / "eastron-dcm230.toml")


def acrel_registers(
    *,
    voltage: tuple[int, int] = (0, 3),
    current: tuple[int, int] = (0, 2),
    power: tuple[int, int] = (0, 3),
    energy: int = 0,
) -> tuple[int, ...]:
    data = struct.pack(">hHhHHhHHhHHHIIHHHH", *voltage, *current, 0, 333, 0, 0, *power, 0, 0, energy, 77, 1, 250, 0, 0)
    return struct.unpack(">20H", data)


def read(meter: Meter, registers: tuple[int, ...], at_s: float = 1.0) -> dict[str, Reading]:
    [request] = meter.requests(at_s)
    first = request.register % 0x4000
    wanted = registers[first : first + request.count]
    assert len(wanted) == request.count
    return dict(meter.accept(Result(request, wanted, at_s=at_s + 0.05)))


def test_the_acrel_meter_is_read_in_one_request_with_its_exponents() -> None:
    meter = Meter(ACREL, 1, 1.0)
    [request] = meter.requests(0.0)
    assert (request.address, request.function, request.register, request.count) == (1, 3, 0, 14)
    assert request.priority == 2
    assert meter.timing.minimum_gap_s == 0.02
    assert meter.requests(5.0) == []
    meter.accept(Result(request, error="timeout", at_s=5.0))
    assert meter.requests(5.0) == [request]


def test_the_captured_frame_of_the_acrel_meter() -> None:
    # Captured from a meter: 0000 0003 0000 0002 0000 014D = 0 V, 0 A, 33.3 degrees.
    captured = (0x0000, 0x0003, 0x0000, 0x0002, 0x0000, 0x014D, *[0] * 14)
    assert captured[:6] == acrel_registers()[:6]
    readings = read(Meter(ACREL, 1, 1.0), captured)
    assert {name: r.value for name, r in readings.items()} == {
        "meter_voltage_v": 0.0,
        "meter_current_a": 0.0,
        "meter_power_w": 0.0,
        "meter_energy_wh": 0,
    }


def test_values_follow_mantissa_and_exponent() -> None:
    registers = acrel_registers(voltage=(5123, 2), current=(-1234, 1), power=(-6322, 4), energy=4_000_000_123)
    readings = read(Meter(ACREL, 1, 1.0), registers, 7.0)
    assert readings["meter_voltage_v"] == Reading(512.3, "V", 7.05)
    assert readings["meter_current_a"] == Reading(-12.34, "A", 7.05)
    assert readings["meter_power_w"] == Reading(-63220.0, "W", 7.05)
    assert readings["meter_energy_wh"] == Reading(4_000_000_123, "Wh", 7.05)
    assert isinstance(readings["meter_energy_wh"].value, int)


@pytest.mark.parametrize(
    ("unit_wh", "register", "energy_wh"),
    [(1.0, 123, 123), (0.1, 30, 3), (0.1, 39, 3), (0.1, 7_000_000_00, 70_000_000), (10.0, 5, 50), (0.3, 10, 3)],
)
def test_energy_is_whole_watt_hours_of_the_register_rounded_down(unit_wh: float, register: int, energy_wh: int) -> None:
    readings = read(Meter(ACREL, 1, 1.0, unit_wh), acrel_registers(energy=register))
    assert readings["meter_energy_wh"].value == energy_wh


def test_an_impossible_exponent_is_no_value() -> None:
    readings = read(Meter(ACREL, 1, 1.0), acrel_registers(voltage=(5000, 9), current=(100, 0xFFFF)))
    assert readings.keys() == {"meter_power_w", "meter_energy_wh"}


def test_a_failed_read_gives_nothing_and_is_asked_again() -> None:
    meter = Meter(ACREL, 1, 1.0)
    [request] = meter.requests(0.0)
    assert meter.accept(Result(request, error="crc", at_s=0.1)) == []
    assert meter.requests(0.5) == []
    assert meter.next_due(0.5) == pytest.approx(1.0)
    assert len(meter.requests(1.0)) == 1


def test_the_eastron_meter_gives_the_same_signals_from_floats() -> None:
    registers = struct.unpack(">8H", struct.pack(">ffff", 512.25, -12.5, -6403.125, 1234.5))
    readings = read(Meter(EASTRON, 1, 1.0), registers)
    assert {name: r.value for name, r in readings.items()} == {
        "meter_voltage_v": 512.25,
        "meter_current_a": -12.5,
        "meter_power_w": -6403.125,
        "meter_energy_wh": 1_234_500,
    }
    for broken in (math.nan, math.inf):
        registers = struct.unpack(">8H", struct.pack(">ffff", broken, 0.0, 0.0, broken))
        assert read(Meter(EASTRON, 1, 1.0), registers).keys() == {"meter_current_a", "meter_power_w"}


def test_the_second_channel_of_the_acrel_meter_answers_at_the_next_address() -> None:
    [request] = Meter(ACREL, 5, 1.0, channel=2).requests(0.0)
    assert (request.address, request.register, request.count) == (6, 0, 14)
    with pytest.raises(ValueError, match="has no channel 3"):
        Meter(ACREL, 5, 1.0, channel=3)


def test_further_signals_come_on_demand() -> None:
    meter = Meter(ACREL, 1, 1.0, signals=("meter_temperature_c", "meter_broken_wire", "meter_energy_reverse_wh"))
    energy, rest = meter.requests(0.0)
    assert [(each.register, each.count, each.priority) for each in (energy, rest)] == [(14, 2, 2), (4, 2, 3)]
    readings = dict(
        pair
        for request in (energy, rest)
        for pair in meter.accept(Result(request, acrel_registers()[request.register :][: request.count], at_s=0.1))
    )
    assert meter.requests(1.5) == [energy]
    assert {name: (r.value, r.unit) for name, r in readings.items()} == {
        "meter_temperature_c": (33.3, "degC"),
        "meter_broken_wire": (0.0, "1"),
        "meter_energy_reverse_wh": (77, "Wh"),
    }
    with pytest.raises(ValueError, match="does not deliver frequency_hz"):
        Meter(ACREL, 1, 1.0, signals=["frequency_hz"])
    with pytest.raises(ValueError, match="no signal"):
        Meter(ACREL, 1, 1.0, signals=[])


@pytest.mark.parametrize("unit_wh", [0.0, -1.0, math.nan])
def test_an_energy_unit_that_is_none_is_refused(unit_wh: float) -> None:
    with pytest.raises(ValueError, match="energy_unit_wh"):
        Meter(ACREL, 1, 1.0, unit_wh)
