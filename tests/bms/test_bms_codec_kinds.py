"""Every kind of field at, below and above its bounds, on messages made for it: what no real message happens to show."""

from typing import Any

import pytest

from drivers.gbt27930.messages.codec import Codec
from drivers.gbt27930.messages.fields import Field, Kind, Message, MessageError, Sender


def codec(*fields: Field, length: int = 8, lengths: tuple[int, ...] = (), **more: Any) -> Codec:
    return Codec(Message("XYZ", 0x3300, 6, Sender.VEHICLE, lengths or (length,), 100, fields, **more))


def read(field: Field, payload: bytes) -> Any:
    return codec(field, length=len(payload)).decode(payload)[field.name]


def write(field: Field, value: Any, length: int) -> bytes:
    return codec(field, length=length).encode({field.name: value})


def test_spare_bits_of_every_byte_are_ones() -> None:
    field = Field("state", 1, 2, 2, 3, Kind.CODE)
    assert write(field, 0, 3) == bytes((0xFF, 0b11110011, 0xFF))
    assert write(field, 2, 3) == bytes((0xFF, 0b11111011, 0xFF))


@pytest.mark.parametrize(
    ("day", "month", "year", "read_as"),
    [
        (1, 1, 1000, "1000-01-01.7"),
        (31, 12, 9999, "9999-12-31.7"),
        (0, 1, 2026, None),
        (32, 1, 2026, None),
        (1, 0, 2026, None),
        (1, 13, 2026, None),
        (1, 1, 999, None),
        (1, 1, 10000, None),
    ],
)
def test_software_dates_at_their_bounds(day: int, month: int, year: int, read_as: str | None) -> None:
    field = Field("software", 1, 1, 64, kind=Kind.SOFTWARE_DATE)
    payload = bytes((7, day, month)) + year.to_bytes(2, "little") + b"\xff\xff\xff"
    assert read(field, payload) == (read_as or payload.hex())
    assert write(field, read_as or payload.hex(), 8) == payload


@pytest.mark.parametrize("at", [5, 6, 7])
def test_a_software_version_with_something_behind_the_date_is_shown_as_it_is(at: int) -> None:
    payload = bytearray(bytes((7, 1, 2)) + (2026).to_bytes(2, "little") + b"\xff\xff\xff")
    payload[at] = 0
    assert read(Field("software", 1, 1, 64, kind=Kind.SOFTWARE_DATE), bytes(payload)) == payload.hex()


def test_no_software_version() -> None:
    assert read(Field("software", 1, 1, 64, kind=Kind.SOFTWARE_DATE), b"\xff" * 8) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.VERSION, 11),  # no text at all
        (Kind.VERSION, "1"),
        (Kind.VERSION, "1.x"),
        (Kind.NUMBER, "much"),
        (Kind.NUMBER, 70000),
        (Kind.NUMBER, -1),
        (Kind.CODE, "x"),
        (Kind.CODE, 65536),
        (Kind.CODE, -1),
        (Kind.TEXT, "long"),
        (Kind.TEXT, "ä"),
        (Kind.TEXT, 5),
        (Kind.RAW, b"abc"),
        (Kind.RAW, 5),
        (Kind.BCD, "x"),
        (Kind.SOFTWARE_DATE, "2026-01"),
        (Kind.SOFTWARE_DATE, "2026-01.1"),
        (Kind.SOFTWARE_DATE, 5),
    ],
)
def test_what_does_not_fit_names_message_field_and_value(kind: Kind, value: Any) -> None:
    bits = 64 if kind is Kind.SOFTWARE_DATE else 24 if kind is Kind.VERSION else 16
    with pytest.raises(MessageError, match="XYZ thing: ") as caught:
        write(Field("thing", 1, 1, bits, kind=kind), value, 8)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [0, 1, 65534, 65535])
def test_a_number_at_the_ends_of_its_bits(value: int) -> None:
    field = Field("thing", 1, 1, 16)
    assert read(field, value.to_bytes(2, "little")) == value
    assert write(field, value, 2) == value.to_bytes(2, "little")
    optional = Field("thing", 1, 1, 16, optional=True)
    assert read(optional, value.to_bytes(2, "little")) == (None if value == 65535 else value)


