"""Builds the lines and the devices from a checked site: shared lines once, then what belongs to each connector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.field.can_lines import CanLine
from agent.field.devices import LOCK, build_boards, build_modbus_lines, connector_devices
from agent.field.lines import ModbusLine
from agent.field.outputs import PILE, ConnectorOutputs, Names, OutputBoard
from agent.settings.catalogue import Group
from agent.settings.site import ConnectorOfSite, GroupOfSite, Site
from drivers.catalogue import build_power_stage, group_plan
from drivers.contracts import PowerStage
from drivers.line.device import Device
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map

if TYPE_CHECKING:
    from agent.field.gpio_line import GpioLine

__all__ = ["LOCK", "ConnectorHardware", "GroupHardware", "Hardware", "build_hardware"]


@dataclass(slots=True)
class GroupHardware:
    """A group of power modules and the line that it is on."""

    id: str
    rated: Group
    line: CanLine
    stage: PowerStage


@dataclass(slots=True)
class ConnectorHardware:
    """What belongs to one connector."""

    number: int
    vehicle_line: CanLine
    outputs: ConnectorOutputs
    groups: list[GroupHardware]
    """The groups at home here."""


@dataclass(slots=True)
class Hardware:
    """Everything of one pile that touches a wire. A line is there once, however many use it."""

    modbus_lines: list[ModbusLine]
    can_lines: list[CanLine]
    connectors: list[ConnectorHardware]
    routes: Mapping[str, tuple[int, str]]
    """The name of a reading on its way: connector (0: the whole pile) and signal. One connector has plain names."""
    gpio_lines: "list[GpioLine]" = field(default_factory=list)
    allocation: ConnectorOutputs = field(default_factory=lambda: ConnectorOutputs({}))
    """The contactors that join groups of modules to connectors: of the whole pile, whichever wiring has them."""


def build_hardware(site: Site) -> Hardware:
    """Devices on their lines. Nothing is opened yet."""
    settings = site.settings
    names = Names(several=len(site.connectors) > 1)
    on_bus, pins, boards = build_boards(site, names)
    for connector in site.connectors:
        on_bus += [(bus, names.device(connector.number, device)) for bus, device in connector_devices(connector)]
    on_bus += [(bus, names.device(PILE, device)) for bus, device in _auxiliary_meters(site)]
    can = {bus.name: CanLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps) for bus in settings.bus.can}
    joining = {entry.output for entry in site.profile.allocation}
    wired = {connector.number: _outputs(connector, boards, names) for connector in site.connectors}
    return Hardware(
        modbus_lines=build_modbus_lines(site, on_bus),
        can_lines=list(can.values()),
        connectors=[
            ConnectorHardware(
                number=connector.number,
                vehicle_line=can[connector.settings.vehicle_bus],
                outputs=ConnectorOutputs(
                    {name: wire for name, wire in wired[connector.number].items() if name not in joining}
                ),
                groups=[_group(group, can) for group in connector.groups],
            )
            for connector in site.connectors
        ],
        routes=names.routes,
        gpio_lines=pins,
        allocation=ConnectorOutputs(
            {name: wire for outputs in wired.values() for name, wire in outputs.items() if name in joining}
        ),
    )


def _outputs(
    connector: ConnectorOfSite, boards: Mapping[str, OutputBoard], names: Names
) -> dict[str, tuple[OutputBoard, str]]:
    """Board of each output in the wiring of a connector, and the name of the output there."""
    outputs = {} if connector.wiring is None else connector.wiring.outputs
    return {
        name: (boards[connector.boards[wire.board].settings.name], names.output(connector.number, name))
        for name, wire in outputs.items()
    }


def _group(group: GroupOfSite, can: Mapping[str, CanLine]) -> GroupHardware:
    settings = group.settings
    plan = group_plan(group.model, group.module_count, settings.address, settings.group_number)
    stage = build_power_stage(group.model, plan, settings.command_interval_ms / 1000.0)
    return GroupHardware(settings.id, group.rated, can[settings.bus], stage)


def _auxiliary_meters(site: Site) -> Iterator[tuple[str, Device]]:
    for entry, (path, _) in zip(site.settings.auxiliary_meter, site.auxiliary_maps, strict=True):
        auxiliary_map = load_register_map(path)
        signals = [name for name in auxiliary_map.signals() if name in GRID_SIGNALS]
        yield (
            entry.bus,
            Meter(
                auxiliary_map,
                entry.address,
                entry.poll_interval_ms / 1000.0,
                name=f"{entry.role} meter",
                signals=signals,
            ),
        )
