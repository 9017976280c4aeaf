"""Builds the lines and the devices from a checked site."""

from dataclasses import dataclass

import msgspec

from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.field.lines import CanLine, ModbusLine
from agent.field.meters import build_insulation_monitor, build_meter
from agent.settings.catalogue import Board
from agent.settings.files import data_folder
from agent.settings.load import Site
from drivers.catalogue import POWER_MODULES, build_power_stage, group_plan, load_power_model
from drivers.contracts import PowerStage
from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.board_model import ModbusBoardModel, load_board_model
from drivers.inputs_outputs.former import ANALOG_MODEL, RELAY_MODEL
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.inputs_outputs.wiring import unit_of
from drivers.line.device import Device
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map

LOCK = "electronic_lock"
"""The one output that a start or an end of the program leaves as it is: live pins may be behind it."""


@dataclass(slots=True)
class Hardware:
    """Everything of one pile that touches a wire."""

    modbus_lines: list[ModbusLine]
    vehicle_line: CanLine
    module_line: CanLine
    relay_board: ModbusBoard
    power_stage: PowerStage

    @property
    def can_lines(self) -> list[CanLine]:
        """The CAN lines; both names may stand for one line."""
        return [self.vehicle_line, self.module_line]


def _board_model(name: str) -> ModbusBoardModel:
    model = load_board_model(data_folder() / "boards" / f"{name}.toml")
    if not isinstance(model, ModbusBoardModel):
        raise TypeError(f"{name} is no Modbus board")
    return model


def relay_board_model(board: Board) -> ModbusBoardModel:
    """The relay board of a former board file, with its own number of channels and pulse."""
    model, own = _board_model(RELAY_MODEL), board.relay_board
    if model.outputs is None or model.outputs.pulse is None or model.inputs is None:
        raise TypeError(f"{model.id} has no timed outputs or no inputs")
    pulse = msgspec.structs.replace(model.outputs.pulse, units=own.pulse_100ms, renew_interval_ms=own.renew_interval_ms)
    return msgspec.structs.replace(
        model,
        outputs=msgspec.structs.replace(model.outputs, channels=own.channels, pulse=pulse),
        inputs=msgspec.structs.replace(model.inputs, channels=own.channels),
    )


def relay_wires(board: Board) -> Wires:
    """What a former board file connects to the relay board."""
    return Wires(
        outputs={name: OutputWire(entry.channel, entry.timed) for name, entry in board.outputs.items()},
        inputs={name: InputWire(entry.channel, entry.active_low) for name, entry in board.inputs.items()},
    )


def analog_wires(board: Board, model: ModbusBoardModel) -> Wires:
    """What a former board file connects to the analogue board."""
    lowest, highest = (0, 0) if model.analog is None else (model.analog.lowest_raw, model.analog.highest_raw)
    return Wires(
        analog={
            name: AnalogWire(entry.channel, unit_of(name) or "", entry.scale, entry.offset, lowest, highest)
            for name, entry in board.analog.items()
        }
    )


def build_hardware(site: Site) -> Hardware:
    """Devices on their lines. Nothing is opened yet."""
    settings = site.settings
    connector = settings.connector
    inputs_outputs = connector.inputs_outputs
    relay_board = ModbusBoard(
        relay_board_model(site.board),
        relay_wires(site.board),
        inputs_outputs.relay_address,
        inputs_outputs.input_interval_ms / 1000.0,
        name="relay board",
        held=(LOCK,),
    )
    analog_model = _board_model(ANALOG_MODEL)
    analog_board = ModbusBoard(
        analog_model,
        analog_wires(site.board, analog_model),
        inputs_outputs.analog_address,
        inputs_outputs.analog_interval_ms / 1000.0,
        name="analogue board",
    )
    meter = build_meter(connector.meter, site.meter_map)
    insulation_monitor = build_insulation_monitor(connector.insulation_monitor)
    power_model = load_power_model(data_folder() / POWER_MODULES / f"{connector.power_stage.family}.toml")
    on_bus: list[tuple[str, Device]] = [
        (inputs_outputs.bus, relay_board),
        (inputs_outputs.bus, analog_board),
        (connector.meter.bus, meter),
        (connector.insulation_monitor.bus, insulation_monitor),
    ]
    for entry, (path, _) in zip(settings.auxiliary_meter, site.auxiliary_maps, strict=True):
        auxiliary_map = load_register_map(path)
        on_bus.append(
            (
                entry.bus,
                Meter(
                    auxiliary_map,
                    entry.address,
                    entry.poll_interval_ms / 1000.0,
                    name=f"{entry.role} meter",
                    signals=[name for name in auxiliary_map.signals() if name in GRID_SIGNALS],
                ),
            )
        )
    modbus_lines = [
        ModbusLine(
            bus.name,
            bus.port,
            bus.baud,
            bus.parity,
            bus.stop_bits,
            [device for name, device in on_bus if name == bus.name],
        )
        for bus in settings.bus.modbus
    ]
    can = {bus.name: CanLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps) for bus in settings.bus.can}
    return Hardware(
        modbus_lines=modbus_lines,
        vehicle_line=can[connector.vehicle_bus],
        module_line=can[connector.power_stage.bus],
        relay_board=relay_board,
        power_stage=build_power_stage(
            power_model,
            group_plan(power_model, site.profile.module_count),
            connector.power_stage.command_interval_ms / 1000.0,
        ),
    )
