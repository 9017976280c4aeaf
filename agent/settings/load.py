"""From the site file to everything the processes start from, or to the list of all mistakes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.settings import cross
from agent.settings.catalogue import Board, Fault, PileProfile, TariffTable
from agent.settings.files import (
    convert,
    data_folder,
    find_data_file,
    load_board,
    load_fault_catalogue,
    load_profile,
    load_tariff,
    read_toml,
)
from agent.settings.meter_map import load_meter_map
from agent.settings.problems import Language, Problem, SettingsError, Text, did_you_mean
from agent.settings.schema import Settings
from agent.settings.walk import Walk, type_of
from drivers.meters.register_form import RegisterForm, register_form

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """One pile: its site file and every file that belongs to it, checked together."""

    path: Path
    settings: Settings
    profile: PileProfile
    board: Board
    tariff: TariffTable
    faults: dict[str, Fault]
    meter_map: Path
    """Register map of the meter; ``drivers.meters.register_map`` reads it."""
    register_form: RegisterForm
    """What that map says about the energy register."""


def load_settings(path: Path) -> Settings:
    """The site file, checked together with the files it refers to. Raises SettingsError with every mistake."""
    return load_site(path).settings


def load_site(path: Path) -> Site:
    """The site file and all it refers to. Raises SettingsError with every mistake that was found.

    A file that the site names is looked for beside the site file first (``tariffs/<id>.toml`` and so on), then among
    the shipped ones.
    """
    data = read_toml(path)
    walk = Walk()
    tree = walk.value(data, type_of(Settings), "") or {}
    search = _Search((path.resolve().parent, data_folder()))
    profile = search.load(tree, "pile.profile", "piles", load_profile)
    board = search.load(tree, "connector.inputs_outputs.board", "boards", load_board)
    tariff = search.load(tree, "tariff.id", "tariffs", load_tariff)
    meter = search.load(tree, "connector.meter.model", "meters", lambda path: (path, load_meter_map(path)))
    faults = search.catalogue()
    problems = [*walk.problems, *search.problems, *cross.bus_problems(tree)]
    if profile is not None:
        problems += cross.rating_problems(tree, profile)
    if meter is not None:
        problems += cross.meter_problems(meter[1])
    problems += [*cross.limit_problems(tree, faults), *cross.path_problems(tree)]
    settings = convert(data, Settings, path) if not problems else None
    if settings is None or profile is None or board is None or tariff is None or meter is None:
        raise SettingsError(str(path), problems)
    form = register_form(meter[1], settings.connector.meter.energy_unit_wh)
    return Site(path, settings, profile, board, tariff, faults, meter[0], form)


class _Search:
    """Finds and loads the files that a site file names, and keeps what is wrong with them."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self.problems: list[Problem] = []

    def load(self, tree: cross.Tree, place: str, kind: str, loader: Callable[[Path], T]) -> T | None:
        """What the key at ``place`` names, None if that cannot be had."""
        name: Any = cross.at(tree, place)
        if not isinstance(name, str):
            return None
        path, names = find_data_file(kind, name, self._folders)
        if path is None:
            what = Text(f"没有文件 {kind}/{name}.toml", f"there is no file {kind}/{name}.toml")
            self.problems.append(Problem(place, what, did_you_mean(name, names)))
            return None
        return self._guarded(path, f"{kind}/{path.name}", loader)

    def catalogue(self) -> dict[str, Fault]:
        """The shipped fault catalogue; a site cannot bring its own."""
        return self._guarded(data_folder() / "faults.toml", "faults.toml", load_fault_catalogue) or {}

    def _guarded(self, path: Path, name: str, loader: Callable[[Path], T]) -> T | None:
        try:
            return loader(path)
        except SettingsError as error:
            self.problems += [
                Problem(f"{name}: {problem.place}", problem.what, problem.hint) for problem in error.problems
            ]
            return None


__all__ = ["Language", "Problem", "SettingsError", "Site", "Text", "data_folder", "load_settings", "load_site"]
