"""Commands: start, stop, reset, work on the meter. Less energy is always granted, more energy is guarded."""

from collections.abc import Callable, Mapping
from typing import Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc import sessions
from agent.control.dc.machine import START_FROM_STATES
from agent.control.dc.point import ChargePoint
from agent.control.dc.session import SessionLimits
from agent.control.metering import service as meter_service
from agent.control.metering.meter import Metering
from agent.control.metering.service import RefusedError, RegisterNow
from agent.vocabulary import kinds, reasons, states
from agent.vocabulary.reasons import Reason, joined

_LONGEST_REASON = 300
_STOPPERS_AT_MOST = 16
"""So many stop commands are answered when the session has ended; further ones get the reply that it is ending."""

_METER_WORK: Mapping[str, Callable[[Metering, RegisterNow, Mapping[str, Any]], Mapping[str, Any]]] = {
    reasons.METER_EXCHANGE: meter_service.exchange,
    reasons.METER_PROVE: meter_service.prove,
}


def take(point: ChargePoint, command: CommandInput) -> None:
    """Decide one command. A repeated id gets its former answer and acts no second time."""
    chassis = point.chassis
    former = chassis.answers.former(command.id)
    if former is not None and not (command.name == reasons.STOP and point.stoppable):
        chassis.repeat(former)
    elif command.name == reasons.START:
        _start(point, command)
    elif command.name == reasons.STOP:
        _stop(point, command)
    elif command.name == reasons.RESET:
        _answer(point, command, chassis.reset(command))
    elif command.name in _METER_WORK:
        _work_on_meter(point, command)
    else:
        _answer(point, command, reasons.UNKNOWN_COMMAND)


def _answer(point: ChargePoint, command: CommandInput, refusal: str) -> None:
    """Accepted, or rejected for a reason."""
    point.chassis.decide(command, reasons.REJECTED if refusal else reasons.ACCEPTED, refusal)


def _stop(point: ChargePoint, command: CommandInput) -> None:
    session = point.session
    if session is None:
        _answer(point, command, reasons.NO_SESSION)
        return
    if len(session.stop_command_ids) < _STOPPERS_AT_MOST:
        session.stop_command_ids.append(command.id)
    point.chassis.decide(command, reasons.ACCEPTED, session=session.id)
    by_platform = command.origin == reasons.ORIGIN_PLATFORM
    point.halt(reasons.STOP_PLATFORM if by_platform else reasons.STOP_LOCAL)


def _work_on_meter(point: ChargePoint, command: CommandInput) -> None:
    """What a person did to the meter: an audit record, or the reason why it is none."""
    if command.origin != reasons.ORIGIN_LOCAL:
        _answer(point, command, reasons.ONLY_AT_THE_PILE)
        return

    def register_now() -> int:
        if point.session is not None:
            raise RefusedError(reasons.SESSION_RUNNING)
        chassis, register_wh = point.chassis, point.last_register_wh
        if register_wh is None or chassis.image.value("meter_energy_wh", chassis.now_s) is None:
            raise RefusedError(Reason(reasons.NO_VALUE, "meter_energy_wh").text)
        return register_wh

    try:
        body = _METER_WORK[command.name](point.metering, register_now, command.arguments)
    except RefusedError as refusal:
        _answer(point, command, str(refusal)[:_LONGEST_REASON])
        return
    point.record(kinds.AUDIT, body)
    _answer(point, command, "")


def _start(point: ChargePoint, command: CommandInput) -> None:
    limits, refusals = _judge(point, command)
    if limits is not None:
        session = sessions.begin(point, command, limits)
        point.chassis.decide(command, reasons.ACCEPTED, session=session.id)
        point.move("begin")
        return
    reason = joined(refusals)[:_LONGEST_REASON]
    session_id = sessions.refuse(point, command, reason)
    running = point.session
    point.chassis.decide(command, reasons.REJECTED, reason, session_id if running is None else running.id)


def _judge(point: ChargePoint, command: CommandInput) -> tuple[SessionLimits | None, tuple[Reason, ...]]:
    """The limits of the session that may begin, or None and why it may not."""
    chassis = point.chassis
    if command.expires_wall_ms and chassis.wall_quality == states.CLOCK_UNSET:
        # A permission that expires is none while the time is unknown.
        return None, (Reason(reasons.CLOCK_UNSET),)
    if command.expires_wall_ms and chassis.wall_ms > command.expires_wall_ms:
        return None, (Reason(reasons.EXPIRED),)
    if point.session is not None:
        return None, (Reason(reasons.SESSION_RUNNING),)
    if chassis.shutting_down:
        return None, (Reason(reasons.SHUTTING_DOWN),)
    try:
        limits = SessionLimits.from_arguments(command.arguments)
    except ValueError as error:
        return None, (Reason(reasons.BAD_ARGUMENTS, str(error)),)
    if not point.permission.start or point.state not in START_FROM_STATES:
        return None, point.permission.start_reasons or (Reason(reasons.WRONG_STATE, point.state),)
    return limits, ()
