"""The words of the BMS decoder, in Chinese and English."""

import re
from collections.abc import Mapping

from drivers.gbt27930.messages.table import MESSAGES as TABLE
from drivers.gbt27930.observer.observer import RULES
from drivers.text import Language, Text

STAGES: Mapping[str, Text] = {
    "idle": Text("空闲", "idle"),
    "handshake": Text("握手", "handshake"),
    "insulation": Text("绝缘检测", "insulation test"),
    "recognition": Text("辨识（CRM-00）", "recognition (CRM 00)"),
    "recognised": Text("已辨识（CRM-AA）", "recognised (CRM AA)"),
    "parameters": Text("参数配置", "parameters"),
    "wait ready": Text("充电机准备（CRO-00）", "charger prepares (CRO 00)"),
    "ready": Text("充电机就绪（CRO-AA）", "charger ready (CRO AA)"),
    "charging": Text("充电", "charging"),
    "stopping": Text("停止（CST/BST）", "stopping (CST, BST)"),
    "ending": Text("统计（CSD）", "statistics (CSD)"),
    "timed out": Text("超时（CEM/BEM）", "timed out (CEM, BEM)"),
    "ended": Text("结束", "ended"),
}

OUTCOMES: Mapping[str, Text] = {
    "running": Text("进行中", "in progress"),
    "complete": Text("正常结束", "complete"),
    "stopped without statistics": Text("已停止但无统计报文", "stopped without statistics"),
    "timed out": Text("超时结束", "ended by a time-out"),
    "broken off": Text("中断", "interrupted"),
    "cut off": Text("录制到此为止", "cut off by the end of the recording"),
}

SIDES: Mapping[str, Text] = {"charger": Text("充电机", "charger"), "vehicle": Text("车辆", "vehicle")}

BATTERY_TYPES: Mapping[str, Text] = {
    "lead acid": Text("铅酸", "lead acid"),
    "nickel metal hydride": Text("镍氢", "nickel metal hydride"),
    "lithium iron phosphate": Text("磷酸铁锂", "lithium iron phosphate"),
    "lithium manganese oxide": Text("锰酸锂", "lithium manganese oxide"),
    "lithium cobalt oxide": Text("钴酸锂", "lithium cobalt oxide"),
    "ternary": Text("三元", "ternary"),
    "lithium polymer": Text("聚合物锂离子", "lithium polymer"),
    "lithium titanate": Text("钛酸锂", "lithium titanate"),
    "other": Text("其他", "other"),
}

REASONS: Mapping[str, Text] = {
    "soc_target_reached": Text("达到目标SOC", "SoC target reached"),
    "voltage_target_reached": Text("达到总电压设定值", "voltage target reached"),
    "cell_voltage_target_reached": Text("达到单体电压设定值", "cell voltage target reached"),
    "stopped_by_charger": Text("充电机主动中止", "stopped by the charger"),
    "insulation_fault": Text("绝缘故障", "insulation fault"),
    "output_connector_over_temperature": Text("输出连接器过温", "output connector too hot"),
    "bms_over_temperature": Text("BMS元件或输出连接器过温", "BMS component or connector too hot"),
    "charging_connector_fault": Text("充电连接器故障", "charging connector fault"),
    "battery_over_temperature": Text("电池组温度过高", "battery too hot"),
    "high_voltage_relay_fault": Text("高压继电器故障", "high-voltage relay fault"),
    "detection_point_2_fault": Text("检测点2电压故障", "fault at detection point 2"),
    "other_fault": Text("其他故障", "other fault"),
    "over_current": Text("电流过大", "current too high"),
    "voltage_abnormal": Text("电压异常", "voltage abnormal"),
    "parameter_mismatch": Text("充电参数不匹配", "parameter mismatch"),
    "condition_reached": Text("达到充电机设定条件", "set condition reached"),
    "manual_stop": Text("人工中止", "stopped by hand"),
    "fault_stop": Text("故障中止", "stopped by a fault"),
    "stopped_by_vehicle": Text("BMS主动中止", "stopped by the vehicle"),
    "charger_over_temperature": Text("充电机过温", "charger too hot"),
    "connector_fault": Text("充电连接器故障", "connector fault"),
    "internal_over_temperature": Text("充电机内部过温", "charger internal over-temperature"),
    "energy_transfer_impossible": Text("所需电量不能传送", "energy cannot be transferred"),
    "emergency_stop": Text("急停", "emergency stop"),
    "self_test_fault": Text("自检故障", "self-test fault"),
    "precharge_fault": Text("预充故障", "precharge fault"),
    "current_mismatch": Text("电流不匹配", "current mismatch"),
    "brm_timeout": Text("接收BRM超时", "no BRM"),
    "bcp_timeout": Text("接收BCP超时", "no BCP"),
    "bro_timeout": Text("接收BRO超时", "no BRO"),
    "bcs_timeout": Text("接收BCS超时", "no BCS"),
    "bcl_timeout": Text("接收BCL超时", "no BCL"),
    "bst_timeout": Text("接收BST超时", "no BST"),
    "bsd_timeout": Text("接收BSD超时", "no BSD"),
    "bsm_timeout": Text("接收BSM超时", "no BSM"),
    "crm_not_recognised_timeout": Text("接收CRM-00超时", "no CRM 00"),
    "crm_recognised_timeout": Text("接收CRM-AA超时", "no CRM AA"),
    "cts_cml_timeout": Text("接收CTS和CML超时", "no CTS and CML"),
    "cro_timeout": Text("接收CRO-AA超时", "no CRO AA"),
    "ccs_timeout": Text("接收CCS超时", "no CCS"),
    "cst_timeout": Text("接收CST超时", "no CST"),
    "csd_timeout": Text("接收CSD超时", "no CSD"),
    "cell_voltage_state": Text("单体电压", "cell voltage"),
    "soc_state": Text("SOC", "SoC"),
    "over_current_state": Text("充电过流", "overcurrent"),
    "over_temperature_state": Text("温度过高", "over-temperature"),
    "insulation_state": Text("绝缘", "insulation"),
    "connector_state": Text("输出连接器", "output connector"),
    "permitted": Text("允许", "permitted"),
    "pause": Text("暂停", "pause"),
}
"""The two-bit fields of BST, CST, BEM, CEM and BSM, and the permission in CCS."""

