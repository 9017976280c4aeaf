"""Byte vectors worked out by hand from the field tables of GB/T 27930-2015 and from recorded sessions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gbt27930.messages.table import (
    CHARGER_ADDRESS,
    MESSAGES,
    VEHICLE_ADDRESS,
    MessageError,
    Sender,
    decode,
    encode,
    identifier_of,
    message_of,
)

OVERVIEW = {
    # name: identifier, period in ms, length
    "CHM": (0x1826F456, 250, 3),
    "BHM": (0x182756F4, 250, 2),
    "CRM": (0x1801F456, 250, 8),
    "BRM": (0x1C0256F4, 250, 49),
    "BCP": (0x1C0656F4, 500, 13),
    "CTS": (0x1807F456, 500, 7),
    "CML": (0x1808F456, 250, 8),
    "BRO": (0x100956F4, 250, 1),
    "CRO": (0x100AF456, 250, 1),
    "BCL": (0x181056F4, 50, 5),
    "BCS": (0x1C1156F4, 250, 9),
    "CCS": (0x1812F456, 50, 7),
    "BSM": (0x181356F4, 250, 7),
    "BMV": (0x1C1556F4, 10000, 0),
    "BMT": (0x1C1656F4, 10000, 0),
    "BSP": (0x1C1756F4, 10000, 0),
    "BST": (0x101956F4, 10, 4),
    "CST": (0x101AF456, 10, 4),
    "BSD": (0x181C56F4, 250, 7),
    "CSD": (0x181DF456, 250, 8),
    "BEM": (0x081E56F4, 250, 4),
    "CEM": (0x081FF456, 250, 4),
}

FAULTS_OF_BST = (
    "soc_target_reached", "voltage_target_reached", "cell_voltage_target_reached", "stopped_by_charger",
    "insulation_fault", "output_connector_over_temperature", "bms_over_temperature", "charging_connector_fault",
    "battery_over_temperature", "high_voltage_relay_fault", "detection_point_2_fault", "other_fault",
    "over_current", "voltage_abnormal", "parameter_mismatch",
)  # fmt: skip

BYTES = [
    ("CHM", {"version": "1.1"}, "010100"),
    ("CHM", {"version": "1.0"}, "000100"),
    ("BHM", {"maximum_voltage_v": 500.0}, "8813"),
    ("CRM", {"recognised": False, "charger_number": 1, "area_code": b"UA "}, "0001000000554120"),
    ("CRM", {"recognised": True, "charger_number": 0x01020304}, "aa04030201ffffff"),
    (
        "BRM",
        {
            "version": "1.1", "battery_type": 3, "rated_capacity_ah": 120.5, "rated_voltage_v": 350.0, "maker": "CATL",
            "pack_serial": 0x01020304, "production_year": 2015, "production_month": 12, "production_day": 31,
            "charge_count": 300, "battery_owned_by_vehicle": True, "vin": "LSVAA4182E2000001",
            "software_version": "2026-03-19.1",
        },
        "010100" "03" "b504" "ac0d" "4341544c" "04030201" "1e" "0c" "1f" "2c0100" "01" "ff"
        "4c53564141343138324532303030303031" "011303ea07ffffff",
    ),
    (
        "BCP",
        {
            "maximum_cell_voltage_v": 3.65, "maximum_current_a": 100.0, "nominal_energy_kwh": 42.0,
            "maximum_voltage_v": 420.0, "maximum_temperature_c": 55, "soc_percent": 20.5, "battery_voltage_v": 340.0,
        },
        "6d01" "b80b" "a401" "6810" "69" "cd00" "480d",
    ),
    ("CTS", {"year": 2015, "month": 12, "day": 31, "hour": 23, "minute": 59, "second": 8}, "08592331121520"),
    ("CTS", {}, "ffffffffffffff"),
    (
        "CML",
        {"maximum_voltage_v": 750, "minimum_voltage_v": 200, "maximum_current_a": 250, "minimum_current_a": 0},
        "4c1dd007dc05a00f",
    ),
    ("BRO", {"ready": False}, "00"),
    ("BRO", {"ready": True}, "aa"),
    ("CRO", {"ready": None}, "ff"),
    ("BCL", {"voltage_v": 410.0, "current_a": 100.0, "mode": 2}, "0410b80b02"),
    ("BCL", {"voltage_v": 410.0, "current_a": 0.0, "mode": 1}, "0410a00f01"),
    (
        "BCS",
        {
            "voltage_v": 345.0, "current_a": 79.5, "maximum_cell_voltage_v": 3.4, "maximum_cell_group": 2,
            "soc_percent": 21, "remaining_min": 40,
        },
        "7a0d850c5421152800",
    ),
    ("CCS", {"voltage_v": 345.2, "current_a": 80.0, "minutes": 61, "permitted": True}, "7c0d800c3d00fd"),
    ("CCS", {"voltage_v": 0, "current_a": 0, "minutes": 0, "permitted": False}, "0000a00f0000fc"),
    (
        "BSM",
        {
            "maximum_cell_number": 256, "highest_temperature_c": 31, "highest_temperature_point": 3,
            "lowest_temperature_c": -50, "lowest_temperature_point": 1, "cell_voltage_state": 2, "soc_state": 1,
            "over_current_state": 0, "over_temperature_state": 2, "insulation_state": 1, "connector_state": 0,
            "charging_permitted": True,
        },
        "ff5102000086d1",
    ),
    ("BMV", {"cell_voltages_v": [3.3, None], "cell_groups": [1, 15]}, "4a11ffff"),
    ("BMT", {"temperatures_c": [20, -10, None]}, "4628ff"),
    ("BSP", {"reserved": [1, 255]}, "01ff"),
    ("BST", dict.fromkeys(FAULTS_OF_BST[:14], 0) | {"parameter_mismatch": None, "stopped_by_charger": 1}, "400000f0"),
    ("BST", dict.fromkeys(FAULTS_OF_BST, 0) | {"insulation_fault": 1, "parameter_mismatch": 1}, "000100d0"),
    (
        "BSD",
        {
            "soc_percent": 80, "minimum_cell_voltage_v": 3.3, "maximum_cell_voltage_v": 3.4,
            "lowest_temperature_c": 28, "highest_temperature_c": 33,
        },
        "504a0154014e53",
    ),
    ("CSD", {"minutes": 61, "energy_kwh": 12.3, "charger_number": 4711}, "3d007b0067120000"),
]  # fmt: skip


def test_table_holds_every_message_with_identifier_period_and_length() -> None:
    assert {name: (m.identifier, m.period_ms, m.length) for name, m in MESSAGES.items()} == OVERVIEW
    assert all(identifier_of(name) == row[0] for name, row in OVERVIEW.items())
    assert all(MESSAGES[name].sender is (Sender.CHARGER if name[0] == "C" else Sender.VEHICLE) for name in MESSAGES)


def test_pgn_of_a_sender_finds_the_message() -> None:
    assert message_of(VEHICLE_ADDRESS, 0x0200) is MESSAGES["BRM"]
    assert message_of(CHARGER_ADDRESS, 0x0200) is None


def test_no_two_fields_of_a_message_overlap() -> None:
    for message in MESSAGES.values():
        taken = 0
        for field in message.fields:
            mask = field.ones << field.shift
            assert not taken & mask, (message.name, field.name)
            taken |= mask
            assert field.last_byte <= (message.item_bytes or message.length)


@pytest.mark.parametrize(("name", "values", "payload"), BYTES)
def test_bytes_and_values_of_messages(name: Any, values: Any, payload: Any) -> None:
    assert encode(name, values).hex() == payload
    decoded = decode(name, bytes.fromhex(payload))
    assert {key: decoded[key] for key in values} == {
        key: b"\xff\xff\xff" if key == "area_code" and value is None else value for key, value in values.items()
    }


@pytest.mark.parametrize(
    ("name", "values", "payload"),
    [
        ("BST", {}, "000000f0"),
        ("CST", {"stopped_by_vehicle": 1}, "4000f0f0"),
        ("CST", {"manual_stop": 1}, "0400f0f0"),
        ("CST", {"condition_reached": 1}, "0100f0f0"),
        ("CST", {"fault_stop": 1, "emergency_stop": 1}, "1000f1f0"),
        ("CST", {"fault_stop": 1, "other_fault": 1}, "1000f4f0"),
        ("CST", {"fault_stop": 1, "self_test_fault": 1, "precharge_fault": 0}, "100010f0"),
        ("CST", {"fault_stop": 1, "self_test_fault": 0, "precharge_fault": 1}, "100040f0"),
        ("CST", {"current_mismatch": 1, "voltage_abnormal": 1}, "0000f0f5"),
        ("CST", {"charger_over_temperature": 1, "connector_fault": 1}, "0005f0f0"),
        ("CST", {"internal_over_temperature": 1, "energy_transfer_impossible": 1}, "0050f0f0"),
        ("BEM", {}, "f0f0f0fc"),
        ("BEM", {"crm_not_recognised_timeout": 1, "crm_recognised_timeout": 1}, "f5f0f0fc"),
        ("BEM", {"cts_cml_timeout": 1, "cro_timeout": 1}, "f0f5f0fc"),
        ("BEM", {"ccs_timeout": 1, "cst_timeout": 1, "csd_timeout": 1}, "f0f0f5fd"),
        ("CEM", {}, "fcf0c0fc"),
        ("CEM", {"brm_timeout": 1}, "fdf0c0fc"),
        ("CEM", {"bcp_timeout": 1, "bro_timeout": 1}, "fcf5c0fc"),
        ("CEM", {"bcs_timeout": 1, "bcl_timeout": 1, "bst_timeout": 1}, "fcf0d5fc"),
        ("CEM", {"bsd_timeout": 1}, "fcf0c0fd"),
        ("CEM", {"bsm_timeout": 1}, "fcf0c0f4"),
    ],
)
def test_states_left_out_are_normal_and_spare_bits_are_ones(name: Any, values: Any, payload: Any) -> None:
    assert encode(name, values).hex() == payload


def test_spare_bits_are_not_looked_at() -> None:
    assert decode("CCS", bytes.fromhex("0000a00f000001"))["permitted"] is True  # LOG: a charger with zeros there
    assert decode("BSM", bytes.fromhex("00000000000010"))["charging_permitted"] is True
    assert decode("BEM", bytes.fromhex("00000100"))["ccs_timeout"] == 1


@pytest.mark.parametrize(
    ("name", "payload", "field"),
    [
        ("BRO", "01", "ready"),
        ("BSM", "00000000000020", "charging_permitted"),
        ("BCL", "ffffa00f01", "voltage_v"),
        ("BCL", "0410ffff01", "current_a"),
        ("BCL", "0410a10f01", "current_a"),  # a demand to discharge
        ("BCL", "0410b80b03", "mode"),
        ("BCL", "0410b80b00", "mode"),
        ("BCS", "7a0d850c5421ff2800", "soc_percent"),
        ("CTS", "6a592331121520", "second"),
        ("CTS", "60592331121520", "second"),
        ("BST", "000000f0", "parameter_mismatch"),
    ],
)
def test_what_is_unused_or_out_of_range_reads_as_none(name: Any, payload: Any, field: Any) -> None:
    assert decode(name, bytes.fromhex(payload.ljust(18 if name == "BCS" else len(payload), "0")))[field] is None


def test_brm_of_41_bytes_has_no_software_version() -> None:
    long = encode("BRM", {"version": "1.0", "battery_type": 1, "rated_capacity_ah": 1, "rated_voltage_v": 2})
    values = decode("BRM", long[:41])
    assert values["software_version"] is None
    assert (values["version"], values["vin"], values["maker"], values["production_year"]) == ("1.0", None, None, None)
    assert decode("BRM", long)["software_version"] is None
    assert (values["pack_serial"], values["charge_count"], values["battery_owned_by_vehicle"]) == (None, None, None)


def test_ccs_of_six_and_eight_bytes() -> None:
    assert decode("CCS", bytes.fromhex("7c0d800c3d00"))["permitted"] is None
    assert decode("CCS", bytes.fromhex("7c0d800c3d00fdff"))["permitted"] is True


@pytest.mark.parametrize(
    ("name", "payload", "text"),
    [
        ("BRM", bytes(40), "BRM has 40 bytes, expected 49 or 41"),
        ("CCS", bytes(5), "CCS has 5 bytes, expected 7 or 6 or 8"),
        ("BCL", bytes(8), "BCL has 8 bytes, expected 5"),
        ("BMV", bytes(3), "BMV has 3 bytes"),
        ("BMV", bytes(514), "BMV has 514 bytes, expected 1 to 256 items of 2"),
        ("BMT", b"", "BMT has 0 bytes"),
        ("XYZ", b"", "there is no message XYZ"),
    ],
)
def test_wrong_length_is_refused_in_plain_words(name: Any, payload: Any, text: Any) -> None:
    with pytest.raises(MessageError, match=text):
        decode(name, payload)


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("BCL", {"voltage_v": 1, "current_a": 1}, "BCL needs mode"),
        ("BCL", {"voltage_v": 1500.1, "current_a": 1, "mode": 1}, "BCL voltage_v: 1500.1 does not fit: outside 0"),
        ("BCL", {"voltage_v": 1, "current_a": 400.1, "mode": 1}, "outside 0.0 to 400.0 A"),
        ("BCL", {"voltage_v": float("nan"), "current_a": 1, "mode": 1}, "voltage_v: nan"),
        ("BCL", {"voltage_v": "x", "current_a": 1, "mode": 1}, "voltage_v: 'x'"),
        ("BCL", {"volts": 1}, "BCL has no field volts"),
        ("CRM", {"recognised": True, "charger_number": 1 << 32}, "charger_number: 4294967296 does not fit: needs more"),
        ("CRM", {"recognised": True, "charger_number": 1, "area_code": b"long"}, "longer than 3 bytes"),
        ("CHM", {"version": "1"}, "CHM version: '1'"),
        ("CTS", {"second": 60}, "CTS second: 60 does not fit: outside 0 to 59"),
        ("CST", {"manual_stop": 4}, "needs more than 2 bits"),
        ("BMV", {"cell_voltages_v": [3.3]}, "BMV needs cell_groups, cell_voltages_v as lists of one length"),
        ("BMT", {"temperatures_c": []}, "1 to 128 items"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_plain_words(name: Any, values: Any, text: Any) -> None:
    with pytest.raises(MessageError, match=text):
        encode(name, values)


def test_durations_above_the_range_are_written_as_its_end() -> None:
    payload = encode("CSD", {"minutes": 1000, "energy_kwh": 5000.0, "charger_number": 0})
    assert decode("CSD", payload) == {"minutes": 600, "energy_kwh": 1000.0, "charger_number": 0}


def test_text_and_software_version_of_careless_makers() -> None:
    base = encode("BRM", {"version": "1.1", "battery_type": 255, "rated_capacity_ah": 1, "rated_voltage_v": 2})
    odd = base[:8] + b"AB\x01\x00" + base[12:24] + b"\x00" * 17 + bytes.fromhex("0102030405060708")
    values = decode("BRM", odd)
    assert (values["maker"], values["vin"], values["software_version"]) == ("AB?", None, "0102030405060708")
    again = encode("BRM", {**values, "maker": None})
    assert again[-8:].hex() == "0102030405060708"


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=600))
def test_reading_gives_values_or_a_message_error(name: Any, payload: Any) -> None:
    try:
        values = decode(name, payload)
    except MessageError:
        return
    assert set(values) == {field.name for field in MESSAGES[name].fields}


@given(st.floats(0, 1500), st.floats(0, 400), st.integers(1, 2))
def test_demand_survives_the_wire_within_half_a_step(voltage_v: Any, current_a: Any, mode: Any) -> None:
    values = decode("BCL", encode("BCL", {"voltage_v": voltage_v, "current_a": current_a, "mode": mode}))
    assert abs(values["voltage_v"] - voltage_v) <= 0.0501
    assert abs(values["current_a"] - current_a) <= 0.0501
    assert values["mode"] == mode
