"""``pile-agent meter check``: is a meter map right, and what would be sent to read the meter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import msgspec

from agent.cli.context import print_json
from agent.cli.exits import EXIT_OK, EXIT_WRONG
from agent.cli.meter.words import CONFIDENCE, KINDS, PROTOCOLS
from agent.cli.screen import Screen
from agent.settings.files import data_folder, find_data_file
from agent.settings.meter_map import load_meter_map
from agent.settings.problems import Problem, SettingsError, did_you_mean
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.planner import Wire
from drivers.meters.read_plan import plan_items, plan_reads, wire_of
from drivers.meters.register_map import AnyMap
from drivers.text import Language, Text


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command was asked."""

    file: Path
    baud: int | None
    interval_ms: int
    channel: int
    signals: tuple[str, ...] | None
    as_json: bool
    language: Language


class Request(msgspec.Struct, frozen=True):
    """One request of a plan, in words and figures."""

    what: str
    what_hex: str
    values: int
    every: int
    priority: int
    bytes: int
    time_us: int
    signals: list[str]


class Plan(msgspec.Struct, frozen=True):
    """The requests for one variant of the firmware, and how much of the line they take."""

    variants: list[str]
    requests: list[Request]
    line_share: float


def check_map(wanted: Wanted) -> int:
    """Write what is wrong with the map, or the plan. Returns the exit code."""
    try:
        path = _find(wanted.file)
        meter_map = load_meter_map(path)
        _check_wishes(wanted, meter_map, path)
    except SettingsError as error:
        _complain(error, wanted)
        return EXIT_WRONG
    plans = list(_plans(meter_map, wanted))
    if wanted.as_json:
        print_json(
            {
                "file": str(path),
                "ok": True,
                "problems": [],
                "id": meter_map.id,
                "protocol": meter_map.protocol,
                "kind": meter_map.kind,
                "billing": meter_map.billing,
                "baud": wanted.baud or meter_map.serial.baud,
                "plans": [msgspec.to_builtins(plan) for plan in plans],
            }
        )
    else:
        _show(wanted, path, meter_map, plans)
    return EXIT_OK


def _find(file: Path) -> Path:
    """The file itself, or the shipped map of this name."""
    if file.exists():
        return file
    found, names = find_data_file("meters", file.stem, [data_folder()])
    if found is None or file.name != file.stem:
        what = Text(f"没有文件 {file},也没有同名的内置电表点表", f"no file and no shipped map {file}")
        raise SettingsError(str(file), [Problem("FILE", what, did_you_mean(file.stem, names))])
    return found


def _check_wishes(wanted: Wanted, meter_map: AnyMap, path: Path) -> None:
    offered = _offered(meter_map, wanted.channel)
    problems = []
    if not offered:
        what = Text(f"没有通道 {wanted.channel}", f"no channel {wanted.channel}")
        problems.append(Problem("--channel", what))
    for signal in wanted.signals or ():
        if signal not in offered:
            what = Text(f"该电表不提供 {signal}", f"this meter does not provide {signal}")
            problems.append(Problem("--signal", what, did_you_mean(signal, offered)))
    if problems:
        raise SettingsError(str(path), problems)


def _offered(meter_map: AnyMap, channel: int) -> list[str]:
    if isinstance(meter_map, RegisterMap):
        return list(meter_map.signals(channel)) if channel <= meter_map.channels else []
    return [item.signal for item in meter_map.items if item.channel == channel]


def _complain(error: SettingsError, wanted: Wanted) -> None:
    language = wanted.language
    if wanted.as_json:
        problems = [
            {
                "place": problem.place,
                "what": problem.what.in_(language),
                "hint": problem.hint.in_(language),
            }
            for problem in error.problems
        ]
        print_json({"file": error.path, "ok": False, "problems": problems})
        return
    for problem in error.problems:
        click.echo(problem.line(language))
    count = len(error.problems)
    if language == "zh":
        click.echo(f"{error.path}:{count} 处错误")
    else:
        click.echo(f"{error.path}: {count} {'error' if count == 1 else 'errors'}")


def _plans(meter_map: AnyMap, wanted: Wanted) -> Iterator[Plan]:
    wire = wire_of(meter_map, wanted.baud)
    if not isinstance(meter_map, RegisterMap):
        yield _plan(_item_requests(meter_map, wanted, wire), (), wanted)
        return
    choices: dict[str, list[str]] = {}
    for variant in meter_map.variants:
        choices.setdefault(variant.choice, []).append(variant.name)
    for names in product(*choices.values()):
        yield _plan(_register_requests(meter_map, wanted, wire, names), names, wanted)


def _plan(requests: list[Request], variants: Sequence[str], wanted: Wanted) -> Plan:
    busy_us = sum(request.time_us / request.every for request in requests)
    return Plan(list(variants), requests, round(busy_us / (wanted.interval_ms * 1000), 4))


