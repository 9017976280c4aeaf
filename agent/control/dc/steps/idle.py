"""No session: waiting for a plug, for a start, or for a fault to go."""

from agent.control.dc.view import Value, View
from agent.control.dc.wants import Wants

_PLUG_STABLE_S = 0.2
"""CC1 must show a plug this long (own; the contact bounces while it slides in)."""


def _rest(view: View) -> Wants:
    """Everything off. The lock opens only on a fresh reading below 60 V."""
    wants = view.wants()
    wants.contactors = wants.auxiliary_supply = wants.insulation_monitor = False
    wants.no_set_point()
    outside_v = view.value("outside_voltage_v")
    limit_v = view.parameters.numbers.safe_voltage_v
    if outside_v is not None and outside_v < limit_v:
        wants.lock = False
    wants.discharge = _bleeds(view, wants, outside_v)
    return wants


def _bleeds(view: View, wants: Wants, outside_v: Value | None) -> bool:
    """Whether voltage that a process left behind, which died or saw nothing, is to be bled off the output.

    As long as at the end of a session and no longer: what is there then comes from a vehicle that has not opened.
    """
    memory = wants.memory
    if outside_v is None:
        return False
    if outside_v <= view.parameters.numbers.outside_voltage_before_test_v:
        memory.bleeding_since_s = None
        return False
    if memory.bleeding_since_s is None:
        memory.bleeding_since_s = view.now_s
    return view.now_s - memory.bleeding_since_s <= view.parameters.times.discharge_s


def idle(view: View) -> Wants:
    """Nothing is plugged in."""
    wants = _rest(view)
    if view.plugged is not True:
        wants.memory.go("", view.now_s)
    elif view.now_s - wants.memory.sub_step_since_s >= _PLUG_STABLE_S:
        wants.move = "plug"
    return wants


def plugged(view: View) -> Wants:
    """A vehicle is plugged in, no session has run yet."""
    wants = _rest(view)
    if view.plugged is False:
        wants.move = "unplug"
    return wants


def settled(view: View) -> Wants:
    """The session is over, the vehicle is still plugged in."""
    return plugged(view)


def faulted(view: View) -> Wants:
    """A fault refuses every start. Leaves by itself when the fault's clear rule is met."""
    wants = _rest(view)
    if not view.blocked:
        wants.move = "restore_plugged" if view.plugged is True else "restore_idle"
    return wants
