"""What belongs to one session, from the start attempt to the bill."""

from dataclasses import dataclass, field
from typing import Any

from agent.control.billing import Bill, Billing

NORMAL_STOPS = frozenset(
    {
        "local",
        "platform",
        "vehicle",
        "energy_limit",
        "time_limit",
        "amount_limit",
        "soc_limit",
        "shutdown",
    }
)
"""Stop reasons of a charge that ended as somebody wished. Every other reason is a fault id or names a failure."""


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


@dataclass(slots=True)
class Session:
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
    stop_reason: str | None = None
    stop_command_id: str | None = None
    faults: list[str] = field(default_factory=list)
    reached_charging: bool = False
    charging_since_s: float | None = None
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vin: str | None = None
    next_progress_s: float = 0.0
    bill: Bill | None = None

    def duration_s(self, now_s: float) -> int:
        """Whole seconds since the start was granted."""
        return int(now_s - self.started_at_s)

    def limit_reached(self, now_s: float) -> str | None:
        """The stop reason of the first limit that is reached, or None."""
        limits = self.limits
        bill = self.billing.bill()
        if limits.energy_wh is not None and bill.energy_wh >= limits.energy_wh:
            return "energy_limit"
        if limits.duration_s is not None and now_s - self.started_at_s >= limits.duration_s:
            return "time_limit"
        if limits.amount_e4 is not None and bill.amount_e4 >= limits.amount_e4:
            return "amount_limit"
        if limits.soc_percent is not None and (self.soc_end_percent or 0) >= limits.soc_percent:
            return "soc_limit"
        return None
