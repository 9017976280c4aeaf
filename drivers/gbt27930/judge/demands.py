"""The demand of the vehicle (BCL) against the limits that both sides have announced."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.limits import JudgeLimits


class Ceiling(NamedTuple):
    """Highest voltage and current that ``source`` (``bcp``, ``cml``) allows; None where it gives nothing."""

    source: str
    voltage_v: float | None
    current_a: float | None


def announced(source: str, values: Mapping[str, Any]) -> Ceiling:
    """The ceiling in the values of BCP or CML."""
    return Ceiling(source, values.get("maximum_voltage_v"), values.get("maximum_current_a"))


def demand_beyond(bcl: Mapping[str, Any], ceilings: Iterable[Ceiling], limits: JudgeLimits) -> list[Finding]:
    """Each ceiling that the demand is above, in the order of ``ceilings``, voltage first."""
    found = []
    for ceiling in ceilings:
        for quantity, key, unit, most, tolerance in (
            ("voltage", "voltage_v", "V", ceiling.voltage_v, limits.demand_tolerance_v),
            ("current", "current_a", "A", ceiling.current_a, limits.demand_tolerance_a),
        ):
            seen = bcl.get(key)
            if seen is not None and most is not None and seen > most + tolerance:
                code = f"demand.{quantity}_{ceiling.source}"
                found.append(Finding(code, "BCL", most, seen, unit, seen - most))
    return found


def demand_below(
    bcl: Mapping[str, Any], minimum_voltage_v: float, minimum_current_a: float, limits: JudgeLimits
) -> list[Finding]:
    """The demand is less than the charger can deliver. In 2015 a demand of no current at all is not meant."""
    voltage_v, current_a = bcl["voltage_v"], bcl["current_a"]
    if voltage_v < minimum_voltage_v:
        below_v = minimum_voltage_v - voltage_v
        return [Finding("demand.minimum", "BCL", minimum_voltage_v, voltage_v, "V", below_v)]
    if current_a == 0.0 and limits.zero_demand_gets_minimum:
        return []
    if current_a < minimum_current_a:
        below_a = minimum_current_a - current_a
        return [Finding("demand.minimum", "BCL", minimum_current_a, current_a, "A", below_a)]
    return []
