"""What a listener writes while a charge goes on, and what it shows of the vehicle."""

from typing import Any

from agent.control.listener.point import FollowedPoint
from agent.control.listener.session import FollowedSession
from agent.vocabulary import events, kinds, states
from drivers.gbt27930.observer.observer import Observation, Stage
from drivers.gbt27930.observer.rules import RULES

_SHOWN = (
    ("BCP", "maximum_voltage_v", "bcp_maximum_voltage_v"),
    ("BCP", "maximum_current_a", "bcp_maximum_current_a"),
    ("BCP", "battery_voltage_v", "bcp_battery_voltage_v"),
    ("CML", "maximum_voltage_v", "cml_maximum_voltage_v"),
    ("CML", "maximum_current_a", "cml_maximum_current_a"),
    ("BCL", "voltage_v", "demand_voltage_v"),
    ("BCL", "current_a", "demand_current_a"),
    ("BCL", "mode", "mode"),
    ("BCS", "soc_percent", "soc_percent"),
    ("BCS", "remaining_min", "remaining_min"),
    ("BCS", "maximum_cell_voltage_v", "maximum_cell_voltage_v"),
    ("BSM", "highest_temperature_c", "highest_temperature_c"),
)


def vehicle_values(point: FollowedPoint) -> dict[str, Any]:
    """Latest values of the dialogue for the status page and the alarms."""
    observed = point.observer.session
    if observed is None:
        return {"phase": Stage.IDLE.value}
    values: dict[str, Any] = {"phase": observed.stage.value}
    if observed.vin:
        values["vin"] = observed.vin
    for message, key, shown in _SHOWN:
        value = observed.values(message).get(key)
        if value is not None:
            values[shown] = value
    return values


def violation_body(observation: Observation) -> dict[str, Any]:
    """A broken rule of the protocol, the first time in a session."""
    rule = RULES[observation.code]
    return {
        "event": events.PROTOCOL_VIOLATION,
        "code": observation.code,
        "message": observation.message,
        "expected": observation.expected,
        "seen": observation.seen,
        "text_zh": rule.zh,
        "text_en": rule.en,
    }


def measured(point: FollowedPoint) -> dict[str, Any]:
    """Scaled integers of what is valid now, and which side measured the output; what is stale is absent."""
    image, now_s = point.chassis.image, point.chassis.now_s
    body: dict[str, Any] = {}
    register_wh = image.value("meter_energy_wh", now_s)
    if register_wh is not None:
        body["register_wh"] = int(register_wh)
    for source, voltage, current in (
        ("meter", "meter_voltage_v", "meter_current_a"),
        ("ccs", "ccs_voltage_v", "ccs_current_a"),
        ("bcs", "bcs_voltage_v", "bcs_current_a"),
    ):
        voltage_v, current_a = image.value(voltage, now_s), image.value(current, now_s)
        if voltage_v is None or current_a is None:
            continue
        power_w = image.value("meter_power_w", now_s) if source == "meter" else None
        body |= {
            "source": source,
            "voltage_dv": round(voltage_v * 10),
            "current_da": round(current_a * 10),
            "power_w": round(voltage_v * current_a if power_w is None else power_w),
        }
        break
    session = point.session
    if session is not None:
        body["energy_wh"] = session.energy_wh
        body["energy_source"] = session.energy_source
        if session.soc_end_percent is not None:
            body["soc_percent"] = session.soc_end_percent
        if point.state == states.CHARGING:
            demand = session.observed.values("BCL") or {}
            for key, name in (("voltage_v", "demand_voltage_dv"), ("current_a", "demand_current_da")):
                if demand.get(key) is not None:
                    body[name] = round(demand[key] * 10)
    return body


def record_periodically(point: FollowedPoint) -> None:
    """Vehicle and battery once; progress every interval and at every change of rate; telemetry at its own pace."""
    session, parameters, chassis = point.session, point.parameters, point.chassis
    now_s = chassis.now_s
    charging = point.state == states.CHARGING
    if session is not None:
        _record_once(point, session)
        register_wh = chassis.image.value("meter_energy_wh", now_s)
        edge = (
            session.billing is not None
            and register_wh is not None
            and register_wh >= session.billing.register_wh
            and session.billing.sample(int(register_wh), chassis.wall_ms)
        )
        if charging and (edge or now_s >= session.next_progress_s):
            session.next_progress_s = now_s + parameters.telemetry_interval_s
            rate = {} if session.billing is None else {"rate": session.billing.rate}
            chassis.record(kinds.SESSION_PROGRESS, {**measured(point), **rate})
    interval_s = parameters.telemetry_interval_s if charging else parameters.telemetry_idle_interval_s
    if not chassis.backlog.crowded and chassis.telemetry_pace.due(now_s, interval_s):
        chassis.record(kinds.TELEMETRY, {"state": point.state, "role": states.ROLE_LISTENER, **measured(point)})


def _record_once(point: FollowedPoint, session: FollowedSession) -> None:
    for message, kind, head in (
        ("BRM", kinds.SESSION_VEHICLE, {}),
        ("BCP", kinds.EVENT, {"event": events.BATTERY}),
        ("CML", kinds.EVENT, {"event": events.CHARGER_LIMITS}),
    ):
        values = session.observed.values(message)
        if values and message not in session.told:
            session.told.add(message)
            point.chassis.record(kind, {**head, **{name: value for name, value in values.items() if value is not None}})
