"""Which messages of the vehicle count in which phase of the charger."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.gbt27930.charger.phases import Phase
from drivers.gbt27930.messages.table import CODECS, MESSAGES, Message, MessageError, Sender
from drivers.gbt27930.messages.table_vehicle import FAULT

_CHARGING_DATA = tuple(message.name for message in MESSAGES.values() if message.charging_data)

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

TRANSFERRED_PGNS = frozenset(pgn for pgn, message in VEHICLE_MESSAGES_BY_PGN.items() if message.multi_packet)
"""Messages of the vehicle that come as a multi-packet transfer."""

VERSION_NEGOTIATION_PGN = 0x3900
"""GB/T 27930.2-2024: the vehicle's offer of a protocol version."""

PGNS_OF_2024 = frozenset({0x3400, 0x3500, 0x3600, 0x3700, VERSION_NEGOTIATION_PGN})
"""GB/T 27930.2-2024: long, short (with and without confirmation), control and version messages of the vehicle."""

PROTOCOL_2011 = "1.0"
"""Version in the BRM of a vehicle of the 2011 edition (00 01 00), which knows neither CHM nor BHM."""


def offered_version(payload: bytes) -> str | None:
    """Version "major.minor.patch" in a version frame of GB/T 27930.2-2024; None if it is too short for one."""
    return ".".join(str(byte) for byte in payload[2:5]) if len(payload) >= 5 else None


def speaks_2011(brm: bytes) -> bool:
    """Whether a BRM comes from a vehicle of the 2011 edition."""
    try:
        return bool(CODECS["BRM"].decode(brm)["version"] == PROTOCOL_2011)
    except MessageError:
        return False


def raised(values: Mapping[str, int | None]) -> list[str]:
    """Names of the two-bit fields with the value "yes" (BST, BEM)."""
    return [name for name, state in values.items() if state == FAULT]
