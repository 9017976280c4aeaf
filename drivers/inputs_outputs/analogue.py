"""From the raw value of an analogue channel to a quantity, or to the knowledge that its signal has failed.

The span gives which raw values can be a measurement. With a live zero (4-20 mA, 1-5 V) a broken wire reads below it;
a short circuit or an over-ranged converter reads above. Both make the signal *failed*, which differs from a board that
does not answer.
"""

import bisect
from dataclasses import dataclass
from itertools import pairwise

from drivers.reading import Quality, Reading


@dataclass(frozen=True, slots=True)
class Divider:
    """The sensor is the lower resistor of a divider: ``series_ohm`` in series, fed with ``supply_v``."""

    series_ohm: float
    supply_v: float

    def resistance_ohm(self, voltage_v: float) -> float | None:
        """Resistance of the sensor for the voltage across it; None for a short circuit or an open one."""
        if not 0.0 < voltage_v < self.supply_v:
            return None
        return self.series_ohm * voltage_v / (self.supply_v - voltage_v)


@dataclass(frozen=True, slots=True)
class Table:
    """A characteristic as points (x, value), linear between them: PT1000, NTC, or any other sensor.

    ``x`` is in the unit that the channel has before the table (ohm behind a divider). Nothing is extrapolated. Raises
    ValueError if there are fewer than two points or x does not rise.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.points) < 2 or any(a[0] >= b[0] for a, b in pairwise(self.points)):
            raise ValueError("a table needs two points or more, with rising x")

    def value(self, x: float) -> tuple[float, bool]:
        """The value, and whether x is within the table; outside it the value of the nearest end."""
        points = self.points
        if x < points[0][0]:
            return points[0][1], False
        if x > points[-1][0]:
            return points[-1][1], False
        upper = min(max(bisect.bisect_right(points, (x, float("inf"))), 1), len(points) - 1)
        (x0, y0), (x1, y1) = points[upper - 1], points[upper]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0), True


@dataclass(frozen=True, slots=True)
class AnalogWire:
    """One analogue input: quantity = raw * scale + offset, then divider and table if there are any.

    ``lowest_raw`` and ``highest_raw``: the lowest and the highest raw value that is a measurement.
    """

    channel: int
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    lowest_raw: float = float("-inf")
    highest_raw: float = float("inf")
    divider: Divider | None = None
    table: Table | None = None

    def reading(self, raw: int, at_s: float, *, is_code: bool = False) -> Reading:
        """The reading of a raw value; of quality failed if the value is no measurement.

        ``is_code``: the board reports by this raw value that the sensor is open or shorted.
        """
        sound = not is_code and self.lowest_raw <= raw <= self.highest_raw
        value = raw * self.scale + self.offset
        if self.divider is not None:
            resistance_ohm = self.divider.resistance_ohm(value)
            sound = sound and resistance_ohm is not None
            value = 0.0 if resistance_ohm is None else resistance_ohm
        if self.table is not None:
            value, within = self.table.value(value)
            sound = sound and within
        return Reading(value, self.unit, at_s, Quality.GOOD if sound else Quality.FAILED)
