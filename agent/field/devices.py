"""The devices that a pile of either role has: meters, insulation monitors, and boards that are only read."""

from collections.abc import Iterator

from agent.field.lines import ModbusLine
from agent.field.meters import build_meter
from agent.field.outputs import Names
from agent.settings.site import BoardOfSite, ConnectorOfSite, Site
from drivers.inputs_outputs.input_board import InputBoard
from drivers.inputs_outputs.waveshare import InputWiring
from drivers.insulation.aim_d100 import AimD100
from drivers.line.device import Device


def build_modbus_lines(site: Site, on_bus: list[tuple[str, Device]]) -> list[ModbusLine]:
    """The lines with their devices, given as (bus, device)."""
    return [
        ModbusLine(
            bus.name,
            bus.port,
            bus.baud,
            bus.parity,
            bus.stop_bits,
            [device for name, device in on_bus if name == bus.name],
        )
        for bus in site.settings.bus.modbus
    ]


def connector_devices(connector: ConnectorOfSite) -> Iterator[tuple[str, Device]]:
    """Meter and insulation monitor of a connector, as far as it has them, with their bus."""
    meter, monitor = connector.settings.meter, connector.settings.insulation_monitor
    if meter is not None and connector.meter_map is not None:
        yield meter.bus, build_meter(meter, connector.meter_map)
    if monitor is not None:
        yield monitor.bus, AimD100(monitor.address, monitor.poll_interval_ms / 1000.0)


def input_wiring(site: Site, board: BoardOfSite, names: Names) -> dict[str, InputWiring]:
    """The contacts on a board, of every connector that uses it."""
    return {
        names.of(connector.number, signal): InputWiring(wire.channel, wire.active_low)
        for connector in users_of(site, board)
        for signal, wire in (connector.wiring.inputs if connector.wiring is not None else {}).items()
        if connector.boards[wire.board] is board
    }


def users_of(site: Site, board: BoardOfSite) -> Iterator[ConnectorOfSite]:
    """The connectors with a wire on a board."""
    return (connector for connector in site.connectors if board in connector.boards.values())


def input_boards(site: Site) -> Iterator[tuple[str, Device]]:
    """The boards of a listener with their bus: each is only read, whatever it could switch."""
    names = Names(several=len(site.connectors) > 1)
    for board in site.boards:
        yield board.settings.bus or "", input_board(site, board, names)


def input_board(site: Site, board: BoardOfSite, names: Names) -> InputBoard:
    """The driver of a board whose contacts are read and that is never written to."""
    return InputBoard(
        input_wiring(site, board, names),
        board.settings.address or 0,
        board.interval_s,
        channels=0 if board.model.inputs is None else board.model.inputs.channels,
        name=board.settings.name,
    )
