"""The message table against the field lists of the standard, and every field at, below and above its limits."""

from typing import Any

import pytest
from bms_values import raw_range, value_at, values_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gbt27930.messages.fields import Field, Kind, Message
from drivers.gbt27930.messages.table import MESSAGES, MessageError, decode, encode

FIELDS = """
CHM 2600 1 24 version
BHM 2601 1 16 0.1 0 0 6553.5
CRM 2560 1 8 flag:00:AA | 2561 2 32 1 0 | 2562 6 24 raw
BRM 2565 1 24 version | 2566 4 8 code | 2567 5 16 0.1 0 0 1000 | 2568 7 16 0.1 0 0 1500 | 2569 9 32 text
BRM 2570 13 32 1 0 | 2571 17 8 1 1985 1985 2235 | 2571 18 8 1 0 1 12 | 2571 19 8 1 0 1 31 | 2572 20 24 1 0
BRM 2573 23 8 flag:0:1 | 2574 24 8 code | 2575 25 136 text | 2576 42 64 software date
BCP 2816 1 16 0.01 0 0 24 | 2817 3 16 0.1 -400 -400 0 | 2818 5 16 0.1 0 0 1000 | 2819 7 16 0.1 0 0 1500
BCP 2820 9 8 1 -50 -50 200 | 2821 10 16 0.1 0 0 100 | 2822 12 16 0.1 0 0 1500
CTS 2823 1 8 bcd 0 59 | 2823 2 8 bcd 0 59 | 2823 3 8 bcd 0 23 | 2823 4 8 bcd 1 31 | 2823 5 8 bcd 1 12
CTS 2823 6 16 bcd 0 9999
CML 2824 1 16 0.1 0 0 1500 | 2825 3 16 0.1 0 0 1500 | 2826 5 16 0.1 -400 -400 0 | 2827 7 16 0.1 -400 -400 0
BRO 2829 1 8 flag:00:AA
CRO 2830 1 8 flag:00:AA
BCL 3072 1 16 0.1 0 0 1500 | 3073 3 16 0.1 -400 -400 0 | 3074 5 8 1 0 1 2
BCS 3075 1 16 0.1 0 0 1500 | 3076 3 16 0.1 -400 -400 400 | 3077 5 12 0.01 0 0 24 | 3077 6.5 4 1 0 0 15
BCS 3078 7 8 1 0 0 100 | 3079 8 16 1 0 0 600
CCS 3081 1 16 0.1 0 0 1500 | 3082 3 16 0.1 -400 -400 400 | 3083 5 16 1 0 0 600 | 3929 7 2 flag:0:1
BSM 3085 1 8 1 1 1 256 | 3086 2 8 1 -50 -50 200 | 3087 3 8 1 1 1 128 | 3088 4 8 1 -50 -50 200 | 3089 5 8 1 1 1 128
BSM 3090 6 2 code | 3091 6.3 2 code | 3092 6.5 2 code | 3093 6.7 2 code | 3094 7 2 code | 3095 7.3 2 code
BSM 3096 7.5 2 flag:0:1
BMV 3101 1 12 0.01 0 0 24 | 3101 2.5 4 1 0 0 15
BMT 3361 1 8 1 -50 -50 200
BSP 3491 1 8 code
BST 3511 1 2 code | 3511 1.3 2 code | 3511 1.5 2 code | 3511 1.7 2 code
BST 3512 2 2 code | 3512 2.3 2 code | 3512 2.5 2 code | 3512 2.7 2 code
BST 3512 3 2 code | 3512 3.3 2 code | 3512 3.5 2 code | 3512 3.7 2 code
BST 3513 4 2 code | 3513 4.3 2 code | 3513 4.5 2 code
CST 3521 1 2 code | 3521 1.3 2 code | 3521 1.5 2 code | 3521 1.7 2 code
CST 3522 2 2 code | 3522 2.3 2 code | 3522 2.5 2 code | 3522 2.7 2 code
CST 3522 3 2 code | 3522 3.3 2 code | 3522 3.5 2 code | 3522 3.7 2 code
CST 3523 4 2 code | 3523 4.3 2 code
BSD 3601 1 8 1 0 0 100 | 3602 2 16 0.01 0 0 24 | 3603 4 16 0.01 0 0 24 | 3604 6 8 1 -50 -50 200 | 3605 7 8 1 -50 -50 200
CSD 3611 1 16 1 0 0 600 | 3612 3 16 0.1 0 0 1000 | 3613 5 32 1 0
BEM 3901 1 2 code | 3902 1.3 2 code | 3903 2 2 code | 3904 2.3 2 code | 3905 3 2 code | 3906 3.3 2 code | 3907 4 2 code
CEM 3921 1 2 code | 3922 2 2 code | 3923 2.3 2 code | 3924 3 2 code | 3925 3.3 2 code | 3926 3.5 2 code | 3927 4 2 code
CEM 3928 4.3 2 code
"""
"""Written down from the tables of the standard with the sign of the wire: SPN, byte.bit, bits, step, offset, range."""

