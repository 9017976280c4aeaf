"""From the site file to everything the processes start from, or to the list of all errors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agent.settings import cross
from agent.settings.catalogue import Fault, PileProfile
from agent.settings.cross_connectors import Found, connector_problems
from agent.settings.cross_lines import bus_problems
from agent.settings.files import (
    convert,
    data_folder,
    find_data_file,
    layout_problem,
    load_fault_catalogue,
    load_profile,
    load_tariff,
    read_toml,
)
from agent.settings.meter_map import load_meter_map
from agent.settings.power_quality import SupplyLimits, load_supply_limits
from agent.settings.problems import Problem, SettingsError, legal_names
from agent.settings.schema import Settings
from agent.settings.site import BoardOfSite, ConnectorOfSite, GroupOfSite, Site
from agent.settings.tree import Tree, at, entries
from agent.settings.walk import Walk, type_of
from agent.settings.wiring import load_board_model, load_wiring
from drivers.inputs_outputs.board_model import BoardModel
from drivers.inputs_outputs.wiring import Wiring
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_form import register_form
from drivers.meters.register_map import AnyMap
from drivers.text import NO_TEXT, Language, Text

T = TypeVar("T")


def load_settings(path: Path) -> Settings:
    """The site file, checked together with the files it refers to. Raises SettingsError with every error."""
    return load_site(path).settings


def load_site(path: Path) -> Site:
    """The site file and all it refers to. Raises SettingsError with every error that was found.

    A file that the site names is looked for beside the site file first (``tariffs/<id>.toml`` and so on), then among
    the shipped ones.
    """
    data = read_toml(path)
    layout = layout_problem(data, path)
    if layout is not None:
        raise SettingsError(str(path), [layout])
    return site_of(data, path, (path.resolve().parent, data_folder()))


def site_of(data: Mapping[str, Any], path: Path, folders: tuple[Path, ...]) -> Site:
    """The content of a site file and all it refers to, which is looked for in ``folders``. Raises SettingsError."""
    walk = Walk()
    tree = walk.value(data, type_of(Settings), "") or {}
    search = _Search(folders)
    profile = search.load(tree, "pile.profile", "piles", load_profile)
    tariff = search.load(tree, "tariff.id", "tariffs", load_tariff)
    boards, wirings = search.boards(tree), search.wirings(tree)
    meters = search.meters(tree)
    auxiliary = search.auxiliary_meters(tree)
    faults = search.catalogue()
    supply_limits = search.supply_limits()
    numbered = {f"{place}.meter" for place, (_, found) in meters.items() if not isinstance(found, RegisterMap)}
    problems = [*map(_with_cure, walk.problems), *search.problems]
    problems += [*bus_problems(tree, numbered), *cross.role_problems(tree)]
    problems += connector_problems(data, tree, Found(wirings, boards, profile))
    if profile is not None:
        problems += cross.rating_problems(tree, profile)
    problems += [*cross.limit_problems(tree, faults), *cross.path_problems(tree)]
    settings = convert(data, Settings, path) if not problems else None
    if settings is None or profile is None or tariff is None or supply_limits is None:
        raise SettingsError(str(path), problems)
    of_site = {board.name: BoardOfSite(board, boards[board.name]) for board in settings.board}
    connectors = _connectors(settings, profile, wirings, of_site, meters)
    return Site(path, settings, profile, tariff, faults, connectors, tuple(of_site.values()), auxiliary, supply_limits)


def _connectors(
    settings: Settings,
    profile: PileProfile,
    wirings: dict[str, Wiring],
    boards: dict[str, BoardOfSite],
    meters: dict[str, tuple[Path, AnyMap]],
) -> tuple[ConnectorOfSite, ...]:
    rated = {group.id: group for group in profile.group}
    found = []
    for index, connector in enumerate(settings.connector):
        place = f"connector[{index}]"
        meter = meters.get(place)
        form = None
        if meter is not None and connector.meter is not None:
            form = register_form(meter[1], connector.meter.energy_unit_wh)
        found.append(
            ConnectorOfSite(
                connector,
                wirings.get(place),
                {role: boards[name] for role, name in connector.boards.items()},
                None if meter is None else meter[0],
                form,
                tuple(
                    GroupOfSite(group, rated[group.id])
                    for group in settings.module_group
                    if rated[group.id].connector == connector.number
                ),
                tuple(entry for entry in profile.allocation if entry.connector == connector.number),
            )
        )
    return tuple(sorted(found, key=lambda each: each.number))


_OLD_SECTIONS = {
    "connector.inputs_outputs": Text(
        "旧格式:改写为 [[board]] 和 connector 的 wiring、boards",
        "layout 1: write [[board]] sections, and wiring and boards of the connector",
    ),
    "connector.inputs": Text(
        "旧格式:改写为 [[board]] 和 connector 的 wiring、boards",
        "layout 1: write a [[board]] section, and wiring and boards of the connector",
    ),
    "connector.power_stage": Text("旧格式:改写为 [[module_group]]", "layout 1: write a [[module_group]] section"),
}


def _with_cure(problem: Problem) -> Problem:
    """What belongs to the layout before this one gets its new place as the cure."""
    place = problem.place.partition("[")[0] + "." + problem.place.rpartition(".")[2]
    if place in _OLD_SECTIONS:
        return Problem(problem.place, problem.what, _OLD_SECTIONS[place])
    if problem.place == "connector" and problem.hint == NO_TEXT:
        return Problem(problem.place, problem.what, Text("写 [[connector]]", "write [[connector]], two brackets each"))
    return problem


class _Search:
    """Finds and loads the files that a site file names, and keeps what is wrong with them."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._loaded: dict[Path, Any] = {}
        self.problems: list[Problem] = []

    def load(self, tree: Tree, place: str, kind: str, loader: Callable[[Path], T]) -> T | None:
        """What the key at ``place`` names, None if that cannot be had."""
        name: Any = at(tree, place)
        if not isinstance(name, str):
            return None
        path, names = find_data_file(kind, name, self._folders)
        if path is None:
            what = Text(f"没有文件 {kind}/{name}.toml", f"there is no file {kind}/{name}.toml")
            self.problems.append(Problem(place, what, legal_names(name, names)))
            return None
        if path not in self._loaded:
            # A file that two connectors name is loaded, and found wrong, once.
            self._loaded[path] = self._guarded(path, f"{kind}/{path.name}", loader)
        found: T | None = self._loaded[path]
        return found

    def boards(self, tree: Tree) -> dict[str, BoardModel]:
        """What each board is, by its name in the site file."""
        found: dict[str, BoardModel] = {}
        for place, board in entries(tree, "board"):
            model = self.load(tree, f"{place}.model", "boards", load_board_model)
            if model is not None and board.get("name") is not None:
                found.setdefault(str(board["name"]), model)
        return found

    def wirings(self, tree: Tree) -> dict[str, Wiring]:
        """The wiring of each connector that has one, by the connector's place."""
        loaded = {
            place: self.load(tree, f"{place}.wiring", "wiring", load_wiring) for place, _ in entries(tree, "connector")
        }
        return {place: wiring for place, wiring in loaded.items() if wiring is not None}

    def meters(self, tree: Tree) -> dict[str, tuple[Path, AnyMap]]:
        """File and map of the meter of each connector that has one, by the connector's place."""
        found = {}
        for place, _ in entries(tree, "connector"):
            loaded = self.load(tree, f"{place}.meter.model", "meters", _meter)
            if loaded is not None:
                self.problems += cross.meter_problems(tree, f"{place}.meter", loaded[1])
                found[place] = loaded
        return found

    def auxiliary_meters(self, tree: Tree) -> tuple[tuple[Path, AnyMap], ...]:
        """File and map of each auxiliary meter that can be used."""
        found = []
        for place, _ in entries(tree, "auxiliary_meter"):
            loaded = self.load(tree, f"{place}.model", "meters", _meter)
            if loaded is not None:
                self.problems += cross.auxiliary_problems(f"{place}.model", loaded[1])
                found.append(loaded)
        return tuple(found)

    def supply_limits(self) -> SupplyLimits | None:
        """The shipped limits of the supply; a site cannot bring its own."""
        return self._guarded(data_folder() / "power_quality.toml", "power_quality.toml", load_supply_limits)

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


def _meter(path: Path) -> tuple[Path, AnyMap]:
    return path, load_meter_map(path)


__all__ = [
    "Language",
    "Problem",
    "SettingsError",
    "Site",
    "Text",
    "data_folder",
    "load_settings",
    "load_site",
]
