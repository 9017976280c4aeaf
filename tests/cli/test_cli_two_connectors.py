"""The status of a pile with two connectors, and commands that need to know which one is meant."""

from pathlib import Path
from typing import Any

import pytest
from cli_pile import Pile
from fake_field import STATUS, fake_field, nested

from agent.link.messages import Command, CommandReply, Message

FAULT = {"id": "door_open", "level": 1, "action": "open", "since_s": 5.0, "latched": False}


def two(**pile: Any) -> dict[str, Any]:
    """The first connector charges, the second is idle with a fault."""
    base = nested(STATUS)
    (first,) = base["connectors"]
    second = {
        "connector": 2,
        "state": "idle",
        "state_since_s": 5.0,
        "session": None,
        "faults": [FAULT],
        "may_start": False,
        "start_blockers": ["door_open", "not plugged"],
        "values": {"meter_voltage_v": 0.0},
        "outputs": {"fan": True},
    }
    return {**base, "connectors": [first, second], **pile}


POWER: dict[str, Any] = {
    "budget_w": 90_500,
    "budget_by": "command:local",
    "shares": {
        "1": {"power_w": 60_040, "current_a": 150.0, "by": "shared with connector 2"},
        "2": {"power_w": 0, "current_a": 0.0, "by": "fault"},
    },
    "groups": {
        "A": {"state": "joined", "connector": 1},
        "B": {"state": "parked", "connector": None},
    },
}


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def shown(pile: Pile, status: dict[str, Any], lang: str = "en") -> str:
    with fake_field(pile.runtime) as field:
        field.status = [status]
        result = pile("status", lang=lang)
    (pile.runtime / "field.sock").unlink()
    assert result.exit_code == 0
    return result.stdout


def test_each_connector_has_a_part_of_its_own(pile: Pile) -> None:
    text = shown(pile, two())
    head, first, second = text.replace("connector 2", "connector 1").split("connector 1\n")[:3]
    assert "SX-0001" in head
    assert "1:02:05" in head
    assert "ok, 2 waiting to be written" in head
    assert "charging" not in head
    assert "charging (0:01:02)" in first
    assert "S-1" in first
    assert "contactor K1, contactor K2" in first
    assert "idle (0:00:05)" in second
    assert "S-1" not in second
    assert "refused: Cabinet door open; no vehicle is plugged in" in second


def test_a_fault_carries_the_number_of_its_connector(pile: Pile) -> None:
    assert "faults (connector 2)" in shown(pile, two())
    alone = nested({**STATUS, "faults": [FAULT]})
    text = shown(pile, alone)
    assert "Cabinet door open [door_open]" in text
    assert "(connector 1)" not in text


def test_only_lines_in_trouble_are_shown(pile: Pile) -> None:
    quiet = shown(pile, two())
    assert "relay board" not in quiet
    assert "buses" not in quiet
    buses = {**STATUS["buses"], "io": {**STATUS["buses"]["io"], "trouble": "no answer"}}
    text = shown(pile, two(buses=buses))
    assert "relay board" in text
    assert "trouble no answer" in text
    assert "frames_in" not in text


def test_budget_shares_and_groups_are_shown(pile: Pile) -> None:
    assert "power budget" not in shown(pile, two())
    rows = [" ".join(line.split()) for line in shown(pile, two(power=POWER)).splitlines()]
    assert "power budget 90.5 kW (limit set at the pile)" in rows
    assert "connector 1 60.0 kW (shared with connector 2)" in rows
    assert "connector 2 0.0 kW (fault)" in rows
    assert "groups A: joined → 1, B: parked" in rows


def test_the_same_in_chinese(pile: Pile) -> None:
    text = shown(pile, two(power=POWER), lang="zh")
    for part in (
        "枪 1",
        "枪 2",
        "充电中",
        "功率预算",
        "90.5 kW (就地限值)",
        "60.0 kW (与枪 2 分配)",
        "A: 已并入 → 1",
        "故障 (枪 2)",
    ):
        assert part in text, part


def test_power_is_also_shown_with_one_connector(pile: Pile) -> None:
    lone = {**POWER, "shares": {"1": POWER["shares"]["1"]}}
    rows = [" ".join(line.split()) for line in shown(pile, {**nested(STATUS), "power": lone}).splitlines()]
    assert "power budget 90.5 kW (limit set at the pile)" in rows
    assert "connector 1" not in rows, "no heading for the only connector"


def test_faults_of_all_connectors_carry_their_number(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.status = [two()]
        document = pile.json("faults")
    assert document["active"] == [{**FAULT, "connector": 2}]


@pytest.mark.parametrize("command", ["start", "stop", "reset"])
def test_a_command_is_sent_to_the_connector_that_is_given(pile: Pile, command: str) -> None:
    def answer(asked: Command) -> list[Message]:
        return [CommandReply(asked.id, "rejected")]

    with fake_field(pile.runtime) as field:
        field.status = [two()]
        field.answer = answer
        pile(command, "--connector", "2")
        pile(command)
    assert [asked.connector for asked in field.commands] == [2, 0]
