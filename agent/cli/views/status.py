"""What the pile does now, on one screen."""

from collections.abc import Mapping
from typing import Any

from agent.cli import amounts, words
from agent.cli.screen import Screen
from agent.cli.words import Speaker
from agent.vocabulary import states

Status = Mapping[str, Any]


def _number(values: Status, name: str, unit: str, digits: int = 1) -> str:
    value = values.get(name)
    return "-" if value is None else f"{value:.{digits}f} {unit}"


def show_status(screen: Screen, speak: Speaker, status: Status) -> None:
    """Write the status: pile, each connector with state, session, values and interlocks, record, faults, buses.

    With several connectors only the lines in trouble are shown, so that it stays one screen.
    """
    connectors: list[Status] = list(status["connectors"])
    pick, several = speak.pick, len(connectors) > 1
    rows = [[pick("桩", "pile"), f"{status['pile_id']}"]]
    if status.get("role") == states.ROLE_LISTENER:
        rows.append(
            [pick("角色", "role"), pick("监听(跟随原充电桩,不控制)", "listener (follows a charger, controls nothing)")]
        )
    up_for = [pick("运行时间", "up for"), f"{amounts.duration(status.get('uptime_s', 0))}, {status.get('version', '')}"]
    if several:
        rows += [up_for, *_record_rows(speak, status), *_power_rows(speak, status)]
        screen.table(["", ""], rows)
        for connector in connectors:
            screen.heading(f"{pick('枪', 'connector')} {connector['connector']}")
            screen.table(["", ""], _connector_rows(speak, status, connector))
    else:
        state, *others = _connector_rows(speak, status, connectors[0])
        rows += [state, up_for, *others, *_record_rows(speak, status), *_power_rows(speak, status)]
        screen.table(["", ""], rows)
    _show_faults(screen, speak, connectors)
    buses = {
        name: entry
        for name, entry in (status.get("buses") or {}).items()
        if isinstance(entry, Mapping) and (not several or entry.get("trouble"))
    }
    rows_of_buses = [row for name, entry in buses.items() for row in _bus_rows(str(name), entry)]
    if rows_of_buses:
        screen.heading(pick("总线", "buses"))
        screen.table(["", "", ""], rows_of_buses)


def _show_faults(screen: Screen, speak: Speaker, connectors: list[Status]) -> None:
    for connector in connectors:
        faults = connector.get("faults") or []
        if faults:
            number = f" ({speak.pick('枪', 'connector')} {connector['connector']})" if len(connectors) > 1 else ""
            screen.heading(f"{speak.pick('故障', 'faults')}{number}")
            show_active_faults(screen, speak, faults)


def _connector_rows(speak: Speaker, status: Status, connector: Status) -> list[list[str]]:
    """State, session, values and interlocks of one connector, the state first."""
    state = speak.word(words.STATES, str(connector["state"]))
    since = amounts.duration(connector.get("state_since_s", 0))
    rows = [[speak.pick("状态", "state"), f"{state} ({since})"], *_session_rows(speak, connector)]
    if status.get("role") == states.ROLE_LISTENER:
        return [*rows, *_heard_rows(speak, connector)]
    return [*rows, *_value_rows(speak, connector), *_permission_rows(speak, connector)]


def _power_rows(speak: Speaker, status: Status) -> list[list[str]]:
    """Budget, share of each connector and who limits it, where each group of modules is."""
    power, pick = status.get("power") or {}, speak.pick
    if not power:
        return []
    budget = f"{power['budget_w'] / 1000:g} kW ({words.limiter(speak, power['budget_by'])})"
    rows = [[pick("功率预算", "power budget"), budget]]
    for number, share in power["shares"].items():
        text = f"{share['power_w'] / 1000:.1f} kW ({words.limiter(speak, share['by'])})"
        rows.append([f"{pick('枪', 'connector')} {number}", text])
    groups = [
        f"{name}: {speak.word(words.GROUP_STATES, group['state'])}"
        + ("" if group["connector"] is None else f" → {group['connector']}")
        for name, group in power["groups"].items()
    ]
    rows.append([pick("模块组", "groups"), ", ".join(groups)])
    return rows


def _session_rows(speak: Speaker, status: Status) -> list[list[str]]:
    if not status.get("session"):
        return [[speak.pick("充电", "session"), speak.pick("无", "none")]]
    pick = speak.pick
    energy = f"{amounts.kilowatt_hours(int(status.get('energy_wh') or 0))} kWh"
    if status.get("energy_source") == states.ENERGY_FROM_VEHICLE_BUS:
        energy += f" {pick('(取自车辆总线,不计费)', '(from the vehicle bus, not billed)')}"
    else:
        rate = speak.word(words.RATES, str(status.get("rate") or ""))
        energy += f", {amounts.yuan(int(status.get('amount_e4') or 0))} {pick('元', 'CNY')} ({rate})"
    rows = [
        [pick("充电", "session"), str(status["session"])],
        [pick("已充", "so far"), f"{energy}, {amounts.duration(status.get('duration_s') or 0)}"],
    ]
    bms = status.get("bms") or {}
    if "demand_voltage_v" in bms:
        asked = f"{_number(bms, 'demand_voltage_v', 'V')}, {_number(bms, 'demand_current_a', 'A')}"
        if bms.get("soc_percent") is not None:
            asked += f", SoC {bms['soc_percent']} %"
        rows.append([pick("车辆需求", "vehicle asks"), asked])
    if status.get("stop_reason"):
        rows.append([pick("停止原因", "stops because"), speak.reason(str(status["stop_reason"]))])
    return rows


