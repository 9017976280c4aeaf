"""Beginning and end of a session: its records, its bill, and the answers to who asked."""

from agent.control.chassis.commands import CommandInput
from agent.control.dc.memory import StepMemory
from agent.control.dc.plausibility import VehicleWatch
from agent.control.dc.point import ChargePoint
from agent.control.dc.recording import ended_body, refused_body, started_body
from agent.control.dc.session import ChargeSession, SessionLimits
from agent.control.dc.view import ChargeView
from agent.control.metering.billing import Billing
from agent.vocabulary import kinds, reasons

_LONGEST_USER = 64


def begin(point: ChargePoint, command: CommandInput, limits: SessionLimits) -> ChargeSession:
    """A session was granted: a fresh dialogue and memory, and the start on its way to the record."""
    chassis, register = point.chassis, point.metering.register
    register.begin_session()
    # The permission to start needs a valid register; the watch holds the same one.
    billing = Billing(point.parameters.tariff, register.form.modulus_wh)
    billing.start(register.total_wh or 0, chassis.wall_ms)
    session = ChargeSession(
        id=chassis.new_session_id(),
        origin=command.origin,
        command_id=command.id,
        user=str(command.arguments.get("user", ""))[:_LONGEST_USER],
        limits=limits,
        billing=billing,
        started_at_s=chassis.now_s,
        started_wall_ms=chassis.wall_ms,
        start_record=chassis.backlog.last_number + 1,
    )
    body = started_body(point, session)
    point.renew_dialogue()
    chassis.events.clear()
    point.memory = StepMemory(entered_at_s=point.memory.entered_at_s)
    point.watch = VehicleWatch()
    point.session, point.charge = session, ChargeView(session)
    chassis.session_id = session.id
    point.record(kinds.SESSION_STARTED, body)
    return session


def refuse(point: ChargePoint, command: CommandInput, reason: str) -> str:
    """A start attempt that is refused is a session too: one record, no energy. Returns its id."""
    session_id = point.chassis.new_session_id()
    point.chassis.record(kinds.SESSION_ENDED, refused_body(point, command, reason), session_id)
    return session_id


def end(point: ChargePoint) -> None:
    """Record the end of the session and answer who asked for it."""
    session, chassis = point.session, point.chassis
    if session is None:
        return
    reason = session.stop_reason or "internal_error"
    if reason in reasons.REPLUG_STOPS:
        point.replug_after = reason
    point.record(kinds.SESSION_ENDED, ended_body(point, session, reason))
    for command_id in session.stop_command_ids:
        chassis.reply(command_id, reasons.DONE, reason, session.id)
    if not session.facts.reached_charging:
        chassis.reply(session.command_id, reasons.FAILED, reason, session.id)
    point.session = point.charge = chassis.session_id = None
    chassis.events.clear()
