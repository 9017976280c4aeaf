"""No session: waiting for a plug, for a start, or for a fault to go."""

from typing import TYPE_CHECKING

from agent.control.safety.rules import is_plugged

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

_PLUG_STABLE_S = 0.2
"""CC1 must stand this long (own; the contact bounces while it slides in)."""


def _rest(core: "ControlCore") -> None:
    """Everything off. The lock opens only on a fresh reading below 60 V."""
    core.want_contactors(False)
    core.want_auxiliary(False)
    core.relays_wanted["insulation_monitor"] = False
    core.no_demand()
    outside_v = core.image.value("outside_voltage_v", core.now_s)
    limit_v = core.parameters.numbers.safe_voltage_v
    if outside_v is not None and outside_v < limit_v:
        core.relays_wanted["electronic_lock"] = False
    core.relays_wanted["discharge"] = _bleeds(core, outside_v)


def _bleeds(core: "ControlCore", outside_v: float | None) -> bool:
    """Whether voltage that a process left behind, which died or saw nothing, is to be bled off the output.

    As long as at the end of a session and no longer: what stands then comes from a vehicle that has not opened.
    """
    memory, now_s = core.memory, core.now_s
    if outside_v is None:
        return False
    if outside_v <= core.parameters.numbers.outside_voltage_before_test_v:
        memory.bleeding_since_s = None
        return False
    if memory.bleeding_since_s is None:
        memory.bleeding_since_s = now_s
    return now_s - memory.bleeding_since_s <= core.parameters.times.discharge_s


def idle(core: "ControlCore") -> None:
    """Nothing is plugged in."""
    _rest(core)
    if is_plugged(core.image, core.now_s, core.parameters) is not True:
        core.memory.go("", core.now_s)
    elif core.now_s - core.memory.stage_since_s >= _PLUG_STABLE_S:
        core.move("plug")


def plugged(core: "ControlCore") -> None:
    """A vehicle is plugged in, no session has run yet."""
    _rest(core)
    if is_plugged(core.image, core.now_s, core.parameters) is False:
        core.move("unplug")


def settled(core: "ControlCore") -> None:
    """The session is over, the vehicle is still plugged in."""
    plugged(core)


def faulted(core: "ControlCore") -> None:
    """A fault refuses every start. Leaves by itself when the fault's clear rule is met."""
    _rest(core)
    if core.blocking_faults():
        return
    if is_plugged(core.image, core.now_s, core.parameters) is True:
        core.move("restore_plugged")
    else:
        core.move("restore_idle")