def _value_rows(speak: Speaker, status: Status) -> list[list[str]]:
    values = status.get("values") or {}
    outputs = status.get("outputs") or {}
    register = values.get("meter_energy_wh")
    pick = speak.pick
    temperatures = [
        value
        for name in ("connector_temperature_plus_c", "connector_temperature_minus_c")
        if (value := values.get(name)) is not None
    ]
    closed = [speak.word(words.OUTPUTS, name) for name, on in outputs.items() if on]
    return [
        [
            pick("电表", "meter"),
            f"{_number(values, 'meter_voltage_v', 'V')}, {_number(values, 'meter_current_a', 'A')}, "
            f"{'-' if register is None else amounts.kilowatt_hours(int(register)) + ' kWh'}",
        ],
        [pick("枪头温度", "connector"), f"{max(temperatures):.0f} °C" if temperatures else "-"],
        [pick("输出", "outputs on"), ", ".join(closed) or pick("全部断开", "none")],
    ]


def _heard_rows(speak: Speaker, status: Status) -> list[list[str]]:
    """What a listener has: its meter if there is one, and the data of charger and vehicle."""
    values, pick = status.get("values") or {}, speak.pick
    rows = []
    if "meter_voltage_v" in values or "meter_energy_wh" in values:
        register = values.get("meter_energy_wh")
        energy = "-" if register is None else f"{amounts.kilowatt_hours(int(register))} kWh"
        measured = f"{_number(values, 'meter_voltage_v', 'V')}, {_number(values, 'meter_current_a', 'A')}, {energy}"
        rows.append([pick("电表", "meter"), measured])
    for name, text in (
        ("ccs", pick("充电机自报(CCS)", "charger reports (CCS)")),
        ("bcs", pick("车辆自报(BCS)", "vehicle reports (BCS)")),
    ):
        if f"{name}_voltage_v" in values or f"{name}_current_a" in values:
            measured = f"{_number(values, f'{name}_voltage_v', 'V')}, {_number(values, f'{name}_current_a', 'A')}"
            rows.append([text, measured])
    if status.get("session") and status.get("violations"):
        rows.append([pick("规约违例", "protocol violations"), str(status["violations"])])
    return rows


def _permission_rows(speak: Speaker, status: Status) -> list[list[str]]:
    pick = speak.pick
    blockers = [speak.reason(str(reason)) for reason in status.get("start_blockers") or []]
    if status.get("may_start"):
        answer = pick("允许", "permitted")
    elif status.get("session"):
        answer = pick("充电进行中", "a session is running")
    else:
        answer = f"{pick('不允许', 'refused')}: {'; '.join(dict.fromkeys(blockers)) or '-'}"
    return [[pick("启动", "start"), answer]]


def _record_rows(speak: Speaker, status: Status) -> list[list[str]]:
    pick = speak.pick
    recorder = status.get("recorder") or {}
    records = status.get("records") or {}
    if recorder.get("ok"):
        kept = pick("正常", "ok")
    else:
        reason = recorder.get("reason") or pick("记录进程未连接", "the recording process is not attached")
        kept = f"{pick('不可用', 'not available')}: {reason}"
    waiting = int(records.get("backlog") or 0)
    if waiting:
        kept += pick(f",{waiting} 条待写", f", {waiting} waiting to be written")
    rows = [[pick("记录", "record"), kept]]
    uplink = recorder.get("uplink")
    if uplink:
        pending = int(recorder.get("uplink_pending") or 0)
        text = f"{uplink}" + (pick(f",{pending} 条待送", f", {pending} waiting to be sent") if pending else "")
        rows.append([pick("平台", "platform"), text])
    return rows


def show_active_faults(screen: Screen, speak: Speaker, faults: list[Status]) -> None:
    """The faults in force, the most severe first, each with what to look at."""
    pick = speak.pick
    for fault in faults:
        fault_id = str(fault["id"])
        latched = pick(",已锁存", ", latched") if fault.get("latched") else ""
        since = amounts.duration(fault.get("since_s") or 0)
        action = speak.word(words.ACTIONS, str(fault.get("action")))
        screen.line(
            f"{speak.fault(fault_id)} [{fault_id}] · {speak.level(int(fault['level']))} · {action} · {since}{latched}",
            "bold red" if fault["level"] == 1 else "yellow",
        )
        hint = speak.hint(fault_id)
        if hint:
            screen.line(f"  {hint}")
        known = speak.faults.get(fault_id)
        if known is not None and known.clear == "local":
            screen.line(pick("  排除后在桩上运行 `pile-agent reset`", "  Then, at the pile: `pile-agent reset`"))


def _bus_rows(name: str, entry: Status) -> list[list[str]]:
    """One row for the line and one for each device on it; counters that are zero are left out, except ``ok``."""
    plain = {key: value for key, value in entry.items() if not isinstance(value, Mapping) and key != "port"}
    rows = [[name, str(entry.get("port") or ""), _counters(plain)]]
    devices = entry.get("devices")
    for device, counters in devices.items() if isinstance(devices, Mapping) else ():
        rows.append(["", str(device), _counters(counters) if isinstance(counters, Mapping) else str(counters)])
    return rows


def _counters(counters: Status) -> str:
    shown = {key: value for key, value in counters.items() if key == "ok" or value not in (0, "", None, False)}
    return ", ".join(key if value is True else f"{key} {value}" for key, value in shown.items())
