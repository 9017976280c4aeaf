"""Builds the lines and the devices from a checked site."""

from dataclasses import dataclass

from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.field.can_lines import CanLine
from agent.field.lines import ModbusLine
from agent.field.meters import build_meter
from agent.settings.catalogue import Board
from agent.settings.load import Site
from drivers.inputs_outputs.waveshare import (
    AnalogBoard,
    AnalogWiring,
    InputWiring,
    OutputWiring,
    RelayBoard,
    Wiring,
)
from drivers.insulation.aim_d100 import AimD100
from drivers.line.device import Device
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from drivers.power.infypower import InfyPower

LOCK = "electronic_lock"
"""The one output that a start or an end of the program leaves as it is: live pins may be behind it."""


@dataclass(slots=True)
class Hardware:
    """Everything of one pile that touches a wire."""

    modbus_lines: list[ModbusLine]
    vehicle_line: CanLine
    module_line: CanLine
    relay_board: RelayBoard
    power_stage: InfyPower

    @property
    def can_lines(self) -> list[CanLine]:
        """The CAN lines; both names may stand for one line."""
        return [self.vehicle_line, self.module_line]


def wiring_of(board: Board) -> Wiring:
    """The relay board's wiring in the driver's own form."""
    return Wiring(
        outputs={name: OutputWiring(entry.channel, entry.timed) for name, entry in board.outputs.items()},
        inputs={name: InputWiring(entry.channel, entry.active_low) for name, entry in board.inputs.items()},
        pulse_100ms=board.relay_board.pulse_100ms,
        renew_interval_s=board.relay_board.renew_interval_ms / 1000.0,
        channels=board.relay_board.channels,
    )


def build_hardware(site: Site) -> Hardware:
    """Devices on their lines. Nothing is opened yet."""
    settings = site.settings
    connector = settings.connector
    inputs_outputs = connector.inputs_outputs
    relay_board = RelayBoard(
        wiring_of(site.board),
        inputs_outputs.relay_address,
        inputs_outputs.input_interval_ms / 1000.0,
        held=(LOCK,),
    )
    analog_board = AnalogBoard(
        {name: AnalogWiring(entry.channel, entry.scale, entry.offset) for name, entry in site.board.analog.items()},
        inputs_outputs.analog_address,
        inputs_outputs.analog_interval_ms / 1000.0,
    )
    meter = build_meter(connector.meter, site.meter_map)
    insulation_monitor = AimD100(
        connector.insulation_monitor.address, connector.insulation_monitor.poll_interval_ms / 1000.0
    )
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
        power_stage=InfyPower(site.profile.module_count, connector.power_stage.command_interval_ms / 1000.0),
    )
