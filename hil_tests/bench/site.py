"""The site files of the piles on the bench: what an installer would have filled in for these wires."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METER_WIRE, INPUTS_OUTPUTS_WIRE = "rs485-meter", "rs485-io"
VEHICLE_WIRE, VEHICLE_FAR_PORT, MODULES_WIRE = "can-vehicle", "can-vehicle-far", "can-modules"
VEHICLE_TAP, TAP_WIRE = "can-vehicle-tap", "rs485-tap"
"""Where a listener hangs: a third port on the vehicle's CAN line, and a line of its own to a second meter."""

PILE_WIRE = "rs485-pile"
"""The line of the pile's own board, which drives the allocation contactors."""

GROUP_HOMES = {"A": 1, "B": 2}
"""Groups of power modules and the gun that each feeds in a fixed split."""
ALLOCATIONS = (
    ("A", 1, "allocation_a1"),
    ("A", 2, "allocation_a2"),
    ("B", 1, "allocation_b1"),
    ("B", 2, "allocation_b2"),
)
"""Allocation contactors: group, gun, relay of the pile's board, in the order of its channels."""


def wire_name(name: str, gun: int, suffix: str = "") -> str:
    """Name of a wire or file of a gun: that of gun 1 is the plain one, the others carry their number."""
    return f"{name}{suffix}" if gun == 1 else f"{name}-{gun}{suffix}"


METER_MODEL = "acrel-djsf1352-rn"
_CONFIG = Path(__file__).resolve().parents[2] / "config"

TAP_CONTACTS = ("emergency_stop_pressed", "door_open", "smoke_detected")
"""Contacts of the tap's input board, by channel."""


def write_site_file(folder: Path, *, mqtt_port: int, **overrides: Mapping[str, Any]) -> Path:
    """Write ``folder/pile.toml`` and return its path.

    ``overrides`` are sections of the site file, merged over the defaults key by key at any depth, for example
    ``control={"cycle_ms": 20}`` or ``connector={"meter": {"serial_number": "1"}}``. ``None`` removes a key. An entry of
    a list is found by its name: ``bus={"can": {"vehicle": {"channel": "/dev/ttyACM0"}}}``, or by the number of the
    connector: ``connector={"2": {"edition": "2023"}}``; without a number the first connector is meant.
    """
    dev = folder.resolve() / "dev"
    site: dict[str, Any] = {
        "schema": 2,
        "pile": {"id": "SX-DEMO-0001", "operator_id": "MA00DEMO1", "profile": "dc-60kw"},
        "paths": {"state": str(folder.resolve() / "state"), "runtime": str(folder.resolve() / "run")},
        "control": {"real_time_priority": 50},
        "bus": {
            "modbus": [
                {"name": "meter", "port": str(dev / METER_WIRE), "baud": 9600},
                {"name": "io", "port": str(dev / INPUTS_OUTPUTS_WIRE), "baud": 115200},
            ],
            "can": [
                {
                    "name": "vehicle",
                    "interface": "slcan",
                    "channel": str(dev / VEHICLE_WIRE),
                    "bitrate_bps": 250000,
                },
                {
                    "name": "modules",
                    "interface": "slcan",
                    "channel": str(dev / MODULES_WIRE),
                    "bitrate_bps": 125000,
                },
            ],
        },
        "board": [
            {"name": "io", "model": "waveshare-relay-8ch-d", "bus": "io", "address": 1},
            {"name": "analog", "model": "waveshare-analog-8ch", "bus": "io", "address": 2},
        ],
        "module_group": [{"id": "A", "bus": "modules", "model": "infypower"}],
        "connector": [
            {
                "number": 1,
                "vehicle_bus": "vehicle",
                "wiring": "reference-dc",
                "boards": {"io": "io", "analog": "analog"},
                "meter": {"bus": "meter", "address": 1, "model": METER_MODEL},
                "insulation_monitor": {"bus": "meter", "address": 2},
            }
        ],
        "tariff": {"id": "shanxi-example"},
        "uplink": {"host": "127.0.0.1", "port": mqtt_port, "tls": False},
    }
    _merge(site, overrides)
    _write_meter_map(folder)
    path = folder / "pile.toml"
    path.write_text("\n".join(_table("", site)).strip() + "\n", encoding="utf-8")
    return path


