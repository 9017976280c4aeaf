"""The CAN database against cantools: it loads, and reads from every payload what the own codec reads."""

from typing import Any

import pytest
from bms_values import values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gbt27930.messages.dbc import LONGEST_SYMBOL, dbc_text, signals
from drivers.gbt27930.messages.fields import Field, Kind, Message, Sender
from drivers.gbt27930.messages.table import MESSAGES, decode, encode

cantools = pytest.importorskip("cantools")


@pytest.fixture(scope="module")
def database() -> Any:
    return cantools.database.load_string(dbc_text(), database_format="dbc", strict=True)


def test_database_holds_every_message_as_it_is_sent(database: Any) -> None:
    assert {message.name for message in database.messages} == set(MESSAGES)
    for message in MESSAGES.values():
        entry = database.get_message_by_name(message.name)
        assert entry.is_extended_frame
        assert entry.frame_id == message.identifier
        assert entry.length == (message.length or message.largest_length)
        assert entry.cycle_time == message.period_ms
        assert entry.protocol == "j1939"
        assert entry.senders == ["Charger" if message.sender is Sender.CHARGER else "BMS"]
        receiver = "BMS" if message.sender is Sender.CHARGER else "Charger"
        assert all(signal.receivers == [receiver] for signal in entry.signals)
        assert message.clause in entry.comment
        assert message.en in entry.comment


def test_addresses_and_speed(database: Any) -> None:
    assert {node.name: node.dbc.attributes["NmStationAddress"].value for node in database.nodes} == {
        "Charger": 0x56,
        "BMS": 0xF4,
    }
    assert database.buses == [] or database.buses[0].baudrate == 250000
    assert database.dbc.attributes["Baudrate"].value == 250000


def test_signals_carry_number_names_and_remarks(database: Any) -> None:
    current = database.get_message_by_name("BCL").get_signal_by_name("current_a")
    assert (current.spn, current.scale, current.offset, current.unit) == (3073, 0.1, -400, "A")
    assert (current.minimum, current.maximum) == (-400, 0)
    assert "Positive is discharge, negative is charge" in current.comment
    added = database.get_message_by_name("CEM").get_signal_by_name("bsm_timeout")
    assert "Since the 2023 edition" in added.comment
    assert added.choices == {0: "normal", 1: "time-out", 2: "untrusted"}
    cells = database.get_message_by_name("BMV")
    assert [cells.get_signal_by_name(f"cell_voltages_v_{at}").spn for at in (1, 2, 256)] == [3101, 3102, 3356]
    assert database.get_message_by_name("BMT").get_signal_by_name("temperatures_c_128").spn == 3488
    assert database.get_message_by_name("CTS").get_signal_by_name("second").comment.count("BCD") == 1


def test_names_that_are_too_long_for_old_tools_are_told_in_full(database: Any) -> None:
    long = [signal for message in MESSAGES.values() for signal in signals(message) if signal.name != signal.symbol]
    assert [signal.name for signal in long] == ["output_connector_over_temperature"]
    assert long[0].name in database.get_message_by_name("BST").signal_tree
    for message in MESSAGES.values():
        symbols = [signal.symbol for signal in signals(message)]
        assert len(set(symbols)) == len(symbols)
        assert all(len(symbol) <= LONGEST_SYMBOL and symbol.isidentifier() for symbol in symbols)


def test_text_is_plain_ascii() -> None:
    assert dbc_text().isascii()
    assert "\t" not in dbc_text()


def agrees(message: Message, field: Field, name: str, wire: Any, ours: Any) -> bool:
    """Whether the database's reading ``wire`` of a field and our own value say the same."""
    if field.kind is Kind.VERSION:
        return bool(ours == f"{wire[f'{name}_major']}.{wire[f'{name}_minor']}")
    if field.kind is Kind.SOFTWARE_DATE:
        number, day, month, year = (wire[f"{name}_{part}"] for part in ("number", "day", "month", "year"))
        if ours is None:
            return bool((number, day, month, year) == (255, 255, 255, 65535))
        if "." in ours:
            return bool(ours == f"{year}-{month:02}-{day:02}.{number}")
        return bool(bytes.fromhex(ours)[:5] == bytes((number, day, month)) + year.to_bytes(2, "little"))
    if field.kind in (Kind.TEXT, Kind.RAW):
        data = bytes(wire[f"{name}_{at + 1}"] for at in range(field.bits // 8))
        if field.kind is Kind.RAW:
            return bool(ours == data)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data.rstrip(b"\x00\xff "))
        return bool(ours == (text or None))
    value = wire[name]
    if field.kind is Kind.BCD:
        return ours is None or bool(int(f"{value:x}") == ours)
    if field.kind is Kind.FLAG:
        return {field.false_raw: False, field.true_raw: True}.get(value) is ours
    if field.kind is Kind.CODE:
        return bool(ours == value) if ours is not None else value == field.ones
    if ours is not None:
        return bool(ours == pytest.approx(field.direction * value, abs=1e-6))
    low = -1e12 if field.minimum is None else field.minimum
    high = 1e12 if field.maximum is None else field.maximum
    unused = round((value * field.per_unit) + field.zero) == field.ones
    return not low <= field.direction * value <= high or (field.optional and unused)


def compare(database: Any, message: Message, payload: bytes) -> None:
    wire = database.decode_message(
        message.name, payload, decode_choices=False, allow_truncated=len(payload) < message.largest_length
    )
    ours = decode(message.name, payload)
    for field in message.fields:
        if not message.item_bytes:
            assert agrees(message, field, field.name, wire, ours[field.name]), (field.name, ours[field.name])
            continue
        for at, value in enumerate(ours[field.name]):
            assert agrees(message, field, f"{field.name}_{at + 1}", wire, value), (field.name, at, value)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_database_reads_what_we_write(database: Any, data: Any) -> None:
    message = data.draw(st.sampled_from(list(MESSAGES.values())))
    compare(database, message, encode(message.name, data.draw(values_of(message))))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_database_reads_any_payload_as_we_do(database: Any, data: Any) -> None:
    message = data.draw(st.sampled_from(list(MESSAGES.values())))
    items = data.draw(st.integers(1, message.maximum_items)) if message.item_bytes else 0
    size = items * message.item_bytes or message.length
    compare(database, message, data.draw(st.binary(min_size=size, max_size=size)))


def test_names_of_values_come_out(database: Any) -> None:
    read = database.decode_message("BST", encode("BST", {"insulation_fault": 1}))
    assert str(read["insulation_fault"]) == "fault"
    assert str(database.decode_message("CRM", bytes.fromhex("aa04030201ffffff"))["recognised"]) == "recognised"
