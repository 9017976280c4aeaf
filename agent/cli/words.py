"""The words of the command line, in Chinese and English."""

from collections.abc import Mapping

from agent.control.dc.session import REFUSALS, STOP_REASONS
from agent.settings.catalogue import Fault
from drivers.text import Language, Text

STATES: Mapping[str, Text] = {
    "idle": Text("空闲", "idle"),
    "plugged": Text("已插枪", "plugged in"),
    "locked": Text("已锁枪", "locked"),
    "handshake": Text("握手", "handshake"),
    "insulation": Text("绝缘检测", "insulation test"),
    "recognition": Text("辨识", "recognition"),
    "parameters": Text("参数配置", "parameters"),
    "precharge": Text("预充", "precharge"),
    "charging": Text("充电中", "charging"),
    "reconnecting": Text("重新握手准备", "reconnecting"),
    "stopping": Text("停机中", "stopping"),
    "settled": Text("已结算", "settled"),
    "faulted": Text("故障", "faulted"),
}

RESULTS: Mapping[str, Text] = {
    "settled": Text("正常结算", "settled"),
    "failed": Text("未正常结束", "failed"),
    "refused": Text("拒绝启动", "refused"),
    "open": Text("进行中", "open"),
}

REASONS: Mapping[str, Text] = {
    **{name: Text(reason.text_zh, reason.text_en) for name, reason in {**STOP_REASONS, **REFUSALS}.items()},
    "unknown_command": Text("未知命令", "unknown command"),
    "no_session": Text("当前没有充电", "no session is running"),
    "only_at_the_pile": Text("只能在桩上进行", "only a person at the pile may do this"),
    "register_differs": Text("电表现在的示数不同", "the meter's register shows something else"),
    "display_too_small": Text("示数太小,看不出单位;至少须有", "too little energy to tell the unit; at least"),
    "serial_differs": Text(
        "现场文件中的表号不同(先改 connector.meter.serial_number 并重启)",
        "the site file names another meter (enter connector.meter.serial_number and restart first)",
    ),
    "same_serial": Text("新旧表号相同", "old and new serial number are the same"),
    "old_end_below": Text("旧表止码低于记录中的最后示数", "the old end is below the last register known"),
    "start-up": Text("程序刚启动", "the agent has just started"),
}
"""Why something ended or was refused: the words of the control itself, and those of the other commands."""

ACTIONS: Mapping[str, Text] = {
    "open": Text("立即断开", "open at once"),
    "stop": Text("有序停止", "stop in order"),
    "inhibit": Text("禁止启动", "no start"),
    "derate": Text("降流", "less current"),
    "log": Text("仅记录", "only recorded"),
}

CLEARS: Mapping[str, Text] = {
    "self": Text("自动恢复", "by itself"),
    "unplug": Text("拔枪后恢复", "after unplugging"),
    "local": Text("现场复位", "reset at the pile"),
}

LEVELS: Mapping[int, Text] = {
    1: Text("人身安全", "personal safety"),
    2: Text("设备安全", "equipment safety"),
    3: Text("提示", "notice"),
}

RATES: Mapping[str, Text] = {
    "sharp": Text("尖", "sharp"),
    "peak": Text("峰", "peak"),
    "flat": Text("平", "flat"),
    "valley": Text("谷", "valley"),
}

OUTPUTS: Mapping[str, Text] = {
    "contactor_k1": Text("接触器 K1", "contactor K1"),
    "contactor_k2": Text("接触器 K2", "contactor K2"),
    "auxiliary_supply": Text("辅助电源", "auxiliary supply"),
    "electronic_lock": Text("电子锁", "electronic lock"),
    "discharge": Text("泄放", "discharge"),
    "insulation_monitor": Text("绝缘监测", "insulation monitor"),
    "fan": Text("风扇", "fan"),
    "fault_lamp": Text("故障灯", "fault lamp"),
}


class Speaker:
    """Speaks one language and knows the fault catalogue."""

    def __init__(self, language: Language, faults: Mapping[str, Fault]) -> None:
        self.language: Language = language
        self.faults = faults

    def pick(self, chinese: str, english: str) -> str:
        """The one of two texts that the reader understands."""
        return chinese if self.language == "zh" else english

    def word(self, table: Mapping[str, Text], key: str) -> str:
        """A word of a table; an unknown key stands for itself."""
        text = table.get(key)
        return key if text is None else text.in_(self.language)

    def level(self, level: int) -> str:
        """A fault level with its meaning."""
        text = LEVELS.get(level)
        return str(level) if text is None else f"{level} {text.in_(self.language)}"

    def fault(self, fault_id: str) -> str:
        """The text of a fault; an unknown id stands for itself."""
        fault = self.faults.get(fault_id)
        return fault_id if fault is None else self.pick(fault.text_zh, fault.text_en)

    def hint(self, fault_id: str) -> str:
        """What to look at when a fault is there; empty for what is no fault."""
        fault = self.faults.get(fault_id)
        return "" if fault is None else self.pick(fault.hint_zh, fault.hint_en)

    def reason(self, reason: str) -> str:
        """Why something ended or was refused, in words: fault ids and key words, several with commas between."""
        if reason in REASONS:
            return self.word(REASONS, reason)
        if reason.startswith("bad_arguments: "):
            detail = reason.removeprefix("bad_arguments: ")
            return self.pick(f"参数错误:{detail}", f"wrong argument: {detail}")
        parts = [self._part(part.strip()) for part in reason.split(",") if part.strip()]
        return self.pick(";", "; ").join(dict.fromkeys(parts))

    def _part(self, part: str) -> str:
        if part in self.faults:
            return self.fault(part)
        if part.startswith("no value: "):
            name = part.removeprefix("no value: ")
            return self.pick(f"没有读数 {name}", f"no value of {name}")
        if part.startswith("state "):
            state = self.word(STATES, part.removeprefix("state "))
            return self.pick(f"当前状态:{state}", f"the pile is in state {state}")
        name, colon, detail = part.partition(": ")
        if colon and name in REASONS:
            return f"{self.word(REASONS, name)}: {detail}"
        return self.word(REASONS, part)

    def hints(self, reason: str) -> list[str]:
        """The hints of all faults that a reason names."""
        return [hint for part in reason.split(",") if (hint := self.hint(part.strip()))]
