"""The events: values of the key ``event`` of an ``event`` record. Their keys are in ``agent.vocabulary.bodies``."""

from typing import Final

# The vehicle and the dialogue with it.
BATTERY: Final = "battery"
INSULATION: Final = "insulation"
VEHICLE_STOP: Final = "vehicle_stop"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
VERSION_NEGOTIATION: Final = "version_negotiation"
MESSAGE_REFUSED: Final = "message_refused"
CONTACT_LOST: Final = "contact_lost"
RECONNECT: Final = "reconnect"

# Of a charge that is only followed.
CHARGER_LIMITS: Final = "charger_limits"
PROTOCOL_VIOLATION: Final = "protocol_violation"
STOP_ASKED: Final = "stop_asked"
VEHICLE_FAULT_STATE: Final = "vehicle_fault"
VEHICLE_ATTEMPT: Final = "vehicle_attempt"
VEHICLE_PAUSE: Final = "vehicle_pause"
VEHICLE_RESUME: Final = "vehicle_resume"
ENERGY_DISAGREES: Final = "energy_disagrees"

# The register of the billing meter.
REGISTER_LOWER: Final = "register_lower"
REGISTER_JUMPED: Final = "register_jumped"
REGISTER_ROLLED_OVER: Final = "register_rolled_over"
REGISTER_RESUMED: Final = "register_resumed"

# The program and the record.
INTERNAL_ERROR: Final = "internal_error"
RECORDS_OMITTED: Final = "records_omitted"
RECORDS_MISSING: Final = "records_missing"
READINGS_DAMAGED: Final = "readings_damaged"

EVENTS = (
    BATTERY,
    INSULATION,
    VEHICLE_STOP,
    PAUSED,
    RESUMED,
    VERSION_NEGOTIATION,
    MESSAGE_REFUSED,
    CONTACT_LOST,
    RECONNECT,
    CHARGER_LIMITS,
    PROTOCOL_VIOLATION,
    STOP_ASKED,
    VEHICLE_FAULT_STATE,
    VEHICLE_ATTEMPT,
    VEHICLE_PAUSE,
    VEHICLE_RESUME,
    ENERGY_DISAGREES,
    REGISTER_LOWER,
    REGISTER_JUMPED,
    REGISTER_ROLLED_OVER,
    REGISTER_RESUMED,
    INTERNAL_ERROR,
    RECORDS_OMITTED,
    RECORDS_MISSING,
    READINGS_DAMAGED,
)
"""All events."""
