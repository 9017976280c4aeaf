"""An insulation monitor as data: its register map, a TOML file in config/insulation_monitors. A model needs no Python.

A map names the registers of the resistances and, where the device has them, of its own voltages; flags and codes give
what its status words mean for the values.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.data_file import SCHEMA, Form, Mistake, load_form, unknown

RESISTANCES = ("insulation_plus_kohm", "insulation_minus_kohm")
"""What every monitor delivers: resistance of each pole to earth, kohm."""
VOLTAGES = ("insulation_plus_v", "insulation_minus_v", "insulation_system_v")
"""What a monitor may measure besides: voltage of each pole to earth and between the poles, V."""

Register = Annotated[int, Meta(ge=0, le=0xFFFF, description="register as sent on the wire")]
Effect = Literal["note", "suspect", "failed"]
"""note: only shown; suspect: measured but not to be relied on; failed: no measurement."""
_WIDTHS = {"u16": 1, "i16": 1, "u32": 2, "f32": 2}
_UNITS = {"kohm": "kohm", "V": "V"}


class SerialLine(Form, frozen=True, kw_only=True):
    """How the device leaves the factory."""

    baud: Annotated[int, Meta(ge=1200, le=115200)]
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]
    address: Annotated[int, Meta(ge=1, le=247)]


class Block(Form, frozen=True, kw_only=True):
    """Registers that are read with one request."""

    start: Register
    count: Annotated[int, Meta(ge=1, le=125, description="Modbus application protocol V1.1b3, 6.3: at most 125")]

    def covers(self, register: int, width: int) -> bool:
        """Whether ``width`` registers from ``register`` are in this block."""
        return self.start <= register and register + width <= self.start + self.count


class Field(Form, frozen=True, kw_only=True):
    """One quantity: value = raw * scale, delivered under each name of ``signals``.

    Two signals: the device has one total resistance R_F of both poles in parallel, which is not above the lower of the
    two, so that it may be used for each pole.
    """

    signals: Annotated[list[str], Meta(min_length=1, max_length=2)]
    register: Register
    type: Literal["u16", "i16", "u32", "f32"]
    scale: Annotated[float, Meta(gt=0)] = 1.0
    unit: Literal["kohm", "V"]
    no_value: list[int] = msgspec.field(default_factory=list)
    lowest: float = 0.0
    highest: float

    @property
    def width(self) -> int:
        """Number of registers."""
        return _WIDTHS[self.type]


class Flag(Form, frozen=True, kw_only=True):
    """One bit of a status word. ``fields``: the signals that it concerns; empty: all."""

    register: Register
    bit: Annotated[int, Meta(ge=0, le=15)]
    name: str
    name_zh: str
    effect: Effect = "note"
    fields: list[str] = msgspec.field(default_factory=list)


class CodeValue(Form, frozen=True, kw_only=True):
    """One value of a code."""

    value: Annotated[int, Meta(ge=0, le=0xFFFF)]
    name: str
    name_zh: str
    effect: Effect = "note"


class Code(Form, frozen=True, kw_only=True):
    """A number inside a status word: (register >> shift) & mask. A value that is not listed counts as ``failed``."""

    register: Register
    shift: Annotated[int, Meta(ge=0, le=15)] = 0
    mask: Annotated[int, Meta(ge=1, le=0xFFFF)]
    normal: Annotated[list[int], Meta(min_length=1, description="values that mean nothing special")]
    values: list[CodeValue] = msgspec.field(default_factory=list)
    fields: list[str] = msgspec.field(default_factory=list)


class InsulationMap(Form, frozen=True, kw_only=True):
    """The whole file."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    description: Annotated[str, Meta(min_length=1)]
    description_zh: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]
    usage: Annotated[str, Meta(min_length=1, description="how its resistances are used, and in what range")]
    function: Literal[3, 4]
    latency_ms: Annotated[int, Meta(ge=10, le=2000, description="longest time until it answers")]
    minimum_gap_ms: Annotated[int, Meta(ge=0, le=1000, description="pause that it needs between requests")]
    serial: SerialLine
    blocks: Annotated[list[Block], Meta(min_length=1, max_length=4)]
    fields: Annotated[list[Field], Meta(min_length=1)]
    flags: list[Flag] = msgspec.field(default_factory=list)
    codes: list[Code] = msgspec.field(default_factory=list)


