"""All messages of GB/T 27930 in one table, and the two functions that write and read them.

Values travel as plain dictionaries by field name. Every name carries its unit; currents are positive into the
vehicle. Two-bit states are ints (0 normal, 1 fault or too high, 2 untrusted or too low); yes/no fields are bool, and
None when the wire holds neither pattern.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from drivers.gbt27930.messages.codec import Codec
from drivers.gbt27930.messages.fields import (
    CHARGER_ADDRESS,
    VEHICLE_ADDRESS,
    Field,
    Kind,
    Message,
    MessageError,
    Sender,
)
from drivers.gbt27930.messages.table_charger import CHARGER_MESSAGES
from drivers.gbt27930.messages.table_vehicle import BATTERY_TYPES, CONSTANT_CURRENT, CONSTANT_VOLTAGE, VEHICLE_MESSAGES

__all__ = [
    "BATTERY_TYPES",
    "CHARGER_ADDRESS",
    "CODECS",
    "CONSTANT_CURRENT",
    "CONSTANT_VOLTAGE",
    "MESSAGES",
    "PROTOCOL_VERSION",
    "VEHICLE_ADDRESS",
    "Field",
    "Kind",
    "Message",
    "MessageError",
    "Sender",
    "decode",
    "encode",
    "identifier_of",
    "message_of",
]

PROTOCOL_VERSION = "1.1"
"""Version both the 2015 edition and class A of the 2023 edition announce in CHM and BRM."""

MESSAGES: Mapping[str, Message] = MappingProxyType(
    {message.name: message for message in (*CHARGER_MESSAGES, *VEHICLE_MESSAGES)}
)
"""Every message by its name in the standard."""

CODECS: Mapping[str, Codec] = MappingProxyType({name: Codec(message) for name, message in MESSAGES.items()})
"""Reader and writer of every message."""

_BY_PGN: Mapping[tuple[int, int], Message] = {
    (message.sender.value, message.pgn): message for message in MESSAGES.values()
}


def encode(name: str, values: Mapping[str, Any]) -> bytes:
    """Payload of message ``name``; optional fields left out and spare bits are ones.

    Raises MessageError for an unknown message or field, a missing value, or one that does not fit.
    """
    return _codec(name).encode(values)


def decode(name: str, payload: bytes) -> dict[str, Any]:
    """Values of message ``name``; None for what is unused, out of range or beyond a shorter accepted length.

    Raises MessageError for an unknown message and for a length that is not accepted.
    """
    return _codec(name).decode(payload)


def identifier_of(name: str) -> int:
    """29-bit CAN identifier of the single-frame form of message ``name``. Raises MessageError if unknown."""
    return _codec(name).message.identifier


def message_of(sender_address: int, pgn: int) -> Message | None:
    """The message a sender means by ``pgn``, or None if the standard has none."""
    return _BY_PGN.get((sender_address, pgn))


def _codec(name: str) -> Codec:
    codec = CODECS.get(name)
    if codec is None:
        raise MessageError(f"there is no message {name}")
    return codec
