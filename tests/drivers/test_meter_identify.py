"""Whether a map fits a meter, by code and by values: at, below and above every limit."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.meters.commissioning import IdentityCode, is_legal_setting
from drivers.meters.identify import (
    Verdict,
    code_matches,
    fits_together,
    identifying_signals,
    is_plausible,
    judge,
)
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import load_map
from hil_tests.bench.meters.line import MAPS

DC = ("meter_voltage_v", "meter_current_a", "meter_power_w", "meter_energy_wh")


@pytest.mark.parametrize(
    ("signal", "value", "possible"),
    [
        ("frequency_hz", 45.0, True),
        ("frequency_hz", 44.9, False),
        ("frequency_hz", 65.0, True),
        ("frequency_hz", 65.1, False),
        ("power_factor", 1.001, True),
        ("power_factor", -1.001, True),
        ("power_factor", 1.01, False),
        ("meter_voltage_v", 1500.0, True),
        ("meter_voltage_v", 1500.1, False),
        ("voltage_l1_v", 39.9, False),
        ("voltage_l1_v", 40.0, True),
        ("voltage_l1_v", 440.1, False),
        ("voltage_l12_v", 760.0, True),
        ("voltage_l12_v", 760.1, False),
        ("current_l1_a", -6000.0, True),
        ("current_l1_a", -6000.1, False),
        ("active_power_w", 6.0e6, True),
        ("active_power_w", 6.1e6, False),
        ("meter_energy_wh", -1, False),
        ("meter_energy_wh", 10**12, True),
        ("meter_energy_wh", 10**12 + 1, False),
        ("thd_voltage_l1_percent", 400.5, False),
        ("meter_temperature_c", 121.0, False),
        ("meter_overload", 3, True),
        ("meter_voltage_v", math.nan, False),
        ("meter_voltage_v", math.inf, False),
        ("meter_voltage_v", 1e-7, False),
        ("voltage_l1_v", 0, True),
    ],
)
def test_what_a_meter_can_show(signal: str, value: float, possible: bool) -> None:
    assert is_plausible(signal, value) is possible


@given(st.integers(1, 0x007F_FFFF))
def test_a_whole_number_read_as_a_float_is_no_voltage(number: int) -> None:
    value = struct.unpack(">f", number.to_bytes(4, "big"))[0]
    assert not is_plausible("meter_voltage_v", value)


@pytest.mark.parametrize(
    ("values", "possible"),
    [
        ({"meter_voltage_v": 400.0, "meter_current_a": 100.0, "meter_power_w": 40_000.0}, True),
        ({"meter_voltage_v": 400.0, "meter_current_a": -100.0, "meter_power_w": 40_000.0}, True),
        ({"meter_voltage_v": 400.0, "meter_current_a": 100.0, "meter_power_w": 52_001.0 / 0.9}, False),
        ({"meter_voltage_v": 400.0, "meter_current_a": 100.0, "meter_power_w": 28_001.0}, True),
        ({"meter_voltage_v": 400.0, "meter_current_a": 100.0, "meter_power_w": 27_999.0}, False),
        ({"meter_voltage_v": 400.0, "meter_current_a": 0.1, "meter_power_w": 0.0}, True),
        ({"meter_voltage_v": 400.0, "meter_current_a": 0.2, "meter_power_w": 99.0}, True),
        ({"meter_voltage_v": 0.0, "meter_current_a": 1.0, "meter_power_w": 101.0}, False),
        ({"voltage_l1_v": 230.0, "current_l1_a": 10.0, "active_power_l1_w": 2_990.0 + 100.0}, True),
        ({"voltage_l1_v": 230.0, "current_l1_a": 10.0, "active_power_l1_w": 2_990.0 + 101.0}, False),
        ({"voltage_l1_v": 230.0, "current_l1_a": 10.0, "active_power_l1_w": -500.0}, True),
        ({"voltage_l1_v": 0.0, "active_power_w": 101.0}, False),
        ({"power_factor": 0.0, "active_power_w": 18_000.0}, False),
        ({"frequency_hz": 0.0, "active_power_w": 18_000.0}, False),
        ({"frequency_hz": 0.0, "active_power_w": 99.0}, True),
        ({"frequency_hz": 50.0, "active_power_w": 18_000.0}, True),
        ({}, True),
    ],
)
def test_power_goes_with_voltage_and_current(values: dict[str, float], possible: bool) -> None:
    assert fits_together(values) is possible


def test_verdicts() -> None:
    good = {"meter_voltage_v": 400.0, "meter_current_a": 10.0, "meter_power_w": 4000.0, "meter_energy_wh": 5}
    assert judge(good, DC) is Verdict.VALUES
    assert judge(dict.fromkeys(DC, 0), DC) is Verdict.WEAK
    assert judge({**dict.fromkeys(DC, 0), "meter_energy_wh": 1000}, DC) is Verdict.WEAK
    assert judge({**good, "meter_current_a": None}, DC) is Verdict.NO
    assert judge({"meter_voltage_v": 400.0}, DC) is Verdict.NO
    assert judge({**good, "meter_power_w": 9000.0}, DC) is Verdict.NO
    assert judge({**good, "meter_voltage_v": 1e30}, DC) is Verdict.NO
    assert judge({}, ()) is Verdict.NO
    assert Verdict.NO < Verdict.WEAK < Verdict.VALUES < Verdict.CODE


def test_codes_of_models() -> None:
    sdm630 = load_map(MAPS / "eastron-sdm630.toml")
    dcm230 = load_map(MAPS / "eastron-dcm230.toml")
    assert isinstance(sdm630, RegisterMap)
    assert isinstance(dcm230, RegisterMap)
    assert code_matches(sdm630, 3, 0xFC02, 112) is True
    assert code_matches(sdm630, 3, 0xFC02, 32) is False
    assert code_matches(sdm630, 4, 0xFC02, 112) is None
    assert code_matches(dcm230, 3, 0xFC02, 112) is None


def test_no_two_maps_claim_the_same_code() -> None:
    claims = [
        (code.function, code.register, number)
        for path in sorted(MAPS.glob("*.toml"))
        if isinstance(loaded := load_map(path), RegisterMap)
        for code in loaded.identify
        for number in code.equals
    ]
    assert len(claims) == len(set(claims)) > 0


def test_every_map_has_signals_to_be_known_by() -> None:
    for path in sorted(MAPS.glob("*.toml")):
        loaded = load_map(path)
        offered = loaded.signals() if isinstance(loaded, RegisterMap) else tuple(item.signal for item in loaded.items)
        signals = identifying_signals(offered)
        assert len(signals) >= 3, path.stem
        assert any("voltage" in signal or "current" in signal for signal in signals)


def test_widths_and_legal_settings() -> None:
    assert IdentityCode(register=1, equals=[1], source="x").width == 1
    assert IdentityCode(register=1, type="u32", equals=[1], source="x").width == 2
    for value, legal in (("300", True), ("299", False), ("115200", True), ("115201", False), ("x", False)):
        assert is_legal_setting("baud", value) is legal
    for value, legal in (("8N1", True), ("8E2", True), ("7E1", False), ("8X1", False), ("8N3", False), ("8N", False)):
        assert is_legal_setting("frame", value) is legal
