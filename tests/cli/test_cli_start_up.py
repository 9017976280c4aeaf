"""The services start light, and their log never makes them wait."""

import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_pile import Pile

from agent.cli.exits import default_language
from agent.cli.logs import StderrHandler
from agent.cli.main import plain_service

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def test_the_services_begin_without_the_command_line(pile: Pile) -> None:
    program = (
        "import sys; from pathlib import Path; import agent.cli.main, agent.cli.service, agent.settings.load;"
        "agent.settings.load.load_site(Path(sys.argv[1])); agent.cli.service.version();"
        "print(*sys.modules, sep='\\n')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(pile.site_file)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(answer.stdout.split())
    heavy = {"click", "rich", "sqlite3", "paho", "asyncio", "cryptography", "importlib.metadata", "email"}
    assert loaded & heavy == set()
    assert "agent.settings.load" in loaded


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["field"], ("field", "/etc/pile-agent/pile.toml", "en")),
        (["north"], ("north", "/etc/pile-agent/pile.toml", "en")),
        (["control"], ("field", "/etc/pile-agent/pile.toml", "en")),
        (["--config", "a.toml", "agent"], ("north", "a.toml", "en")),
        (["--config=a.toml", "--lang=zh", "make-safe"], ("make-safe", "a.toml", "zh")),
        (["--lang", "zh", "--config", "a.toml", "field"], ("field", "a.toml", "zh")),
        (["status"], None),
        (["control", "--help"], None),
        (["--help", "control"], None),
        (["--config", "control"], None),
        (["--lang", "fr", "control"], None),
        (["--wrong", "x", "control"], None),
        ([], None),
    ],
)
def test_only_a_plain_service_takes_the_short_way(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: tuple[str, str, str] | None
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert plain_service(arguments) == expected


def test_the_site_file_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILE_AGENT_CONFIG", "/x.toml")
    found = plain_service(["control"])
    assert found is not None
    assert found[1] == "/x.toml"


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({}, "en"),
    ],
)
def test_the_language_follows_the_locale(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_language() == language


@pytest.mark.parametrize("service", ["field", "north", "control", "agent"])
def test_a_service_with_a_wrong_site_file_ends_with_2(pile: Pile, service: str) -> None:
    pile.change("cycle_ms = 10", "cycle_ms = 1")
    answer = subprocess.run(
        [sys.executable, "-m", "agent.cli.main", "--config", str(pile.site_file), "--lang", "en", service],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        "control.cycle_ms: must be from 5 to 100, is 1",
        f"{pile.site_file}: 1 error; nothing was started",
    ]


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("x", level, __file__, 1, text, None, None)


def test_a_log_line_is_dropped_rather_than_waited_for() -> None:
    reading, writing = os.pipe()
    capacity = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    handler = StderrHandler(writing, priorities=False)
    os.write(writing, b"." * capacity)
    handler.emit(record("lost"))
    handler.emit(record("lost as well"))
    assert handler.dropped == 2
    assert os.read(reading, capacity) == b"." * capacity
    handler.emit(record("kept"))
    assert os.read(reading, 4096) == b"(2 lines lost)\nkept\n"
    os.close(reading)
    # Nobody reads any more: that is no reason to fail either.
    handler.emit(record("into the void"))
    assert handler.dropped == 1
    os.close(writing)


def test_lines_for_the_journal_carry_their_level() -> None:
    reading, writing = os.pipe()
    handler = StderrHandler(writing, priorities=True)
    handler.emit(record("one\ntwo", logging.WARNING))
    assert os.read(reading, 4096) == b"<4>one\n<4>two\n"
    os.close(reading)
    os.close(writing)
