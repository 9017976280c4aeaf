"""Builds parameters, lines and loop of a pile that only listens. Only loaded in that role."""

import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.control.listener.core import ListenerCore
from agent.control.listener.parameters import ListenerParameters
from agent.field.parameters import billing_tariff
from agent.settings.site import ConnectorOfSite, Site

if TYPE_CHECKING:
    from agent.field.lines import PolledLine
    from agent.field.listener_loop import ListenerLoop
    from agent.field.outputs import Names


def listener_parameters(site: Site, connector: ConnectorOfSite, *, boot_id: str, version: str) -> ListenerParameters:
    """What the core of a connector that is followed must know."""
    settings, meter = site.settings, connector.settings.meter
    return ListenerParameters(
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


def build_listener_loop(
    site: Site, cores: Mapping[int, ListenerCore], selector: selectors.BaseSelector
) -> "ListenerLoop":
    """Load the drivers and join everything; ``cores`` by connector."""
    from agent.field.listener_loop import ListenerLoop
    from agent.field.listening import ListeningLine
    from agent.field.outputs import Names
    from agent.field.serving import pace_of, serve

    names = Names(several=len(site.connectors) > 1)
    buses = {bus.name: bus for bus in site.settings.bus.can}
    vehicle = {connector.number: buses[connector.settings.vehicle_bus] for connector in site.connectors}
    first = next(iter(cores.values())).parameters
    return ListenerLoop(
        cores,
        build_read_lines(site, names),
        {
            number: ListeningLine(bus.name, bus.interface, bus.channel, bus.bitrate_bps)
            for number, bus in vehicle.items()
        },
        names.routes,
        serve(site, first.boot_id, first.version, selector),
        selector,
        pace=pace_of(site),
    )


def build_read_lines(site: Site, names: "Names") -> "list[PolledLine]":
    """The lines on which something of ours hangs, with devices that only read. Nothing is opened yet."""
    from agent.field.devices import build_boards, build_modbus_lines, connector_devices

    on_bus, pins, outputs = build_boards(site, names)
    if outputs:
        # The check of the site file refuses it before; nothing may be switched here all the same.
        raise ValueError("a pile that only listens has no outputs")
    for connector in site.connectors:
        on_bus += [(bus, names.device(connector.number, device)) for bus, device in connector_devices(connector)]
    # A line on which nothing of ours hangs is not touched.
    return [*(line for line in build_modbus_lines(site, on_bus) if line.devices), *pins]
