"""``pile-agent meter prove`` and ``exchange`` against a field process that only speaks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_pile import Pile
from fake_field import fake_field

from agent.cli.meter.work import Energy, in_mwh
from agent.link.messages import Command, CommandReply, Message
from agent.vocabulary.reasons import parsed


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def answering(result: str, reason: str = "") -> Callable[[Command], list[Message]]:
    return lambda command: [CommandReply(command.id, result, parsed(reason))]


@pytest.mark.parametrize(
    ("typed", "unit", "wanted"),
    [
        ("1234.56", "kWh", (1_234_560_000, 10_000)),
        ("1234,56", "kWh", (1_234_560_000, 10_000)),
        ("1234", "kWh", (1_234_000_000, 1_000_000)),
        ("0.001", "kWh", (1000, 1000)),
        ("123456", "Wh", (123_456_000, 1000)),
        ("1.2345678", "Wh", (1234, 1)),
        ("1.5", "MWh", (1_500_000_000, 100_000_000)),
    ],
)
def test_a_display_is_taken_with_its_digits(typed: str, unit: str, wanted: tuple[int, int]) -> None:
    assert in_mwh(Energy().convert(typed, None, None), unit) == wanted


@pytest.mark.parametrize("typed", ["abc", "-1", "nan", "1e12", "1e-10"])
def test_what_is_no_register_is_wrong_usage(pile: Pile, typed: str) -> None:
    result = pile("meter", "prove", f"--display={typed}")
    assert result.exit_code == 2
    assert "is no" in result.stderr


def test_a_proof_is_asked_for_and_told(pile: Pile) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answering("accepted")
        result = pile("meter", "prove", "--display", "1234.56", "--by", "Li")
        assert (result.exit_code, result.stdout) == (0, "recorded\n")
        assert pile("meter", "prove", "--display", "1", lang="zh").stdout == "已记入记录\n"
    assert field.commands[0].name == "meter_prove"
    assert field.commands[0].arguments == {"display_mwh": 1_234_560_000, "display_step_mwh": 10_000, "by": "Li"}


EXCHANGE = (
    "meter", "exchange", "--old-serial", "A", "--old-end", "5000", "--serial", "B", "--new-start", "0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("register_differs: 7 Wh", "not recorded: the meter register shows another value: 7 Wh\n"),
        ("display_too_small: 220 Wh", "not recorded: too little energy to prove the unit; at least: 220 Wh\n"),
        ("session_running", "not recorded: a session is already running\n"),
        ("no value: meter_energy_wh", "not recorded: no value of meter_energy_wh\n"),
    ],
)
def test_an_exchange_that_is_refused_says_why(pile: Pile, reason: str, text: str) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answering("rejected", reason)
        result = pile(*EXCHANGE)
        assert (result.exit_code, result.stdout) == (1, text)
        document = pile.json(*EXCHANGE)
        assert (document["result"], document["reason"]) == ("rejected", reason)
    assert field.commands[0].arguments == {
        "old_serial": "A", "old_end_wh": 5000, "serial": "B", "new_start_wh": 0, "by": "", "reason": "",
    }  # fmt: skip


def test_without_a_field_process_nothing_is_recorded(pile: Pile) -> None:
    assert pile(*EXCHANGE).exit_code == 3


def test_an_exchange_needs_all_four(pile: Pile) -> None:
    assert pile("meter", "exchange", "--serial", "B").exit_code == 2
