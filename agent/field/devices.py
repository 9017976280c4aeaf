"""The devices that a pile of either role has: meters, insulation monitors, and boards that are only read."""

from collections.abc import Collection, Iterator

from agent.field.lines import ModbusLine
from agent.field.meters import build_insulation_monitor, build_meter
from agent.field.outputs import Names
from agent.settings.site import BoardOfSite, ConnectorOfSite, Site
from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.board_model import ModbusBoardModel
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.inputs_outputs.wiring import wires_of
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
        yield monitor.bus, build_insulation_monitor(monitor)


def board_wires(site: Site, board: BoardOfSite, names: Names) -> Wires:
    """What every connector has on a board."""
    outputs: dict[str, OutputWire] = {}
    inputs: dict[str, InputWire] = {}
    analog: dict[str, AnalogWire] = {}
    for connector in users_of(site, board):
        for role, there in connector.boards.items():
            if there is board and connector.wiring is not None:
                wires = wires_of(connector.wiring, role, board.model)
                outputs |= {names.output(connector.number, name): wire for name, wire in wires.outputs.items()}
                inputs |= {names.of(connector.number, name): wire for name, wire in wires.inputs.items()}
                analog |= {names.of(connector.number, name): wire for name, wire in wires.analog.items()}
    return Wires(outputs, inputs, analog)


def users_of(site: Site, board: BoardOfSite) -> Iterator[ConnectorOfSite]:
    """The connectors with a wire on a board."""
    return (connector for connector in site.connectors if board in connector.boards.values())


def input_boards(site: Site) -> Iterator[tuple[str, Device]]:
    """The boards of a listener with their bus: each is only read, whatever it could switch."""
    names = Names(several=len(site.connectors) > 1)
    for board in site.boards:
        yield board.settings.bus or "", modbus_board(board, Wires(inputs=board_wires(site, board, names).inputs))


def modbus_board(board: BoardOfSite, wires: Wires, held: Collection[str] = ()) -> ModbusBoard:
    """The driver of a board on a Modbus line. Without wired outputs it is never written to."""
    if not isinstance(board.model, ModbusBoardModel):
        raise TypeError(f"{board.model.id} is not on a Modbus line")
    return ModbusBoard(
        board.model, wires, board.settings.address or 0, board.interval_s, name=board.settings.name, held=held
    )
