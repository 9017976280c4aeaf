"""Builds parameters, lines and loop of a pile that only listens. Only loaded in that role."""

import selectors
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.control.listener.core import MonitorCore
from agent.control.listener.parameters import MonitorParameters
from agent.field.parameters import billing_tariff
from agent.settings.site import ConnectorOfSite, Site

if TYPE_CHECKING:
    from agent.field.lines import ModbusLine
    from agent.field.monitor_loop import MonitorLoop


def monitor_parameters(site: Site, connector: ConnectorOfSite, *, boot_id: str, version: str) -> MonitorParameters:
    """What the core of a connector that is followed must know."""
    settings, meter = site.settings, connector.settings.meter
    return MonitorParameters(
        pile_id=settings.pile.id,
        boot_id=boot_id,
        version=version,
        connector=connector.number,
        maximum_voltage_v=site.profile.maximum_voltage_v,
        maximum_current_a=site.profile.maximum_current_a,
        tariff=billing_tariff(site),
        faults=site.faults,
        meter=None
        if meter is None
        else {
            "model": meter.model,
            "address": meter.number or meter.address,
            "serial_number": meter.serial_number,
            "certificate_number": meter.certificate_number,
        },
        insulation_monitor=connector.settings.insulation_monitor is not None,
        inputs=() if connector.wiring is None else tuple(connector.wiring.inputs),
        telemetry_interval_s=float(settings.record.telemetry_interval_s),
        telemetry_idle_interval_s=float(settings.record.telemetry_idle_interval_s),
    )


def build_monitor_loop(
    site: Site,
    connector: ConnectorOfSite,
    parameters: MonitorParameters,
    core: MonitorCore,
    selector: selectors.BaseSelector,
) -> "MonitorLoop":
    """Load the drivers and join everything."""
    from agent.field.listening import ListeningLine
    from agent.field.monitor_loop import MonitorLoop
    from agent.field.server import FieldServer
    from agent.link.messages import SOCKET_NAME, Hello

    settings = site.settings
    bus = next(bus for bus in settings.bus.can if bus.name == connector.settings.vehicle_bus)
    hello = Hello(parameters.boot_id, settings.pile.id, parameters.version, time.time_ns() // 1_000_000)
    return MonitorLoop(
        core,
        parameters,
        build_read_lines(site),
        ListeningLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps),
        FieldServer(Path(settings.paths.runtime) / SOCKET_NAME, selector, hello),
        selector,
        cycle_s=settings.control.cycle_ms / 1000.0,
        readings_interval_s=settings.record.readings_interval_s,
        readings_idle_interval_s=settings.record.readings_idle_interval_s,
    )


def build_read_lines(site: Site) -> "list[ModbusLine]":
    """The lines on which something of ours hangs, with devices that only read. Nothing is opened yet."""
    from agent.field.devices import build_modbus_lines, connector_devices, input_boards

    on_bus = [device for connector in site.connectors for device in connector_devices(connector)]
    on_bus += input_boards(site)
    # A line on which nothing of ours hangs is not touched.
    return [line for line in build_modbus_lines(site, on_bus) if line.devices]