MESSAGES: Mapping[str, Text] = {
    **{name: Text(message.zh, message.en) for name, message in TABLE.items()},
    # Shorter than the titles of the table, for narrow columns.
    "CHM": Text("充电机握手", "charger handshake"),
    "BHM": Text("车辆握手", "vehicle handshake"),
    "CRM": Text("充电机辨识", "charger recognition"),
    "BRM": Text("BMS和车辆辨识", "vehicle identification"),
    "BCP": Text("动力蓄电池充电参数", "battery charging parameters"),
    "CTS": Text("充电机发送时间同步信息", "time synchronisation"),
    "CML": Text("充电机最大输出能力", "charger limits"),
    "BRO": Text("车辆充电准备就绪状态", "vehicle ready"),
    "CRO": Text("充电机输出准备就绪状态", "charger ready"),
    "BCL": Text("电池充电需求", "demand"),
    "BCS": Text("电池充电总状态", "battery status"),
    "CCS": Text("充电机充电状态", "charger status"),
    "BSM": Text("动力蓄电池状态信息", "battery states"),
    "BMV": Text("单体动力蓄电池电压", "cell voltages"),
    "BMT": Text("动力蓄电池温度", "battery temperatures"),
    "BSP": Text("动力蓄电池预留报文", "reserved by the vehicle"),
    "BST": Text("BMS中止充电", "vehicle stops"),
    "CST": Text("充电机中止充电", "charger stops"),
    "BSD": Text("BMS统计数据", "vehicle statistics"),
    "CSD": Text("充电机统计数据", "charger statistics"),
    "BEM": Text("BMS错误报文", "vehicle error"),
    "CEM": Text("充电机错误报文", "charger error"),
}

FOREIGN: Mapping[str, Text] = {
    "multi-gun (CFC)": Text("多枪（CFC）", "multi-gun (CFC)"),
    "multi-gun (BFC)": Text("多枪（BFC）", "multi-gun (BFC)"),
    "autocharge": Text("即插即充", "autocharge"),
    "V2G extension": Text("V2G扩展", "V2G extension"),
    "27930.2-2024 version negotiation": Text("27930.2-2024 版本协商", "27930.2-2024 version negotiation"),
    "27930.2-2024 control": Text("27930.2-2024 控制帧", "27930.2-2024 control"),
    "27930.2-2024 short message, confirmed": Text("27930.2-2024 可靠短消息", "27930.2-2024 short message, confirmed"),
    "27930.2-2024 short message": Text("27930.2-2024 不可靠短消息", "27930.2-2024 short message"),
    "27930.2-2024 long message": Text("27930.2-2024 长消息", "27930.2-2024 long message"),
    "vendor frame": Text("厂家自定义", "vendor frame"),
    "11-bit identifier": Text("11位标识符", "11-bit identifier"),
    "": Text("未知", "unknown"),
}
"""Names of foreign identifiers; others contain the name of a message and stand for themselves."""

_FACTS_ZH = (
    (re.compile(r"(\d+) bytes"), r"\1字节"),
    (re.compile(r"(\d+) of (\d+) packets open"), r"\2包中有\1包未传"),
    (re.compile(r"(\d+) of (\d+) packets"), r"\2包中有\1包"),
    (re.compile(r"(\d+) packets"), r"\1包"),
    (re.compile(r"packet (\d+)"), r"第\1包"),
    (re.compile(r" in (\d+)$"), r"，\1包"),
    (re.compile(r"step up to "), "变化不超过"),
    (re.compile(r"reason "), "原因"),
    (re.compile(r"(\w+) missing for "), r"\1缺失达"),
    (re.compile(r"(\w+) ([\d.]+) s before"), r"\2 s前收到\1"),
)
"""The few words in the facts of an observation."""


class BmsSpeaker:
    """Observations in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def pick(self, chinese: str, english: str) -> str:
        """The one of two texts that the reader understands."""
        return Text(chinese, english).in_(self.language)

    def word(self, table: Mapping[str, Text], key: str) -> str:
        """A word of a table; an unknown key stands for itself."""
        text = table.get(key)
        return key if text is None else text.in_(self.language)

    def rule(self, code: str) -> str:
        """What an observation of this code means."""
        rule = RULES[code]
        return rule.text.in_(self.language)

    def reasons(self, names: tuple[str, ...] | list[str]) -> str:
        """Fields of BST, CST, BEM or CEM in words."""
        return self.pick("、", ", ").join(self.word(REASONS, name) for name in names) or "-"

    def fact(self, text: str) -> str:
        """``expected`` or ``seen`` of an observation for people."""
        parts = [self._known(part) for part in text.split(", ")]
        said = ", ".join(parts)
        if self.language == "zh":
            for pattern, chinese in _FACTS_ZH:
                said = pattern.sub(chinese, said)
        return said

    def _known(self, part: str) -> str:
        if not part:
            return ""
        for table in (REASONS, STAGES, OUTCOMES, SIDES, FOREIGN):
            if part in table:
                return table[part].in_(self.language)
        return part
