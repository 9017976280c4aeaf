"""The permission to energise, or the reasons against. This is the only place that grants it.

By default nothing is granted: an input without a value is a reason against. All reasons are kept.
"""

from collections.abc import Collection

import msgspec

from agent.control.chassis.image import ProcessImage
from agent.control.safety.fault_register import ActiveFault
from agent.control.safety.requirements import SafetyParameters
from agent.control.safety.rules import FAULT_IDS, is_plugged
from agent.control.safety.situation import Situation
from agent.vocabulary import reasons
from agent.vocabulary.reasons import Reason

BLOCKING_ACTIONS = frozenset({"open", "stop", "inhibit"})
"""Actions of faults that refuse a start and, as soon as their cause is there, a closing."""


class Permission(msgspec.Struct, frozen=True, gc=False):
    """The verdict. ``energise`` and ``start`` are false unless everything speaks for them."""

    energise: bool
    """Contactors that are closed may stay closed."""
    close: bool
    """Contactors may be closed now. A cause counts here before its debounce is over: debounce may delay a
    trip, never permit a closing."""
    start: bool
    """A session may begin."""
    energise_reasons: tuple[Reason, ...]
    """Why nothing may be energised: fault ids, and codes of ``PERMISSION_REASONS`` with their detail."""
    close_reasons: tuple[Reason, ...]
    start_reasons: tuple[Reason, ...]

    @classmethod
    def denied(cls, code: str) -> "Permission":
        """Nothing is permitted, for one reason."""
        only = (Reason(code),)
        return cls(False, False, False, only, only, only)


_MODULE_INPUTS = frozenset({"module_voltage_v", "module_count"})
_NOT_DURABLE = Reason(reasons.RECORD_NOT_DURABLE)
_NO_SESSION = Reason(reasons.NO_SESSION_OPEN)
_NOT_READY = Reason(reasons.RECORDER_NOT_READY)
_NO_MODULE = Reason(reasons.NO_POWER_MODULE)
_NOT_PLUGGED = Reason(reasons.NOT_PLUGGED)


def permission(
    image: ProcessImage,
    situation: Situation,
    present: Collection[str],
    active: list[ActiveFault],
    parameters: SafetyParameters,
) -> Permission:
    """The verdict. ``present`` are the causes of this moment, ``active`` the faults in force.

    Anything unknown is a reason against.
    """
    now_s = situation.now_s
    blocking = [fault_id for fault_id in present if parameters.faults[fault_id].action in BLOCKING_ACTIONS]
    energise = [Reason(item.fault.id) for item in active if item.fault.action == "open"]
    energise += _without_value(image, parameters.safety_inputs, now_s)
    if not situation.record_durable:
        energise.append(_NOT_DURABLE)
    if not situation.in_session:
        energise.append(_NO_SESSION)
    close = [*energise, *_others(blocking, energise), *situation.power_reasons]
    start = [Reason(item.fault.id) for item in active if item.fault.action in BLOCKING_ACTIONS]
    start += _others(blocking, start)
    missing = _without_value(image, parameters.start_inputs, now_s)
    # A group of modules comes when a session has begun; until then nothing is closed (``power_reasons``).
    start += [each for each in missing if each.detail not in _MODULE_INPUTS] if situation.modules_away else missing
    if image.value("recorder_ready", now_s) is False:
        start.append(_NOT_READY)
    if image.value("module_count", now_s) == 0:
        start.append(_NO_MODULE)
    if is_plugged(image, now_s, parameters) is not True:
        start.append(_NOT_PLUGGED)
    if situation.replug_after is not None:
        start.append(Reason(reasons.REPLUG, situation.replug_after))
    return Permission(
        energise=not energise,
        close=not close,
        start=not start,
        energise_reasons=tuple(energise),
        close_reasons=tuple(close),
        start_reasons=tuple(start),
    )


def _without_value(image: ProcessImage, names: tuple[str, ...], now_s: float) -> list[Reason]:
    return [Reason(reasons.NO_VALUE, name) for name in image.stale(names, now_s)]


def _others(fault_ids: list[str], known: list[Reason]) -> list[Reason]:
    """Faults that are not among the reasons yet."""
    if not fault_ids:
        return []
    codes = {reason.code for reason in known}
    return [Reason(fault_id) for fault_id in fault_ids if fault_id not in codes]


def stop_reason(verdict: Permission) -> str:
    """The fault id for which nothing may be energised any more."""
    code = verdict.energise_reasons[0].code
    if code in FAULT_IDS:
        return code
    return "inputs_lost" if code == reasons.NO_VALUE else reasons.STOP_RECORD_NOT_DURABLE
