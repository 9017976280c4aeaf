"""Builds the lines and the devices from a checked site: shared lines once, then what belongs to each connector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.field.can_lines import CanLine
from agent.field.devices import board_wires, build_modbus_lines, connector_devices, modbus_board
from agent.field.lines import ModbusLine
from agent.field.outputs import PILE, ConnectorOutputs, Names
from agent.settings.catalogue import Group
from agent.settings.files import data_folder
from agent.settings.site import ConnectorOfSite, GroupOfSite, Site
from drivers.catalogue import POWER_MODULES, build_power_stage, group_plan, load_power_model
from drivers.contracts import PowerStage
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import Wires
from drivers.line.device import Device
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map

LOCK = "electronic_lock"
"""The one output that a start or an end of the program leaves as it is: live pins may be behind it."""


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


def build_hardware(site: Site) -> Hardware:
    """Devices on their lines. Nothing is opened yet."""
    settings = site.settings
    names = Names(several=len(site.connectors) > 1)
    boards: dict[str, ModbusBoard] = {}
    on_bus: list[tuple[str, Device]] = []
    for board in site.boards:
        wires = board_wires(site, board, names)
        boards[board.settings.name] = driver = modbus_board(board, wires, _held(wires))
        on_bus.append((board.settings.bus or "", driver))
    for connector in site.connectors:
        on_bus += [(bus, names.device(connector.number, device)) for bus, device in connector_devices(connector)]
    on_bus += [(bus, names.device(PILE, device)) for bus, device in _auxiliary_meters(site)]
    can = {bus.name: CanLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps) for bus in settings.bus.can}
    return Hardware(
        modbus_lines=build_modbus_lines(site, on_bus),
        can_lines=list(can.values()),
        connectors=[_connector(site, connector, boards, names, can) for connector in site.connectors],
        routes=names.routes,
    )


def before(site: Site, group: GroupOfSite) -> int:
    """How many modules of earlier groups are on the line of a group: addresses go on from group to group."""
    counts = {each.settings.id: each.module_count for connector in site.connectors for each in connector.groups}
    count = 0
    for entry in site.settings.module_group:
        if entry.id == group.settings.id:
            break
        count += counts.get(entry.id, 0) if entry.bus == group.settings.bus else 0
    return count


def _connector(
    site: Site,
    connector: ConnectorOfSite,
    boards: Mapping[str, ModbusBoard],
    names: Names,
    can: Mapping[str, CanLine],
) -> ConnectorHardware:
    wiring = connector.wiring
    outputs = {} if wiring is None else wiring.outputs
    return ConnectorHardware(
        number=connector.number,
        vehicle_line=can[connector.settings.vehicle_bus],
        outputs=ConnectorOutputs(
            {
                name: (
                    boards[connector.boards[wire.board].settings.name],
                    names.output(connector.number, name),
                )
                for name, wire in outputs.items()
            }
        ),
        groups=[_group(group, can, before(site, group)) for group in connector.groups],
    )


def _group(group: GroupOfSite, can: Mapping[str, CanLine], modules_before: int) -> GroupHardware:
    settings = group.settings
    model = load_power_model(data_folder() / POWER_MODULES / f"{settings.model}.toml")
    address = model.first_address + modules_before if settings.address is None else settings.address
    plan = group_plan(model, group.module_count, address, settings.group_number)
    stage = build_power_stage(model, plan, settings.command_interval_ms / 1000.0)
    return GroupHardware(settings.id, group.rated, can[settings.bus], stage)


def _held(wires: Wires) -> list[str]:
    """The locks among the outputs of a board, of whichever connector."""
    return [name for name in wires.outputs if name.rpartition("/")[2] == LOCK]


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
