"""Every number of the DC sequence and of the judge acts, in both editions."""

import dataclasses
from typing import Any

import listener_probes
import pytest
from number_walk import changes_of
from program_probes import JUDGE, SAFETY, TIMES_PROBES, Edition, acting

from agent.control.listener.parameters import ListenerNumbers
from agent.control.safety.numbers import SequenceNumbers, StepTimes
from drivers.gbt27930.judge.limits import JudgeLimits

HOMES: dict[str, tuple[type[Any], Any]] = {
    "safety": (SequenceNumbers, SAFETY),
    "times": (StepTimes, TIMES_PROBES),
    "judge": (JudgeLimits, JUDGE),
}
COARSE = 0.2
"""A scene of a whole charge goes in steps of 50 ms and shows a change of this share."""
IN_SCENES = {
    "insulation_test_tolerance",
    "insulation_settling_s",
    "precharge_battery_tolerance",
    "opening_current_a",
    "current_expected_a",
    "current_absent_a",
}
"""Numbers of other homes that only a scene of a whole charge shows."""
EDITIONS: tuple[Edition, ...] = ("2015", "2023")

CASES = [
    pytest.param(home, edition, field.name, field.metadata[edition], id=f"{home}.{field.name}-{edition}")
    for home, (kind, _) in HOMES.items()
    for field in dataclasses.fields(kind)
    for edition in EDITIONS
    if edition == "2015" or field.metadata["2015"] != field.metadata["2023"]
]


def _changes(home: str, name: str, value: Any) -> list[Any]:
    if home == "times" or name in IN_SCENES:
        return [value * (1.0 - COARSE), value * (1.0 + COARSE)]
    return [change for change in changes_of(value) if change >= 0]


@pytest.mark.parametrize(("home", "edition", "name", "value"), CASES)
def test_a_number_acts(home: str, edition: Edition, name: str, value: Any) -> None:
    probes = HOMES[home][1]
    assert name in probes, f"{home}.{name}: no probe shows what this number does"
    before = probes[name](edition, value)
    for change in _changes(home, name, value):
        with acting(home, edition, **{name: change}):
            assert probes[name](edition, value) != before, f"{home}.{name} = {change} for {value}: nothing differs"


@pytest.mark.parametrize("home", HOMES)
def test_there_is_no_probe_without_a_number(home: str) -> None:
    kind, probes = HOMES[home]
    assert set(probes) == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ListenerNumbers)])
def test_a_number_of_the_listener_acts(name: str) -> None:
    assert name in listener_probes.PROBES, f"listener.{name}: no probe shows what this number does"
    assert listener_probes.blind_changes(name) == []
