"""Every number of every data file acts: changed a little, something is seen to behave otherwise.

A new file, or a new key with a number, needs a probe in ``file_probes``; without one the number fails here with its
name.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from file_probes import CONFIG, FAULT_PROBES, PILE_PROBES, SUPPLY_PROBES, TARIFF_PROBES, THRESHOLDS, Probe
from number_walk import Number, blind, numbers_of, with_number

from agent.settings.catalogue import WITH_THRESHOLD, FaultCatalogue, PileProfile, TariffTable, fault_table
from agent.settings.files import convert
from agent.settings.power_quality import SupplyLimits
from agent.settings.problems import SettingsError


class DataFile(NamedTuple):
    """A kind of data file: where it is, how it is read, and the probe of each key."""

    paths: list[Path]
    section: type[Any]
    probes: Mapping[str, Probe]


FILES = (
    DataFile([CONFIG / "faults.toml"], FaultCatalogue, FAULT_PROBES),
    DataFile([CONFIG / "power_quality.toml"], SupplyLimits, SUPPLY_PROBES),
    DataFile(sorted((CONFIG / "tariffs").glob("*.toml")), TariffTable, TARIFF_PROBES),
    DataFile(sorted((CONFIG / "piles").glob("*.toml")), PileProfile, PILE_PROBES),
)


def _tree(path: Path) -> Any:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _loader(path: Path, section: type[Any]) -> Callable[[Any], Any]:
    def load(tree: Any) -> Any:
        try:
            loaded = convert(tree, section, path)
        except SettingsError as error:
            raise ValueError(str(error)) from error
        if section is FaultCatalogue:
            fault_table(loaded)
        return loaded

    return load


CASES = [
    pytest.param(path, file, number, id=f"{path.relative_to(CONFIG)}:{number.name}")
    for file in FILES
    for path in file.paths
    for number in numbers_of(_tree(path))
]


@pytest.mark.parametrize(("path", "file", "number"), CASES)
def test_a_number_acts(path: Path, file: DataFile, number: Number) -> None:
    tree, load = _tree(path), _loader(path, file.section)
    key = str(number.place[-1])
    if number.place == ("schema",):
        for other in (number.value - 1, number.value + 1):
            with pytest.raises(ValueError, match="schema"):
                load(with_number(tree, number.place, other))
        return
    assert key in file.probes, f"{number.name} of {path.name}: no probe shows what this number does"
    in_days = file.section is FaultCatalogue and tree["fault"][number.place[1]].get("unit") == "d"
    unseen = blind(tree, number, file.probes[key], load, whole=in_days and key == "threshold")
    assert unseen == [], f"{number.name} of {path.name} = {number.value}: nothing differs with {unseen}"


def test_every_limit_in_the_catalogue_has_a_probe() -> None:
    assert set(THRESHOLDS) == set(WITH_THRESHOLD)


def test_a_number_that_does_nothing_is_found() -> None:
    """The check itself: a probe that looks elsewhere lets every change through."""
    number = Number(("limit",), 10.0)
    assert blind({"limit": 10.0}, number, lambda tree, _: tree["limit"] > 5.0, dict) == [10.2, 9.8]
    assert blind({"limit": 10.0}, number, lambda tree, _: tree["limit"] >= 10.0, dict) == [10.2]
    assert blind({"limit": 10.0}, number, lambda tree, _: tree["limit"], dict) == []
