"""docs/meters.md and the JSON schema of meter maps, from the maps and their types."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from agent.cli.meter.words import CONFIDENCE, GROUPS, KINDS, PROTOCOLS, signal_text
from agent.settings.walk import bare, limits_of, type_of
from drivers.meters.commissioning import IdentityCode, Setting, Settings
from drivers.meters.identifier_map import IdentifierMap, Item, ItemBlock, LineDefaults
from drivers.meters.modbus_map import Field, Ratio, RegisterMap, Span, Variant
from drivers.meters.register_map import AnyMap, load_map
from drivers.meters.sections import Intervals, MapText, NeverWrite, SerialDefaults

ROOT = Path(__file__).resolve().parents[2]
MAPS = ROOT / "config" / "meters"
SCHEMA_PATH = ROOT / "config" / "schemas" / "meter-map.schema.json"
DOCUMENT_PATH = ROOT / "docs" / "meters.md"

_HEAD = """\
# Meters

<!-- Written by `make docs` from config/meters; change the maps, not this file. -->

A meter is a file in `config/meters`; adding a model needs no Python. Put your own map in `meters/NAME.toml` beside the
site file, with `id = "NAME"`.

每种电表对应 `config/meters` 中的一个文件,增加型号无需编程。自定义电表放在现场配置文件旁的 `meters/NAME.toml`,
其中 `id = "NAME"`。

```sh
pile-agent meter check NAME        # a shipped map, or a file: all errors, or the requests that read the meter
```

- Registers are wire addresses, counted from 0. Where a manual counts differently, the map has a note.
- *Billing* means that the energy register is a whole number; a float of kWh cannot resolve single Wh from 8192 kWh on.
- *Disputed* facts are those on which the sources differ: prove them at commissioning.
- The agent never writes to a meter; a map lists the registers that must not be written. `settings` lists the only
  ones that `pile-agent meter set-address` and `set-serial` write, on request: see
  [meter-commissioning.md](meter-commissioning.md).
- The connector of a DC pile needs a DC meter. The AC meters are for the grid side and the auxiliary supply.

## Overview
"""

_FORMAT = """\
## Writing a map

The first line `#:schema ../schemas/meter-map.schema.json` gives editors (taplo, Even Better TOML) completion and
checks. Fields give registers; the planner groups them into requests:

- registers that must come from one reply (a mantissa and its exponent, the words of one value, fields with one
  `together`, a ratio with `same_request`) are never split;
- registers that are in neither a field nor `readable` are never read;
- a request has at most `maximum_registers`, and with `even` begins at an even register and has an even count;
- `group` sets how often: `live` with every poll, `energy` and `quality` according to `intervals`;
- the set of requests with the shortest busy time of the line is used.

