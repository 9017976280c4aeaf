"""Sessions, one session with its bill, and alarms, as the pile's own record holds them."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.cli import amounts, words
from agent.cli.screen import Screen
from agent.cli.views.listener_words import heard_event
from agent.cli.words import Speaker
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
            {
                "local": pick("就地", "the pile"),
                "platform": pick("平台", "the platform"),
                "observed": pick("他人的充电机(本机只监听)", "somebody else's charger (this agent only listened)"),
            }.get(origin, origin),
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
    if ended.get("closed_by") == "recovery":
        closed = pick("重启后由记录结算", "from the record, after a restart")
        rows.append([pick("结算", "closed"), closed])
    screen.table(["", ""], rows)


_SIDES = {"charger": Text("充电机", "the charger"), "vehicle": Text("车辆", "the vehicle")}


def _energy_rows(speak: Speaker, ended: Document) -> list[list[str]]:
    """Register, energy and amount; for a charge that was only followed also who stopped it and what broke a rule."""
    pick = speak.pick
    energy = f"{amounts.kilowatt_hours(ended['energy_wh'])} kWh"
    if ended.get("energy_source") == "vehicle_bus":
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
    pick, body, kind = speak.pick, record["body"], record["kind"]
    text: str | None = None
    if kind == "state":
        text = speak.word(words.STATES, str(body.get("state")))
    elif kind == "session_started":
        text = pick("开始,已落盘", "begun, durable on the disk")
    elif kind == "session_ended":
        text = f"{pick('结束', 'ended')}: {speak.reason(str(body.get('stop_reason')))}"
    elif kind == "session_vehicle":
        text = f"{pick('车辆', 'vehicle')}: {body.get('vin') or body.get('bms_version') or '-'}"
    elif kind == "alarm_raised":
        text = f"{pick('故障', 'fault')}: {speak.fault(str(body.get('fault')))} [{body.get('fault')}]"
    elif kind == "alarm_cleared":
        text = f"{pick('故障恢复', 'cleared')}: {speak.fault(str(body.get('fault')))}"
    elif kind == "command":
        reason = f" ({speak.reason(str(body['reason']))})" if body.get("reason") else ""
        text = f"{pick('命令', 'command')} {body.get('name')}: {body.get('result')}{reason}"
    elif kind == "session_progress":
        text = _progress_text(body)
    elif kind == "event":
        text = _happening(speak, body)
    if text is None:
        return None
    return [amounts.local_time(record["wall_ms"], utc_offset_minutes, with_date=False), text]


def _happening(speak: Speaker, body: Document) -> str:
    """An event of the record in words; one without words here is shown by its name."""
    pick, name = speak.pick, str(body.get("event"))
    if name == "insulation":
        figures = f"{body.get('ohm_per_v')} Ω/V, +{body.get('plus_kohm')} kΩ, -{body.get('minus_kohm')} kΩ"
        return f"{pick('绝缘测量', 'insulation measured')}: {figures}"
    if name == "battery":
        at_most = f"≤ {body.get('maximum_voltage_v')} V, ≤ {body.get('maximum_current_a')} A"
        figures = f"{body.get('battery_voltage_v')} V, {at_most}"
        return f"{pick('电池参数', 'battery')}: {figures}"
    if name == "vehicle_stop":
        reasons = ", ".join(body.get("detail", {}).get("reasons", [])) or "-"
        return f"{pick('车辆请求停止', 'the vehicle asks to stop')} (BST): {reasons}"
    if name in ("contact_lost", "reconnect"):
        words_of = {
            "contact_lost": pick("通信中断,准备重新握手", "contact lost, preparing a new handshake"),
            "reconnect": f"{pick('重新握手,第', 'new handshake, no.')} {body.get('number')}{pick(' 次', '')}",
        }
        return f"{words_of[name]}: {speak.fault(str(body.get('cause')))}"
    if name == "message_refused":
        return f"{pick('报文不合规,未采用', 'unusable message')}: {body.get('message')}"
    if name == "version_negotiation":
        version = body.get("detail", {}).get("version") or "-"
        told = pick("车辆提议新版协议,按 2015 流程继续", "the vehicle offers a newer protocol, going on as 2015")
        return f"{told}: {version}"
    known = {
        "paused": pick("车辆请求暂停", "the vehicle asks for a pause"),
        "resumed": pick("车辆恢复充电", "the vehicle goes on"),
        "internal_error": pick("程序内部错误,输出已断开", "an error of the program, outputs opened"),
        "register_lower": pick("电表读数变小(换表?)", "the meter's register is lower than before (meter changed?)"),
        "records_omitted": pick("记录暂缺,仅计数", "records left out while the recorder was away"),
        "records_missing": pick("记录缺失", "records are missing"),
        "readings_damaged": pick("读数文件损坏,已另存", "the readings file was damaged and moved aside"),
    }
    return known.get(name) or heard_event(speak, body) or name


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
            pick("发生", "raised") if record["kind"] == "alarm_raised" else pick("恢复", "cleared"),
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
