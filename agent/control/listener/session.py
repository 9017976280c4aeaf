"""The session of a followed charger, and what of it goes into the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from agent.control.metering.billing import Billing
from agent.vocabulary import reasons, states
from drivers.gbt27930.judge.states import CHARGER_STOP_FAULTS, VEHICLE_STOP_FAULTS
from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.observer.model import Outcome, Session, Severity, Stage

ROLE = "monitor"
METER, VEHICLE_BUS = "meter", "vehicle_bus"
"""Where the energy of a session comes from."""

_GROUPS_AT_MOST = 16

STATE_OF: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.IDLE: states.IDLE,
        Stage.HANDSHAKE: states.HANDSHAKE,
        Stage.INSULATION: states.INSULATION,
        Stage.RECOGNITION: states.RECOGNITION,
        Stage.RECOGNISED: states.RECOGNITION,
        Stage.PARAMETERS: states.PARAMETERS,
        Stage.WAIT_READY: states.PRECHARGE,
        Stage.READY: states.PRECHARGE,
        Stage.CHARGING: states.CHARGING,
        Stage.STOPPING: states.STOPPING,
        Stage.ENDING: states.STOPPING,
        Stage.TIMED_OUT: states.STOPPING,
        Stage.ENDED: states.IDLE,
    }
)
"""States of a connector as its charger would call them; a listener sees nothing of plug and lock."""

_CEM = MappingProxyType(
    {f"{name}_timeout": f"bms_timeout_{name}" for name in ("brm", "bcp", "bro", "bcs", "bcl", "bsm", "bst", "bsd")}
)


@dataclass(slots=True)
class FollowedSession:
    """One charge that is followed, until its end is recorded. ``billing`` is None without a meter."""

    id: str
    observed: Session
    started_at_s: float
    started_wall_ms: int
    billing: Billing | None
    stop_reason: str | None = None
    reached_charging: bool = False
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vin: str | None = None
    csd_energy_wh: int | None = None
    faults: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """What is recorded once: vehicle, battery, who asked for the stop."""
    next_progress_s: float = 0.0
    closing_since_s: float | None = None
    """Since when the dialogue is over and only the last reading of the register is awaited."""
    register_source: str = "meter"

    @property
    def energy_source(self) -> str:
        """Source of the energy that counts."""
        return VEHICLE_BUS if self.billing is None else METER

    @property
    def energy_wh(self) -> int:
        """Energy so far, Wh: difference of the register, or the data of both sides, which is no billing value."""
        if self.billing is not None:
            return self.billing.bill().energy_wh
        return round(self.observed.energy_estimate_wh) if self.csd_energy_wh is None else self.csd_energy_wh

    def duration_s(self, now_s: float) -> int:
        """Whole seconds since the dialogue began, until its last frame once it is over."""
        until_s = now_s if self.closing_since_s is None else self.observed.last_frame_s
        return max(0, int(until_s - self.started_at_s))

    def follow(self) -> None:
        """Take in what has been heard since the last time."""
        observed = self.observed
        if self.vin is None:
            self.vin = observed.vin or None
        bcp_soc = observed.values("BCP").get("soc_percent")
        if self.soc_start_percent is None and bcp_soc is not None:
            self.soc_start_percent = int(bcp_soc)
        if observed.soc_percent is not None:
            self.soc_end_percent = int(observed.soc_percent)
        if observed.stage is Stage.CHARGING:
            self.reached_charging = True
        total_kwh = observed.values("CSD").get("energy_kwh")
        if total_kwh is not None:
            self.csd_energy_wh = round(total_kwh * 1000)


def side_of(observed: Session) -> str | None:
    """Who asked for the end first: ``vehicle``, ``charger``, or neither of them."""
    return None if observed.stop_side is None else observed.stop_side.name.lower()


def reported_timeouts(observed: Session) -> list[str]:
    """Fault ids of the time-outs that the charger (CEM) or the vehicle (BEM) has reported."""
    found = [_CEM[name] for name in observed.cem_reasons if name in _CEM]
    return [*found, "bms_error_message"] if observed.bem_reasons else found


def reason_of(observed: Session) -> str:
    """Why the session ended: a word of STOP_REASONS or a fault id."""
    if observed.stop_side is Sender.VEHICLE:
        own_fault = VEHICLE_STOP_FAULTS.intersection(observed.bst_reasons)
        return reasons.STOP_VEHICLE_FAULT if own_fault else reasons.STOP_VEHICLE
    if observed.stop_side is Sender.CHARGER:
        causes = set(observed.cst_reasons)
        if "emergency_stop" in causes:
            return "emergency_stop"
        if causes & CHARGER_STOP_FAULTS:
            return "charger_fault"
        return reasons.STOP_CHARGER_MANUAL if "manual_stop" in causes else reasons.STOP_CHARGER_CONDITION
    timeouts = reported_timeouts(observed)
    if timeouts:
        return timeouts[0]
    if {change.stage for change in observed.timeline} <= {Stage.HANDSHAKE, Stage.ENDED}:
        # A charger that gets no answer has no message for it: it falls silent.
        return "bms_timeout_bhm"
    return reasons.STOP_BUS_SILENT


def violations_of(observed: Session) -> dict[str, int]:
    """How often each rule was broken, by code and message, the most frequent first; bounded."""
    counts = {
        " ".join(part for part in key if part): group.count
        for key, group in observed.groups.items()
        if group.first.severity is Severity.VIOLATION
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_GROUPS_AT_MOST])


def started_body(
    session: FollowedSession, tariff: Mapping[str, Any], meter: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The start of a session; with a meter all that is needed to rebuild its bill."""
    body: dict[str, Any] = {
        "role": ROLE,
        "origin": "observed",
        "from_start": session.observed.from_start,
        "energy_source": session.energy_source,
        "started_wall_ms": session.started_wall_ms,
    }
    if session.billing is not None:
        body |= {"register_wh": session.billing.register_wh, "tariff": dict(tariff), "meter": dict(meter or {})}
    return body


def ended_body(session: FollowedSession, reason: str, ended_wall_ms: int, now_s: float) -> dict[str, Any]:
    """The end of a session: the bill from the register, or the energy from the bus and no bill."""
    observed = session.observed
    settled = reason in reasons.LISTENER_NORMAL_STOPS and session.reached_charging
    body: dict[str, Any] = {
        "role": ROLE,
        "result": reasons.SETTLED if settled else reasons.SESSION_FAILED,
        "stop_reason": reason,
        "faults": session.faults,
        "origin": "observed",
        "from_start": observed.from_start,
        "energy_source": session.energy_source,
        "duration_s": session.duration_s(now_s),
        "started_wall_ms": session.started_wall_ms,
        "ended_wall_ms": ended_wall_ms,
        "closed_by": "control",
        "attempts": observed.attempts,
        "pauses": len(observed.pauses),
        "violations": violations_of(observed),
        "complete": observed.outcome is Outcome.COMPLETE,
    }
    if session.billing is None:
        body["energy_wh"] = session.energy_wh
        body["energy_quality"] = "estimate" if session.csd_energy_wh is None else "charger_total"
        body["billing_grade"] = False
    else:
        body |= {**session.billing.bill().as_record(), "register_source": session.register_source}
    optional = {
        "stop_side": side_of(observed),
        "soc_start_percent": session.soc_start_percent,
        "soc_end_percent": session.soc_end_percent,
        "vin": session.vin,
        "csd_energy_wh": session.csd_energy_wh,
    }
    body.update((key, value) for key, value in optional.items() if value is not None)
    return body
