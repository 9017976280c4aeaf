"""Which body belongs to which kind, event and audit: the table that validation, JSON Schemas and docs/uplink.md use.

The running agent does not load it: types are checked by mypy, bodies by the tests and on the bench.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_args, get_type_hints, is_typeddict

from agent.vocabulary import bodies, event_bodies, former, kinds, states


class Variant(NamedTuple):
    """One form of a body: the class, and the key and value that select it (empty: the only form, or the rest)."""

    body: Any
    key: str = ""
    value: str = ""


def _bodies_with(key: str) -> dict[str, Any]:
    """The classes of ``event_bodies`` by the one value that their ``key`` may have."""
    found: dict[str, Any] = {}
    for body in vars(event_bodies).values():
        if is_typeddict(body) and key in body.__annotations__:
            (name,) = get_args(get_type_hints(body)[key])
            found[name] = body
    return found


_FOLLOWED = ("role", states.ROLE_LISTENER)

EVENT_BODIES: Mapping[str, Any] = MappingProxyType(_bodies_with("event"))
"""The body of each event."""

AUDIT_BODIES: Mapping[str, Any] = MappingProxyType(_bodies_with("audit"))
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
