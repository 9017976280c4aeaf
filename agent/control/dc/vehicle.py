"""Values of the vehicle: its own limits, and what of them is shown; the time of day that is sent to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from drivers.gbt27930.charger.dialogue import Charger

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_time(wall_ms: int, wall_quality: str, utc_offset_minutes: int) -> tuple[int, int, int, int, int, int] | None:
    """Year, month, day, hour, minute, second for CTS; None while the clock was never set."""
    if wall_quality == "unset":
        return None
    local = _EPOCH + timedelta(milliseconds=wall_ms, minutes=utc_offset_minutes)
    return local.year, local.month, local.day, local.hour, local.minute, local.second


def vehicle_values(charger: Charger) -> dict[str, Any]:
    """Latest values of the vehicle for the status page."""
    vehicle = charger.vehicle
    values: dict[str, Any] = {"phase": charger.phase.name.lower()}
    if vehicle.brm is not None and vehicle.brm.values.get("vin"):
        values["vin"] = vehicle.brm.values["vin"]
    if vehicle.bcp is not None:
        values["bcp_maximum_voltage_v"] = vehicle.bcp.values["maximum_voltage_v"]
        values["bcp_maximum_current_a"] = vehicle.bcp.values["maximum_current_a"]
        values["bcp_battery_voltage_v"] = vehicle.bcp.values["battery_voltage_v"]
    if vehicle.bcl is not None:
        values["demand_voltage_v"] = vehicle.bcl.values["voltage_v"]
        values["demand_current_a"] = vehicle.bcl.values["current_a"]
        values["mode"] = vehicle.bcl.values["mode"]
    if vehicle.bcs is not None:
        for name in ("soc_percent", "remaining_min", "maximum_cell_voltage_v"):
            values[name] = vehicle.bcs.values[name]
    if vehicle.bsm is not None:
        values["highest_temperature_c"] = vehicle.bsm.values["highest_temperature_c"]
    return values
