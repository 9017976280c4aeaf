"""A meter as data: its map, a TOML file in config/meters. Adding a model needs no Python.

``RegisterMap`` is a meter over Modbus, ``IdentifierMap`` one over DL/T 645-2007.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from drivers.data_file import Mistake
from drivers.meters.commissioning import IdentityCode, Setting, Settings
from drivers.meters.identifier_map import IdentifierMap, Item, ItemBlock, LineDefaults
from drivers.meters.map_checks import mistakes, near
from drivers.meters.modbus_map import Field, Ratio, RegisterMap, Span, Variant
from drivers.meters.sections import SCHEMA, Intervals, MapText, NeverWrite, SerialDefaults

AnyMap = RegisterMap | IdentifierMap

PROTOCOLS: dict[str, type[RegisterMap] | type[IdentifierMap]] = {
    "modbus": RegisterMap,
    "dlt645-2007": IdentifierMap,
}

_UNKNOWN_KEY = re.compile(r"unknown field `([^`]*)`")
_PARTS = {
    "modbus": (
        RegisterMap,
        SerialDefaults,
        Field,
        Ratio,
        Variant,
        Span,
        Intervals,
        NeverWrite,
        IdentityCode,
        Settings,
        Setting,
        MapText,
    ),
    "dlt645-2007": (IdentifierMap, LineDefaults, Item, ItemBlock, Intervals, NeverWrite, MapText),
}


class RegisterMapError(Exception):
    """A map cannot be used. The text names the file, the key and what is wrong.

    ``mistakes`` holds all errors found, at least one.
    """

    def __init__(self, path: Path, found: Sequence[Mistake]) -> None:
        super().__init__(f"{path}: " + " | ".join(_line(mistake) for mistake in found))
        self.path = path
        self.mistakes = list(found)


def _line(mistake: Mistake) -> str:
    text = f"{mistake.place}: {mistake.en}" if mistake.place else mistake.en
    return f"{text}; {mistake.hint_en}" if mistake.hint_en else text


def load_map(path: Path) -> AnyMap:
    """Load and check a map of any protocol. Raises RegisterMapError."""
    data = _read(path)
    found = heading_mistakes(data)
    if found:
        raise RegisterMapError(path, found)
    protocol: str = data["protocol"]
    try:
        meter_map: AnyMap = msgspec.convert(with_defaults(data), PROTOCOLS[protocol])
    except msgspec.ValidationError as error:
        text = str(error)
        raise RegisterMapError(path, [Mistake("", text, text, *_nearest_key(text, protocol))]) from error
    found = [*file_mistakes(meter_map, path), *mistakes(meter_map)]
    if found:
        raise RegisterMapError(path, found)
    return meter_map


def load_register_map(path: Path) -> RegisterMap:
    """Load and check the map of a Modbus meter. Raises RegisterMapError."""
    meter_map = load_map(path)
    if isinstance(meter_map, RegisterMap):
        return meter_map
    what = f"{meter_map.id} is read over {meter_map.protocol}, not over Modbus"
    raise RegisterMapError(path, [Mistake("protocol", f"{meter_map.id} 使用 {meter_map.protocol},不是 Modbus", what)])


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        what = Mistake("", f"无法读取:{error.strerror}", f"cannot be read: {error.strerror}")
        raise RegisterMapError(path, [what]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegisterMapError(path, [Mistake("", f"不是 TOML:{error}", f"not valid TOML: {error}")]) from error


def heading_mistakes(data: dict[str, Any]) -> list[Mistake]:
    """What is wrong with the version and the protocol; while it is, nothing else can be judged."""
    schema, protocol = data.get("schema"), data.get("protocol")
    if type(schema) is int and 1 <= schema < SCHEMA:
        return [
            Mistake(
                "schema",
                f"{schema} 是旧格式,本版本读取 {SCHEMA}",
                f"{schema} is an old format, this version reads {SCHEMA}",
                "删去 [[blocks]] 和各信号的 block,写明 protocol、kind 等,见 docs/meters.md",
                "remove [[blocks]] and the `block` of each field, add protocol, kind etc.: see docs/meters.md",
            )
        ]
    if type(schema) is int and schema > SCHEMA:
        return [
            Mistake(
                "schema",
                f"{schema} 比本版本的 {SCHEMA} 新",
                f"{schema} is newer than the {SCHEMA} that this version reads",
                "升级 pile-agent",
                "update the pile agent",
            )
        ]
    if not isinstance(protocol, str):
        what = Mistake("protocol", "缺少或不是文本", "is missing or not a text")
    elif protocol not in PROTOCOLS:
        what = Mistake("protocol", f"没有协议 {protocol}", f"unknown protocol {protocol}", *near(protocol, PROTOCOLS))
    else:
        return []
    legal = ", ".join(PROTOCOLS)
    return [what if what.hint_en else what._replace(hint_zh=f"可用:{legal}", hint_en=f"valid: {legal}")]


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """The same data; fields, ratios and spans that name no function or word order get those of the map."""
    filled = dict(data)
    for section, names in (
        ("fields", ("function", "word_order")),
        ("ratios", ("function", "word_order")),
        ("readable", ("function",)),
    ):
        entries = data.get(section)
        if isinstance(entries, list):
            usual = {name: data[name] for name in names if name in data}
            filled[section] = [{**usual, **entry} if isinstance(entry, dict) else entry for entry in entries]
    return filled


def file_mistakes(meter_map: AnyMap, path: Path) -> list[Mistake]:
    """Whether the map has the name of its file."""
    if meter_map.id == path.stem:
        return []
    return [
        Mistake(
            "id",
            f"{meter_map.id} 不是文件名",
            f"{meter_map.id} differs from the file name",
            f"写 {path.stem}",
            f"write {path.stem}",
        )
    ]


def _nearest_key(text: str, protocol: str) -> tuple[str, str]:
    unknown = _UNKNOWN_KEY.search(text)
    if unknown is None:
        return "", ""
    return near(unknown.group(1), [key for part in _PARTS[protocol] for key in part.__struct_fields__])


__all__ = ["AnyMap", "IdentifierMap", "RegisterMap", "RegisterMapError", "load_map", "load_register_map"]
