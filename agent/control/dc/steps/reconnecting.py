"""Between a time-out and a new handshake: current down, contactors open, bleed below 60 V, then CRM from the start.

The lock stays locked and the auxiliary supply on (GB/T 18487.1); the session and its bill go on.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def reconnecting(core: "ControlCore") -> None:
    """Stages: ramp, open, bleed. What does not get there in time ends the session with the fault that began it."""
    memory, now_s, session = core.memory, core.now_s, core.session
    core.relays_wanted["insulation_monitor"] = False
    reached = None if session is None else session.limit_reached(now_s)
    if reached is not None:
        core.halt(reached)
        return
    if now_s - memory.entered_at_s > core.parameters.times.reconnect_s:
        core.fail(memory.lost_fault or "internal_error")
        return
    if memory.stage == "":
        memory.go("ramp" if core.relays_wanted["contactors"] else "open", now_s)
    if memory.stage == "ramp":
        _ramp(core)
    elif memory.stage == "open":
        _open(core)
    else:
        _bleed(core)


def _ramp(core: "ControlCore") -> None:
    memory, now_s = core.memory, core.now_s
    if core.demand.on and memory.voltage_ceiling_v is not None:
        core.set_demand(core.demand.voltage_v, 0.0, memory.voltage_ceiling_v)
    current_a = core.image.value("module_current_a", now_s)
    low = current_a is not None and current_a < core.parameters.numbers.opening_current_a
    if low or now_s - memory.stage_since_s > core.parameters.times.ramp_down_s:
        core.want_contactors(False)
        memory.go("open", now_s)


def _open(core: "ControlCore") -> None:
    core.no_demand()
    states = [core.image.value(name, core.now_s) for name in ("contactor_k1_closed", "contactor_k2_closed")]
    if all(state is False for state in states):
        core.memory.go("bleed", core.now_s)


def _bleed(core: "ControlCore") -> None:
    """The vehicle opens its side as well; until it has, the output stands at its battery's voltage."""
    memory, now_s = core.memory, core.now_s
    core.no_demand()
    core.relays_wanted["discharge"] = True
    limit_v = core.parameters.numbers.safe_voltage_v
    voltages = [core.image.value(name, now_s) for name in ("outside_voltage_v", "inside_voltage_v")]
    if not all(value is not None and value < limit_v for value in voltages):
        return
    if memory.lost_at_s is not None and now_s - memory.lost_at_s < core.parameters.times.error_message_s:
        return
    core.relays_wanted["discharge"] = False
    if not core.charger.reconnect(now_s):
        core.fail(memory.lost_fault or "internal_error")
        return
    core.reconnects_since_plug += 1
    memory.reconnects += 1
    core.record("event", {"event": "reconnect", "number": core.reconnects_since_plug, "cause": memory.lost_fault})
    memory.new_dialogue()
    core.envelope.clear()
    core.move("reconnect")
