"""The limits of the supply, a shipped file: config/power_quality.toml."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from agent.settings.files import convert, read_toml
from agent.settings.schema import Identifier, Section


class SupplyLimit(Section, frozen=True, kw_only=True):
    """One limit of one standard on one statistic of ten minutes. ``low`` and ``high`` themselves are still good."""

    id: Identifier
    fault: Literal[
        "power_quality_voltage", "power_quality_frequency", "power_quality_unbalance", "power_quality_harmonics"
    ]
    quantity: Literal[
        "voltage_deviation_percent", "frequency_deviation_hz", "voltage_unbalance_percent", "thd_voltage_percent"
    ]
    phases: Annotated[Literal[0, 1, 3], Meta(description="connection of the meter that it is for, 0 for any")]
    statistic: Literal["minimum", "mean", "maximum", "p95"]
    low: float | None = None
    high: float
    standard: Annotated[str, Meta(min_length=1)]
    clause: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]


class SupplyEvents(Section, frozen=True, kw_only=True):
    """When a voltage is a sag, a swell or an interruption, per cent of the nominal voltage."""

    sag_below_percent: Annotated[float, Meta(gt=50, lt=100)]
    swell_above_percent: Annotated[float, Meta(gt=100, lt=200)]
    interruption_below_percent: Annotated[float, Meta(gt=0, lt=50)]
    hysteresis_percent: Annotated[float, Meta(ge=0, le=5)]
    standard: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]


class SupplyLimits(Section, frozen=True, kw_only=True):
    """config/power_quality.toml."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    limit: list[SupplyLimit]
    events: SupplyEvents


def load_supply_limits(path: Path) -> SupplyLimits:
    """The limits in a file. Raises SettingsError with every error."""
    return convert(read_toml(path), SupplyLimits, path)
