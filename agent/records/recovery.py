"""Closes a session that the field process could not close: pure, from the record and the meter's register."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.control.metering.billing import Billing, BillingTariff
from agent.control.metering.register_watch import Verdict, flowed_wh, judge, lag_wh
from agent.vocabulary import events, kinds, reasons, states
from agent.vocabulary.bodies import BillBody, FollowedEnded, RegisterSource, SessionEnded
from agent.vocabulary.event_bodies import RegisterJumped, RegisterLower
from agent.vocabulary.record import Record
from drivers.meters.register_form import RegisterForm

_UNSEEN_MS = 120_000
"""So long energy may have flowed after the last record: the field process goes on for a while without a recorder."""


class RecoveredEnd(NamedTuple):
    """The ``session_ended`` body of an open session, and events about what was found."""

    body: SessionEnded | FollowedEnded
    events: list[RegisterLower | RegisterJumped]


class _Register:
    """The register from record to record. A start record that names no power was written before there was a limit."""

    def __init__(self, form: RegisterForm, maximum_power_w: float | None, register_wh: int, wall_ms: int) -> None:
        self.register_wh = self.total_wh = register_wh
        self._form = form
        self._maximum_power_w = maximum_power_w
        self._wall_ms = wall_ms

    def take(self, register_wh: int, wall_ms: int) -> Verdict:
        """Take a register in, if it can be, and return what it is."""
        allowance_wh = math.inf
        if self._maximum_power_w is not None:
            elapsed_s = (wall_ms - self._wall_ms) / 1000
            allowance_wh = lag_wh(self._maximum_power_w, self._form) + flowed_wh(self._maximum_power_w, elapsed_s)
        judgement = judge(self.register_wh, register_wh, allowance_wh, self._form)
        if judgement.good:
            self.register_wh = register_wh
            self.total_wh += judgement.advance_wh
            self._wall_ms = max(self._wall_ms, wall_ms)
        return judgement.verdict


_GOOD = (Verdict.ADVANCED, Verdict.ROLLED_OVER)


@dataclass(slots=True)
class _Known:
    """What the records of a session contain besides its energy."""

    ended_wall_ms: int
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vin: str | None = None
    faults: list[str] = field(default_factory=list)

    def take(self, record: Record) -> None:
        """Take a record in."""
        body = record.body
        self.ended_wall_ms = max(self.ended_wall_ms, record.wall_ms)
        if record.kind == kinds.SESSION_PROGRESS and body.get("soc_percent") is not None:
            if self.soc_start_percent is None:
                self.soc_start_percent = body["soc_percent"]
            self.soc_end_percent = body["soc_percent"]
        elif record.kind == kinds.SESSION_VEHICLE and body.get("vin"):
            self.vin = body["vin"]
        elif record.kind == kinds.ALARM_RAISED and _belongs_to_the_end(body):
            self.faults.append(str(body.get("fault")))

    def add_to(self, body: SessionEnded | FollowedEnded, started_wall_ms: int) -> None:
        """Fill in times and faults, and what is known of the vehicle."""
        body["faults"] = self.faults
        body["duration_s"] = (self.ended_wall_ms - started_wall_ms) // 1000
        body["started_wall_ms"] = started_wall_ms
        body["ended_wall_ms"] = self.ended_wall_ms
        if self.soc_start_percent is not None and self.soc_end_percent is not None:
            body["soc_start_percent"] = self.soc_start_percent
            body["soc_end_percent"] = self.soc_end_percent
        if self.vin is not None:
            body["vin"] = self.vin


def recovered_end(
    records: Sequence[Record], *, register_wh: int | None, last_wall_ms: int, stop_reason: str
) -> RecoveredEnd:
    """The end of an open session.

    ``records`` are all records of the session, oldest first, the first being ``session_started``. ``register_wh`` is
    what the meter shows now, None if it does not answer. ``last_wall_ms`` is the wall time of the last thing
    known of that run of the field process: energy since the last recorded register counts until then, at the
    rate that was in force at that register. ``stop_reason`` is ``power_lost`` or ``control_restarted``.

    Raises KeyError, ValueError or TypeError if the start record is not usable (a foreign or newer layout).
    """
    start = records[0]
    started = start.body
    followed = started.get("role") == states.ROLE_LISTENER
    started_wall_ms = int(started.get("started_wall_ms", start.wall_ms))
    known = _Known(max(started_wall_ms, last_wall_ms))
    if followed and started.get("energy_source") != states.ENERGY_FROM_METER:
        return RecoveredEnd(_end_without_meter(records, known, started_wall_ms), [])
    meter = started.get("meter", {})
    form = RegisterForm(step_mwh=meter.get("register_step_mwh"), modulus_wh=meter.get("register_modulus_wh"))
    billing = Billing(BillingTariff.from_record(started["tariff"]), form.modulus_wh)
    register = _Register(form, started.get("maximum_power_w"), int(started["register_wh"]), started_wall_ms)
    billing.start(register.total_wh, started_wall_ms)
    for record in records[1:]:
        known.take(record)
        if record.kind == kinds.SESSION_PROGRESS and "register_wh" in record.body:
            verdict = register.take(int(record.body["register_wh"]), record.wall_ms)
            if verdict in _GOOD:
                billing.sample(register.total_wh, record.wall_ms)
    found: list[RegisterLower | RegisterJumped] = []
    source: RegisterSource = reasons.FROM_LAST_RECORD
    if register_wh is not None:
        former_wh = register.register_wh
        verdict = register.take(register_wh, known.ended_wall_ms + _UNSEEN_MS)
        if verdict in _GOOD:
            source = reasons.FROM_METER
        else:
            found.append(_register_event(verdict, start.session, former_wh, register_wh))
    bill = billing.finish(register.total_wh, known.ended_wall_ms).as_record()
    body = _followed_body(started, bill, source) if followed else _charged_body(started, bill, source, stop_reason)
    _add_bill(body, bill)
    known.add_to(body, started_wall_ms)
    return RecoveredEnd(body, found)


def _add_bill(body: SessionEnded | FollowedEnded, bill: BillBody) -> None:
    """Add what not every bill has."""
    if "rounding" in bill:
        body["rounding"] = bill["rounding"]
    if "register_rollovers" in bill and "register_modulus_wh" in bill:
        body["register_rollovers"] = bill["register_rollovers"]
        body["register_modulus_wh"] = bill["register_modulus_wh"]


def _charged_body(started: Mapping[str, Any], bill: BillBody, source: RegisterSource, stop_reason: str) -> SessionEnded:
    return {
        "result": reasons.SESSION_FAILED,
        "stop_reason": stop_reason,
        "faults": [],
        "origin": started.get("origin", ""),
        "command_id": started.get("command_id", ""),
        "register_start_wh": bill["register_start_wh"],
        "register_end_wh": bill["register_end_wh"],
        "energy_wh": bill["energy_wh"],
        "slices": bill["slices"],
        "amount_e4": bill["amount_e4"],
        "register_source": source,
        "duration_s": 0,
        "started_wall_ms": 0,
        "ended_wall_ms": 0,
        "closed_by": reasons.BY_RECOVERY,
    }


def _followed_body(started: Mapping[str, Any], bill: BillBody, source: RegisterSource) -> FollowedEnded:
    return {
        "role": states.ROLE_LISTENER,
        "result": reasons.SESSION_FAILED,
        "stop_reason": reasons.STOP_LISTENER_LOST,
        "faults": [],
        "origin": started.get("origin", ""),
        "command_id": started.get("command_id", ""),
        "energy_source": states.ENERGY_FROM_METER,
        "register_start_wh": bill["register_start_wh"],
        "register_end_wh": bill["register_end_wh"],
        "energy_wh": bill["energy_wh"],
        "slices": bill["slices"],
        "amount_e4": bill["amount_e4"],
        "register_source": source,
        "duration_s": 0,
        "started_wall_ms": 0,
        "ended_wall_ms": 0,
        "closed_by": reasons.BY_RECOVERY,
    }


def _register_event(
    verdict: Verdict, session: str | None, former_wh: int, register_wh: int
) -> RegisterLower | RegisterJumped:
    if verdict is Verdict.LOWER:
        return {
            "event": events.REGISTER_LOWER,
            "session": session,
            "former_wh": former_wh,
            "register_wh": register_wh,
        }
    return {"event": events.REGISTER_JUMPED, "session": session, "former_wh": former_wh, "register_wh": register_wh}


def _belongs_to_the_end(alarm: Mapping[str, Any]) -> bool:
    """Whether an alarm is one of the faults of its session: a listener acts on none, there the level decides."""
    if alarm.get("action") != "log":
        return True
    return bool(alarm.get("role") == states.ROLE_LISTENER and alarm.get("level", 3) < 3)


def _end_without_meter(records: Sequence[Record], known: _Known, started_wall_ms: int) -> FollowedEnded:
    """The end of a charge that was only followed, without a meter: the last that was heard, and no bill."""
    started = records[0].body
    known.ended_wall_ms = max(known.ended_wall_ms, records[-1].wall_ms)
    energy_wh = 0
    for record in records[1:]:
        known.take(record)
        if record.kind == kinds.SESSION_PROGRESS:
            energy_wh = max(energy_wh, int(record.body.get("energy_wh", 0)))
    body: FollowedEnded = {
        "role": states.ROLE_LISTENER,
        "result": reasons.SESSION_FAILED,
        "stop_reason": reasons.STOP_LISTENER_LOST,
        "faults": [],
        "origin": started.get("origin", ""),
        "energy_source": started.get("energy_source"),
        "energy_wh": energy_wh,
        "energy_quality": "estimate",
        "billing_grade": False,
        "duration_s": 0,
        "started_wall_ms": 0,
        "ended_wall_ms": 0,
        "closed_by": reasons.BY_RECOVERY,
    }
    known.add_to(body, started_wall_ms)
    return body


def unreadable_end(records: Sequence[Record], *, stop_reason: str, problem: str) -> SessionEnded:
    """The end of a session with an unreadable start record: closed without a bill, and marked so."""
    first, last = records[0], records[-1]
    return {
        "result": reasons.SESSION_FAILED,
        "stop_reason": stop_reason,
        "faults": [],
        "register_start_wh": 0,
        "register_end_wh": 0,
        "energy_wh": 0,
        "slices": [],
        "amount_e4": 0,
        "register_source": reasons.FROM_NOWHERE,
        "problem": problem,
        "duration_s": max(0, last.wall_ms - first.wall_ms) // 1000,
        "started_wall_ms": first.wall_ms,
        "ended_wall_ms": max(first.wall_ms, last.wall_ms),
        "closed_by": reasons.BY_RECOVERY,
    }
