"""What would run with a site file that is right."""

from agent.cli.screen import Screen
from agent.cli.words import Speaker
from agent.settings.load import AnySite, MonitorSite, Site


def _charger_limits(speak: Speaker, site: Site) -> list[str]:
    connector, profile = site.settings.connector, site.profile
    power_w = connector.maximum_power_w or profile.maximum_power_w
    voltage_v = connector.maximum_voltage_v or profile.maximum_voltage_v
    current_a = connector.maximum_current_a or profile.maximum_current_a
    limits = f"{power_w / 1000:g} kW, {voltage_v:g} V, {current_a:g} A, GB/T 27930-{connector.edition}"
    return [speak.pick("限值", "limits"), limits]


def _charger_devices(speak: Speaker, site: Site) -> list[tuple[str, str]]:
    pick, connector = speak.pick, site.settings.connector
    board = connector.inputs_outputs
    return [
        (connector.vehicle_bus, pick("车辆", "vehicle")),
        (connector.meter.bus, f"{pick('电表', 'meter')} {connector.meter.model} @{connector.meter.address}"),
        (
            connector.insulation_monitor.bus,
            f"{pick('绝缘监测', 'insulation monitor')} {connector.insulation_monitor.model} "
            f"@{connector.insulation_monitor.address}",
        ),
        (
            board.bus,
            f"{pick('输入输出', 'inputs and outputs')} {board.board} @{board.relay_address} @{board.analog_address}",
        ),
        (
            connector.power_stage.bus,
            f"{pick('功率模块', 'power modules')} {connector.power_stage.family} x{site.profile.module_count}",
        ),
    ]


def _monitor_devices(speak: Speaker, site: MonitorSite) -> list[tuple[str, str]]:
    pick, connector = speak.pick, site.settings.connector
    found = [(connector.vehicle_bus, pick("车辆(只听,不发送)", "vehicle (listen only, nothing is sent)"))]
    meter, monitor, inputs = connector.meter, connector.insulation_monitor, connector.inputs
    if meter is not None:
        found.append((meter.bus, f"{pick('电表', 'meter')} {meter.model} @{meter.address}"))
    if monitor is not None:
        found.append((monitor.bus, f"{pick('绝缘监测', 'insulation monitor')} {monitor.model} @{monitor.address}"))
    if inputs is not None:
        found.append((inputs.bus, f"{pick('触点(只读)', 'contacts (read only)')} @{inputs.address}"))
    return found


def _monitor_energy(speak: Speaker, site: MonitorSite) -> list[str]:
    pick = speak.pick
    source = (
        pick("取自车辆总线,不计费", "from the vehicle bus, nothing is billed")
        if site.settings.connector.meter is None
        else pick("本机电表,计费以其示数为准", "our meter, whose register is what is billed")
    )
    return [pick("电量", "energy"), source]


def show_check(screen: Screen, speak: Speaker, site: AnySite) -> None:
    """Write OK and a summary: the pile, its lines and devices, limits, prices, platform."""
    pick = speak.pick
    settings = site.settings
    profile, uplink = site.profile, settings.uplink
    rows = [[pick("桩", "pile"), f"{settings.pile.id} ({settings.pile.operator_id}), {profile.description}"]]
    if isinstance(site, MonitorSite):
        rows.append([pick("角色", "role"), pick("只监听他方充电机", "only listens to another maker's charger")])
        rows.append(_monitor_energy(speak, site))
        devices = _monitor_devices(speak, site)
    else:
        rows.append(_charger_limits(speak, site))
        devices = _charger_devices(speak, site)
    users: dict[str, list[str]] = {}
    for bus, text in devices:
        users.setdefault(bus, []).append(text)
    unused = pick("未使用", "not used")
    for line in settings.bus.modbus:
        what = ", ".join(users.get(line.name, [unused]))
        rows.append([f"Modbus {line.name}", f"{line.port}, {line.baud} 8{line.parity}{line.stop_bits}: {what}"])
    for wire in settings.bus.can:
        what = ", ".join(users.get(wire.name, [unused]))
        rows.append([f"CAN {wire.name}", f"{wire.interface} {wire.channel}, {wire.bitrate_bps // 1000} kbit/s: {what}"])
    if not uplink.enabled:
        platform = pick("关闭,记录留在桩上", "off, the record stays on the pile")
    else:
        guard = "TLS" if uplink.tls else pick("未加密", "NOT encrypted")
        platform = f"{uplink.host}:{uplink.port}, {guard}"
    rows += [
        [pick("电价", "tariff"), f"{site.tariff.id} v{site.tariff.version}: {site.tariff.description}"],
        [pick("平台", "platform"), platform],
        [pick("记录", "record"), settings.paths.state],
        [pick("故障目录", "fault catalogue"), pick(f"{len(site.faults)} 项", f"{len(site.faults)} faults")],
    ]
    screen.line(f"OK {site.path}", "bold green")
    screen.table(["", ""], rows)
