"""The events: values of the key ``event`` of an ``event`` record. Keys: ``agent.vocabulary.event_bodies``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from drivers.text import Text

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

# Power shared by several connectors.
POWER_BUDGET: Final = "power_budget"
POWER_LIMIT_EXPIRED: Final = "power_limit_expired"
POWER_GROUP: Final = "power_group"

# The program and the record.
INTERNAL_ERROR: Final = "internal_error"
RECORDS_OMITTED: Final = "records_omitted"
RECORDS_MISSING: Final = "records_missing"
READINGS_DAMAGED: Final = "readings_damaged"

EVENTS: Mapping[str, Text] = MappingProxyType(
    {
        BATTERY: Text("电池参数", "battery"),
        INSULATION: Text("绝缘测量", "insulation measured"),
        VEHICLE_STOP: Text("车辆请求停止", "the vehicle asks to stop"),
        PAUSED: Text("车辆请求暂停", "the vehicle asks for a pause"),
        RESUMED: Text("车辆恢复充电", "the vehicle goes on"),
        VERSION_NEGOTIATION: Text(
            "车辆提议新版协议,按 2015 流程继续", "the vehicle offers a newer protocol, going on as 2015"
        ),
        MESSAGE_REFUSED: Text("报文不合规,未采用", "unusable message"),
        CONTACT_LOST: Text("通信中断,准备重新握手", "contact lost, preparing a new handshake"),
        RECONNECT: Text("重新握手", "new handshake"),
        CHARGER_LIMITS: Text("充电机输出能力", "charger limits"),
        PROTOCOL_VIOLATION: Text("规约违例", "protocol violation"),
        STOP_ASKED: Text("停止报文", "stop message"),
        VEHICLE_FAULT_STATE: Text("车辆报告故障状态", "the vehicle reports a fault state"),
        VEHICLE_ATTEMPT: Text("重新连接", "attempt to connect"),
        VEHICLE_PAUSE: Text("车辆请求暂停", "the vehicle asks for a pause"),
        VEHICLE_RESUME: Text("车辆恢复充电", "the vehicle ends the pause"),
        ENERGY_DISAGREES: Text("电量不一致", "energy disagrees"),
        REGISTER_LOWER: Text("电表读数变小(换表?)", "the meter register is lower than before (meter exchanged?)"),
        REGISTER_JUMPED: Text("电表读数跳变", "the meter register jumped"),
        REGISTER_ROLLED_OVER: Text("电表读数翻转", "the meter register rolled over"),
        REGISTER_RESUMED: Text("电表读数恢复正常", "the meter register is plausible again"),
        POWER_BUDGET: Text("功率预算变化", "the power budget changed"),
        POWER_LIMIT_EXPIRED: Text("功率限值指令到期", "a power limit by command has expired"),
        POWER_GROUP: Text("模块组切换", "a group of modules moved"),
        INTERNAL_ERROR: Text("程序内部错误,输出已断开", "program error, outputs opened"),
        RECORDS_OMITTED: Text("记录暂缺,仅计数", "records left out while the recorder was away"),
        RECORDS_MISSING: Text("记录缺失", "records are missing"),
        READINGS_DAMAGED: Text("读数文件损坏,已另存", "the readings file was damaged and moved aside"),
    }
)
"""All events, with their meaning."""