After a meter refuses a joined request twice, its parts are requested separately; after it refuses the function code,
`function_alternatives` are used.
"""

_TYPES: dict[Any, str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
    inspect.ListType: "list",
}

_SECTIONS: tuple[tuple[str, type], ...] = (
    ('Top level, `protocol = "modbus"`', RegisterMap),
    ('Top level, `protocol = "dlt645-2007"`', IdentifierMap),
    ("`serial` of a Modbus meter", SerialDefaults),
    ("`serial` of a DL/T 645 meter", LineDefaults),
    ("`fields`", Field),
    ("`ratios`", Ratio),
    ("`variants`", Variant),
    ("`readable`", Span),
    ("`items`", Item),
    ("`blocks`", ItemBlock),
    ("`intervals`", Intervals),
    ("`never_write`", NeverWrite),
    ("`identify`", IdentityCode),
    ("`settings`", Settings),
    ("`settings.address`, `settings.baud`, `settings.frame`", Setting),
)


def schema_text() -> str:
    """The JSON schema of meter maps, for editors."""
    (_, _), components = msgspec.json.schema_components((RegisterMap, IdentifierMap), ref_template="#/$defs/{name}")
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Meter map of the pile agent",
        "type": "object",
        "required": ["protocol"],
        "if": {"properties": {"protocol": {"const": "dlt645-2007"}}},
        "then": {"$ref": "#/$defs/IdentifierMap"},
        "else": {"$ref": "#/$defs/RegisterMap"},
        "$defs": components,
    }
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def maps() -> list[AnyMap]:
    """All shipped maps: DC meters first, then in alphabetical order."""
    loaded = [load_map(path) for path in sorted(MAPS.glob("*.toml"))]
    return sorted(loaded, key=lambda meter_map: (meter_map.kind != "dc", meter_map.id))


def document_text() -> str:
    """The whole document."""
    shipped = maps()
    parts = [_HEAD, *_overview(shipped)]
    for meter_map in shipped:
        parts += _meter(meter_map)
    parts += ["", _FORMAT, *_keys()]
    return "\n".join(parts).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(headers), "|" + "---|" * len(headers), *(_row(row) for row in rows)]


def _overview(shipped: Sequence[AnyMap]) -> list[str]:
    rows = [
        [
            f"[{meter_map.id}](#{meter_map.id.replace('.', '')})",
            f"{meter_map.maker.en} {', '.join(meter_map.models)}",
            KINDS[meter_map.kind].en,
            PROTOCOLS[meter_map.protocol].en,
            _line(meter_map),
            "yes" if meter_map.billing else "no",
            CONFIDENCE[meter_map.confidence].en,
        ]
        for meter_map in shipped
    ]
    return _table(["map", "meter", "kind", "protocol", "from the factory", "billing", "confidence"], rows)


def _line(meter_map: AnyMap) -> str:
    serial = meter_map.serial
    line = f"{serial.baud} 8{serial.parity}{serial.stop_bits}"
    return line if isinstance(meter_map, IdentifierMap) else f"{line}, address {serial.address}"


def _meter(meter_map: AnyMap) -> Iterator[str]:
    serial = meter_map.serial
    yield f"\n## {meter_map.id}\n"
    yield f"{meter_map.maker.zh} {'、'.join(meter_map.models)}:{meter_map.description_zh}。\n"
    yield f"{meter_map.maker.en} {', '.join(meter_map.models)}: {meter_map.description}.\n"
    facts = [
        ["kind", KINDS[meter_map.kind].en],
        ["line from the factory", f"{PROTOCOLS[meter_map.protocol].en}, {_line(meter_map)}"],
    ]
    if serial.bauds:
        facts.append(["rates that can be set", ", ".join(str(baud) for baud in serial.bauds)])
    if isinstance(meter_map, RegisterMap):
        facts += list(_modbus_facts(meter_map))
    else:
        facts.append(["preamble", f"{meter_map.serial.preamble} bytes FE"])
    facts += [
        ["pause between requests", f"{meter_map.minimum_gap_ms} ms"],
        ["answers within", f"{meter_map.latency_ms} ms"],
        ["billing", f"{'yes' if meter_map.billing else 'no'}: {meter_map.billing_reason.en}"],
        ["计费", f"{'可' if meter_map.billing else '不可'}:{meter_map.billing_reason.zh}"],
        ["source", f"{meter_map.source} (confidence {CONFIDENCE[meter_map.confidence].en})"],
    ]
    yield from _table(["", ""], facts)
    yield from _sentences("Wiring and setting 接线与设置", meter_map.wiring)
    yield from _sentences("Numbers in the manual 编号", [meter_map.numbering] if meter_map.numbering else [])
    yield ""
    yield from _quantities(meter_map)
    yield from _never_write(meter_map)
    yield from _sentences("Prove when commissioning 投运时核对", [*_doubts(meter_map), *meter_map.checks])


def _modbus_facts(register_map: RegisterMap) -> Iterator[list[str]]:
    codes = [register_map.function, *register_map.function_alternatives]
    yield ["function code", " or ".join(f"{code:02d}" for code in codes)]
    order = "low word first (CDAB)" if register_map.word_order == "low_first" else "high word first (ABCD)"
    yield ["word order", order]
    even = ", even start and count" if register_map.even else ""
    yield ["registers in one request", f"at most {register_map.maximum_registers}{even}"]
    if register_map.channels > 1:
        step = register_map.channel_address_step
        where = f"at address + {step}" if step else "under one address"
        yield ["channels", f"{register_map.channels}, {where}"]
    for variant in register_map.variants:
        yield [f"firmware `{variant.name}`", f"{variant.description.en} {variant.description.zh}"]
    for ratio in register_map.ratios:
        yield [f"ratio `{ratio.name}`", f"0x{ratio.register:04X} {ratio.type}, times {ratio.scale:g}"]


def _sentences(title: str, texts: Sequence[MapText]) -> Iterator[str]:
    if not texts:
        return
    yield f"\n**{title}**\n"
    for text in texts:
        yield f"- {text.en}. {text.zh}。"


def _doubts(meter_map: AnyMap) -> list[MapText]:
    quantities: Sequence[Field | Item] = meter_map.fields if isinstance(meter_map, RegisterMap) else meter_map.items
    doubts: dict[tuple[str, str], list[str]] = {}
    for quantity in quantities:
        if quantity.disputed is not None:
            names = doubts.setdefault((quantity.disputed.zh, quantity.disputed.en), [])
            names.append(f"`{quantity.signal}`")
    found = []
    for (zh, en), names in doubts.items():
        listed = ", ".join(dict.fromkeys(names))
        found.append(MapText(zh=f"有争议 {listed}:{zh}", en=f"disputed, {listed}: {en}"))
    return found


def _quantities(meter_map: AnyMap) -> Iterator[str]:
    if isinstance(meter_map, RegisterMap):
        rows = [
            [
                f"`{field.signal}`",
                f"{signal_text(field.signal).en} {signal_text(field.signal).zh}",
                _place(field, meter_map),
                field.type,
                _digit(field),
                GROUPS[field.group].en.split(" ")[0] if field.group != "quality" else "quality",
                _remarks(field),
            ]
            for field in meter_map.fields
        ]
        yield from _table(["signal", "meaning", "register", "type", "one digit", "group", "remarks"], rows)
        return
    rows = [
        [
            f"`{item.signal}`",
            f"{signal_text(item.signal).en} {signal_text(item.signal).zh}",
            item.di,
            f"{item.bytes} bytes {item.encoding}{', sign in the top bit' if item.signed else ''}",
            f"{float(item.scale):g} {item.unit}",
            item.group,
            _remarks(item),
        ]
        for item in meter_map.items
    ]
    if meter_map.computed_power:
        text = signal_text("meter_power_w")
        rows.append(["`meter_power_w`", f"{text.en} {text.zh}", "computed", "voltage times current", "", "live", ""])
    yield from _table(["signal", "meaning", "identifier", "type", "one digit", "group", "remarks"], rows)


def _place(field: Field, register_map: RegisterMap) -> str:
    place = f"0x{field.register:04X}"
    return place if field.function == register_map.function else f"{field.function:02d} {place}"


def _digit(field: Field) -> str:
    digit = f"{field.scale:g} {field.unit}" if field.unit != "1" else f"{field.scale:g}"
    if field.exponent_register is None:
        return digit
    bias = f" {field.exponent_bias:+d}" if field.exponent_bias else ""
    return f"10^([0x{field.exponent_register:04X}]{bias}) {field.unit}"


def _remarks(quantity: Field | Item) -> str:
    remarks = []
    if quantity.channel > 1:
        remarks.append(f"channel {quantity.channel}")
    if quantity.confidence is not None:
        remarks.append(f"confidence {CONFIDENCE[quantity.confidence].en}")
    if isinstance(quantity, Field):
        if quantity.variant:
            remarks.append(f"firmware {quantity.variant}")
        if quantity.ratios:
            remarks.append(f"times {' and '.join(quantity.ratios)}")
        if quantity.missing or quantity.sentinels:
            patterns = [*(name.replace("_", " ") for name in quantity.missing), *map(hex, quantity.sentinels)]
            remarks.append(f"no value: {', '.join(patterns)}")
    if quantity.disputed is not None:
        remarks.append("disputed")
    return "; ".join(remarks)


def _never_write(meter_map: AnyMap) -> Iterator[str]:
    texts = []
    for entry in meter_map.never_write:
        where = f"0x{entry.first:04X}" + (f" to 0x{entry.last:04X}" if entry.last != entry.first else "")
        texts.append(MapText(zh=f"{where.replace(' to ', ' 至 ')}:{entry.why.zh}", en=f"{where}: {entry.why.en}"))
    yield from _sentences("Never write 禁止写入", texts)


def _keys() -> Iterator[str]:
    for title, section in _SECTIONS:
        yield f"### {title}\n"
        rows = []
        for field in type_of(section).fields:
            kind, optional, description = bare(field.type)
            default = "" if field.required else "none" if optional else _default(field)
            limits = limits_of(kind)
            legal = limits.en.removeprefix("must be ") if limits is not None else _type_word(kind)
            rows.append([f"`{field.encode_name}`", legal.replace("|", "\\|"), default, description])
        yield from _table(["key", "value", "default", "meaning"], rows)
        yield ""


def _default(field: Any) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"`{json.dumps(msgspec.to_builtins(value))}`" if not isinstance(value, msgspec.Struct) else "see below"


def _type_word(kind: Any) -> str:
    if isinstance(kind, inspect.StructType):
        return '`{ zh = "...", en = "..." }`' if kind.cls is MapText else "table"
    return _TYPES.get(type(kind), "")


def documents() -> dict[Path, str]:
    """All files that are written from the maps and their types."""
    return {SCHEMA_PATH: schema_text(), DOCUMENT_PATH: document_text()}
