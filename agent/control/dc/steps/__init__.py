"""The steps of the sequence: one function per state, called once per evaluation while the state lasts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agent.control.dc.steps import charging, idle, insulation, precharge, reconnecting, start, stopping

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

STEPS: Mapping[str, "Callable[[ControlCore], None]"] = {
    "idle": idle.idle,
    "plugged": idle.plugged,
    "settled": idle.settled,
    "faulted": idle.faulted,
    "locked": start.locked,
    "handshake": start.handshake,
    "insulation": insulation.insulation,
    "recognition": start.recognition,
    "parameters": start.parameters,
    "precharge": precharge.precharge,
    "charging": charging.charging,
    "reconnecting": reconnecting.reconnecting,
    "stopping": stopping.stopping,
}
