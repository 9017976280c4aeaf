"""Writes docs/configuration.md from the schema.

``python -m agent.settings.document`` writes it; a test fails when it is out of date.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from agent.settings.schema import MonitorConnector, Settings
from agent.settings.walk import bare, limits_of, type_of

CHECKOUT = Path(__file__).resolve().parents[2]

_TYPES: dict[Any, str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
    inspect.DateType: "date",
}

_CONFIGURATION_HEAD = """\
# Configuration

<!-- Written by `python -m agent.settings.document`; change the schema, not this file. -->

Everything that differs from pile to pile stands in one file, `/etc/pile-agent/pile.toml` (or the one named with
`--config` or `$PILE_AGENT_CONFIG`). `config/site-example.toml` is a commented example to start from.

```sh
pile-agent check             # one message a mistake, or what would run
```

- Numbers carry their unit in the key.
- A key that is left out has its default. An unknown key is an error that names the nearest legal one.
- With any mistake nothing starts, and the exit code is 2. All mistakes are shown at once.
- A site file may tighten the limits of the profile and of the fault catalogue, never loosen them.

What the file refers to by name (profile, wiring, register map, tariff) is looked for beside the site file first, in
`piles/`, `boards/`, `meters/` and `tariffs/`, then among the shipped files (`config/`; `$PILE_AGENT_DATA` names
another folder). A tariff of your own is `tariffs/NAME.toml` beside the site file, with `id = "NAME"` in both.
"""

_MONITOR_HEAD = """\
## A connector that only listens (`role = "monitor"`)

The connector belongs to somebody else's charger: the agent follows it on the vehicle's CAN line and never sends there
(docs/monitor.md; `config/site-monitor-example.toml` is an example to start from). All sections are as above but these:

- `[connector]` has `number`, `role` and `vehicle_bus` only.
- `[connector.meter]` and `[connector.insulation_monitor]` may be left out. Leave them out as well when they hang on a
  line that already has a master: on such a line this agent must not talk.
- There is no `[connector.inputs_outputs]` and no `[connector.power_stage]`: nothing is switched. Contacts are read
  with `[connector.inputs]`, which may be left out.
- `[[bus.modbus]]` may be left out when nothing hangs on such a line.
"""

_CROSS_CHECKS = """\
## What is checked between keys

- A bus name stands once, a port is used by one bus (two names of one adapter count as one port).
- Meter, insulation monitor and boards name a Modbus bus; vehicle and power modules name two different CAN buses.
- Each Modbus address is used once on a bus.
- A network port has a numeric address (looking a name up may take seconds, and the field process never waits); one
  device is one bus. A DL/T 645 meter has its number; `tcp://` (Modbus TCP) does not carry it, `rtu+tcp://` does.
- With `role = "monitor"`: at least one contact stands in `[connector.inputs]` if that is there, each on an input of its
  own that the board has; nothing of a charger (outputs, power modules, ratings of the connector) is named.
- Profile, wiring, register map and tariff exist and are right themselves.
- An auxiliary meter names a Modbus bus and an address of its own, and the map of an AC meter that delivers a phase
  voltage over Modbus; there is one for each role.
- The meter of the connector is a DC meter that is read over Modbus: it delivers voltage, current, power and energy.
- `maximum_power_w`, `maximum_voltage_v` and `maximum_current_a` are not above the profile.
- `connector_temperature_stop_c`, `connector_temperature_derate_c` and `recorder_lost_stop_s` are not above the
  thresholds of the faults `over_temperature`, `temperature_high` and `recorder_lost`; derating begins below the stop.
- Folders and certificate files are absolute paths; with TLS the named files exist, and certificate and key come as a
  pair.
"""


def configuration_text() -> str:
    """The whole of docs/configuration.md."""
    root = type_of(Settings)
    parts = [_CONFIGURATION_HEAD]
    parts.append(_section_text("Top of the file", "", Settings.__doc__ or "", _plain_fields(root)))
    for name, kind, is_list in _sections(root, ""):
        head = f"[[{name}]]" if is_list else f"[{name}]"
        fields = _plain_fields(kind)
        if fields:
            parts.append(_section_text(f"`{head}`", name, kind.cls.__doc__ or "", fields))
    parts.append(_MONITOR_HEAD)
    for name, kind, _ in _sections(type_of(MonitorConnector), "connector."):
        if name.startswith("connector.inputs"):
            parts.append(_section_text(f"`[{name}]` (monitor)", name, kind.cls.__doc__ or "", _plain_fields(kind)))
    parts.append(_CROSS_CHECKS)
    return "\n".join(parts)


def _plain_fields(kind: Any) -> list[Any]:
    """The fields that are keys, not sections."""
    return [field for field in kind.fields if not _is_section(field.type)]


def _is_section(kind: Any) -> bool:
    inner, _, _ = bare(kind)
    return isinstance(inner, inspect.StructType) or (
        isinstance(inner, inspect.ListType) and isinstance(bare(inner.item_type)[0], inspect.StructType)
    )


def _sections(kind: Any, prefix: str) -> Iterator[tuple[str, Any, bool]]:
    """All sections below ``kind``: dotted name, inspected type, whether it may stand several times."""
    for field in kind.fields:
        inner, _, _ = bare(field.type)
        is_list = isinstance(inner, inspect.ListType)
        if is_list:
            inner = bare(inner.item_type)[0]
        if isinstance(inner, inspect.StructType):
            name = f"{prefix}{field.encode_name}"
            yield name, inner, is_list
            yield from _sections(inner, f"{name}.")


def _section_text(title: str, name: str, about: str, fields: list[Any]) -> str:
    lines = [f"## {title}", "", about.strip().partition("\n")[0], ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for field in fields:
        kind, _, description = bare(field.type)
        lines.append(f"| `{field.encode_name}` | {_legal(kind)} | {_default(field)} | {_cell(description)} |")
    return "\n".join([*lines, ""])


def _legal(kind: Any) -> str:
    limits = limits_of(kind)
    words = (
        "" if limits is None else limits.en.removeprefix("must be ").removeprefix("must have ").removeprefix("must ")
    )
    if isinstance(kind, inspect.LiteralType):
        return _cell(words)
    name = _TYPES.get(type(kind), "")
    return _cell(f"{name}, {words.replace('not be', 'not')}" if words else name)


def _default(field: Any) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if value is None:
        return "none"
    return f"`{msgspec.json.encode(value).decode()}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def documents() -> dict[Path, str]:
    """The document by its path in the checkout."""
    return {CHECKOUT / "docs" / "configuration.md": configuration_text()}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
