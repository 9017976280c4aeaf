"""The names under which meters deliver what they measure, each with its unit.

A DC meter at a connector delivers ``meter_...``: these are the signals of the charging core. An AC meter (grid side,
auxiliary supply) has names of its own, so that neither can ever be taken for the other.
"""

from collections.abc import Iterator

SIGNAL_UNITS = {
    "meter_voltage_v": "V",
    "meter_current_a": "A",
    "meter_power_w": "W",
    "meter_energy_wh": "Wh",
}
"""What every DC meter delivers: the signals that the charging core needs."""

ENERGY_SIGNAL = "meter_energy_wh"

RATES = ("t1", "t2", "t3", "t4")
"""Tariff registers, usually sharp, peak, flat, valley (尖 峰 平 谷); the assignment is programmed in the meter."""

PHASES = ("l1", "l2", "l3")


def _dc() -> Iterator[tuple[str, str]]:
    yield from SIGNAL_UNITS.items()
    yield "meter_energy_reverse_wh", "Wh"
    yield "meter_energy_total_wh", "Wh"
    yield "meter_energy_resettable_wh", "Wh"
    for rate in RATES:
        yield f"meter_energy_{rate}_wh", "Wh"
        yield f"meter_energy_reverse_{rate}_wh", "Wh"
        yield f"meter_energy_total_{rate}_wh", "Wh"
    yield "meter_demand_w", "W"
    yield "meter_demand_maximum_w", "W"
    yield "meter_temperature_c", "degC"
    yield "meter_broken_wire", "1"
    yield "meter_overload", "1"


def _per_phase(name: str, unit_suffix: str, unit: str) -> Iterator[tuple[str, str]]:
    yield f"{name}_{unit_suffix}" if unit_suffix else name, unit
    for phase in PHASES:
        yield f"{name}_{phase}_{unit_suffix}" if unit_suffix else f"{name}_{phase}", unit


def _ac() -> Iterator[tuple[str, str]]:
    for phase in PHASES:
        yield f"voltage_{phase}_v", "V"
        yield f"current_{phase}_a", "A"
    for pair in ("l12", "l23", "l31"):
        yield f"voltage_{pair}_v", "V"
    yield "voltage_average_v", "V"
    yield "voltage_line_average_v", "V"
    yield "current_average_a", "A"
    yield "current_sum_a", "A"
    yield "current_neutral_a", "A"
    yield from _per_phase("active_power", "w", "W")
    yield from _per_phase("reactive_power", "var", "var")
    yield from _per_phase("apparent_power", "va", "VA")
    yield from _per_phase("power_factor", "", "1")
    yield from _per_phase("phase_angle", "deg", "deg")
    yield "frequency_hz", "Hz"
    yield from _per_phase("thd_voltage", "percent", "%")
    yield from _per_phase("thd_current", "percent", "%")
    yield "voltage_unbalance_percent", "%"
    yield "current_unbalance_percent", "%"
    for direction in ("import", "export", "total"):
        for part in ("", *(f"_{rate}" for rate in RATES), *(f"_{phase}" for phase in PHASES)):
            yield f"energy_{direction}{part}_wh", "Wh"
        yield f"reactive_energy_{direction}_varh", "varh"
    yield "demand_w", "W"
    yield "demand_maximum_w", "W"
    yield "temperature_c", "degC"


DC_SIGNALS: dict[str, str] = dict(_dc())
AC_SIGNALS: dict[str, str] = dict(_ac())

UNIT_FACTORS: dict[str, tuple[str, str]] = {
    "V": ("V", "1"),
    "kV": ("V", "1000"),
    "A": ("A", "1"),
    "mA": ("A", "0.001"),
    "W": ("W", "1"),
    "kW": ("W", "1000"),
    "var": ("var", "1"),
    "kvar": ("var", "1000"),
    "VA": ("VA", "1"),
    "kVA": ("VA", "1000"),
    "Wh": ("Wh", "1"),
    "kWh": ("Wh", "1000"),
    "MWh": ("Wh", "1000000"),
    "varh": ("varh", "1"),
    "kvarh": ("varh", "1000"),
    "Hz": ("Hz", "1"),
    "%": ("%", "1"),
    "deg": ("deg", "1"),
    "degC": ("degC", "1"),
    "1": ("1", "1"),
}
"""Unit that a map may state for a register: the unit of the signal that it fits, and the factor to it."""


def is_energy(signal: str) -> bool:
    """Whether a signal is a counter of energy, delivered as a whole number."""
    return signal.endswith(("_wh", "_varh"))
