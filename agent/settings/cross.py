"""Checks between keys of the site file: what is legal alone may be wrong together.

Meters, ratings, limits and paths. Lines are in ``cross_lines``, connectors, boards and groups in ``cross_connectors``.
"""

import os
import stat
from collections.abc import Iterator, Mapping

from agent.settings.catalogue import Fault, PileProfile
from agent.settings.problems import Problem
from agent.settings.tree import Tree, at, entries
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.sections import MeterMap
from drivers.text import Text

_RATINGS = ("maximum_power_w", "maximum_voltage_v", "maximum_current_a")


def meter_problems(tree: Tree, meter: str, meter_map: MeterMap) -> Iterator[Problem]:
    """The meter of a DC connector (``connector[0].meter``) measures DC, over the protocol of its bus."""
    place = f"{meter}.model"
    hint = Text("直流电表见 docs/meters.md", "docs/meters.md lists the DC meters")
    if meter_map.kind != "dc":
        what = Text(
            f"{meter_map.id} 是交流电表,不能用于直流枪", f"{meter_map.id} is an AC meter, not fit for a DC connector"
        )
        yield Problem(place, what, hint)
    if isinstance(meter_map, RegisterMap):
        return
    if at(tree, f"{meter}.number") == "":
        what = Text(
            f"缺少:{meter_map.id} 使用 DL/T 645,按表号寻址",
            f"is missing: {meter_map.id} uses DL/T 645 and is addressed by its number",
        )
        hint = Text("填写铭牌上的 12 位表号,前面的 0 也要写", "the twelve digits printed on the meter, zeros included")
        yield Problem(f"{meter}.number", what, hint)
    for place, bus in entries(tree, "bus.modbus"):
        if bus.get("name") == at(tree, f"{meter}.bus") and str(bus.get("port")).startswith("tcp://"):
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
    for place, entry in entries(tree, "auxiliary_meter"):
        role = entry.get("role")
        if role is None:
            continue
        if role in first:
            what = Text(f"{role} 已用于 {first[role]}", f"{role} is taken by {first[role]}")
            yield Problem(f"{place}.role", what, Text("每种用途一块表", "one meter for each role"))
        first.setdefault(role, place)


def rating_problems(tree: Tree, profile: PileProfile) -> Iterator[Problem]:
    """A connector may tighten the ratings of the profile, never loosen them."""
    hint = Text("现场文件只能收紧限值", "a site file may only tighten a limit")
    for place, connector in entries(tree, "connector"):
        for name in _RATINGS:
            wanted, rating = connector.get(name), getattr(profile, name)
            if wanted is not None and wanted > rating:
                what = Text(
                    f"{wanted} 高于桩型 {profile.id} 的 {rating}",
                    f"{wanted} is above the {rating} of profile {profile.id}",
                )
                yield Problem(f"{place}.{name}", what, hint)
        wanted_v = connector.get("maximum_voltage_v")
        if wanted_v is not None and wanted_v <= profile.minimum_voltage_v:
            yield Problem(
                f"{place}.maximum_voltage_v",
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
