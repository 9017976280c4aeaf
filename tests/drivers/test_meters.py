"""Register maps and the meters that they describe."""

import math
import struct
from pathlib import Path

import pytest

from drivers.insulation.aim_d100 import AimD100
from drivers.meters.meter import Meter
from drivers.meters.register_map import RegisterMapError, load_register_map
from drivers.modbus.master import Result
from drivers.reading import Quality, Reading

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
    assert request.count == len(registers)
    return dict(meter.accept(Result(request, registers, at_s=at_s + 0.05)))


@pytest.mark.parametrize("path", sorted(MAPS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_map_loads(path: Path) -> None:
    register_map = load_register_map(path)
    assert register_map.source
    assert {field.signal for field in register_map.fields} == {
        "meter_voltage_v",
        "meter_current_a",
        "meter_power_w",
        "meter_energy_wh",
    }


def test_the_acrel_meter_is_read_in_one_request_with_its_exponents() -> None:
    meter = Meter(ACREL, 1, 1.0)
    [request] = meter.requests(0.0)
    assert (request.address, request.function, request.register, request.count) == (1, 3, 0, 20)
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


@pytest.mark.parametrize("unit_wh", [0.0, -1.0, math.nan])
def test_an_energy_unit_that_is_none_is_refused(unit_wh: float) -> None:
    with pytest.raises(ValueError, match="energy_unit_wh"):
        Meter(ACREL, 1, 1.0, unit_wh)


class TestMaps:
    """What an installer or integrator who writes a map is told."""

    @staticmethod
    def changed(tmp_path: Path, old: str, new: str, count: int = 1) -> Path:
        text = (MAPS / "acrel-djsf1352-rn.toml").read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "acrel-djsf1352-rn.toml"
        path.write_text(text.replace(old, new, count), encoding="utf-8")
        return path

    @pytest.mark.parametrize(
        ("old", "new", "key", "what"),
        [
            ("minimum_gap_ms = 20", "minimum_gap_ms = -1", "minimum_gap_ms", ">= 0"),
            ("minimum_gap_ms = 20", "minimum_gap = 20", "minimum_gap", "did you mean `minimum_gap_ms`"),
            ("count = 20", "count = 21", "blocks[0].count", "maximum_registers"),
            ("count = 20", "count = 13", "fields[3].register", "not within block live"),
            ("register = 12", "register = 19", "fields[3].register", "not within block live"),
            ("exponent_register = 3", "exponent_register = 30", "fields[1].exponent_register", "together"),
            ('type = "u32"', 'type = "f32"', "fields[3].type", "not fit for billing"),
            ('type = "u32"', 'type = "u33"', "fields[3].type", "u33"),
            ('unit = "Wh"', 'unit = "kWh"', "fields[3].unit", "is in Wh, not kWh"),
            ('signal = "meter_power_w"', 'signal = "meter_powr_w"', "fields[2].signal", "did you mean meter_power_w"),
            (
                'signal = "meter_power_w"\nblock = "live"\nregister = 8\ntype = "i16"\nunit = "W"',
                'signal = "meter_voltage_v"\nblock = "live"\nregister = 8\ntype = "i16"\nunit = "V"',
                "fields[2].signal",
                "stands twice",
            ),
            ('block = "live"', 'block = "life"', "fields[0].block", "no block life"),
            ('unit = "Wh"', 'unit = "Wh"\nsentinels = [4294967296]', "fields[3].sentinels", "does not fit"),
            ('unit = "Wh"', 'unit = "Wh"\nscale = 0.0', "fields[3].scale", "no value"),
            ("function = 3", "function = 6", "blocks[0].function", "6"),
            ("start = 0", "start = 65530", "blocks[0].count", "past register 65535"),
            ('id = "acrel-djsf1352-rn"', 'id = "another"', "id", "not the name of the file"),
            ("schema = 1", "schema = ", "", "is not TOML"),
            ("source =", "sauce =", "sauce", "did you mean `source`"),
        ],
    )
    def test_an_error_names_file_key_and_what_is_wrong(
        self, tmp_path: Path, old: str, new: str, key: str, what: str
    ) -> None:
        path = self.changed(tmp_path, old, new)
        with pytest.raises(RegisterMapError) as caught:
            load_register_map(path)
        text = str(caught.value)
        assert str(path) in text
        assert key in text
        assert what in text

    def test_a_signal_may_not_be_missing(self, tmp_path: Path) -> None:
        text = (MAPS / "acrel-djsf1352-rn.toml").read_text(encoding="utf-8")
        path = tmp_path / "acrel-djsf1352-rn.toml"
        path.write_text(text[: text.rindex("[[fields]]")], encoding="utf-8")
        with pytest.raises(RegisterMapError, match="meter_energy_wh is missing"):
            load_register_map(path)

    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(RegisterMapError, match="cannot be read"):
            load_register_map(tmp_path / "none.toml")

    def test_sentinels_sign_and_word_order(self, tmp_path: Path) -> None:
        path = self.changed(
            tmp_path, 'unit = "Wh"', 'unit = "Wh"\nsentinels = [0xFFFFFFFF]\nword_order = "low_first"\nsign = 1'
        )
        path = tmp_path / path.name
        path.write_text(
            path.read_text(encoding="utf-8").replace('unit = "A"', 'unit = "A"\nsign = -1'), encoding="utf-8"
        )
        meter = Meter(load_register_map(path), 1, 1.0)
        readings = read(meter, acrel_registers(current=(50, 2), energy=0x0001_0002))
        assert readings["meter_energy_wh"].value == 0x0002_0001
        assert readings["meter_current_a"].value == -5.0
        assert "meter_energy_wh" not in read(meter, acrel_registers(energy=0xFFFFFFFF), 10.0)


class TestInsulationMonitor:
    """Acrel AIM-D100."""

    @staticmethod
    def read(monitor: AimD100, registers: tuple[int, ...]) -> dict[str, Reading]:
        [request] = monitor.requests(1.0)
        assert (request.function, request.register, request.count) == (3, 0x20, 6)
        return dict(monitor.accept(Result(request, registers, at_s=1.5)))

    def test_both_poles_come_from_one_request(self) -> None:
        monitor = AimD100(2)
        readings = self.read(monitor, (0b10100, 480, 5000, 3750, 3750, 7500))
        assert readings == {
            "insulation_plus_kohm": Reading(480, "kohm", 1.5),
            "insulation_minus_kohm": Reading(5000, "kohm", 1.5),
        }
        assert monitor.faults == ("insulation alarm plus", "insulation alarm minus")

    def test_all_ones_is_not_perfect_insulation(self) -> None:
        assert self.read(AimD100(2), (0, 0xFFFF, 900, 0, 0, 0)).keys() == {"insulation_minus_kohm"}

    def test_values_with_the_wiring_fault_are_suspect(self) -> None:
        readings = self.read(AimD100(2), (0x8000, 900, 900, 0, 0, 0))
        assert {r.quality for r in readings.values()} == {Quality.SUSPECT}

    def test_a_failed_read_gives_nothing_and_is_asked_again(self) -> None:
        monitor = AimD100(2, 1.0)
        [request] = monitor.requests(0.0)
        assert monitor.requests(1.0) == []
        assert monitor.accept(Result(request, error="timeout", at_s=1.2)) == []
        assert monitor.requests(1.2) == [request]
