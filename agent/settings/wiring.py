"""Boards and wiring: what a device can do, and what is connected to it."""

from collections.abc import Iterator
from pathlib import Path

from agent.settings.catalogue import (
    TIMED_OUTPUTS,
    AnalogInput,
    BoardModel,
    DiscreteInput,
    Output,
    Wiring,
)
from agent.settings.files import load_named
from agent.settings.problems import Problem, SettingsError, did_you_mean
from drivers.text import Text

Wire = Output | DiscreteInput | AnalogInput
SECTIONS = ("outputs", "inputs", "analog")
"""The sections of a wiring, and of a board with such channels."""


def load_board_model(path: Path) -> BoardModel:
    """What a board is. Raises SettingsError."""
    model = load_named(path, BoardModel)
    problems = []
    if all(getattr(model, section) is None for section in SECTIONS):
        what = Text("没有输入也没有输出", "has neither inputs nor outputs")
        hint = Text("写 [outputs]、[inputs] 或 [analog]", "add [outputs], [inputs] or [analog]")
        problems.append(Problem("file", what, hint))
    outputs = model.outputs
    if outputs is not None and 2 * outputs.renew_interval_ms >= outputs.pulse_100ms * 100:
        what = Text(
            "脉冲须长于两次刷新间隔", "two renewals must fit into one pulse, so that one lost frame opens nothing"
        )
        problems.append(Problem("outputs.renew_interval_ms", what))
    if problems:
        raise SettingsError(str(path), problems)
    return model


def load_wiring(path: Path) -> Wiring:
    """What is connected where. Raises SettingsError."""
    wiring = load_named(path, Wiring)
    problems = list(_wiring_problems(wiring))
    if problems:
        raise SettingsError(str(path), problems)
    return wiring


def wires(wiring: Wiring) -> Iterator[tuple[str, str, Wire]]:
    """Every wire: section, name, wire."""
    for section in SECTIONS:
        for name, wire in getattr(wiring, section).items():
            yield section, name, wire


def _wiring_problems(wiring: Wiring) -> Iterator[Problem]:
    used = set()
    first: dict[tuple[str, str, int], str] = {}
    for section, name, wire in wires(wiring):
        used.add(wire.board)
        place = f"{section}.{name}"
        if wire.board not in wiring.boards:
            what = Text(f"[boards] 中没有 {wire.board}", f"{wire.board} is not in [boards]")
            yield Problem(f"{place}.board", what, did_you_mean(wire.board, list(wiring.boards)))
        key = (section, wire.board, wire.channel)
        if key in first:
            what = Text(f"通道 {wire.channel} 已用于 {first[key]}", f"channel {wire.channel} is taken by {first[key]}")
            yield Problem(f"{place}.channel", what, Text("每个通道只接一处", "one name a channel"))
        first.setdefault(key, name)
    for name in TIMED_OUTPUTS:
        output = wiring.outputs.get(name)
        if output is not None and not output.timed:
            yield not_timed(f"outputs.{name}.timed")
    for role in wiring.boards:
        if role not in used:
            what = Text("没有用到", "is not used by any wire")
            yield Problem(f"boards.{role}", what, Text("删去此项", "leave it out"))


def not_timed(place: str) -> Problem:
    """A contactor whose relay the board would leave closed."""
    hint = Text(
        "接触器须由板子自己断开,即使程序已停", "the board itself must open a contactor when the program has died"
    )
    return Problem(place, Text("须为 true", "must be true"), hint)
