"""docs/configuration.md, from the schema of the site file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from agent.settings.schema import Settings
from agent.settings.walk import bare, limits_of, type_of

ROOT = Path(__file__).resolve().parents[2]

_TYPES: dict[Any, str] = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "true or false",
    inspect.DateType: "date",
    inspect.DictType: "table",
}

_CONFIGURATION_HEAD = """\
# Configuration

<!-- Written by `make docs`; change the schema, not this file. -->

Everything that differs from pile to pile is in one file, `/etc/pile-agent/pile.toml` (or the one named with
`--config` or `$PILE_AGENT_CONFIG`). `config/site-example.toml` is a commented example to start from.

```sh
pile-agent check             # one message an error, or what would run
```

- Numbers carry their unit in the key.
- A key that is left out has its default. An unknown key is an error that names the nearest legal one.
- With any error nothing starts, and the exit code is 2. All errors are shown at once.
- A site file may tighten the limits of the profile and of the fault catalogue, never loosen them.

What the file refers to (profile, board, wiring, register map, tariff) is looked for beside the site file first, in
`piles/`, `boards/`, `wiring/`, `meters/` and `tariffs/`, then among the shipped files (`config/`; `$PILE_AGENT_DATA`
names another folder). A tariff of your own is `tariffs/NAME.toml` beside the site file, with `id = "NAME"` in both.
"""

_SEVERAL = """\
## Several connectors

One controller drives one to four connectors: one `[[connector]]` section each, with its own vehicle bus, meter,
insulation monitor and wiring. What belongs to the whole pile (emergency stop, door, smoke) is wired once and acts on
all of them.

- `wiring` names a file in `wiring/`: which signal or output is on which channel of which board, by role. `boards` gives
  the `[[board]]` of each role, so that two connectors can have the same wiring on boards of their own.
- A `[[board]]` is one device. Its model (`boards/`) describes the device, never what is connected to it.
- A `[[module_group]]` are power modules that are switched together. The profile gives the home connector of a
  group and the contactors (`[[allocation]]`) that can join it to another one.
- `config/piles/dc-120kw-two-guns.toml` with the wirings `two-guns-1` and `two-guns-2` is an example.
"""

_LISTENER = """\
## A connector that only listens (`role = "listener"`)

The connector belongs to another charger: the agent follows it on the vehicle's CAN line and never sends there
(docs/monitor.md; `config/site-monitor-example.toml` is an example to start from). `monitor` is the old word for the
role.

- `[connector.meter]` and `[connector.insulation_monitor]` may be left out. Leave them out as well when they hang on a
  line that already has a master: on such a line this agent must not talk.
- `edition`, the ratings of the connector and `[[module_group]]` do not belong here: nothing is switched. Contacts are
  read with `wiring` and `boards`, which may be left out; such a board is never written to.
- `[[bus.modbus]]` may be left out when nothing hangs on such a line.
- One file has either chargers or listeners.
"""

_MIGRATION = """\
## From layout 1 to layout 2

Up to version 0.1 a site file had one `[connector]` with `[connector.inputs_outputs]` and `[connector.power_stage]`
(`schema = 1`). Such a file is refused with the command that converts it:

```sh
pile-agent migrate /etc/pile-agent/pile.toml            # shows the file in layout 2, changes nothing
pile-agent migrate --write /etc/pile-agent/pile.toml    # writes it; the old file stays as pile.toml.schema1
pile-agent check
```

Comments stay. Own files beside the site file are converted too: `boards/NAME.toml` of layout 1 (device and wiring in
one) becomes `wiring/NAME.toml` and, if the device differs from the shipped one, a board of that name; profiles in
`piles/` get their sensors and one group. A file that is wrong in layout 1 is left as it is; running it twice changes
nothing.
"""

_CROSS_CHECKS = """\
## What is checked between keys

Each message gives place, error and cure; all errors are shown at once.

- A bus name is there once, a port is used by one bus (two names of one adapter count as one port).
- Meter, insulation monitor and boards name a Modbus bus; vehicles and power modules name CAN buses. Each connector has
  a CAN bus of its own for its vehicle, and no module group is on it.
- Each Modbus address is used once on a bus, by whatever device of whatever connector.
- A network port has a numeric address (looking a name up may take seconds, and the field process never waits); one
  device is one bus. A DL/T 645 meter has its number; `tcp://` (Modbus TCP) does not carry it, `rtu+tcp://` does.
- Profile, wiring, boards, register map, insulation monitor, module family and tariff exist and are right themselves; an
  unknown one is answered with the nearest and with all that there are.
- Connectors have different numbers, as many as in the profile. All have the same role.
- Every role of the wiring has a board, every board is used, and the board has every channel that is wired to it. No
  channel is used twice, by one connector or by two.
- The wiring has every output of a charger, every sensor that the profile demands, and none that the profile does not
  have. A signal of the whole pile and a contactor that joins groups are wired once.
- Every group of the profile has one `[[module_group]]`. Groups on one line have different `group_number`s.
- With `role = "listener"` nothing of a charger (outputs, power modules, ratings of the connector) is named.
- An auxiliary meter names a Modbus bus and an address of its own, and the map of an AC meter that delivers a phase
  voltage over Modbus; there is one for each role.
- The meter of a connector is a DC meter: it delivers voltage, current, power and energy.
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
    parts += [_SEVERAL, _LISTENER, _CROSS_CHECKS, _MIGRATION]
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
    """All sections below ``kind``: dotted name, inspected type, whether it is a list."""
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
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    return f"`{msgspec.json.encode(value).decode()}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def documents() -> dict[Path, str]:
    """The document by its path in the checkout."""
    return {ROOT / "docs" / "configuration.md": configuration_text()}
