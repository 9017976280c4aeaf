"""Values inside DL/T 645 data: decimal digits two to a byte, low byte first; some vendors send binary numbers.

A value that is not what it should be is None, never a wrong number. Meters fill what they do not have with FF.
"""

_SIGN = 0x80


def decode_bcd(data: bytes, *, signed: bool = False) -> int | None:
    """The number in ``data`` without its decimal point; with ``signed`` the top bit of the last byte means minus."""
    if not data:
        return None
    negative = signed and data[-1] & _SIGN != 0
    digits = (data[:-1] + bytes((data[-1] & ~_SIGN,)) if negative else data)[::-1].hex()
    if not digits.isdecimal():
        return None
    return -int(digits) if negative else int(digits)


def encode_bcd(value: int, length: int, *, signed: bool = False) -> bytes:
    """The reverse of ``decode_bcd``. Raises ValueError if ``value`` does not fit into ``length`` bytes."""
    digits = f"{abs(value):0{2 * length}d}"
    largest = 8 * 10 ** (2 * length - 1) if signed else 10 ** (2 * length)
    if length < 1 or abs(value) >= largest or (value < 0 and not signed):
        raise ValueError(f"{value} does not fit into {length} bytes{' with sign' if signed else ''}")
    data = bytearray(bytes.fromhex(digits)[::-1])
    if value < 0:
        data[-1] |= _SIGN
    return bytes(data)


def decode_binary(data: bytes, *, signed: bool = False) -> int | None:
    """A binary number, low byte first; all ones means that there is none."""
    if not data or data == b"\xff" * len(data):
        return None
    return int.from_bytes(data, "little", signed=signed)
