"""Insulation monitors that are register maps: what their replies become."""

import struct
from pathlib import Path

import msgspec
import pytest

from drivers.insulation.monitor import RegisterMonitor
from drivers.insulation.register_map import InsulationMap, insulation_map_mistakes, load_insulation_map
from drivers.line.owner import Result
from drivers.modbus.codec import Request
from drivers.reading import Quality, Reading

MAPS = Path(__file__).resolve().parents[2] / "config" / "insulation_monitors"
ACREL = load_insulation_map(MAPS / "acrel-aim-d100.toml")
BENDER = load_insulation_map(MAPS / "bender-isocha425.toml")


def read(monitor: RegisterMonitor, registers: tuple[int, ...], start: int = 0x20) -> dict[str, Reading]:
    [request] = [r for r in monitor.requests(1.0) if r.register == start]
    assert (request.function, request.count) == (3, len(registers))
    return dict(monitor.accept(Result(request, registers, at_s=1.5)))


def value_block(value: float, alarm: int = 0, test: int = 0, validity: int = 0) -> tuple[int, ...]:
    return (*struct.unpack(">HH", struct.pack(">f", value)), test << 14 | alarm << 8 | validity << 6 | 3, 0)


class TestAcrel:
    def test_both_poles_come_from_one_request(self) -> None:
        monitor = RegisterMonitor(ACREL, 2)
        readings = read(monitor, (0b10100, 480, 5000, 3750, 3750, 7500))
        assert readings == {
            "insulation_plus_kohm": Reading(480, "kohm", 1.5),
            "insulation_minus_kohm": Reading(5000, "kohm", 1.5),
        }
        assert [name for _, name in monitor.conditions] == ["insulation alarm plus", "insulation alarm minus"]
        assert monitor.values["insulation_system_v"] == Reading(750.0, "V", 1.5)

    def test_all_ones_is_not_perfect_insulation(self) -> None:
        readings = read(RegisterMonitor(ACREL, 2), (0, 0xFFFF, 900, 0, 0, 0))
        assert readings["insulation_plus_kohm"].quality is Quality.FAILED
        assert readings["insulation_minus_kohm"].quality is Quality.GOOD

    def test_a_pattern_without_value_is_failed_within_the_range_too(self) -> None:
        fields = [msgspec.structs.replace(field, no_value=[9999]) for field in ACREL.fields]
        monitor = RegisterMonitor(msgspec.structs.replace(ACREL, fields=fields), 2)
        readings = read(monitor, (0, 9999, 9998, 0, 0, 0))
        assert [reading.quality for reading in readings.values()] == [Quality.FAILED, Quality.GOOD]

    @pytest.mark.parametrize(("kohm", "quality"), [(10000, Quality.GOOD), (10001, Quality.FAILED)])
    def test_a_value_past_the_range_is_failed(self, kohm: int, quality: Quality) -> None:
        readings = read(RegisterMonitor(ACREL, 2), (0, 900, kohm, 0, 0, 0))
        assert readings["insulation_minus_kohm"].quality is quality

    def test_values_with_the_wiring_fault_are_suspect(self) -> None:
        readings = read(RegisterMonitor(ACREL, 2), (0x8000, 900, 900, 0, 0, 0))
        assert {r.quality for r in readings.values()} == {Quality.SUSPECT}

    def test_a_failed_read_gives_nothing_and_is_asked_again(self) -> None:
        monitor = RegisterMonitor(ACREL, 2, 1.0)
        [request] = monitor.requests(0.0)
        assert monitor.requests(1.0) == []
        assert monitor.accept(Result(request, error="timeout", at_s=1.2)) == []
        assert monitor.requests(1.2) == [request]
        assert monitor.next_due(1.3) > 1.3

    def test_a_result_of_something_else_is_nothing(self) -> None:
        assert RegisterMonitor(ACREL, 2).accept(Result(Request(2, 3, 0x20, 6, tag="x"), (0,) * 6, at_s=1.0)) == []


