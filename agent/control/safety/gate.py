"""The last gate: the only way from what a step wants to what is commanded at the wires.

Three rules, whatever asks and whatever is wrong with it:

1. A contactor that is open is closed only with ``permission.close``.
2. A contactor that is closed stays closed only with ``permission.energise``.
3. The power modules have a set point only with ``permission.energise``.

``release`` is a pure function of what is asked, of the permission and of what is commanded now. Only this module makes
a ``Held`` (a test over the source keeps it so), and ``relays`` turns it into the names of the outputs.
"""

import msgspec

from agent.control.safety.permission import Permission

_NEVER_S = float("-inf")


class SetPoint(msgspec.Struct, frozen=True, gc=False):
    """What the power modules are ordered to deliver. Off with zeros is the stated safe value."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    on: bool = False


OFF = SetPoint()


class Asked(msgspec.Struct, kw_only=True, gc=False):
    """What is asked of the outputs; None leaves an output as it is commanded now."""

    contactors: bool | None = None
    auxiliary_supply: bool | None = None
    discharge: bool | None = None
    insulation_monitor: bool | None = None
    lock: bool | None = None
    set_point: SetPoint | None = None
    ceiling_v: float | None = None
    """Voltage above which the output is a fault; goes with a set point that is on."""


NOTHING = Asked()
"""Everything is left as it is, as far as it is still permitted."""


class Held(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is commanded, and since when. ``REST`` is the first: everything off."""

    contactors: bool = False
    contactors_since_s: float = 0.0
    """Since when the contactors are commanded as they are."""
    auxiliary_supply: bool = False
    auxiliary_since_s: float | None = None
    """Since when the auxiliary supply is on; None while it is off."""
    discharge: bool = False
    insulation_monitor: bool = False
    lock: bool | None = None
    """None until it is first commanded: after a restart the pins may be live, so it is left as it is."""
    set_point: SetPoint = OFF
    idle_since_s: float | None = None
    """Since when the power modules have no set point; None while they have one."""
    ceiling_v: float | None = None
    ceiling_since_s: float = _NEVER_S


def at_rest(now_s: float) -> Held:
    """Everything off since ``now_s``, the lock not yet commanded."""
    return Held(idle_since_s=now_s)


def release(asked: Asked, permission: Permission, held: Held, now_s: float) -> Held:
    """What is commanded from now on."""
    if asked is NOTHING and (permission.energise or not (held.contactors or held.set_point.on)):
        return held
    contactors = held.contactors if asked.contactors is None else asked.contactors
    if contactors and not (permission.energise if held.contactors else permission.energise and permission.close):
        contactors = False
    auxiliary = held.auxiliary_supply if asked.auxiliary_supply is None else asked.auxiliary_supply
    wanted = held.set_point if asked.set_point is None else asked.set_point
    on = wanted.on and permission.energise
    if on and asked.set_point is None:
        ceiling_v, ceiling_since_s = held.ceiling_v, held.ceiling_since_s
    elif on:
        ceiling_v = asked.ceiling_v
        ceiling_since_s = now_s if held.ceiling_v is None else held.ceiling_since_s
    else:
        ceiling_v, ceiling_since_s = None, held.ceiling_since_s
    return Held(
        contactors=contactors,
        contactors_since_s=held.contactors_since_s if contactors is held.contactors else now_s,
        auxiliary_supply=auxiliary,
        auxiliary_since_s=_since(auxiliary, held, now_s),
        discharge=held.discharge if asked.discharge is None else asked.discharge,
        insulation_monitor=held.insulation_monitor if asked.insulation_monitor is None else asked.insulation_monitor,
        lock=held.lock if asked.lock is None else asked.lock,
        set_point=wanted if on else OFF,
        idle_since_s=None if on else _idle_since(wanted, held, now_s),
        ceiling_v=ceiling_v,
        ceiling_since_s=ceiling_since_s,
    )


def _since(auxiliary: bool, held: Held, now_s: float) -> float | None:
    if auxiliary is held.auxiliary_supply:
        return held.auxiliary_since_s
    return now_s if auxiliary else None


def _idle_since(wanted: SetPoint, held: Held, now_s: float) -> float:
    """A set point that is refused counts as one: the modules may have seen it until now."""
    return now_s if wanted.on or held.idle_since_s is None else held.idle_since_s


def relays(held: Held, *, fault_lamp: bool) -> dict[str, bool]:
    """The relays by the names of the wiring. The lock is missing until it is first commanded."""
    names = {
        "contactor_k1": held.contactors,
        "contactor_k2": held.contactors,
        "auxiliary_supply": held.auxiliary_supply,
        "discharge": held.discharge,
        "insulation_monitor": held.insulation_monitor,
        "fan": held.set_point.on,
        "fault_lamp": fault_lamp,
    }
    if held.lock is not None:
        names["electronic_lock"] = held.lock
    return names
