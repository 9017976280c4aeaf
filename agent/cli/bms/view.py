"""A decoded session in words: who, how far, what was asked and given, why it ended, and what broke the rules."""

import datetime
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from agent.cli import amounts
from agent.cli.bms.words import BATTERY_TYPES, FOREIGN, MESSAGES, OUTCOMES, SIDES, STAGES, BmsSpeaker
from agent.cli.screen import Screen, width_of
from drivers.gbt27930.messages.table import BATTERY_TYPES as TYPES
from drivers.gbt27930.messages.table import MESSAGES as TABLE
from drivers.gbt27930.observer.model import Extremes, Group
from drivers.gbt27930.observer.observer import Heard, Observation, Observer, Session, Severity, Stage

COLUMNS = 96
"""Width that is kept."""

_INDENT = 17

_LISTED_AT_MOST = 12
"""Values of a list shown in one line of a frame."""


def show_session(screen: Screen, speak: BmsSpeaker, session: Session) -> None:
    """Everything about one session."""
    pick = speak.pick
    outcome = speak.word(OUTCOMES, session.outcome.value)
    violations = session.violations
    head = pick(
        f"第 {session.number} 次充电：{outcome}，{violations} 处违规",
        f"session {session.number}: {outcome}, {violations} {'violation' if violations == 1 else 'violations'}",
    )
    screen.heading(head)
    screen.table(["", ""], _summary(speak, session))
    screen.heading(pick("时间线（秒）", "time line (s)"))
    screen.table(["", ""], _timeline(speak, session), right=(0,))
    for severity, title in (
        (Severity.VIOLATION, pick("违规", "violations")),
        (Severity.VARIANT, pick("已知的差异（非错误）", "known variants (not errors)")),
    ):
        groups = [group for group in session.groups.values() if group.first.severity is severity]
        if groups:
            screen.heading(title)
            for group in groups:
                for line in group_lines(speak, group):
                    screen.line(line)
    notes = [group for group in session.groups.values() if _is_remarkable(group)]
    if notes:
        screen.heading(pick("说明", "notes"))
        for group in notes:
            for line in group_lines(speak, group):
                screen.line(line)
    screen.heading(pick("报文周期（毫秒）", "messages and their intervals (ms)"))
    screen.table(*_periods(speak, session), right=(1, 2, 3, 4, 5))


def show_foreign(screen: Screen, speak: BmsSpeaker, observer: Observer) -> None:
    """Identifiers that are no message of the dialogue."""
    if not observer.foreign:
        return
    pick = speak.pick
    screen.heading(pick("其他标识符", "other identifiers"))
    rows = [
        [f"{identifier:08X}", str(foreign.count), speak.word(FOREIGN, foreign.name)]
        for identifier, foreign in sorted(observer.foreign.items())
    ]
    if observer.foreign_others:
        rows.append(["...", str(observer.foreign_others), pick("更多标识符", "further identifiers")])
    screen.table(["", "", ""], rows, right=(1,))


def group_lines(speak: BmsSpeaker, group: Group) -> list[str]:
    """Two lines about all observations of one kind: when, how often, what; then worst and expected."""
    first = group.first
    head = f"{first.at_s:10.3f} s  {group.count:5d} x  {first.message or '-':<5} {speak.rule(first.code)}"
    return [head, *_facts(speak, group.worst, many=group.count > 1)]


def observation_line(speak: BmsSpeaker, observation: Observation) -> str:
    """One observation in one line, as it happens."""
    sign = {Severity.NOTE: " ", Severity.VARIANT: "~", Severity.VIOLATION: "!"}[observation.severity]
    name = f"{observation.message} " if observation.message else ""
    what = speak.rule(observation.code)
    if observation.code == "stage":
        what, seen = "", speak.word(STAGES, observation.seen).upper()
    else:
        seen = speak.fact(observation.seen)
    expected = speak.fact(observation.expected)
    text = f"{name}{what}"
    if seen:
        text = f"{text}: {seen}" if text else f"== {seen}"
    if expected:
        text += speak.pick(f"（应为 {expected}）", f" (expected {expected})")
    return f"{observation.at_s:10.3f} {sign} {text}"


