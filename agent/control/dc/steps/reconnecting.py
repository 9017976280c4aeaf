"""Between a time-out and a new handshake: current down, contactors open, bleed below 60 V, then CRM from the start.

The lock stays locked and the auxiliary supply on (GB/T 18487.1); the session and its bill go on.
"""

from agent.control.dc.actions import Reconnect
from agent.control.dc.steps import closing
from agent.control.dc.view import View
from agent.control.dc.wants import Wants
from agent.vocabulary import events


def reconnecting(view: View) -> Wants:
    """Sub-steps: ramp, open, bleed. What does not get there in time ends the session with the fault that began it."""
    wants, now_s, charge = view.wants(), view.now_s, view.charge
    memory = wants.memory
    wants.insulation_monitor = False
    wants.halt = None if charge is None else charge.limit_reached(now_s, charge.facts.soc_end_percent)
    if wants.halt is not None:
        return wants
    if view.elapsed_s() > view.parameters.times.reconnect_s:
        wants.fail(memory.lost_fault or "internal_error")
        return wants
    if memory.sub_step == "":
        memory.go("ramp" if view.held.contactors else "open", now_s)
    if memory.sub_step == "ramp":
        _ramp(view, wants)
    elif memory.sub_step == "open":
        _open(view, wants)
    else:
        _bleed(view, wants)
    return wants


def _ramp(view: View, wants: Wants) -> None:
    memory, now_s = wants.memory, view.now_s
    closing.lower_current(view, wants)
    if closing.current_is_low(view) or now_s - memory.sub_step_since_s > view.parameters.times.ramp_down_s:
        wants.contactors = False
        memory.go("open", now_s)


def _open(view: View, wants: Wants) -> None:
    wants.no_set_point()
    if view.contactors_seen(False):
        wants.memory.go("bleed", view.now_s)


def _bleed(view: View, wants: Wants) -> None:
    """The vehicle opens its side as well; until it has, the output is at its battery's voltage."""
    memory, now_s = wants.memory, view.now_s
    wants.no_set_point()
    wants.discharge = True
    limit_v = view.parameters.numbers.safe_voltage_v
    voltages = [view.value(name) for name in ("outside_voltage_v", "inside_voltage_v")]
    if not all(value is not None and value < limit_v for value in voltages):
        return
    if memory.lost_at_s is not None and now_s - memory.lost_at_s < view.parameters.times.error_message_s:
        return
    wants.discharge = False
    if not view.dialogue.may_reconnect:
        wants.fail(memory.lost_fault or "internal_error")
        return
    wants.tell.append(Reconnect())
    wants.event(events.RECONNECT, number=view.reconnects_since_plug + 1, cause=memory.lost_fault)
    memory.reconnects += 1
    memory.forget_dialogue()
    wants.judge_vehicle = False
    wants.move = "reconnect"
