"""The devices of a pile in either role: meters, insulation monitors and boards, by the models of the site file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agent.field.lines import ModbusLine
from agent.field.meters import build_insulation_monitor, build_meter
from agent.field.outputs import Names, OutputBoard
from agent.settings.site import BoardOfSite, ConnectorOfSite, Site
from drivers.inputs_outputs.board_model import GpioBoardModel, ModbusBoardModel
from drivers.inputs_outputs.wires import Wires
from drivers.inputs_outputs.wiring import wires_of
from drivers.line.device import Device

if TYPE_CHECKING:
    from agent.field.gpio_line import GpioLine

LOCK = "electronic_lock"
"""The one output that a start or an end of the program leaves as it is: live pins may be behind it."""


def build_modbus_lines(site: Site, on_bus: Sequence[tuple[str, Device]]) -> list[ModbusLine]:
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
    if monitor is not None and connector.insulation_map is not None:
        yield monitor.bus, build_insulation_monitor(monitor, connector.insulation_map)


def build_boards(site: Site, names: Names) -> "tuple[list[tuple[str, Device]], list[GpioLine], dict[str, OutputBoard]]":
    """The boards on Modbus lines with their bus, those that are pins, and all with outputs by their name.

    A board of a listener has no wired output, and a board without one is only read.
    """
    on_bus: list[tuple[str, Device]] = []
    pins: list[GpioLine] = []
    outputs: dict[str, OutputBoard] = {}
    for board in site.boards:
        wires, held = wires_on(site, board, names)
        settings, model = board.settings, board.model
        driver: OutputBoard
        if isinstance(model, ModbusBoardModel):
            from drivers.inputs_outputs.modbus_board import ModbusBoard

            on_line = ModbusBoard(model, wires, settings.address or 0, board.interval_s, name=settings.name, held=held)
            on_bus.append((settings.bus or "", on_line))
            driver = on_line
        else:
            driver = _pins(model, wires, board, held, pins)
        if wires.outputs:
            outputs[settings.name] = driver
    return on_bus, pins, outputs


def _pins(
    model: GpioBoardModel, wires: Wires, board: BoardOfSite, held: Sequence[str], lines: "list[GpioLine]"
) -> OutputBoard:
    from agent.field.gpio_line import GpioLine
    from drivers.inputs_outputs.gpio_board import GpioBoard

    pins = GpioBoard(model, wires, board.interval_s, name=board.settings.name, held=held)
    lines.append(GpioLine(pins))
    return pins


def wires_on(site: Site, board: BoardOfSite, names: Names) -> tuple[Wires, list[str]]:
    """What is connected to a board, of every connector that uses it; and the outputs that stay as they are found."""
    all_wires = Wires({}, {}, {})
    held: list[str] = []
    for connector in site.connectors:
        if connector.wiring is None:
            continue
        for role, there in connector.boards.items():
            if there is not board:
                continue
            number, wires = connector.number, wires_of(connector.wiring, role, board.model)
            held += [names.output(number, LOCK)] if LOCK in wires.outputs else []
            all_wires = Wires(
                {**all_wires.outputs, **{names.output(number, name): wire for name, wire in wires.outputs.items()}},
                {**all_wires.inputs, **{names.contact(number, name): wire for name, wire in wires.inputs.items()}},
                {**all_wires.analog, **{names.of(number, name): wire for name, wire in wires.analog.items()}},
            )
    return all_wires, held
