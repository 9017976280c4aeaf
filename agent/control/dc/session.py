"""What belongs to one session, from the start attempt to the bill."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from agent.control.metering.billing import Billing
from agent.vocabulary import reasons


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Where the customer wants the charge to end; None means no such limit."""

    energy_wh: int | None = None
    duration_s: int | None = None
    amount_e4: int | None = None
    soc_percent: int | None = None

    def as_record(self) -> dict[str, int]:
        """Only the limits that are set."""
        pairs = {
            "energy_wh": self.energy_wh,
            "duration_s": self.duration_s,
            "amount_e4": self.amount_e4,
            "soc_percent": self.soc_percent,
        }
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> "SessionLimits":
        """From a start command. Raises ValueError on an unknown name, a wrong type or a value out of range."""
        known = {"energy_wh": 10_000_000, "duration_s": 604_800, "amount_e4": 1_000_000_000, "soc_percent": 100}
        values: dict[str, int] = {}
        for name, value in arguments.items():
            if name == "user":
                continue
            if name not in known:
                raise ValueError(f"unknown argument {name}")
            if type(value) is not int or not 1 <= value <= known[name]:
                raise ValueError(f"{name} must be a whole number from 1 to {known[name]}")
            values[name] = value
        return cls(**values)


class SessionFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known of the charge itself."""

    reached_charging: bool = False
    charging_since_s: float | None = None
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vin: str | None = None


_NOTHING_KNOWN = SessionFacts()


@dataclass(slots=True)
class ChargeSession:
    """One start attempt that was granted, until its end is recorded."""

    id: str
    origin: str
    command_id: str
    user: str
    limits: SessionLimits
    billing: Billing
    started_at_s: float
    started_wall_ms: int
    start_record: int
    """Number of the session_started record: contactors close only once it is durable."""
    facts: SessionFacts = _NOTHING_KNOWN
    stop_reason: str | None = None
    stop_command_ids: list[str] = field(default_factory=list)
    """Commands that asked for the end and are answered when it has come."""
    faults: list[str] = field(default_factory=list)
    next_progress_s: float = 0.0

    def duration_s(self, now_s: float) -> int:
        """Whole seconds since the start was granted."""
        return int(now_s - self.started_at_s)

    def limit_reached(self, now_s: float, soc_percent: int | None) -> str | None:
        """The stop reason of the first limit that is reached, or None. ``soc_percent`` is the newest known."""
        limits = self.limits
        bill = self.billing.bill()
        if limits.energy_wh is not None and bill.energy_wh >= limits.energy_wh:
            return reasons.STOP_ENERGY_LIMIT
        if limits.duration_s is not None and now_s - self.started_at_s >= limits.duration_s:
            return reasons.STOP_TIME_LIMIT
        if limits.amount_e4 is not None and bill.amount_e4 >= limits.amount_e4:
            return reasons.STOP_AMOUNT_LIMIT
        if limits.soc_percent is not None and (soc_percent or 0) >= limits.soc_percent:
            return reasons.STOP_SOC_LIMIT
        return None