def load_insulation_map(path: Path) -> InsulationMap:
    """The map in a file. Raises DataFileError with every error."""
    return load_form(path, InsulationMap, insulation_map_mistakes)


def insulation_map_mistakes(wanted: InsulationMap) -> list[Mistake]:
    """What types and ranges do not show: registers that no block reads, names, missing or doubled signals."""
    return [*_names(wanted), *_registers(wanted), *_shapes(wanted)]


def _names(wanted: InsulationMap) -> Iterator[Mistake]:
    delivered: list[str] = []
    for index, field in enumerate(wanted.fields):
        place = f"fields[{index}]"
        for signal in field.signals:
            if signal not in (*RESISTANCES, *VOLTAGES):
                yield unknown(f"{place}.signals", signal, (*RESISTANCES, *VOLTAGES))
            elif not signal.endswith(f"_{_UNITS[field.unit].lower()}"):
                yield Mistake(f"{place}.unit", f"{signal} 的单位不符", f"is not the unit of {signal}")
            if signal in delivered:
                yield Mistake(f"{place}.signals", f"{signal} 重复", f"{signal} is delivered twice")
            delivered.append(signal)
        if not field.lowest < field.highest:
            yield Mistake(f"{place}.highest", "不大于 lowest", "is not above lowest")
    for signal in RESISTANCES:
        if signal not in delivered:
            hint = ("只有总电阻时,同一 field 写两个信号", "with one total resistance, give both signals to one field")
            yield Mistake("fields", f"缺少 {signal}", f"{signal} is missing", *hint)
    for place, word in _words(wanted):
        for signal in word.fields:
            if signal not in delivered:
                yield unknown(f"{place}.fields", signal, delivered)


def _words(wanted: InsulationMap) -> Iterator[tuple[str, Flag | Code]]:
    for index, flag in enumerate(wanted.flags):
        yield f"flags[{index}]", flag
    for index, code in enumerate(wanted.codes):
        yield f"codes[{index}]", code


def _registers(wanted: InsulationMap) -> Iterator[Mistake]:
    parts = [
        *((f"fields[{index}]", field.register, field.width) for index, field in enumerate(wanted.fields)),
        *((place, word.register, 1) for place, word in _words(wanted)),
    ]
    for place, register, width in parts:
        if not any(block.covers(register, width) for block in wanted.blocks):
            yield Mistake(
                f"{place}.register",
                f"{register} 不在任何块中",
                f"{register} is in no block",
                "补入 blocks",
                "add it to blocks",
            )
    for place, word in _words(wanted):
        for field in wanted.fields:
            concerned = not word.fields or set(word.fields) & set(field.signals)
            if concerned and not any(
                block.covers(word.register, 1) and block.covers(field.register, field.width) for block in wanted.blocks
            ):
                what = f"does not come in one block with {field.signals[0]}"
                hint = ("状态字与数值须在同一次读取中", "a status word must come in the request of its value")
                yield Mistake(f"{place}.register", f"与 {field.signals[0]} 不在同一块", what, *hint)


def _shapes(wanted: InsulationMap) -> Iterator[Mistake]:
    counts = [block.count for block in wanted.blocks]
    if len(set(counts)) != len(counts):
        yield Mistake(
            "blocks",
            "两个块长度相同",
            "two blocks have the same count",
            "改变其中一个的长度:迟到的应答才不会被当成另一块",
            "change one: a late reply to one block must not fit the other",
        )
