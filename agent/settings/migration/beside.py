"""Own files beside a site file of layout 1: profiles and boards in layout 2."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.settings.catalogue import DEVICES
from agent.settings.files import convert, data_folder, read_toml
from agent.settings.migration import layout1
from agent.settings.migration.site import GROUP
from agent.settings.migration.text import UnusualError, blocks_of, joined, key_line, plain, set_schema
from agent.settings.schema import SCHEMA
from agent.vocabulary.signals import ANALOG_INPUTS, DISCRETE_INPUTS

MODELS = {"io": "waveshare-relay-8ch-d", "analog": "waveshare-analog-8ch", "inputs": "modbus-inputs-8ch"}
"""The shipped boards that the programs of layout 1 could drive."""
_ROLES = {"io": "relays and discrete inputs", "analog": "analogue inputs"}


def profile_text(path: Path) -> str:
    """A profile of layout 1 in layout 2: one connector with all sensors and one group. Raises SettingsError."""
    old = read_toml(path)
    profile = convert(old, layout1.Profile, path)
    new: dict[str, Any] = {key: value for key, value in old.items() if key != "module_count"}
    new["schema"], new["connectors"] = SCHEMA, 1
    new["sensors"] = {"required": [*DISCRETE_INPUTS, *ANALOG_INPUTS, *DEVICES]}
    new["group"] = [
        {
            "id": GROUP,
            "connector": 1,
            "module_count": profile.module_count,
            "maximum_power_w": profile.maximum_power_w,
            "maximum_current_a": float(profile.maximum_current_a),
        }
    ]
    try:
        (block,) = blocks_of(set_schema(path.read_text(encoding="utf-8-sig"), SCHEMA))
        added = {key: new[key] for key in ("sensors", "group")}
        lines = [line for line in block.lines if not line.lstrip().startswith("module_count")]
        if lines and not lines[-1].endswith("\n"):
            lines.append("\n")
        text = "".join(lines) + key_line("connectors", 1) + "\n" + plain(added)
        if tomllib.loads(text) == new:
            return text
    except (UnusualError, ValueError):
        pass
    return plain(new)


def wiring_text(path: Path) -> str:
    """The wiring that is in a board file of layout 1. Raises SettingsError."""
    old = read_toml(path)
    convert(old, layout1.BoardFile, path)
    new: dict[str, Any] = {key: old[key] for key in ("id", "description", "source")}
    new = {"schema": SCHEMA, **new, "boards": dict(_ROLES)}
    for section, role in (("outputs", "io"), ("inputs", "io"), ("analog", "analog")):
        new[section] = {name: {"board": role, **wire} for name, wire in old[section].items()}
    try:
        text = _wiring_lines(path.read_text(encoding="utf-8-sig"))
        if tomllib.loads(text) == new:
            return text
    except (UnusualError, tomllib.TOMLDecodeError):
        pass
    return plain(new)


def _wiring_lines(text: str) -> str:
    blocks = blocks_of(set_schema(text, SCHEMA))
    for block in blocks:
        if block.name == ("relay_board",):
            kept = [line for line in block.lines if not line.strip() or line.lstrip().startswith("#")]
            block.header = "[boards]\n"
            block.lines = [*(key_line(role, about) for role, about in _ROLES.items()), *kept]
        elif block.name in (("outputs",), ("inputs",), ("analog",)):
            role = "analog" if block.name == ("analog",) else "io"
            block.lines = [
                line if line.lstrip().startswith("#") else line.replace("{", f'{{ board = "{role}",', 1)
                for line in block.lines
            ]
    return joined(blocks)


def own_relay_board(path: Path, name: str) -> tuple[str, str] | None:
    """The model that a board file of layout 1 needs beside the shipped one: its id and its file; None if none."""
    relay = convert(read_toml(path), layout1.BoardFile, path).relay_board
    shipped = read_toml(data_folder() / "boards" / f"{MODELS['io']}.toml")
    outputs: Mapping[str, Any] = shipped["outputs"]
    # Both count in units of 100 ms.
    pulse = {**outputs["pulse"], "units": relay.pulse_100ms, "renew_interval_ms": relay.renew_interval_ms}
    wanted = {**outputs, "channels": relay.channels, "pulse": pulse}
    if wanted == outputs:
        return None
    identifier = f"{name.lower().replace('_', '-')[:26]}-relay"
    own = {**shipped, "id": identifier, "outputs": wanted, "inputs": {**shipped["inputs"], "channels": relay.channels}}
    return identifier, plain(own)


def own_input_board(channels: int) -> tuple[str, str] | None:
    """The model of a board with another number of contacts than the shipped one; None for that one."""
    shipped = read_toml(data_folder() / "boards" / f"{MODELS['inputs']}.toml")
    if shipped["inputs"]["channels"] == channels:
        return None
    identifier = f"modbus-inputs-{channels}ch"
    texts = {
        "description": f"Modbus board with {channels} discrete inputs, read only",
        "description_zh": f"Modbus 开关量输入板,{channels} 路,只读",
    }
    inputs = {**shipped["inputs"], "channels": channels}
    return identifier, plain({**shipped, "id": identifier, **texts, "inputs": inputs})


def contacts_text(name: str, contacts: Mapping[str, layout1.Contact]) -> str:
    """The wiring of the contacts of a listener."""
    return plain(
        {
            "schema": SCHEMA,
            "id": name,
            "description": "contacts of the charger that is followed",
            "source": "site file of layout 1",
            "boards": {"inputs": "discrete inputs"},
            "inputs": {
                signal: {"board": "inputs", "channel": contact.channel, "active_low": contact.active_low}
                for signal, contact in contacts.items()
            },
        }
    )
