"""The status snapshot of a pile that charges, for people and for tests: its pile part, and that of a connector."""

from typing import Any

from agent.control.dc.core import ControlCore
from agent.control.dc.machine import START_FROM_STATES
from agent.control.dc.parameters import ControlParameters
from agent.control.dc.vehicle import vehicle_values
from agent.vocabulary import states


def pile_status(parameters: ControlParameters) -> dict[str, Any]:
    """Who this is. ``parameters`` are those of any connector."""
    return {
        "pile_id": parameters.pile_id,
        "boot_id": parameters.boot_id,
        "version": parameters.version,
        "role": states.ROLE_CHARGER,
    }


def connector_status(core: ControlCore, now_s: float) -> dict[str, Any]:
    """What a core knows at ``now_s``, which may be later than its last step. Stale values are absent."""
    session = core.session
    point = core.point
    bill = session.billing.bill() if session is not None else None
    return {
        "connector": core.parameters.connector,
        "state": core.state,
        "state_since_s": round(now_s - point.memory.entered_at_s, 2),
        "sub_step": point.memory.sub_step,
        "session": None if session is None else session.id,
        "stop_reason": None if session is None else session.stop_reason,
        "faults": [
            {
                "id": item.fault.id,
                "level": item.fault.level,
                "action": item.fault.action,
                "since_s": round(now_s - item.since_s, 1),
                "latched": not item.present,
            }
            for item in core.active_faults
        ],
        "may_start": core.permission.start and session is None and core.state in START_FROM_STATES,
        "may_energise": core.permission.energise,
        "start_blockers": [reason.text for reason in core.permission.start_reasons],
        "energise_blockers": [reason.text for reason in core.permission.energise_reasons],
        "values": core.image.snapshot(now_s),
        "bms": vehicle_values(point.charger),
        "limit": {
            "voltage_v": round(point.limit.voltage_v, 1),
            "current_a": round(point.limit.current_a, 1),
            "power_w": round(point.limit.power_w),
            "by": point.limit.by,
        },
        "setpoint": {
            "voltage_v": round(point.held.set_point.voltage_v, 1),
            "current_a": round(point.held.set_point.current_a, 1),
            "on": point.held.set_point.on,
        },
        "energy_wh": None if bill is None else bill.energy_wh,
        "amount_e4": None if bill is None else bill.amount_e4,
        "duration_s": None if session is None else session.duration_s(now_s),
        "rate": None if session is None else session.billing.rate,
        "vehicle_protocol": point.charger.status(),
    }
