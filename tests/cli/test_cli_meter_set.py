"""pile-agent meter set-address and set-serial: one register, confirmed, read back; everything else refused."""

import json
from pathlib import Path

import msgspec
import pytest
from cli_pile import Pile

from agent.cli.meter.setting import Change, RefusedError, plan_change, words_for
from drivers.meters.commissioning import IdentityCode, Setting, Settings, commissioning_mistakes
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import load_map
from drivers.meters.sections import MapText, NeverWrite
from hil_tests.bench.meters.line import MAPS, MeterSpec
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.serving import RunningLine, serving

WITH_SETTINGS = [
    loaded
    for path in sorted(MAPS.glob("*.toml"))
    if isinstance(loaded := load_map(path), RegisterMap) and loaded.settings is not None
]


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def model_of(running: RunningLine, index: int = 0) -> MeterModel:
    model = running.line.meters[index].model
    assert isinstance(model, MeterModel)
    return model


def arguments(port: Path, name: str, *more: str) -> tuple[str, ...]:
    return ("--port", str(port), "--map", name, *more)


@pytest.mark.parametrize("meter_map", WITH_SETTINGS, ids=lambda each: each.id)
def test_every_meter_whose_map_says_how_gets_another_address(
    pile: Pile, tmp_path: Path, meter_map: RegisterMap
) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of(meter_map.id)], port, settings=(115200, None, None)) as running:
        model = model_of(running)
        document = pile.json("meter", "set-address", "33", *arguments(port, meter_map.id), "--confirm", "33")
        assert len(model.written) == 1
        assert model.harm_done == []
        if document["restart"]:
            assert model.address == 1
            model.restart()
        assert model.address == 33
        found = pile("meter", "read", *arguments(port, meter_map.id, "--address", "33"))
    assert (document["old"], document["new"], document["confirmed"]) == ("1", "33", True)
    assert found.exit_code == 0


def test_the_new_address_has_to_be_typed(pile: Pile, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from agent.cli.app import app

    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-dcm230")], port, settings=(115200, None, None)) as running:
        model = model_of(running)
        command = ["--lang", "en", "meter", "set-address", "5", *arguments(port, "eastron-dcm230")]
        for typed in ("y\n", "yes\n", "\n", "55\n", ""):
            result = CliRunner().invoke(app, command, input=typed)
            assert result.exit_code == 1, result.output
            assert "not confirmed; nothing was written" in result.stderr
            assert model.written == []
        assert "about to change the address of eastron-dcm230" in result.stderr
        assert "password 1000" in result.stderr
        result = CliRunner().invoke(app, command, input="5\n")
        assert result.exit_code == 0, result.output
        assert "1 -> 5: written and read back" in result.stdout
        assert model.written == [(16, 0x14, [0x40A0, 0x0000])]
        running.do(model.restart)
        now = arguments(port, "eastron-dcm230", "--address", "5")
        refused = pile("meter", "set-address", "6", *now, "--confirm", "7", lang="zh")
        assert refused.exit_code == 1
        assert "未写入" in refused.stderr


@pytest.mark.parametrize("name", ["acrel-djsf1352-rn", "enlyta-djsf2669d", "schneider-iem3155", "abb-b23"])
def test_a_meter_whose_map_has_no_data_for_it_is_refused(pile: Pile, tmp_path: Path, name: str) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of(name)], port, settings=(115200, None, None)) as running:
        result = pile("meter", "set-address", "5", *arguments(port, name), "--confirm", "5")
        assert running.line.meters[0].served == 0
        assert model_of(running).written == []
    assert result.exit_code == 2
    assert "does not contain the register for the address" in result.stderr
    assert "menu of the meter" in result.stderr


