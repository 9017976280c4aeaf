"""Which meter a command means: named by options, or the one of the site file."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from agent.cli.complaints import complaint, say_error
from agent.cli.context import Context, print_json
from agent.cli.exits import EXIT_FAILED, EXIT_WRONG
from agent.cli.meter.bus import Bus, LineSettings
from agent.cli.meter.guard import site_or_none, who_uses
from agent.settings.files import data_folder, find_data_file
from agent.settings.meter_map import load_meter_map
from agent.settings.problems import SettingsError, did_you_mean
from drivers.errors import PortError
from drivers.line.exchange import Address
from drivers.line.tcp_port import RTU_OVER_TCP, TCP, split_url
from drivers.meters.identifier_map import WILDCARD_ADDRESS, IdentifierMap
from drivers.meters.register_map import AnyMap
from drivers.text import Text


@dataclass(frozen=True, slots=True)
class Target:
    """One meter: where it is and what it is."""

    port: str
    settings: LineSettings
    meter_map: AnyMap
    address: Address
    channel: int = 1
    energy_unit_wh: float = 1.0

    @property
    def is_modbus_tcp(self) -> bool:
        """Whether the line has no baud rate."""
        return self.port.startswith(f"{TCP}://")


def port_of(text: str) -> str:
    """A port as the drivers name it: ``HOST:PORT`` means Modbus TCP. Raises ValueError if it cannot be one."""
    if text.startswith((f"{TCP}://", f"{RTU_OVER_TCP}://")):
        split_url(text)
        return text
    host, colon, number = text.rpartition(":")
    if colon and "/" not in text and number.isdecimal() and host:
        url = f"{TCP}://{text}"
        split_url(url)
        return url
    return text


def find_map(context: Context, name: str) -> AnyMap:
    """A map by file path or by id, the site's own before the shipped ones. Ends the command if there is none."""
    path = Path(name)
    try:
        if not path.is_file():
            folders = [Path(context.config).resolve().parent, data_folder()]
            found, names = find_data_file("meters", name, folders)
            if found is None:
                hint = did_you_mean(name, names).in_(context.language)
                refuse(context, Text(f"没有电表点表 {name}", f"unknown meter map {name}"), EXIT_WRONG, hint)
            path = found
        return load_meter_map(path)
    except SettingsError as error:
        say_error(*complaint(error, context.language))
        sys.exit(EXIT_WRONG)


def shipped_maps(context: Context, names: str | None) -> list[AnyMap]:
    """All maps, the site's own among them, or those that are named with commas between."""
    if names:
        return [find_map(context, name.strip()) for name in names.split(",") if name.strip()]
    folders = [Path(context.config).resolve().parent, data_folder()]
    _, found = find_data_file("meters", "", folders)
    return [find_map(context, name) for name in found]


def resolve(
    context: Context,
    *,
    port: str | None,
    map_name: str | None,
    address: str | None,
    channel: int,
    baud: int | None,
    parity: str | None,
    stop_bits: int | None,
    connector: int | None = None,
) -> Target:
    """The meter that the options mean; what they leave open is that of the site file. Ends the command if wrong."""
    if port is None:
        return _of_site(context, connector, map_name, address, channel, (baud, parity, stop_bits))
    if map_name is None:
        raise click.UsageError("--port needs --map; `pile-agent meter scan PORT` finds the map")
    meter_map = find_map(context, map_name)
    serial = meter_map.serial
    settings = LineSettings(baud or serial.baud, parity or serial.parity, stop_bits or serial.stop_bits)
    try:
        url = port_of(port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Target(url, settings, meter_map, _address(meter_map, address), channel)


def _of_site(
    context: Context,
    connector: int | None,
    map_name: str | None,
    address: str | None,
    channel: int,
    line: tuple[int | None, str | None, int | None],
) -> Target:
    settings = context.site.settings
    entry = context.connector(connector).settings.meter
    if entry is None:
        raise click.UsageError("the site file has no meter: select one with --port and --map")
    bus = next(each for each in settings.bus.modbus if each.name == entry.bus)
    meter_map = find_map(context, map_name or entry.model)
    baud, parity, stop_bits = line
    own = entry.number if isinstance(meter_map, IdentifierMap) else str(entry.address)
    return Target(
        bus.port,
        LineSettings(baud or bus.baud, parity or bus.parity, stop_bits or bus.stop_bits),
        meter_map,
        _address(meter_map, own if address is None else address),
        channel,
        entry.energy_unit_wh,
    )


def _address(meter_map: AnyMap, address: str | None) -> Address:
    if isinstance(meter_map, IdentifierMap):
        number = (address or meter_map.serial.number).upper()
        if number == WILDCARD_ADDRESS:
            raise click.UsageError("give the twelve digits of the meter with --address; `meter scan` finds them")
        if len(number) > 12 or not number.isdecimal():
            raise click.UsageError(f"--address {number} is not the number of a DL/T 645 meter (up to twelve digits)")
        return number.zfill(12)
    text = str(meter_map.serial.address) if address is None else address
    if not text.isdecimal() or not 1 <= int(text) <= 247:
        raise click.UsageError(f"--address {text} is not within 1 to 247")
    return int(text)


def open_bus(context: Context, port: str, settings: LineSettings, *, as_json: bool = False) -> Bus:
    """The line, unless the service owns it or it cannot be opened; then the command ends with exit code 1."""
    used = who_uses(port, site_or_none(context.config))
    if used is not None:
        why, what_to_do = used
        refuse(context, why, EXIT_FAILED, what_to_do.in_(context.language), "in_use" if as_json else "")
    try:
        return Bus(port, settings)
    except PortError as error:
        port_failed(error, as_json=as_json)


def refuse(context: Context, why: Text, code: int, hint: str = "", json_error: str = "") -> NoReturn:
    """Report the reason, and end the command."""
    text = why.in_(context.language)
    if json_error:
        print_json({"error": json_error, "reason": text})
    say_error(*[line for line in (text, hint) if line])
    sys.exit(code)


def port_failed(error: PortError, *, as_json: bool = False) -> NoReturn:
    """Report that the port cannot be used, and end the command."""
    if as_json:
        print_json({"error": "port", "reason": f"{error.where}: {error.what}"})
    say_error(f"{error.where}: {error.what}", error.hint)
    sys.exit(EXIT_FAILED)