ADDED_2023 = {"CST self_test_fault", "CST precharge_fault", "BST parameter_mismatch", "CEM bsm_timeout"}

EVERY_FIELD = [(message, field) for message in MESSAGES.values() for field in message.fields]
NUMBERS = [(message, field) for message, field in EVERY_FIELD if field.kind is Kind.NUMBER]


def described(message: Message, field: Field) -> str:
    place = f"{field.byte}.{field.bit}" if field.bit != 1 else f"{field.byte}"
    text = f"{message.name} {field.spn} {place} {field.bits} "
    if field.kind is Kind.FLAG:
        width = 2 if field.true_raw == 0xAA else 1
        return text + f"flag:{field.false_raw:0{width}X}:{field.true_raw:0{width}X}"
    ends = ""
    if field.minimum is not None and field.maximum is not None:
        low, high = sorted((field.direction * field.minimum, field.direction * field.maximum))
        ends = f" {low:g} {high:g}"
    if field.kind is Kind.NUMBER:
        return text + f"{1 / field.per_unit:g} {-field.zero / field.per_unit:g}{ends}".replace(" -0", " 0")
    return f"{text}{field.kind.value}{ends}"


def ident(pair: Any) -> str:
    return f"{pair[0].name}.{pair[1].name}"


def build(message: Message, **changed: Any) -> bytes:
    """A payload in which only ``changed`` matters."""
    values = {field.name: _some(field) for field in message.fields} | changed
    return encode(message.name, {name: [value] for name, value in values.items()} if message.item_bytes else values)


def _some(field: Field) -> Any:
    if field.kind is Kind.NUMBER:
        return value_at(field, raw_range(field)[0])
    return {Kind.VERSION: "1.1", Kind.FLAG: False, Kind.CODE: 0, Kind.BCD: field.minimum}.get(field.kind)


def read(message: Message, field: Field, payload: bytes) -> Any:
    value = decode(message.name, payload)[field.name]
    return value[0] if message.item_bytes else value


def with_raw(message: Message, field: Field, raw: int) -> bytes:
    payload = build(message)
    bits = int.from_bytes(payload, "little") & ~(field.ones << field.shift) | raw << field.shift
    return bits.to_bytes(len(payload), "little")


def test_every_field_is_where_the_standard_has_it() -> None:
    wanted = set()
    for line in FIELDS.strip().splitlines():
        name, _, rest = line.partition(" ")
        wanted |= {f"{name} {entry.strip()}" for entry in rest.split("|")}
    assert {described(message, field) for message, field in EVERY_FIELD} == wanted
    assert len(wanted) == len(EVERY_FIELD)


def test_additions_of_2023_are_marked() -> None:
    added = {f"{message.name} {field.name}" for message, field in EVERY_FIELD if field.editions == ("2023",)}
    assert added == ADDED_2023
    assert all(field.editions == ("2015", "2023") for _, field in EVERY_FIELD if field.since == "2015")


def test_every_message_and_field_has_titles_in_both_languages() -> None:
    titled: list[Message | Field] = [*MESSAGES.values(), *(field for _, field in EVERY_FIELD)]
    for each in titled:
        assert each.en.isascii(), each.name
        assert each.en[0].isupper(), each.name
        assert any("一" <= letter <= "鿿" for letter in each.zh), each.name
    assert len({message.clause for message in MESSAGES.values()}) == len(MESSAGES)


def test_every_state_and_yes_or_no_has_names_in_both_languages() -> None:
    for message, field in EVERY_FIELD:
        if field.kind in (Kind.FLAG, Kind.CODE) and field.name != "reserved":
            assert field.choices, (message.name, field.name)
        assert set(field.choices) == set(field.choices.zh)
        assert all(0 <= raw <= field.ones for raw in field.choices)
        if field.kind is Kind.FLAG:
            assert {field.false_raw, field.true_raw} <= set(field.choices)


def test_disputed_rows_say_why() -> None:
    assert all(field.note for _, field in EVERY_FIELD if field.confidence != "high")


