"""Frames of DL/T 645-2007: building one, and finding valid ones in the received bytes.

``FE FE FE FE 68 A0..A5 68 C L DATA CS 16``: the address is twelve decimal digits, low pair first; each DATA byte goes
out plus 33H; CS is the sum of everything from the first 68H to the last DATA byte, modulo 256 (clause 5).
"""

import msgspec

WAKE_UP = 0xFE
START = 0x68
END = 0x16
WILDCARD_ADDRESS = "AAAAAAAAAAAA"
"""Answered by whichever meter is there: for a line with one meter only, when looking for its address."""
BROADCAST_ADDRESS = "999999999999"
"""Heard by all, answered by none. Never sent from here."""

FUNCTION_MASK = 0x1F
REPLY = 0x80
REFUSED = 0x40
MORE_FOLLOWS = 0x20

_OFFSET = 0x33
_HEAD_BYTES = 10
_OVERHEAD_BYTES = 12
# Clause 5.2.5: at most 200 when reading, 50 when writing.
LARGEST_DATA_BYTES = 200
_ADD = bytes((value + _OFFSET) & 0xFF for value in range(256))
_SUBTRACT = bytes((value - _OFFSET) & 0xFF for value in range(256))


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame. ``data`` is without the offset; ``address`` has twelve digits, the highest first."""

    address: str
    control: int
    data: bytes


def encode_address(address: str) -> bytes:
    """The six bytes of an address. Raises ValueError if it has not twelve digits (or is the wildcard)."""
    if len(address) != 12 or not (address == WILDCARD_ADDRESS or (address.isascii() and address.isdigit())):
        raise ValueError(f"address {address!r} does not have twelve digits")
    return bytes.fromhex(address)[::-1]


def encode_frame(frame: Frame, wake_up_bytes: int = 4) -> bytes:
    """The bytes of ``frame``. Raises ValueError if they would not be a legal frame."""
    if not 0 <= wake_up_bytes <= 4:
        raise ValueError(f"wake_up_bytes {wake_up_bytes} is not within 0..4")
    if not 0 <= frame.control <= 0xFF:
        raise ValueError(f"control {frame.control} is not a byte")
    if len(frame.data) > LARGEST_DATA_BYTES:
        raise ValueError(f"{len(frame.data)} bytes of data are more than {LARGEST_DATA_BYTES}")
    body = bytes((START, *encode_address(frame.address), START, frame.control, len(frame.data)))
    body += frame.data.translate(_ADD)
    return bytes((WAKE_UP,)) * wake_up_bytes + body + bytes((sum(body) & 0xFF, END))


def frame_bytes(data: bytes, start: int) -> int:
    """Length of the frame that would begin at ``start``; 0 if none can, -1 if there are too few bytes to decide."""
    if data[start] != START:
        return 0
    if len(data) - start < _HEAD_BYTES:
        return -1
    if data[start + 7] != START or data[start + 9] > LARGEST_DATA_BYTES:
        return 0
    return _OVERHEAD_BYTES + data[start + 9]


def head_of(data: bytes, start: int) -> Frame:
    """Address, control and data of the whole frame at ``start``, checked for nothing."""
    length = data[start + 9]
    address = data[start + 1 : start + 7][::-1].hex().upper()
    body = data[start + _HEAD_BYTES : start + _HEAD_BYTES + length].translate(_SUBTRACT)
    return Frame(address, data[start + 8], body)


def is_sound(data: bytes, start: int, length: int) -> bool:
    """Whether sum and end of the whole frame at ``start`` are right."""
    end = start + length
    return data[end - 1] == END and sum(data[start : end - 2]) & 0xFF == data[end - 2]


def find_frames(data: bytes) -> list[Frame]:
    """All valid frames, in sequence. Never raises: for tests, simulated meters and traces."""
    frames = []
    start = 0
    while start < len(data):
        length = frame_bytes(data, start)
        if length <= 0 or start + length > len(data) or not is_sound(data, start, length):
            start += 1
            continue
        frames.append(head_of(data, start))
        start += length
    return frames
