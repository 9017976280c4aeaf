"""The signals of the process image: name, unit, age limit, dangerous direction, scope, whether it can be wired.

A value older than its age limit counts as absent. A new input is one row here; a profile demands it in ``[sensors]``.

The limits are the defaults of this project (no standard gives them); each is at least three poll
periods of the slowest driver that delivers the signal, so that one lost reply does not trip.
"""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["pile", "connector"]
"""``pile``: one reading for every connector of the pile; ``connector``: of that connector only."""

Danger = Literal["high", "low", "true", "false", "none"]
"""Which value counts as the worst: what a reading that cannot be trusted must be assumed to hide."""

Wired = Literal["contact", "analogue", "no"]
"""Whether a wiring may connect the signal to a channel of a board: to a discrete or to an analogue input."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One entry of the process image."""

    name: str
    unit: str
    age_limit_s: float
    danger: Danger
    scope: Scope = "connector"
    safety: bool = False
    """Without a fresh value nothing is energised."""
    start: bool = False
    """Without a fresh value no session starts."""
    wired: Wired = "no"


def _contact(name: str, age_limit_s: float, danger: Danger, scope: Scope = "connector") -> Signal:
    return Signal(name, "bool", age_limit_s, danger, scope, safety=True, start=True, wired="contact")


def _level(name: str, unit: str, age_limit_s: float, danger: Danger, *, safety: bool = True) -> Signal:
    return Signal(name, unit, age_limit_s, danger, safety=safety, start=True, wired="analogue")


def _start(name: str, unit: str, age_limit_s: float, danger: Danger, scope: Scope = "connector") -> Signal:
    return Signal(name, unit, age_limit_s, danger, scope, start=True)


_TABLE = (
    # Inputs of the pile, from the I/O board.
    _contact("emergency_stop_pressed", 0.6, "true", "pile"),
    _contact("door_open", 0.6, "true", "pile"),
    _contact("smoke_detected", 0.6, "true", "pile"),
    # Feedback and analogue inputs of the connector.
    _contact("contactor_k1_closed", 0.6, "true"),
    _contact("contactor_k2_closed", 0.6, "true"),
    _contact("lock_locked", 0.6, "false"),
    _level("cc1_voltage_v", "V", 0.8, "high"),
    _level("outside_voltage_v", "V", 0.8, "high"),
    _level("inside_voltage_v", "V", 0.8, "high"),
    _level("auxiliary_voltage_v", "V", 0.8, "low", safety=False),
    _level("connector_temperature_plus_c", "degC", 3.0, "high"),
    _level("connector_temperature_minus_c", "degC", 3.0, "high"),
    # DC meter. Energy is the register in Wh, an integer: billing truth.
    Signal("meter_voltage_v", "V", 3.0, "high"),
    Signal("meter_current_a", "A", 3.0, "high"),
    Signal("meter_power_w", "W", 3.0, "high"),
    _start("meter_energy_wh", "Wh", 3.0, "none"),
    # Insulation monitor.
    _start("insulation_plus_kohm", "kohm", 5.0, "low"),
    _start("insulation_minus_kohm", "kohm", 5.0, "low"),
    # Power stage.
    _start("module_voltage_v", "V", 1.5, "high"),
    _start("module_count", "1", 3.0, "low"),
    Signal("module_current_a", "A", 1.5, "high"),
    Signal("module_fault", "bool", 3.0, "true"),
    Signal("module_maximum_current_a", "A", 3.0, "high"),
    Signal("module_temperature_c", "degC", 5.0, "high"),
    # What charger and vehicle report to each other about the output, heard on the bus of a followed charger.
    # Both repeat it (CCS every 50 ms, BCS every 250 ms); no measurement of this agent.
    Signal("ccs_voltage_v", "V", 2.0, "high"),
    Signal("ccs_current_a", "A", 2.0, "high"),
    Signal("bcs_voltage_v", "V", 3.0, "high"),
    Signal("bcs_current_a", "A", 3.0, "high"),
    # Recorder (north process): true while it reports that the ledger takes records.
    _start("recorder_ready", "bool", 3.5, "false", "pile"),
)

SIGNALS: dict[str, Signal] = {signal.name: signal for signal in _TABLE}

PILE_SIGNALS = frozenset(name for name, signal in SIGNALS.items() if signal.scope == "pile")
"""Signals of which one reading goes to every connector."""

DISCRETE_INPUTS = tuple(name for name, signal in SIGNALS.items() if signal.wired == "contact")
"""Contacts that a wiring may have, those of the pile first."""
ANALOG_INPUTS = tuple(name for name, signal in SIGNALS.items() if signal.wired == "analogue")
"""Analogue inputs that a wiring may have."""
PILE_INPUTS = tuple(name for name in DISCRETE_INPUTS if name in PILE_SIGNALS)
"""Contacts of the pile: each is wired once and acts on every connector."""
