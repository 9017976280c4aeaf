"""Checks of connectors, boards and module groups against each other, the wiring and the profile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.settings.catalogue import (
    DEVICES,
    OPTIONAL_OUTPUTS,
    REQUIRED_OUTPUTS,
    PileProfile,
)
from agent.settings.problems import Problem, did_you_mean, legal_names
from agent.settings.tree import Tree, entries, kind_of
from agent.settings.wiring import problem_of
from agent.vocabulary.signals import ANALOG_INPUTS, DISCRETE_INPUTS, PILE_INPUTS
from drivers.catalogue import PowerModel, group_plan, plan_mistakes, shared_bus_mistakes
from drivers.inputs_outputs.board_model import BoardModel
from drivers.inputs_outputs.wiring import Output, Wiring, opens_by_itself, outputs_to_open, unknown_names
from drivers.text import Text

_CHARGER_ONLY = ("edition", "maximum_power_w", "maximum_voltage_v", "maximum_current_a")


@dataclass(frozen=True, slots=True)
class Found:
    """What belongs to a site file and could be loaded.

    Wirings by the connector's place, boards by their name, families of modules by the group's place.
    """

    wirings: Mapping[str, Wiring]
    boards: Mapping[str, BoardModel]
    modules: Mapping[str, PowerModel]
    profile: PileProfile | None


def connector_problems(data: Mapping[str, Any], tree: Tree, found: Found) -> Iterator[Problem]:
    """Everything about connectors and what they share. ``data`` is the file as written, without defaults."""
    if not any(entries(tree, "connector")):
        return
    yield from _numbers(tree)
    yield from _roles(data, tree)
    yield from _boards(tree, found)
    yield from _devices(tree, found.profile)
    yield from _wirings(tree, found)
    yield from _channels(tree, found)
    if found.profile is not None:
        yield from _count(tree, found.profile)
        if not _listens(tree):
            yield from _sensors(tree, found, found.profile)
            yield from _allocations(tree, found, found.profile)
            yield from _groups(tree, found.profile)
            yield from _families(tree, found, found.profile)


def _listens(tree: Tree) -> bool:
    return any(kind_of(connector) == "listener" for _, connector in entries(tree, "connector"))


def _numbers(tree: Tree) -> Iterator[Problem]:
    first: dict[int, str] = {}
    for place, connector in entries(tree, "connector"):
        number = connector.get("number")
        if number is None:
            continue
        if number in first:
            what = Text(f"编号 {number} 已用于 {first[number]}", f"number {number} is taken by {first[number]}")
            yield Problem(f"{place}.number", what, Text("每把枪一个编号,从 1 起", "number the connectors from 1"))
        first.setdefault(number, place)


def _count(tree: Tree, profile: PileProfile) -> Iterator[Problem]:
    count = sum(1 for _ in entries(tree, "connector"))
    # A listener may follow one of several connectors of the other charger.
    if count > profile.connectors or (count < profile.connectors and not _listens(tree)):
        what = Text(
            f"桩型 {profile.id} 有 {profile.connectors} 把枪,文件中有 {count} 把",
            f"profile {profile.id} has {_connectors(profile.connectors)}, the file has {count}",
        )
        hint = Text(
            "增减 [[connector]],或改用相符的桩型", "add or remove [[connector]] sections, or name a profile that fits"
        )
        yield Problem("connector", what, hint)
    for place, connector in entries(tree, "connector"):
        number = connector.get("number")
        if number is not None and number > profile.connectors and count <= profile.connectors:
            what = Text(
                f"桩型 {profile.id} 只有 {profile.connectors} 把枪",
                f"{number} is above the {_connectors(profile.connectors)} of profile {profile.id}",
            )
            yield Problem(f"{place}.number", what, Text("从 1 起编号", "number the connectors from 1"))


def _connectors(count: int) -> str:
    return "1 connector" if count == 1 else f"{count} connectors"


def _roles(data: Mapping[str, Any], tree: Tree) -> Iterator[Problem]:
    kinds = {place: kind_of(connector) for place, connector in entries(tree, "connector")}
    if len(set(kinds.values())) > 1:
        odd = next(place for place, kind in kinds.items() if kind != kinds["connector[0]"])
        what = Text("一个文件中充电与监听不能并存", "one file has either chargers or listeners")
        hint = Text(
            "监听的枪用另一台控制器和另一个文件",
            "a connector that is followed needs a controller and a file of its own",
        )
        yield Problem(f"{odd}.role", what, hint)
    given = data.get("connector")
    for index, entry in enumerate(given if isinstance(given, list) else []):
        place = f"connector[{index}]"
        if kinds.get(place) == "listener":
            for key in _CHARGER_ONLY:
                if key in entry:
                    yield Problem(f"{place}.{key}", *_not_a_charger(key))
    if "listener" in kinds.values() and data.get("module_group"):
        yield Problem("module_group", *_not_a_charger("module_group"))


def _not_a_charger(key: str) -> tuple[Text, Text]:
    what = Text('role = "listener" 时没有此项', 'does not belong to role = "listener"')
    if key == "edition":
        return what, Text(
            "版本由总线上的双方决定,删去此项", "the two sides on the bus decide the edition: leave it out"
        )
    return what, Text("监听不控制输出:删去此项", "a listener controls no output: leave it out")


def _boards(tree: Tree, found: Found) -> Iterator[Problem]:
    """Names of boards: once, used; bus and address, or chip, as the model needs it."""
    first: dict[str, str] = {}
    used = {name for _, connector in entries(tree, "connector") for name in (connector.get("boards") or {}).values()}
    for place, board in entries(tree, "board"):
        name = board.get("name")
        if name is None:
            continue
        if name in first:
            what = Text(f"板名 {name} 已用于 {first[name]}", f"the board name {name} is taken by {first[name]}")
            yield Problem(f"{place}.name", what, Text("换一个名字", "choose another name"))
        elif name not in used:
            what = Text(f"没有枪使用 {name}", f"no connector uses {name}")
            hint = Text("写入某把枪的 boards,或删去本节", "name it in boards of a connector, or leave the section out")
            yield Problem(f"{place}.name", what, hint)
        first.setdefault(name, place)
        model = found.boards.get(name)
        if model is not None:
            yield from _place_of_board(place, board, model)


_EXAMPLES = {
    "bus": Text("写出所在的 Modbus 总线", "name the Modbus bus that it is on"),
    "address": Text("写出板上设定的地址", "the address that is set in the board"),
}


def _place_of_board(place: str, board: Tree, model: BoardModel) -> Iterator[Problem]:
    for key in ("bus", "address"):
        if model.bus == "modbus" and board.get(key) is None:
            yield Problem(
                f"{place}.{key}", Text(f"缺少:{model.id} 需要", f"is missing: {model.id} needs it"), _EXAMPLES[key]
            )
        elif model.bus == "gpio" and board.get(key) is not None:
            what = Text(f"{model.id} 没有此项", f"does not belong to {model.id}")
            yield Problem(f"{place}.{key}", what, Text("删去此项", "leave it out"))


def _devices(tree: Tree, profile: PileProfile | None) -> Iterator[Problem]:
    """What a connector that charges cannot do without."""
    for place, connector in entries(tree, "connector"):
        if kind_of(connector) == "listener":
            continue
        if connector.get("wiring") is None and "wiring" in connector:
            hint = Text("接线表,config/wiring 中的一个文件", "what is connected where, a file in config/wiring")
            yield Problem(f"{place}.wiring", Text("缺少", "is missing"), hint)
        for name in DEVICES:
            if connector.get(name) is None and name in connector and _demands(profile, name):
                hint = Text(f"加一节 [connector.{name}]", f"add [connector.{name}] with its bus and address")
                yield Problem(f"{place}.{name}", Text("缺少:桩型要求", "is missing, the profile demands it"), hint)


def _demands(profile: PileProfile | None, name: str) -> bool:
    return profile is not None and name in profile.sensors.required


def _wirings(tree: Tree, found: Found) -> Iterator[Problem]:
    """Roles of the wiring against boards of the connector, and names of the wiring against what there is to wire."""
    names = [board["name"] for _, board in entries(tree, "board") if board.get("name")]
    judged: set[str] = set()
    for place, connector in entries(tree, "connector"):
        given = connector.get("boards")
        boards = given if isinstance(given, Mapping) else {}
        for role, name in boards.items():
            if name is not None and name not in names:
                what = Text(f"没有名为 {name} 的 [[board]]", f"no [[board]] is named {name}")
                yield Problem(f"{place}.boards.{role}", what, did_you_mean(name, names))
        wiring = found.wirings.get(place)
        if wiring is None:
            continue
        for role in boards:
            if role not in wiring.boards:
                what = Text(f"接线表 {wiring.id} 没有角色 {role}", f"wiring {wiring.id} has no board {role}")
                yield Problem(f"{place}.boards.{role}", what, did_you_mean(role, list(wiring.boards)))
        for role, about in wiring.boards.items():
            if role not in boards and isinstance(given, Mapping):
                hint = Text(f"接线表 {wiring.id}:{about}", f"wiring {wiring.id}: {about}")
                yield Problem(f"{place}.boards.{role}", Text("缺少", "is missing"), hint)
        if wiring.id not in judged:
            judged.add(wiring.id)
            yield from _names(wiring, kind_of(connector), found.profile)


def _names(wiring: Wiring, kind: str, profile: PileProfile | None) -> Iterator[Problem]:
    allocations = [] if profile is None else profile.allocation
    legal = {
        "outputs": [*REQUIRED_OUTPUTS, *OPTIONAL_OUTPUTS, *(entry.output for entry in allocations)],
        "inputs": [*DISCRETE_INPUTS, *(entry.feedback for entry in allocations)],
        "analog": list(ANALOG_INPUTS),
    }
    if kind == "listener":
        legal = {"outputs": [], "inputs": list(PILE_INPUTS), "analog": []}
    file = f"wiring/{wiring.id}.toml"
    for mistake in unknown_names(wiring, legal["outputs"], legal["inputs"], legal["analog"]):
        problem = problem_of(mistake, f"{file}: {mistake.place}")
        if not legal[mistake.place.partition(".")[0]]:
            hint = Text("监听不控制输出:删去此项", "a listener controls no output: leave it out")
            problem = Problem(problem.place, problem.what, hint)
        yield problem
    if kind == "charger":
        for name in REQUIRED_OUTPUTS:
            if name not in wiring.outputs:
                yield Problem(
                    f"{file}: outputs.{name}",
                    Text("缺少", "is missing"),
                    Text("写出其板和通道", "give its board and channel"),
                )
    for mistake in outputs_to_open(wiring, [entry.output for entry in allocations]):
        yield problem_of(mistake, f"{file}: {mistake.place}")


def _channels(tree: Tree, found: Found) -> Iterator[Problem]:
    """Every channel exists and has one user, within a connector and across connectors."""
    taken: dict[tuple[str, str, int], str] = {}
    for place, connector in entries(tree, "connector"):
        wiring = found.wirings.get(place)
        boards = connector.get("boards")
        if wiring is None or not isinstance(boards, Mapping):
            continue
        for section, name, wire in wiring.entries():
            board = boards.get(wire.board)
            model = found.boards.get(board) if board is not None else None
            if board is None or model is None:
                continue
            part = getattr(model, section, None)
            channels = 0 if part is None else part.channels
            where = f"{place}.boards.{wire.board}"
            if wire.channel >= channels:
                yield Problem(where, *_no_channel(section, name, wire.channel, model, channels))
                continue
            if isinstance(wire, Output) and wire.timed and not opens_by_itself(model):
                what = Text(f"{model.id} 不能自行断开 {name}", f"{model.id} cannot open {name} by itself")
                hint = Text(
                    "换用带脉冲或看门狗的板;由外部硬件断开时写 timed = false 和 hardware_opens = true",
                    "use a board with pulse or watchdog; if other hardware opens it, write timed = false and "
                    "hardware_opens = true",
                )
                yield Problem(where, what, hint)
            key = (board, section, wire.channel)
            former = taken.setdefault(key, f"{place} {name}")
            if former != f"{place} {name}":
                what = Text(
                    f"{board} 的通道 {wire.channel}({section})用于 {name},但已用于 {former}",
                    f"channel {wire.channel} ({section}) of {board} for {name} is taken by {former}",
                )
                yield Problem(where, what, Text("用另一块板,或另一张接线表", "name another board, or another wiring"))


def _no_channel(section: str, name: str, channel: int, model: BoardModel, channels: int) -> tuple[Text, Text]:
    if channels == 0:
        what = Text(f"{model.id} 没有 {section},{name} 无处可接", f"{model.id} has no {section}, {name} needs one")
    else:
        what = Text(
            f"{name} 的通道 {channel} 超出 {model.id} 的 0 至 {channels - 1}",
            f"channel {channel} of {name} is not within 0 to {channels - 1} of {model.id}",
        )
    return what, Text("用另一块板,或另一张接线表", "name another board, or another wiring")


def _sensors(tree: Tree, found: Found, profile: PileProfile) -> Iterator[Problem]:
    """The wiring has what the profile demands and nothing else; what belongs to the pile is wired once."""
    required = set(profile.sensors.required) - set(DEVICES)
    known = {*required, *profile.sensors.optional, *(entry.feedback for entry in profile.allocation)}
    homes: dict[str, str] = {}
    complete = True
    for place, _ in entries(tree, "connector"):
        wiring = found.wirings.get(place)
        if wiring is None:
            complete = False
            continue
        wired = [name for section, name, _ in wiring.entries() if section != "outputs"]
        for name in sorted(required - set(wired) - set(PILE_INPUTS)):
            if not any(name == entry.feedback for entry in profile.allocation):
                yield Problem(f"{place}.wiring", *_demanded(name, profile, wiring))
        for name in wired:
            if name in PILE_INPUTS:
                if name in homes:
                    what = Text(
                        f"{name} 是全桩信号,已在 {homes[name]} 接线",
                        f"{name} is of the whole pile and wired at {homes[name]}",
                    )
                    hint = Text("只在一处接线,对所有枪有效", "wire it once, it acts on every connector")
                    yield Problem(f"{place}.wiring", what, hint)
                homes.setdefault(name, place)
            if name in (*DISCRETE_INPUTS, *ANALOG_INPUTS) and name not in known:
                what = Text(f"桩型 {profile.id} 没有 {name}", f"profile {profile.id} does not have {name}")
                hint = Text("加入桩型的 sensors.optional", "add it to sensors.optional of the profile")
                yield Problem(f"{place}.wiring", what, hint)
    if complete:
        for name in sorted(required & set(PILE_INPUTS) - homes.keys()):
            wiring = found.wirings["connector[0]"]
            yield Problem("connector[0].wiring", *_demanded(name, profile, wiring))


def _demanded(name: str, profile: PileProfile, wiring: Wiring) -> tuple[Text, Text]:
    what = Text(
        f"接线表 {wiring.id} 缺少桩型 {profile.id} 要求的 {name}",
        f"wiring {wiring.id} lacks {name}, which profile {profile.id} demands",
    )
    return what, Text("改用有该信号的接线表", "name a wiring that has it")


def _allocations(tree: Tree, found: Found, profile: PileProfile) -> Iterator[Problem]:
    """The contactors that join groups, and their feedback: each wired once."""
    if any(place not in found.wirings for place, _ in entries(tree, "connector")):
        return
    for entry in profile.allocation:
        for section, name in (("outputs", entry.output), ("inputs", entry.feedback)):
            homes = [place for place, _ in entries(tree, "connector") if name in getattr(found.wirings[place], section)]
            if len(homes) == 1:
                continue
            if not homes:
                what = Text(
                    f"桩型 {profile.id} 要求的 {name} 未接线", f"profile {profile.id} demands {name}, no wiring has it"
                )
                yield Problem(
                    "connector[0].wiring", what, Text("写入一张接线表", f"add it to [{section}] of one wiring")
                )
            else:
                what = Text(f"{name} 已在 {homes[0]} 接线", f"{name} is wired at {homes[0]} already")
                yield Problem(f"{homes[1]}.wiring", what, Text("只在一处接线", "wire it once"))


def _groups(tree: Tree, profile: PileProfile) -> Iterator[Problem]:
    """Each group of the profile is bound to modules once."""
    first: dict[str, str] = {}
    groups = {group.id: group for group in profile.group}
    for place, entry in entries(tree, "module_group"):
        name = entry.get("id")
        if name is None:
            continue
        if name in first:
            what = Text(f"模块组 {name} 已用于 {first[name]}", f"group {name} is taken by {first[name]}")
            yield Problem(f"{place}.id", what, Text("每组一节", "one section a group"))
        elif name not in groups:
            what = Text(f"桩型 {profile.id} 没有模块组 {name}", f"profile {profile.id} has no group {name}")
            yield Problem(f"{place}.id", what, legal_names(name, list(groups)))
        elif (entry.get("module_count") or 0) > groups[name].module_count:
            rated = groups[name].module_count
            what = Text(f"多于桩型 {profile.id} 的 {rated}", f"is above the {rated} of profile {profile.id}")
            yield Problem(
                f"{place}.module_count", what, Text("现场文件只能收紧限值", "a site file may only tighten a limit")
            )
        first.setdefault(name, place)
    for name in groups:
        if name not in first and isinstance(tree.get("module_group"), list):
            what = Text(
                f"桩型 {profile.id} 的模块组 {name} 没有模块", f"group {name} of profile {profile.id} is not there"
            )
            yield Problem(
                "module_group", what, Text(f'加一节 id = "{name}"', f'add a [[module_group]] with id = "{name}"')
            )


def _families(tree: Tree, found: Found, profile: PileProfile) -> Iterator[Problem]:
    """Each group within what its family can, and groups on one line apart by what their family separates them by."""
    rated = {group.id: group.module_count for group in profile.group}
    lines: dict[str, list[tuple[str, PowerModel, Any]]] = {}
    for place, entry in entries(tree, "module_group"):
        model, count = found.modules.get(place), entry.get("module_count") or rated.get(str(entry.get("id")))
        if model is None or count is None:
            continue
        plan = group_plan(model, count, entry.get("address"), entry.get("group_number"))
        for mistake in plan_mistakes(model, plan):
            yield problem_of(mistake, f"{place}.{mistake.place}")
        if entry.get("bus") is not None:
            lines.setdefault(entry["bus"], []).append((place, model, plan))
    for groups in lines.values():
        yield from map(problem_of, shared_bus_mistakes(groups))
