"""pile-agent meter check: maps that are right, with their plan, and maps that are not."""

from pathlib import Path

import pytest
from cli_pile import Pile

from agent.cli.meter.words import signal_text
from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS

ROOT = Path(__file__).parents[2]
MAPS = sorted((ROOT / "config" / "meters").glob("*.toml"))


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_shipped_map_is_shown_with_its_plan(pile: Pile, path: Path, lang: str) -> None:
    result = pile("meter", "check", str(path), lang=lang)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"OK {path}\n")
    assert ("读取计划" if lang == "zh" else "read plan") in result.stdout


def test_the_plan_of_a_meter(pile: Pile) -> None:
    result = pile("meter", "check", "acrel-djsf1352-rn")
    assert "read plan at 9600 baud\n" in result.stdout
    # 8 bytes of request, 5 and 2 * 16 of reply: 45 characters of 1.04 ms, 30 ms until the answer, 20 ms of pause.
    assert "03 0x0000-0x000F       7      1         2     45  96.9\n" in result.stdout
    assert "read every 1000 ms this takes 9.7 % of the line\n" in result.stdout
    assert "- meter_energy_wh: two implementations take one digit for 1 Wh, one for 0.1 Wh\n" in result.stdout


def test_a_meter_without_doubts_has_no_such_part(pile: Pile) -> None:
    assert "commissioning" not in pile("meter", "check", "acrel-ddsy1352").stdout


def test_another_rate_interval_and_fewer_signals(pile: Pile) -> None:
    command = ("meter", "check", "acrel-djsf1352-rn", "--baud", "38400", "--interval-ms", "500")
    document = pile.json(*command, "--signal", "meter_voltage_v", "--signal", "meter_current_a")
    assert document["ok"]
    assert document["baud"] == 38400
    [plan] = document["plans"]
    [request] = plan["requests"]
    # 21 characters of 0.26 ms, 30 ms and 20 ms, in half a second.
    assert request["what"] == "03 0+4"
    assert request["bytes"] == 21
    assert request["time_us"] == 5469 + 50_000
    assert request["signals"] == ["meter_voltage_v", "meter_current_a"]
    assert plan["line_share"] == pytest.approx(0.1109, abs=1e-4)


def test_there_is_a_plan_for_each_firmware(pile: Pile) -> None:
    plans = pile.json("meter", "check", "chint-dtsu666")["plans"]
    assert [plan["variants"] for plan in plans] == [["new"], ["old"]]
    for plan, register in zip(plans, (0x101E, 0x401E), strict=True):
        assert any(request["what"].startswith(f"03 {register}+") for request in plan["requests"])
        assert any("ratio ct" in request["signals"] for request in plan["requests"])


def test_a_line_that_is_too_slow_is_said(pile: Pile) -> None:
    assert "the line is too slow: raise the baud rate" in pile("meter", "check", "dlt645-2007-ac").stdout
    assert "线路带宽不足" in pile("meter", "check", "dlt645-2007-ac", lang="zh").stdout
    assert "too slow" not in pile("meter", "check", "dlt645-2007-ac", "--baud", "9600").stdout


def test_a_meter_over_dlt645(pile: Pile) -> None:
    document = pile.json("meter", "check", "yada-dcm3366q")
    assert document["protocol"] == "dlt645-2007"
    requests = document["plans"][0]["requests"]
    assert [request["what"] for request in requests[:3]] == ["00010000", "02000100", "02000200"]
    assert requests[0]["bytes"] == 4 + 16 + 4 + 16 + 4


def test_the_second_channel(pile: Pile) -> None:
    [plan] = pile.json("meter", "check", "enlyta-djsf2669d", "--channel", "2")["plans"]
    assert [request["what"] for request in plan["requests"]] == [f"03 {0x203E}+10"]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ("eastron-sdm63",),
            ["FILE: no file and no shipped map eastron-sdm63; did you mean eastron-sdm630?"],
        ),
        (("nowhere/map.toml",), ["FILE: no file and no shipped map nowhere/map.toml"]),
        (
            ("acrel-adw300.tml",),
            ["FILE: no file and no shipped map acrel-adw300.tml; did you mean acrel-adw300?"],
        ),
        (
            ("eastron-sdm630", "--signal", "frequenzy_hz"),
            ["--signal: this meter does not provide frequenzy_hz; did you mean frequency_hz?"],
        ),
        (("eastron-sdm630", "--channel", "2"), ["--channel: no channel 2"]),
        (
            ("yada-dcm3366q", "--channel", "2", "--signal", "meter_voltage_v"),
            ["--channel: no channel 2", "--signal: this meter does not provide meter_voltage_v"],
        ),
    ],
)
def test_a_wish_that_cannot_be_met(pile: Pile, arguments: tuple[str, ...], lines: list[str]) -> None:
    result = pile("meter", "check", *arguments)
    assert result.exit_code == 2
    assert result.stdout.splitlines()[:-1] == lines
    assert result.stdout.splitlines()[-1].endswith("1 error" if len(lines) == 1 else "2 errors")


def test_the_mistakes_of_a_map(pile: Pile, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    text = (ROOT / "config" / "meters" / "acrel-djsf1352-rn.toml").read_text(encoding="utf-8")
    text = text.replace("acrel-djsf1352-rn", "own", 1).replace("exponent_register = 1,", "exponent_registr = 1,")
    text = text.replace("minimum_gap_ms = 20", "minimum_gap_ms = 2000")
    path.write_text(text, encoding="utf-8")
    result = pile("meter", "check", str(path))
    assert result.exit_code == 2
    assert "minimum_gap_ms: must be from 0 to 1000, is 2000\n" in result.stdout
    assert "fields[0].exponent_registr: there is no such key; did you mean exponent_register?\n" in result.stdout
    assert f"{path}: 2 errors\n" in result.stdout
    assert f"{path}:2 处错误\n" in pile("meter", "check", str(path), lang="zh").stdout
    document = pile.json("meter", "check", str(path))
    assert document["ok"] is False
    assert {problem["place"] for problem in document["problems"]} == {"minimum_gap_ms", "fields[0].exponent_registr"}


def test_the_command_needs_no_site_file(tmp_path: Path) -> None:
    pile = Pile(tmp_path)
    pile.site_file.unlink()
    assert pile("meter", "check", "abb-b23").exit_code == 0


@pytest.mark.parametrize("signal", [*DC_SIGNALS, *AC_SIGNALS])
def test_every_signal_has_a_name_in_both_languages(signal: str) -> None:
    text = signal_text(signal)
    assert text.en
    assert any("一" <= letter <= "鿿" for letter in text.zh)


def test_no_two_signals_of_a_meter_have_the_same_name() -> None:
    for signals in (DC_SIGNALS, AC_SIGNALS):
        names = [signal_text(signal) for signal in signals]
        assert len({name.en for name in names}) == len(names)
        assert len({name.zh for name in names}) == len(names)


def test_a_name_that_is_no_signal() -> None:
    with pytest.raises(KeyError):
        signal_text("meter_voltage")