def write_two_guns_file(
    folder: Path, *, mqtt_port: int, switched: bool = False, **overrides: Mapping[str, Any]
) -> Path:
    """Write ``folder/pile.toml`` of the two-gun pile of the bench and return its path.

    ``switched``: groups of modules are moved between the guns by allocation contactors on the pile's own board;
    without it each group is wired to its home gun, with a profile of its own beside the site file. ``overrides`` as in
    ``write_site_file``.
    """
    dev = folder.resolve() / "dev"
    site: dict[str, Any] = {
        "schema": 2,
        "pile": {"id": "SX-DEMO-0001", "operator_id": "MA00DEMO1", "profile": "dc-120kw-two-guns"},
        "power": {"policy": "switched" if switched else "fixed"},
        "paths": {"state": str(folder.resolve() / "state"), "runtime": str(folder.resolve() / "run")},
        "control": {"real_time_priority": 50},
        "bus": {"modbus": [], "can": []},
        "board": [],
        "module_group": [
            {"id": name, "bus": "modules", "model": "infypower", "address": 2 * (number - 1), "group_number": number}
            for number, name in enumerate(GROUP_HOMES, start=1)
        ],
        "connector": [],
        "tariff": {"id": "shanxi-example"},
        "uplink": {"host": "127.0.0.1", "port": mqtt_port, "tls": False},
    }
    for gun in (1, 2):
        _add_gun(site, dev, gun, switched=switched)
    site["bus"]["can"].append(
        {"name": "modules", "interface": "slcan", "channel": str(dev / MODULES_WIRE), "bitrate_bps": 125000}
    )
    if switched:
        site["bus"]["modbus"].append({"name": "pile", "port": str(dev / PILE_WIRE), "baud": 115200})
        site["board"].append({"name": "pile", "model": "waveshare-relay-8ch-d", "bus": "pile", "address": 1})
    else:
        _write_fixed_split(folder)
    _merge(site, overrides)
    _write_meter_map(folder)
    path = folder / "pile.toml"
    path.write_text("\n".join(_table("", site)).strip() + "\n", encoding="utf-8")
    return path


def _add_gun(site: dict[str, Any], dev: Path, gun: int, *, switched: bool) -> None:
    """Lines, boards and connector of one gun; those of gun 1 are called as in the file of one gun."""
    meter, io, vehicle, analog = (wire_name(name, gun) for name in ("meter", "io", "vehicle", "analog"))
    site["bus"]["modbus"] += [
        {"name": meter, "port": str(dev / wire_name(METER_WIRE, gun)), "baud": 9600},
        {"name": io, "port": str(dev / wire_name(INPUTS_OUTPUTS_WIRE, gun)), "baud": 115200},
    ]
    site["bus"]["can"].append(
        {
            "name": vehicle,
            "interface": "slcan",
            "channel": str(dev / wire_name(VEHICLE_WIRE, gun)),
            "bitrate_bps": 250000,
        }
    )
    site["board"] += [
        {"name": io, "model": "waveshare-relay-8ch-d", "bus": io, "address": 1},
        {"name": analog, "model": "waveshare-analog-8ch", "bus": io, "address": 2},
    ]
    boards = {"io": io, "analog": analog}
    site["connector"].append(
        {
            "number": gun,
            "vehicle_bus": vehicle,
            "wiring": f"two-guns-{gun}",
            "boards": {**boards, "pile": "pile"} if switched else boards,
            "meter": {"bus": meter, "address": 1, "model": METER_MODEL},
            "insulation_monitor": {"bus": meter, "address": 2},
        }
    )


