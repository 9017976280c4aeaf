"""A decoded recording as one JSON document. The keys are described in docs/bms-decode.md and stay as they are."""

from collections.abc import Mapping
from typing import Any

from agent.cli.bms.files import Recording
from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.messages.table import MESSAGES
from drivers.gbt27930.observer.model import Extremes, Group, MessageCount
from drivers.gbt27930.observer.observer import Observer, Session

SCHEMA = 1
"""Number of this form; a key that changes its meaning makes a new one."""


def recording_document(recording: Recording, observer: Observer, sessions: list[Session]) -> dict[str, Any]:
    """The recording, its sessions, and what else was on the bus."""
    return {
        "schema": SCHEMA,
        "file": str(recording.path),
        "frames": recording.frames,
        "ignored": dict(recording.ignored),
        "channel": recording.channel,
        "channels": dict(recording.channels),
        "begin_unix_s": recording.begin_unix_s,
        "duration_s": _seconds(recording.duration_s),
        "damage": recording.damage,
        "bad_lines": recording.bad_lines,
        **observer_document(observer, sessions),
    }


def observer_document(observer: Observer, sessions: list[Session]) -> dict[str, Any]:
    """What the observer has seen."""
    return {
        "edition": observer.edition,
        "sessions": [session_document(session) for session in sessions],
        "foreign": [
            {
                "identifier": f"{identifier:08X}",
                "name": foreign.name or None,
                "count": foreign.count,
                "first_s": _seconds(foreign.first_s),
                "last_s": _seconds(foreign.last_s),
            }
            for identifier, foreign in sorted(observer.foreign.items())
        ],
        "foreign_others": observer.foreign_others,
    }


def session_document(session: Session) -> dict[str, Any]:
    """One session. Times are seconds since the first frame of the recording."""
    return {
        "number": session.number,
        "from_start": session.from_start,
        "begin_s": _seconds(session.started_s),
        "end_s": _seconds(session.ended_s),
        "outcome": session.outcome.value,
        "stage": session.stage.value,
        "attempts": session.attempts,
        "violations": session.violations,
        "vin": session.vin,
        "vehicle_2011": session.vehicle_2011,
        "vehicle": _plain(session.values("BRM")),
        "vehicle_limits": _plain(session.values("BCP")),
        "charger": _plain({**session.values("CHM"), **session.values("CRM")}),
        "charger_limits": _plain(session.values("CML")),
        "demand": {**_range(session, "BCL", "voltage_v"), **_range(session, "BCL", "current_a")},
        "measured": {**_range(session, "BCS", "voltage_v"), **_range(session, "BCS", "current_a")},
        "output": {**_range(session, "CCS", "voltage_v"), **_range(session, "CCS", "current_a")},
        "soc_percent": _extremes(session.extreme("BCS.soc_percent")),
        "cell_voltage_v": _extremes(session.extreme("BCS.maximum_cell_voltage_v")),
        "highest_temperature_c": _extremes(session.extreme("BSM.highest_temperature_c")),
        "lowest_temperature_c": _extremes(session.extreme("BSM.lowest_temperature_c")),
        "energy_estimate_wh": round(session.energy_estimate_wh, 1),
        "charging_s": _seconds(session.charging_s),
        "vehicle_totals": _plain(session.values("BSD")),
        "charger_totals": _plain(session.values("CSD")),
        "stop": {
            "side": None if session.stop_side is None else session.stop_side.name.lower(),
            "at_s": _seconds(session.stopped_at_s),
            "bst": list(session.bst_reasons),
            "cst": list(session.cst_reasons),
        },
        "timeouts": {"bem": list(session.bem_reasons), "cem": list(session.cem_reasons)},
        "pauses": [{"from_s": _seconds(each.from_s), "until_s": _seconds(each.until_s)} for each in session.pauses],
        "timeline": [
            {"at_s": _seconds(change.at_s), "stage": change.stage.value, "attempt": change.attempt}
            for change in session.timeline
        ],
        "slowest_answer_s": {
            side.name.lower(): _seconds(session.slowest_answer_s[side])
            for side in Sender
            if side in session.slowest_answer_s
        },
        "messages": {name: _count(name, count) for name, count in session.counts.items()},
        "observations": [_group(group) for group in session.groups.values()],
    }


def _group(group: Group) -> dict[str, Any]:
    first, worst = group.first, group.worst
    return {
        "code": first.code,
        "severity": first.severity.value,
        "message": first.message or None,
        "count": group.count,
        "first_s": _seconds(first.at_s),
        "last_s": _seconds(group.last_s),
        "worst_s": _seconds(worst.at_s),
        "expected": worst.expected or None,
        "seen": worst.seen or None,
        "source": first.source or None,
    }


def _count(name: str, count: MessageCount) -> dict[str, Any]:
    several = count.intervals > 0
    return {
        "count": count.count,
        "first_s": _seconds(count.first_s),
        "last_s": _seconds(count.last_s),
        "period_ms": MESSAGES[name].period_ms,
        "interval_ms": {
            "least": round(count.interval_least_s * 1000, 1),
            "mean": round((count.interval_mean_s or 0.0) * 1000, 1),
            "most": round(count.interval_most_s * 1000, 1),
        }
        if several
        else None,
    }


def _range(session: Session, message: str, field: str) -> dict[str, Any]:
    return {field: _extremes(session.extreme(f"{message}.{field}"))}


def _extremes(extremes: Extremes) -> dict[str, float | None] | None:
    if extremes.least is None:
        return None
    return {
        "first": extremes.first,
        "least": extremes.least,
        "greatest": extremes.greatest,
        "last": extremes.last,
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON can carry: bytes as hexadecimal digits."""
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
