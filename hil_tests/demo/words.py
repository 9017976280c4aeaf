"""The words on the screen, in English and Chinese."""

from collections.abc import Mapping
from typing import Literal

from agent.vocabulary import reasons
from hil_tests.demo.words_guns import GUN_TEXTS

Language = Literal["en", "zh"]

STATES: Mapping[str, tuple[str, str]] = {
    "idle": ("idle", "空闲"),
    "plugged": ("plugged", "已插枪"),
    "locked": ("locked", "已锁枪"),
    "handshake": ("handshake", "握手"),
    "insulation": ("insulation test", "绝缘检测"),
    "recognition": ("recognition", "辨识"),
    "parameters": ("parameters", "参数配置"),
    "precharge": ("precharge", "预充"),
    "charging": ("charging", "充电中"),
    "reconnecting": ("reconnecting", "重新握手准备"),
    "stopping": ("stopping", "停机中"),
    "settled": ("settled", "已结算"),
    "faulted": ("faulted", "故障"),
}

STOP_REASONS: Mapping[str, tuple[str, str]] = {
    name: (reason.en, reason.zh) for name, reason in reasons.STOP_REASONS.items()
}

RATES: Mapping[str, tuple[str, str]] = {
    "sharp": ("sharp", "尖"),
    "peak": ("peak", "峰"),
    "flat": ("flat", "平"),
    "valley": ("valley", "谷"),
}

TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("pile-agent: one charge on the simulated bench", "pile-agent:模拟台架上的一次完整充电"),
    "platform_order": ("platform", "平台"),
    "phase": ("phase", "阶段"),
    "meter": ("meter", "电表"),
    "vehicle": ("vehicle asks", "车辆需求"),
    "limit": ("limits", "限值"),
    "battery": ("battery", "电池"),
    "may": ("interlocks", "联锁"),
    "outputs": ("outputs", "输出"),
    "record": ("record", "记录"),
    "published": ("published", "上送"),
    "bill": ("bill", "账单"),
    "timeline": ("time line", "时间线"),
    "now": ("now", "当前"),
    "permitted": ("energising permitted", "允许带电"),
    "start_permitted": ("start permitted", "允许启动"),
    "denied": ("energising denied", "禁止带电"),
    "no_faults": ("no fault", "无故障"),
    "contactors": ("contactors", "接触器"),
    "closed": ("closed", "闭合"),
    "open": ("open", "断开"),
    "unknown": ("unknown", "未知"),
    "lock": ("lock", "电子锁"),
    "locked": ("locked", "锁止"),
    "unlocked": ("unlocked", "解锁"),
    "auxiliary": ("auxiliary", "辅助电源"),
    "last_number": ("last no.", "末号"),
    "durable": ("durable", "已落盘"),
    "unsent": ("unconfirmed by the broker", "待 MQTT 服务器确认"),
    "highest_cell": ("highest cell", "最高单体"),
    "allowed": ("at most", "至多"),
    "battery_limit": ("battery at most", "电池最高"),
    "yuan": ("CNY", "元"),
    "remaining": ("min left", "分钟剩余"),
    # What is being done.
    "starting_bench": (
        "starting the bench: vehicle, meter, power stage, inputs, broker",
        "启动台架:车辆、电表、功率模块、输入输出、MQTT 服务器",
    ),
    "starting_agent": ("starting the agent: field process and north process", "启动控制程序:控制进程和北向进程"),
    "plugging": ("vehicle plugged in", "车辆插枪"),
    "ordering": ("the platform orders the start over MQTT", "平台经MQTT下发启动命令"),
    "charging": ("the charge runs", "充电进行中"),
    "settling": ("vehicle unplugged, waiting until the broker has every record", "已拔枪,等待 MQTT 服务器确认全部记录"),
    "closing": ("ending all processes", "结束全部进程"),
    "interrupted": (
        "interrupted: stopping the charge normally (again: stop at once)",
        "收到中断:正常结束充电(再按一次立即停止)",
    ),
    # The summary.
    "summary": ("The session", "本次充电"),
    "session": ("session", "充电记录"),
    "result": ("result", "结果"),
    "stop_reason": ("stop reason", "结束原因"),
    "energy": ("energy", "电量"),
    "to_pay": ("amount due", "应付"),
    "registers": ("meter register", "电表示数"),
    "duration": ("duration", "时长"),
    "soc": ("state of charge", "SOC"),
    "records": ("records", "记录"),
    "messages": ("published messages", "上送消息"),
    "where": ("location of the record", "记录位置"),
    "look": ("show it with", "查看方法"),
    "period": ("period", "时段"),
    "rate": ("rate", "费率"),
    "price": ("price/kWh", "单价/kWh"),
    "electricity": ("electricity", "电费"),
    "service": ("service", "服务费"),
    "total": ("total", "合计"),
    "passed": ("The charge passed every check.", "充电正常完成。"),
    "failed": ("The charge FAILED:", "充电未正常完成:"),
    "logs": ("logs", "日志"),
    "stopped_in_order": ("Stopped normally on request.", "已按要求正常停止。"),
    # Judgements.
    "not_settled": ("the session's result is {result}, not settled", "充电结果为 {result},未结算"),
    "no_session": ("the record holds no ended session", "没有已结束的充电记录"),
    "no_energy": ("the meter's register did not move", "电表示数没有变化"),
    "not_acknowledged": ("{count} messages are not confirmed by the broker", "{count} 条消息未经 MQTT 服务器确认"),
    "uplink_unknown": ("the agent did not report what the broker confirmed", "MQTT 服务器确认情况未知"),
    "no_record": ("no record was seen", "没有记录"),
    "not_durable": ("{count} records were not durable", "{count}条记录未落盘"),
    "contactors_closed": ("contactors not open: {what}", "接触器未断开:{what}"),
    "process_left": ("a process had to be ended: {what}", "有进程残留:{what}"),
    "stood_still": (
        "this machine stalled for {seconds} s meanwhile, which no real pile does: try again when it is less busy",
        "期间本机停顿了{seconds}秒,真实充电桩不会如此:请在机器空闲时重试",
    ),
    "agent_exit": ("the agent ended with exit code {code}", "控制程序退出码 {code}"),
}


def word(table: Mapping[str, tuple[str, str]], key: str, language: Language) -> str:
    """The entry in ``language``; a key without entry stands for itself."""
    pair = table.get(key)
    if pair is None:
        return key
    return pair[1] if language == "zh" else pair[0]


def text(key: str, language: Language, **values: object) -> str:
    """A text of this module with its places filled. Raises KeyError for an unknown key."""
    pair = TEXTS[key] if key in TEXTS else GUN_TEXTS[key]
    return (pair[1] if language == "zh" else pair[0]).format(**values)
