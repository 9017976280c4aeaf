"""A broken dialogue with the vehicle: whether it may begin anew, or whether its fault ends the session."""

from typing import TYPE_CHECKING

from agent.control.dc.machine import RECONNECT_FROM_STATES
from drivers.gbt27930.charger.phases import Event
from drivers.gbt27930.charger.timers import LONGEST_RECONNECTS

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def lose_contact(core: "ControlCore", fault_id: str, event: Event) -> None:
    """A message is missing on one side: prepare a new handshake if one is open, else ``fault_id`` ends the session."""
    if core.state == "reconnecting":
        # The other side notices too, as it must: nothing new.
        return
    session = core.session
    core.memory.lost_at_s = core.now_s
    if session is None or not _open(core):
        core.fail(fault_id)
        return
    core.memory.lost_fault = fault_id
    core.record(
        "event",
        {
            "event": "contact_lost",
            "cause": fault_id,
            "reconnects_left": LONGEST_RECONNECTS - core.reconnects_since_plug,
            "detail": dict(event.detail),
        },
    )
    core.move("lose_contact")


def _open(core: "ControlCore") -> bool:
    return (
        core.state in RECONNECT_FROM_STATES
        and not core.shutting_down
        and core.reconnects_since_plug < LONGEST_RECONNECTS
        and core.charger.may_reconnect
    )
