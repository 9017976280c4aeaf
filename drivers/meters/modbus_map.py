"""A Modbus meter as data: its register map, a TOML file in config/meters. Adding a model needs no Python.

Fields name registers; which registers are read together is worked out by the planner.
"""

import math
import struct
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.meters.commissioning import IdentityCode, Settings
from drivers.meters.sections import MapText, MeterMap, Quantity, Section, SerialDefaults

Register = Annotated[int, Meta(ge=0, le=0xFFFF, description="address on the wire, 0-based")]
Function = Annotated[Literal[3, 4], Meta(description="function code that reads it: 3 holding, 4 input registers")]
WordOrder = Annotated[
    Literal["high_first", "low_first"], Meta(description="order of the registers of one value: ABCD or CDAB")
]
ValueType = Annotated[
    Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "bcd16", "bcd32"],
    Meta(description="how the registers hold the value"),
]

_LAYOUTS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f"}
_WIDTHS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "u64": 4, "i64": 4, "f32": 2, "bcd16": 1, "bcd32": 2}


class InRegisters:
    """What fields and ratios have in common: a value in registers."""

    __slots__ = ()

    register: int
    type: str
    function: Function
    word_order: WordOrder

    @property
    def width(self) -> int:
        """Number of registers."""
        return _WIDTHS[self.type]

    @property
    def last(self) -> int:
        """The last of its registers."""
        return self.register + self.width - 1

    def raw(self, registers: tuple[int, ...]) -> tuple[int, float]:
        """The raw value of its registers (in wire order), as unsigned number and as value of ``type``.

        What is no number (NaN, infinity, a BCD digit above 9) comes back as NaN or infinity.
        """
        words = registers if self.word_order == "high_first" else registers[::-1]
        data = struct.pack(f">{len(words)}H", *words)
        if self.type.startswith("bcd"):
            digits = data.hex()
            return int.from_bytes(data, "big"), int(digits) if digits.isdecimal() else math.nan
        value: int | float = struct.unpack(f">{_LAYOUTS[self.type]}", data)[0]
        return int.from_bytes(data, "big"), value


class Field(Quantity, InRegisters, frozen=True, kw_only=True):
    """One quantity: value = sign * raw * scale * 10 ** (exponent register + exponent_bias) * ratios, in ``unit``.

    A raw value that is in ``sentinels`` (as unsigned number) or ``missing``, or an exponent outside 0 to
    ``exponent_maximum``, means that there is no value. ``function`` and ``word_order`` are by default those of the map.
    """

    register: Register
    type: ValueType
    function: Function = 3
    word_order: WordOrder = "high_first"
    scale: Annotated[float, Meta(description="value of one digit, in the unit")] = 1.0
    sign: Annotated[Literal[1, -1], Meta(description="-1 turns the direction")] = 1
    exponent_register: Annotated[Register, Meta(description="register with the power of ten")] | None = None
    exponent_bias: Annotated[int, Meta(ge=-10, le=10, description="added to the exponent")] = 0
    exponent_maximum: Annotated[int, Meta(ge=0, le=20, description="largest exponent that makes sense")] = 10
    ratios: Annotated[list[str], Meta(description="ratios of the meter that multiply the value")] = msgspec.field(
        default_factory=list
    )
    sentinels: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(description="patterns that mean: no value here")] = (
        msgspec.field(default_factory=list)
    )
    missing: Annotated[
        list[Literal["all_ones", "highest", "lowest"]],
        Meta(description="the same as a keyword: 0xFF..., 0x7FF..., 0x800... in the width of the type"),
    ] = msgspec.field(default_factory=list)
    together: Annotated[str, Meta(description="fields with the same word here are read in one request")] = ""
    variant: Annotated[str, Meta(description="only with this variant of the firmware")] = ""

    @property
    def no_value(self) -> frozenset[int]:
        """All raw patterns, as unsigned numbers, that mean that there is no value."""
        bits = 16 * self.width
        named = {"all_ones": (1 << bits) - 1, "highest": (1 << bits - 1) - 1, "lowest": 1 << bits - 1}
        return frozenset((*self.sentinels, *(named[name] for name in self.missing)))

    @property
    def modulus(self) -> int | None:
        """Raw value at which a counter rolls over to 0; None where the type does not define it."""
        if self.rollover is not None:
            return self.rollover
        if self.type.startswith("u"):
            return 1 << 16 * self.width
        return 10 ** (4 * self.width) if self.type.startswith("bcd") else None


