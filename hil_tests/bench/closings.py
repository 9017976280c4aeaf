"""Whether each closing of an allocation contactor was permitted, from the bank's probe. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.control.power.parameters import PowerNumbers

_NUMBERS = PowerNumbers()
JOINING_DIFFERENCE_V = _NUMBERS.joining_difference_v
"""Onto a live connector a contactor closes within this (GB/T 18487.1)."""
SAFE_VOLTAGE_V = _NUMBERS.safe_voltage_v
"""Onto a dead connector it closes while both sides are below this (safe to touch)."""


class Closing(NamedTuple):
    """One closing: the contactor, and the voltage of its group and of the connector's module side then."""

    output: str
    group_v: float
    gun_v: float

    @property
    def difference_v(self) -> float:
        """Between the two sides, without sign."""
        return abs(self.group_v - self.gun_v)

    @property
    def onto_live(self) -> bool:
        """Whether one side carried a voltage that is not safe to touch."""
        return max(abs(self.group_v), abs(self.gun_v)) >= SAFE_VOLTAGE_V

    @property
    def permitted(self) -> bool:
        """Within the limit, or both sides dead."""
        return not self.onto_live or self.difference_v <= JOINING_DIFFERENCE_V


def closings(bank: Mapping[str, Any]) -> list[Closing]:
    """All closings so far, by contactor."""
    return [
        Closing(output, float(group_v), float(gun_v))
        for output, each in bank.get("allocations", {}).items()
        for group_v, gun_v in each["closing_voltages_v"]
    ]
