"""The link's framing: split anywhere, several at once, oversize, garbage, foreign messages."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.link.framing import Decoder, FramingError, encode
from agent.link.messages import (
    MAXIMUM_MESSAGE_BYTES,
    Acknowledge,
    Attach,
    Command,
    FromField,
    Hello,
    Message,
    RecorderHealth,
    StatusMessage,
    StatusRequest,
    ToField,
)
from agent.vocabulary.record import Record

MESSAGES: list[Message] = [
    Attach("recorder"),
    Acknowledge("boot", 7),
    RecorderHealth(True, "", 10**12, "connected", 3),
    Command("id", "start", 1, {"energy_wh": 5}, "platform", 9),
    StatusRequest(),
]


def to_field() -> Decoder[Message]:
    return Decoder(ToField)  # type: ignore[arg-type]  # a union is a type to msgspec


def from_field() -> Decoder[Message]:
    return Decoder(FromField)  # type: ignore[arg-type]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_goes_in_comes_out(message: Message) -> None:
    assert to_field().feed(encode(message)) == [message]


def test_a_record_survives_with_all_its_parts() -> None:
    message = Record("b", 1, "state", 1.5, 10**12, "synced", 1, None, {"reasons": ["a"], "n": -1})
    (back,) = from_field().feed(encode(message))
    assert isinstance(back, Record)
    assert back == message


@given(st.lists(st.integers(1, 40)))
def test_the_stream_may_be_cut_anywhere(cuts: list[int]) -> None:
    stream = b"".join(encode(message) for message in MESSAGES)
    decoder, found = to_field(), []
    for length in cuts:
        found += decoder.feed(stream[:length])
        stream = stream[length:]
    assert found + decoder.feed(stream) == MESSAGES


def test_an_announced_length_at_and_above_the_limit() -> None:
    assert to_field().feed(MAXIMUM_MESSAGE_BYTES.to_bytes(4, "big")) == []
    with pytest.raises(FramingError, match="1048577 bytes announced"):
        to_field().feed((MAXIMUM_MESSAGE_BYTES + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"not msgpack at all",
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode({"type": "launch"}),
        msgspec.msgpack.encode({"type": "command", "id": 5, "name": "stop"}),
        msgspec.msgpack.encode({"type": "command", "id": "x", "name": "stop", "arguments": 3}),
        msgspec.msgpack.encode({"type": "acknowledge", "boot_id": "b"}),
        msgspec.msgpack.encode({"type": "record"}),
    ],
)
def test_a_foreign_message_is_an_error(payload: bytes) -> None:
    with pytest.raises(FramingError):
        to_field().feed(len(payload).to_bytes(4, "big") + payload)


@given(st.binary(max_size=300))
def test_garbage_is_an_error_or_nothing_never_anything_else(data: bytes) -> None:
    decoder = to_field()
    try:
        messages = decoder.feed(data)
    except FramingError:
        return
    assert all(isinstance(message, Message) for message in messages)


def test_the_two_directions_do_not_accept_each_other() -> None:
    with pytest.raises(FramingError):
        to_field().feed(encode(Hello("b", "p", "v", 1)))
    with pytest.raises(FramingError):
        from_field().feed(encode(Attach("operator")))
    assert from_field().feed(encode(StatusMessage({"state": "idle"}))) == [StatusMessage({"state": "idle"})]
