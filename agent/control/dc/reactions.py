"""The situation that the rules are given, and what follows from faults and permission before any step runs."""

from agent.control.dc.machine import SESSION_STATES
from agent.control.dc.plausibility import battery_limits_violated
from agent.control.dc.point import ChargePoint
from agent.control.safety.permission import stop_reason
from agent.control.safety.situation import Situation
from agent.vocabulary import reasons, states

_NONE: frozenset[str] = frozenset()
_BEFORE_TEST = frozenset({states.PLUGGED, states.SETTLED, states.LOCKED, states.HANDSHAKE})
_DISCHARGED = frozenset({states.IDLE, states.PLUGGED, states.SETTLED, states.FAULTED, states.STOPPING})
_AT_REST = frozenset({states.IDLE, states.PLUGGED, states.SETTLED})


def situation_of(point: ChargePoint) -> Situation:
    """The circumstances of this evaluation, whole and fresh."""
    chassis, session, memory, held, state = point.chassis, point.session, point.memory, point.held, point.state
    charging, now_s = state == states.CHARGING, chassis.now_s
    return Situation(
        now_s=now_s,
        started_at_s=chassis.started_at_s,
        in_session=session is not None,
        record_durable=record_durable(point),
        lock_required=session is not None and memory.lock_confirmed,
        vehicle_expected=state in SESSION_STATES and not memory.output_safe,
        contactors_wanted=held.contactors,
        contactors_wanted_since_s=held.contactors_since_s,
        before_insulation_test=state in _BEFORE_TEST or (state == states.INSULATION and not memory.contactors_used),
        auxiliary_wanted_since_s=held.auxiliary_since_s,
        output_idle_since_s=held.idle_since_s,
        voltage_ceiling_v=held.ceiling_v,
        voltage_ceiling_since_s=held.ceiling_since_s,
        current_envelope_a=point.envelope.highest_a(now_s),
        current_expected_since_s=memory.current_expected_since_s if charging else None,
        vehicle_port_open=chassis.vehicle_port_open,
        vehicle_bus_state=chassis.vehicle_bus_state,
        module_bus_state=point.module_bus_state,
        battery_limits_violated=charging and battery_limits_violated(point.charger.vehicle, point.parameters),
        recorder_ready_at_s=chassis.recorder_ready_at_s,
        uplink_lost=chassis.uplink_lost,
        clock_unset=chassis.wall_quality == states.CLOCK_UNSET,
        discharged_side=state in _DISCHARGED,
        reconnect_cause=memory.lost_fault if state == states.RECONNECTING else None,
        replug_after=point.replug_after,
        vehicle_findings=point.watch.findings(now_s) if charging else _NONE,
        meter_findings=_meter_findings(point, charging=charging),
        grid_findings=_NONE if point.power_quality is None else point.power_quality.findings,
        power_findings=_power_findings(point),
        power_reasons=point.sharing.reasons,
        modules_away=point.sharing.modules_away and not held.contactors,
        events=frozenset(chassis.events),
    )


def _power_findings(point: ChargePoint) -> frozenset[str]:
    """What power sharing has found, and whether the share was renewed in time."""
    found, share = point.sharing.findings, point.share
    if share is not None and point.session is not None and not point.chassis.now_s <= share.expires_at_s:
        return found | {"power_share_expired"}
    return found


def record_durable(point: ChargePoint) -> bool:
    """The start of the session is durable in the ledger."""
    session = point.session
    return session is not None and point.chassis.backlog.acknowledged >= session.start_record


def _meter_findings(point: ChargePoint, *, charging: bool) -> frozenset[str]:
    """What is found about the meter now. Whether a proof exists is known only once the recorder has reported."""
    chassis = point.chassis
    image, now_s = chassis.image, chassis.now_s
    voltage_v, current_a = image.value("module_voltage_v", now_s), image.value("module_current_a", now_s)
    return point.metering.findings(
        now_s,
        chassis.wall_ms,
        chassis.wall_quality,
        register_wh=None if image.value("meter_energy_wh", now_s) is None else point.last_register_wh,
        proof_known=chassis.recorder_ready_at_s is not None,
        charging=charging,
        power_w=None if voltage_v is None or current_a is None else voltage_v * current_a,
    )


def react(point: ChargePoint) -> None:
    """End the session, or leave the readiness, as the faults in force and the permission demand."""
    if point.session is None:
        if point.state in _AT_REST and point.blocking_faults():
            point.move("trip")
    else:
        _end_session_for_cause(point)
    if point.held.contactors and not point.permission.energise:
        # Whatever took the permission away, even a cause within its debounce: open, and end the session.
        point.halt(stop_reason(point.permission), immediate=True)
        point.output_off()


def _end_session_for_cause(point: ChargePoint) -> None:
    active, chassis = point.chassis.active, point.chassis
    opening = [item.fault.id for item in active if item.fault.action == "open"]
    if opening:
        point.halt(opening[0], immediate=True)
    session = point.session
    if session is None or not point.stoppable:
        return
    stopping = [item.fault.id for item in active if item.fault.action == "stop"]
    if stopping:
        point.halt(stopping[0])
    elif point.situation.before_insulation_test and "outside_voltage_present" in point.blocking_faults():
        point.halt("outside_voltage_present")
    elif chassis.shutting_down:
        point.halt(reasons.STOP_SHUTDOWN)
    elif chassis.backlog.full:
        point.halt("recorder_lost")
    elif (
        not session.facts.reached_charging
        and chassis.now_s - session.started_at_s > point.parameters.start_time_limit_s
    ):
        point.fail("start_timeout")