@pytest.mark.parametrize(
    ("raw", "value"), [(9, None), (10, -1.0), (11, -0.9), (29, 0.9), (30, 1.0), (31, None), (255, None)]
)
def test_a_number_is_one_within_its_range_only(raw: int, value: float | None) -> None:
    field = Field("thing", 1, 1, 8, per_unit=10, zero=20, minimum=-1.0, maximum=1.0)
    assert read(field, bytes((raw,))) == value
    if value is not None:
        assert write(field, value, 1) == bytes((raw,))


@pytest.mark.parametrize(("raw", "value"), [(9, None), (10, 1.0), (20, 0.0), (30, -1.0), (31, None)])
def test_a_number_that_runs_against_the_wire(raw: int, value: float | None) -> None:
    field = Field("thing", 1, 1, 8, per_unit=10, zero=20, direction=-1, minimum=-1.0, maximum=1.0)
    assert read(field, bytes((raw,))) == value
    if value is not None:
        assert write(field, value, 1) == bytes((raw,))


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1.1, "outside -1.0 to 1.0 A"), (1.1, "outside -1.0 to 1.0 A"), (float("nan"), "not a finite number")],
)
def test_a_number_outside_its_range_is_not_written(value: float, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        write(Field("thing", 1, 1, 8, per_unit=10, zero=20, unit="A", minimum=-1.0, maximum=1.0), value, 1)


def test_saturation_is_upwards_only() -> None:
    field = Field("thing", 1, 1, 8, minimum=0, maximum=100, saturates=True)
    assert write(field, 100, 1) == bytes((100,))
    assert write(field, 101, 1) == bytes((100,))
    with pytest.raises(MessageError, match="outside 0 to 100"):
        write(field, -1, 1)


def test_a_number_of_finer_resolution_is_rounded() -> None:
    field = Field("thing", 1, 1, 8, per_unit=10)
    assert write(field, 1.24, 1) == bytes((12,))
    assert write(field, 1.26, 1) == bytes((13,))


def test_codes() -> None:
    assert [read(Field("thing", 1, 1, 2, kind=Kind.CODE), bytes((raw,))) for raw in range(4)] == [0, 1, 2, 3]
    optional = Field("thing", 1, 1, 2, kind=Kind.CODE, optional=True)
    assert [read(optional, bytes((raw,))) for raw in range(4)] == [0, 1, 2, None]


def test_flags() -> None:
    field = Field("thing", 1, 1, 8, kind=Kind.FLAG, false_raw=1, true_raw=0xAA)
    assert [read(field, bytes((raw,))) for raw in (0, 1, 0xAA, 0xFF)] == [None, False, True, None]
    assert [write(field, value, 1) for value in (False, True, None)] == [b"\x01", b"\xaa", b"\xff"]


def test_versions_are_major_and_minor() -> None:
    field = Field("thing", 1, 1, 24, kind=Kind.VERSION)
    assert read(field, bytes((2, 3, 1))) == "259.2"
    assert write(field, "259.2", 3) == bytes((2, 3, 1))
    with pytest.raises(MessageError, match=r"65536.0.* does not fit"):
        write(field, "65536.0", 3)


def test_raw_bytes_keep_their_length() -> None:
    field = Field("thing", 1, 2, 24, kind=Kind.RAW)
    assert read(field, b"\x00abc") == b"abc"
    assert write(field, b"abc", 4) == b"\xffabc"
    assert write(field, b"a", 4) == b"\xffa\xff\xff"


@pytest.mark.parametrize(
    ("payload", "text"),
    [(b"AB~ ", "AB~"), (b"\x1f \x7f\xff", "? ?"), (b"  A\x00", "  A"), (b"\xff\x00  ", None)],
)
def test_text_is_what_can_be_printed(payload: bytes, text: str | None) -> None:
    assert read(Field("thing", 1, 1, 32, kind=Kind.TEXT), payload) == text


@pytest.mark.parametrize(
    ("raw", "value"),
    [(0x00, None), (0x01, 1), (0x09, 9), (0x0A, None), (0x10, 10), (0x59, 59), (0x60, None), (0xA0, None)],
)
def test_binary_coded_decimals(raw: int, value: int | None) -> None:
    field = Field("thing", 1, 1, 8, kind=Kind.BCD, minimum=1, maximum=59)
    assert read(field, bytes((raw,))) == value
    if value is not None:
        assert write(field, value, 1) == bytes((raw,))


@pytest.mark.parametrize("value", [0, 60])
def test_decimals_outside_their_range_are_not_written(value: int) -> None:
    with pytest.raises(MessageError, match="outside 1 to 59"):
        write(Field("thing", 1, 1, 8, kind=Kind.BCD, minimum=1, maximum=59), value, 1)


def test_a_shorter_form_reaches_as_far_as_it_reaches() -> None:
    both = codec(Field("one", 1, 1, 8), Field("two", 2, 2, 8), Field("over", 3, 2, 9, 8), lengths=(3, 2, 1))
    assert both.decode(b"\x01\x02\x03") == {"one": 1, "two": 2, "over": 6}
    assert both.decode(b"\x01\x02") == {"one": 1, "two": 2, "over": None}
    assert both.decode(b"\x01") == {"one": 1, "two": None, "over": None}
    with pytest.raises(MessageError, match="XYZ has 4 bytes, expected 3 or 2 or 1"):
        both.decode(bytes(4))


def test_lists() -> None:
    fields = (Field("volts", 1, 1, 12), Field("group", 1, 2, 4, 5))
    listed = codec(*fields, item_bytes=2, maximum_items=3)
    values = {"volts": [1, 0xABC], "group": [2, 15]}
    assert listed.encode(values) == b"\x01\x20\xbc\xfa"
    assert listed.decode(b"\x01\x20\xbc\xfa") == values
    assert listed.decode(b"\x01\x20" * 3) == {"volts": [1] * 3, "group": [2] * 3}
    for payload in (b"", b"\x01", b"\x01\x20\x01", b"\x01\x20" * 4):
        with pytest.raises(MessageError, match=f"XYZ has {len(payload)} bytes, expected 1 to 3 items of 2"):
            listed.decode(payload)
    wrongs: list[dict[str, list[int]]] = [
        {"volts": [], "group": []},
        {"volts": [1], "group": [1, 2]},
        {"volts": [1] * 4, "group": [1] * 4},
        {},
    ]
    for wrong in wrongs:
        with pytest.raises(MessageError, match="needs group, volts as lists of one length, 1 to 3 items"):
            listed.encode(wrong)
    assert len(listed.encode({"volts": [1] * 3, "group": [1] * 3})) == 6


def test_a_list_of_one() -> None:
    listed = codec(Field("volts", 1, 1, 8), item_bytes=1, maximum_items=3)
    assert listed.encode({"volts": [7]}) == b"\x07"
    assert listed.decode(b"\x07") == {"volts": [7]}


def test_whole_numbers_stay_whole() -> None:
    assert type(read(Field("thing", 1, 1, 8, zero=5), b"\x07")) is int
    assert type(read(Field("thing", 1, 1, 8, per_unit=10), b"\x0a")) is float


def test_a_range_needs_both_ends() -> None:
    """One end alone bounds what is written, not what is read."""
    field = Field("thing", 1, 1, 8, maximum=5)
    assert read(field, b"\x07") == 7
    with pytest.raises(MessageError, match="outside None to 5"):
        write(field, 6, 1)


def test_saturation_without_a_range_does_nothing() -> None:
    assert write(Field("thing", 1, 1, 8, saturates=True), 200, 1) == bytes((200,))


def test_what_is_left_out() -> None:
    optional, needed = Field("perhaps", 1, 1, 8, optional=True), Field("always", 2, 2, 8)
    usual = Field("usual", 3, 3, 2, kind=Kind.CODE, missing=1)
    three = codec(optional, needed, usual, length=3)
    assert three.encode({"always": 5}) == bytes((0xFF, 5, 0b11111101))
    with pytest.raises(MessageError, match="XYZ needs always"):
        three.encode({})
    with pytest.raises(MessageError, match="XYZ has no field other, strange"):
        three.encode({"always": 1, "strange": 1, "other": 2})
