"""Which boards make-safe opens: every one of every connector, of both layouts, on lines and on pins."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_pile import ROOT

from agent.cli import make_safe
from agent.cli.make_safe import run_make_safe, switch_off
from agent.cli.make_safe_plan import NothingToOpenError, PinsTarget, Plan, Target, find_targets
from agent.settings.files import data_folder
from drivers.errors import PortError
from drivers.modbus import codec

sys.path.insert(0, str(ROOT / "tests" / "settings"))
from test_connectors import TWO_GUNS, changed

sys.path.insert(0, str(ROOT / "tests" / "drivers"))
from fake_gpiod import FakeGpiod

LAYOUT_1 = ROOT / "tests" / "settings" / "layout1"


def plan_of(folder: Path, text: str) -> Plan:
    path = folder / "pile.toml"
    path.write_text(text, encoding="utf-8")
    return find_targets(path)


def by_name(plan: Plan) -> dict[str, Target]:
    return {target.name: target for target in plan.targets if isinstance(target, Target)}


def test_every_board_with_outputs_of_every_connector(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, TWO_GUNS)
    assert plan.problems == ()
    targets = by_name(plan)
    assert {name: (target.port, target.address) for name, target in targets.items()} == {
        "relays1": ("/dev/ttyB", 1),
        "relays2": ("/dev/ttyC", 1),
        "pile": ("/dev/ttyD", 1),
    }
    for number, target in enumerate((targets["relays1"], targets["relays2"]), 1):
        names = [name for name, _ in target.channels]
        assert names[:2] == [f"contactor_k1 ({number})", f"contactor_k2 ({number})"]
        assert not any(name.startswith("electronic_lock") for name in names)
    joining = [name for name, _ in targets["pile"].channels]
    assert sum("_to_connector_" in name for name in joining) == 4, "the contactors that join groups go off too"


def test_a_board_that_cannot_be_found_does_not_hide_the_other(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, changed(('bus = "io2"\naddress = 1', 'bus = "oi2"\naddress = 1')))
    assert list(by_name(plan)) == ["relays1", "pile"]
    (problem,) = plan.problems
    assert problem.place == "board[2].bus"


def test_a_wiring_that_cannot_be_read_costs_its_own_lock_only(tmp_path: Path) -> None:
    targets = by_name(plan_of(tmp_path, changed(('"two-guns-2"', '"gone"'))))
    assert len(targets["relays1"].channels) == 7
    assert [channel for _, channel in targets["relays2"].channels] == list(range(8))


def test_one_board_for_both_connectors(tmp_path: Path) -> None:
    text = changed(('boards = { io = "relays2"', 'boards = { io = "relays1"'))
    targets = by_name(plan_of(tmp_path, text))
    assert len(targets["relays1"].channels) == 7, "each channel once, whoever has wired it"
    assert len(targets["relays2"].channels) == 8, "a board that nobody has wired goes off whole"


def test_a_board_is_switched_off_in_its_own_way(tmp_path: Path) -> None:
    (target,) = [
        target
        for name, target in by_name(
            plan_of(tmp_path, changed(('model = "waveshare-relay-8ch-d"', 'model = "relay-r421a08"')))
        ).items()
        if name == "relays2"
    ]
    assert (target.function, target.first_register, target.off_value) == (6, 1, 0x0200)
    sent: list[bytes] = []

    class Port:
        def fileno(self) -> int:
            return sys.stdin.fileno()

        def read(self) -> bytes:
            return b""

        def write(self, data: bytes) -> None:
            sent.append(data)

        def close(self) -> None:
            pass

    clock = iter(range(1000))
    switch_off(target, Port(), lambda: float(next(clock)))
    frame = bytes((1, 6, 0, 1, 2, 0))
    assert sent[0] == frame + codec.checksum(frame)


def test_boards_without_outputs_are_left_alone(tmp_path: Path) -> None:
    assert "analog1" not in by_name(plan_of(tmp_path, TWO_GUNS))
    unknown = changed(('model = "waveshare-analog-8ch"', 'model = "gone"'))
    assert "analog2" in by_name(plan_of(tmp_path, unknown)), "of a board that is not known the worst is assumed"


def test_a_file_without_any_board(tmp_path: Path) -> None:
    (problem,) = plan_of(tmp_path, "schema = 2\n").problems
    assert problem.place == "board"


def test_a_site_file_of_the_former_layout(tmp_path: Path) -> None:
    text = (
        (LAYOUT_1 / "site-example.toml").read_text(encoding="utf-8").replace("relay_address = 1", "relay_address = 9")
    )
    (target,) = by_name(plan_of(tmp_path, text)).values()
    assert (target.address, target.baud) == (9, 115200)
    assert [name for name, _ in target.channels][:2] == ["contactor_k1", "contactor_k2"]
    assert len(target.channels) == 7


def test_an_own_board_file_of_the_former_layout(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    own = (LAYOUT_1 / "boards" / "waveshare-rs485.toml").read_text(encoding="utf-8")
    swapped = own.replace("contactor_k1 = { channel = 0", "contactor_k1 = { channel = 7")
    (tmp_path / "boards" / "own.toml").write_text(swapped, encoding="utf-8")
    text = (LAYOUT_1 / "site-example.toml").read_text(encoding="utf-8").replace('"waveshare-rs485"', '"own"')
    (target,) = by_name(plan_of(tmp_path, text)).values()
    assert ("contactor_k1", 7) in target.channels or ("fault_lamp", 7) in target.channels
    (tmp_path / "boards" / "own.toml").write_text("[[", encoding="utf-8")
    (target,) = by_name(plan_of(tmp_path, text)).values()
    assert [channel for _, channel in target.channels] == list(range(8))


def test_a_listener_of_the_former_layout_has_nothing_to_open(tmp_path: Path) -> None:
    text = (LAYOUT_1 / "site-monitor-example.toml").read_text(encoding="utf-8")
    with pytest.raises(NothingToOpenError):
        plan_of(tmp_path, text)


def test_a_former_file_that_does_not_say_where(tmp_path: Path) -> None:
    text = (LAYOUT_1 / "site-example.toml").read_text(encoding="utf-8").replace('bus = "io"', 'bus = "oi"')
    (problem,) = plan_of(tmp_path, text).problems
    assert problem.place == "connector.inputs_outputs.bus"


def test_each_board_is_tried_whatever_became_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def board_off(target: Target) -> list[str]:
        asked.append(target.name)
        if target.name == "relays1":
            raise PortError("gone", target.port, "look")
        return ["contactor_k2 (2)"]

    monkeypatch.setattr(make_safe, "_board_off", board_off)
    path = tmp_path / "pile.toml"
    path.write_text(TWO_GUNS, encoding="utf-8")
    assert run_make_safe(path, "en") == 1
    assert asked == ["relays1", "relays2", "pile"]
    said = capsys.readouterr().err
    assert "/dev/ttyB: gone" in said
    assert "/dev/ttyC: the board relays2 did not confirm off: contactor_k2 (2)" in said
    assert run_make_safe(path, "zh") == 1
    assert "板 relays2 未确认断开" in capsys.readouterr().err


def pins_file(folder: Path) -> Path:
    """The first example with the lamp and the fan on pins of the computer."""
    (folder / "wiring").mkdir()
    text = (data_folder() / "wiring" / "reference-dc.toml").read_text(encoding="utf-8")
    text = text.replace('id = "reference-dc"', 'id = "own"').replace('analog = "ana', 'pins = "lamps"\nanalog = "ana')
    for channel, name in enumerate(("fan", "fault_lamp")):
        text = text.replace(
            f'{name} = {{ board = "io", channel = {channel + 6}', f'{name} = {{ board = "pins", channel = {channel}'
        )
    (folder / "wiring" / "own.toml").write_text(text, encoding="utf-8")
    site = (ROOT / "config" / "site-example.toml").read_text(encoding="utf-8")
    site = site.replace('wiring = "reference-dc"', 'wiring = "own"').replace('io = "io",', 'io = "io", pins = "pins",')
    board = '[[board]]\nname = "pins"\nmodel = "raspberry-pi-4-gpio"\n\n[[module_group]]'
    path = folder / "pile.toml"
    path.write_text(site.replace("[[module_group]]", board), encoding="utf-8")
    return path


@pytest.mark.parametrize(("stuck", "code"), [(False, 0), (True, 1)])
def test_pins_of_the_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stuck: bool, code: int
) -> None:
    path = pins_file(tmp_path)
    (target,) = [target for target in find_targets(path).targets if isinstance(target, PinsTarget)]
    assert target.channels == (("fan", 0), ("fault_lamp", 1))
    library = FakeGpiod({"gpiochip0": "pinctrl-bcm2711"})
    (tmp_path / "gpiochip0").touch()
    monkeypatch.setattr("drivers.inputs_outputs.gpio_port.load_gpiod", lambda: library)
    monkeypatch.setattr("drivers.inputs_outputs.gpio_port.find_chip", lambda *_: "/dev/gpiochip0")
    monkeypatch.setattr(make_safe, "_board_off", lambda _: [])
    if stuck:
        monkeypatch.setattr(library, "_apply", lambda config: library.levels.update({5: True, 6: False}))
    assert run_make_safe(path, "en") == code
    said = capsys.readouterr().err
    assert library.released
    if stuck:
        assert "pinctrl-bcm2711: the board pins did not confirm off: fan" in said
    else:
        assert library.levels == {5: False, 6: False}
        assert said == "outputs are off\n"


def test_pins_without_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", SimpleNamespace())
    monkeypatch.setattr(make_safe, "_board_off", lambda _: [])
    assert run_make_safe(pins_file(tmp_path), "en") == 1
    assert "gpiod is of version 1" in capsys.readouterr().err
