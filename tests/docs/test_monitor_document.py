"""docs/monitor.md names what there is: every fault, every reason, every section of the site file."""

import re
from pathlib import Path

import pytest

from agent.control.listener.faults import FAULT_IDS
from agent.settings.schema import Connector
from agent.vocabulary.reasons import LISTENER_NORMAL_STOPS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", sorted(FAULT_IDS))
def test_every_fault_is_named(fault: str) -> None:
    assert f"`{fault}`" in TEXT or (fault.startswith("bms_timeout_") and "`bms_timeout_*`" in TEXT)


def test_no_fault_is_named_that_there_is_not() -> None:
    table = TEXT.partition("## Which alarms")[2].partition("## What it cannot see")[0]
    named = {word for line in table.splitlines() if line.startswith("|") for word in re.findall(r"`([a-z_]+)`", line)}
    assert named <= FAULT_IDS


@pytest.mark.parametrize("reason", sorted({*LISTENER_NORMAL_STOPS, "charger_fault", "bus_silent", "listener_lost"}))
def test_the_reasons_are_named(reason: str) -> None:
    assert f"`{reason}`" in TEXT


def test_the_devices_are_named() -> None:
    for key in ("meter", "insulation_monitor", "wiring"):
        assert key in Connector.__struct_fields__
        assert key.replace("_", " ") in TEXT
    for path in re.findall(r"`((?:config|docs)/[\w./-]+)`", TEXT):
        assert (ROOT / path).exists(), path


def test_people_on_the_pile_can_read_it() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    bilingual = [heading for heading in headings if re.search("[\u4e00-\u9fff]", heading)]
    assert bilingual == headings
