"""Which messages of the vehicle count in which phase of the charger."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from drivers.bms.messages import MESSAGES, Message, Sender
from drivers.bms.phases import Phase
from drivers.bms.table_vehicle import FAULT, UNTRUSTED

_CHARGING_DATA = ("BCL", "BCS", "BSM", "BMV", "BMT", "BSP")

EXPECTED: Mapping[Phase, tuple[str, ...]] = MappingProxyType(
    {
        Phase.HANDSHAKE: ("BHM", "BEM"),
        Phase.RECOGNITION: ("BRM",),
        Phase.RECOGNISED: ("BCP", "BEM"),
        Phase.PARAMETERS: ("BRO", "BST", "BEM"),
        Phase.WAIT_READY: ("BRO", "BST", "BEM"),
        Phase.READY: (*_CHARGING_DATA, "BST", "BEM"),
        Phase.CHARGING: (*_CHARGING_DATA, "BST", "BEM"),
        Phase.STOPPING: ("BST", "BSD", "BEM"),
        Phase.ENDING: ("BSD", "BEM"),
        Phase.TIMED_OUT: ("BEM",),
    }
)
"""Messages taken in each phase.

After a time-out the vehicle may repeat BEM until it sees the new CRM, so the recognition does not listen to it; the
recognition's own time-out bounds the wait.
"""

TRAILING: Mapping[Phase, tuple[str, ...]] = MappingProxyType(
    {
        Phase.HANDSHAKE: (),
        Phase.RECOGNITION: ("BHM", "BEM"),
        Phase.RECOGNISED: ("BRM",),
        Phase.PARAMETERS: ("BCP",),
        Phase.WAIT_READY: ("BCP",),
        Phase.READY: ("BRO",),
        Phase.CHARGING: ("BRO",),
        Phase.STOPPING: _CHARGING_DATA,
        Phase.ENDING: (*_CHARGING_DATA, "BST"),
        Phase.TIMED_OUT: ("BHM", "BRM", "BCP", "BRO", *_CHARGING_DATA, "BST", "BSD"),
    }
)
"""Messages of the phase before that may still arrive; they are counted as late, without an event."""

VEHICLE_MESSAGES_BY_PGN: Mapping[int, Message] = MappingProxyType(
    {message.pgn: message for message in MESSAGES.values() if message.sender is Sender.VEHICLE}
)

TRANSFERRED_PGNS = frozenset(MESSAGES[name].pgn for name in ("BRM", "BCP", "BCS", "BMV", "BMT", "BSP"))
"""Messages of the vehicle that come as a multi-packet transfer."""

_LEVEL_STATES = ("cell_voltage_state", "soc_state")
_FAULT_STATES = ("over_current_state", "over_temperature_state", "insulation_state", "connector_state")


def faults_of(bsm: Mapping[str, Any]) -> dict[str, int]:
    """States of a BSM that end the charge: too high or too low, and faults; an untrusted fault state does not."""
    faults = {name: bsm[name] for name in _LEVEL_STATES if bsm[name] in (FAULT, UNTRUSTED)}
    faults.update({name: FAULT for name in _FAULT_STATES if bsm[name] == FAULT})
    return faults


def raised(values: Mapping[str, int | None]) -> list[str]:
    """Names of the two-bit fields that say "yes" (BST, BEM)."""
    return [name for name, state in values.items() if state == FAULT]
