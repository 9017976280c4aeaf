"""What the rules and the permission must know of the pile: which inputs it has, its limits, its fault catalogue."""

from collections.abc import Mapping
from typing import Protocol

from agent.control.safety.numbers import SequenceNumbers
from agent.settings.catalogue import Fault

SAFETY_INPUTS = (
    "emergency_stop_pressed",
    "door_open",
    "smoke_detected",
    "contactor_k1_closed",
    "contactor_k2_closed",
    "lock_locked",
    "cc1_voltage_v",
    "outside_voltage_v",
    "inside_voltage_v",
    "connector_temperature_plus_c",
    "connector_temperature_minus_c",
)
"""Without a fresh value of each of these nothing is energised."""

START_INPUTS = (
    *SAFETY_INPUTS,
    "auxiliary_voltage_v",
    "meter_energy_wh",
    "insulation_plus_kohm",
    "insulation_minus_kohm",
    "module_voltage_v",
    "module_count",
    "recorder_ready",
)
"""Without a fresh value of each of these no session starts."""


class SafetyParameters(Protocol):
    """The part of a connector's parameters that the safety rules read."""

    @property
    def numbers(self) -> SequenceNumbers:
        """Limits of the DC sequence."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The fault catalogue by id."""

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
