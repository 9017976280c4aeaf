"""Building blocks of the GB/T 27930 message table: what a field and a message are.

Bytes and bits are counted from 1, as the standard counts them; bit 1 of a byte is its least significant bit, and a
field of several bytes has its low byte first.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as default_field
from typing import Any, Literal

CHARGER_ADDRESS = 0x56
"""Fixed address of the charger on the bus (86); there is no address claim."""

VEHICLE_ADDRESS = 0xF4
"""Fixed address of the vehicle's BMS on the bus (244)."""

Confidence = Literal["high", "medium", "low"]
"""How sure a row of the table is: independent sources agree, few or weak sources, sources contradict each other."""

EDITIONS = ("2015", "2023")
"""Editions of GB/T 27930 the table holds; of 2023 only class A, which has the same identifiers."""


class Choices(Mapping[int, str]):
    """Names of the values of a field: English as a mapping by raw value, Chinese the same way in ``zh``."""

    __slots__ = ("_en", "zh")

    def __init__(self, names: Mapping[int, tuple[str, str]]) -> None:
        self._en = {raw: en for raw, (en, _) in names.items()}
        self.zh: Mapping[int, str] = {raw: zh for raw, (_, zh) in names.items()}

    def __getitem__(self, raw: int) -> str:
        return self._en[raw]

    def __iter__(self) -> Iterator[int]:
        return iter(self._en)

    def __len__(self) -> int:
        return len(self._en)


NO_CHOICES = Choices({})


SINGLE_FRAME_BYTES = 8
"""Longest payload of one frame; anything longer is a multi-packet transfer."""


STATE_BITS = 2
"""Width of the state fields in BSM, BST, CST, BEM and CEM."""


class MessageError(ValueError):
    """A message that cannot be read or written; the text names the message, the field and what is wrong."""


class Sender(enum.Enum):
    """Who sends a message."""

    CHARGER = CHARGER_ADDRESS
    VEHICLE = VEHICLE_ADDRESS


class Kind(enum.Enum):
    """How the bits of a field become a value.

    NUMBER: int or float, None when outside the field's range or all ones. CODE: the raw int. FLAG: bool, None when it
    is neither of the two patterns. VERSION: "major.minor". TEXT: printable ASCII. RAW: bytes. BCD: int.
    SOFTWARE_DATE: "year-month-day.number" of the software, or 16 hexadecimal digits when it is not such a date.
    """

    NUMBER = "number"
    CODE = "code"
    FLAG = "flag"
    VERSION = "version"
    TEXT = "text"
    RAW = "raw"
    BCD = "bcd"
    SOFTWARE_DATE = "software date"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    For a NUMBER the value in ``unit`` is ``direction * (raw - zero) / per_unit``: the current fields have
    ``direction`` -1, so that a value is positive *into the vehicle* although the standard's sign is the opposite.
    ``minimum`` and ``maximum`` bound the value in both directions of travel. ``optional`` fields may be left out
    when writing (all ones on the wire). ``missing`` is the raw value written when a field is left out and is not
    optional. ``required`` marks what the charger steers by: a message without a usable value there is refused.
    ``en`` and ``zh`` are titles for people, ``since`` is the first edition that has the field, ``note`` and
    ``confidence`` describe disputed points. In a list, item number n (from 1) has the number ``spn`` + n - 1.
    """

    name: str
    spn: int
    byte: int
    bits: int
    bit: int = 1
    kind: Kind = Kind.NUMBER
    per_unit: int = 1
    zero: int = 0
    direction: int = 1
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: Choices = default_field(default_factory=lambda: NO_CHOICES)
    false_raw: int = 0
    true_raw: int = 1
    optional: bool = False
    missing: int | None = None
    required: bool = False
    saturates: bool = False
    en: str = ""
    zh: str = ""
    since: str = "2015"
    note: str = ""
    confidence: Confidence = "high"

    @property
    def editions(self) -> tuple[str, ...]:
        """The editions that have the field; in the others its bits are spare."""
        return EDITIONS[EDITIONS.index(self.since) :]

    @property
    def shift(self) -> int:
        """Position of the lowest bit in the payload read as one little-endian number."""
        return (self.byte - 1) * 8 + self.bit - 1

    @property
    def ones(self) -> int:
        """The pattern of an unused field."""
        return (1 << self.bits) - 1

    @property
    def last_byte(self) -> int:
        """Number of payload bytes needed to read the field."""
        return (self.shift + self.bits + 7) // 8


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who sends it, how often, how long it is, and its fields.

    ``lengths`` are all lengths accepted on reception, the first is the one written. A message with
    ``item_bytes`` > 0 is a list: the fields describe one item, every value is a list, and ``lengths`` is empty.
    ``period_ms`` is the cycle time from first frame to first frame. ``en`` and ``zh`` are titles for people,
    ``clause`` is the place in the 2015 text, ``note`` describes disputed points. An ``optional`` message may be missing
    without a time-out. ``charging_data``: sent again and again while the charge runs, taken in and placed as such.
    """

    name: str
    pgn: int
    priority: int
    sender: Sender
    lengths: tuple[int, ...]
    period_ms: int
    fields: tuple[Field, ...]
    item_bytes: int = 0
    maximum_items: int = 0
    en: str = ""
    zh: str = ""
    clause: str = ""
    note: str = ""
    confidence: Confidence = "high"
    optional: bool = False
    charging_data: bool = False

    @property
    def largest_length(self) -> int:
        """Longest payload accepted, in bytes."""
        return self.item_bytes * self.maximum_items or max(self.lengths)

    @property
    def multi_packet(self) -> bool:
        """Whether the message needs a transfer; a short list may still fit one frame."""
        return self.largest_length > SINGLE_FRAME_BYTES

    @property
    def length(self) -> int:
        """Payload length written, in bytes; 0 for a list, which has the length of its values."""
        return self.lengths[0] if self.lengths else 0

    @property
    def receiver_address(self) -> int:
        """Address of the other side."""
        return VEHICLE_ADDRESS if self.sender is Sender.CHARGER else CHARGER_ADDRESS

    @property
    def identifier(self) -> int:
        """29-bit identifier of the single-frame form."""
        return self.priority << 26 | self.pgn << 8 | self.receiver_address << 8 | self.sender.value

    @property
    def period_s(self) -> float:
        """Cycle time in seconds."""
        return self.period_ms / 1000

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields without which the charger cannot use the message."""
        return tuple(field.name for field in self.fields if field.required)


MAXIMUM_VOLTAGE_V = 1500.0
"""Largest plausible voltage, end of the low-voltage DC range.

