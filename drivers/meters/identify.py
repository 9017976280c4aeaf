"""Which model a meter is: by its code where the model has one, else by whether its values make sense with a map.

Pure: what was read goes in, a judgement comes out. Ranges are deliberately wide: a map must not be ruled out because
the installation is unusual, only because the numbers are out of the range of the map.
"""

import enum
import math
from collections.abc import Mapping

from drivers.meters.modbus_map import RegisterMap
from drivers.meters.signals import is_energy

Value = float | int


class Verdict(enum.IntEnum):
    """Verdict of a map."""

    NO = 0
    """A value is out of the range of the map, or the meter refuses it."""
    WEAK = 1
    """No contradiction, but all values are zero, which proves nothing."""
    VALUES = 2
    """The values make sense."""
    CODE = 3
    """The meter's own code names the model."""


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("frequency", 45.0, 65.0),
    ("power_factor", -1.001, 1.001),
    ("phase_angle", -360.0, 360.0),
    ("thd", 0.0, 400.0),
    ("unbalance", 0.0, 100.0),
    ("temperature", -50.0, 120.0),
    ("meter_voltage", -1500.0, 1500.0),
    ("voltage_l12", 60.0, 760.0),
    ("voltage_l23", 60.0, 760.0),
    ("voltage_l31", 60.0, 760.0),
    ("voltage_line", 60.0, 760.0),
    ("voltage", 40.0, 440.0),
    ("current", -6000.0, 6000.0),
    ("power", -6.0e6, 6.0e6),
    ("demand", -6.0e6, 6.0e6),
)
"""By a word of the signal, first match: from, to. A value of 0 is always possible: not connected."""

_LARGEST_ENERGY_WH = 1e12
# Whole numbers read as a float are either huge or far below any resolution of a meter.
_SMALLEST = 1e-6
# A smaller load proves nothing about power.
_LEAST_POWER_W = 100.0
_POWER_TOLERANCE = 0.3

_PREFERRED = (
    "meter_voltage_v",
    "meter_current_a",
    "meter_power_w",
    "meter_energy_wh",
    "voltage_l1_v",
    "current_l1_a",
    "active_power_l1_w",
    "active_power_w",
    "power_factor",
    "frequency_hz",
    "energy_import_wh",
    "energy_total_wh",
)


def identifying_signals(offered: Mapping[str, object] | tuple[str, ...]) -> tuple[str, ...]:
    """The few signals by which a map is judged, of those that it offers."""
    return tuple(signal for signal in _PREFERRED if signal in offered)


def is_plausible(signal: str, value: Value) -> bool:
    """Whether a meter could show this value for this signal."""
    if not math.isfinite(value):
        return False
    if value == 0:
        return True
    if abs(value) < _SMALLEST:
        return False
    if is_energy(signal):
        return 0 <= value <= _LARGEST_ENERGY_WH
    for word, low, high in _RANGES:
        if word in signal:
            return low <= value <= high
    return True


def fits_together(values: Mapping[str, Value]) -> bool:
    """Whether power goes with voltage, current and power factor.

    For DC they are equal; for one AC phase power cannot exceed voltage times current.
    """
    voltage, current = values.get("meter_voltage_v"), values.get("meter_current_a")
    power = values.get("meter_power_w")
    if voltage is not None and current is not None and power is not None:
        product = voltage * current
        largest = max(abs(product), abs(power))
        return largest < _LEAST_POWER_W or abs(abs(product) - abs(power)) <= _POWER_TOLERANCE * largest
    voltage, current, power = (values.get(name) for name in ("voltage_l1_v", "current_l1_a", "active_power_l1_w"))
    if voltage is not None and current is not None and power is not None:
        return abs(power) <= abs(voltage * current) * (1 + _POWER_TOLERANCE) + _LEAST_POWER_W
    total = abs(values.get("active_power_w", 0.0))
    if total < _LEAST_POWER_W:
        return True
    return not any(values.get(name) == 0 for name in ("voltage_l1_v", "power_factor", "frequency_hz"))


def judge(values: Mapping[str, Value | None], expected: tuple[str, ...]) -> Verdict:
    """Verdict of a map with ``expected`` signals read as ``values``; absent or None: could not be read."""
    found = {signal: value for signal in expected if (value := values.get(signal)) is not None}
    if not expected or len(found) < len(expected):
        return Verdict.NO
    if not all(is_plausible(signal, value) for signal, value in found.items()) or not fits_together(found):
        return Verdict.NO
    telling = [signal for signal, value in found.items() if value and not is_energy(signal)]
    return Verdict.VALUES if telling else Verdict.WEAK


def code_matches(register_map: RegisterMap, function: int, register: int, number: int) -> bool | None:
    """Whether a number read from a code register is that of this map; None if the map has no such register."""
    verdict = None
    for code in register_map.identify:
        if (code.function, code.register) == (function, register):
            verdict = bool(verdict) or number in code.equals
    return verdict
