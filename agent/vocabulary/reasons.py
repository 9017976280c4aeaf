"""Why a session ended, why a command was refused, and how a command was answered. A reason is a code and a detail.

A stop reason is a code of ``STOP_REASONS`` or an id of the fault catalogue. A refusal has one reason or more; each is
a code of ``REFUSALS``, of ``PERMISSION_REASONS`` or a fault id, with a detail where one helps. What has been released
keeps its code, spaces included: ledgers and platforms read it.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from drivers.text import Text

# Names of commands.
START: Final = "start"
STOP: Final = "stop"
RESET: Final = "reset"
LIMIT: Final = "limit"
METER_EXCHANGE: Final = "meter_exchange"
METER_PROVE: Final = "meter_prove"

# Results of commands: ``accepted`` or ``rejected`` first, later ``done`` or ``failed``.
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
DONE: Final = "done"
FAILED: Final = "failed"

FINAL_RESULTS = (REJECTED, DONE, FAILED)
"""Results after which no other answer to a command comes."""

# Origins: who asked.
ORIGIN_LOCAL: Final = "local"
ORIGIN_PLATFORM: Final = "platform"
ORIGIN_OBSERVED: Final = "observed"
"""A charge of another maker's charger that is only followed."""

# Results of sessions.
SETTLED: Final = "settled"
SESSION_FAILED: Final = "failed"
REFUSED: Final = "refused"

# Who closed a session.
BY_CONTROL: Final = "control"
BY_RECOVERY: Final = "recovery"

# Where the register at the end of a session comes from.
FROM_METER: Final = "meter"
FROM_LAST_READING: Final = "last_reading"
FROM_LAST_PLAUSIBLE: Final = "last_plausible"
FROM_LAST_RECORD: Final = "last_record"
FROM_NOWHERE: Final = "none"

# Stop reasons that are no faults.
STOP_LOCAL: Final = "local"
STOP_PLATFORM: Final = "platform"
STOP_VEHICLE: Final = "vehicle"
STOP_VEHICLE_FAULT: Final = "vehicle_fault"
STOP_ENERGY_LIMIT: Final = "energy_limit"
STOP_TIME_LIMIT: Final = "time_limit"
STOP_AMOUNT_LIMIT: Final = "amount_limit"
STOP_SOC_LIMIT: Final = "soc_limit"
STOP_SHUTDOWN: Final = "shutdown"
STOP_RECORD_NOT_DURABLE: Final = "record_not_durable"
STOP_PAUSE_TOO_LONG: Final = "pause_too_long"
STOP_POWER_LOST: Final = "power_lost"
STOP_CONTROL_RESTARTED: Final = "control_restarted"
"""Also a fault id: the field process was started again while a session was open."""
STOP_CHARGER_MANUAL: Final = "charger_manual"
STOP_CHARGER_CONDITION: Final = "charger_condition"
STOP_BUS_SILENT: Final = "bus_silent"
STOP_LISTENER_STOPPED: Final = "monitor_stopped"
STOP_LISTENER_LOST: Final = "listener_lost"

STOP_REASONS: Mapping[str, Text] = MappingProxyType(
    {
        STOP_LOCAL: Text("就地停止", "stopped at the pile"),
        STOP_PLATFORM: Text("平台停止", "stopped by the platform"),
        STOP_VEHICLE: Text("车辆结束充电(充满或达到设定)", "ended by the vehicle (full, or its target reached)"),
        STOP_VEHICLE_FAULT: Text("车辆因自身故障中止充电", "stopped by the vehicle because of its own fault"),
        STOP_ENERGY_LIMIT: Text("达到设定电量", "energy limit reached"),
        STOP_TIME_LIMIT: Text("达到设定时长", "time limit reached"),
        STOP_AMOUNT_LIMIT: Text("达到设定金额", "amount limit reached"),
        STOP_SOC_LIMIT: Text("达到设定 SOC", "state of charge limit reached"),
        STOP_SHUTDOWN: Text("程序退出,正常停机", "normal stop: the agent was shut down"),
        STOP_RECORD_NOT_DURABLE: Text("启动记录未能及时写入", "the start record was not written in time"),
        STOP_PAUSE_TOO_LONG: Text("车辆暂停时间过长", "the vehicle paused for too long"),
        STOP_POWER_LOST: Text("桩断电,已按电表示数结算", "the pile lost its power; billed from the meter register"),
        # Of a charge that was only followed; the rest of its reasons are the words above and fault ids.
        STOP_CHARGER_MANUAL: Text("在充电机上人工停止", "stopped by hand at the charger"),
        STOP_CHARGER_CONDITION: Text("充电机达到设定条件", "the charger reached its set condition"),
        STOP_BUS_SILENT: Text("车桩双方停止通信", "charger and vehicle stopped communicating"),
        STOP_LISTENER_STOPPED: Text("监听结束,充电可能仍在继续", "listening ended; the charge may go on"),
        STOP_LISTENER_LOST: Text("监听装置曾断电或重启", "the listening agent lost its power or was restarted"),
    }
)
"""Stop reasons that are no faults. Every other stop reason of a session that began is an id of the fault catalogue."""

