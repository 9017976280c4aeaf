"""A DL/T 645-2007 meter of the bench: frames, and the identifiers of any map with this protocol.

Written from the standard's frame (68, address, 68, control code, length, data + 33H, sum, 16), not from the driver.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from drivers.meters.identifier_map import IdentifierMap, Item
from drivers.meters.signals import UNIT_FACTORS, is_energy
from hil_tests.bench.meters.encode import encode_identifier
from hil_tests.bench.meters.faults import Faults, Sending
from hil_tests.bench.meters.model import Value, Values, key_of

START, END, OFFSET = 0x68, 0x16, 0x33
READ, READ_ADDRESS = 0x11, 0x13
REPLY_BIT, ERROR_BIT = 0x80, 0x40
NO_DATA = 0x02
"""Error byte: the requested data is not there."""

_HEAD_BYTES = 10
_LARGEST_BUFFER = 600
PREAMBLE = b"\xfe" * 4


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: address as twelve digits, data without the offset."""

    address: str
    control: int
    data: bytes

    def encode(self) -> bytes:
        """The bytes on the line, without preamble."""
        body = (
            bytes((START,))
            + bytes.fromhex(self.address)[::-1]
            + bytes((START, self.control, len(self.data)))
            + bytes((byte + OFFSET) & 0xFF for byte in self.data)
        )
        return body + bytes((sum(body) & 0xFF, END))


class Requests:
    """Finds frames in the bytes from the line, with any bytes before them."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with ``data``."""
        self._buffer = (self._buffer + data)[-_LARGEST_BUFFER:]
        found = []
        start = 0
        while start < len(self._buffer):
            frame = _frame_at(self._buffer[start:])
            if frame is None:
                start += 1
                continue
            found.append(frame)
            self._buffer = self._buffer[start + _HEAD_BYTES + len(frame.data) + 2 :]
            start = 0
        return found


def _frame_at(data: bytes) -> Frame | None:
    if len(data) < _HEAD_BYTES + 2 or data[0] != START or data[7] != START:
        return None
    end = _HEAD_BYTES + data[9]
    if len(data) < end + 2 or data[end] != sum(data[:end]) & 0xFF or data[end + 1] != END:
        return None
    return Frame(data[6:0:-1].hex().upper(), data[8], bytes((byte - OFFSET) & 0xFF for byte in data[_HEAD_BYTES:end]))


class IdentifierModel:
    """A meter with the identifiers of ``identifier_map`` and the number ``number`` (twelve digits)."""

    def __init__(self, identifier_map: IdentifierMap, number: str, *, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.map = identifier_map
        self.address = number
        self.values = Values((key_of(item.signal, item.channel) for item in identifier_map.items), clock)
        self.written: list[Frame] = []
        self._fit_defaults()

    @property
    def id(self) -> str:
        """Which map it is."""
        return self.map.id

    def read(self, di: str) -> bytes | None:
        """The value of an identifier as it goes on the line, None if there is no such identifier."""
        item = self.map.item(di)
        if item is not None:
            return self._encoded(item)
        for block in self.map.blocks:
            if block.di == di:
                items = [item for each in block.items if (item := self.map.item(each)) is not None]
                return b"".join(self._encoded(item) for item in items)
        return None

    def answer(self, frame: Frame) -> Frame:
        """The reply of the meter to a frame with its address."""
        if frame.control == READ_ADDRESS:
            return Frame(self.address, READ_ADDRESS | REPLY_BIT, bytes.fromhex(self.address)[::-1])
        if frame.control == READ and len(frame.data) >= 4:
            value = self.read(frame.data[3::-1].hex().upper())
            if value is not None:
                return Frame(self.address, READ | REPLY_BIT, frame.data[:4] + value)
        elif frame.control != READ:
            self.written.append(frame)
        return Frame(self.address, (frame.control & 0x1F) | REPLY_BIT | ERROR_BIT, bytes((NO_DATA,)))

    def hears(self, address: str) -> bool:
        """Whether a frame for ``address`` is for it: A stands for any digit."""
        return all(want in ("A", own) for want, own in zip(address, self.address, strict=True))

    def resolution(self, item: Item) -> Fraction:
        """The step in which it shows an item, in the unit of the signal."""
        return item.scale * Fraction(UNIT_FACTORS[item.unit][1])

    def check(self, name: str) -> None:
        """Raises DoesNotFitError if the meter cannot show what it measures as ``name``."""
        for item in self.map.items:
            if key_of(item.signal, item.channel) == name:
                self._encoded(item)

    def roll_over(self, after_wh: int = 1) -> None:
        """Put all energy registers so far before their end."""
        for item in self.map.items:
            if is_energy(item.signal):
                end = item.modulus * self.resolution(item)
                self.values.set(key_of(item.signal, item.channel), int(end) - after_wh)

    def restart(self) -> None:
        """The supply was off and on."""

    def _encoded(self, item: Item) -> bytes:
        value = self.values.shown()[key_of(item.signal, item.channel)]
        if value is None:
            return b"\xff" * item.bytes
        return self._encode(item, value)

    def _encode(self, item: Item, value: Value) -> bytes:
        raw = Fraction(str(value)) / self.resolution(item)
        return encode_identifier(
            raw, item.bytes, item.encoding, signed=item.signed, is_counter=is_energy(item.signal) and raw >= 0
        )

    def _fit_defaults(self) -> None:
        for item in self.map.items:
            name = key_of(item.signal, item.channel)
            value = self.values.now[name]
            digits = 10 ** (2 * item.bytes) if item.encoding == "bcd" else 1 << 8 * item.bytes
            largest = digits // 2 if item.signed else digits
            while value is not None and not is_energy(item.signal) and value / self.resolution(item) >= largest:
                value = value / 10
            self.values.now[name] = value


def sendings(faults: Faults, reply: Frame) -> list[Sending]:
    """What is sent instead of ``reply``: the same faults in this protocol's terms."""
    taken = faults.take()
    address, control, data = reply.address, reply.control, reply.data
    if "exception" in taken:
        control, data = (control & 0x1F) | REPLY_BIT | ERROR_BIT, bytes((int(taken["exception"]),))
    elif "short" in taken:
        data = data[: max(0, len(data) - int(taken["short"]))]
    if "function" in taken:
        control ^= 0x02
    if "unit" in taken:
        address = f"{(int(address) + int(taken['unit'])) % 10**12:012d}"
    frame = Frame(address, control, data).encode()
    return [Sending(sent.after_s, PREAMBLE + sent.data) for sent in faults.spoiled_frame(frame, taken)]
