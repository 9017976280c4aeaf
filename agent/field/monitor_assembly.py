"""Builds parameters, lines and loop of a pile that only listens. Only loaded in that role."""

import selectors
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.control.listener.core import MonitorCore
from agent.control.listener.parameters import MonitorParameters
from agent.control.metering.billing import BillingTariff
from agent.settings.load import MonitorSite
from agent.settings.schema import Contact

if TYPE_CHECKING:
    from agent.field.lines import ModbusLine
    from agent.field.monitor_loop import MonitorLoop
    from drivers.line.device import Device


def _contacts(site: MonitorSite) -> dict[str, Contact]:
    inputs = site.settings.connector.inputs
    if inputs is None:
        return {}
    pairs = {name: getattr(inputs, name) for name in ("emergency_stop_pressed", "door_open", "smoke_detected")}
    return {name: contact for name, contact in pairs.items() if contact is not None}


def monitor_parameters(site: MonitorSite, *, boot_id: str, version: str) -> MonitorParameters:
    """What the monitor must know."""
    settings, tariff = site.settings, site.tariff
    connector, meter = settings.connector, settings.connector.meter
    return MonitorParameters(
        pile_id=settings.pile.id,
        boot_id=boot_id,
        version=version,
        connector=connector.number,
        maximum_voltage_v=site.profile.maximum_voltage_v,
        maximum_current_a=site.profile.maximum_current_a,
        tariff=BillingTariff(
            id=tariff.id,
            version=tariff.version,
            electricity_e5={name: rate.electricity_e5 for name, rate in tariff.rates.items()},
            service_e5={name: rate.service_e5 for name, rate in tariff.rates.items()},
            slots=tuple(tariff.slots),
            utc_offset_minutes=settings.tariff.utc_offset_minutes,
        ),
        faults=site.faults,
        meter=None
        if meter is None
        else {
            "model": meter.model,
            "address": meter.number or meter.address,
            "serial_number": meter.serial_number,
            "certificate_number": meter.certificate_number,
        },
        insulation_monitor=connector.insulation_monitor is not None,
        inputs=tuple(_contacts(site)),
        telemetry_interval_s=float(settings.record.telemetry_interval_s),
        telemetry_idle_interval_s=float(settings.record.telemetry_idle_interval_s),
    )


def build_monitor_loop(
    site: MonitorSite, parameters: MonitorParameters, core: MonitorCore, selector: selectors.BaseSelector
) -> "MonitorLoop":
    """Load the drivers and join everything."""
    from agent.field.listening import ListeningLine
    from agent.field.monitor_loop import MonitorLoop
    from agent.field.server import FieldServer
    from agent.link.messages import SOCKET_NAME, Hello

    settings = site.settings
    bus = next(bus for bus in settings.bus.can if bus.name == settings.connector.vehicle_bus)
    hello = Hello(parameters.boot_id, settings.pile.id, parameters.version, time.time_ns() // 1_000_000)
    return MonitorLoop(
        core,
        parameters,
        build_modbus_lines(site),
        ListeningLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps),
        FieldServer(Path(settings.paths.runtime) / SOCKET_NAME, selector, hello),
        selector,
        cycle_s=settings.control.cycle_ms / 1000.0,
        readings_interval_s=settings.record.readings_interval_s,
        readings_idle_interval_s=settings.record.readings_idle_interval_s,
    )


def build_modbus_lines(site: MonitorSite) -> "list[ModbusLine]":
    """The lines on which something of ours hangs, with devices that only read. Nothing is opened yet."""
    from agent.field.lines import ModbusLine
    from agent.field.meters import build_meter
    from drivers.inputs_outputs.input_board import InputBoard
    from drivers.inputs_outputs.waveshare import InputWiring
    from drivers.insulation.aim_d100 import AimD100

    connector = site.settings.connector
    on_bus: list[tuple[str, Device]] = []
    if connector.meter is not None and site.meter_map is not None:
        on_bus.append((connector.meter.bus, build_meter(connector.meter, site.meter_map)))
    if connector.insulation_monitor is not None:
        monitor = connector.insulation_monitor
        on_bus.append((monitor.bus, AimD100(monitor.address, monitor.poll_interval_ms / 1000.0)))
    if connector.inputs is not None:
        inputs = connector.inputs
        wiring = {name: InputWiring(wire.channel, wire.active_low) for name, wire in _contacts(site).items()}
        board = InputBoard(wiring, inputs.address, inputs.interval_ms / 1000.0, channels=inputs.channels)
        on_bus.append((inputs.bus, board))
    lines = []
    for bus in site.settings.bus.modbus:
        devices = [device for name, device in on_bus if name == bus.name]
        # A line on which nothing of ours hangs is not touched.
        if devices:
            lines.append(ModbusLine(bus.name, bus.port, bus.baud, bus.parity, bus.stop_bits, devices))
    return lines