def test_an_address_that_is_taken_is_refused(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    specs = [MeterSpec.of("eastron-sdm630", 1), MeterSpec.of("acrel-djsf1352-rn", 5)]
    with serving(specs, port, settings=(115200, None, None)) as running:
        result = pile("meter", "set-address", "5", *arguments(port, "eastron-sdm630"), "--confirm", "5", "--json")
        assert model_of(running, 0).written == model_of(running, 1).written == []
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "refused"
    assert "answers at 5 already" in result.stderr


def test_a_register_that_holds_something_else_is_not_written(pile: Pile, tmp_path: Path) -> None:
    """Another firmware or the wrong map: the register does not hold the address at which the meter answers."""
    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-sdm630", 1)], port, settings=(115200, None, None)) as running:
        model = model_of(running)
        running.do(lambda: model.settings.write(16, 0x14, [0x4110, 0x0000]))  # 9
        result = pile("meter", "set-address", "5", *arguments(port, "eastron-sdm630"), "--confirm", "5")
        assert model.written == []
    assert result.exit_code == 2
    assert "holds 4110 0000, which is not 1" in result.stderr


def test_a_meter_that_does_not_answer(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-sdm630", 2)], port, settings=(115200, None, None)) as running:
        result = pile("meter", "set-address", "5", *arguments(port, "eastron-sdm630"), "--confirm", "5")
        assert model_of(running).written == []
    assert result.exit_code == 2
    assert "does not return that setting" in result.stderr


def test_another_baud_rate_at_once_and_after_a_restart(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("chint-dtsu666")], port, checks_settings=True) as running:
        result = pile(
            "meter", "set-serial", "--new-baud", "19200", *arguments(port, "chint-dtsu666"), "--confirm", "19200"
        )
        assert result.exit_code == 0, result.output
        assert "answers with the new setting" in result.stdout
        assert model_of(running).written == [(16, 0x2D, [4])]
        again = pile("meter", "read", *arguments(port, "chint-dtsu666", "--baud", "19200"))
        assert again.exit_code == 0
    with serving([MeterSpec.of("eastron-sdm630")], port, checks_settings=True) as running:
        model = model_of(running)
        result = pile(
            "meter", "set-serial", "--new-frame", "8e1", *arguments(port, "eastron-sdm630"), "--confirm", "8E1"
        )
        assert result.exit_code == 0, result.output
        assert "power-cycle the meter" in result.stdout
        running.do(model.restart)
        again = pile("meter", "read", *arguments(port, "eastron-sdm630", "--parity", "E"))
        assert again.exit_code == 0


def test_a_meter_that_refuses_or_falls_silent(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-sdm630")], port, settings=(115200, None, None)) as running:
        meter = running.line.meters[0]
        command = ("meter", "set-address", "5", *arguments(port, "eastron-sdm630"), "--confirm", "5")
        original = model_of(running).write

        def refusing(function: int, start: int, values: list[int]) -> object:
            original(function, start, values)
            meter.faults.add("exception", 4, left=1)
            return None

        running.do(lambda: setattr(meter.model, "write", refusing))
        refused = pile(*command)
        assert refused.exit_code == 1
        assert "exception 4" in refused.stdout

        def vanishing(function: int, start: int, values: list[int]) -> object:
            meter.faults.add("silent")
            return None

        running.do(lambda: model_of(running).settings.write(16, 0x14, [0x3F80, 0x0000]))
        running.do(lambda: setattr(meter.model, "write", vanishing))
        silent = pile(*command)
        assert silent.exit_code == 1
        assert "does not answer after the write" in silent.stdout


def own_map(folder: Path, name: str, old: str, new: str) -> str:
    """A map of the site's own, changed in one place."""
    text = (MAPS / f"{name}.toml").read_text(encoding="utf-8").replace(f'id = "{name}"', 'id = "own"')
    assert old in text
    (folder / "meters").mkdir()
    path = folder / "meters" / "own.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_a_frame_that_counts_at_once(pile: Pile, tmp_path: Path) -> None:
    own = own_map(tmp_path, "eastron-sdm630", "restart = true", "restart = false")
    port = tmp_path / "line"
    with serving([MeterSpec.of(own)], port, checks_settings=True) as running:
        result = pile("meter", "set-serial", "--new-frame", "8O1", *arguments(port, "own"), "--confirm", "8O1")
        assert model_of(running).settings.active["frame"] == "8O1"
    assert result.exit_code == 0, result.output
    assert "answers with the new setting" in result.stdout


def test_a_setting_that_waits_although_the_map_does_not_say_so(pile: Pile, tmp_path: Path) -> None:
    own_map(tmp_path, "eastron-sdm630", "restart = true", "restart = false")
    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-sdm630")], port, settings=(115200, None, None)) as running:
        result = pile("meter", "set-address", "5", *arguments(port, "own"), "--confirm", "5")
        assert model_of(running).address == 1
    assert result.exit_code == 0, result.output
    assert "answers with the old setting" in result.stdout


def test_the_address_that_it_has(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("eastron-sdm630", 2)], port, settings=(115200, None, None)) as running:
        result = pile(
            "meter", "set-address", "2", *arguments(port, "eastron-sdm630", "--address", "2"), "--confirm", "2"
        )
        assert model_of(running).written == []
    assert result.exit_code == 2
    assert "is 2 already" in result.stderr


def test_set_serial_usage(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    for more in ((), ("--new-baud", "9600", "--new-frame", "8E1")):
        assert pile("meter", "set-serial", *more, *arguments(port, "eastron-sdm630")).exit_code == 2
    tcp = ("--port", "127.0.0.1:502", "--map", "eastron-sdm630")
    assert "gateway" in pile("meter", "set-serial", "--new-baud", "9600", *tcp).stderr
    dlt = (*arguments(port, "yada-dcm3366q"), "--address", "202600000001")
    assert "password" in pile("meter", "set-address", "5", *dlt).stderr
    for wish, said in (
        (("--new-baud", "9600"), "is 9600 already"),
        (("--new-baud", "115200"), "there is: 2400"),
        (("--new-frame", "8N3"), "there is: 8N1"),
    ):
        result = pile("meter", "set-serial", *wish, *arguments(port, "eastron-sdm630"))
        assert result.exit_code == 2
        assert said in result.stderr


SDM630 = next(each for each in WITH_SETTINGS if each.id == "eastron-sdm630")


@pytest.mark.parametrize(("first", "last"), [(0x14, 0x14), (0x15, 0x15), (0x10, 0x14), (0, 0xFFFF)])
def test_a_register_that_must_never_be_written_is_refused(first: int, last: int) -> None:
    """Whatever ``settings`` says. A map that contradicts itself is not even loaded; this is the second lock."""
    forbidden = NeverWrite(first=first, last=last, why=MapText(zh="清除电能", en="clears energy"))
    contradictory = msgspec.structs.replace(SDM630, never_write=[forbidden])
    with pytest.raises(RefusedError, match="clears energy"):
        plan_change(contradictory, "address", "1", "5")


@pytest.mark.parametrize(("first", "last"), [(0x13, 0x13), (0x16, 0x16)])
def test_its_neighbours_do_not_matter(first: int, last: int) -> None:
    near = NeverWrite(first=first, last=last, why=MapText(zh="x", en="x"))
    change = plan_change(msgspec.structs.replace(SDM630, never_write=[near]), "address", "1", "247")
    assert isinstance(change, Change)


@pytest.mark.parametrize("new", ["0", "248", "-1", "x", ""])
def test_addresses_outside_the_range_are_refused(new: str) -> None:
    with pytest.raises(RefusedError):
        plan_change(SDM630, "address", "1", new)


def test_words() -> None:
    assert words_for(Setting(register=1), "17") == (17,)
    assert words_for(Setting(register=1, type="f32"), "1") == (0x3F80, 0)
    assert words_for(Setting(register=1, codes={"9600": 3}), "9600") == (3,)


F32_BY_SIX = Setting(register=1, type="f32", write_function=6)


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        (Settings(source="x", address=Setting(register=0xB000)), "settings.address.register"),
        (Settings(source="x", address=Setting(register=0xAFFF, type="f32")), "settings.address.register"),
        (Settings(source="x", address=F32_BY_SIX), "settings.address.write_function"),
        (Settings(source="x", address=Setting(register=1, codes={"1": 1})), "settings.address.codes"),
        (Settings(source="x", baud=Setting(register=1)), "settings.baud.codes"),
        (Settings(source="x", baud=Setting(register=1, codes={"fast": 1})), "settings.baud.codes"),
        (Settings(source="x", frame=Setting(register=1, codes={"7E1": 1})), "settings.frame.codes"),
    ],
)  # fmt: skip
def test_a_map_that_contradicts_itself_is_refused(settings: Settings, place: str) -> None:
    [(found, zh, en)] = commissioning_mistakes([], settings, [(0xB000, 0xB003)])
    assert found == place
    assert zh
    assert en


def test_codes_that_do_not_fit() -> None:
    codes = [IdentityCode(register=1, equals=[0x10000], source="x")]
    assert [place for place, _, _ in commissioning_mistakes(codes, None, [])] == ["identify[0].equals"]
    codes = [IdentityCode(register=0xFFFF, type="u32", equals=[1], source="x")]
    assert [place for place, _, _ in commissioning_mistakes(codes, None, [])] == ["identify[0].register"]
    assert list(commissioning_mistakes(SDM630.identify, SDM630.settings, [])) == []
