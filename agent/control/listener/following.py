"""Following a dialogue: the data of both sides become readings, and each charge becomes a session with its bill."""

from agent.control.listener import faults as listener_faults
from agent.control.listener.point import FollowedPoint
from agent.control.listener.session import STATE_OF, FollowedSession, ended_body, reason_of, started_body
from agent.control.metering.billing import Billing
from agent.vocabulary import events, kinds, reasons, states
from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.observer.observer import Session as Observed
from drivers.gbt27930.observer.observer import Stage
from drivers.reading import Quality, Reading

_RESERVED_RECORDS = 8
"""Room kept for the ends of sessions."""
_SAID_ON_THE_BUS = (
    ("CCS", "voltage_v", "ccs_voltage_v", "V"),
    ("CCS", "current_a", "ccs_current_a", "A"),
    ("BCS", "voltage_v", "bcs_voltage_v", "V"),
    ("BCS", "current_a", "bcs_current_a", "A"),
)


def take_values(point: FollowedPoint) -> None:
    """The data of both sides about the output become readings; the demand is remembered."""
    observed, heard_at_s = point.observer.session, point.heard_at_s
    if observed is None:
        return
    for name, key, signal, unit in _SAID_ON_THE_BUS:
        latest = observed.latest.get(name)
        if latest is not None and heard_at_s.get(signal) != latest.at_s:
            heard_at_s[signal] = latest.at_s
            value = latest.values.get(key)
            if value is not None:
                point.chassis.image.put(signal, Reading(value, unit, latest.at_s, Quality.SUBSTITUTED))
    demand = observed.latest.get("BCL")
    if demand is not None and heard_at_s.get("BCL") != demand.at_s:
        heard_at_s["BCL"] = demand.at_s
        if demand.values["current_a"] is not None:
            point.around.demands.add(demand.at_s, demand.values["current_a"])
    _judge_status(point, observed)


def _judge_status(point: FollowedPoint, observed: Observed) -> None:
    """Each new BCS against what is measured: our meter, or without one the charger's CCS."""
    bcs = observed.latest.get("BCS")
    if bcs is None or bcs.at_s == point.bcs_at_s:
        return
    point.bcs_at_s = bcs.at_s
    voltage_v, current_a = _measured(point, "voltage_v"), _measured(point, "current_a")
    point.around.status.take(bcs, voltage_v, current_a, charging=observed.stage is Stage.CHARGING)


def _measured(point: FollowedPoint, quantity: str) -> float | None:
    image, now_s = point.chassis.image, point.chassis.now_s
    measured = image.value(f"meter_{quantity}", now_s)
    return image.value(f"ccs_{quantity}", now_s) if measured is None else measured


def follow(point: FollowedPoint) -> None:
    """Take up, follow or close the session that the bus shows."""
    session, present, leaving = point.session, point.observer.session, point.chassis.shutting_down
    if session is not None:
        session.follow()
        if session.observed.ended_s is not None or leaving:
            _close(point, session, another=present is not None)
    if point.session is None and present is not None and present is not point.followed and not leaving:
        _open(point, present)
    session = point.session
    over = session is None or session.closing_since_s is not None
    point.move(states.IDLE if session is None or over else STATE_OF[session.observed.stage])


def _open(point: FollowedPoint, observed: Observed) -> None:
    """Take up a dialogue once the charger has been heard in it."""
    parameters, chassis = point.parameters, point.chassis
    now_s = chassis.now_s
    if Sender.CHARGER not in observed.heard_from:
        return
    waited_s = now_s - point.around.started_at_s
    if not point.ready_for_sessions and waited_s < parameters.listener.recovery_wait_s:
        return
    point.ready_for_sessions = True
    point.followed = observed
    if chassis.backlog.room <= _RESERVED_RECORDS:
        chassis.omit()
        return
    session = FollowedSession(
        id=chassis.new_session_id(),
        observed=observed,
        started_at_s=observed.started_s,
        started_wall_ms=chassis.wall_ms - round((now_s - observed.started_s) * 1000),
        billing=_billing(point),
    )
    point.session = session
    chassis.session_id = session.id
    body = started_body(session, parameters.tariff.as_record(), parameters.meter)
    chassis.record(kinds.SESSION_STARTED, body, essential=True)


def _billing(point: FollowedPoint) -> Billing | None:
    """A bill that begins at a fresh reading of the register; without one the energy comes from the bus."""
    parameters, chassis = point.parameters, point.chassis
    register_wh = None if parameters.meter is None else chassis.image.value("meter_energy_wh", chassis.now_s)
    if register_wh is None:
        return None
    billing = Billing(parameters.tariff)
    billing.start(int(register_wh), chassis.wall_ms)
    return billing


def _close(point: FollowedPoint, session: FollowedSession, *, another: bool) -> None:
    """End the session once the register has been read after the end, or the time for that is over."""
    chassis = point.chassis
    now_s = chassis.now_s
    if session.stop_reason is None:
        session.stop_reason = reason = _end_reason(point, session)
        session.closing_since_s = now_s
        if reason in listener_faults.EVENT_FAULTS and reason not in session.faults:
            # Sent by neither side on the bus: only the silence shows it.
            session.faults.append(reason)
            point.hold(reason)
    billing, register_wh = session.billing, chassis.image.value("meter_energy_wh", now_s)
    if billing is not None and register_wh is None:
        waited_s = now_s - (session.closing_since_s or now_s)
        if not another and not chassis.shutting_down and waited_s < point.parameters.listener.final_reading_s:
            return
        session.register_source = reasons.FROM_LAST_READING
    elif billing is not None and register_wh is not None:
        billing.sample(int(register_wh), chassis.wall_ms)
    ended_ms = chassis.wall_ms - round((now_s - session.observed.last_frame_s) * 1000)
    body = ended_body(session, session.stop_reason, max(session.started_wall_ms, ended_ms), now_s)
    _compare_energy(point, session)
    chassis.record(kinds.SESSION_ENDED, body, essential=True)
    point.session = chassis.session_id = None
    chassis.events.clear()
    point.around.demands.clear()
    point.around.status.clear()


def _end_reason(point: FollowedPoint, session: FollowedSession) -> str:
    if session.observed.ended_s is None:
        return reasons.STOP_LISTENER_STOPPED
    reason = reason_of(session.observed)
    lost = reason == reasons.STOP_BUS_SILENT and not point.chassis.vehicle_port_open
    return "vehicle_bus_lost" if lost else reason


def _compare_energy(point: FollowedPoint, session: FollowedSession) -> None:
    """The register against the charger's CSD."""
    own = point.parameters.listener
    if session.billing is None or session.csd_energy_wh is None or not session.observed.from_start:
        return
    measured_wh = session.energy_wh
    if abs(measured_wh - session.csd_energy_wh) > max(own.energy_floor_wh, own.energy_share * measured_wh):
        point.hold("measurements_disagree", 2 * point.parameters.faults["measurements_disagree"].debounce_s)
        point.event(events.ENERGY_DISAGREES, register_wh=measured_wh, csd_wh=session.csd_energy_wh)
