"""Turns the values of one message into its payload and back. Pure functions over the message table."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from drivers.gbt27930.messages.fields import Field, Kind, Message, MessageError

_Step = tuple[str, int, int, int, Callable[[int], Any]]

_SOFTWARE_UNUSED = 0xFFFFFF


class Codec:
    """Reads and writes one message; made once per message, because the steps are worked out in advance."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self._names = frozenset(field.name for field in message.fields)
        self._steps: tuple[_Step, ...] = tuple(
            (field.name, field.last_byte, field.shift, field.ones, _reader(field)) for field in message.fields
        )

    def decode(self, payload: bytes) -> dict[str, Any]:
        """The values of ``payload`` by field name.

        A field that a shorter accepted length does not reach, an unused field and a number outside its range are
        None. Spare bits are not looked at. Raises MessageError when the length is none of the accepted ones.
        """
        message = self.message
        if message.item_bytes:
            return self._decode_items(payload)
        length = len(payload)
        if length not in message.lengths:
            allowed = " or ".join(str(each) for each in message.lengths)
            raise MessageError(f"{message.name} has {length} bytes, expected {allowed}")
        bits = int.from_bytes(payload, "little")
        return {
            name: read(bits >> shift & mask) if last <= length else None
            for name, last, shift, mask, read in self._steps
        }

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """The payload for ``values``; spare bits and optional fields left out are ones.

        Raises MessageError for an unknown name, a missing or wrong value, or one outside the field's range.
        """
        message = self.message
        unknown = values.keys() - self._names
        if unknown:
            raise MessageError(f"{message.name} has no field {', '.join(sorted(unknown))}")
        if message.item_bytes:
            return self._encode_items(values)
        return _pack(message, values, message.length).to_bytes(message.length, "little")

    def _decode_items(self, payload: bytes) -> dict[str, Any]:
        message = self.message
        size = message.item_bytes
        count, rest = divmod(len(payload), size)
        if rest or not 1 <= count <= message.maximum_items:
            raise MessageError(
                f"{message.name} has {len(payload)} bytes, expected 1 to {message.maximum_items} items of {size}"
            )
        items = [int.from_bytes(payload[at : at + size], "little") for at in range(0, len(payload), size)]
        return {name: [read(item >> shift & mask) for item in items] for name, _, shift, mask, read in self._steps}

    def _encode_items(self, values: Mapping[str, Any]) -> bytes:
        message = self.message
        counts = {len(values.get(name, ())) for name in self._names}
        count = counts.pop()
        if counts or not 1 <= count <= message.maximum_items:
            raise MessageError(
                f"{message.name} needs {', '.join(sorted(self._names))} as lists of one length, "
                f"1 to {message.maximum_items} items"
            )
        rows = ({name: values[name][at] for name in self._names} for at in range(count))
        size = message.item_bytes
        return b"".join(_pack(message, row, size).to_bytes(size, "little") for row in rows)


def _pack(message: Message, values: Mapping[str, Any], length: int) -> int:
    bits = (1 << length * 8) - 1
    for field in message.fields:
        raw = _raw_of(message, field, values.get(field.name))
        bits &= ~(field.ones << field.shift)
        bits |= raw << field.shift
    return bits


def _raw_of(message: Message, field: Field, value: Any) -> int:
    if value is None:
        if field.missing is not None:
            return field.missing
        if field.optional or field.kind is Kind.FLAG:
            return field.ones
        raise MessageError(f"{message.name} needs {field.name}")
    try:
        return _WRITERS[field.kind](field, value)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MessageError(f"{message.name} {field.name}: {value!r} does not fit: {error}") from error


# ------------------------------------------------------------------------------------------------ raw to value


def _reader(field: Field) -> Callable[[int], Any]:
    if field.kind is Kind.NUMBER:
        return _number_reader(field)
    if field.kind is Kind.CODE:
        unused = field.ones if field.optional else -1
        return lambda raw: None if raw == unused else raw
    if field.kind is Kind.FLAG:
        return {field.false_raw: False, field.true_raw: True}.get
    if field.kind is Kind.VERSION:
        return lambda raw: f"{raw >> 8}.{raw & 0xFF}"
    if field.kind is Kind.TEXT:
        size = field.bits // 8
        return lambda raw: _text(raw.to_bytes(size, "little"))
    if field.kind is Kind.RAW:
        size = field.bits // 8
        return lambda raw: raw.to_bytes(size, "little")
    if field.kind is Kind.BCD:
        return lambda raw: _from_bcd(field, raw)
    return _software_version


