"""Checks within a pile profile: sensors, groups of modules, contactors that join them to other connectors."""

from collections.abc import Iterator

from agent.settings.catalogue import (
    DEVICES,
    OPTIONAL_OUTPUTS,
    REQUIRED_OUTPUTS,
    PileProfile,
)
from agent.settings.problems import Problem, did_you_mean
from agent.vocabulary.signals import ANALOG_INPUTS, DISCRETE_INPUTS
from drivers.text import Text


def profile_problems(profile: PileProfile) -> Iterator[Problem]:
    """What does not fit together in a profile of which each value is legal."""
    yield from _sensors(profile)
    yield from _groups(profile)
    yield from _allocations(profile)


def _sensors(profile: PileProfile) -> Iterator[Problem]:
    legal = [*DISCRETE_INPUTS, *ANALOG_INPUTS, *DEVICES, *(entry.feedback for entry in profile.allocation)]
    first: dict[str, str] = {}
    for kind in ("required", "optional"):
        for index, name in enumerate(getattr(profile.sensors, kind)):
            place = f"sensors.{kind}[{index}]"
            if name not in legal:
                yield Problem(place, Text(f"没有信号 {name}", f"unknown signal {name}"), did_you_mean(name, legal))
            elif name in first:
                yield Problem(place, Text(f"{name} 已在 {first[name]}", f"{name} is already in {first[name]}"))
            first.setdefault(name, place)


def _groups(profile: PileProfile) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for index, group in enumerate(profile.group):
        place = f"group[{index}]"
        if group.id in first:
            what = Text(
                f"模块组 {group.id} 已在 {first[group.id]}", f"group {group.id} is already in {first[group.id]}"
            )
            hint = Text("一组模块只属于一个枪", "a group has one home connector")
            yield Problem(f"{place}.id", what, hint)
        first.setdefault(group.id, place)
        if group.connector > profile.connectors:
            yield _no_connector(f"{place}.connector", group.connector, profile)
    for number in range(1, profile.connectors + 1):
        if not profile.groups_of(number):
            what = Text(f"枪 {number} 没有模块组", f"connector {number} has no group of modules")
            yield Problem(
                "group",
                what,
                Text(f"加一节 connector = {number} 的 [[group]]", f"add a [[group]] with connector = {number}"),
            )


def _allocations(profile: PileProfile) -> Iterator[Problem]:
    homes = {group.id: group.connector for group in profile.group}
    names: dict[str, str] = {}
    pairs: set[tuple[str, int]] = set()
    for index, entry in enumerate(profile.allocation):
        place = f"allocation[{index}]"
        if entry.group not in homes:
            what = Text(f"没有模块组 {entry.group}", f"unknown group {entry.group}")
            yield Problem(f"{place}.group", what, did_you_mean(entry.group, list(homes)))
        if entry.connector > profile.connectors:
            yield _no_connector(f"{place}.connector", entry.connector, profile)
        if (entry.group, entry.connector) in pairs:
            what = Text("重复", "is there twice")
            yield Problem(place, what, Text("每组与每枪只有一对接触器", "one pair of contactors a group and connector"))
        pairs.add((entry.group, entry.connector))
        for key in ("output", "feedback"):
            name = getattr(entry, key)
            if name in names or name in (*REQUIRED_OUTPUTS, *OPTIONAL_OUTPUTS, *DISCRETE_INPUTS, *ANALOG_INPUTS):
                taken = names.get(name, name)
                what = Text(f"名称 {name} 已使用", f"the name {name} is taken by {taken}")
                yield Problem(f"{place}.{key}", what, Text("换一个名称", "choose another name"))
            names.setdefault(name, f"{place}.{key}")

    joined = {group for group, connector in pairs if homes.get(group) == connector}
    for group in sorted({group for group, _ in pairs if group in homes} - joined):
        what = Text(
            f"模块组 {group} 没有到其本枪 {homes[group]} 的接触器",
            f"group {group} has no contactor to its home {homes[group]}",
        )
        hint = Text(
            "加一节 [[allocation]]:否则本枪母线会带他枪电压",
            "add an [[allocation]]: its home bus would be live with another connector's voltage",
        )
        yield Problem("allocation", what, hint)


def _no_connector(place: str, number: int, profile: PileProfile) -> Problem:
    what = Text(f"该桩型只有 {profile.connectors} 把枪", f"{number} is above connectors = {profile.connectors}")
    return Problem(place, what, Text("改正编号或 connectors", "correct the number or connectors"))
