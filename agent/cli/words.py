"""The words of the command line, in Chinese and English."""

from collections.abc import Mapping

from agent.settings.catalogue import Fault
from agent.vocabulary import reasons, states
from agent.vocabulary.former import fault_of_today
from agent.vocabulary.reasons import Reason, parsed
from drivers.text import Language, Text

STATES = states.STATES

OPEN = "open"
"""A session that has not ended."""

RESULTS: Mapping[str, Text] = {
    reasons.SETTLED: Text("正常结算", "settled"),
    reasons.SESSION_FAILED: Text("未正常结束", "failed"),
    reasons.REFUSED: Text("拒绝启动", "refused"),
    OPEN: Text("进行中", "open"),
}
"""How a session ended; ``open`` is one that has not."""

ANSWERS: Mapping[str, Text] = {
    reasons.ACCEPTED: Text("已接受", "accepted"),
    reasons.DONE: Text("已完成", "done"),
    reasons.REJECTED: Text("被拒绝", "rejected"),
    reasons.FAILED: Text("失败", "failed"),
}
"""How a command was answered."""

ORIGINS: Mapping[str, Text] = {
    reasons.ORIGIN_LOCAL: Text("就地", "the pile"),
    reasons.ORIGIN_PLATFORM: Text("平台", "the platform"),
    reasons.ORIGIN_OBSERVED: Text("他方充电机(本机只监听)", "another maker's charger (this agent only listened)"),
}
"""Who started a charge."""

REASONS: Mapping[str, Text] = {**reasons.STOP_REASONS, **reasons.PERMISSION_REASONS, **reasons.REFUSALS}
"""Why something ended or was refused, besides faults."""

ACTIONS: Mapping[str, Text] = {
    "open": Text("立即断开", "open at once"),
    "stop": Text("正常停机", "normal stop"),
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

GROUP_STATES: Mapping[str, Text] = {
    "parked": Text("停放", "parked"),
    "matching": Text("电压匹配", "matching"),
    "closing": Text("闭合中", "closing"),
    "joined": Text("已并入", "joined"),
    "unloading": Text("卸载", "unloading"),
    "opening": Text("断开中", "opening"),
    "faulted": Text("故障", "faulted"),
}
"""Where a group of power modules is."""

LIMITERS: Mapping[str, Text] = {
    "profile": Text("整桩额定", "rating of the pile"),
    "incomer": Text("进线限值", "incomer limit"),
    "command:platform": Text("平台限值", "limit of the platform"),
    "command:site": Text("场站限值", "limit of the site"),
    "command:local": Text("就地限值", "limit set at the pile"),
    "default": Text("默认限值", "default limit"),
    "vehicle": Text("车辆需求", "the vehicle asks for no more"),
    "modules": Text("模块能力", "modules"),
    "connector": Text("枪额定", "rating of the connector"),
    "rising": Text("上升中", "rising"),
    "fault": Text("故障", "fault"),
    "expired": Text("已过期", "expired"),
}
"""Who limits the power."""


class Speaker:
    """Speaks one language and knows the fault catalogue."""

    def __init__(self, language: Language, faults: Mapping[str, Fault]) -> None:
        self.language: Language = language
        self.faults = faults

    def pick(self, chinese: str, english: str) -> str:
        """The one of two texts that the reader understands."""
        return Text(chinese, english).in_(self.language)

    def word(self, table: Mapping[str, Text], key: str) -> str:
        """A word of a table; an unknown key stands for itself."""
        text = table.get(key)
        return key if text is None else text.in_(self.language)

    def _row(self, fault_id: str) -> Fault | None:
        """The row of a fault, also by an id that it had formerly."""
        return self.faults.get(fault_of_today(fault_id))

    def level(self, level: int) -> str:
        """A fault level with its meaning."""
        text = LEVELS.get(level)
        return str(level) if text is None else f"{level} {text.in_(self.language)}"

    def fault(self, fault_id: str) -> str:
        """The text of a fault; an unknown id stands for itself."""
        fault = self._row(fault_id)
        return fault_id if fault is None else fault.text.in_(self.language)

    def hint(self, fault_id: str) -> str:
        """What to look at when a fault is there; empty for what is no fault."""
        fault = self._row(fault_id)
        return "" if fault is None else fault.hint.in_(self.language)

    def reason(self, text: str) -> str:
        """Why something ended or was refused, in words; ``text`` is a code or several with their details."""
        return self.pick(";", "; ").join(dict.fromkeys(self._reason(reason) for reason in parsed(text)))

    def _reason(self, reason: Reason) -> str:
        if self._row(reason.code) is not None:
            return self.fault(reason.code)
        words = self.word(REASONS, reason.code)
        if not reason.detail:
            return words
        if reason.code == reasons.NO_VALUE:
            return f"{words} {reason.detail}"
        if reason.code == reasons.WRONG_STATE:
            return f"{words}: {self.word(STATES, reason.detail)}"
        if reason.code == reasons.REPLUG:
            return f"{words}: {self.reason(reason.detail)}"
        return f"{words}: {reason.detail}"

    def hints(self, text: str) -> list[str]:
        """The hints of all faults that a reason names."""
        return [hint for reason in parsed(text) if (hint := self.hint(reason.code))]


def limiter(speak: Speaker, by: str) -> str:
    """Who limits the power, in words; ``by`` as power sharing says it."""
    other = by.removeprefix("shared with connector ")
    if other != by:
        return speak.pick(f"与枪 {other} 分配", by)
    return speak.word(LIMITERS, by)
