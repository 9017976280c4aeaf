"""Every limit that the data of a vehicle and a charger are judged by, with its source, for both editions.

"own" marks a choice of this project: no standard gives the number. docs/dc-sequence.md prints the table.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

Edition = Literal["2015", "2023"]


def _limit(value: float | bool, source: str, *, in_2023: float | bool | None = None) -> Any:
    """A field with its value in the 2015 edition, its source, and the value of the 2023 edition where it differs."""
    return dataclasses.field(
        default=value, metadata={"2015": value, "2023": value if in_2023 is None else in_2023, "source": source}
    )


@dataclasses.dataclass(frozen=True, slots=True)
class JudgeLimits:
    """The limits; the unit is the end of the name. The defaults are those of 2015; ``LIMITS`` holds both editions."""

    demand_tolerance_v: float = _limit(0.05, "half a step of the encoding: the rounding of a limit is no excess")
    demand_tolerance_a: float = _limit(0.05, "half a step of the encoding: the rounding of a limit is no excess")
    zero_demand_gets_minimum: bool = _limit(
        True, "GB/T 27930-2015: a demand of zero gets the smallest output; 2023: it is below the minimum", in_2023=False
    )
    soc_jump_percent: float = _limit(5.0, "own: BCS comes every 250 ms; a BMS corrects its estimate by a few per cent")
    soc_jump_present_s: float = _limit(10.0, "own: how long a jump counts as present")
    difference_share: float = _limit(0.10, "own: BCS against what is measured; gain errors of both sides")
    difference_slack_a: float = _limit(10.0, "own: on top of the share for a current; offset and lag on a ramp")
    difference_lasting_s: float = _limit(30.0, "own: longer than a ramp of 500 A at 20 A/s")
    stuck_s: float = _limit(300.0, "own: 20 A at 400 V give 66 kWh a step of BCS (1 %) in this time")
    stuck_current_a: float = _limit(20.0, "own: at smaller currents measured values may stay the same for minutes")
    over_maximum_share: float = _limit(
        0.01, "own: twice the accuracy of 0.5 % that GB/T 18487.1 asks of the output", in_2023=0.0
    )
    over_maximum_v: float = _limit(
        2.0, "GB/T 18487.1-2023: vehicle's maximum + 15 V; 2015 gives no margin, own", in_2023=15.0
    )
    over_maximum_s: float = _limit(1.0, "GB/T 18487.1-2023 annex B: open within 1 s")
    output_voltage_share: float = _limit(0.01, "own: output against demand; accuracy 0.5 % on both sides")
    output_voltage_v: float = _limit(5.0, "own: output against demand, at least")
    output_current_share: float = _limit(0.02, "own: output against demand; accuracy 1 % on both sides")
    output_current_a: float = _limit(1.0, "own: output against demand, at least; accuracy 0.3 A on both sides")
    output_fall_a_per_s: float = _limit(20.0, "GB/T 18487.1 annex B: the output follows a lower demand this fast")
    output_fall_s: float = _limit(1.5, "GB/T 18487.1: 1 s for a small step, and the age of the values in CCS")
    not_permitted_a: float = _limit(5.0, "GB/T 18487.1: current that may remain in a pause")
    not_permitted_s: float = _limit(2.0, "own: how soon the current of a pause is reached")

    def over_maximum_limit_v(self, maximum_v: float) -> float:
        """Voltage above which an output or a battery that may have ``maximum_v`` is beyond its maximum."""
        return maximum_v * (1.0 + self.over_maximum_share) + self.over_maximum_v


def _of(edition: Edition) -> JudgeLimits:
    return JudgeLimits(**{field.name: field.metadata[edition] for field in dataclasses.fields(JudgeLimits)})


LIMITS: Mapping[Edition, JudgeLimits] = MappingProxyType({"2015": _of("2015"), "2023": _of("2023")})
"""The limits by edition."""
