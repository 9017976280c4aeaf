"""A meter over DL/T 645-2007 as data: identifiers instead of registers.

DL/T 645-2007: a read names one data identifier (DI, eight hexadecimal digits, DI3 first as in the standard's tables)
and gets its value as BCD, lowest pair of digits first. A block identifier gets several values one after the other.
"""

from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.meters.sections import MeterMap, Quantity, Section, SerialDefaults

Identifier = Annotated[str, Meta(pattern=r"^[0-9A-F]{8}$", description="data identifier, DI3 first")]

WILDCARD_ADDRESS = "AAAAAAAAAAAA"
"""Every meter answers to it: for one meter alone on its line (DL/T 645-2007)."""


class LineDefaults(SerialDefaults, frozen=True, kw_only=True):
    """How the meter leaves the factory. Its number is printed on it; ``address`` is only that of its Modbus mode."""

    address: Annotated[int, Meta(ge=1, le=247, description="not used with DL/T 645")] = 1
    number: Annotated[
        str, Meta(pattern=r"^([0-9]{12}|A{12})$", description="twelve digits, or twelve A for any meter")
    ] = WILDCARD_ADDRESS
    preamble: Annotated[int, Meta(ge=0, le=8, description="FE bytes before a request")] = 4


class Item(Quantity, frozen=True, kw_only=True):
    """One quantity: value = raw * 10 ** -decimals, in ``unit``.

    ``signed``: the top bit of the highest byte is the sign, the other bits the magnitude (in binary: two's complement).
    A pattern that is no decimal number, and 0xFF throughout, mean that there is no value.
    """

    di: Identifier
    bytes: Annotated[int, Meta(ge=1, le=8, description="length of the value, bytes")]
    decimals: Annotated[int, Meta(ge=0, le=8, description="digits after the point")]
    signed: Annotated[bool, Meta(description="the top bit is the sign")] = False
    encoding: Annotated[Literal["bcd", "binary"], Meta(description="binary is a deviation of single makers")] = "bcd"

    @property
    def scale(self) -> Fraction:
        """Value of one digit, in ``unit``."""
        return Fraction(1, 10**self.decimals)

    @property
    def modulus(self) -> int:
        """Raw value at which a counter begins again at 0."""
        if self.rollover is not None:
            return self.rollover
        return 10 ** (2 * self.bytes) if self.encoding == "bcd" else 1 << 8 * self.bytes


class ItemBlock(Section, frozen=True, kw_only=True):
    """Items that one block identifier reads together, in the order of the reply."""

    di: Identifier
    items: Annotated[list[Identifier], Meta(min_length=2, description="what it returns, in this order")]


class IdentifierMap(MeterMap, frozen=True, kw_only=True):
    """One meter model that is read over DL/T 645-2007."""

    protocol: Annotated[Literal["dlt645-2007"], Meta(description="protocol of the meter")]
    serial: Annotated[LineDefaults, Meta(description="how it leaves the factory")]
    computed_power: Annotated[
        bool, Meta(description="the meter gives no power: meter_power_w is voltage times current, both from it")
    ] = False
    items: Annotated[list[Item], Meta(min_length=1, description="what it measures")]
    blocks: Annotated[list[ItemBlock], Meta(description="what can be read together")] = msgspec.field(
        default_factory=list
    )

    def item(self, di: str) -> Item | None:
        """The item with this identifier."""
        return next((item for item in self.items if item.di == di), None)
