"""Builds the meter and the insulation monitor that a site names, whatever their protocol."""

from pathlib import Path
from typing import TYPE_CHECKING

from drivers.meters.meter import Meter
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import load_map

if TYPE_CHECKING:
    from agent.settings import schema
    from drivers.line.device import Device


def build_meter(meter: "schema.Meter", map_path: Path) -> "Device":
    """The driver of a connector's meter. ``map_path`` is the checked file of its model."""
    poll_interval_s = meter.poll_interval_ms / 1000.0
    meter_map = load_map(map_path)
    if isinstance(meter_map, RegisterMap):
        return Meter(meter_map, meter.address, poll_interval_s, meter.energy_unit_wh)
    # Imported only where such a meter is: the field process keeps its memory small.
    from drivers.dlt645.mapped import mapped_meter

    return mapped_meter(meter_map, meter.number, poll_interval_s, meter.energy_unit_wh)


def build_insulation_monitor(monitor: "schema.InsulationMonitor", map_path: Path) -> "Device":
    """The driver of a connector's insulation monitor. ``map_path`` is the checked file of its model."""
    from drivers.insulation.monitor import RegisterMonitor
    from drivers.insulation.register_map import load_insulation_map

    register_map = load_insulation_map(map_path)
    return RegisterMonitor(register_map, monitor.address, monitor.poll_interval_ms / 1000.0)
