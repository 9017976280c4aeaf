"""Boards and wiring: what a device can do, and what is connected to it."""

from collections.abc import Iterator
from pathlib import Path

from agent.settings.catalogue import TIMED_OUTPUTS
from agent.settings.files import load_named, read_toml
from agent.settings.problems import Problem, SettingsError
from drivers.data_file import Mistake
from drivers.inputs_outputs.board_model import BoardModel, GpioBoardModel, ModbusBoardModel, board_model_mistakes
from drivers.inputs_outputs.wiring import Analog, Input, Output, Wiring, outputs_to_open, wiring_mistakes
from drivers.text import Text

Wire = Output | Input | Analog
SECTIONS = ("outputs", "inputs", "analog")
"""The sections of a wiring, and of a board with such channels."""


def load_board_model(path: Path) -> BoardModel:
    """What a board is. Raises SettingsError."""
    bus = read_toml(path).get("bus")
    form: type[ModbusBoardModel] | type[GpioBoardModel] = GpioBoardModel if bus == "gpio" else ModbusBoardModel
    model: BoardModel = load_named(path, form)
    _raise(path, board_model_mistakes(model))
    return model


def _raise(path: Path, mistakes: list[Mistake]) -> None:
    problems = [Problem(each.place, Text(each.zh, each.en), Text(each.hint_zh, each.hint_en)) for each in mistakes]
    if problems:
        raise SettingsError(str(path), problems)


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
    for each in wiring_mistakes(wiring):
        yield Problem(each.place, Text(each.zh, each.en), Text(each.hint_zh, each.hint_en))
    for each in outputs_to_open(wiring, TIMED_OUTPUTS):
        yield Problem(each.place, Text(each.zh, each.en), Text(each.hint_zh, each.hint_en))
    used = {wire.board for _, _, wire in wires(wiring)}
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
