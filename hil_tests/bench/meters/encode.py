"""The inverse of how a driver decodes: from values to the registers (or BCD) in which a meter shows them.

Written from the format's own definition (value = sign * raw * scale * 10 ** exponent * ratios), not from the driver,
so that an error there does not cancel out here.
"""

import math
import struct
from collections.abc import Iterable
from fractions import Fraction

_FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "u64": ">Q", "i64": ">q"}
_BITS = {"u16": 16, "i16": 15, "u32": 32, "i32": 31, "u64": 64, "i64": 63}
_BCD_DIGITS = {"bcd16": 4, "bcd32": 8}


class DoesNotFitError(Exception):
    """A value that the meter cannot represent; the text gives value and reason."""


def largest_raw(kind: str) -> int:
    """The largest raw number of an integer type."""
    if kind in _BCD_DIGITS:
        return int("9" * _BCD_DIGITS[kind])
    return (1 << _BITS[kind]) - 1


def words_of(data: bytes, word_order: str) -> list[int]:
    """Registers in the order on the wire."""
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words if word_order == "high_first" else words[::-1]


def encode_raw(raw: Fraction, kind: str, *, is_counter: bool = False) -> bytes:
    """A raw number in its registers, high word first. Whole numbers are rounded; a counter is cut and rolls over.

    Raises DoesNotFitError.
    """
    if kind == "f32":
        return struct.pack(">f", float(raw))
    number = math.floor(raw) if is_counter else round(raw)
    largest = largest_raw(kind)
    if is_counter:
        number %= largest + 1
    if kind in _BCD_DIGITS:
        if not 0 <= number <= largest:
            raise DoesNotFitError(f"{number} has more than {_BCD_DIGITS[kind]} digits or a sign")
        return bytes.fromhex(f"{number:0{_BCD_DIGITS[kind]}d}")
    try:
        return struct.pack(_FORMATS[kind], number)
    except struct.error:
        raise DoesNotFitError(f"{number} does not fit into {kind}") from None


def fits(raw: Fraction, kind: str) -> bool:
    """Whether a raw number can be shown in that type."""
    if kind == "f32":
        return True
    low = -largest_raw(kind) - 1 if kind.startswith("i") else 0
    return low <= round(raw) <= largest_raw(kind)


def smallest_exponent(raws: Iterable[tuple[Fraction, str]], bias: int, maximum: int) -> int:
    """The exponent with the finest resolution at which all numbers fit. Raises DoesNotFitError."""
    wanted = list(raws)
    for exponent in range(maximum + 1):
        power = Fraction(10) ** (exponent + bias)
        if all(fits(raw / power, kind) for raw, kind in wanted):
            return exponent
    raise DoesNotFitError(f"no exponent up to {maximum} is large enough")


def encode_identifier(value: Fraction, length: int, encoding: str, *, signed: bool, is_counter: bool) -> bytes:
    """The value of a DL/T 645 identifier, lowest byte first: BCD or binary, top bit as sign. Raises DoesNotFitError."""
    number = math.floor(value) if is_counter else round(value)
    modulus = 10 ** (2 * length) if encoding == "bcd" else 1 << 8 * length
    magnitude = abs(number) % modulus if is_counter else abs(number)
    limit = modulus if not signed else (8 * 10 ** (2 * length - 1) if encoding == "bcd" else modulus // 2)
    if magnitude >= limit or (number < 0 and not signed):
        raise DoesNotFitError(f"{number} does not fit into {length} bytes")
    big = bytearray(bytes.fromhex(f"{magnitude:0{2 * length}d}") if encoding == "bcd" else magnitude.to_bytes(length))
    if number < 0:
        big[0] |= 0x80
    return bytes(reversed(big))
