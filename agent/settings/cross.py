"""Checks between keys of the site file: what is legal alone may be wrong together.

They work on the tree that ``walk`` leaves, in which wrong values are None, so that every mistake is found at once.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from agent.settings.catalogue import Fault, PileProfile
from agent.settings.problems import Problem, did_you_mean
from drivers.line.tcp_port import is_tcp, split_url
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.sections import MeterMap
from drivers.text import Text

Tree = Mapping[str, Any]

_MODBUS_USERS = (
    "connector.meter.bus",
    "connector.insulation_monitor.bus",
    "connector.inputs_outputs.bus",
    "connector.inputs.bus",
)
_CAN_USERS = ("connector.vehicle_bus", "connector.power_stage.bus")
_ADDRESSES = (
    ("connector.meter.bus", "connector.meter.address"),
    ("connector.insulation_monitor.bus", "connector.insulation_monitor.address"),
    ("connector.inputs_outputs.bus", "connector.inputs_outputs.relay_address"),
    ("connector.inputs_outputs.bus", "connector.inputs_outputs.analog_address"),
    ("connector.inputs.bus", "connector.inputs.address"),
)
_CONTACTS = ("emergency_stop_pressed", "door_open", "smoke_detected")
_RATINGS = ("maximum_power_w", "maximum_voltage_v", "maximum_current_a")


def at(tree: Any, place: str) -> Any:
    """The value at a dotted place, None where there is none or it was wrong."""
    for key in place.split("."):
        name, bracket, index = key.partition("[")
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name)
        if bracket:
            # An entry of a list; whoever asks has found it there.
            tree = tree[int(index.rstrip("]"))] if isinstance(tree, list) else None
    return tree


def _entries(tree: Tree, place: str) -> Iterator[tuple[str, Tree]]:
    entries = at(tree, place)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, Mapping):
            yield f"{place}[{index}]", entry


def bus_problems(tree: Tree) -> Iterator[Problem]:
    """Bus names, ports and addresses: each only once, each that is used defined and of the right kind."""
    first: dict[str, str] = {}
    for place, entry in (*_entries(tree, "bus.modbus"), *_entries(tree, "bus.can")):
        name = entry.get("name")
        if name is None:
            continue
        if name in first:
            what = Text(f"总线名 {name} 已用于 {first[name]}", f"the bus name {name} is taken by {first[name]}")
            yield Problem(f"{place}.name", what, Text("换一个名字", "choose another name"))
        first.setdefault(name, place)
    yield from _ports(tree)
    yield from _references(tree)
    yield from _modbus_addresses(tree)
    vehicle, modules = at(tree, "connector.vehicle_bus"), at(tree, "connector.power_stage.bus")
    if vehicle is not None and vehicle == modules:
        yield Problem(
            "connector.power_stage.bus",
            Text(f"{modules} 已是车辆总线", f"{modules} is the vehicle's bus"),
            Text("功率模块须用另一条 CAN 总线", "the power modules need a CAN line of their own"),
        )


def _ports(tree: Tree) -> Iterator[Problem]:
    first: dict[str, str] = {}
    lines = [(f"{place}.port", entry.get("port")) for place, entry in _entries(tree, "bus.modbus")]
    lines += [(f"{place}.channel", entry.get("channel")) for place, entry in _entries(tree, "bus.can")]
    for place, port in lines:
        if port is None:
            continue
        if is_tcp(port):
            try:
                # Some devices serve one connection only, however their address is written.
                real = "{}:{}".format(*split_url(port)[1:])
            except ValueError as error:
                hint = Text("例如 tcp://192.168.1.50:502", "for example tcp://192.168.1.50:502")
                yield Problem(place, Text(f"网络地址不对:{error}", str(error)), hint)
                continue
        else:
            # Two names in /dev/serial may lead to one adapter.
            real = os.path.realpath(port) if "/" in port else port
        if real in first:
            what = Text(f"端口 {port} 已用于 {first[real]}", f"the port {port} is used by {first[real]}")
            yield Problem(place, what, Text("每条总线用自己的端口", "each bus needs a port of its own"))
        first.setdefault(real, place)


def _references(tree: Tree) -> Iterator[Problem]:
    names = {
        kind: [entry["name"] for _, entry in _entries(tree, f"bus.{kind}") if entry.get("name")]
        for kind in ("modbus", "can")
    }
    modbus_users = (*_MODBUS_USERS, *(f"{place}.bus" for place, _ in _entries(tree, "auxiliary_meter")))
    for users, kind, other in ((modbus_users, "modbus", "can"), (_CAN_USERS, "can", "modbus")):
        for place in users:
            name = at(tree, place)
            if name is None or name in names[kind]:
                continue
            if name in names[other]:
                what = Text(
                    f"{name} 是 {other} 总线,此处须用 {kind} 总线", f"{name} is a {other} bus, a {kind} bus is needed"
                )
                yield Problem(place, what, did_you_mean(name, names[kind]))
            else:
                what = Text(f"没有名为 {name} 的 {kind} 总线", f"no {kind} bus is named {name}")
                yield Problem(place, what, did_you_mean(name, names[kind]))


def _modbus_addresses(tree: Tree) -> Iterator[Problem]:
    first: dict[tuple[str, int], str] = {}
    more = [(f"{place}.bus", f"{place}.address") for place, _ in _entries(tree, "auxiliary_meter")]
    for bus_place, place in (*_ADDRESSES, *more):
        bus, address = at(tree, bus_place), at(tree, place)
        if bus is None or address is None:
            continue
        if (bus, address) in first:
            former = first[bus, address]
            yield Problem(
                place,
                Text(
                    f"总线 {bus} 上的地址 {address} 已用于 {former}",
                    f"address {address} on bus {bus} is taken by {former}",
                ),
                Text("一条总线上每个设备一个地址", "each device on a bus needs an address of its own"),
            )
        first.setdefault((bus, address), place)


def meter_problems(tree: Tree, meter_map: MeterMap) -> Iterator[Problem]:
    """The meter of a DC connector measures DC, and over the protocol that its bus speaks."""
    place = "connector.meter.model"
    hint = Text("直流电表见 docs/meters.md", "docs/meters.md lists the DC meters")
    if meter_map.kind != "dc":
        what = Text(
            f"{meter_map.id} 是交流电表,不能用于直流枪", f"{meter_map.id} is an AC meter, not fit for a DC connector"
        )
        yield Problem(place, what, hint)
    if isinstance(meter_map, RegisterMap):
        return
    if at(tree, "connector.meter.number") == "":
        what = Text(
            f"缺少:{meter_map.id} 使用 DL/T 645,按表号寻址",
            f"is missing: {meter_map.id} speaks DL/T 645 and is addressed by its number",
        )
        hint = Text("填写铭牌上的 12 位表号,前面的 0 也要写", "the twelve digits printed on the meter, zeros included")
        yield Problem("connector.meter.number", what, hint)
    for place, bus in _entries(tree, "bus.modbus"):
        if bus.get("name") == at(tree, "connector.meter.bus") and str(bus.get("port")).startswith("tcp://"):
            what = Text("Modbus TCP 不能传送 DL/T 645", "Modbus TCP does not carry DL/T 645")
            hint = Text(
                "串口服务器设为透传,写 rtu+tcp://", "set the serial server to pass bytes on, and write rtu+tcp://"
            )
            yield Problem(f"{place}.port", what, hint)


def auxiliary_problems(place: str, meter_map: MeterMap) -> Iterator[Problem]:
    """A meter at the grid side measures AC, shows a voltage, and is read over Modbus."""
    hint = Text("交流电表见 docs/meters.md", "docs/meters.md lists the AC meters")
    if meter_map.kind == "dc":
        what = Text(
            f"{meter_map.id} 是直流电表,不能用于电网侧", f"{meter_map.id} is a DC meter, not fit for the grid side"
        )
        yield Problem(place, what, hint)
    elif isinstance(meter_map, RegisterMap) and "voltage_l1_v" not in meter_map.signals():
        what = Text(f"{meter_map.id} 不提供相电压", f"{meter_map.id} does not deliver a phase voltage")
        yield Problem(place, what, hint)
    if not isinstance(meter_map, RegisterMap):
        what = Text(
            f"{meter_map.id} 使用 DL/T 645,此处的总线是 Modbus",
            f"{meter_map.id} is read over DL/T 645, the bus here is Modbus",
        )
        yield Problem(place, what, hint)


def role_problems(tree: Tree) -> Iterator[Problem]:
    """There is one grid side."""
    first: dict[str, str] = {}
    for place, entry in _entries(tree, "auxiliary_meter"):
        role = entry.get("role")
        if role is None:
            continue
        if role in first:
            what = Text(f"{role} 已用于 {first[role]}", f"{role} is taken by {first[role]}")
            yield Problem(f"{place}.role", what, Text("每种用途一块表", "one meter for each role"))
        first.setdefault(role, place)


def contact_problems(tree: Tree) -> Iterator[Problem]:
    """The contacts of a pile that only listens: at least one, each on an input of its own that exists."""
    inputs = at(tree, "connector.inputs")
    if not isinstance(inputs, Mapping):
        return
    wired = [name for name in _CONTACTS if inputs.get(name) is not None]
    if not wired:
        yield Problem(
            "connector.inputs",
            Text("没有接任何触点", "names no contact"),
            Text(
                f"写出 {'、'.join(_CONTACTS)} 之一,或删去本节", f"give one of {', '.join(_CONTACTS)}, or leave it out"
            ),
        )
    channels, first = inputs.get("channels"), dict[int, str]()
    for name in wired:
        place, channel = f"connector.inputs.{name}.channel", at(inputs, f"{name}.channel")
        if channel is None:
            continue
        if channels is not None and channel >= channels:
            yield Problem(
                place,
                Text(f"{channel} 超出 0 至 {channels - 1}", f"{channel} is not within 0 to {channels - 1}"),
                Text("该板没有这个输入", "the board has no such input"),
            )
        elif channel in first:
            former = first[channel]
            yield Problem(
                place,
                Text(f"通道 {channel} 已用于 {former}", f"channel {channel} is taken by {former}"),
                Text("每个触点用自己的输入", "each contact needs an input of its own"),
            )
        first.setdefault(channel, name)


def rating_problems(tree: Tree, profile: PileProfile) -> Iterator[Problem]:
    """The connector may tighten the ratings of the profile, never loosen them."""
    for name in _RATINGS:
        wanted, rating = at(tree, f"connector.{name}"), getattr(profile, name)
        if wanted is not None and wanted > rating:
            yield Problem(
                f"connector.{name}",
                Text(
                    f"{wanted} 高于桩型 {profile.id} 的 {rating}",
                    f"{wanted} is above the {rating} of profile {profile.id}",
                ),
                Text("现场文件只能收紧限值", "a site file may only tighten a limit"),
            )
    wanted_v = at(tree, "connector.maximum_voltage_v")
    if wanted_v is not None and wanted_v <= profile.minimum_voltage_v:
        yield Problem(
            "connector.maximum_voltage_v",
            Text(
                f"{wanted_v} 不高于桩型 {profile.id} 的最低电压 {profile.minimum_voltage_v}",
                f"{wanted_v} is not above the lowest voltage {profile.minimum_voltage_v} of profile {profile.id}",
            ),
        )


def limit_problems(tree: Tree, faults: Mapping[str, Fault]) -> Iterator[Problem]:
    """Site limits against the thresholds of the fault catalogue, and against each other."""
    effective: dict[str, float] = {}
    for name, fault_id in (
        ("connector_temperature_stop_c", "over_temperature"),
        ("connector_temperature_derate_c", "temperature_high"),
        ("recorder_lost_stop_s", "recorder_lost"),
    ):
        fault = faults.get(fault_id)
        threshold = None if fault is None else fault.threshold
        wanted = at(tree, f"limits.{name}")
        if wanted is not None and threshold is not None and wanted > threshold:
            yield Problem(
                f"limits.{name}",
                Text(
                    f"{wanted} 比故障目录中 {fault_id} 的 {threshold} 宽",
                    f"{wanted} is looser than the {threshold} of fault {fault_id} in the catalogue",
                ),
                Text("现场文件只能收紧限值", "a site file may only tighten a limit"),
            )
        value = wanted if wanted is not None else threshold
        if value is not None:
            effective[name] = value
    stop_c = effective.get("connector_temperature_stop_c")
    derate_c = effective.get("connector_temperature_derate_c")
    if stop_c is not None and derate_c is not None and derate_c >= stop_c:
        yield Problem(
            "limits.connector_temperature_derate_c",
            Text(
                f"降流温度 {derate_c} 不低于停机温度 {stop_c}",
                f"derating at {derate_c} is not below the stop at {stop_c}",
            ),
            Text("降流须先于停机", "derating must begin before the stop"),
        )


def path_problems(tree: Tree) -> Iterator[Problem]:
    """Folders and certificates: absolute, and there."""
    for place in ("paths.state", "paths.runtime"):
        path = at(tree, place)
        if path is not None and not os.path.isabs(path):
            yield Problem(place, *_not_absolute(path))
    if not (at(tree, "uplink.enabled") and at(tree, "uplink.tls")):
        return
    certificate, key = at(tree, "uplink.certificate_file"), at(tree, "uplink.key_file")
    for present, absent in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
        if (certificate if present == "certificate_file" else key) is not None and at(tree, f"uplink.{absent}") is None:
            yield Problem(
                f"uplink.{absent}",
                Text(f"缺少:已给出 {present}", f"is missing while {present} is given"),
                Text("证书和私钥须成对给出", "certificate and key belong together"),
            )
    for name in ("ca_file", "certificate_file", "key_file"):
        path = at(tree, f"uplink.{name}")
        if path is None:
            continue
        if not os.path.isabs(path):
            yield Problem(f"uplink.{name}", *_not_absolute(path))
        elif not _is_there(path):
            yield Problem(
                f"uplink.{name}",
                Text(f"没有文件 {path}", f"there is no file {path}"),
                Text("放入该文件,或设 uplink.tls = false", "put the file there, or set uplink.tls = false"),
            )


def _not_absolute(path: str) -> tuple[Text, Text]:
    return (
        Text(f"{path} 不是绝对路径", f"{path} is not an absolute path"),
        Text("以 / 开头写完整路径", "write the whole path, from /"),
    )


def _is_there(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError:
        # The key may be for the service's user alone; whoever checks the file need not see it.
        return True
    except OSError:
        return False