def _number_reader(field: Field) -> Callable[[int], Any]:
    zero, per_unit, direction = field.zero, field.per_unit, field.direction
    low, high = _raw_bounds(field)

    if per_unit == 1:
        # No number of resolution 1 runs against the wire's direction.
        return lambda raw: raw - zero if low <= raw <= high else None
    if direction < 0:
        return lambda raw: (zero - raw) / per_unit if low <= raw <= high else None
    return lambda raw: (raw - zero) / per_unit if low <= raw <= high else None


def _raw_bounds(field: Field) -> tuple[int, int]:
    """Smallest and largest raw value that is a value: inside the range, and not the unused pattern."""
    ends = [0, field.ones - 1 if field.optional else field.ones]
    if field.minimum is not None and field.maximum is not None:
        bounds = sorted(_raw(field, limit) for limit in (field.minimum, field.maximum))
        ends = [max(ends[0], bounds[0]), min(ends[1], bounds[1])]
    return ends[0], ends[1]


def _text(data: bytes) -> str | None:
    """Printable text; the filling at the end is cut off, anything not printable reads as a question mark."""
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in data.rstrip(b"\x00\xff "))
    return text or None


def _from_bcd(field: Field, raw: int) -> int | None:
    digits = f"{raw:0{field.bits // 4}x}"
    value = int(digits) if digits.isdecimal() else -1
    return value if _inside(field, value) else None


def _software_version(raw: int) -> str | None:
    data = raw.to_bytes(8, "little")
    number, day, month = data[0], data[1], data[2]
    year = int.from_bytes(data[3:5], "little")
    if data == b"\xff" * 8:
        return None
    if data[5:] == b"\xff\xff\xff" and 1 <= day <= 31 and 1 <= month <= 12 and 1000 <= year <= 9999:
        return f"{year}-{month:02}-{day:02}.{number}"
    return data.hex()


# ------------------------------------------------------------------------------------------------ value to raw


def _raw(field: Field, value: float) -> int:
    return round(value * field.per_unit) * field.direction + field.zero


def _inside(field: Field, value: float) -> bool:
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    return low <= value <= high


def _write_number(field: Field, value: float) -> int:
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    if field.saturates and field.maximum is not None and value > field.maximum:
        value = field.maximum
    if not _inside(field, value):
        raise ValueError(f"outside {field.minimum} to {field.maximum} {field.unit}".rstrip())
    return _fitting(field, _raw(field, value))


def _write_code(field: Field, value: int) -> int:
    return _fitting(field, operator.index(value))


def _fitting(field: Field, raw: int) -> int:
    if not 0 <= raw <= field.ones:
        raise ValueError(f"needs more than {field.bits} bits")
    return raw


def _write_flag(field: Field, value: bool) -> int:
    if value not in (True, False):
        raise ValueError("neither true nor false")
    return field.true_raw if value else field.false_raw


def _write_version(_: Field, value: str) -> int:
    major, minor = (int(part) for part in value.split("."))
    return int.from_bytes(major.to_bytes(2, "big") + minor.to_bytes(1, "big"), "big")


def _write_text(field: Field, value: str) -> int:
    return _write_raw(field, value.encode("ascii"))


def _write_raw(field: Field, value: bytes) -> int:
    size = field.bits // 8
    if len(value) > size:
        raise ValueError(f"longer than {size} bytes")
    return int.from_bytes(value.ljust(size, b"\xff"), "little")


def _write_bcd(field: Field, value: int) -> int:
    if not _inside(field, value):
        raise ValueError(f"outside {field.minimum} to {field.maximum}")
    return int(str(operator.index(value)), 16)


def _write_software_version(field: Field, value: str) -> int:
    date, dot, number = value.partition(".")
    if not dot:
        return _write_raw(field, bytes.fromhex(value))
    year, month, day = (int(part) for part in date.split("-"))
    return int.from_bytes(
        bytes((int(number), day, month)) + year.to_bytes(2, "little") + _SOFTWARE_UNUSED.to_bytes(3, "little"), "little"
    )


_WRITERS: Mapping[Kind, Callable[[Field, Any], int]] = {
    Kind.NUMBER: _write_number,
    Kind.CODE: _write_code,
    Kind.FLAG: _write_flag,
    Kind.VERSION: _write_version,
    Kind.TEXT: _write_text,
    Kind.RAW: _write_raw,
    Kind.BCD: _write_bcd,
    Kind.SOFTWARE_DATE: _write_software_version,
}
