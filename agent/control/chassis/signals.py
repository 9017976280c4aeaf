"""The signals of the process image: name, unit, and the age past which a value counts as absent.

The limits are the defaults of this project (no standard gives them); each is at least three poll
periods of the slowest driver that delivers the signal, so that one lost reply does not trip.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One entry of the process image."""

    name: str
    unit: str
    age_limit_s: float


_TABLE = (
    # Inputs of the pile, from the I/O board.
    Signal("emergency_stop_pressed", "bool", 0.6),
    Signal("door_open", "bool", 0.6),
    Signal("smoke_detected", "bool", 0.6),
    # Feedback and analogue inputs of the connector.
    Signal("contactor_k1_closed", "bool", 0.6),
    Signal("contactor_k2_closed", "bool", 0.6),
    Signal("lock_locked", "bool", 0.6),
    Signal("cc1_voltage_v", "V", 0.8),
    Signal("outside_voltage_v", "V", 0.8),
    Signal("inside_voltage_v", "V", 0.8),
    Signal("auxiliary_voltage_v", "V", 0.8),
    Signal("connector_temperature_plus_c", "degC", 3.0),
    Signal("connector_temperature_minus_c", "degC", 3.0),
    # DC meter. Energy is the register in Wh, an integer: billing truth.
    Signal("meter_voltage_v", "V", 3.0),
    Signal("meter_current_a", "A", 3.0),
    Signal("meter_power_w", "W", 3.0),
    Signal("meter_energy_wh", "Wh", 3.0),
    # Insulation monitor.
    Signal("insulation_plus_kohm", "kohm", 5.0),
    Signal("insulation_minus_kohm", "kohm", 5.0),
    # Power stage.
    Signal("module_count", "1", 3.0),
    Signal("module_voltage_v", "V", 1.5),
    Signal("module_current_a", "A", 1.5),
    Signal("module_fault", "bool", 3.0),
    Signal("module_maximum_current_a", "A", 3.0),
    Signal("module_temperature_c", "degC", 5.0),
    # What charger and vehicle tell each other about the output, heard on the bus of a charger that is only followed.
    # Both repeat it (CCS every 50 ms, BCS every 250 ms); no measurement of this agent.
    Signal("ccs_voltage_v", "V", 2.0),
    Signal("ccs_current_a", "A", 2.0),
    Signal("bcs_voltage_v", "V", 3.0),
    Signal("bcs_current_a", "A", 3.0),
    # Recorder (north process): true while it reports that the ledger takes records.
    Signal("recorder_ready", "bool", 3.5),
)

SIGNALS: dict[str, Signal] = {signal.name: signal for signal in _TABLE}
