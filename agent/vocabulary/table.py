"""Which body belongs to which kind, event and audit: the table that validation, JSON Schemas and docs/uplink.md use.

The running agent does not load it: types are checked by mypy, bodies by the tests and on the bench.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from agent.vocabulary import bodies, event_bodies, events, former, kinds, states


class Variant(NamedTuple):
    """One form of a body: the class, and the key and value that select it (empty: the only form, or the rest)."""

    body: Any
    key: str = ""
    value: str = ""


_FOLLOWED = ("role", states.ROLE_LISTENER)

EVENT_BODIES: Mapping[str, Any] = MappingProxyType(
    {
        events.BATTERY: event_bodies.Battery,
        events.INSULATION: event_bodies.Insulation,
        events.VEHICLE_STOP: event_bodies.VehicleStop,
        events.PAUSED: event_bodies.Paused,
        events.RESUMED: event_bodies.Resumed,
        events.VERSION_NEGOTIATION: event_bodies.VersionNegotiation,
        events.MESSAGE_REFUSED: event_bodies.MessageRefused,
        events.CONTACT_LOST: event_bodies.ContactLost,
        events.RECONNECT: event_bodies.Reconnect,
        events.CHARGER_LIMITS: event_bodies.ChargerLimits,
        events.PROTOCOL_VIOLATION: event_bodies.ProtocolViolation,
        events.STOP_ASKED: event_bodies.StopAsked,
        events.VEHICLE_FAULT_STATE: event_bodies.VehicleFaultState,
        events.VEHICLE_ATTEMPT: event_bodies.VehicleAttempt,
        events.VEHICLE_PAUSE: event_bodies.VehiclePause,
        events.VEHICLE_RESUME: event_bodies.VehicleResume,
        events.ENERGY_DISAGREES: event_bodies.EnergyDisagrees,
        events.REGISTER_LOWER: event_bodies.RegisterLower,
        events.REGISTER_JUMPED: event_bodies.RegisterJumped,
        events.REGISTER_ROLLED_OVER: event_bodies.RegisterRolledOver,
        events.REGISTER_RESUMED: event_bodies.RegisterResumed,
        events.POWER_BUDGET: event_bodies.PowerBudget,
        events.POWER_LIMIT_EXPIRED: event_bodies.PowerLimitExpired,
        events.POWER_GROUP: event_bodies.PowerGroup,
        events.INTERNAL_ERROR: event_bodies.InternalError,
        events.RECORDS_OMITTED: event_bodies.RecordsOmitted,
        events.RECORDS_MISSING: event_bodies.RecordsMissing,
        events.READINGS_DAMAGED: event_bodies.ReadingsDamaged,
    }
)
"""The body of each event."""

AUDIT_BODIES: Mapping[str, Any] = MappingProxyType(
    {
        kinds.METER_UNIT_PROVEN: event_bodies.MeterUnitProven,
        kinds.METER_EXCHANGED: event_bodies.MeterExchanged,
    }
)
"""The body of each audit."""

BODIES: Mapping[str, tuple[Variant, ...]] = MappingProxyType(
    {
        kinds.ALARM_RAISED: (Variant(bodies.AlarmRaised),),
        kinds.ALARM_CLEARED: (Variant(bodies.AlarmCleared),),
        kinds.SESSION_STARTED: (Variant(bodies.FollowedStarted, *_FOLLOWED), Variant(bodies.SessionStarted)),
        kinds.SESSION_VEHICLE: (Variant(bodies.SessionVehicle),),
        kinds.SESSION_PROGRESS: (Variant(bodies.SessionProgress),),
        kinds.SESSION_ENDED: (Variant(bodies.FollowedEnded, *_FOLLOWED), Variant(bodies.SessionEnded)),
        kinds.SESSION_SIGNED: (Variant(bodies.SessionSigned),),
        kinds.STATE: (Variant(bodies.State),),
        kinds.EVENT: tuple(Variant(body, "event", name) for name, body in EVENT_BODIES.items()),
        kinds.COMMAND: (Variant(bodies.CommandAnswered),),
        kinds.AUDIT: tuple(Variant(body, "audit", name) for name, body in AUDIT_BODIES.items()),
        kinds.REGISTER_SNAPSHOT: (Variant(bodies.RegisterSnapshot),),
        kinds.POWER_QUALITY: (Variant(bodies.PowerQuality),),
        kinds.POWER_QUALITY_EVENT: (Variant(bodies.PowerQualityEvent),),
        kinds.TELEMETRY: (Variant(bodies.Telemetry),),
    }
)
"""The forms of the body of each kind; the first that fits counts."""


def variant_of(kind: str, body: Mapping[str, Any]) -> Variant | None:
    """The form that a body must have; None for an unknown kind, event or audit."""
    for variant in BODIES.get(former.kind_of_today(kind), ()):
        if not variant.key or body.get(variant.key) == variant.value:
            return variant
    return None
