"""Sessions, one session with its bill, and alarms, as the pile's own record holds them."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from agent.cli import amounts, words
from agent.cli.screen import Screen
from agent.cli.views import listener_words
from agent.cli.words import Speaker
from agent.vocabulary import events, kinds, reasons, states
from drivers.text import Text

Document = Mapping[str, Any]


def show_sessions(screen: Screen, speak: Speaker, sessions: Sequence[Document], utc_offset_minutes: int) -> None:
    """A table of sessions, newest first."""
    pick = speak.pick
    if not sessions:
        screen.line(pick("没有充电记录", "no sessions in the record"))
        return
    rows = [
        [
            str(entry["session"]),
            amounts.local_time(entry["started_wall_ms"], utc_offset_minutes),
            "-" if entry["duration_s"] is None else amounts.duration(entry["duration_s"]),
            "-" if entry["energy_wh"] is None else amounts.kilowatt_hours(entry["energy_wh"]),
            "-" if entry["amount_e4"] is None else amounts.yuan(entry["amount_e4"]),
            speak.word(words.RESULTS, str(entry["result"] or entry["status"])),
            "" if entry["stop_reason"] is None else speak.reason(entry["stop_reason"]),
        ]
        for entry in sessions
    ]
    headers = [
        pick("编号", "session"),
        pick("开始", "begun"),
        pick("时长", "duration"),
        "kWh",
        pick("元", "CNY"),
        pick("结果", "result"),
        pick("原因", "because"),
    ]
    screen.table(headers, rows, right=(2, 3, 4))


def show_session(
    screen: Screen, speak: Speaker, session: Document, verdict: Sequence[str], utc_offset_minutes: int
) -> None:
    """One session: result, bill by tariff period, time line, and whether the record is whole."""
    pick = speak.pick
    ended = session.get("ended") or {}
    _show_head(screen, speak, session, ended, utc_offset_minutes)
    slices = ended.get("slices") or []
    if slices:
        screen.heading(pick("账单", "bill"))
        _show_bill(screen, speak, ended, slices, utc_offset_minutes)
    screen.heading(pick("时间线", "time line"))
    rows = [row for record in session["records"] if (row := _event_row(speak, record, utc_offset_minutes))]
    screen.table(["", ""], rows)
    screen.heading(pick("记录核验", "record"))
    for line in verdict:
        screen.line(line)


def _show_head(screen: Screen, speak: Speaker, session: Document, ended: Document, utc_offset_minutes: int) -> None:
    pick = speak.pick
    vehicle = session.get("vehicle") or {}
    started = session.get("started") or {}
    origin = str((ended or started).get("origin") or "-")
    rows = [
        [pick("编号", "session"), str(session["session"])],
        [pick("结果", "result"), speak.word(words.RESULTS, str(session.get("result") or session["status"]))],
        [
            pick("时间", "time"),
            f"{amounts.local_time(session['started_wall_ms'], utc_offset_minutes)} → "
            f"{amounts.local_time(session['ended_wall_ms'], utc_offset_minutes)}",
        ],
        [
            pick("启动方式", "ordered by"),
            speak.word(words.ORIGINS, origin),
        ],
    ]
    reason = ended.get("stop_reason")
    if reason:
        rows.append([pick("停止原因", "ended because"), speak.reason(str(reason))])
        rows += [[pick("处理", "what to do"), hint] for hint in speak.hints(str(reason))]
    others = [fault for fault in ended.get("faults") or [] if fault != reason]
    if others:
        rows.append([pick("当时故障", "faults then"), "; ".join(speak.fault(str(fault)) for fault in others)])
    if ended:
        rows += _energy_rows(speak, ended)
    if ended.get("soc_end_percent") is not None:
        rows.append(["SoC", f"{ended.get('soc_start_percent', '-')} % → {ended['soc_end_percent']} %"])
    if vehicle.get("vin"):
        rows.append([pick("车辆", "vehicle"), str(vehicle["vin"])])
    if ended.get("closed_by") == reasons.BY_RECOVERY:
        closed = pick("重启后由记录结算", "from the record, after a restart")
        rows.append([pick("结算", "closed"), closed])
    screen.table(["", ""], rows)


_SIDES = {"charger": Text("充电机", "the charger"), "vehicle": Text("车辆", "the vehicle")}


def _energy_rows(speak: Speaker, ended: Document) -> list[list[str]]:
    """Register, energy and amount; for a charge that was only followed also who stopped it and what broke a rule."""
    pick = speak.pick
    energy = f"{amounts.kilowatt_hours(ended['energy_wh'])} kWh"
    if ended.get("energy_source") == states.ENERGY_FROM_VEHICLE_BUS:
        rows = [[pick("电量", "energy"), f"{energy} {pick('(取自车辆总线,不计费)', '(vehicle bus, not billed)')}"]]
    else:
        register = (
            f"{amounts.kilowatt_hours(ended['register_start_wh'])} → "
            f"{amounts.kilowatt_hours(ended['register_end_wh'])} kWh"
        )
        rows = [
            [pick("电表示数", "register"), register],
            [pick("电量", "energy"), energy],
            [pick("金额", "amount"), f"{amounts.yuan(ended['amount_e4'])} {pick('元', 'CNY')}"],
        ]
    if ended.get("stop_side"):
        rows.append([pick("停止方", "stopped by"), speak.word(_SIDES, str(ended["stop_side"]))])
    if ended.get("from_start") is False:
        rows.append([pick("完整性", "heard"), pick("监听从中途开始", "listening began in the middle")])
    if ended.get("violations"):
        told = ", ".join(f"{code} x{count}" for code, count in ended["violations"].items())
        rows.append([pick("规约违例", "protocol violations"), told])
    return rows


def _show_bill(
    screen: Screen, speak: Speaker, ended: Document, slices: Sequence[Document], utc_offset_minutes: int
) -> None:
    pick = speak.pick
    rows = [
        [
            f"{amounts.local_time(part['start_wall_ms'], utc_offset_minutes, with_date=False)}-"
            f"{amounts.local_time(part['end_wall_ms'], utc_offset_minutes, with_date=False)}",
            speak.word(words.RATES, str(part["rate"])),
            amounts.kilowatt_hours(part["energy_wh"]),
            amounts.price(part["price_electricity_e5"]),
            amounts.price(part["price_service_e5"]),
            amounts.yuan(part["electricity_e4"]),
            amounts.yuan(part["service_e4"]),
        ]
        for part in slices
    ]
    rows.append(
        [
            pick("合计", "total"),
            "",
            amounts.kilowatt_hours(ended["energy_wh"]),
            "",
            "",
            "",
            amounts.yuan(ended["amount_e4"]),
        ]
    )
    headers = [
        pick("时段", "period"),
        pick("费率", "rate"),
        "kWh",
        pick("电价", "price"),
        pick("服务费价", "service"),
        pick("电费", "electricity"),
        pick("服务费", "service"),
    ]
    screen.table(headers, rows, right=(2, 3, 4, 5, 6))


def _event_row(speak: Speaker, record: Document, utc_offset_minutes: int) -> list[str] | None:
    """One line of the time line, None for what only repeats."""
    text = _text_of(speak, record["kind"], record["body"])
    if text is None:
        return None
    return [amounts.local_time(record["wall_ms"], utc_offset_minutes, with_date=False), text]


def _text_of(speak: Speaker, kind: str, body: Document) -> str | None:
    if kind == kinds.STATE:
        return speak.word(words.STATES, str(body.get("state")))
    if kind == kinds.SESSION_PROGRESS:
        return _progress_text(body)
    if kind == kinds.EVENT:
        return _happening(speak, body)
    details: dict[str, Callable[[], str]] = {
        kinds.SESSION_STARTED: lambda: "",
        kinds.SESSION_ENDED: lambda: speak.reason(str(body.get("stop_reason"))),
        kinds.SESSION_VEHICLE: lambda: str(body.get("vin") or body.get("software_version") or "-"),
        kinds.ALARM_RAISED: lambda: f"{speak.fault(str(body.get('fault')))} [{body.get('fault')}]",
        kinds.ALARM_CLEARED: lambda: speak.fault(str(body.get("fault"))),
        kinds.COMMAND: lambda: _command_text(speak, body),
    }
    if kind not in details:
        return None
    title, detail = kinds.KINDS[kind].text.in_(speak.language), details[kind]()
    return f"{title}: {detail}" if detail else title


def _command_text(speak: Speaker, body: Document) -> str:
    reason = f" ({speak.reason(str(body['reason']))})" if body.get("reason") else ""
    return f"{body.get('name')}: {speak.word(words.ANSWERS, str(body.get('result')))}{reason}"


def _happening(speak: Speaker, body: Document) -> str:
    """An event of the record in words; one that this release does not know is shown by its name."""
    name = str(body.get("event"))
    known = _WORDS.get(name) or listener_words.WORDS.get(name)
    return speak.word(events.EVENTS, name) if known is None else known(speak, body)


def _insulation(speak: Speaker, body: Document) -> str:
    figures = f"{body.get('ohm_per_v')} Ω/V, +{body.get('plus_kohm')} kΩ, -{body.get('minus_kohm')} kΩ"
    return f"{speak.word(events.EVENTS, events.INSULATION)}: {figures}"


def _battery(speak: Speaker, body: Document) -> str:
    at_most = f"≤ {body.get('maximum_voltage_v')} V, ≤ {body.get('maximum_current_a')} A"
    return f"{speak.word(events.EVENTS, events.BATTERY)}: {body.get('battery_voltage_v')} V, {at_most}"


def _vehicle_stop(speak: Speaker, body: Document) -> str:
    causes = ", ".join(body.get("detail", {}).get("reasons", [])) or "-"
    return f"{speak.word(events.EVENTS, events.VEHICLE_STOP)} (BST): {causes}"


def _contact_lost(speak: Speaker, body: Document) -> str:
    return f"{speak.word(events.EVENTS, events.CONTACT_LOST)}: {speak.fault(str(body.get('cause')))}"


def _reconnect(speak: Speaker, body: Document) -> str:
    count = speak.pick(f",第 {body.get('number')} 次", f" no. {body.get('number')}")
    return f"{speak.word(events.EVENTS, events.RECONNECT)}{count}: {speak.fault(str(body.get('cause')))}"


def _message_refused(speak: Speaker, body: Document) -> str:
    return f"{speak.word(events.EVENTS, events.MESSAGE_REFUSED)}: {body.get('message')}"


def _version(speak: Speaker, body: Document) -> str:
    version = body.get("detail", {}).get("version") or "-"
    return f"{speak.word(events.EVENTS, events.VERSION_NEGOTIATION)}: {version}"


_WORDS: Mapping[str, listener_words.Words] = MappingProxyType(
    {
        events.INSULATION: _insulation,
        events.BATTERY: _battery,
        events.VEHICLE_STOP: _vehicle_stop,
        events.CONTACT_LOST: _contact_lost,
        events.RECONNECT: _reconnect,
        events.MESSAGE_REFUSED: _message_refused,
        events.VERSION_NEGOTIATION: _version,
    }
)
"""Events with content beyond their name."""


def _progress_text(body: Document) -> str:
    parts = []
    for key, unit, scale in (("voltage_dv", "V", 10), ("current_da", "A", 10), ("power_w", "kW", 1000)):
        if body.get(key) is not None:
            parts.append(f"{body[key] / scale:.1f} {unit}")
    if body.get("energy_wh") is not None:
        parts.append(f"{amounts.kilowatt_hours(body['energy_wh'])} kWh")
    if body.get("soc_percent") is not None:
        parts.append(f"SoC {body['soc_percent']} %")
    return ", ".join(parts)


def show_alarms(screen: Screen, speak: Speaker, alarms: Sequence[Document], utc_offset_minutes: int) -> None:
    """A table of raised and cleared faults, newest first."""
    pick = speak.pick
    if not alarms:
        screen.line(pick("没有故障记录", "no faults in the record"))
        return
    rows = [
        [
            amounts.local_time(record["wall_ms"], utc_offset_minutes),
            pick("发生", "raised") if record["kind"] == kinds.ALARM_RAISED else pick("恢复", "cleared"),
            str(record["body"].get("level", "")),
            str(record["body"].get("fault")),
            speak.fault(str(record["body"].get("fault"))),
            str(record["session"] or ""),
        ]
        for record in alarms
    ]
    headers = [
        pick("时间", "time"),
        pick("事件", "event"),
        pick("级别", "level"),
        pick("编号", "fault"),
        pick("说明", "text"),
        pick("充电", "session"),
    ]
    screen.table(headers, rows)


def verdict_of(speak: Speaker, session: Document, verification: Any) -> list[str]:
    """Whether the chain is whole and the signature of the session fits, in words."""
    pick = speak.pick
    session_id = str(session["session"])
    about_it = [problem for problem in verification.problems if session_id in problem]
    others = [problem for problem in verification.problems if session_id not in problem]
    lines = []
    if others:
        lines.append(pick("记录链:已损坏", "chain: BROKEN"))
        lines += [f"  {problem}" for problem in others[:5]]
    else:
        lines.append(
            pick(
                f"记录链:完整({verification.records} 条)",
                f"chain: whole ({verification.records} records)",
            )
        )
    if about_it:
        lines.append(pick("签名:不符", "signature: DOES NOT FIT"))
        lines += [f"  {problem}" for problem in about_it[:5]]
    elif session["signed"]:
        lines.append(pick("签名:有效", "signature: valid"))
    else:
        lines.append(pick("签名:尚未签名", "signature: none yet"))
    return lines
