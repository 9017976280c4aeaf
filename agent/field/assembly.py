"""Builds the lines and the devices from a checked site: shared lines once, then what belongs to each connector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.field.can_lines import CanLine
from agent.field.devices import build_modbus_lines, connector_devices, input_board, input_wiring, users_of
from agent.field.lines import ModbusLine
from agent.field.outputs import PILE, ConnectorOutputs, Names
from agent.settings.catalogue import Group
from agent.settings.site import BoardOfSite, ConnectorOfSite, GroupOfSite, Site
from drivers.inputs_outputs.waveshare import (
    AnalogBoard,
    AnalogWiring,
    OutputWiring,
    RelayBoard,
    Wiring,
)
from drivers.line.device import Device
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from drivers.power.infypower import InfyPower

LOCK = "electronic_lock"
"""The one output that a start or an end of the program leaves as it is: live pins may be behind it."""


@dataclass(slots=True)
class GroupHardware:
    """A group of power modules and the line that it is on."""

    id: str
    rated: Group
    line: CanLine
    stage: InfyPower


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
    relay_boards: dict[str, RelayBoard] = {}
    on_bus: list[tuple[str, Device]] = []
    for board in site.boards:
        relay_board = _relay_board(site, board, names)
        if relay_board is not None:
            relay_boards[board.settings.name] = relay_board
        on_bus.append((board.settings.bus or "", relay_board or _reading_board(site, board, names)))
    for connector in site.connectors:
        on_bus += [(bus, names.device(connector.number, device)) for bus, device in connector_devices(connector)]
    on_bus += [(bus, names.device(PILE, device)) for bus, device in _auxiliary_meters(site)]
    can = {bus.name: CanLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps) for bus in settings.bus.can}
    return Hardware(
        modbus_lines=build_modbus_lines(site, on_bus),
        can_lines=list(can.values()),
        connectors=[_connector(connector, relay_boards, names, can) for connector in site.connectors],
        routes=names.routes,
    )


def _connector(
    connector: ConnectorOfSite, relay_boards: Mapping[str, RelayBoard], names: Names, can: Mapping[str, CanLine]
) -> ConnectorHardware:
    wiring = connector.wiring
    outputs = {} if wiring is None else wiring.outputs
    return ConnectorHardware(
        number=connector.number,
        vehicle_line=can[connector.settings.vehicle_bus],
        outputs=ConnectorOutputs(
            {
                name: (
                    relay_boards[connector.boards[wire.board].settings.name],
                    names.output(connector.number, name),
                )
                for name, wire in outputs.items()
            }
        ),
        groups=[_group(group, can) for group in connector.groups],
    )


def _group(group: GroupOfSite, can: Mapping[str, CanLine]) -> GroupHardware:
    settings = group.settings
    stage = InfyPower(group.module_count, settings.command_interval_ms / 1000.0)
    return GroupHardware(settings.id, group.rated, can[settings.bus], stage)


def _relay_board(site: Site, board: BoardOfSite, names: Names) -> RelayBoard | None:
    """The driver of a board with outputs, with the wires of every connector that are on it."""
    model = board.model
    if model.outputs is None:
        return None
    outputs: dict[str, OutputWiring] = {}
    held = []
    for connector in users_of(site, board):
        wired = connector.wiring.outputs if connector.wiring is not None else {}
        for name, wire in wired.items():
            if connector.boards[wire.board] is board:
                there = names.output(connector.number, name)
                outputs[there] = OutputWiring(wire.channel, wire.timed)
                held += [there] if name == LOCK else []
    return RelayBoard(
        Wiring(
            outputs=outputs,
            inputs=input_wiring(site, board, names),
            pulse_100ms=model.outputs.pulse_100ms,
            renew_interval_s=model.outputs.renew_interval_ms / 1000.0,
            channels=model.outputs.channels,
        ),
        board.settings.address or 0,
        board.interval_s,
        name=board.settings.name,
        held=held,
    )


def _reading_board(site: Site, board: BoardOfSite, names: Names) -> Device:
    """The driver of a board that is only read."""
    if board.model.analog is None:
        return input_board(site, board, names)
    address, name = board.settings.address or 0, board.settings.name
    analog = {
        names.of(connector.number, signal): AnalogWiring(wire.channel, wire.scale, wire.offset)
        for connector in users_of(site, board)
        for signal, wire in (connector.wiring.analog if connector.wiring is not None else {}).items()
        if connector.boards[wire.board] is board
    }
    return AnalogBoard(analog, address, board.interval_s, name=name, channels=board.model.analog.channels)


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
