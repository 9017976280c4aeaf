"""What an observer holds the dialogue of two others against: codes with their texts, tolerances, places. Data.

"own choice" marks numbers that are in no document: they decide what is reported, not what a charger does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drivers.gbt27930.messages.fields import CHARGER_ADDRESS, VEHICLE_ADDRESS
from drivers.gbt27930.messages.table import MESSAGES
from drivers.gbt27930.observer.model import Severity, Stage
from drivers.text import Text

NOTE, VARIANT, VIOLATION = Severity.NOTE, Severity.VARIANT, Severity.VIOLATION


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of observation: its stable code, what it means in both languages, and the source of the rule."""

    code: str
    severity: Severity
    en: str
    zh: str
    source: str = ""

    @property
    def text(self) -> Text:
        """Meaning of the rule."""
        return Text(self.zh, self.en)


_2015 = "GB/T 27930-2015"
_J1939 = "J1939-21"
_DC = "GB/T 18487.1"
_OWN = "own choice"

_RULES = (
    Rule("session.begin", NOTE, "session begins", "会话开始"),
    Rule("session.end", NOTE, "session ends", "会话结束"),
    Rule("stage", NOTE, "phase", "阶段"),
    Rule("identified", NOTE, "vehicle identified", "识别车辆"),
    Rule("attempt", NOTE, "new attempt", "重新连接", "GB/T 27930-2015, at most 3"),
    Rule("pause", NOTE, "vehicle asks for a pause", "车辆请求暂停"),
    Rule("resume", NOTE, "vehicle ends the pause", "车辆恢复充电"),
    Rule("permit", NOTE, "charging permission of the charger", "充电机充电允许状态"),
    Rule("stop", NOTE, "stop asked for", "请求停止"),
    Rule("timeout", NOTE, "time-out reported", "报告超时"),
    Rule("vehicle.fault", NOTE, "vehicle reports a fault state", "车辆报告故障状态"),
    Rule("foreign", NOTE, "identifier that is not part of the dialogue", "非本协议报文标识"),
    Rule("bus.silent", NOTE, "both sides are silent", "双方均无报文", _OWN),
    Rule("capture.middle", NOTE, "listening began in the middle", "监听从中途开始"),
    Rule("capture.transfer", NOTE, "listening began within a transfer", "监听从多包传输中途开始"),
    Rule("capture.lost", NOTE, "the receiver has packets that were not heard here", "接收方已收齐，本处漏听数据包"),
    Rule("capture.time", NOTE, "time runs backwards", "时间倒退"),
    Rule("transfer.retransmission", NOTE, "packets asked for again", "请求重发数据包", _J1939),
    Rule("transfer.repeated", NOTE, "request to send before the last transfer ended", "上次传输未完即再次请求", _J1939),
    Rule("transfer.declined", NOTE, "optional message declined", "拒收可选报文", "GB/T 34658-2017 DP.3002"),
    Rule("length.variant", VARIANT, "known other length", "已知的其他长度", _2015),
    Rule("priority", VARIANT, "other priority in the identifier", "标识符优先级不同", _2015),
    Rule("vehicle.2011", VARIANT, "vehicle of the 2011 edition", "2011版车辆", "GB/T 27930-2011"),
    Rule("ready.direct", VARIANT, "ready without not ready before", "未发CRO-00直接就绪", _2015),
    Rule("mode.v2g", VARIANT, "charging mode 3 (feeding back)", "充电模式3（放电扩展）", _2015),
    Rule("period.jitter", VARIANT, "interval off by less than half", "周期抖动", f"{_2015}; own tolerance"),
    Rule("length", VIOLATION, "wrong length", "报文长度错误", _2015),
    Rule("transferred", VIOLATION, "not sent as a transfer", "未按多包传输发送", "GB/T 34658-2017 DN.1002"),
    Rule("value", VIOLATION, "value out of range or undefined", "数值超范围或未定义", _2015),
    Rule("order", VIOLATION, "message in a phase where it may not come", "报文出现在不允许的阶段", _2015),
    Rule("order.early", VIOLATION, "sent before what must come first", "前置报文未到即发送", _2015),
    Rule("period.late", VIOLATION, "interval too long", "周期过长", f"{_2015}; own tolerance"),
    Rule("period.early", VIOLATION, "interval too short", "周期过短", f"{_2015}; own tolerance"),
    Rule("missing", VIOLATION, "missing for longer than the time limit", "超过时限未收到报文", _2015),
    Rule("attempts", VIOLATION, "more than three new attempts", "重连超过三次", _2015),
    Rule("pause.long", VIOLATION, "pause longer than ten minutes", "暂停超过十分钟", "GB/T 18487.1-2023 annex B"),
    Rule("timeout.unfounded", VIOLATION, "reported as missing, but was heard", "报告超时但总线上有该报文", _2015),
    Rule("demand.voltage_bcp", VIOLATION, "voltage demand above BCP", "需求电压超过BCP", _2015),
    Rule("demand.current_bcp", VIOLATION, "current demand above BCP", "需求电流超过BCP", _2015),
    Rule("demand.voltage_cml", VIOLATION, "voltage demand above CML", "需求电压超过CML", _2015),
    Rule("demand.current_cml", VIOLATION, "current demand above CML", "需求电流超过CML", _2015),
    Rule("output.voltage", VIOLATION, "output voltage above the demand", "输出电压超过需求", "GB/T 27930-2023"),
    Rule("output.current", VIOLATION, "output current above the demand", "输出电流超过需求", f"{_DC} annex B"),
    Rule("output.voltage_bcp", VIOLATION, "output voltage above BCP", "输出电压超过BCP", f"{_DC} annex B"),
    Rule("output.not_permitted", VIOLATION, "current without permission (CCS)", "未允许充电仍有电流", f"{_DC} annex B"),
    Rule("output.differs", VIOLATION, "CCS and BCS differ", "CCS与BCS不一致", _OWN),
    Rule("battery.voltage", VIOLATION, "battery voltage above BCP", "电池电压超过BCP", _2015),
    Rule("battery.cell_voltage", VIOLATION, "cell voltage above BCP", "单体电压超过BCP", _2015),
    Rule("battery.temperature", VIOLATION, "battery temperature above BCP", "电池温度超过BCP", _2015),
    Rule("frozen", VIOLATION, "content never changes while current flows", "有电流但数据长时间不变", _OWN),
    Rule("soc.jump", VIOLATION, "state of charge jumps", "SOC跳变", _OWN),
    Rule("transfer.request", VIOLATION, "size and packets of a request disagree", "请求的字节数与包数不符", _J1939),
    Rule("transfer.sequence", VIOLATION, "wrong packet number", "数据包序号错误", _J1939),
    Rule("transfer.frame", VIOLATION, "transfer frame of wrong length", "传输帧长度错误", _J1939),
    Rule("transfer.control", VIOLATION, "unknown control frame", "未知的控制帧", _J1939),
    Rule("transfer.clearance", VIOLATION, "clears a packet that does not exist", "允许的包号不存在", _J1939),
    Rule("transfer.unexpected", VIOLATION, "data frame without a request", "无请求的数据帧", _J1939),
    Rule("transfer.answer", VIOLATION, "answer without a request", "无请求的应答", _J1939),
    Rule("transfer.no_answer", VIOLATION, "request to send not answered", "请求发送未被应答", f"{_J1939} T3"),
    Rule("transfer.no_end", VIOLATION, "complete, but not acknowledged", "传输完成但未确认", f"{_J1939} T3"),
    Rule("transfer.timeout", VIOLATION, "transfer stopped half-way", "传输中断", f"{_J1939} T1, T2"),
    Rule("transfer.abort", VIOLATION, "transfer aborted", "传输被中止", _J1939),
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
"""Every code an observation can carry."""

# ---------------------------------------------------------------------------------------------------- periods

PERIOD_TOLERANCE_MS: Mapping[int, tuple[float, float]] = MappingProxyType(
    {10: (5.0, 10.0), 50: (10.0, 25.0), 250: (25.0, 125.0), 500: (50.0, 250.0), 10_000: (1000.0, 5000.0)}
)
"""How far one interval may be off, by nominal period: up to the first unremarkable, up to the second jitter.

Own choice: about 10 %, not below what a recording resolves; half a period, from where a frame is missing or doubled.
Real chargers and vehicles show jitter of 30 % and more.
"""

VARIABLE_CONTENT = frozenset({"CRM", "CRO", "BRO"})
"""Messages that may be sent at once when their content changes; the interval around that is not judged."""

# ----------------------------------------------------------------------------------------------------- places

_ANY = frozenset(Stage) - {Stage.IDLE, Stage.ENDED}
_OUTPUT = frozenset({Stage.READY, Stage.CHARGING})
_LATER = frozenset({Stage.STOPPING, Stage.ENDING, Stage.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message belongs: ``home`` is the stage it shows, ``allowed`` where it may come.

    In ``trailing``, and in the stage right after an allowed one, it may still come for ``TRAILING_S``: frames are
    queued, and the other side needs its time to notice. ``needs`` are the messages of the vehicle that come first. In
    ``allowed_2023`` it may come in the 2023 edition only.
    """

    home: Stage
    allowed: frozenset[Stage]
    trailing: frozenset[Stage] = frozenset()
    needs: tuple[str, ...] = ()
    allowed_2023: frozenset[Stage] = frozenset()


TRAILING_S = 2.0
"""How long frames of a former stage may trail (BSM after CST is known from the field). Own choice."""


def _stages(*stages: Stage) -> frozenset[Stage]:
    return frozenset(stages)


_DATA = Place(Stage.CHARGING, _OUTPUT, _LATER)

PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "CHM": Place(Stage.HANDSHAKE, _stages(Stage.HANDSHAKE, Stage.INSULATION), _stages(Stage.RECOGNITION)),
        "BHM": Place(Stage.INSULATION, _stages(Stage.HANDSHAKE, Stage.INSULATION), _stages(Stage.RECOGNITION)),
        "CRM": Place(
            Stage.RECOGNITION,
            _stages(Stage.HANDSHAKE, Stage.INSULATION, Stage.RECOGNITION, Stage.RECOGNISED),
            _stages(Stage.PARAMETERS),
        ),
        "BRM": Place(Stage.RECOGNITION, _stages(Stage.RECOGNITION), _stages(Stage.RECOGNISED)),
        "BCP": Place(Stage.RECOGNISED, _stages(Stage.RECOGNISED), _stages(Stage.PARAMETERS, Stage.WAIT_READY)),
        "CTS": Place(
            Stage.PARAMETERS, _stages(Stage.RECOGNISED, Stage.PARAMETERS), _stages(Stage.WAIT_READY), needs=("BCP",)
        ),
        "CML": Place(
            Stage.PARAMETERS, _stages(Stage.RECOGNISED, Stage.PARAMETERS), _stages(Stage.WAIT_READY), needs=("BCP",)
        ),
        "BRO": Place(
            Stage.PARAMETERS, _stages(Stage.PARAMETERS, Stage.WAIT_READY), _stages(Stage.READY, Stage.CHARGING)
        ),
        "CRO": Place(
            Stage.WAIT_READY,
            _stages(Stage.PARAMETERS, Stage.WAIT_READY, Stage.READY),
            _stages(Stage.CHARGING),
            needs=("BRO",),
        ),
        **dict.fromkeys((name for name, message in MESSAGES.items() if message.charging_data), _DATA),
        "CCS": Place(Stage.CHARGING, _OUTPUT, _LATER, needs=("BCL", "BCS")),
        "BST": Place(
            Stage.STOPPING,
            _stages(Stage.PARAMETERS, Stage.WAIT_READY, *_OUTPUT, Stage.STOPPING),
            _stages(Stage.ENDING, Stage.TIMED_OUT),
        ),
        "CST": Place(
            Stage.STOPPING,
            _stages(Stage.PARAMETERS, Stage.WAIT_READY, *_OUTPUT, Stage.STOPPING),
            _stages(Stage.ENDING, Stage.TIMED_OUT),
            # A failed self-test, and parameters that do not match.
            allowed_2023=_stages(Stage.HANDSHAKE, Stage.INSULATION, Stage.RECOGNITION, Stage.RECOGNISED),
        ),
        "BSD": Place(Stage.STOPPING, _stages(Stage.STOPPING, Stage.ENDING), _stages(Stage.TIMED_OUT)),
        "CSD": Place(Stage.ENDING, _stages(Stage.STOPPING, Stage.ENDING), _stages(Stage.TIMED_OUT), needs=("BSD",)),
        "BEM": Place(Stage.TIMED_OUT, _ANY),
        "CEM": Place(Stage.TIMED_OUT, _ANY),
    }
)
"""Place of every message (GB/T 27930-2015, clauses on the phases; the same in class A of 2023)."""

# --------------------------------------------------------------------------------------------------- silences

SILENCE_S = 10.0
"""A session is over when nothing of either side was heard for this long. Own choice, above every cyclic time-out."""

SILENCE_AFTER_END_S = 2.0
"""The same once both sides have sent their statistics."""

BUS_SILENT_S = 2.0
"""Silence of both sides within a session that is worth a note. Own choice."""

# ----------------------------------------------------------------------------------------------------- values

KNOWN_LENGTHS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "BRM": MappingProxyType({41: "2011 layout"}),
        "CML": MappingProxyType({6: "2011 layout"}),
        "CCS": MappingProxyType({6: "2011 layout", 8: "summary table of 2015"}),
    }
)
"""Lengths other than the regular one that are known from the field."""

# -------------------------------------------------------------------------------------------------- foreigners

FOREIGN_AT_MOST = 64
"""Identifiers counted one by one; all others together."""

UNNAMED = ""

_FOREIGN: Mapping[int, str] = MappingProxyType(
    {
        0x1830F456: "multi-gun (CFC)",
        0x183156F4: "multi-gun (BFC)",
        0x18E2F456: "autocharge",
        0x1828F456: "V2G extension",
        0x1831F456: "V2G extension",
        0x1832F456: "V2G extension",
        0x1833F456: "V2G extension",
        0x183056F4: "V2G extension",
        0x0C38F456: "27930.2-2024 version negotiation",
        0x0C3956F4: "27930.2-2024 version negotiation",
        0x0C37F456: "27930.2-2024 control",
        0x0C3756F4: "27930.2-2024 control",
        0x1035F456: "27930.2-2024 short message, confirmed",
        0x103556F4: "27930.2-2024 short message, confirmed",
        0x1836F456: "27930.2-2024 short message",
        0x183656F4: "27930.2-2024 short message",
        0x1834F456: "27930.2-2024 long message",
        0x183456F4: "27930.2-2024 long message",
        0x0070F4B5: "vendor frame",
        0x0073F4B5: "vendor frame",
    }
)

_DIAGNOSTIC_FORMATS = range(0x20, 0x26)
_NAMES_BY_FORMAT: Mapping[int, str] = MappingProxyType({message.pgn >> 8: name for name, message in MESSAGES.items()})


def foreign_name(identifier: int, extended: bool) -> str:
    """What is known of an identifier that is no message of the dialogue; empty if nothing."""
    if not extended:
        return "11-bit identifier"
    known = _FOREIGN.get(identifier)
    if known is not None:
        return known
    pdu_format = identifier >> 16 & 0xFF
    addresses = {identifier >> 8 & 0xFF, identifier & 0xFF}
    if addresses == {CHARGER_ADDRESS, VEHICLE_ADDRESS}:
        if pdu_format in _DIAGNOSTIC_FORMATS:
            return f"diagnostic DM{pdu_format - _DIAGNOSTIC_FORMATS.start + 1}"
        if pdu_format in _NAMES_BY_FORMAT:
            return f"{_NAMES_BY_FORMAT[pdu_format]} from the wrong side"
        return UNNAMED
    if pdu_format in _NAMES_BY_FORMAT and addresses & {CHARGER_ADDRESS, VEHICLE_ADDRESS}:
        return f"{_NAMES_BY_FORMAT[pdu_format]} with a foreign address"
    return UNNAMED
