"""A meter map as a person wrote it: every error in it, with place and nearest legal name."""

from pathlib import Path

from agent.settings.files import convert, read_toml
from agent.settings.problems import Problem, SettingsError
from drivers.data_file import Mistake
from drivers.meters.map_checks import mistakes
from drivers.meters.register_map import PROTOCOLS, AnyMap, file_mistakes, heading_mistakes, with_defaults
from drivers.text import Text


def load_meter_map(path: Path) -> AnyMap:
    """The map in a file. Raises SettingsError with every error.

    Wrong keys, types and ranges are reported first; only without any is it judged how the parts fit together.
    """
    data = read_toml(path)
    _raise(path, heading_mistakes(data))
    meter_map: AnyMap = convert(with_defaults(data), PROTOCOLS[data["protocol"]], path)
    _raise(path, [*file_mistakes(meter_map, path), *mistakes(meter_map)])
    return meter_map


def _raise(path: Path, found: list[Mistake]) -> None:
    if found:
        raise SettingsError(str(path), [_problem(mistake) for mistake in found])


def _problem(mistake: Mistake) -> Problem:
    return Problem(mistake.place, Text(mistake.zh, mistake.en), Text(mistake.hint_zh, mistake.hint_en))
