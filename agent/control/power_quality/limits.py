"""The limits of the supply and how a meter is connected, as the watch needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GRID_FINDINGS = frozenset(
    {
        "power_quality_voltage",
        "power_quality_frequency",
        "power_quality_unbalance",
        "power_quality_harmonics",
    }
)
"""Faults found by comparing ten minutes of the supply with the limits."""

NOMINAL_FREQUENCY_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit on one statistic of ten minutes; ``low`` and ``high`` themselves are still good."""

    id: str
    fault: str
    quantity: str
    statistic: str
    high: float
    low: float | None = None

    def exceeded(self, statistics: Mapping[str, float]) -> bool:
        """Whether ten minutes with these statistics are beyond the limit."""
        # To a millionth: the last digit of a binary fraction is no difference.
        value = round(statistics[self.statistic], 6)
        return value > self.high or (self.low is not None and value < self.low)


@dataclass(frozen=True, slots=True)
class EventLimits:
    """When a voltage is a sag, a swell or an interruption: per cent of the nominal voltage."""

    sag_below_percent: float = 90.0
    swell_above_percent: float = 110.0
    interruption_below_percent: float = 10.0
    hysteresis_percent: float = 2.0


@dataclass(frozen=True, slots=True)
class PowerQualityParameters:
    """One grid-side meter. ``limits`` are those for its connection."""

    meter: str
    phases: int
    nominal_voltage_v: float
    poll_interval_s: float
    indicative: bool
    """The meter is no class A or S instrument: its values hint, they prove nothing."""
    limits: tuple[Limit, ...]
    events: EventLimits = field(default_factory=EventLimits)