def _register_requests(register_map: RegisterMap, wanted: Wanted, wire: Wire, variants: Sequence[str]) -> list[Request]:
    plan = plan_reads(register_map, wanted.signals, wanted.channel, variants, wire)
    return [
        Request(
            f"{read.function:02d} {read.start}+{read.count}",
            f"{read.function:02d} 0x{read.start:04X}-0x{read.start + read.count - 1:04X}",
            read.count,
            read.every,
            read.priority,
            wire.bytes_of(read.count),
            wire.time_us(read.count),
            [
                *(field.signal for field in plan.fields(read)),
                *(f"ratio {ratio.name}" for ratio in plan.ratios(read)),
            ],
        )
        for read in plan.reads
    ]


def _item_requests(meter_map: IdentifierMap, wanted: Wanted, wire: Wire) -> list[Request]:
    preamble = meter_map.serial.preamble
    return [
        Request(
            read.di,
            read.di,
            read.data_bytes,
            read.every,
            read.priority,
            read.wire_bytes(preamble),
            read.time_us(wire, preamble),
            list(read.signals),
        )
        for read in plan_items(meter_map, wanted.signals, wanted.channel, wire)
    ]


def _show(wanted: Wanted, path: Path, meter_map: AnyMap, plans: Sequence[Plan]) -> None:
    screen = Screen()
    screen.line(f"OK {path}", "bold green")
    screen.table(["", ""], _heading(meter_map, wanted.language))
    for plan in plans:
        _show_plan(screen, plan, meter_map, wanted)
    _show_doubts(screen, meter_map, wanted.language)


def _heading(meter_map: AnyMap, language: Language) -> list[list[str]]:
    """What the map gives about the meter, a row each."""

    def pick(chinese: str, english: str) -> str:
        return Text(chinese, english).in_(language)

    serial = meter_map.serial
    maker = pick(meter_map.maker.zh, meter_map.maker.en)
    reason = pick(meter_map.billing_reason.zh, meter_map.billing_reason.en)
    billing = pick("可计费" if meter_map.billing else "不可计费", "billing" if meter_map.billing else "not for billing")
    return [
        [pick("电表", "meter"), f"{maker} {', '.join(meter_map.models)}"],
        ["", pick(meter_map.description_zh, meter_map.description)],
        [pick("类型", "kind"), KINDS[meter_map.kind].in_(language)],
        [
            pick("线路", "line"),
            f"{PROTOCOLS[meter_map.protocol].in_(language)}, {serial.baud} 8{serial.parity}{serial.stop_bits}",
        ],
        [pick("电能", "energy"), f"{billing}: {reason}"],
        [
            pick("来源", "source"),
            f"{meter_map.source} ({pick('可信度', 'confidence')} {CONFIDENCE[meter_map.confidence].in_(language)})",
        ],
    ]


def _show_plan(screen: Screen, plan: Plan, meter_map: AnyMap, wanted: Wanted) -> None:
    """The requests of a plan, and how much of the line they take."""

    def pick(chinese: str, english: str) -> str:
        return Text(chinese, english).in_(wanted.language)

    baud = wanted.baud or meter_map.serial.baud
    delay_ms = 1000 * wire_of(meter_map).reply_delay_s
    named = f" ({', '.join(plan.variants)})" if plan.variants else ""
    screen.heading(pick(f"读取计划,{baud} 波特{named}", f"read plan at {baud} baud{named}"))
    screen.table(
        [
            pick("请求", "request"),
            pick("值", "values"),
            pick("每几次", "every"),
            pick("优先级", "priority"),
            pick("字节", "bytes"),
            pick("毫秒", "ms"),
        ],
        [
            [
                request.what_hex,
                str(len(request.signals)),
                str(request.every),
                str(request.priority),
                str(request.bytes),
                f"{request.time_us / 1000:.1f}",
            ]
            for request in plan.requests
        ],
        right=(1, 2, 3, 4, 5),
    )
    share = f"{100 * plan.line_share:.1f} %"
    screen.line(
        pick(
            f"毫秒:请求、应答、假定 {delay_ms:.0f} 毫秒的应答延时和间隔",
            f"ms: request, reply, {delay_ms:.0f} ms assumed response time, and the pause",
        )
    )
    screen.line(
        pick(
            f"每 {wanted.interval_ms} 毫秒读取一次,占用线路 {share}",
            f"read every {wanted.interval_ms} ms this takes {share} of the line",
        )
    )
    if plan.line_share > 1:
        screen.line(
            pick(
                "线路带宽不足:提高波特率,加长间隔,或用 --signal 只读需要的量",
                "the line is too slow: raise the baud rate or the interval, or read fewer signals (--signal)",
            ),
            "bold red",
        )


def _show_doubts(screen: Screen, meter_map: AnyMap, language: Language) -> None:
    quantities = meter_map.fields if isinstance(meter_map, RegisterMap) else meter_map.items
    doubts = {
        (quantity.signal, quantity.disputed.zh, quantity.disputed.en)
        for quantity in quantities
        if quantity.disputed is not None
    }
    lines = [f"{signal}: {Text(zh, en).in_(language)}" for signal, zh, en in sorted(doubts)]
    lines += [check.in_(language) for check in meter_map.checks]
    if lines:
        screen.heading(Text("调试时核对", "to prove at commissioning").in_(language))
        for line in lines:
            screen.line(f"- {line}")