class Ratio(Section, InRegisters, frozen=True, kw_only=True):
    """A ratio set in the meter (current or voltage transformer) that its values are to be multiplied by."""

    register: Register
    type: ValueType
    function: Function = 3
    word_order: WordOrder = "high_first"
    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,15}$", description="name that fields refer to")]
    scale: Annotated[float, Meta(description="value of one digit")] = 1.0
    minimum: Annotated[float, Meta(gt=0, description="smallest value that makes sense")] = 1.0
    maximum: Annotated[float, Meta(gt=0, description="largest value that makes sense")] = 10000.0
    same_request: Annotated[bool, Meta(description="must come from the same request as the values")] = False


class Variant(Section, frozen=True, kw_only=True):
    """One of several places where firmware versions keep the same quantities; the meter is asked which it is.

    Of the variants of one ``choice``, in the order of the file, the first with a value in its field ``probe`` is taken;
    with ``above_zero`` a value of 0 proves nothing while another variant answers as well: the wrong place of a meter
    that does not have it may always read 0.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,15}$", description="name that fields refer to")]
    choice: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9_]{0,15}$", description="the variants of one choice exclude each other")
    ]
    probe: Annotated[str, Meta(description="signal with the field that detects this variant")]
    above_zero: Annotated[bool, Meta(description="the probe must be above 0")] = False
    description: MapText


class Span(Section, frozen=True, kw_only=True):
    """Registers that may be read through although no field names them."""

    first: Register
    last: Register
    function: Function = 3


class RegisterMap(MeterMap, frozen=True, kw_only=True):
    """One meter model that is read over Modbus."""

    protocol: Annotated[Literal["modbus"], Meta(description="protocol of the meter")]
    maximum_registers: Annotated[int, Meta(ge=1, le=125, description="most registers in one request")]
    even: Annotated[bool, Meta(description="requests must begin at an even register and have an even count")] = False
    function: Function = 3
    function_alternatives: Annotated[
        list[Function], Meta(description="function codes to try when the meter refuses the first")
    ] = msgspec.field(default_factory=list)
    word_order: WordOrder = "high_first"
    channel_address_step: Annotated[
        int, Meta(ge=0, le=10, description="channel n answers at address + step * (n - 1), with the same registers")
    ] = 0
    channels: Annotated[int, Meta(ge=1, le=4, description="measuring channels in one box")] = 1
    serial: Annotated[SerialDefaults, Meta(description="how it leaves the factory")]
    readable: Annotated[list[Span], Meta(description="registers that may be read through")] = msgspec.field(
        default_factory=list
    )
    ratios: Annotated[list[Ratio], Meta(description="ratios set in the meter")] = msgspec.field(default_factory=list)
    variants: Annotated[list[Variant], Meta(description="where firmware versions differ")] = msgspec.field(
        default_factory=list
    )
    fields: Annotated[list[Field], Meta(min_length=1, description="what it measures")]
    identify: Annotated[list[IdentityCode], Meta(description="codes by which the model is known")] = msgspec.field(
        default_factory=list
    )
    settings: Annotated[Settings, Meta(description="settings of its line that can be written")] | None = None

    def ratio(self, name: str) -> Ratio | None:
        """The ratio of this name."""
        return next((ratio for ratio in self.ratios if ratio.name == name), None)

    def signals(self, channel: int = 1) -> tuple[str, ...]:
        """What it delivers for a channel, each name once, in the order of the file."""
        # One address per channel: every channel has the registers that stand for channel 1.
        wanted = 1 if self.channel_address_step else channel
        return tuple(dict.fromkeys(field.signal for field in self.fields if field.channel == wanted))
