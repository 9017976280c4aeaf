"""The kinds of records, the audits, and the streams in which records are numbered and sent.

A kind says what a record holds; its keys are the classes of ``agent.vocabulary.bodies``. What has been released
keeps its name: ledgers of five years and platforms read it.
"""

from typing import Final

# Streams, most urgent first.
STREAM_ALARM: Final = "alarm"
STREAM_SESSION: Final = "session"
STREAM_STATE: Final = "state"
STREAM_EVENT: Final = "event"
STREAM_TELEMETRY: Final = "tele"

STREAMS = (STREAM_ALARM, STREAM_SESSION, STREAM_STATE, STREAM_EVENT, STREAM_TELEMETRY)
"""All streams, most urgent first."""

# Kinds of records.
ALARM_RAISED: Final = "alarm_raised"
ALARM_CLEARED: Final = "alarm_cleared"
SESSION_STARTED: Final = "session_started"
SESSION_VEHICLE: Final = "session_vehicle"
SESSION_PROGRESS: Final = "session_progress"
SESSION_ENDED: Final = "session_ended"
SESSION_SIGNED: Final = "session_signed"
STATE: Final = "state"
EVENT: Final = "event"
COMMAND: Final = "command"
AUDIT: Final = "audit"
REGISTER_SNAPSHOT: Final = "register_frozen"
"""The register at a quarter of an hour. The name on file and wire is from the first release."""
POWER_QUALITY: Final = "power_quality"
POWER_QUALITY_EVENT: Final = "power_quality_event"
TELEMETRY: Final = "telemetry"

STREAM_OF: dict[str, str] = {
    ALARM_RAISED: STREAM_ALARM,
    ALARM_CLEARED: STREAM_ALARM,
    SESSION_STARTED: STREAM_SESSION,
    SESSION_VEHICLE: STREAM_SESSION,
    SESSION_PROGRESS: STREAM_SESSION,
    SESSION_ENDED: STREAM_SESSION,
    SESSION_SIGNED: STREAM_SESSION,
    STATE: STREAM_STATE,
    EVENT: STREAM_EVENT,
    COMMAND: STREAM_EVENT,
    AUDIT: STREAM_EVENT,
    REGISTER_SNAPSHOT: STREAM_EVENT,
    POWER_QUALITY: STREAM_EVENT,
    POWER_QUALITY_EVENT: STREAM_EVENT,
    TELEMETRY: STREAM_TELEMETRY,
}
"""The stream of each kind."""

KINDS = tuple(STREAM_OF)
"""All kinds of records."""


def stream_of(kind: str) -> str:
    """The stream of a kind; a kind that is not in the table (of a newer field process) is numbered with the events."""
    return STREAM_OF.get(kind, STREAM_EVENT)


# Audits: what a person did to the pile (key ``audit`` of an audit record).
METER_UNIT_PROVEN: Final = "meter_unit_proven"
METER_EXCHANGED: Final = "meter_exchanged"

AUDITS = (METER_UNIT_PROVEN, METER_EXCHANGED)
"""All audits."""
