"""A meter as data: its register map, a TOML file in config/meters. Adding a model needs no Python."""

import difflib
import re
import struct
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SIGNAL_UNITS = {
    "meter_voltage_v": "V",
    "meter_current_a": "A",
    "meter_power_w": "W",
    "meter_energy_wh": "Wh",
}
ENERGY_SIGNAL = "meter_energy_wh"

_LAYOUTS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f"}
_UNKNOWN_KEY = re.compile(r"unknown field `([^`]*)`")


class RegisterMapError(Exception):
    """A register map cannot be used. The text names the file, the key and what is wrong."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections of a map."""


class SerialDefaults(_Section, frozen=True, kw_only=True):
    """How the meter leaves the factory."""

    baud: Annotated[int, Meta(ge=1200, le=115200)]
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]
    address: Annotated[int, Meta(ge=1, le=247)]


class Block(_Section, frozen=True, kw_only=True):
    """Registers that are read in one request, every ``every`` poll intervals."""

    name: Annotated[str, Meta(min_length=1)]
    function: Literal[3, 4]
    start: Annotated[int, Meta(ge=0, le=0xFFFF)]
    count: Annotated[int, Meta(ge=1, le=125)]
    every: Annotated[int, Meta(ge=1, le=3600)] = 1
    priority: Annotated[int, Meta(ge=1, le=3)] = 2


class Field(_Section, frozen=True, kw_only=True):
    """One quantity: value = sign * raw * scale * 10 ** (exponent register + exponent_bias), in ``unit``.

    ``register`` is the address on the wire of the first register. A raw value that is in ``sentinels`` (as unsigned
    number), or an exponent outside 0 to ``exponent_maximum``, means that there is no value.
    """

    signal: str
    block: str
    register: Annotated[int, Meta(ge=0, le=0xFFFF)]
    type: Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32"]
    unit: str
    word_order: Literal["high_first", "low_first"] = "high_first"
    scale: float = 1.0
    sign: Literal[1, -1] = 1
    exponent_register: Annotated[int, Meta(ge=0, le=0xFFFF)] | None = None
    exponent_bias: Annotated[int, Meta(ge=-10, le=10)] = 0
    exponent_maximum: Annotated[int, Meta(ge=0, le=20)] = 10
    sentinels: list[Annotated[int, Meta(ge=0)]] = []

    @property
    def width(self) -> int:
        """Number of registers."""
        return struct.calcsize(_LAYOUTS[self.type]) // 2

    def raw(self, registers: tuple[int, ...]) -> tuple[int, float]:
        """The raw value of its registers (in wire order), as unsigned number and as what ``type`` says."""
        words = registers if self.word_order == "high_first" else registers[::-1]
        data = struct.pack(f">{len(words)}H", *words)
        value: int | float = struct.unpack(f">{_LAYOUTS[self.type]}", data)[0]
        return int.from_bytes(data, "big"), value


class RegisterMap(_Section, frozen=True, kw_only=True):
    """One meter model.

    ``billing``: its energy register is fit for billing (an integer register). ``energy_unit_disputed``: sources
    differ on the unit of the energy register; it must be proven against the display when commissioning.
    """

    schema: Annotated[int, Meta(ge=1, le=1)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    description: str
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]
    billing: bool
    energy_unit_disputed: bool
    maximum_registers: Annotated[int, Meta(ge=1, le=125)]
    minimum_gap_ms: Annotated[int, Meta(ge=0, le=1000)]
    latency_ms: Annotated[int, Meta(ge=10, le=2000)]
    serial: SerialDefaults
    blocks: Annotated[list[Block], Meta(min_length=1)]
    fields: Annotated[list[Field], Meta(min_length=1)]


def load_register_map(path: Path) -> RegisterMap:
    """Load and check a map. Raises RegisterMapError."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise RegisterMapError(path, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegisterMapError(path, f"is not TOML: {error}") from error
    try:
        register_map = msgspec.convert(data, RegisterMap)
    except msgspec.ValidationError as error:
        raise RegisterMapError(path, _explain(str(error))) from error
    problem = _inconsistency(register_map)
    if problem:
        raise RegisterMapError(path, problem)
    if register_map.id != path.stem:
        raise RegisterMapError(path, f"id: {register_map.id} is not the name of the file")
    return register_map


def _explain(text: str) -> str:
    unknown = _UNKNOWN_KEY.search(text)
    if unknown is None:
        return text
    legal = [key for part in (RegisterMap, SerialDefaults, Block, Field) for key in part.__struct_fields__]
    nearest = difflib.get_close_matches(unknown.group(1), legal, 1)
    return f"{text}; did you mean `{nearest[0]}`?" if nearest else text


def _inconsistency(register_map: RegisterMap) -> str | None:
    """What msgspec cannot see: how the parts of the map fit together."""
    blocks: dict[str, Block] = {}
    for index, block in enumerate(register_map.blocks):
        where = f"blocks[{index}]"
        if block.name in blocks:
            return f"{where}.name: {block.name} stands twice"
        if block.count > register_map.maximum_registers:
            return f"{where}.count: {block.count} is more than maximum_registers ({register_map.maximum_registers})"
        if block.start + block.count > 0x10000:
            return f"{where}.count: the block reaches past register 65535"
        blocks[block.name] = block
    seen: set[str] = set()
    for index, field in enumerate(register_map.fields):
        problem = _field_problem(field, blocks, register_map)
        if problem is None and field.signal in seen:
            problem = f"signal: {field.signal} stands twice"
        if problem:
            return f"fields[{index}].{problem}"
        seen.add(field.signal)
    missing = sorted(SIGNAL_UNITS.keys() - seen)
    return f"fields: {', '.join(missing)} is missing" if missing else None


def _field_problem(field: Field, blocks: dict[str, Block], register_map: RegisterMap) -> str | None:
    if field.signal not in SIGNAL_UNITS:
        nearest = difflib.get_close_matches(field.signal, SIGNAL_UNITS, 1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        return f"signal: {field.signal} is not a signal of a meter{hint}"
    if field.unit != SIGNAL_UNITS[field.signal]:
        return f"unit: {field.signal} is in {SIGNAL_UNITS[field.signal]}, not {field.unit}; scale converts the register"
    block = blocks.get(field.block)
    if block is None:
        return f"block: there is no block {field.block}"
    if not block.start <= field.register <= block.start + block.count - field.width:
        return f"register: {field.register} ({field.width} registers) is not within block {block.name}"
    exponent = field.exponent_register
    if exponent is not None and not block.start <= exponent < block.start + block.count:
        return f"exponent_register: {exponent} is not read together with its value in block {block.name}"
    if any(sentinel >= 1 << 16 * field.width for sentinel in field.sentinels):
        return f"sentinels: a value does not fit into {field.type}"
    if field.scale == 0:
        return "scale: 0 makes no value"
    if field.signal == ENERGY_SIGNAL and register_map.billing and field.type == "f32":
        return "type: f32 loses single Wh from 8192 kWh on and is not fit for billing"
    return None
