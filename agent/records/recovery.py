"""Closes a session that the field process could not close: pure, from the record and the meter's register."""

import math
from collections.abc import Sequence
from typing import Any

from agent.control.metering.billing import Billing, BillingTariff
from agent.control.metering.register_watch import flowed_wh, judge, lag_wh
from agent.records.canonical import Record
from drivers.meters.register_form import RegisterForm

_UNSEEN_MS = 120_000
"""So long energy may have flowed after the last record: the field process goes on for a while without a recorder."""


class _Register:
    """The register from record to record. A start record that names no power was written before there was a limit."""

    def __init__(self, form: RegisterForm, maximum_power_w: float | None, register_wh: int, wall_ms: int) -> None:
        self.register_wh = self.total_wh = register_wh
        self._form = form
        self._maximum_power_w = maximum_power_w
        self._wall_ms = wall_ms

    def take(self, register_wh: int, wall_ms: int) -> str | None:
        """Take a register in; the name of the event if it cannot be."""
        allowance_wh = math.inf
        if self._maximum_power_w is not None:
            elapsed_s = (wall_ms - self._wall_ms) / 1000
            allowance_wh = lag_wh(self._maximum_power_w, self._form) + flowed_wh(self._maximum_power_w, elapsed_s)
        judgement = judge(self.register_wh, register_wh, allowance_wh, self._form)
        if not judgement.good:
            return f"register_{judgement.verdict}"
        self.register_wh = register_wh
        self.total_wh += judgement.advance_wh
        self._wall_ms = max(self._wall_ms, wall_ms)
        return None


_MONITOR = "monitor"
"""Role in the record of a charge that was only followed."""
_LISTENER_LOST = "listener_lost"


def recovered_end(
    records: Sequence[Record], *, register_wh: int | None, last_wall_ms: int, stop_reason: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The ``session_ended`` body of an open session, and ``event`` bodies about what was found.

    ``records`` are all records of the session in order, the first being ``session_started``. ``register_wh`` is
    what the meter shows now, None if it does not answer. ``last_wall_ms`` is the wall time of the last thing
    known of that run of the field process: energy since the last recorded register counts until then, at the
    rate that was in force at that register. ``stop_reason`` is ``power_lost`` or ``control_restarted``.

    Raises KeyError or ValueError if the start record is not usable (a foreign or newer layout).
    """
    start = records[0]
    started = start.data
    if started.get("role") == _MONITOR and started.get("energy_source") != "meter":
        return _end_without_meter(records, last_wall_ms), []
    started_wall_ms = int(started.get("started_wall_ms", start.wall_ms))
    meter = started.get("meter", {})
    form = RegisterForm(step_mwh=meter.get("register_step_mwh"), modulus_wh=meter.get("register_modulus_wh"))
    billing = Billing(BillingTariff.from_record(started["tariff"]), form.modulus_wh)
    register = _Register(form, started.get("maximum_power_w"), int(started["register_wh"]), started_wall_ms)
    billing.start(register.total_wh, started_wall_ms)
    faults: list[str] = []
    known: dict[str, Any] = {}
    ended_wall_ms = max(started_wall_ms, last_wall_ms)
    for record in records[1:]:
        body = record.data
        ended_wall_ms = max(ended_wall_ms, record.wall_ms)
        if record.kind == "session_progress":
            if "register_wh" in body and register.take(int(body["register_wh"]), record.wall_ms) is None:
                billing.sample(register.total_wh, record.wall_ms)
            if body.get("soc_percent") is not None:
                known.setdefault("soc_start_percent", body["soc_percent"])
                known["soc_end_percent"] = body["soc_percent"]
        elif record.kind == "session_vehicle" and body.get("vin"):
            known["vin"] = body["vin"]
        elif record.kind == "alarm_raised" and _belongs_to_the_end(body):
            faults.append(str(body.get("fault")))
    events: list[dict[str, Any]] = []
    source = "last_record"
    if register_wh is not None:
        former_wh = register.register_wh
        event = register.take(register_wh, ended_wall_ms + _UNSEEN_MS)
        if event is None:
            source = "meter"
        else:
            events.append(
                {"event": event, "session": start.session, "former_wh": former_wh, "register_wh": register_wh}
            )
    bill = billing.finish(register.total_wh, ended_wall_ms)
    body = {
        "result": "failed",
        "stop_reason": stop_reason if started.get("role") != _MONITOR else _LISTENER_LOST,
        "faults": faults,
        "origin": started.get("origin", ""),
        "command_id": started.get("command_id", ""),
        **bill.as_record(),
        "register_source": source,
        "duration_s": (ended_wall_ms - started_wall_ms) // 1000,
        "started_wall_ms": started_wall_ms,
        "ended_wall_ms": ended_wall_ms,
        "closed_by": "recovery",
        **known,
    }
    if started.get("role") == _MONITOR:
        body |= {"role": _MONITOR, "energy_source": "meter"}
    return body, events


def _belongs_to_the_end(alarm: dict[str, Any]) -> bool:
    """Whether an alarm is one of the faults of its session: a listener acts on none, there the level decides."""
    return bool(alarm.get("action") != "log" or (alarm.get("role") == _MONITOR and alarm.get("level", 3) < 3))


def _end_without_meter(records: Sequence[Record], last_wall_ms: int) -> dict[str, Any]:
    """The end of a charge that was only followed, without a meter: the last that was heard, and no bill."""
    started = records[0].data
    started_wall_ms = int(started.get("started_wall_ms", records[0].wall_ms))
    ended_wall_ms = max(started_wall_ms, last_wall_ms, records[-1].wall_ms)
    body: dict[str, Any] = {
        "role": _MONITOR,
        "result": "failed",
        "stop_reason": _LISTENER_LOST,
        "faults": [],
        "origin": started.get("origin", ""),
        "energy_source": started.get("energy_source"),
        "energy_wh": 0,
        "energy_quality": "estimate",
        "billing_grade": False,
        "duration_s": (ended_wall_ms - started_wall_ms) // 1000,
        "started_wall_ms": started_wall_ms,
        "ended_wall_ms": ended_wall_ms,
        "closed_by": "recovery",
    }
    for record in records[1:]:
        told = record.data
        if record.kind == "session_progress":
            body["energy_wh"] = max(body["energy_wh"], int(told.get("energy_wh", 0)))
            if told.get("soc_percent") is not None:
                body.setdefault("soc_start_percent", told["soc_percent"])
                body["soc_end_percent"] = told["soc_percent"]
        elif record.kind == "session_vehicle" and told.get("vin"):
            body["vin"] = told["vin"]
        elif record.kind == "alarm_raised" and _belongs_to_the_end(told):
            body["faults"].append(str(told.get("fault")))
    return body


def unreadable_end(records: Sequence[Record], *, stop_reason: str, problem: str) -> dict[str, Any]:
    """The end of a session whose start record cannot be understood: closed without a bill, and saying so."""
    first, last = records[0], records[-1]
    return {
        "result": "failed",
        "stop_reason": stop_reason,
        "faults": [],
        "register_start_wh": 0,
        "register_end_wh": 0,
        "energy_wh": 0,
        "slices": [],
        "amount_e4": 0,
        "register_source": "none",
        "problem": problem,
        "duration_s": max(0, last.wall_ms - first.wall_ms) // 1000,
        "started_wall_ms": first.wall_ms,
        "ended_wall_ms": max(first.wall_ms, last.wall_ms),
        "closed_by": "recovery",
    }
