"""Boards, wiring, insulation monitors and power modules: data files of the drivers, with every error in them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from agent.settings.catalogue import TIMED_OUTPUTS
from agent.settings.files import convert, layout_problem, named, read_toml
from agent.settings.problems import Problem, SettingsError
from drivers.catalogue import PowerModel, power_model_mistakes
from drivers.data_file import Mistake
from drivers.inputs_outputs.board_model import BoardModel, board_form, board_model_mistakes
from drivers.inputs_outputs.wiring import Wiring, outputs_to_open, wiring_mistakes
from drivers.insulation.register_map import InsulationMap, insulation_map_mistakes
from drivers.text import Text

F = TypeVar("F", bound=msgspec.Struct)

SECTIONS = ("outputs", "inputs", "analog")
"""The sections of a wiring, and of a board with such channels."""


def load_board_model(path: Path) -> BoardModel:
    """What a board is. Raises SettingsError."""
    data = read_toml(path)
    try:
        form = board_form(data)
    except KeyError:
        hint = Text("写 modbus 或 gpio", "write modbus or gpio")
        layout = layout_problem(data) or Problem("bus", Text("缺少或未知", "is missing or unknown"), hint)
        raise SettingsError(str(path), [layout]) from None
    return _loaded(path, form, board_model_mistakes)


def load_wiring(path: Path) -> Wiring:
    """What is connected where. Raises SettingsError."""
    return _loaded(path, Wiring, _wiring_mistakes)


def _wiring_mistakes(wiring: Wiring) -> Iterator[Mistake]:
    yield from wiring_mistakes(wiring)
    yield from outputs_to_open(wiring, TIMED_OUTPUTS)
    used = {wire.board for _, _, wire in wiring.entries()}
    for role in wiring.boards:
        if role not in used:
            yield Mistake(f"boards.{role}", "没有用到", "is not used by any wire", "删去此项", "leave it out")


def load_insulation_map(path: Path) -> InsulationMap:
    """The register map of an insulation monitor. Raises SettingsError."""
    return _loaded(path, InsulationMap, insulation_map_mistakes)


def load_power_model(path: Path) -> PowerModel:
    """A family of power modules. Raises SettingsError."""
    return _loaded(path, PowerModel, power_model_mistakes)


def problem_of(mistake: Mistake, place: str = "") -> Problem:
    """An error that a driver found, at ``place`` if that is given."""
    return Problem(place or mistake.place, Text(mistake.zh, mistake.en), Text(mistake.hint_zh, mistake.hint_en))


def _loaded(path: Path, form: type[F], check: Callable[[F], Iterable[Mistake]]) -> F:
    data = read_toml(path)
    layout = layout_problem(data)
    if layout is not None:
        raise SettingsError(str(path), [layout])
    loaded = named(convert(data, form, path), path)
    problems = [problem_of(mistake) for mistake in check(loaded)]
    if problems:
        raise SettingsError(str(path), problems)
    return loaded