The 2015 tables print 0-750 V; vehicles above that are on the road, so the printed range is not enforced.
"""

MAXIMUM_CURRENT_A = 400.0
"""Largest charging current the encoding can carry: raw 0 stands for -400 A on the wire."""


def voltage(
    name: str, spn: int, byte: int, en: str, zh: str, *, maximum_v: float = MAXIMUM_VOLTAGE_V, **more: Any
) -> Field:
    """A total voltage: 2 bytes, 0.1 V per bit."""
    return Field(name, spn, byte, 16, per_unit=10, unit="V", minimum=0.0, maximum=maximum_v, en=en, zh=zh, **more)


def current(name: str, spn: int, byte: int, en: str, zh: str, *, minimum_a: float = 0.0, **more: Any) -> Field:
    """A current, positive into the vehicle: 2 bytes, 0.1 A per bit, raw 4000 is 0 A, raw 0 is 400 A of charging."""
    return Field(
        name, spn, byte, 16, per_unit=10, zero=4000, direction=-1, unit="A", minimum=minimum_a,
        maximum=MAXIMUM_CURRENT_A, en=en, zh=zh, **more,
    )  # fmt: skip


def cell_voltage(name: str, spn: int, byte: int, en: str, zh: str, *, bits: int = 16, **more: Any) -> Field:
    """A cell voltage: 0.01 V per bit, 0-24 V."""
    return Field(name, spn, byte, bits, per_unit=100, unit="V", minimum=0.0, maximum=24.0, en=en, zh=zh, **more)


def temperature(name: str, spn: int, byte: int, en: str, zh: str, **more: Any) -> Field:
    """A battery temperature: 1 degree Celsius per bit, raw 50 is 0 degrees, -50 to 200."""
    return Field(name, spn, byte, 8, zero=50, unit="°C", minimum=-50, maximum=200, en=en, zh=zh, **more)


def minutes(name: str, spn: int, byte: int, en: str, zh: str) -> Field:
    """A duration in minutes, 0-600; more is written as 600."""
    return Field(name, spn, byte, 16, unit="min", minimum=0, maximum=600, saturates=True, en=en, zh=zh)


def state(
    name: str, spn: int, byte: int, bit: int, choices: Choices, en: str, zh: str, *, since: str = "2015", **more: Any
) -> Field:
    """A two-bit state; left out, it is written as 00, or as the spare pattern 11 when the 2015 edition has it spare."""
    added = since != "2015"
    return Field(
        name, spn, byte, STATE_BITS, bit, Kind.CODE, choices=choices, optional=added, missing=None if added else 0,
        en=en, zh=zh, since=since, **more,
    )  # fmt: skip
