"""A site file of layout 1 in layout 2: first its data, then its lines, which must mean the same."""

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from agent.settings.migration import layout1
from agent.settings.migration.text import (
    Block,
    UnusualError,
    blocks_of,
    joined,
    key_line,
    plain,
    set_schema,
    take_keys,
)
from agent.settings.problems import Problem
from agent.settings.schema import SCHEMA
from agent.settings.walk import Walk, type_of
from drivers.text import Text

GROUP = "A"
_OLD = {
    "inputs_outputs": layout1.InputsOutputs,
    "power_stage": layout1.PowerStage,
    "inputs": layout1.Inputs,
}
_ORIGIN = {
    "board[io]": {"bus": "bus", "address": "relay_address", "interval_ms": "input_interval_ms"},
    "board[analog]": {"address": "analog_address", "interval_ms": "analog_interval_ms"},
    "board[inputs]": {"bus": "bus", "address": "address", "interval_ms": "interval_ms", "model": "channels"},
    "module_group[A]": {"bus": "bus", "model": "family", "command_interval_ms": "command_interval_ms"},
}
"""Key of layout 1 with a comment that goes with a key of a new section."""


def old_problems(data: Mapping[str, Any]) -> list[Problem]:
    """What is wrong in the sections that go: their keys would otherwise be lost without a word."""
    connector = data.get("connector")
    if not isinstance(connector, Mapping):
        what = Text("缺少,或不是一节", "is missing, or is no section")
        return [Problem("connector", what, Text("写 [connector]", "write [connector]"))]
    walk = Walk()
    charger = connector.get("role", "charger") == "charger"
    for name in ("inputs_outputs", "power_stage") if charger else ("inputs",):
        if name in connector:
            walk.value(connector[name], type_of(_OLD[name]), f"connector.{name}")
        elif charger:
            walk.problems.append(Problem(f"connector.{name}", Text("缺少", "is missing")))
    return walk.problems


def migrated(data: Mapping[str, Any], wiring: str, models: Mapping[str, str]) -> dict[str, Any]:
    """The data in layout 2. ``wiring`` is the one to name, ``models`` are the boards by role."""
    connector = dict(data["connector"])
    boards: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    if "inputs_outputs" in connector:
        old = connector.pop("inputs_outputs")
        typed = msgspec.convert(old, layout1.InputsOutputs)
        boards.append({"name": "io", "model": models["io"], "bus": typed.bus, "address": typed.relay_address})
        boards.append({"name": "analog", "model": models["analog"], "bus": typed.bus, "address": typed.analog_address})
        for board, key in zip(boards, ("input_interval_ms", "analog_interval_ms"), strict=True):
            if key in old:
                board["interval_ms"] = old[key]
        connector["wiring"], connector["boards"] = wiring, {"io": "io", "analog": "analog"}
    if "inputs" in connector:
        old = connector.pop("inputs")
        inputs = msgspec.convert(old, layout1.Inputs)
        board = {"name": "inputs", "model": models["inputs"], "bus": inputs.bus, "address": inputs.address}
        boards.append({**board, **({"interval_ms": old["interval_ms"]} if "interval_ms" in old else {})})
        connector["wiring"], connector["boards"] = wiring, {"inputs": "inputs"}
    if "power_stage" in connector:
        old = connector.pop("power_stage")
        stage = msgspec.convert(old, layout1.PowerStage)
        group = {"id": GROUP, "bus": stage.bus, "model": stage.family}
        groups.append(
            {**group, **({"command_interval_ms": stage.command_interval_ms} if "command_interval_ms" in old else {})}
        )
    new = {**data, "schema": SCHEMA, "connector": [connector]}
    if boards:
        new["board"] = boards
    if groups:
        new["module_group"] = groups
    return new


def migrated_text(text: str, new: dict[str, Any]) -> tuple[str, bool]:
    """The file in layout 2 with the data ``new``; and whether its comments could be kept."""
    try:
        changed = _edited(text.replace("\r\n", "\n"), new)
        if "\r\n" in text:
            changed = changed.replace("\n", "\r\n")
        if tomllib.loads(changed) == new:
            return changed, True
    except (UnusualError, tomllib.TOMLDecodeError):
        pass
    return plain(new), False


def _edited(text: str, new: dict[str, Any]) -> str:
    blocks = blocks_of(set_schema(text, SCHEMA))
    gone = [block for block in blocks if block.name[:1] == ("connector",) and block.name[1:2] and block.name[1] in _OLD]
    homes = [block for block in blocks if block.name == ("connector",)]
    if len(homes) != 1:
        raise UnusualError("connector")
    comments: dict[str, str] = {}
    for block in gone:
        if len(block.name) != 2:
            raise UnusualError(block.header)
        taken, kept = take_keys(block)
        comments.update({f"{block.name[1]}.{key}": comment for key, comment in taken.items()})
        comments[block.name[1]] = block.comment
        before = blocks[blocks.index(block) - 1]
        blocks.remove(block)
        if before.lines and before.lines[-1].strip():
            # What was two sections must not look like one.
            before.lines.append("\n")
        before.lines += kept
    _edit_connector(homes[0], new["connector"][0], comments)
    _insert_before(blocks, homes[0], _new_sections(new, comments))
    return joined(blocks)


def _edit_connector(block: Block, connector: Mapping[str, Any], comments: Mapping[str, str]) -> None:
    indent = block.header[: len(block.header) - len(block.header.lstrip())]
    ending = f"  {block.comment}\n" if block.comment else "\n"
    block.header = f"{indent}[[connector]]{ending}"
    added = []
    if "wiring" in connector:
        added.append(key_line("wiring", connector["wiring"], comments.get("inputs_outputs.board", "")))
        added.append(key_line("boards", connector["boards"]))
    at = block.end_of_keys()
    block.lines[at:at] = added


def _new_sections(new: Mapping[str, Any], comments: dict[str, str]) -> list[str]:
    """The lines of the new sections, with the comments of the keys that went into them."""
    lines: list[str] = []
    used = {"inputs_outputs.board"}
    for section, name_key in (("board", "name"), ("module_group", "id")):
        for entry in new.get(section, ()):
            kind = f"{section}[{entry[name_key]}]"
            old = {"board[io]": "inputs_outputs", "board[analog]": "inputs_outputs", "board[inputs]": "inputs"}.get(
                kind, "power_stage"
            )
            header_comment = "" if old in used else comments.get(old, "")
            used.add(old)
            lines.append(f"[[{section}]]{f'  {header_comment}' if header_comment else ''}\n")
            for key, value in entry.items():
                origin = f"{old}.{_ORIGIN[kind].get(key, '')}"
                lines.append(key_line(key, value, "" if origin in used else comments.get(origin, "")))
                used.add(origin)
            lines.append("\n")
    # A comment of a key without a place here: it is in a file of the wiring now.
    left = [
        f"# {place}: {comment.lstrip('# ')}\n" for place, comment in comments.items() if comment and place not in used
    ]
    return [*left, *lines]


def _insert_before(blocks: list[Block], block: Block, lines: list[str]) -> None:
    before = blocks[blocks.index(block) - 1]
    at = before.attached()
    head = before.lines[:at]
    if lines and head and head[-1].strip():
        head.append("\n")
    before.lines = [*head, *lines, *before.lines[at:]]
