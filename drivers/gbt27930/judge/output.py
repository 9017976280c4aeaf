"""The output that the charger reports (CCS) against the demand, the vehicle's maximum and its own permission."""

from collections.abc import Mapping
from typing import Any

from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import Lasting
from drivers.gbt27930.judge.limits import JudgeLimits


class Output:
    """The excesses of the output of one session; each is a finding once, when it has lasted too long."""

    def __init__(self, limits: JudgeLimits) -> None:
        self._limits = limits
        self._lasting: dict[str, Lasting] = {}

    def take(
        self, ccs: Mapping[str, Any], bcl: Mapping[str, Any], bcp: Mapping[str, Any], now_s: float
    ) -> list[Finding]:
        """Take a CCS, with BCL and BCP as far as they are known (empty: not)."""
        limits = self._limits
        found: list[Finding] = []
        voltage_v, demand_v, maximum_v = ccs.get("voltage_v"), bcl.get("voltage_v"), bcp.get("maximum_voltage_v")
        if voltage_v is not None and demand_v is not None:
            margin_v = max(limits.output_voltage_v, demand_v * limits.output_voltage_share)
            found += self._lasts("output.voltage", voltage_v, demand_v, margin_v, "V", now_s, limits.output_fall_s)
        if voltage_v is not None and maximum_v is not None:
            margin_v = limits.over_maximum_limit_v(maximum_v) - maximum_v
            found += self._lasts(
                "output.voltage_bcp", voltage_v, maximum_v, margin_v, "V", now_s, limits.over_maximum_s
            )
        current_a, demand_a = ccs.get("current_a"), bcl.get("current_a")
        if current_a is None:
            return found
        if demand_a is not None:
            margin_a = max(limits.output_current_a, demand_a * limits.output_current_share)
            found += self._lasts(
                "output.current", current_a, demand_a, margin_a, "A", now_s, limits.output_fall_s,
                limits.output_fall_a_per_s,
            )  # fmt: skip
        flowing_a = current_a if ccs.get("permitted") is False else 0.0
        found += self._lasts(
            "output.not_permitted", flowing_a, 0.0, limits.not_permitted_a, "A", now_s, limits.not_permitted_s
        )
        return found

    def _lasts(
        self, code: str, seen: float, limit: float, margin: float, unit: str, now_s: float, allowed_s: float,
        fall_per_s: float = 0.0,
    ) -> list[Finding]:  # fmt: skip
        lasting = self._lasting.setdefault(code, Lasting())
        lasting.take(seen - limit - margin, now_s, allowed_s, fall_per_s)
        return [Finding(code, "CCS", limit, seen, unit, abs(seen - limit))] if lasting.begins else []
