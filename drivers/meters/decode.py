"""From raw registers or raw bytes to a value in the unit of its signal, exactly, or to no value."""

import math
from collections.abc import Mapping
from fractions import Fraction

from drivers.meters.identifier_map import Item
from drivers.meters.modbus_map import Field, Ratio
from drivers.meters.sections import Quantity
from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS, UNIT_FACTORS, is_energy

Value = float | int


def signal_unit(signal: str) -> str:
    """The unit in which a signal is delivered. Raises KeyError for a name that is none."""
    return DC_SIGNALS[signal] if signal in DC_SIGNALS else AC_SIGNALS[signal]


def _factor(quantity: Quantity, digit: Fraction, energy_unit: Fraction) -> Fraction:
    factor = digit * Fraction(UNIT_FACTORS[quantity.unit][1])
    return factor * energy_unit if is_energy(quantity.signal) else factor


def _finished(exact: Fraction, signal: str) -> Value:
    # Energy is whole Wh, rounded down: nothing is billed before the register shows it.
    return math.floor(exact) if is_energy(signal) else float(exact)


def raw_of(part: Field | Ratio, start: int, registers: tuple[int, ...]) -> tuple[int, float]:
    """The raw value of a field in a reply that begins at register ``start``: as unsigned number, and as its type."""
    first = part.register - start
    return part.raw(registers[first : first + part.width])


class FieldReader:
    """One field of a map, ready to decode replies.

    ``energy_unit_wh`` corrects the unit of energy registers (1: the map is right), as proven against the display.
    """

    __slots__ = ("_factor", "_no_value", "field", "unit")

    def __init__(self, field: Field, energy_unit_wh: Fraction = Fraction(1)) -> None:
        self.field = field
        self.unit = signal_unit(field.signal)
        self._no_value = field.no_value
        # Through the decimal notation: 0.1 means one tenth, not its neighbour among the binary fractions.
        digit = Fraction(str(field.scale)) * field.sign
        self._factor = _factor(field, digit, energy_unit_wh)

    def value(self, start: int, registers: tuple[int, ...], ratios: Mapping[str, Fraction]) -> Value | None:
        """The value in a reply that begins at register ``start``; None if there is none or a ratio is not known."""
        field = self.field
        pattern, raw = raw_of(field, start, registers)
        if pattern in self._no_value or not math.isfinite(raw):
            return None
        exact = Fraction(raw) * self._factor
        if field.exponent_register is not None:
            stated = registers[field.exponent_register - start]
            if stated > field.exponent_maximum:
                return None
            exact *= Fraction(10) ** (stated + field.exponent_bias)
        for name in field.ratios:
            ratio = ratios.get(name)
            if ratio is None:
                return None
            exact *= ratio
        return _finished(exact, field.signal)


def ratio_value(ratio: Ratio, start: int, registers: tuple[int, ...]) -> Fraction | None:
    """The ratio in a reply that begins at register ``start``; None if it is not valid."""
    _, raw = raw_of(ratio, start, registers)
    if not math.isfinite(raw):
        return None
    value = Fraction(raw) * Fraction(str(ratio.scale))
    # Exactly: as binary fractions a limit such as 999.9 would shut out 999.9 itself.
    return value if Fraction(str(ratio.minimum)) <= value <= Fraction(str(ratio.maximum)) else None


def item_raw(item: Item, data: bytes) -> int | None:
    """The raw number in the bytes of an item, lowest pair of digits first (33H already taken off); None if it is none.

    Raises ValueError if the length is not that of the item.
    """
    if len(data) != item.bytes:
        raise ValueError(f"{item.di}: {len(data)} bytes instead of {item.bytes}")
    if item.encoding == "binary":
        absent = data == b"\xff" * len(data)
        return None if absent else int.from_bytes(data, "little", signed=item.signed)
    highest = data[-1] & 0x7F if item.signed else data[-1]
    digits = bytes((highest, *data[-2::-1])).hex()
    if not digits.isdecimal():
        return None
    return -int(digits) if highest != data[-1] else int(digits)


def item_value(item: Item, data: bytes, energy_unit_wh: Fraction = Fraction(1)) -> Value | None:
    """The value of an item in the unit of its signal; None if the bytes are no number. Raises ValueError, see above."""
    raw = item_raw(item, data)
    if raw is None:
        return None
    return _finished(raw * _factor(item, item.scale, energy_unit_wh), item.signal)


def block_values(items: tuple[Item, ...], data: bytes) -> list[tuple[Item, bytes]]:
    """The bytes of each item of a block reply; items that the reply is too short for are left out.

    A meter with fewer tariffs than the standard's four sends a shorter block. Raises ValueError if the reply ends
    within an item or is longer than all of them.
    """
    parts, at = [], 0
    for item in items:
        if at == len(data):
            break
        if at + item.bytes > len(data):
            raise ValueError(f"the block ends within {item.di}")
        parts.append((item, data[at : at + item.bytes]))
        at += item.bytes
    if at < len(data):
        raise ValueError(f"the block has {len(data) - at} bytes more than its items")
    return parts