NORMAL_STOPS = frozenset(
    {
        STOP_LOCAL,
        STOP_PLATFORM,
        STOP_VEHICLE,
        STOP_ENERGY_LIMIT,
        STOP_TIME_LIMIT,
        STOP_AMOUNT_LIMIT,
        STOP_SOC_LIMIT,
        STOP_SHUTDOWN,
    }
)
"""Stop reasons of a charge that ended as requested by customer, platform or vehicle."""

LISTENER_NORMAL_STOPS = frozenset({STOP_VEHICLE, STOP_CHARGER_MANUAL, STOP_CHARGER_CONDITION})
"""The same for a charge that was only followed."""

REPLUG_STOPS = frozenset({STOP_VEHICLE_FAULT})
"""Stop reasons besides faults that clear with the plug after which the plug must be pulled before a new start."""

# Refusals of the field process.
EXPIRED: Final = "expired"
CLOCK_UNSET: Final = "clock_unset"
SESSION_RUNNING: Final = "session_running"
SHUTTING_DOWN: Final = "shutting_down"
BAD_ARGUMENTS: Final = "bad_arguments"
UNKNOWN_COMMAND: Final = "unknown_command"
NO_SESSION: Final = "no_session"
OTHER_SESSION: Final = "other_session"
ONLY_AT_THE_PILE: Final = "only_at_the_pile"
LISTENER_ONLY: Final = "monitor_only"
REGISTER_DIFFERS: Final = "register_differs"
DISPLAY_TOO_SMALL: Final = "display_too_small"
SERIAL_DIFFERS: Final = "serial_differs"
SAME_SERIAL: Final = "same_serial"
OLD_END_BELOW: Final = "old_end_below"
NO_SUCH_CONNECTOR: Final = "no_such_connector"
CONNECTOR_MISSING: Final = "connector_missing"

# Refusals of the permission to start or to energise, besides fault ids.
NO_VALUE: Final = "no value"
RECORDER_NOT_READY: Final = "recorder not ready"
NO_POWER_MODULE: Final = "no power module"
NOT_PLUGGED: Final = "not plugged"
WRONG_STATE: Final = "state"
REPLUG: Final = "replug"
RECORD_NOT_DURABLE: Final = "record not durable"
NO_SESSION_OPEN: Final = "no session"
START_UP: Final = "start-up"
GROUPS_NOT_READY: Final = "module groups"

# Refusals of the north process: the command never reached the field process.
TOO_LARGE: Final = "too_large"
MALFORMED: Final = "malformed"
NO_EXPIRY: Final = "no_expiry"
EXPIRY_TOO_FAR: Final = "expiry_too_far"
TOO_MANY_COMMANDS: Final = "too_many_commands"
CONTROL_ABSENT: Final = "control_absent"
CONTROL_SILENT: Final = "control_silent"
IN_PROGRESS: Final = "in_progress"

