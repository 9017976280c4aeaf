"""A meter at the grid side in the site file: what is wrong with it, and what comes of a right one."""

from pathlib import Path

import pytest
from test_site_file import EXAMPLE, parameters_of, problems

from agent.field.assembly import build_hardware
from agent.settings.files import data_folder
from agent.settings.load import load_site
from agent.settings.power_quality import load_supply_limits
from agent.settings.problems import SettingsError

INCOMER = """
[[auxiliary_meter]]
role = "incomer"
bus = "meter"
address = 10
model = "eastron-sdm630"
"""


def with_meter(*changes: tuple[str, str], twice: bool = False) -> str:
    text = INCOMER
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return EXAMPLE + text + (INCOMER.replace("10", "11") if twice else "")


def test_a_right_one(tmp_path: Path) -> None:
    assert problems(tmp_path, with_meter()) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('"incomer"', '"income"', "auxiliary_meter[0].role", "did you mean incomer?"),
        ('bus = "meter"', 'bus = "metre"', "auxiliary_meter[0].bus", "did you mean meter?"),
        ('bus = "meter"', 'bus = "vehicle"', "auxiliary_meter[0].bus", "a modbus bus is needed"),
        ("address = 10", "address = 1", "auxiliary_meter[0].address", "taken by connector[0].meter.address"),
        ("address = 10", "", "auxiliary_meter[0].address", "is missing"),
        ('"eastron-sdm630"', '"eastron-sdm603"', "auxiliary_meter[0].model", "did you mean eastron-sdm630?"),
        ('"eastron-sdm630"', '"eastron-dcm230"', "auxiliary_meter[0].model", "is a DC meter"),
        ('"eastron-sdm630"', '"dlt645-2007-ac"', "auxiliary_meter[0].model", "read over DL/T 645"),
    ],
)
def test_what_is_wrong_with_it_is_named(tmp_path: Path, old: str, new: str, place: str, words: str) -> None:
    [line] = problems(tmp_path, with_meter((old, new)))
    assert line.startswith(f"{place}: ")
    assert words in line


def test_there_is_one_grid_side(tmp_path: Path) -> None:
    [line] = problems(tmp_path, with_meter(twice=True))
    assert line.startswith("auxiliary_meter[1].role: incomer is taken by auxiliary_meter[0]")


def test_a_map_without_a_phase_voltage_tells_nothing_of_the_supply(tmp_path: Path) -> None:
    maps = tmp_path / "meters"
    maps.mkdir()
    text = (data_folder() / "meters" / "chint-ddsu666.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "voltage_l1_v" not in line]
    assert len(lines) < len(text.splitlines())
    (maps / "no-voltage.toml").write_text(
        "\n".join(lines).replace('id = "chint-ddsu666"', 'id = "no-voltage"'), encoding="utf-8"
    )
    found = problems(tmp_path, with_meter(('"eastron-sdm630"', '"no-voltage"')))
    assert any("does not deliver a phase voltage" in line for line in found), found


@pytest.mark.parametrize(
    ("model", "more", "phases", "indicative", "limits"),
    [
        ("eastron-sdm630", "", 3, True, 5),
        ("chint-ddsu666", 'measurement_class = "S"', 1, False, 3),
    ],
)
def test_what_the_control_is_told(
    tmp_path: Path, model: str, more: str, phases: int, indicative: bool, limits: int
) -> None:
    path = tmp_path / "pile.toml"
    path.write_text(with_meter(("eastron-sdm630", model)) + more, encoding="utf-8")
    supply = parameters_of(load_site(path)).power_quality
    assert supply is not None
    assert (supply.meter, supply.phases, supply.indicative) == (model, phases, indicative)
    assert (supply.nominal_voltage_v, supply.poll_interval_s) == (220.0, 1.0)
    assert len(supply.limits) == limits
    path.write_text(EXAMPLE, encoding="utf-8")
    assert parameters_of(load_site(path)).power_quality is None


def test_it_is_read_on_its_line_for_the_supply_only(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    path.write_text(with_meter(), encoding="utf-8")
    hardware = build_hardware(load_site(path))
    [line] = [line for line in hardware.modbus_lines if line.name == "meter"]
    meter = line.devices[10]
    assert meter.name == "incomer meter"
    assert meter.requests(0.0)


def test_a_wrong_limits_file_is_named(tmp_path: Path) -> None:
    text = (data_folder() / "power_quality.toml").read_text(encoding="utf-8")
    path = tmp_path / "power_quality.toml"
    path.write_text(text.replace('statistic = "mean"', 'statistic = "median"', 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_supply_limits(path)
    assert [problem.place for problem in caught.value.problems] == ["limit[0].statistic"]