@pytest.mark.parametrize("pair", NUMBERS, ids=ident)
def test_number_at_below_and_above_its_limits(pair: Any) -> None:
    message, field = pair
    low, high = raw_range(field)
    for raw in (low, low + 1, high - 1, high):
        value = value_at(field, raw)
        assert read(message, field, build(message, **{field.name: value})) == value
        assert with_raw(message, field, raw) == build(message, **{field.name: value})
    for raw in (low - 1, high + 1):
        value = value_at(field, raw)
        if 0 <= raw <= field.ones:
            assert read(message, field, with_raw(message, field, raw)) is None
        if field.saturates and value > 0:
            assert read(message, field, build(message, **{field.name: value})) == field.maximum
        elif not (field.optional and raw == field.ones):
            with pytest.raises(MessageError, match=f"{message.name} {field.name}"):
                build(message, **{field.name: value})


@pytest.mark.parametrize("pair", EVERY_FIELD, ids=ident)
def test_what_is_no_value_is_refused_in_plain_words(pair: Any) -> None:
    message, field = pair
    for value in (float("nan"), float("inf"), float("-inf"), -1e300, object(), "§", b"\x00" * 200, [1], {}):
        with pytest.raises(MessageError, match=f"{message.name} {field.name}"):
            build(message, **{field.name: value})


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("CHM", "version", "1.256"),
        ("CHM", "version", "65536.0"),
        ("CHM", "version", "-1.1"),
        ("CST", "manual_stop", 1.5),
        ("CST", "manual_stop", -1),
        ("BRO", "ready", "no"),
        ("CTS", "second", 5.5),
        ("BRM", "software_version", "65536-01-01.1"),
        ("BRM", "software_version", "2026-01-01.256"),
        ("BRM", "software_version", "2026-01.1"),
        ("BRM", "software_version", "01" * 9),
        ("BRM", "vin", "V" * 18),
    ],
)
def test_value_that_would_be_written_as_another_is_refused(name: Any, field: Any, value: Any) -> None:
    with pytest.raises(MessageError, match=f"{name} {field}"):
        build(MESSAGES[name], **{field: value})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_message_survives_the_wire(data: Any) -> None:
    message = data.draw(st.sampled_from(list(MESSAGES.values())))
    values = data.draw(values_of(message))
    payload = encode(message.name, values)
    assert len(payload) == (message.length or len(next(iter(values.values()))) * message.item_bytes)
    decoded = decode(message.name, payload)
    for field in message.fields:
        expected = values[field.name]
        if field.missing is not None and not field.optional and message.item_bytes:
            expected = [field.missing if each is None else each for each in expected]
        if field.kind is Kind.RAW and expected is None:
            expected = b"\xff" * (field.bits // 8)
        assert decoded[field.name] == expected, field.name


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_spare_bits_are_sent_as_ones_and_not_looked_at(data: Any) -> None:
    message = data.draw(st.sampled_from([each for each in MESSAGES.values() if not each.item_bytes]))
    payload = encode(message.name, data.draw(values_of(message)))
    spare = (1 << message.length * 8) - 1
    for field in message.fields:
        spare &= ~(field.ones << field.shift)
    bits = int.from_bytes(payload, "little")
    assert bits & spare == spare
    noise = data.draw(st.integers(0, spare)) & spare
    other = (bits & ~spare | noise).to_bytes(message.length, "little")
    assert decode(message.name, other) == decode(message.name, payload)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_only_known_lengths_are_read(name: Any) -> None:
    message = MESSAGES[name]
    accepted = set()
    for length in range(700):
        try:
            decode(name, bytes(length))
            accepted.add(length)
        except MessageError:
            pass
    items = range(message.item_bytes, message.largest_length + 1, message.item_bytes or 1)
    assert accepted == (set(items) if message.item_bytes else set(message.lengths))


@pytest.mark.parametrize(
    ("name", "lengths"), [("BRM", (49, 41)), ("CCS", (7, 6, 8)), ("CML", (8, 6)), ("BCL", (5,)), ("BSM", (7,))]
)
def test_known_variants_of_length(name: Any, lengths: Any) -> None:
    assert MESSAGES[name].lengths == lengths


def test_cml_of_2011_has_no_smallest_current() -> None:
    values = decode("CML", bytes.fromhex("4c1dd007dc05"))
    assert values == {
        "maximum_voltage_v": 750.0,
        "minimum_voltage_v": 200.0,
        "maximum_current_a": 250.0,
        "minimum_current_a": None,
    }


def test_which_messages_need_a_transfer() -> None:
    assert {name for name, message in MESSAGES.items() if message.multi_packet} == {
        "BRM", "BCP", "BCS", "BMV", "BMT", "BSP",
    }  # fmt: skip
    assert {name for name, message in MESSAGES.items() if message.optional} == {"CTS", "BMV", "BMT", "BSP"}
