"""Everything the control core needs to know beforehand, and every number of the DC sequence in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.control.billing import BillingTariff
from agent.settings.catalogue import Fault

SequenceEdition = Literal["2015", "2023"]


@dataclass(frozen=True, slots=True)
class SequenceNumbers:
    """Limits of the DC charging sequence, GB/T 18487.1; clause sources are those of the project's reference.

    Where the source is "own" no standard gives the number.
    """

    cc1_plugged_minimum_v: float = 3.2
    """CC1 level 4 V, lower limit (GB/T 18487.1 annex B, 3.2 to 4.8 V)."""
    cc1_plugged_maximum_v: float = 4.8
    cc1_unplugged_minimum_v: float = 5.2
    """CC1 level 6 V when the plug hangs free, lower limit (5.2 to 6.8 V)."""
    outside_voltage_before_test_v: float = 10.0
    """Voltage outside K1/K2 before the insulation test: 10 V (2015), 60 V (2023)."""
    auxiliary_minimum_v: float = 10.8
    """Auxiliary supply 12 V +/-1.2 V (2023)."""
    auxiliary_maximum_v: float = 13.2
    insulation_fault_ohm_per_v: float = 100.0
    insulation_warning_ohm_per_v: float = 500.0
    insulation_test_tolerance: float = 0.05
    """Test voltage counts as reached within this share (own)."""
    insulation_settling_s: float = 1.2
    """Readings of the insulation monitor count only from this long after the voltage is reached (own: two cycles)."""
    insulation_test_current_a: float = 2.0
    """Current limit of the modules while they charge the cable for the test (own)."""
    safe_voltage_v: float = 60.0
    """Below this the output is safe to touch: GB/T 18487.1, GB 44263-2024."""
    precharge_battery_tolerance: float = 0.05
    """Battery voltage against BCP: within 5 %."""
    precharge_below_battery_minimum_v: float = 1.0
    """Close K1/K2 with the output 1 to 10 V below the battery."""
    precharge_below_battery_maximum_v: float = 10.0
    precharge_below_battery_target_v: float = 5.0
    precharge_current_a: float = 2.0
    """Current limit while the output is raised (own)."""
    current_rise_a_per_s: float = 50.0
    """Rise of the set point; the standard asks for at least 20 A/s above a step of 20 A."""
    opening_current_a: float = 5.0
    """K1/K2 open in order only below 5 A."""
    over_voltage_margin_v: float = 15.0
    """Above the vehicle's maximum by this much: open within 1 s (2023)."""
    over_current_share: float = 0.10
    """Above the demand by 10 % (from 30 A) or 3 A (below): GB 44263-2024."""
    over_current_small_a: float = 3.0
    over_current_small_limit_a: float = 30.0
    residual_voltage_after_s: float = 5.0
    """Residual voltage is looked at this long after the opening, once the vehicle has opened its side (own)."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Longest stay in each step, seconds. Source "own" unless said."""

    lock_s: float = 5.0
    record_s: float = 5.0
    handshake_s: float = 12.0
    insulation_s: float = 30.0
    """Self test 30 s (industrial practice)."""
    recognition_s: float = 40.0
    parameters_s: float = 65.0
    """BRO = AA within 60 s (GB/T 27930), the rest is reserve."""
    precharge_s: float = 30.0
    first_demand_s: float = 10.0
    ramp_down_s: float = 3.0
    """Current below 5 A at 100 A/s or faster; then K1/K2 open whatever flows."""
    discharge_s: float = 12.0
    statistics_s: float = 11.0
    """BSD within 10 s of the first CST (GB/T 27930)."""
    reconnect_s: float = 10.0
    """From the time-out to less than 60 V outside, or no new handshake (GB/T 18487.1-2023; own for 2015)."""
    error_message_s: float = 1.0
    """CEM goes out for at least this long before a new handshake or the end (own: five messages)."""
    final_reading_s: float = 4.0
    pause_s: float = 600.0
    """Pause of at most 10 minutes (GB/T 18487.1)."""


@dataclass(frozen=True, slots=True)
class ControlParameters:
    """Parameters of one connector's control core."""

    pile_id: str
    boot_id: str
    version: str
    connector: int
    maximum_power_w: float
    maximum_voltage_v: float
    minimum_voltage_v: float
    maximum_current_a: float
    minimum_current_a: float
    tariff: BillingTariff
    faults: Mapping[str, Fault]
    edition: SequenceEdition = "2015"
    charger_number: int = 1
    meter: Mapping[str, Any] = field(default_factory=dict)
    numbers: SequenceNumbers = SequenceNumbers()
    times: StepTimes = StepTimes()
    recorder_lost_stop_s: float = 60.0
    start_time_limit_s: float = 90.0
    telemetry_interval_s: float = 15.0
    telemetry_idle_interval_s: float = 300.0
    over_temperature_c: float = 95.0
    temperature_derate_c: float = 85.0
    start_up_grace_s: float = 3.0
    """A missing first reading denies permission at once but counts as a fault only after this long (own)."""
    maximum_backlog: int = 2_000
    """Records kept in memory while the recorder is away."""
