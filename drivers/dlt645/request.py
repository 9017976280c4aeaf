"""Requests of DL/T 645-2007 that only read: data, the rest of data, and the address of the only meter on a line.

What would write, reset or set a clock cannot be expressed here, nor can a broadcast.
A reply counts only if address, control code, identifier, length, sum and end all fit the request that was sent.
"""

from collections.abc import Set
from functools import lru_cache

import msgspec

from drivers.dlt645.frame import (
    BROADCAST_ADDRESS,
    LARGEST_DATA_BYTES,
    MORE_FOLLOWS,
    REFUSED,
    REPLY,
    WILDCARD_ADDRESS,
    Frame,
    encode_frame,
    frame_bytes,
    head_of,
    is_sound,
)
from drivers.line.exchange import Found, Match, Result

READ_DATA = 0x11
READ_MORE = 0x12
READ_ADDRESS = 0x13

IDENTIFIER_BYTES = 4
ADDRESS_BYTES = 6
_OVERHEAD_BYTES = 16  # frame and four wake-up bytes
_LARGEST_SEQUENCE = 255
# What every meter of the standard has: its address, forward energy, date (annex A).
_COMMON_ITEMS = ((0x04000401, 6), (0x00010000, 4), (0x04000101, 4))

ERROR_BITS = {
    0: "other error",
    1: "no such data",
    2: "not authorised",
    3: "speed cannot be changed",
    4: "too many year zones",
    5: "too many day slots",
    6: "too many tariffs",
}
"""Meaning of the bits of an exception code (clause 7, error information word)."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One read. ``address`` has twelve digits; ``identifier`` is DI3 to DI0 as one number, 0x00010000 for example.

    ``length`` is the number of bytes of the value (without identifier); another length is no reply, but down to
    ``least_length`` (0: exactly ``length``). ``length`` 0 takes any, which is for looking around, not for billing.
    ``control`` READ_MORE asks for the part ``sequence`` (1 to 255) of a value after a reply with more to follow.
    ``others`` are further items of the same meter (identifier, length) that may serve as a probe.
    ``priority``, ``tag``, ``lifetime_s``: see drivers.line.exchange.
    """

    address: str
    identifier: int = 0
    length: int = 0
    control: int = READ_DATA
    sequence: int = 0
    others: tuple[tuple[int, int], ...] = ()
    priority: int = 2
    tag: str = ""
    lifetime_s: float = 1.0
    least_length: int = 0

    @property
    def is_read(self) -> bool:
        """There is nothing else."""
        return True

    def encode(self) -> bytes:
        """Frame with four wake-up bytes. Raises ValueError if this is not a request that may be sent."""
        return _encode(self)

    def reply_bytes(self) -> int:
        """Longest normal reply."""
        if self.control == READ_ADDRESS:
            return _OVERHEAD_BYTES + ADDRESS_BYTES
        if not self.length:
            return _OVERHEAD_BYTES + LARGEST_DATA_BYTES
        return _OVERHEAD_BYTES + IDENTIFIER_BYTES + self.length + (self.control == READ_MORE)

    def reply_shape(self) -> bytes:
        """Control code and identifier: the reply repeats both."""
        if self.control == READ_ADDRESS:
            return bytes((READ_ADDRESS | REPLY,))
        return bytes((self.control | REPLY, self.sequence)) + self.identifier.to_bytes(IDENTIFIER_BYTES, "little")

    def exception_shape(self) -> bytes:
        """A refusal contains the function, not the identifier."""
        return bytes((self.control | REPLY | REFUSED,))

    def find_reply(self, data: bytes) -> Found:
        """Look for the reply in everything that was received since the request was sent."""
        foreign = 0
        bad = False
        start = data.find(0x68)
        while 0 <= start < len(data):
            length = frame_bytes(data, start)
            end = start + length
            if length <= 0 or end > len(data):
                start = data.find(0x68, start + 1)
                continue
            ours = self._is_ours(head_of(data, start))
            if not is_sound(data, start, length):
                bad = bad or ours
                start = data.find(0x68, start + 1)
                continue
            if ours:
                return Found(Match.REPLY, data[start:end], end, foreign)
            foreign += 1
            start = data.find(0x68, end)
        match = Match.BAD_CHECKSUM if bad else Match.FOREIGN if foreign else Match.NOTHING
        return Found(match, foreign_frames=foreign)

    def _is_ours(self, frame: Frame) -> bool:
        if self.address == WILDCARD_ADDRESS:
            if not frame.address.isdecimal():
                return False
        elif frame.address != self.address:
            return False
        control = frame.control
        if control == self.control | REPLY | REFUSED:
            return len(frame.data) == 1
        if self.control == READ_ADDRESS:
            return control == READ_ADDRESS | REPLY and len(frame.data) == ADDRESS_BYTES
        if control not in (self.control | REPLY, self.control | REPLY | MORE_FOLLOWS):
            return False
        if frame.data[:IDENTIFIER_BYTES] != self.identifier.to_bytes(IDENTIFIER_BYTES, "little"):
            return False
        value_bytes = len(frame.data) - IDENTIFIER_BYTES
        if self.control == READ_MORE:
            if frame.data[-1] != self.sequence:
                return False
            value_bytes -= 1
        if value_bytes < 1:
            return False
        if not self.length:
            return True
        if control & MORE_FOLLOWS:
            return value_bytes < self.length
        return (self.least_length or self.length) <= value_bytes <= self.length

    def exception_code(self, frame: bytes) -> int | None:
        """The error information word of a refusal."""
        head = head_of(frame, 0)
        return head.data[0] if head.control & REFUSED else None

    def probe(self, outstanding: Set[bytes]) -> "Request | None":
        """A read of another item: of the meter's own table first, then of what every meter has."""
        for identifier, length in (*self.others, *_COMMON_ITEMS):
            candidate = Request(self.address, identifier, length, priority=self.priority)
            if candidate.reply_shape() not in outstanding:
                return candidate
        return None

    def result(self, frame: bytes, at_s: float) -> Result:
        """The value without identifier and sequence."""
        head = head_of(frame, 0)
        if self.control == READ_ADDRESS:
            return Result(self, data=head.data, at_s=at_s)
        end = len(head.data) - (self.control == READ_MORE)
        more = bool(head.control & MORE_FOLLOWS)
        return Result(self, data=head.data[IDENTIFIER_BYTES:end], more=more, at_s=at_s)


