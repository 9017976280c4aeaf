"""The status snapshot of a pile that only listens, with the keys of a charging pile where they mean the same."""

from typing import Any

from agent.control.listener.core import ListenerCore
from agent.control.listener.parameters import ListenerParameters
from agent.control.listener.recording import vehicle_values
from agent.vocabulary import reasons, states


def pile_status(parameters: ListenerParameters) -> dict[str, Any]:
    """Who this is. ``parameters`` are those of any connector."""
    return {
        "pile_id": parameters.pile_id,
        "boot_id": parameters.boot_id,
        "version": parameters.version,
        "role": states.ROLE_LISTENER,
    }


def connector_status(core: ListenerCore, now_s: float) -> dict[str, Any]:
    """What a core knows at ``now_s``, which may be later than its last step. Stale values are absent."""
    session, point = core.session, core.point
    bill = None if session is None or session.billing is None else session.billing.bill()
    return {
        "connector": core.parameters.connector,
        "state": core.state,
        "state_since_s": round(now_s - point.state_since_s, 2),
        "stage": point.observer.stage.value,
        "session": None if session is None else session.id,
        "stop_reason": None if session is None else session.stop_reason,
        "faults": [
            {
                "id": item.fault.id,
                "level": item.fault.level,
                "action": "log",
                "since_s": round(now_s - item.since_s, 1),
                "latched": not item.present,
            }
            for item in core.active_faults
        ],
        "may_start": False,
        "may_energise": False,
        "start_blockers": [reasons.LISTENER_ONLY],
        "energise_blockers": [reasons.LISTENER_ONLY],
        "values": core.image.snapshot(now_s),
        "bms": vehicle_values(point),
        "energy_wh": None if session is None else session.energy_wh,
        "energy_source": None if session is None else session.energy_source,
        "amount_e4": None if bill is None else bill.amount_e4,
        "duration_s": None if session is None else session.duration_s(now_s),
        "rate": None if session is None or session.billing is None else session.billing.rate,
        "violations": 0 if session is None else session.observed.violations,
    }
