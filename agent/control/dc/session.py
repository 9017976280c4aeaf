"""What belongs to one session, from the start attempt to the bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from agent.control.metering.billing import Billing
from agent.vocabulary import reasons


@dataclass(frozen=True, slots=True)
class StopReason:
    """What a stop reason is called."""

    text_zh: str
    text_en: str


STOP_REASONS: Mapping[str, StopReason] = {
    "local": StopReason("就地停止", "stopped at the pile"),
    "platform": StopReason("平台停止", "stopped by the platform"),
    "vehicle": StopReason("车辆结束充电(充满或达到设定)", "the vehicle has what it wanted and ended the charge"),
    "vehicle_fault": StopReason("车辆因自身故障中止充电", "the vehicle stopped because of a fault of its own"),
    "energy_limit": StopReason("达到设定电量", "the ordered energy was reached"),
    "time_limit": StopReason("达到设定时长", "the ordered time was reached"),
    "amount_limit": StopReason("达到设定金额", "the ordered amount was reached"),
    "soc_limit": StopReason("达到设定 SOC", "the ordered state of charge was reached"),
    "shutdown": StopReason("程序退出,有序停机", "the agent was shut down and ended the charge in order"),
    "record_not_durable": StopReason("启动记录未能及时写入", "the start did not reach the record in time"),
    "pause_too_long": StopReason("车辆暂停时间过长", "the vehicle paused for too long"),
    "power_lost": StopReason("桩断电,已按电表示数结算", "the pile lost its power; billed by the meter's register"),
    # Of a charge that was only followed; the rest of its reasons are the words above and fault ids.
    "charger_manual": StopReason("在充电机上人工停止", "somebody stopped it at the charger"),
    "charger_condition": StopReason("充电机达到设定条件", "the charger had delivered what was ordered"),
    "bus_silent": StopReason("车桩双方停止通信", "charger and vehicle fell silent"),
    "monitor_stopped": StopReason("监听结束,充电可能仍在继续", "the listening ended, the charge may go on"),
    "listener_lost": StopReason("监听装置曾断电或重启", "the listening agent lost its power or was restarted"),
}
"""Stop reasons that are no faults. Every other stop reason of a session that began is an id of the fault catalogue."""

REFUSALS: Mapping[str, StopReason] = {
    "expired": StopReason("命令已过期", "the command had expired"),
    "clock_unset": StopReason(
        "时钟未校准,无法判断命令是否过期", "the clock is not set, so nobody can tell if the command has expired"
    ),
    "session_running": StopReason("已有充电在进行", "a session is already running"),
    "shutting_down": StopReason("程序正在退出", "the agent is shutting down"),
    "bad_arguments": StopReason("命令参数有误", "the command's arguments are wrong"),
    "recorder not ready": StopReason("记录进程未就绪", "the recorder takes no records"),
    "no power module": StopReason("没有可用的功率模块", "no power module answers"),
    "no value": StopReason("缺少有效读数", "no valid reading"),
    "not plugged": StopReason("未插枪", "no vehicle is plugged in"),
    "state": StopReason("当前状态不能启动", "not in this state"),
    "monitor_only": StopReason("本机只监听,不能控制充电机", "this agent only listens and cannot control the charger"),
    "replug": StopReason("须拔枪重插后才能再次启动", "the plug must be pulled and put in again first"),
}
"""Words of a refused start besides fault ids. A refusal joins them with commas; what follows ``: `` is a detail."""

NORMAL_STOPS = frozenset(
    {
        "local",
        "platform",
        "vehicle",
        "energy_limit",
        "time_limit",
        "amount_limit",
        "soc_limit",
        "shutdown",
    }
)
"""Stop reasons of a charge that ended as somebody wished. Every other reason is a fault id or names a failure."""


REPLUG_STOPS = frozenset({"vehicle_fault"})
"""Stop reasons besides faults that clear with the plug after which the plug must be pulled before a new start."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Where the customer wants the charge to end; None means no such limit."""

    energy_wh: int | None = None
    duration_s: int | None = None
    amount_e4: int | None = None
    soc_percent: int | None = None

    def as_record(self) -> dict[str, int]:
        """Only the limits that are set."""
        pairs = {
            "energy_wh": self.energy_wh,
            "duration_s": self.duration_s,
            "amount_e4": self.amount_e4,
            "soc_percent": self.soc_percent,
        }
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> "SessionLimits":
        """From a start command. Raises ValueError on an unknown name, a wrong type or a value out of range."""
        known = {"energy_wh": 10_000_000, "duration_s": 604_800, "amount_e4": 1_000_000_000, "soc_percent": 100}
        values: dict[str, int] = {}
        for name, value in arguments.items():
            if name == "user":
                continue
            if name not in known:
                raise ValueError(f"unknown argument {name}")
            if type(value) is not int or not 1 <= value <= known[name]:
                raise ValueError(f"{name} must be a whole number from 1 to {known[name]}")
            values[name] = value
        return cls(**values)


class SessionFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known of the charge itself."""

    reached_charging: bool = False
    charging_since_s: float | None = None
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vin: str | None = None


_NOTHING_KNOWN = SessionFacts()


@dataclass(slots=True)
class ChargeSession:
    """One start attempt that was granted, until its end is recorded."""

    id: str
    origin: str
    command_id: str
    user: str
    limits: SessionLimits
    billing: Billing
    started_at_s: float
    started_wall_ms: int
    start_record: int
    """Number of the session_started record: contactors close only once it is durable."""
    facts: SessionFacts = _NOTHING_KNOWN
    stop_reason: str | None = None
    stop_command_ids: list[str] = field(default_factory=list)
    """Commands that asked for the end and are answered when it has come."""
    faults: list[str] = field(default_factory=list)
    next_progress_s: float = 0.0

    def duration_s(self, now_s: float) -> int:
        """Whole seconds since the start was granted."""
        return int(now_s - self.started_at_s)

    def limit_reached(self, now_s: float, soc_percent: int | None) -> str | None:
        """The stop reason of the first limit that is reached, or None. ``soc_percent`` is the newest known."""
        limits = self.limits
        bill = self.billing.bill()
        if limits.energy_wh is not None and bill.energy_wh >= limits.energy_wh:
            return reasons.STOP_ENERGY_LIMIT
        if limits.duration_s is not None and now_s - self.started_at_s >= limits.duration_s:
            return reasons.STOP_TIME_LIMIT
        if limits.amount_e4 is not None and bill.amount_e4 >= limits.amount_e4:
            return reasons.STOP_AMOUNT_LIMIT
        if limits.soc_percent is not None and (soc_percent or 0) >= limits.soc_percent:
            return reasons.STOP_SOC_LIMIT
        return None
