"""The permission to energise, or the reasons against. This is the only place that grants it.

By default nothing is granted: an input without a value is a reason against. All reasons are kept.
"""

from collections.abc import Collection
from dataclasses import dataclass

from agent.control.chassis.image import ProcessImage
from agent.control.safety.fault_register import ActiveFault
from agent.control.safety.requirements import SAFETY_INPUTS, START_INPUTS, SafetyParameters
from agent.control.safety.rules import FAULT_IDS, is_plugged
from agent.control.safety.situation import Situation

BLOCKING_ACTIONS = frozenset({"open", "stop", "inhibit"})
"""Actions of faults that refuse a start and, as soon as their cause is there, a closing."""


@dataclass(frozen=True, slots=True)
class Permission:
    """The verdict. ``energise`` and ``start`` are false unless everything speaks for them."""

    energise: bool
    """Contactors that are closed may stay closed."""
    close: bool
    """Contactors may be closed now. A cause counts here before its debounce is over: debounce may delay a
    trip, never permit a closing."""
    start: bool
    """A session may begin."""
    energise_reasons: tuple[str, ...]
    """Why nothing may be energised: fault ids and ``no value: signal``."""
    close_reasons: tuple[str, ...]
    start_reasons: tuple[str, ...]

    @classmethod
    def denied(cls, reason: str) -> "Permission":
        """Nothing is permitted, for one reason."""
        return cls(False, False, False, (reason,), (reason,), (reason,))


_NO_VALUE = "no value: "
_REPLUG = "replug: "


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
    energise = [item.fault.id for item in active if item.fault.action == "open"]
    energise += [f"{_NO_VALUE}{name}" for name in image.stale(SAFETY_INPUTS, situation.now_s)]
    if not situation.record_durable:
        energise.append("record not durable")
    if not situation.in_session:
        energise.append("no session")
    blocking = [fault_id for fault_id in present if parameters.faults[fault_id].action in BLOCKING_ACTIONS]
    close = energise + [fault_id for fault_id in blocking if fault_id not in energise]
    start = [item.fault.id for item in active if item.fault.action in BLOCKING_ACTIONS]
    start += [fault_id for fault_id in blocking if fault_id not in start]
    start += [f"{_NO_VALUE}{name}" for name in image.stale(START_INPUTS, situation.now_s)]
    if image.value("recorder_ready", situation.now_s) is False:
        start.append("recorder not ready")
    if image.value("module_count", situation.now_s) == 0:
        start.append("no power module")
    if is_plugged(image, situation.now_s, parameters) is not True:
        start.append("not plugged")
    if situation.replug_after is not None:
        start.append(f"{_REPLUG}{situation.replug_after}")
    return Permission(
        energise=not energise,
        close=not close,
        start=not start,
        energise_reasons=tuple(energise),
        close_reasons=tuple(close),
        start_reasons=tuple(start),
    )


def stop_reason(verdict: Permission) -> str:
    """The fault id that says why nothing may be energised any more."""
    reason = verdict.energise_reasons[0]
    if reason in FAULT_IDS:
        return reason
    return "inputs_lost" if reason.startswith(_NO_VALUE) else "record_not_durable"