def heard_line(speak: BmsSpeaker, heard: Heard) -> str:
    """One message in one line."""
    sender = speak.word(SIDES, heard.sender.name.lower())
    if heard.values is None:
        content = f"? {heard.payload.hex(' ')}"
    else:
        content = " ".join(f"{name}={_value(value)}" for name, value in heard.values.items() if value is not None)
    return f"{heard.at_s:10.3f}   {heard.name} {sender}  {content}"


def status_line(speak: BmsSpeaker, session: Session, now_s: float) -> str:
    """State of a running charge, in one line."""
    demand, output = session.values("BCL"), session.values("CCS")
    soc = session.soc_percent
    parts = [
        f"{speak.pick('需求', 'demand')} {_pair(demand)}",
        f"{speak.pick('输出', 'output')} {_pair(output)}",
        f"SoC {'-' if soc is None else f'{soc:g}'} %",
    ]
    if session.paused:
        parts.append(speak.pick("暂停", "pause"))
    return f"{now_s:10.3f}   {', '.join(parts)}"


def begin_text(begin_unix_s: float | None) -> str | None:
    """The wall time of the first frame where this command runs."""
    if begin_unix_s is None:
        return None
    moment = datetime.datetime.fromtimestamp(begin_unix_s, datetime.UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S %z")


# ---------------------------------------------------------------------------------------------------------- parts


def _summary(speak: BmsSpeaker, session: Session) -> list[list[str]]:
    pick = speak.pick
    end_s = session.last_frame_s if session.ended_s is None else session.ended_s
    rows = [
        [
            pick("时间", "time"),
            f"{session.started_s:.3f} s - {end_s:.3f} s ({amounts.duration(end_s - session.started_s)})",
        ],
        [pick("车辆", "vehicle"), _vehicle(speak, session)],
        [pick("充电机", "charger"), _charger(speak, session)],
        [pick("车辆限值", "vehicle limits"), _vehicle_limits(speak, session.values("BCP"))],
        [pick("充电机限值", "charger limits"), _charger_limits(session.values("CML"))],
        [pick("需求 BCL", "demand (BCL)"), _spans(session, "BCL")],
        [pick("测量 BCS", "measured (BCS)"), _spans(session, "BCS")],
        [pick("输出 CCS", "output (CCS)"), _spans(session, "CCS")],
        ["SoC", _soc(session)],
        [pick("温度", "temperature"), _temperatures(session)],
        [pick("电量", "energy"), _energy(speak, session)],
        [pick("停止", "stop"), _stop(speak, session)],
    ]
    if session.cem_reasons or session.bem_reasons:
        told = [("CEM", session.cem_reasons), ("BEM", session.bem_reasons)]
        text = "; ".join(f"{name}: {speak.reasons(list(reasons))}" for name, reasons in told if reasons)
        rows.append([pick("超时", "time-outs"), text])
    if session.attempts > 1:
        rows.append([pick("连接次数", "attempts"), str(session.attempts)])
    if session.pauses:
        spans = [
            f"{each.from_s:.1f}-{'' if each.until_s is None else f'{each.until_s:.1f}'} s" for each in session.pauses
        ]
        rows.append([pick("暂停", "pauses"), ", ".join(spans[:4]) + (" ..." if len(spans) > 4 else "")])
    if not session.from_start:
        rows.append(
            [pick("注意", "note"), pick("录制从充电中途开始", "the recording begins in the middle of the session")]
        )
    return _folded(rows)


def _folded(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of name and text; a text too wide goes on in further rows."""
    width = COLUMNS - 2 - max(width_of(name) for name, _ in rows)
    folded = []
    for name, text in rows:
        # Chinese letters take two columns; a limit that is right for them is only early for the others.
        limit = width * len(text) // max(width_of(text), 1) if text else width
        for number, line in enumerate(textwrap.wrap(text, max(limit, 20))):
            folded.append([name if number == 0 else "", line])
    return folded


def _vehicle(speak: BmsSpeaker, session: Session) -> str:
    brm = session.values("BRM")
    if not brm:
        return ""
    battery = speak.word(BATTERY_TYPES, TYPES.get(brm["battery_type"], ""))
    parts = [
        brm["vin"] or speak.pick("无VIN", "no VIN"),
        battery,
        _with(brm["rated_capacity_ah"], "Ah"),
        _with(brm["rated_voltage_v"], "V"),
        brm["maker"] or "",
        speak.pick(f"协议 {brm['version']}", f"protocol {brm['version']}"),
    ]
    return ", ".join(part for part in parts if part)


def _charger(speak: BmsSpeaker, session: Session) -> str:
    chm, crm = session.values("CHM"), session.values("CRM")
    parts = []
    if crm:
        parts.append(speak.pick(f"编号 {crm['charger_number']}", f"number {crm['charger_number']}"))
    if chm:
        parts.append(speak.pick(f"协议 {chm['version']}", f"protocol {chm['version']}"))
    return ", ".join(parts)


def _vehicle_limits(speak: BmsSpeaker, bcp: Mapping[str, Any]) -> str:
    if not bcp:
        return ""
    battery = f"{_with(bcp['battery_voltage_v'], 'V')} / {_with(bcp['soc_percent'], '%')}"
    parts = [
        _with(bcp["maximum_voltage_v"], "V"),
        _with(bcp["maximum_current_a"], "A"),
        speak.pick("单体 ", "cell ") + _with(bcp["maximum_cell_voltage_v"], "V"),
        _with(bcp["maximum_temperature_c"], "°C"),
        _with(bcp["nominal_energy_kwh"], "kWh"),
        speak.pick("电池 ", "battery ") + battery,
    ]
    return ", ".join(parts)


def _charger_limits(cml: Mapping[str, Any]) -> str:
    if not cml:
        return ""
    return (
        f"{_with(cml['minimum_voltage_v'], '')}-{_with(cml['maximum_voltage_v'], 'V')}, "
        f"{_with(cml['minimum_current_a'], '')}-{_with(cml['maximum_current_a'], 'A')}"
    )


def _spans(session: Session, message: str) -> str:
    voltage = _span(session.extreme(f"{message}.voltage_v"), "V")
    current = _span(session.extreme(f"{message}.current_a"), "A")
    return ", ".join(part for part in (voltage, current) if part)


def _span(extremes: Extremes, unit: str) -> str:
    if extremes.least is None:
        return ""
    return (
        f"{extremes.least:g}-{extremes.greatest:g} {unit}"
        if extremes.least != extremes.greatest
        else f"{extremes.least:g} {unit}"
    )


def _soc(session: Session) -> str:
    bcs, bsd = session.extreme("BCS.soc_percent"), session.values("BSD")
    if bcs.first is None:
        return ""
    last = bsd.get("soc_percent")
    return f"{bcs.first:g} % → {bcs.last if last is None else last:g} %"


def _temperatures(session: Session) -> str:
    low, high = session.extreme("BSM.lowest_temperature_c"), session.extreme("BSM.highest_temperature_c")
    if low.least is None or high.greatest is None:
        return ""
    return f"{low.least:g} °C - {high.greatest:g} °C"


def _energy(speak: BmsSpeaker, session: Session) -> str:
    parts = []
    csd = session.values("CSD")
    if csd:
        parts.append(f"CSD {_with(csd['energy_kwh'], 'kWh')}, {_with(csd['minutes'], 'min')}")
    if session.charging_s:
        estimate = session.energy_estimate_wh / 1000
        parts.append(
            speak.pick(
                f"按CCS估算 {estimate:.3f} kWh,有电流 {amounts.duration(session.charging_s)}",
                f"by CCS about {estimate:.3f} kWh, current for {amounts.duration(session.charging_s)}",
            )
        )
    return "; ".join(parts)


def _stop(speak: BmsSpeaker, session: Session) -> str:
    if session.stop_side is None:
        return ""
    side = speak.word(SIDES, session.stop_side.name.lower())
    parts = [speak.pick(f"由{side}提出", f"requested by the {side}")]
    told = (("CST", session.cst_reasons), ("BST", session.bst_reasons))
    parts += [f"{name}: {speak.reasons(list(reasons))}" for name, reasons in told if reasons]
    return "; ".join(parts)


def _timeline(speak: BmsSpeaker, session: Session) -> list[list[str]]:
    rows = []
    attempt = 1
    for change in session.timeline:
        text = speak.word(STAGES, change.stage.value)
        if change.attempt != attempt:
            attempt = change.attempt
            text += speak.pick(f"，第{attempt}次连接", f", attempt {attempt}")
        if change.stage is Stage.CHARGING and session.pauses:
            text += speak.pick(f"，暂停{len(session.pauses)}次", f", {len(session.pauses)} pauses")
        rows.append([f"{change.at_s:.3f}", text])
    if session.timeline_dropped:
        rows.append(["...", speak.pick(f"另有{session.timeline_dropped}次", f"{session.timeline_dropped} more")])
    return rows


def _periods(speak: BmsSpeaker, session: Session) -> tuple[Sequence[str], list[list[str]]]:
    pick = speak.pick
    headers = [
        pick("报文", "message"),
        pick("次数", "count"),
        pick("标称", "nominal"),
        pick("最小", "least"),
        pick("平均", "mean"),
        pick("最大", "most"),
        "",
    ]
    rows = []
    for name in TABLE:
        count = session.counts.get(name)
        if count is None:
            continue
        mean_s = count.interval_mean_s
        intervals = ["-"] * 3
        if mean_s is not None:
            intervals = [f"{each * 1000:.0f}" for each in (count.interval_least_s, mean_s, count.interval_most_s)]
        rows.append([name, str(count.count), str(TABLE[name].period_ms), *intervals, speak.word(MESSAGES, name)])
    return headers, rows


def _facts(speak: BmsSpeaker, worst: Observation, *, many: bool) -> list[str]:
    pick = speak.pick
    parts = []
    if worst.seen:
        label = pick("最差", "worst") if many and worst.amount else pick("实际", "seen")
        parts.append(f"{label} {speak.fact(worst.seen)}")
    if worst.expected:
        parts.append(f"{pick('应为', 'expected')} {speak.fact(worst.expected)}")
    text = ", ".join(parts)
    if worst.source:
        text = f"{text} [{worst.source}]".strip()
    if not text:
        return []
    if width_of(text) > COLUMNS - _INDENT and speak.language == "en":
        return textwrap.wrap(text, COLUMNS, initial_indent=" " * _INDENT, subsequent_indent=" " * _INDENT)
    return [" " * _INDENT + text]


_ORDINARY = frozenset({"session.begin", "session.end", "stage", "identified", "attempt", "permit", "stop", "foreign"})


def _is_remarkable(group: Group) -> bool:
    first = group.first
    return first.severity is Severity.NOTE and first.code not in _ORDINARY


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        shown = ",".join(_value(each) for each in value[:_LISTED_AT_MOST])
        return f"[{shown}{',...' if len(value) > _LISTED_AT_MOST else ''}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with(value: float | None, unit: str) -> str:
    return ("-" if value is None else f"{value:g}") + (f" {unit}" if unit else "")


def _pair(values: Mapping[str, Any]) -> str:
    return f"{_with(values.get('voltage_v'), 'V')} {_with(values.get('current_a'), 'A')}"
