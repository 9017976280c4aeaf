"""Checks of the lines: bus names, ports, who uses which bus, addresses, each with place and cure."""

import os
from collections.abc import Collection, Iterator

from agent.settings.problems import Problem, did_you_mean
from agent.settings.tree import Tree, entries
from drivers.line.tcp_port import is_tcp, split_url
from drivers.text import Text


def bus_problems(tree: Tree, numbered: Collection[str] = ()) -> Iterator[Problem]:
    """Bus names, ports and addresses: each only once, each that is used defined and of the right kind.

    ``numbered`` are the places of the meters that are addressed by their number (DL/T 645).
    """
    first: dict[str, str] = {}
    for place, entry in (*entries(tree, "bus.modbus"), *entries(tree, "bus.can")):
        name = entry.get("name")
        if name is None:
            continue
        if name in first:
            what = Text(f"总线名 {name} 已用于 {first[name]}", f"the bus name {name} is taken by {first[name]}")
            yield Problem(f"{place}.name", what, Text("换一个名字", "choose another name"))
        first.setdefault(name, place)
    yield from _ports(tree)
    yield from _references(tree)
    yield from _modbus_addresses(tree, numbered)
    yield from _vehicle_buses(tree)


def _vehicle_buses(tree: Tree) -> Iterator[Problem]:
    """Each vehicle has a CAN line of its own: two dialogues on one line cannot be distinguished."""
    first: dict[str, str] = {}
    for place, entry in entries(tree, "connector"):
        bus = entry.get("vehicle_bus")
        if bus is None:
            continue
        if bus in first:
            what = Text(f"{bus} 已是 {first[bus]} 的车辆总线", f"{bus} is the vehicle bus of {first[bus]}")
            hint = Text("每把枪用自己的 CAN 总线", "each connector needs a CAN bus of its own")
            yield Problem(f"{place}.vehicle_bus", what, hint)
        first.setdefault(bus, place)
    for place, entry in entries(tree, "module_group"):
        bus = entry.get("bus")
        if bus in first:
            yield Problem(
                f"{place}.bus",
                Text(f"{bus} 是 {first[bus]} 的车辆总线", f"{bus} is the vehicle bus of {first[bus]}"),
                Text("功率模块须用另一条 CAN 总线", "the power modules need another CAN bus"),
            )


def _ports(tree: Tree) -> Iterator[Problem]:
    first: dict[str, str] = {}
    lines = [(f"{place}.port", entry.get("port")) for place, entry in entries(tree, "bus.modbus")]
    lines += [(f"{place}.channel", entry.get("channel")) for place, entry in entries(tree, "bus.can")]
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


def _users(tree: Tree, kind: str) -> Iterator[tuple[str, str]]:
    """Every use of a bus: place of the key, name of the bus."""
    if kind == "can":
        found = [(f"{place}.vehicle_bus", entry.get("vehicle_bus")) for place, entry in entries(tree, "connector")]
        found += [(f"{place}.bus", entry.get("bus")) for place, entry in entries(tree, "module_group")]
    else:
        found = [(f"{place}.bus", entry.get("bus")) for place, entry in _modbus_devices(tree)]
    return ((place, name) for place, name in found if name is not None)


def _modbus_devices(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Every device on a Modbus line."""
    for place, connector in entries(tree, "connector"):
        for name in ("meter", "insulation_monitor"):
            device = connector.get(name)
            if isinstance(device, dict):
                yield f"{place}.{name}", device
    yield from entries(tree, "board")
    yield from entries(tree, "auxiliary_meter")


def _references(tree: Tree) -> Iterator[Problem]:
    names = {
        kind: [entry["name"] for _, entry in entries(tree, f"bus.{kind}") if entry.get("name")]
        for kind in ("modbus", "can")
    }
    for kind, other in (("modbus", "can"), ("can", "modbus")):
        for place, name in _users(tree, kind):
            if name in names[kind]:
                continue
            if name in names[other]:
                what = Text(
                    f"{name} 是 {other} 总线,此处须用 {kind} 总线", f"{name} is a {other} bus, a {kind} bus is needed"
                )
            else:
                what = Text(f"没有名为 {name} 的 {kind} 总线", f"no {kind} bus is named {name}")
            yield Problem(place, what, did_you_mean(name, names[kind]))


def _modbus_addresses(tree: Tree, numbered: Collection[str]) -> Iterator[Problem]:
    """Each device on a line has an address of its own; a DL/T 645 meter has a number instead."""
    first: dict[tuple[str, str], str] = {}
    for place, device in _modbus_devices(tree):
        bus = device.get("bus")
        key = "number" if place in numbered else "address"
        address = device.get(key)
        if bus is None or address in (None, ""):
            continue
        where = f"{place}.{key}"
        former = first.setdefault((bus, str(address)), where)
        if former != where:
            yield Problem(
                where,
                Text(
                    f"总线 {bus} 上的地址 {address} 已用于 {former}",
                    f"address {address} on bus {bus} is taken by {former}",
                ),
                Text("一条总线上每个设备一个地址", "each device on a bus needs an address of its own"),
            )
