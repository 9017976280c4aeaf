"""The course of a recording for drawing: voltages, currents and state of charge over time, bounded in size."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.gbt27930.observer.observer import Heard

POINTS_AT_MOST = 20_000
"""Points kept of one line; when there are more, every second one goes and from then on only every second is taken."""

GAP_S = 5.0
"""A line is interrupted after a gap of this length."""

WATCHED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "CCS": {"voltage_v": "output_v", "current_a": "output_a"},
        "BCS": {"voltage_v": "measured_v", "current_a": "measured_a", "soc_percent": "soc"},
        "BCL": {"voltage_v": "demand_v", "current_a": "demand_a"},
        "BCP": {"maximum_voltage_v": "vehicle_limit_v", "maximum_current_a": "vehicle_limit_a"},
        "CML": {"maximum_voltage_v": "charger_limit_v", "maximum_current_a": "charger_limit_a"},
    }
)
"""Lines by message and field."""


class Line:
    """One line: times in s and values."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.values: list[float] = []
        self._stride = 1
        self._skipped = 0

    def take(self, at_s: float, value: float) -> None:
        """Add a point; of many only every second, fourth, ... is kept."""
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self.times_s.append(at_s)
        self.values.append(value)
        if len(self.times_s) > POINTS_AT_MOST:
            self.times_s, self.values = self.times_s[::2], self.values[::2]
            self._stride *= 2

    def between(self, from_s: float, to_s: float) -> tuple[list[float], list[float]]:
        """The points of this time, with a gap (not a number) where the line was interrupted."""
        times_s: list[float] = []
        values: list[float] = []
        for at_s, value in zip(self.times_s, self.values, strict=True):
            if not from_s <= at_s <= to_s:
                continue
            if times_s and at_s - times_s[-1] > max(GAP_S, GAP_S * self._stride / 10):
                times_s.append(at_s)
                values.append(float("nan"))
            times_s.append(at_s)
            values.append(value)
        return times_s, values


class Course:
    """All lines of a recording, by their names in ``WATCHED``."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {name: Line() for fields in WATCHED.values() for name in fields.values()}

    def take(self, heard: Heard) -> None:
        """Take the values of a message."""
        fields = WATCHED.get(heard.name)
        if fields is None or heard.values is None:
            return
        for field, name in fields.items():
            value = heard.values[field]
            if value is not None:
                self.lines[name].take(heard.at_s, value)
