"""DL/T 645-2007: frames, values, requests; against captured frames, and against any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlt645 import frame as frames
from drivers.dlt645.frame import BROADCAST_ADDRESS, WILDCARD_ADDRESS, Frame, encode_frame, find_frames
from drivers.dlt645.request import READ_ADDRESS, READ_MORE, Request, address_in, read_address
from drivers.dlt645.values import decode_bcd, decode_binary, encode_bcd
from drivers.line.exchange import Match, Result

METER = "000000000161"
ENERGY, VOLTAGE = 0x00010000, 0x02010100

# Captured on real lines; sums recomputed (reference, section 1.4).
ENERGY_REQUEST = bytes.fromhex("68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16")
ENERGY_REPLY = bytes.fromhex("68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16")


def reply(data: bytes, control: int = 0x91, address: str = METER) -> bytes:
    return encode_frame(Frame(address, control, data), 4)


def di(identifier: int) -> bytes:
    return identifier.to_bytes(4, "little")


def test_the_captured_energy_request_and_reply() -> None:
    request = Request(METER, ENERGY, 4)
    assert request.encode() == b"\xfe" * 4 + ENERGY_REQUEST
    found = request.find_reply(ENERGY_REPLY)
    assert found.match is Match.REPLY
    result = request.result(found.frame, 5.0)
    assert (decode_bcd(result.data), result.at_s, result.more, result.ok) == (26, 5.0, False, True)


def test_the_captured_voltage_tail() -> None:
    # Of this capture the reference keeps everything but the address; the sum fits the address above.
    request = Request(METER, VOLTAGE, 2)
    assert request.encode().endswith(bytes.fromhex("11 04 33 34 34 35 17 16"))
    answer = reply(di(VOLTAGE) + bytes.fromhex("01 10"))
    assert answer.endswith(bytes.fromhex("91 06 33 34 34 35 34 43 10 16"))
    found = request.find_reply(answer)
    assert decode_bcd(request.result(found.frame, 0.0).data) == 1001


@pytest.mark.parametrize(
    "wrong",
    [
        reply(di(ENERGY) + bytes(4), address="000000000162"),
        reply(di(ENERGY) + bytes(4), control=0x81),  # the 1997 edition
        reply(di(ENERGY) + bytes(4), control=0x92),
        reply(di(ENERGY) + bytes(4), control=0x11),  # a request, or its echo
        reply(di(VOLTAGE) + bytes(4)),
        reply(di(ENERGY) + bytes(3)),
        reply(di(ENERGY) + bytes(5)),
        reply(di(ENERGY)),
        reply(di(ENERGY) + bytes(4), control=0xB1),  # nothing would be left to follow
        reply(di(ENERGY), control=0xB1),
        reply(bytes(2), control=0xD1),
        reply(b"", control=0xD1),
        reply(b""),
    ],
)
def test_a_sound_frame_that_does_not_fit_is_foreign(wrong: bytes) -> None:
    assert Request(METER, ENERGY, 4).find_reply(wrong).match is Match.FOREIGN


@pytest.mark.parametrize("cut", range(1, len(ENERGY_REPLY)))
def test_a_part_of_a_reply_is_nothing(cut: int) -> None:
    assert Request(METER, ENERGY, 4).find_reply(ENERGY_REPLY[:cut]).match is Match.NOTHING


def test_a_wrong_sum_or_end_is_told() -> None:
    request = Request(METER, ENERGY, 4)
    for index in (len(ENERGY_REPLY) - 1, len(ENERGY_REPLY) - 2, len(ENERGY_REPLY) - 3):
        damaged = bytearray(ENERGY_REPLY)
        damaged[index] ^= 0x04
        assert request.find_reply(bytes(damaged)).match is Match.BAD_CHECKSUM


def test_the_reply_is_found_behind_junk_foreign_frames_and_false_starts() -> None:
    request = Request(METER, ENERGY, 4)
    junk = b"\x68\x00\xfe\x68" + reply(di(VOLTAGE) + bytes(2)) + b"\x68" * 3
    found = request.find_reply(junk + ENERGY_REPLY + b"\x16\x16")
    assert (found.match, found.frame, found.foreign_frames) == (Match.REPLY, ENERGY_REPLY, 1)
    assert found.end == len(junk) + len(ENERGY_REPLY)


def test_a_frame_inside_a_foreign_frame_is_not_found() -> None:
    inner = encode_frame(Frame(METER, 0x91, di(ENERGY) + bytes(4)), 0)
    hidden = bytes((value - 0x33) & 0xFF for value in inner)
    outer = reply(di(VOLTAGE) + hidden, address="000000000009")
    assert inner in outer
    assert Request(METER, ENERGY, 4).find_reply(outer).match is Match.FOREIGN


def test_a_refusal_carries_its_reasons() -> None:
    request = Request(METER, ENERGY, 4)
    found = request.find_reply(reply(b"\x02", control=0xD1))
    assert found.match is Match.REPLY
    assert request.exception_code(found.frame) == 2
    assert request.exception_code(ENERGY_REPLY) is None


def test_more_follows_and_the_rest_has_its_sequence() -> None:
    request = Request(METER, ENERGY, 4)
    found = request.find_reply(reply(di(ENERGY) + b"\x26\x00", control=0xB1))
    result = request.result(found.frame, 1.0)
    assert (result.data, result.more) == (b"\x26\x00", True)
    rest = Request(METER, ENERGY, 2, READ_MORE, 1)
    assert find_frames(rest.encode()) == [Frame(METER, 0x12, di(ENERGY) + b"\x01")]
    assert rest.find_reply(reply(di(ENERGY) + b"\x00\x00\x02", control=0x92)).match is Match.FOREIGN
    assert rest.find_reply(reply(di(ENERGY) + b"\x01", control=0x92)).match is Match.FOREIGN
    found = rest.find_reply(reply(di(ENERGY) + b"\x07\x08\x01", control=0x92))
    result = rest.result(found.frame, 2.0)
    assert (result.data, result.more) == (b"\x07\x08", False)
    assert rest.reply_shape() != Request(METER, ENERGY, 2, READ_MORE, 2).reply_shape()


def test_the_address_of_the_only_meter_can_be_asked_for() -> None:
    request = read_address()
    assert request.encode() == b"\xfe" * 4 + bytes.fromhex("68 AA AA AA AA AA AA 68 13 00 DF 16")
    body = bytes.fromhex("61 01 00 00 00 00")
    found = request.find_reply(reply(body, control=0x93))
    assert address_in(request.result(found.frame, 0.0)) == METER
    assert request.find_reply(reply(body[:5], control=0x93)).match is Match.FOREIGN
    assert request.find_reply(reply(body, control=0x93).replace(b"\x61", b"\x6a", 1)).match is Match.NOTHING
    assert address_in(Result(request, data=b"\xaa" * 6)) is None
    assert address_in(Result(request, error="timeout")) is None
    assert request.reply_bytes() == len(reply(body, control=0x93))
    assert request.reply_shape() == b"\x93"


def test_any_meter_answers_the_wildcard() -> None:
    request = Request(WILDCARD_ADDRESS, ENERGY, 4)
    assert request.find_reply(ENERGY_REPLY).match is Match.REPLY
    assert request.find_reply(encode_frame(Frame(WILDCARD_ADDRESS, 0x91, di(ENERGY) + bytes(4)))).match is Match.FOREIGN


def test_with_no_length_any_is_taken() -> None:
    request = Request(METER, ENERGY)
    for length in (1, 4, 196):
        assert request.find_reply(reply(di(ENERGY) + bytes(length))).match is Match.REPLY
    assert request.find_reply(reply(di(ENERGY))).match is Match.FOREIGN
    assert request.reply_bytes() == 216


def test_the_length_of_the_reply_is_known_before_it_comes() -> None:
    assert Request(METER, ENERGY, 4).reply_bytes() == len(reply(di(ENERGY) + bytes(4)))
    assert Request(METER, ENERGY, 4, READ_MORE, 1).reply_bytes() == len(reply(di(ENERGY) + bytes(5), control=0x92))


def test_a_probe_is_another_item_of_the_meter_first() -> None:
    request = Request(METER, ENERGY, 4, others=((VOLTAGE, 2),))
    outstanding = {request.reply_shape(), request.exception_shape()}
    probe = request.probe(outstanding)
    assert probe is not None
    assert (probe.identifier, probe.length) == (VOLTAGE, 2)
    seen = []
    while (probe := request.probe(outstanding)) is not None:
        seen.append(probe.identifier)
        outstanding.add(probe.reply_shape())
    assert seen == [VOLTAGE, 0x04000401, 0x04000101]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request(BROADCAST_ADDRESS, ENERGY, 4), "broadcast"),
        (Request("12345678901", ENERGY, 4), "twelve digits"),
        (Request("1234567890AB", ENERGY, 4), "twelve digits"),
        (Request("१२३४५६७८९०१२", ENERGY, 4), "twelve digits"),
        (Request(METER, ENERGY, 4, 0x14), "does not read"),
        (Request(METER, ENERGY, 4, 0x1A), "does not read"),
        (Request(METER, -1, 4), "four bytes"),
        (Request(METER, 1 << 32, 4), "four bytes"),
        (Request(METER, ENERGY, -1), "length"),
        (Request(METER, ENERGY, 4, READ_MORE), "sequence"),
        (Request(METER, ENERGY, 4, READ_MORE, 256), "sequence"),
        (Request(METER, ENERGY, 4, sequence=1), "READ_MORE"),
        (Request(METER, control=READ_ADDRESS), "is known"),
    ],
)
def test_what_may_not_be_sent_is_refused(request_: Request, says: str) -> None:
    assert request_.is_read
    with pytest.raises(ValueError, match=says):
        request_.encode()


@pytest.mark.parametrize(
    ("frame", "wake_up", "says"),
    [
        (Frame(METER, 0x100, b""), 4, "not a byte"),
        (Frame(METER, -1, b""), 4, "not a byte"),
        (Frame(METER, 0x91, bytes(201)), 4, "more than 200"),
        (Frame(METER, 0x91, b""), 5, "wake_up"),
        (Frame(METER, 0x91, b""), -1, "wake_up"),
    ],
)
def test_frames_that_cannot_be(frame: Frame, wake_up: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode_frame(frame, wake_up)


def test_a_length_above_200_is_no_frame() -> None:
    for length, expected in ((200, 212), (201, 0)):
        head = bytes((0x68, *bytes(6), 0x68, 0x91, length))
        assert frames.frame_bytes(head, 0) == expected


@pytest.mark.parametrize(
    ("data", "signed", "value"),
    [
        ("26 00 00 00", False, 26),
        ("99 99 99 99", False, 99999999),
        ("99 99 99 79", True, 79999999),
        ("34 12 80", True, -1234),
        ("34 12 00", True, 1234),
        ("00 80", True, 0),
        ("00 80", False, 8000),
        ("FF FF FF FF", False, None),
        ("FF FF FF FF", True, None),
        ("0A 00", False, None),
        ("00 A0", True, -2000),
        ("00 FA", True, None),
        ("", False, None),
    ],
)
def test_decimal_values(data: str, signed: bool, value: int | None) -> None:
    assert decode_bcd(bytes.fromhex(data), signed=signed) == value


def test_binary_values() -> None:
    assert decode_binary(bytes.fromhex("01 02 00 00")) == 513
    assert decode_binary(bytes.fromhex("FE FF"), signed=True) == -2
    assert decode_binary(b"\xff" * 4) is None
    assert decode_binary(b"") is None


@pytest.mark.parametrize(
    ("value", "length", "signed"), [(100, 1, False), (-1, 1, False), (80, 1, True), (-80, 1, True), (0, 0, False)]
)
def test_what_does_not_fit_is_not_encoded(value: int, length: int, signed: bool) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_bcd(value, length, signed=signed)


@given(st.integers(-79_999_999, 79_999_999))
def test_decimal_there_and_back(value: int) -> None:
    assert decode_bcd(encode_bcd(value, 4, signed=True), signed=True) == value
    if value >= 0:
        assert decode_bcd(encode_bcd(value, 4)) == value


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(data: bytes, signed: bool) -> None:
    decode_bcd(data, signed=signed)
    decode_binary(data, signed=signed)
    find_frames(data)
    for request in (
        Request(METER, ENERGY, 4),
        Request(METER, ENERGY),
        Request(METER, ENERGY, 4, READ_MORE, 1),
        Request(WILDCARD_ADDRESS, ENERGY),
        read_address(),
    ):
        found = request.find_reply(data)
        if found.match is Match.REPLY:
            request.result(found.frame, 0.0)
            request.exception_code(found.frame)


# The bytes that carry structure are drawn often, so that almost-frames come up.
_STRUCTURED = st.lists(
    st.sampled_from([0x68, 0x16, 0xFE, 0x91, 0xB1, 0xD1, 0x93, 0, 1, 4, 8, 0x33, 0x34, 0x61, 200, 255]), max_size=60
).map(bytes)


@given(_STRUCTURED, _STRUCTURED)
def test_junk_around_a_reply_does_not_raise(before: bytes, after: bytes) -> None:
    request = Request(METER, ENERGY, 4)
    found = request.find_reply(before + ENERGY_REPLY + after)
    if found.match is Match.REPLY:
        assert len(request.result(found.frame, 0.0).data) in (4, 0) or request.exception_code(found.frame) is not None


@given(st.integers(0, len(ENERGY_REPLY) - 1), st.integers(1, 255))
def test_any_one_wrong_byte_is_found(index: int, change: int) -> None:
    damaged = bytearray(ENERGY_REPLY)
    damaged[index] ^= change
    assert Request(METER, ENERGY, 4).find_reply(bytes(damaged)).match is not Match.REPLY
