"""The values of each BMS message, from battery, profile and commanded misbehaviour."""

from typing import Any

from drivers.gbt27930.messages.table import PROTOCOL_VERSION
from hil_tests.bench.vehicle.battery import Battery, Demand
from hil_tests.bench.vehicle.mischief import Mischief

Values = dict[str, Any]

_CELL_GROUPS = 15


def bhm(battery: Battery) -> Values:
    """Highest voltage for charging."""
    return {"maximum_voltage_v": battery.profile.maximum_voltage_v}


def brm(battery: Battery) -> Values:
    """Who the vehicle is."""
    profile, identity = battery.profile, battery.profile.identity
    return {
        "version": PROTOCOL_VERSION,
        "battery_type": profile.chemistry.battery_type,
        "rated_capacity_ah": profile.pack.capacity_ah,
        "rated_voltage_v": profile.rated_voltage_v,
        "maker": identity.maker,
        "pack_serial": identity.pack_serial,
        "production_year": identity.production_year,
        "production_month": identity.production_month,
        "production_day": identity.production_day,
        "charge_count": identity.charge_count,
        "battery_owned_by_vehicle": True,
        "vin": identity.vin,
        "software_version": identity.software_version,
    }


def bcp(battery: Battery, mischief: Mischief) -> Values:
    """Limits and state of the battery; the voltage is off by the commanded mismatch."""
    profile = battery.profile
    return {
        "maximum_cell_voltage_v": profile.pack.maximum_cell_voltage_v,
        "maximum_current_a": profile.pack.maximum_current_a,
        "nominal_energy_kwh": profile.nominal_energy_kwh,
        "maximum_voltage_v": profile.maximum_voltage_v,
        "maximum_temperature_c": profile.thermal.maximum_c,
        "soc_percent": battery.shown_soc_percent,
        "battery_voltage_v": battery.source_voltage_v * (1 + mischief.mismatch_percent / 100),
    }


def bcl(demand: Demand) -> Values:
    """The demand."""
    return {"voltage_v": demand.voltage_v, "current_a": demand.current_a, "mode": demand.mode}


def bcs(battery: Battery, voltage_v: float, current_a: float) -> Values:
    """The measured state: voltage and current at the inlet, in V and A."""
    return {
        "voltage_v": max(0.0, voltage_v),
        "current_a": min(400.0, max(-400.0, current_a)),
        "maximum_cell_voltage_v": battery.highest_cell_v,
        "maximum_cell_group": 1,
        "soc_percent": int(battery.shown_soc_percent),
        "remaining_min": battery.remaining_min(),
    }


def bsm(battery: Battery, states: dict[str, int], permitted: bool) -> Values:
    """Extremes, states and the permission to charge."""
    cells = battery.cell_voltages_v()
    return {
        "maximum_cell_number": cells.index(max(cells)) + 1,
        "highest_temperature_c": round(battery.highest_temperature_c),
        "highest_temperature_point": battery.profile.thermal.points,
        "lowest_temperature_c": round(battery.lowest_temperature_c),
        "lowest_temperature_point": 1,
        "charging_permitted": permitted,
        **states,
    }


def bsm_states(battery: Battery, mischief: Mischief) -> dict[str, int]:
    """Two-bit states of BSM that are not 00: those of the battery, overlaid by those asked for."""
    own = {
        "cell_voltage_state": battery.cell_voltage_too_high,
        "over_temperature_state": battery.over_temperature,
        "insulation_state": battery.insulation_fault,
    }
    return {name: 1 for name, raised in own.items() if raised} | mischief.states


def bmv(battery: Battery) -> Values:
    """Every cell, in groups of equal size."""
    cells = battery.cell_voltages_v()
    size = -(-len(cells) // _CELL_GROUPS)
    return {"cell_voltages_v": cells, "cell_groups": [number // size for number in range(len(cells))]}


def bmt(battery: Battery) -> Values:
    """Every temperature measuring point."""
    return {"temperatures_c": [round(each) for each in battery.temperatures_c()]}


def bsp() -> Values:
    """Sixteen reserved fields, unused."""
    return {"reserved": [0xFF] * 16}


def bsd(battery: Battery) -> Values:
    """The statistics at the end."""
    return {
        "soc_percent": int(battery.shown_soc_percent),
        "minimum_cell_voltage_v": battery.lowest_cell_v,
        "maximum_cell_voltage_v": battery.highest_cell_v,
        "lowest_temperature_c": round(battery.lowest_temperature_c),
        "highest_temperature_c": round(battery.highest_temperature_c),
    }
