"""Every number of the DC charging sequence in one place, with its clause and both editions.

docs/dc-sequence.md shows them as a table (`make docs`). "own" marks a decision of this
project: no standard gives the number. The time-outs of the dialogue are in ``drivers/gbt27930/charger/timers.py``;
what the data of the vehicle are judged by in ``drivers/gbt27930/judge/limits.py``; debounce times, levels and the
thresholds of single faults in ``config/faults.toml``. They are code and not a file of the site.
No site may loosen a standard.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from drivers.gbt27930.judge.limits import LIMITS

SequenceEdition = Literal["2015", "2023"]


def _number(value: float | bool, source: str, *, in_2023: float | bool | None = None) -> Any:
    """A field with its value in the 2015 edition, its source, and the value of the 2023 edition where it differs."""
    return dataclasses.field(
        default=value, metadata={"2015": value, "2023": value if in_2023 is None else in_2023, "source": source}
    )


@dataclasses.dataclass(frozen=True, slots=True)
class SequenceNumbers:
    """Limits. The defaults are those of 2015; ``NUMBERS`` holds both editions."""

    cc1_plugged_minimum_v: float = _number(
        3.4, "own, within GB/T 34657.1 limits of CC1: 3.65 to 4.37 V must charge, up to 3.2 V must not"
    )
    cc1_plugged_maximum_v: float = _number(
        4.6, "own, within GB/T 34657.1 limits of CC1: 3.65 to 4.37 V must charge, above 4.8 V must not"
    )
    cc1_unplugged_minimum_v: float = _number(5.2, "GB/T 18487.1 annex B: 6 V is 5.2 to 6.8 V, 12 V is above")
    outside_voltage_before_test_v: float = _number(
        10.0, "GB/T 18487.1: outside K1/K2 before the insulation test", in_2023=60.0
    )
    reverse_voltage_v: float = _number(10.0, "own: a negative voltage beyond every offset of a measurement")
    auxiliary_minimum_v: float = _number(
        10.8, "GB/T 18487.1-2023: 12 V +/-1.2 V; the +/-0.6 V of 2015 is a condition of its test, too tight to watch"
    )
    auxiliary_maximum_v: float = _number(13.2, "GB/T 18487.1-2023: 12 V +/-1.2 V")
    auxiliary_rise_s: float = _number(1.0, "GB/T 27930-2023: the first CHM comes within 1 s of the auxiliary supply")
    insulation_fault_ohm_per_v: float = _number(100.0, "GB/T 18487.1: at and below is a fault")
    insulation_warning_ohm_per_v: float = _number(500.0, "GB/T 18487.1: at and below is a warning")
    insulation_test_tolerance: float = _number(0.05, "own: the test voltage counts as reached within this share")
    insulation_settling_s: float = _number(1.2, "own: two cycles of the monitor after the voltage is reached")
    insulation_test_current_a: float = _number(2.0, "own: charges the cable for the test")
    safe_voltage_v: float = _number(60.0, "GB/T 18487.1, GB 44263-2024: safe to touch below")
    weld_settling_s: float = _number(
        3.0,
        "own: an idle power stage has lost some volts by then; if both sides are still equal, both poles conduct",
    )
    weld_difference_v: float = _number(5.0, "own: closer than this are inside and outside only when they are connected")
    precharge_battery_tolerance: float = _number(0.05, "GB/T 18487.1: battery voltage within 5 % of BCP")
    precharge_below_battery_minimum_v: float = _number(1.0, "GB/T 18487.1: close 1 to 10 V below the battery")
    precharge_below_battery_maximum_v: float = _number(10.0, "GB/T 18487.1: close 1 to 10 V below the battery")
    precharge_below_battery_target_v: float = _number(5.0, "own: the middle of 1 to 10 V")
    precharge_current_a: float = _number(2.0, "own: current limit while the output is raised")
    inrush_limit_a: float = _number(20.0, "GB/T 18487.1: peak when K1/K2 close, also after a pause")
    inrush_watch_s: float = _number(1.0, "own: a current read this long after the closing belongs to it")
    current_rise_a_per_s: float = _number(
        50.0, "GB/T 18487.1: a change of up to 20 A within 1 s, a larger one at 20 A/s or faster"
    )
    opening_current_a: float = _number(5.0, "GB/T 18487.1: K1/K2 open normally below 5 A")
    over_voltage_margin_v: float = _number(
        LIMITS["2015"].over_maximum_v,
        "GB/T 18487.1-2023: vehicle's maximum + 15 V; 2015 gives no margin, own",
        in_2023=LIMITS["2023"].over_maximum_v,
    )
    over_voltage_share: float = _number(
        LIMITS["2015"].over_maximum_share,
        "own: twice the accuracy of 0.5 % that GB/T 18487.1 asks of the output",
        in_2023=LIMITS["2023"].over_maximum_share,
    )
    over_current_share: float = _number(0.10, "GB 44263-2024: 10 % from 30 A")
    over_current_small_a: float = _number(3.0, "GB 44263-2024: 3 A below 30 A")
    over_current_small_limit_a: float = _number(30.0, "GB 44263-2024")
    current_expected_a: float = _number(5.0, "own: a set point from here on must lead to a current")
    current_absent_a: float = _number(1.0, "own: less is no current; the offset of a measurement")
    residual_voltage_after_s: float = _number(
        5.0, "own: residual voltage is looked at when the vehicle has had its time to open"
    )
    pause_opens_contactors: bool = _number(
        False, "GB/T 18487.1-2023: a pause opens C1/C2; 2015 only lowers the current", in_2023=True
    )

    def over_voltage_limit_v(self, maximum_v: float) -> float:
        """Voltage above which an output that may have ``maximum_v`` is a fault."""
        return maximum_v * (1.0 + self.over_voltage_share) + self.over_voltage_margin_v


@dataclasses.dataclass(frozen=True, slots=True)
class StepTimes:
    """Longest stays, seconds. The defaults are those of 2015; ``TIMES`` holds both editions."""

    lock_s: float = _number(5.0, "own")
    record_s: float = _number(5.0, "own")
    handshake_s: float = _number(12.0, "own: above the time-out of BHM in drivers/gbt27930/charger/timers.py")
    insulation_s: float = _number(30.0, "industry practice: self-test 30 s")
    recognition_s: float = _number(40.0, "own: above the time-outs of BRM and BCP")
    parameters_s: float = _number(65.0, "GB/T 27930: BRO = AA within 60 s, the rest is reserve")
    precharge_s: float = _number(30.0, "industry practice")
    ramp_down_s: float = _number(
        3.0,
        "GB/T 18487.1: at 100 A/s or faster below 5 A, from below 100 A within 1 s; then K1/K2 open whatever flows; "
        "keeps the 10 s (2015) and 5 s (2023) within which K1/K2 open after a time-out",
    )
    lock_lost_ramp_s: float = _number(
        0.5, "GB/T 18487.1-2023: stop within 1 s of an abnormal lock; 0.3 s of it are debounce"
    )
    discharge_s: float = _number(12.0, "own: the vehicle opens its side within 10 s (GB/T 18487.1-2023)")
    statistics_s: float = _number(12.0, "GB/T 27930: BSD within 10 s of the first CST, the rest is for CEM")
    final_reading_s: float = _number(4.0, "own")
    pause_s: float = _number(600.0, "GB/T 18487.1, GB/T 27930: a pause of at most 10 minutes")
    reconnect_s: float = _number(
        10.0, "GB/T 18487.1-2023: below 60 V within 10 s of a time-out or no new handshake; own for 2015"
    )
    error_message_s: float = _number(1.0, "own: CEM goes out at least five times before a new handshake or the end")


def _of(edition: SequenceEdition, kind: Any) -> Any:
    return kind(**{field.name: field.metadata[edition] for field in dataclasses.fields(kind)})


NUMBERS: Mapping[SequenceEdition, SequenceNumbers] = {
    "2015": _of("2015", SequenceNumbers),
    "2023": _of("2023", SequenceNumbers),
}
TIMES: Mapping[SequenceEdition, StepTimes] = {"2015": _of("2015", StepTimes), "2023": _of("2023", StepTimes)}
