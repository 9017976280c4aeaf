"""What follows from the faults and the permission of this moment, before any step of the sequence runs."""

from typing import TYPE_CHECKING

from agent.control.dc.machine import SESSION_STATES
from agent.control.dc.plausibility import battery_limits_violated
from agent.control.metering.meter import meter_findings
from agent.control.safety.permission import stop_reason

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def fill_situation(core: "ControlCore") -> None:
    """Tell the interlocks where the sequence stands."""
    situation, session, memory, state = core.situation, core.session, core.memory, core.state
    charging = state == "charging"
    situation.in_session = session is not None
    situation.record_durable = session is not None and core.backlog.acknowledged >= session.start_record
    situation.lock_required = session is not None and memory.lock_confirmed
    situation.vehicle_expected = state in SESSION_STATES and not memory.output_safe
    situation.before_insulation_test = state in ("plugged", "settled", "locked", "handshake") or (
        state == "insulation" and not memory.contactors_used
    )
    situation.discharged_side = state in ("idle", "plugged", "settled", "faulted", "stopping")
    situation.reconnect_cause = memory.lost_fault if state == "reconnecting" else None
    situation.clock_unset = core.wall_quality == "unset"
    situation.uplink_lost = core.uplink_state not in ("off", "connected")
    situation.current_envelope_a = core.envelope.highest_a(core.now_s)
    situation.voltage_ceiling_v = memory.voltage_ceiling_v
    situation.voltage_ceiling_since_s = memory.voltage_ceiling_since_s
    situation.current_expected_since_s = memory.current_expected_since_s if charging else None
    situation.vehicle_findings = memory.watch.findings(core.now_s) if charging else frozenset()
    situation.meter_findings = meter_findings(core)
    situation.grid_findings = frozenset() if core.power_quality is None else core.power_quality.findings
    situation.battery_limits_violated = charging and battery_limits_violated(core.charger.vehicle, core.parameters)


def react(core: "ControlCore") -> None:
    """End the session, or leave the readiness, as the faults in force and the permission say."""
    if core.session is None:
        if core.state in ("idle", "plugged", "settled") and core.blocking_faults():
            core.move("trip")
    else:
        _end_session_for_cause(core)
    if core.relays_wanted["contactors"] and not core.permission.energise:
        # Whatever took the permission away, even a cause whose debounce is not over: open, and end the session.
        core.halt(stop_reason(core.permission), immediate=True)
        core.output_off()


def _end_session_for_cause(core: "ControlCore") -> None:
    opening = [item.fault.id for item in core.active_faults if item.fault.action == "open"]
    if opening:
        core.halt(opening[0], immediate=True)
    session = core.session
    if session is None or not core.stoppable:
        return
    stopping = [item.fault.id for item in core.active_faults if item.fault.action == "stop"]
    if stopping:
        core.halt(stopping[0])
    elif core.situation.before_insulation_test and "outside_voltage_present" in core.blocking_faults():
        core.halt("outside_voltage_present")
    elif core.shutting_down:
        core.halt("shutdown")
    elif core.backlog.full:
        core.halt("recorder_lost")
    elif not session.reached_charging and core.now_s - session.started_at_s > core.parameters.start_time_limit_s:
        core.fail("start_timeout")
