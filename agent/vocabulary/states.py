"""States of a connector, roles of a connector, quality of the clock: words of records, status and messages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers.text import Text

IDLE: Final = "idle"
PLUGGED: Final = "plugged"
LOCKED: Final = "locked"
HANDSHAKE: Final = "handshake"
INSULATION: Final = "insulation"
RECOGNITION: Final = "recognition"
PARAMETERS: Final = "parameters"
PRECHARGE: Final = "precharge"
CHARGING: Final = "charging"
RECONNECTING: Final = "reconnecting"
STOPPING: Final = "stopping"
SETTLED: Final = "settled"
FAULTED: Final = "faulted"

STATES: Mapping[str, Text] = MappingProxyType(
    {
        IDLE: Text("空闲", "idle"),
        PLUGGED: Text("已插枪", "plugged in"),
        LOCKED: Text("已锁枪", "locked"),
        HANDSHAKE: Text("握手", "handshake"),
        INSULATION: Text("绝缘检测", "insulation test"),
        RECOGNITION: Text("辨识", "recognition"),
        PARAMETERS: Text("参数配置", "parameters"),
        PRECHARGE: Text("预充", "precharge"),
        CHARGING: Text("充电中", "charging"),
        RECONNECTING: Text("重新握手准备", "reconnecting"),
        STOPPING: Text("停机中", "stopping"),
        SETTLED: Text("已结算", "settled"),
        FAULTED: Text("故障", "faulted"),
    }
)
"""States of a connector, in the order of a charge."""

ROLE_CHARGER: Final = "charger"
ROLE_LISTENER: Final = "monitor"
"""A connector that only follows another maker's charger. The name on file and wire is from the first release."""

CLOCK_SYNCED: Final = "synced"
CLOCK_HOLDOVER: Final = "holdover"
CLOCK_UNSET: Final = "unset"

CLOCK_QUALITIES: Mapping[str, Text] = MappingProxyType(
    {
        CLOCK_UNSET: Text("未校准", "never set"),
        CLOCK_HOLDOVER: Text("曾校准,现无时间源", "set before, no time source now"),
        CLOCK_SYNCED: Text("已同步", "synchronised"),
    }
)
"""Quality of the wall clock, the worst first."""

OLDEST_CREDIBLE_WALL_MS: Final = 1_704_067_200_000
"""1 January 2024, UTC milliseconds: a clock before this was never set (own)."""

ENERGY_FROM_METER: Final = "meter"
ENERGY_FROM_VEHICLE_BUS: Final = "vehicle_bus"
