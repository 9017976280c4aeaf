"""What would run with a site file that is right."""

from agent.cli.screen import Screen
from agent.cli.words import Speaker
from agent.settings.site import ConnectorOfSite, Site


def show_check(screen: Screen, speak: Speaker, site: Site) -> None:
    """Write OK and a summary: the pile, each connector with its devices and limits, lines with who shares them."""
    pick = speak.pick
    settings = site.settings
    rows = [[pick("桩", "pile"), f"{settings.pile.id} ({settings.pile.operator_id}), {site.profile.description}"]]
    if site.kind == "listener":
        rows.append(
            [pick("角色", "role"), pick("监听(跟随原充电桩,不控制)", "listener (follows a charger, controls nothing)")]
        )
    else:
        rows.append([pick("总功率", "power"), _power(speak, site)])
    for connector in site.connectors:
        rows += _connector(speak, site, connector)
    rows += _lines(speak, site)
    rows += [
        [pick("电价", "tariff"), f"{site.tariff.id} v{site.tariff.version}: {site.tariff.description}"],
        [pick("平台", "platform"), _platform(speak, site)],
        [pick("记录", "record"), settings.paths.state],
        [pick("故障目录", "fault catalogue"), pick(f"{len(site.faults)} 项", f"{len(site.faults)} faults")],
    ]
    screen.line(f"OK {site.path}", "bold green")
    screen.table(["", ""], rows)


def _power(speak: Speaker, site: Site) -> str:
    pick, power = speak.pick, site.settings.power
    text = f"{site.profile.maximum_power_w / 1000:g} kW"
    if power.incomer_limit_w is not None:
        text += pick(
            f",进线限值 {power.incomer_limit_w / 1000:g} kW", f", incomer limit {power.incomer_limit_w / 1000:g} kW"
        )
    if len(site.connectors) > 1:
        fixed = pick("固定分配", "fixed split of the module groups")
        text += f", {fixed if power.policy == 'fixed' else pick('动态分配', 'module groups are switched')}"
    return text


def _connector(speak: Speaker, site: Site, connector: ConnectorOfSite) -> list[list[str]]:
    """The connector's devices and limits, one row each."""
    pick, settings = speak.pick, connector.settings
    name = pick(f"枪 {connector.number}", f"connector {connector.number}")
    rows = []
    if settings.kind == "charger":
        rows.append([name, f"{_limits(site, connector)}, GB/T 27930-{settings.edition}"])
    else:
        rows.append([name, pick("只监听", "listens only")])
    rows.append(["", _meter(speak, connector)])
    monitor = settings.insulation_monitor
    if monitor is not None:
        where = f"@{monitor.address}, {monitor.bus}"
        rows.append(["", f"{pick('绝缘监测', 'insulation monitor')} {monitor.model} {where}"])
    elif settings.kind == "charger":
        rows.append(["", pick("无绝缘监测", "no insulation monitor")])
    if connector.wiring is not None:
        boards = ", ".join(f"{role} = {board.settings.name}" for role, board in connector.boards.items())
        kind = pick("接线", "wiring") if settings.kind == "charger" else pick("触点(只读)", "contacts (read only)")
        rows.append(["", f"{kind} {connector.wiring.id}: {boards}"])
    for group in connector.groups:
        rated = group.rated
        text = (
            f"{pick('模块组', 'module group')} {rated.id}: {group.settings.model} x{group.module_count}, "
            f"{rated.maximum_power_w / 1000:g} kW, {rated.maximum_current_a:g} A"
        )
        others = [
            entry.connector
            for entry in site.profile.allocation
            if entry.group == rated.id and entry.connector != rated.connector
        ]
        if others:
            numbers = ", ".join(str(number) for number in others)
            text += pick(f";可切换至枪 {numbers}", f"; can be switched to connector {numbers}")
        rows.append(["", text])
    return rows


def _limits(site: Site, connector: ConnectorOfSite) -> str:
    settings, profile = connector.settings, site.profile
    power_w = settings.maximum_power_w or profile.maximum_power_w
    voltage_v = settings.maximum_voltage_v or profile.maximum_voltage_v
    current_a = settings.maximum_current_a or profile.maximum_current_a
    return f"{power_w / 1000:g} kW, {voltage_v:g} V, {current_a:g} A"


def _meter(speak: Speaker, connector: ConnectorOfSite) -> str:
    pick, meter = speak.pick, connector.settings.meter
    if meter is None:
        if connector.settings.kind == "charger":
            return pick("无电表,不计费", "no meter, nothing is billed")
        return pick("无电表:电量取自车辆总线,不计费", "no meter: energy as heard on the vehicle bus, nothing is billed")
    text = f"{pick('电表', 'meter')} {meter.model} @{meter.number or meter.address}, {meter.bus}"
    if connector.settings.kind == "listener":
        text += pick(";计费以其示数为准", "; its register is what is billed")
    return text


def _users(speak: Speaker, site: Site) -> dict[str, list[str]]:
    """Who is on each line: a line that several connectors share shows them all."""
    pick = speak.pick
    users: dict[str, list[str]] = {}
    for connector in site.connectors:
        settings, number = connector.settings, "" if len(site.connectors) == 1 else f" {connector.number}"
        vehicle = (
            pick("车辆", "vehicle")
            if settings.kind == "charger"
            else pick("车辆(只听,不发送)", "vehicle (listen only, nothing is sent)")
        )
        users.setdefault(settings.vehicle_bus, []).append(f"{vehicle}{number}")
        for device, word in (
            (settings.meter, pick("电表", "meter")),
            (settings.insulation_monitor, pick("绝缘监测", "insulation monitor")),
        ):
            if device is not None:
                users.setdefault(device.bus, []).append(f"{word}{number} @{device.address}")
        for group in connector.groups:
            users.setdefault(group.settings.bus, []).append(f"{pick('模块组', 'module group')} {group.rated.id}")
    for board in site.boards:
        of = [str(each.number) for each in site.connectors if board in each.boards.values()]
        owners = f" ({', '.join(of)})" if len(site.connectors) > 1 else ""
        where = "" if board.settings.address is None else f"@{board.settings.address}"
        text = f"{pick('板', 'board')} {board.settings.name}{owners} {board.model.id} {where}"
        users.setdefault(board.settings.bus or "", []).append(text)
    for entry in site.settings.auxiliary_meter:
        users.setdefault(entry.bus, []).append(f"{pick('进线电表', 'incomer meter')} {entry.model} @{entry.address}")
    return users


def _lines(speak: Speaker, site: Site) -> list[list[str]]:
    users, rows = _users(speak, site), []
    unused = [speak.pick("未使用", "not used")]
    for line in site.settings.bus.modbus:
        what = ", ".join(users.get(line.name, unused))
        rows.append([f"Modbus {line.name}", f"{line.port}, {line.baud} 8{line.parity}{line.stop_bits}: {what}"])
    for wire in site.settings.bus.can:
        what = ", ".join(users.get(wire.name, unused))
        rows.append([f"CAN {wire.name}", f"{wire.interface} {wire.channel}, {wire.bitrate_bps // 1000} kbit/s: {what}"])
    if "" in users:
        rows.append(["GPIO", ", ".join(users[""])])
    return rows


def _platform(speak: Speaker, site: Site) -> str:
    pick, uplink = speak.pick, site.settings.uplink
    if not uplink.enabled:
        return pick("关闭,记录留在桩上", "off, the record stays on the pile")
    guard = "TLS" if uplink.tls else pick("未加密", "NOT encrypted")
    return f"{uplink.host}:{uplink.port}, {guard}"
