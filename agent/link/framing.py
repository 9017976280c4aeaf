"""Length-prefixed framing of link messages, without any socket in it."""

from typing import Generic, TypeVar

import msgspec

from agent.link.messages import MAXIMUM_MESSAGE_BYTES, Message
from agent.vocabulary.record import Record

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


class FramingError(Exception):
    """The peer sent bytes that are not a message of this link."""


def encode(message: Message | Record) -> bytes:
    """The bytes of one message, ready for the stream."""
    payload = _encoder.encode(message)
    return len(payload).to_bytes(4, "big") + payload


class Decoder(Generic[T]):
    """Turns a stream of bytes back into messages of the given union."""

    def __init__(self, union: type[T]) -> None:
        self._decoder = msgspec.msgpack.Decoder(union)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """Messages completed by ``data``. Raises FramingError on an oversized or foreign message."""
        self._buffer += data
        messages: list[T] = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > MAXIMUM_MESSAGE_BYTES:
                raise FramingError(f"message of {length} bytes announced, at most {MAXIMUM_MESSAGE_BYTES} allowed")
            if len(self._buffer) < 4 + length:
                break
            payload = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            try:
                messages.append(self._decoder.decode(payload))
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                raise FramingError(str(error)) from error
        return messages