REFUSALS: Mapping[str, Text] = MappingProxyType(
    {
        EXPIRED: Text("命令已过期", "the command has expired"),
        CLOCK_UNSET: Text("时钟未校准,无法判断命令是否过期", "the clock is not set, so the expiry cannot be checked"),
        SESSION_RUNNING: Text("已有充电在进行", "a session is already running"),
        SHUTTING_DOWN: Text("程序正在退出", "the agent is shutting down"),
        BAD_ARGUMENTS: Text("命令参数有误", "wrong argument"),
        UNKNOWN_COMMAND: Text("未知命令", "unknown command"),
        NO_SESSION: Text("当前没有充电", "no session is running"),
        OTHER_SESSION: Text("指定的充电不是当前充电", "the session named is not the one that runs"),
        ONLY_AT_THE_PILE: Text("只能在桩上进行", "only allowed at the pile"),
        LISTENER_ONLY: Text("本机为监听,不控制充电机", "listener: the charger cannot be controlled"),
        REGISTER_DIFFERS: Text("电表现在的示数不同", "the meter register shows another value"),
        DISPLAY_TOO_SMALL: Text("示数太小,看不出单位;至少须有", "too little energy to prove the unit; at least"),
        SERIAL_DIFFERS: Text(
            "现场文件中的表号不同(先改 connector.meter.serial_number 并重启)",
            "the site file names another meter (set connector.meter.serial_number and restart first)",
        ),
        SAME_SERIAL: Text("新旧表号相同", "old and new serial number are the same"),
        OLD_END_BELOW: Text("旧表止码低于记录中的最后示数", "the old end is below the last register known"),
        NO_SUCH_CONNECTOR: Text("没有该枪", "no such connector"),
        CONNECTOR_MISSING: Text("须指明枪号", "the command must name a connector"),
        TOO_LARGE: Text("命令过长", "the command is too long"),
        MALFORMED: Text("命令格式错误", "malformed command"),
        NO_EXPIRY: Text("缺少有效期", "the expiry is missing"),
        EXPIRY_TOO_FAR: Text("有效期过长", "the expiry is too far ahead"),
        TOO_MANY_COMMANDS: Text("命令过于频繁", "too many commands"),
        CONTROL_ABSENT: Text("控制进程未运行", "the field process is not running"),
        CONTROL_SILENT: Text("控制进程未及时应答", "the field process did not answer in time"),
        IN_PROGRESS: Text("命令正在处理", "the command is in progress"),
    }
)
"""Codes of refused or pending commands, besides those of ``PERMISSION_REASONS`` and fault ids."""

PERMISSION_REASONS: Mapping[str, Text] = MappingProxyType(
    {
        NO_VALUE: Text("没有读数", "no value of"),
        RECORDER_NOT_READY: Text("记录进程未就绪", "the recorder is not ready"),
        NO_POWER_MODULE: Text("没有可用的功率模块", "no power module answers"),
        NOT_PLUGGED: Text("未插枪", "no vehicle is plugged in"),
        WRONG_STATE: Text("当前状态不能启动", "not possible in this state"),
        REPLUG: Text("须拔枪重插后才能再次启动", "unplug and plug in again first"),
        RECORD_NOT_DURABLE: Text("启动记录尚未写入", "the start record is not written yet"),
        NO_SESSION_OPEN: Text("当前没有充电", "no session is open"),
        START_UP: Text("程序刚启动", "the agent has just started"),
        GROUPS_NOT_READY: Text("模块组未就绪", "the groups of modules are not ready"),
    }
)
"""Why nothing may be energised or started now, besides fault ids. The detail names the signal, state or stop reason."""


class Reason(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One reason: a code of the tables above or a fault id, and a detail (a signal, a state, a number) if one helps."""

    code: str
    detail: str = ""

    @property
    def text(self) -> str:
        """The form in which a reason is recorded and logged: ``code`` or ``code: detail``."""
        return f"{self.code}: {self.detail}" if self.detail else self.code


def joined(reasons: Iterable[Reason]) -> str:
    """Several reasons as one text, with commas between."""
    return ", ".join(reason.text for reason in reasons)


_WHOLE = frozenset({BAD_ARGUMENTS, REGISTER_DIFFERS, DISPLAY_TOO_SMALL, SERIAL_DIFFERS, OLD_END_BELOW})
"""Codes that are always alone; their detail may hold commas."""


def parsed(text: str) -> tuple[Reason, ...]:
    """The reasons of a text as ``joined`` writes it. Also reads what earlier releases recorded."""
    code, colon, detail = text.partition(": ")
    if colon and code in _WHOLE:
        return (Reason(code, detail),)
    found = []
    for part in text.split(","):
        code, _, detail = part.strip().partition(": ")
        if code:
            found.append(Reason(code, detail))
    return tuple(found)
