"""What somebody asked for: start, stop, reset. Less energy is always granted, more energy is guarded."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent.control.chassis.commands import CommandInput
from agent.control.dc.machine import START_FROM_STATES
from agent.control.dc.recording import refused_body, started_body
from agent.control.dc.session import Session, SessionLimits
from agent.control.metering import service as meter_service
from agent.control.metering.billing import Billing

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

_RESET_WINDOW_S = 2.0
"""A reset clears the latches whose cause is or goes away within this time (own)."""
_LONGEST_USER = 64
_LONGEST_REASON = 300
_STOPPERS_AT_MOST = 16
"""So many stop commands are told that the session has ended; further ones are only told that it is ending."""


_METER_WORK: Mapping[str, Callable[["ControlCore", Mapping[str, Any]], str]] = {
    "meter_exchange": meter_service.exchange,
    "meter_prove": meter_service.prove,
}


def take(core: "ControlCore", command: CommandInput) -> None:
    """Decide one request. A repeated id gets its former answer and acts no second time."""
    former = core.answers.former(command.id)
    if former is not None and not (command.name == "stop" and core.stoppable):
        core.repeat(former)
    elif command.name == "start":
        _start(core, command)
    elif command.name == "stop":
        _stop(core, command)
    elif command.name == "reset":
        _reset(core, command)
    elif command.name in _METER_WORK:
        _work_on_meter(core, command)
    else:
        _decide(core, command, "rejected", "unknown_command")


def _decide(
    core: "ControlCore", command: CommandInput, result: str, reason: str = "", session: str | None = None
) -> None:
    core.record(
        "command",
        {"id": command.id, "name": command.name, "origin": command.origin, "result": result, "reason": reason},
    )
    core.reply(command.id, result, reason, session)


def _stop(core: "ControlCore", command: CommandInput) -> None:
    session = core.session
    if session is None:
        _decide(core, command, "rejected", "no_session")
        return
    if len(session.stop_command_ids) < _STOPPERS_AT_MOST:
        session.stop_command_ids.append(command.id)
    _decide(core, command, "accepted", session=session.id)
    core.halt("platform" if command.origin == "platform" else "local")


def _reset(core: "ControlCore", command: CommandInput) -> None:
    if command.origin != "local":
        _decide(core, command, "rejected", "only_at_the_pile")
        return
    core.reset_until_s = core.now_s + _RESET_WINDOW_S
    _decide(core, command, "accepted")


def _work_on_meter(core: "ControlCore", command: CommandInput) -> None:
    """What a person did to the meter: an audit record, or the reason why it is none."""
    if command.origin != "local":
        _decide(core, command, "rejected", "only_at_the_pile")
        return
    reason = _METER_WORK[command.name](core, command.arguments)[:_LONGEST_REASON]
    _decide(core, command, "rejected" if reason else "accepted", reason)


def _start(core: "ControlCore", command: CommandInput) -> None:
    limits, reason = _judge(core, command)
    if limits is None:
        _refuse(core, command, reason[:_LONGEST_REASON])
    else:
        _begin(core, command, limits)


def _judge(core: "ControlCore", command: CommandInput) -> tuple[SessionLimits | None, str]:
    """The limits of the session that may begin, or None and why it may not."""
    if command.expires_wall_ms and core.wall_quality == "unset":
        # A permission that expires is none while nobody knows the time.
        return None, "clock_unset"
    if command.expires_wall_ms and core.wall_ms > command.expires_wall_ms:
        return None, "expired"
    if core.session is not None:
        return None, "session_running"
    if core.shutting_down:
        return None, "shutting_down"
    try:
        limits = SessionLimits.from_arguments(command.arguments)
    except ValueError as error:
        return None, f"bad_arguments: {error}"
    if not core.permission.start or core.state not in START_FROM_STATES:
        return None, ", ".join(core.permission.start_reasons) or f"state: {core.state}"
    return limits, ""


def _refuse(core: "ControlCore", command: CommandInput, reason: str) -> None:
    """A start attempt that is refused is a session too: one record, no energy."""
    session_id = core.new_session_id()
    core.record("session_ended", refused_body(core, command, reason), session_id=session_id)
    running = core.session
    _decide(core, command, "rejected", reason, session_id if running is None else running.id)


def _begin(core: "ControlCore", command: CommandInput, limits: SessionLimits) -> None:
    register = core.metering.register
    register.begin_session()
    # The permission to start needs a valid register; the watch holds the same one.
    billing = Billing(core.parameters.tariff, register.form.modulus_wh)
    billing.start(register.total_wh or 0, core.wall_ms)
    session = Session(
        id=core.new_session_id(),
        origin=command.origin,
        command_id=command.id,
        user=str(command.arguments.get("user", ""))[:_LONGEST_USER],
        limits=limits,
        billing=billing,
        started_at_s=core.now_s,
        started_wall_ms=core.wall_ms,
        start_record=core.backlog.last_number + 1,
    )
    core.open_session(session, started_body(core, session))
    _decide(core, command, "accepted", session=session.id)
    core.move("begin")
