"""Everything a listener must know beforehand, and its own numbers. The others are those of the DC sequence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.control.metering.billing import BillingTariff
from agent.control.safety.numbers import NUMBERS, SequenceNumbers
from agent.settings.catalogue import Fault
from drivers.gbt27930.judge.limits import LIMITS, JudgeLimits


@dataclass(frozen=True, slots=True)
class ListenerNumbers:
    """Numbers of the alarms of a listener. Source "own": no standard covers a listener."""

    message_age_s: float = 2.0
    """A message of the dialogue older than this is no value (own; the slowest of those used comes every 250 ms)."""
    hold_s: float = 5.0
    """What was seen once counts as present this long, so that a burst is one alarm (own)."""
    current_share: float = 0.10
    current_floor_a: float = 5.0
    """Meter and CCS may differ by the greater of the two (own; accuracy of a charger 1 %, its CCS lags)."""
    voltage_share: float = 0.05
    voltage_floor_v: float = 10.0
    energy_share: float = 0.05
    energy_floor_wh: float = 300.0
    """The register and CSD (steps of 100 Wh) may differ by the greater of the two (own)."""
    final_reading_s: float = 4.0
    """So long the end of a session waits for a fresh reading of the register."""
    recovery_wait_s: float = 40.0
    """So long a session found open at the start is left to the recorder before the next begins: it closes it with the
    meter's register, and the same energy must not count twice."""


@dataclass(frozen=True, slots=True)
class ListenerParameters:
    """Parameters of one connector that is only followed.

    ``meter`` describes the meter, None without one; ``inputs`` are the signals of the contacts that are wired.
    """

    pile_id: str
    boot_id: str
    version: str
    connector: int
    maximum_voltage_v: float
    maximum_current_a: float
    tariff: BillingTariff
    faults: Mapping[str, Fault]
    meter: Mapping[str, Any] | None = None
    insulation_monitor: bool = False
    inputs: tuple[str, ...] = ()
    numbers: SequenceNumbers = NUMBERS["2023"]
    """The figures of the newer edition: a listener does not know by which one the charger was built."""
    judge_limits: JudgeLimits = LIMITS["2023"]
    """What the data of both sides are judged by, of the newer edition as well."""
    listener: ListenerNumbers = field(default_factory=ListenerNumbers)
    telemetry_interval_s: float = 15.0
    telemetry_idle_interval_s: float = 300.0
    start_up_grace_s: float = 3.0
    """A missing first reading counts as a fault only after this long (own)."""
    maximum_backlog: int = 2_000
    """Records kept in memory while the recorder is away."""
