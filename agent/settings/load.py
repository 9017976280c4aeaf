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
from agent.settings.power_quality import SupplyLimits, load_supply_limits
from agent.settings.problems import Problem, SettingsError, did_you_mean
from agent.settings.schema import AnySettings, Connector, MonitorConnector, MonitorSettings, Settings
from agent.settings.walk import Walk, type_of
from drivers.meters.register_form import RegisterForm, register_form
from drivers.meters.register_map import AnyMap
from drivers.text import Language, Text

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
    auxiliary_maps: tuple[tuple[Path, AnyMap], ...]
    """File and map of each auxiliary meter, in the order of the site file."""
    supply_limits: SupplyLimits


@dataclass(frozen=True, slots=True)
class MonitorSite:
    """One pile that only listens (``role = "monitor"``), likewise."""

    path: Path
    settings: MonitorSettings
    profile: PileProfile
    tariff: TariffTable
    faults: dict[str, Fault]
    meter_map: Path | None
    """Register map of the meter, None without a meter."""


AnySite = Site | MonitorSite
"""A pile in either role."""


def load_settings(path: Path) -> AnySettings:
    """The site file, checked together with the files it refers to. Raises SettingsError with every mistake."""
    return load_any_site(path).settings


def load_any_site(path: Path) -> AnySite:
    """The site file and all it refers to, in either role. Raises SettingsError with every mistake that was found.

    A file that the site names is looked for beside the site file first (``tariffs/<id>.toml`` and so on), then among
    the shipped ones.
    """
    data = read_toml(path)
    return _load_monitor_site(path, data) if cross.at(data, "connector.role") == "monitor" else _load_site(path, data)


def load_site(path: Path) -> Site:
    """Like ``load_any_site`` for a pile that charges. Raises SettingsError also for one that only listens."""
    site = load_any_site(path)
    if isinstance(site, MonitorSite):
        what = Text("本桩只监听,不充电", "this pile only listens, it does not charge")
        raise SettingsError(str(path), [Problem("connector.role", what)])
    return site


def _load_monitor_site(path: Path, data: dict[str, Any]) -> MonitorSite:
    walk = Walk()
    tree = walk.value(data, type_of(MonitorSettings), "") or {}
    search = _Search((path.resolve().parent, data_folder()))
    profile = search.load(tree, "pile.profile", "piles", load_profile)
    tariff = search.load(tree, "tariff.id", "tariffs", load_tariff)
    meter = search.meter(tree)
    faults = search.catalogue()
    problems = [_not_for_a_monitor(problem) for problem in walk.problems]
    problems += [*search.problems, *cross.bus_problems(tree), *cross.contact_problems(tree)]
    problems += [*cross.limit_problems(tree, faults), *cross.path_problems(tree)]
    settings = convert(data, MonitorSettings, path) if not problems else None
    if settings is None or profile is None or tariff is None:
        raise SettingsError(str(path), problems)
    return MonitorSite(path, settings, profile, tariff, faults, None if meter is None else meter[0])


_CHARGER_KEYS = frozenset(Connector.__struct_fields__) - frozenset(MonitorConnector.__struct_fields__)


def _not_for_a_monitor(problem: Problem) -> Problem:
    """A key that only a charger has gets a message that says why it is wrong here."""
    section, _, key = problem.place.rpartition(".")
    if section != "connector" or key not in _CHARGER_KEYS:
        return problem
    return Problem(
        problem.place,
        Text('role = "monitor" 时没有此项', 'does not belong to role = "monitor"'),
        _MONITOR_HINTS.get(key, Text("只监听,不控制:删去此项", "it only listens and controls nothing: leave it out")),
    )


_MONITOR_HINTS = {
    "inputs_outputs": Text(
        "只监听的桩没有输出;触点写在 [connector.inputs] 里",
        "a pile that only listens has no outputs; contacts stand in [connector.inputs]",
    ),
    "edition": Text("版本由总线上的双方决定,删去此项", "the two sides on the bus decide the edition: leave it out"),
}


def _load_site(path: Path, data: dict[str, Any]) -> Site:
    walk = Walk()
    tree = walk.value(data, type_of(Settings), "") or {}
    search = _Search((path.resolve().parent, data_folder()))
    profile = search.load(tree, "pile.profile", "piles", load_profile)
    board = search.load(tree, "connector.inputs_outputs.board", "boards", load_board)
    tariff = search.load(tree, "tariff.id", "tariffs", load_tariff)
    meter = search.meter(tree)
    auxiliary = search.auxiliary_meters(tree)
    faults = search.catalogue()
    supply_limits = search.supply_limits()
    problems = [*walk.problems, *search.problems, *cross.bus_problems(tree), *cross.role_problems(tree)]
    if profile is not None:
        problems += cross.rating_problems(tree, profile)
    problems += [*cross.limit_problems(tree, faults), *cross.path_problems(tree)]
    settings = convert(data, Settings, path) if not problems else None
    if settings is None or profile is None or board is None or tariff is None or meter is None or supply_limits is None:
        raise SettingsError(str(path), problems)
    form = register_form(meter[1], settings.connector.meter.energy_unit_wh)
    return Site(path, settings, profile, board, tariff, faults, meter[0], form, auxiliary, supply_limits)


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

    def meter(self, tree: cross.Tree) -> tuple[Path, AnyMap] | None:
        """File and map of the connector's meter, None if the meter cannot be used there."""
        found = self.load(tree, "connector.meter.model", "meters", lambda path: (path, load_meter_map(path)))
        if found is None:
            return None
        self.problems += cross.meter_problems(tree, found[1])
        return found

    def auxiliary_meters(self, tree: cross.Tree) -> tuple[tuple[Path, AnyMap], ...]:
        """File and map of each auxiliary meter that can be used."""
        found = []
        for index in range(len(tree.get("auxiliary_meter") or ())):
            place = f"auxiliary_meter[{index}].model"
            loaded = self.load(tree, place, "meters", lambda path: (path, load_meter_map(path)))
            if loaded is not None:
                self.problems += cross.auxiliary_problems(place, loaded[1])
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


__all__ = [
    "AnySite",
    "Language",
    "MonitorSite",
    "Problem",
    "SettingsError",
    "Site",
    "Text",
    "data_folder",
    "load_any_site",
    "load_settings",
    "load_site",
]
