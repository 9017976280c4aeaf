"""The command ``limit``: what it asks of the field process, and what it refuses to ask."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_pile import Pile
from fake_field import fake_field

from agent.link.messages import Command, CommandReply, Message
from agent.vocabulary.reasons import parsed

NOW_S = 1_900_000_000.25
NOW_MS = 1_900_000_000_250


@pytest.fixture
def pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pile:
    monkeypatch.setattr("agent.cli.app.time.time", lambda: NOW_S)
    return Pile(tmp_path)


def answer(result: str, reason: str = "") -> Any:
    def reply(command: Command) -> list[Message]:
        return [CommandReply(command.id, result, parsed(reason))]

    return reply


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (["off"], {"off": True}),
        (["--power-kw", "20"], {"power_w": 20_000}),
        (["--power-kw", "0"], {"power_w": 0}),
        (["--power-kw", "22.0006"], {"power_w": 22_001}),
        (["--power-kw", "20", "--for", "90"], {"power_w": 20_000, "until_ms": NOW_MS + 90 * 60_000}),
    ],
)
def test_what_is_asked_for(pile: Pile, options: list[str], arguments: dict[str, Any]) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answer("accepted")
        result = pile("limit", *options)
    assert (result.exit_code, result.stdout) == (0, "limit: accepted\n")
    (command,) = field.commands
    assert (command.name, command.origin, command.connector, command.expires_wall_ms) == ("limit", "local", 0, 0)
    assert command.arguments == arguments


@pytest.mark.parametrize(("offset_minutes", "hour_utc"), [(480, 10), (-60, 19)])
def test_until_is_local_time_of_the_pile(pile: Pile, offset_minutes: int, hour_utc: int) -> None:
    pile.change("utc_offset_minutes = 480", f"utc_offset_minutes = {offset_minutes}")
    with fake_field(pile.runtime) as field:
        field.answer = answer("accepted")
        assert pile("limit", "--power-kw", "20", "--until", "2030-03-17 18:00:00").exit_code == 0
    until = datetime(2030, 3, 17, hour_utc, tzinfo=UTC)
    assert field.commands[0].arguments == {"power_w": 20_000, "until_ms": int(until.timestamp()) * 1000}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["off", "--power-kw", "20"],
        ["off", "--for", "10"],
        ["off", "--until", "2030-03-17"],
        ["--for", "10"],
        ["--power-kw", "20", "--for", "10", "--until", "2030-03-17"],
        ["--power-kw", "-1"],
        ["--power-kw", "4001"],
        ["--power-kw", "nan"],
        ["--power-kw", "20", "--for", "0"],
        ["--power-kw", "20", "--for", "1441"],
        ["--power-kw", "20", "--until", "tomorrow"],
        ["on"],
    ],
)
def test_options_that_do_not_fit_ask_nothing(pile: Pile, options: list[str]) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answer("accepted")
        result = pile("limit", *options)
    assert result.exit_code == 2
    assert field.commands == []
    assert "Error" in result.stderr


@pytest.mark.parametrize(
    ("reason", "lang", "words"),
    [
        ("no_expiry", "en", "limit: rejected, the expiry is missing\n"),
        ("no_expiry", "zh", "limit: 被拒绝, 缺少有效期\n"),
        ("expiry_too_far", "en", "limit: rejected, the expiry is too far ahead\n"),
    ],
)
def test_a_refused_limit_says_why(pile: Pile, reason: str, lang: str, words: str) -> None:
    with fake_field(pile.runtime) as field:
        field.answer = answer("rejected", reason)
        result = pile("limit", "--power-kw", "20", lang=lang)
        document = pile.json("limit", "--power-kw", "20")
    assert (result.exit_code, result.stdout) == (1, words)
    assert (document["result"], document["reason"]) == ("rejected", reason)


def test_without_a_field_process_it_is_exit_code_3(pile: Pile) -> None:
    assert pile("limit", "off").exit_code == 3
