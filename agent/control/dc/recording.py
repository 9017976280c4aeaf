"""What goes into the record: starts, ends, refusals, progress and telemetry. Scaled integers only."""

from typing import TYPE_CHECKING, Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc.session import NORMAL_STOPS, Session
from agent.control.metering.meter import meter_record

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

_MEASURED = (
    ("register_wh", "meter_energy_wh", 1),
    ("voltage_dv", "meter_voltage_v", 10),
    ("current_da", "meter_current_a", 10),
    ("power_w", "meter_power_w", 1),
    ("temperature_dc", "connector_temperature_plus_c", 10),
)
"""Key of the record, signal, and units of the key in one unit of the signal."""


class Pace:
    """When telemetry was last recorded, so that a shorter interval takes effect at once."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def due(self, now_s: float, interval_s: float) -> bool:
        """Whether ``interval_s`` has passed since the last time this said yes."""
        if self._last_s is not None and now_s - self._last_s < interval_s:
            return False
        self._last_s = now_s
        return True


def record_periodically(core: "ControlCore") -> None:
    """Progress of the session every interval and at every change of rate; telemetry at its own pace."""
    parameters, session, now_s = core.parameters, core.session, core.now_s
    charging = core.state in ("charging", "reconnecting")
    if session is not None and charging:
        register_wh = core.metering.register.total_wh
        valid = register_wh is not None and core.image.value("meter_energy_wh", now_s) is not None
        edge = valid and register_wh is not None and session.billing.sample(register_wh, core.wall_ms)
        if edge or now_s >= session.next_progress_s:
            session.next_progress_s = now_s + parameters.telemetry_interval_s
            core.record("session_progress", {**measured(core), "rate": session.billing.rate})
    interval_s = parameters.telemetry_interval_s if charging else parameters.telemetry_idle_interval_s
    _record_quarter_hour(core)
    if core.power_quality is not None:
        for kind, body in core.power_quality.turn(now_s, core.wall_ms, core.wall_quality):
            core.record(kind, body)
    if not core.backlog.crowded and core.telemetry_pace.due(now_s, interval_s):
        core.record("telemetry", {"state": core.state, **measured(core)})


def _record_quarter_hour(core: "ControlCore") -> None:
    """The register at every quarter of an hour, with its age at that moment."""
    image, now_s = core.image, core.now_s
    valid = image.value("meter_energy_wh", now_s) is not None
    body = core.quarter_hours.due(
        core.wall_ms,
        core.wall_quality,
        core.last_register_wh if valid else None,
        image.age_s("meter_energy_wh", now_s) if valid else None,
    )
    if body is not None:
        core.record("register_frozen", body)


def measured(core: "ControlCore") -> dict[str, int]:
    """Scaled integers of what is valid now; what is stale is absent."""
    image, now_s = core.image, core.now_s
    body: dict[str, int] = {}
    for key, name, scale in _MEASURED:
        value = image.value(name, now_s)
        if value is not None:
            body[key] = round(value * scale)
    session = core.session
    if session is not None:
        body["energy_wh"] = session.billing.bill().energy_wh
        if session.soc_end_percent is not None:
            body["soc_percent"] = session.soc_end_percent
    bcl = core.charger.vehicle.bcl
    if bcl is not None and core.state == "charging":
        body["demand_voltage_dv"] = round(bcl.values["voltage_v"] * 10)
        body["demand_current_da"] = round(bcl.values["current_a"] * 10)
        body["limit_w"] = round(core.limit.power_w)
    return body


def started_body(core: "ControlCore", session: Session) -> dict[str, Any]:
    """The start of a session, with everything that is needed to rebuild its bill."""
    parameters = core.parameters
    return {
        "origin": session.origin,
        "command_id": session.command_id,
        "user": session.user,
        "limits": session.limits.as_record(),
        "register_wh": session.billing.register_wh,
        "tariff": parameters.tariff.as_record(),
        "meter": meter_record(core),
        "maximum_power_w": parameters.maximum_power_w,
        "started_wall_ms": core.wall_ms,
    }


def refused_body(core: "ControlCore", command: CommandInput, reason: str) -> dict[str, Any]:
    """A start attempt that was refused: no energy, no money."""
    register_wh = core.last_register_wh or 0
    return {
        "result": "refused",
        "stop_reason": reason,
        "faults": core.blocking_faults(),
        "origin": command.origin,
        "command_id": command.id,
        "register_start_wh": register_wh,
        "register_end_wh": register_wh,
        "energy_wh": 0,
        "slices": [],
        "amount_e4": 0,
        "duration_s": 0,
        "started_wall_ms": core.wall_ms,
        "ended_wall_ms": core.wall_ms,
        "closed_by": "control",
    }


def ended_body(core: "ControlCore", session: Session, reason: str) -> dict[str, Any]:
    """The end of a session: the bill from the register, never from an integral."""
    settled = reason in NORMAL_STOPS and session.reached_charging
    body: dict[str, Any] = {
        "result": "settled" if settled else "failed",
        "stop_reason": reason,
        "faults": session.faults,
        "origin": session.origin,
        "command_id": session.command_id,
        **session.billing.bill().as_record(),
        "register_source": core.memory.register_source,
        "duration_s": session.duration_s(core.now_s),
        "started_wall_ms": session.started_wall_ms,
        "ended_wall_ms": core.wall_ms,
        "closed_by": "control",
    }
    optional = {
        "soc_start_percent": session.soc_start_percent,
        "soc_end_percent": session.soc_end_percent,
        "vin": session.vin,
        "reconnects": core.memory.reconnects or None,
        "register_step_mwh": core.parameters.register_form.step_mwh,
        "register_rejected": core.metering.register.rejected,
    }
    body.update((key, value) for key, value in optional.items() if value is not None)
    return body
