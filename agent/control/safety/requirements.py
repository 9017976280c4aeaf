"""What the rules and the permission must know of the pile: which inputs it has, its limits, its fault catalogue."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from agent.control.safety.numbers import SequenceNumbers
from agent.settings.catalogue import Fault
from agent.vocabulary.signals import SIGNALS

FULL_INPUTS = (
    *(name for name, signal in SIGNALS.items() if signal.safety),
    *(name for name, signal in SIGNALS.items() if signal.start and not signal.safety),
)
"""All inputs that a pile with every sensor has, safety inputs first. What a pile must have comes from its profile."""

MINIMUM_INPUTS = (
    "emergency_stop_pressed",
    "contactor_k1_closed",
    "contactor_k2_closed",
    "lock_locked",
    "cc1_voltage_v",
    "outside_voltage_v",
    "inside_voltage_v",
    "recorder_ready",
)
"""No profile can leave these out: without them neither the plug, nor the contactors, nor the record is known (own)."""


def checked_inputs(names: Iterable[str]) -> tuple[str, ...]:
    """The inputs of a profile in the order of ``FULL_INPUTS``.

    Raises ValueError for a name that is no such input, and if one of ``MINIMUM_INPUTS`` is missing. ``recorder_ready``
    is no sensor and always among them.
    """
    wanted = {*names, "recorder_ready"}
    unknown = sorted(wanted.difference(FULL_INPUTS))
    if unknown:
        raise ValueError(f"no such input: {', '.join(unknown)}; inputs are {', '.join(FULL_INPUTS)}")
    missing = [name for name in MINIMUM_INPUTS if name not in wanted]
    if missing:
        raise ValueError(f"the profile leaves out {', '.join(missing)}, which every pile must have; add them")
    return tuple(name for name in FULL_INPUTS if name in wanted)


def safety_inputs(inputs: Iterable[str]) -> tuple[str, ...]:
    """Those of ``inputs`` that need a fresh value before anything is energised."""
    return tuple(name for name in inputs if SIGNALS[name].safety)


class SafetyParameters(Protocol):
    """The part of a connector's parameters that the safety rules read."""

    @property
    def numbers(self) -> SequenceNumbers:
        """Limits of the DC sequence."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The fault catalogue by id."""

    @property
    def start_inputs(self) -> tuple[str, ...]:
        """Without a fresh value of each of these no session starts: all inputs that the pile has."""

    @property
    def safety_inputs(self) -> tuple[str, ...]:
        """Without a fresh value of each of these nothing is energised."""

    @property
    def start_up_grace_s(self) -> float:
        """A missing first reading counts as a fault only after this long."""

    @property
    def recorder_lost_stop_s(self) -> float:
        """How long a session may go on without a recorder."""

    @property
    def over_temperature_c(self) -> float:
        """Contact temperature that opens."""

    @property
    def temperature_derate_c(self) -> float:
        """Contact temperature from which the current is reduced."""
