"""``pile-agent migrate`` and ``check`` at the command line."""

import sys
from pathlib import Path

import pytest
from cli_pile import ROOT, Pile

sys.path.insert(0, str(ROOT / "tests" / "settings"))
from test_connectors import TWO_GUNS

LAYOUT_1 = ROOT / "tests" / "settings" / "layout1" / "site-example.toml"


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@pytest.fixture
def old(pile: Pile) -> Pile:
    pile.site_file.write_bytes(LAYOUT_1.read_bytes())
    return pile


def test_the_file_is_shown_and_left_alone(old: Pile) -> None:
    result = old("migrate")
    assert result.exit_code == 0
    assert "[[connector]]" in result.stdout
    assert "nothing was written; --write writes it" in result.stderr
    assert old.site_file.read_bytes() == LAYOUT_1.read_bytes()
    assert "未写入" in old("migrate", lang="zh").stderr


def test_what_is_shown_is_what_is_written(old: Pile) -> None:
    shown = old("migrate").stdout
    result = old("migrate", "--write")
    assert result.exit_code == 0
    assert old.site_file.read_text(encoding="utf-8") == shown
    assert f"the old file is kept as {old.site_file}.schema1" in result.stderr
    assert old("check").exit_code == 0
    again = old("migrate", "--write")
    assert again.exit_code == 0
    assert "has layout 2 already" in again.stderr


def test_a_file_of_its_own(old: Pile, tmp_path: Path) -> None:
    other = tmp_path / "other" / "x.toml"
    other.parent.mkdir()
    other.write_bytes(LAYOUT_1.read_bytes())
    assert old("migrate", "--write", str(other)).exit_code == 0
    assert old.site_file.read_bytes() == LAYOUT_1.read_bytes()
    assert other.with_name("x.toml.schema1").exists()


def test_a_wrong_file_is_refused(old: Pile) -> None:
    old.change("relay_address = 1", "relay_adress = 1")
    result = old("migrate", "--write")
    assert result.exit_code == 2
    assert "connector.inputs_outputs.relay_adress: " in result.stderr
    assert "did you mean relay_address?" in result.stderr
    assert list(old.folder.iterdir()) == [old.site_file]


def test_comments_that_cannot_be_kept_are_announced(old: Pile) -> None:
    text = old.site_file.read_text(encoding="utf-8")
    head, _, rest = text.partition("[connector.power_stage]\n")
    text = (head + rest.partition('bus = "modules"\n')[2]).replace(
        "[connector]\n", '[connector]\npower_stage = { bus = "modules" }\n'
    )
    old.site_file.write_text(text, encoding="utf-8")
    assert "the comments cannot be kept" in old("migrate").stderr


def test_own_files_are_shown_with_their_names(old: Pile) -> None:
    (old.folder / "boards").mkdir()
    board = (LAYOUT_1.parent / "boards" / "waveshare-rs485.toml").read_text(encoding="utf-8")
    (old.folder / "boards" / "own.toml").write_text(board.replace('"waveshare-rs485"', '"own"'), encoding="utf-8")
    old.change('board = "waveshare-rs485"', 'board = "own"')
    shown = old("migrate").stdout
    assert f"# {old.folder / 'wiring' / 'own.toml'}\n" in shown
    assert f"# {old.site_file}\n" in shown


def test_a_folder_that_cannot_be_written(old: Pile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(old.site_file))

    monkeypatch.setattr("agent.cli.views.migrate.write_plan", refuse)
    result = old("migrate", "--write")
    assert result.exit_code == 1
    assert f"{old.site_file}: cannot be written (Permission denied)" in result.stderr


def test_every_other_command_names_it(old: Pile) -> None:
    for command in ("check", "status", "run", "field"):
        result = old(command)
        assert result.exit_code == 2
        assert f"`pile-agent migrate {old.site_file}`" in result.output


def test_check_shows_each_connector_and_who_shares_what(pile: Pile) -> None:
    pile.site_file.write_text(TWO_GUNS, encoding="utf-8")
    shown = pile("check").stdout
    for part in (
        "120 kW, incomer limit 100 kW, module groups are switched",
        "connector 1",
        "120 kW, 1000 V, 250 A, GB/T 27930-2015",
        "connector 2",
        "120 kW, 1000 V, 200 A, GB/T 27930-2023",
        "wiring two-guns-2: io = relays2, analog = analog2, pile = pile",
        "module group A: infypower x2, 60 kW, 150 A; can be switched to connector 2",
        "meter 1 @1, insulation monitor 1 @11, meter 2 @2, insulation monitor 2 @12",
        "board relays2 (2) waveshare-relay-8ch-d @1",
        "vehicle 2",
    ):
        assert part in shown, shown
    chinese = pile("check", lang="zh").stdout
    for part in ("枪 1", "进线限值 100 kW", "动态分配", "可切换至枪 2", "模块组 B"):
        assert part in chinese


@pytest.mark.parametrize("arguments", [["meter", "read"], ["bms", "live"]])
def test_a_command_for_one_connector_asks_which(pile: Pile, arguments: list[str]) -> None:
    pile.site_file.write_text(TWO_GUNS, encoding="utf-8")
    result = pile(*arguments)
    assert result.exit_code == 2
    assert "several connectors: give --connector 1, 2" in result.stderr
    result = pile(*arguments, "--connector", "3")
    assert result.exit_code == 2
    assert "no connector 3; there is: 1, 2" in result.stderr
