"""The kinds of records, the audits, and the streams in which records are numbered and sent.

The kind distinguishes records; the keys of each are the classes of ``agent.vocabulary.bodies``. What has been released
keeps its name: ledgers of five years and platforms read it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from drivers.text import Text

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
REGISTER_SNAPSHOT: Final = "register_snapshot"
"""The register at a quarter of an hour; formerly ``register_frozen`` (``agent.vocabulary.former``)."""
POWER_QUALITY: Final = "power_quality"
POWER_QUALITY_EVENT: Final = "power_quality_event"
TELEMETRY: Final = "telemetry"


class Kind(NamedTuple):
    """Stream, meaning and first version of a kind."""

    stream: str
    text: Text
    since: str = "0.1.0"
    """Version of the agent that brought it."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        ALARM_RAISED: Kind(STREAM_ALARM, Text("故障", "fault")),
        ALARM_CLEARED: Kind(STREAM_ALARM, Text("故障恢复", "cleared")),
        SESSION_STARTED: Kind(STREAM_SESSION, Text("充电开始,已落盘", "session started, durable")),
        SESSION_VEHICLE: Kind(STREAM_SESSION, Text("车辆", "vehicle")),
        SESSION_PROGRESS: Kind(STREAM_SESSION, Text("充电进程", "progress")),
        SESSION_ENDED: Kind(STREAM_SESSION, Text("充电结束", "session ended")),
        SESSION_SIGNED: Kind(STREAM_SESSION, Text("充电记录已签名", "session signed")),
        STATE: Kind(STREAM_STATE, Text("状态", "state")),
        EVENT: Kind(STREAM_EVENT, Text("事件", "event")),
        COMMAND: Kind(STREAM_EVENT, Text("命令", "command")),
        AUDIT: Kind(STREAM_EVENT, Text("现场操作", "work at the pile")),
        REGISTER_SNAPSHOT: Kind(STREAM_EVENT, Text("刻钟示数", "register at the quarter of an hour")),
        POWER_QUALITY: Kind(STREAM_EVENT, Text("电能质量(10 分钟)", "power quality, ten minutes")),
        POWER_QUALITY_EVENT: Kind(STREAM_EVENT, Text("电压暂降、暂升、中断", "voltage sag, swell or interruption")),
        TELEMETRY: Kind(STREAM_TELEMETRY, Text("遥测", "telemetry")),
    }
)
"""All kinds of records, with stream and meaning."""


def stream_of(kind: str) -> str:
    """The stream of a kind; a kind that is not in the table (of a newer field process) is numbered with the events."""
    known = KINDS.get(kind)
    return STREAM_EVENT if known is None else known.stream


# Audits: what a person did to the pile (key ``audit`` of an audit record).
METER_UNIT_PROVEN: Final = "meter_unit_proven"
METER_EXCHANGED: Final = "meter_exchanged"

AUDITS: Mapping[str, Text] = MappingProxyType(
    {
        METER_UNIT_PROVEN: Text("电表单位已核实", "unit of the meter proven"),
        METER_EXCHANGED: Text("更换电表", "meter exchanged"),
    }
)
"""All audits."""