def _write_fixed_split(folder: Path) -> None:
    """Profile and wirings of the two-gun pile without allocation contactors, beside the site file."""
    profile = (_CONFIG / "piles" / "dc-120kw-two-guns.toml").read_text(encoding="utf-8")
    _write(folder / "piles" / "dc-120kw-two-guns.toml", profile.partition("[[allocation]]")[0])
    for gun in GROUP_HOMES.values():
        name = f"two-guns-{gun}.toml"
        lines = (_CONFIG / "wiring" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(("group_", "pile ="))]
        _write(folder / "wiring" / name, "".join(kept))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_meter_map(folder: Path) -> None:
    """The shipped map of the bench's meter beside the site file, its unit beyond dispute: the bench counts in Wh."""
    text = (_CONFIG / "meters" / f"{METER_MODEL}.toml").read_text(encoding="utf-8")
    disputed = "energy_unit_disputed = true"
    if text.count(disputed) != 1:
        raise ValueError(f"the map of {METER_MODEL} no longer contains {disputed}")
    maps = folder / "meters"
    maps.mkdir(exist_ok=True)
    (maps / f"{METER_MODEL}.toml").write_text(text.replace(disputed, "energy_unit_disputed = false"), encoding="utf-8")


def write_monitor_file(folder: Path, bench_folder: Path, *, mqtt_port: int, **overrides: Mapping[str, Any]) -> Path:
    """Write ``folder/pile.toml`` of a pile that only listens at the tap of the bench in ``bench_folder``.

    ``overrides`` as in ``write_site_file``.
    """
    dev = bench_folder.resolve() / "dev"
    site: dict[str, Any] = {
        "schema": 2,
        "pile": {"id": "SX-TAP-0001", "operator_id": "MA00DEMO1", "profile": "dc-60kw"},
        "paths": {"state": str(folder.resolve() / "state"), "runtime": str(folder.resolve() / "run")},
        "bus": {
            "modbus": [{"name": "tap", "port": str(dev / TAP_WIRE), "baud": 9600}],
            "can": [
                {"name": "vehicle", "interface": "slcan", "channel": str(dev / VEHICLE_TAP), "bitrate_bps": 250000}
            ],
        },
        "board": [{"name": "tap", "model": "modbus-inputs-8ch", "bus": "tap", "address": 2}],
        "connector": [
            {
                "number": 1,
                "role": "listener",
                "vehicle_bus": "vehicle",
                "wiring": "listener-contacts",
                "boards": {"inputs": "tap"},
                "meter": {"bus": "tap", "address": 1, "model": METER_MODEL},
            }
        ],
        "tariff": {"id": "shanxi-example"},
        "uplink": {"host": "127.0.0.1", "port": mqtt_port, "tls": False},
    }
    _merge(site, overrides)
    path = folder / "pile.toml"
    path.write_text("\n".join(_table("", site)).strip() + "\n", encoding="utf-8")
    return path


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(target.get(key), list):
            entries = {str(entry.get("name", entry.get("number", entry.get("id")))): entry for entry in target[key]}
            if key == "connector" and not entries.keys() & value.keys():
                _merge(target[key][0], value)
                continue
            for name, change in value.items():
                _merge(entries[name], change)
        elif isinstance(value, Mapping):
            inner = target.setdefault(key, {})
            _merge(inner, value)
        else:
            target[key] = value


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    """Lines of one TOML table: plain keys first, then the tables inside it."""
    lines = [f"[{name}]"] if name else []
    return [*lines, *_content(name, table)]


def _content(name: str, table: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    inner: list[str] = []
    for key, value in table.items():
        full_name = f"{name}.{key}" if name else key
        if isinstance(value, Mapping):
            inner += ["", *_table(full_name, value)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for entry in value:
                inner += ["", f"[[{full_name}]]", *_content(full_name, entry)]
        else:
            # For strings, numbers, booleans and lists of them JSON and TOML write the same.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return lines + inner