class TestBender:
    def test_one_total_resistance_counts_for_both_poles(self) -> None:
        readings = read(RegisterMonitor(BENDER, 3), value_block(250_000.0), 1000)
        assert readings == {
            "insulation_plus_kohm": Reading(250.0, "kohm", 1.5),
            "insulation_minus_kohm": Reading(250.0, "kohm", 1.5),
        }

    @pytest.mark.parametrize(
        ("word", "name", "quality"),
        [
            ({"alarm": 1}, "insulation pre-warning", Quality.GOOD),
            ({"alarm": 2}, "device error", Quality.FAILED),
            ({"alarm": 3}, "unknown status code 3", Quality.FAILED),
            ({"alarm": 5}, "insulation alarm", Quality.GOOD),
            ({"test": 1}, "internal test runs", Quality.SUSPECT),
            ({"test": 2}, "external test runs", Quality.SUSPECT),
            ({"validity": 1}, "true value is smaller", Quality.SUSPECT),
            ({"validity": 2}, "true value is bigger", Quality.GOOD),
            ({"validity": 3}, "value invalid", Quality.FAILED),
            ({"test": 1, "validity": 3}, "internal test runs", Quality.FAILED),
        ],
    )
    def test_the_status_word_judges_the_value(self, word: dict[str, int], name: str, quality: Quality) -> None:
        monitor = RegisterMonitor(BENDER, 3)
        readings = read(monitor, value_block(250_000.0, **word), 1000)
        assert {reading.quality for reading in readings.values()} == {quality}
        assert monitor.conditions[0][1] == name

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 30e6])
    def test_what_cannot_be_a_resistance_is_failed_and_finite(self, value: float) -> None:
        readings = read(RegisterMonitor(BENDER, 3), value_block(value), 1000)
        assert {reading.quality for reading in readings.values()} == {Quality.FAILED}
        assert all(abs(reading.value) < 1e9 for reading in readings.values())

    def test_its_own_voltages_are_kept_apart(self) -> None:
        monitor = RegisterMonitor(BENDER, 3)
        registers = (*value_block(380.0), *value_block(-370.0, validity=3))
        assert read(monitor, registers, 1016) == {}
        assert monitor.values["insulation_plus_v"] == Reading(380.0, "V", 1.5)
        assert monitor.values["insulation_minus_v"].quality is Quality.FAILED
        assert monitor.conditions == (("L2 电压无效", "voltage of L2 invalid"),)


def changed(**what: object) -> list[str]:
    data = msgspec.to_builtins(ACREL) | what
    return [f"{each.place}: {each.en}" for each in insulation_map_mistakes(msgspec.convert(data, InsulationMap))]


def test_errors_of_a_map() -> None:
    fields = msgspec.to_builtins(ACREL.fields)
    flags = msgspec.to_builtins(ACREL.flags)
    assert changed() == []
    assert "fields: insulation_minus_kohm is missing" in changed(fields=fields[:1])
    assert "fields[0].signals: unknown name insulation_pluss_kohm" in changed(
        fields=[{**fields[0], "signals": ["insulation_pluss_kohm"]}, *fields[1:]]
    )
    assert "fields[5].signals: insulation_plus_kohm is delivered twice" in changed(fields=[*fields, fields[0]])
    assert "fields[0].unit: is not the unit of insulation_plus_kohm" in changed(
        fields=[{**fields[0], "unit": "V"}, *fields[1:]]
    )
    assert "fields[0].highest: is not above lowest" in changed(fields=[{**fields[0], "highest": 0.0}, *fields[1:]])
    assert "fields[4].register: 37 is in no block" in changed(blocks=[{"start": 0x20, "count": 5}])
    assert "flags[0].fields: unknown name nothing" in changed(flags=[{**flags[0], "fields": ["nothing"]}])
    split = changed(blocks=[{"start": 0x20, "count": 1}, {"start": 0x21, "count": 5}], flags=flags[:1])
    assert split[0] == "flags[0].register: does not come in one block with insulation_plus_kohm"
    same = changed(blocks=[{"start": 0x20, "count": 6}, {"start": 0x30, "count": 6}])
    assert same == ["blocks: two blocks have the same count"]