def read_address(lifetime_s: float = 1.0) -> Request:
    """Ask the only meter on a line for its address; ``address_in`` takes it from the result."""
    return Request(WILDCARD_ADDRESS, control=READ_ADDRESS, priority=3, lifetime_s=lifetime_s)


def address_in(result: Result) -> str | None:
    """The address in the result of ``read_address``, None if it holds none."""
    address = result.data[::-1].hex()
    return address if result.ok and len(address) == 12 and address.isdecimal() else None


@lru_cache(maxsize=256)
def _encode(request: Request) -> bytes:
    if request.address == BROADCAST_ADDRESS:
        raise ValueError("a broadcast has no reply and is not sent")
    if request.control == READ_ADDRESS:
        if request.address != WILDCARD_ADDRESS:
            raise ValueError(f"the address of {request.address} is known: READ_ADDRESS goes to {WILDCARD_ADDRESS}")
        return encode_frame(Frame(request.address, READ_ADDRESS, b""))
    if request.control not in (READ_DATA, READ_MORE):
        raise ValueError(f"control {request.control:#04x} does not read")
    if not 0 <= request.identifier <= 0xFFFFFFFF:
        raise ValueError(f"identifier {request.identifier:#x} has more than four bytes")
    if not 0 <= request.length <= LARGEST_DATA_BYTES * _LARGEST_SEQUENCE:
        raise ValueError(f"length {request.length} is not the length of a value")
    data = request.identifier.to_bytes(IDENTIFIER_BYTES, "little")
    if request.control == READ_MORE:
        if not 1 <= request.sequence <= _LARGEST_SEQUENCE:
            raise ValueError(f"sequence {request.sequence} is not within 1..{_LARGEST_SEQUENCE}")
        data += bytes((request.sequence,))
    elif request.sequence:
        raise ValueError("only READ_MORE has a sequence")
    return encode_frame(Frame(request.address, request.control, data))
