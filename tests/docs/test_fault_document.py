"""docs/faults.md is written from the catalogue and shows the limits that act, in both editions."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.settings.files import load_fault_catalogue
from scripts.documents import faults as tool

ROOT = Path(__file__).parents[2]
FAULTS = load_fault_catalogue(ROOT / "config" / "faults.toml")


def test_the_document_is_up_to_date() -> None:
    assert tool.DOCUMENT.read_text(encoding="utf-8") == tool.text(), "out of date: make docs"


def test_every_fault_can_be_linked_to() -> None:
    for fault_id in FAULTS:
        assert f"\n## {fault_id}\n" in tool.text()


def test_limits_that_differ_show_both_editions() -> None:
    text = tool.text()
    assert "`safety.over_voltage_margin_v` 2 V (2023: 15 V); `safety.over_voltage_share` 1 % (2023: 0 %)." in text
    assert "`safety.outside_voltage_before_test_v` 10 V (2023: 60 V)." in text
    assert "`safety.insulation_fault_ohm_per_v` 100 ohm/V." in text
    assert "`judge.stuck_s` 300 s; `judge.stuck_current_a` 20 A." in text
    assert "`listener.energy_floor_wh` 300 Wh." in text


@pytest.mark.parametrize("name", ["safety.no_such_v", "nowhere.stuck_s", "stuck_s"])
def test_a_limit_that_does_not_exist_is_refused(name: str) -> None:
    row = msgspec.structs.replace(FAULTS["bms_data_stuck"], limits=[name])
    with pytest.raises(KeyError):
        tool.faults_text({row.id: row})


_FIGURE = re.compile(r"(\d+(?:\.\d+)?) ?(V|A|%|s|°C|degC|ohm per volt|days?|天|°C)(?![A-Za-z])")
_OF_THE_TRADE = {12.0, 4.0, 65.0}
"""Figures that no program compares: 12 V of the auxiliary supply, 4 V of CC1, 65 degC to let a connector cool."""


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_figure_in_a_hint_is_the_limit_that_acts(fault: Any) -> None:
    numbers = {value for name in fault.limits for value in tool.values_of(name)}
    acting = numbers | {100.0 * value for value in numbers} | {fault.threshold, fault.clear_s} | _OF_THE_TRADE
    for text in (fault.hint_zh, fault.hint_en, fault.text_zh, fault.text_en):
        for figure, unit in _FIGURE.findall(text):
            assert float(figure) in acting, f"{figure} {unit} in a text of {fault.id}"
    by_edition = {name for name in fault.limits if len(set(tool.values_of(name))) > 1}
    assert not by_edition or not any(_FIGURE.findall(text) for text in (fault.hint_zh, fault.hint_en))
