"""What goes into the record: starts, ends, refusals, progress and telemetry. Scaled integers only."""

from typing import Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc.point import ChargePoint
from agent.control.dc.session import ChargeSession
from agent.vocabulary import kinds, reasons, states

_MEASURED = (
    ("register_wh", "meter_energy_wh", 1),
    ("voltage_dv", "meter_voltage_v", 10),
    ("current_da", "meter_current_a", 10),
    ("power_w", "meter_power_w", 1),
    ("temperature_dc", "connector_temperature_plus_c", 10),
)
"""Key of the record, signal, and units of the key in one unit of the signal."""


def record_periodically(point: ChargePoint) -> None:
    """Progress of the session every interval and at every change of rate; telemetry at its own pace."""
    parameters, session, chassis = point.parameters, point.session, point.chassis
    now_s, wall_ms = chassis.now_s, chassis.wall_ms
    charging = point.state in (states.CHARGING, states.RECONNECTING)
    if session is not None and charging:
        register_wh = point.metering.register.total_wh
        valid = register_wh is not None and point.chassis.image.value("meter_energy_wh", now_s) is not None
        edge = valid and register_wh is not None and session.billing.sample(register_wh, wall_ms)
        if edge or now_s >= session.next_progress_s:
            session.next_progress_s = now_s + parameters.telemetry_interval_s
            point.record(kinds.SESSION_PROGRESS, {**measured(point), "rate": session.billing.rate})
    interval_s = parameters.telemetry_interval_s if charging else parameters.telemetry_idle_interval_s
    _record_quarter_hour(point)
    if point.power_quality is not None:
        for kind, body in point.power_quality.turn(now_s, wall_ms, chassis.wall_quality):
            point.record(kind, body)
    if not chassis.backlog.crowded and chassis.telemetry_pace.due(now_s, interval_s):
        point.record(kinds.TELEMETRY, {"state": point.state, **measured(point)})


def _record_quarter_hour(point: ChargePoint) -> None:
    """The register at every quarter of an hour, with its age at that moment."""
    image, now_s = point.chassis.image, point.chassis.now_s
    valid = image.value("meter_energy_wh", now_s) is not None
    body = point.quarter_hours.due(
        point.chassis.wall_ms,
        point.chassis.wall_quality,
        point.last_register_wh if valid else None,
        image.age_s("meter_energy_wh", now_s) if valid else None,
    )
    if body is not None:
        point.record(kinds.REGISTER_SNAPSHOT, body)


def measured(point: ChargePoint) -> dict[str, int]:
    """Scaled integers of what is valid now; what is stale is absent."""
    image, now_s = point.chassis.image, point.chassis.now_s
    body: dict[str, int] = {}
    for key, name, scale in _MEASURED:
        value = image.value(name, now_s)
        if value is not None:
            body[key] = round(value * scale)
    session = point.session
    if session is not None:
        body["energy_wh"] = session.billing.bill().energy_wh
        if session.facts.soc_end_percent is not None:
            body["soc_percent"] = session.facts.soc_end_percent
    bcl = point.charger.vehicle.bcl
    if bcl is not None and point.state == states.CHARGING:
        body["demand_voltage_dv"] = round(bcl.values["voltage_v"] * 10)
        body["demand_current_da"] = round(bcl.values["current_a"] * 10)
        body["limit_w"] = round(point.limit.power_w)
    return body


def started_body(point: ChargePoint, session: ChargeSession) -> dict[str, Any]:
    """The start of a session, with everything that is needed to rebuild its bill."""
    parameters = point.parameters
    return {
        "origin": session.origin,
        "command_id": session.command_id,
        "user": session.user,
        "limits": session.limits.as_record(),
        "register_wh": session.billing.register_wh,
        "tariff": parameters.tariff.as_record(),
        "meter": point.metering.as_record(),
        "maximum_power_w": parameters.maximum_power_w,
        "started_wall_ms": point.chassis.wall_ms,
    }


def refused_body(point: ChargePoint, command: CommandInput, reason: str) -> dict[str, Any]:
    """A start attempt that was refused: no energy, no money."""
    register_wh = point.last_register_wh or 0
    return {
        "result": reasons.REFUSED,
        "stop_reason": reason,
        "faults": point.blocking_faults(),
        "origin": command.origin,
        "command_id": command.id,
        "register_start_wh": register_wh,
        "register_end_wh": register_wh,
        "energy_wh": 0,
        "slices": [],
        "amount_e4": 0,
        "duration_s": 0,
        "started_wall_ms": point.chassis.wall_ms,
        "ended_wall_ms": point.chassis.wall_ms,
        "closed_by": reasons.BY_CONTROL,
    }


def ended_body(point: ChargePoint, session: ChargeSession, reason: str) -> dict[str, Any]:
    """The end of a session: the bill from the register, never from an integral."""
    settled = reason in reasons.NORMAL_STOPS and session.facts.reached_charging
    body: dict[str, Any] = {
        "result": reasons.SETTLED if settled else reasons.SESSION_FAILED,
        "stop_reason": reason,
        "faults": session.faults,
        "origin": session.origin,
        "command_id": session.command_id,
        **session.billing.bill().as_record(),
        "register_source": point.memory.register_source,
        "duration_s": session.duration_s(point.chassis.now_s),
        "started_wall_ms": session.started_wall_ms,
        "ended_wall_ms": point.chassis.wall_ms,
        "closed_by": reasons.BY_CONTROL,
    }
    optional = {
        "soc_start_percent": session.facts.soc_start_percent,
        "soc_end_percent": session.facts.soc_end_percent,
        "vin": session.facts.vin,
        "reconnects": point.memory.reconnects or None,
        "register_step_mwh": point.parameters.register_form.step_mwh,
        "register_rejected": point.metering.register.rejected,
    }
    body.update((key, value) for key, value in optional.items() if value is not None)
    return body
