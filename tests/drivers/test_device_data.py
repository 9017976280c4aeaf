"""Device data files: every shipped one is loaded; every error has its place and its cure."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from boards import CONFIG, gpio_model, modbus_model
from hypothesis import given
from hypothesis import strategies as st

from drivers import catalogue
from drivers.data_file import DataFileError, line_of, near, read_data, unknown
from drivers.inputs_outputs.analogue import AnalogWire, Divider, Table
from drivers.inputs_outputs.board_model import board_model_mistakes, load_board_model
from drivers.inputs_outputs.wiring import (
    Wiring,
    board_mistakes,
    load_wiring,
    missing_sensors,
    opens_after_s,
    opens_by_itself,
    outputs_to_open,
    unknown_names,
    wires_of,
    wiring_mistakes,
)
from drivers.insulation.register_map import load_insulation_map
from drivers.power.models import load_power_model, plan_mistakes, power_model_mistakes, shared_bus_mistakes
from drivers.power.module_group import GroupPlan
from drivers.reading import Quality


def files(kind: str) -> list[Path]:
    return sorted((CONFIG / kind).glob("*.toml"))


def lines(mistakes: Any) -> list[str]:
    return [line_of(mistake) for mistake in mistakes]


@pytest.mark.parametrize("path", files("boards"), ids=lambda path: path.stem)
def test_every_board_is_sound(path: Path) -> None:
    assert load_board_model(path).id == path.stem


@pytest.mark.parametrize("path", files("insulation_monitors"), ids=lambda path: path.stem)
def test_every_insulation_monitor_is_sound(path: Path) -> None:
    assert load_insulation_map(path).usage


@pytest.mark.parametrize("path", files("power_modules"), ids=lambda path: path.stem)
def test_every_model_of_modules_is_sound_and_has_its_driver(path: Path) -> None:
    model = load_power_model(path)
    plan = catalogue.group_plan(model, 2)
    stage = catalogue.build_power_stage(model, plan, 0.1)
    assert stage.poll(1.0)
    assert plan.addresses[0] == model.first_address
    assert model.bitrate_bps == 125_000, "all known families"


@pytest.mark.parametrize("path", files("wiring"), ids=lambda path: path.stem)
def test_every_wiring_is_sound(path: Path) -> None:
    assert load_wiring(path).id == path.stem


@pytest.mark.parametrize(
    ("wiring", "boards"),
    [
        ("reference-dc", {"io": "waveshare-relay-8ch-d", "analog": "waveshare-analog-8ch"}),
        ("wirenboard-dc", {"io": "wirenboard-wb-mr6c", "analog": "waveshare-analog-8ch"}),
    ],
)
def test_a_wiring_fits_its_boards_and_its_contactors_open_by_themselves(wiring: str, boards: dict[str, str]) -> None:
    loaded = load_wiring(CONFIG / "wiring" / f"{wiring}.toml")
    models = {role: load_board_model(CONFIG / "boards" / f"{model}.toml") for role, model in boards.items()}
    assert board_mistakes(loaded, models) == []
    assert outputs_to_open(loaded, ("contactor_k1", "contactor_k2")) == []
    wires = wires_of(loaded, "io", models["io"], key="1:{}")
    assert wires.outputs["1:contactor_k1"].timed
    assert wires.analog == {}


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="cannot be read"):
        read_data(tmp_path / "none.toml")
    path = tmp_path / "bad.toml"
    path.write_text("a = ", encoding="utf-8")
    with pytest.raises(DataFileError, match="is not TOML"):
        load_wiring(path)
    path.write_text('bus = "profibus"', encoding="utf-8")
    with pytest.raises(DataFileError, match="bus: is missing or unknown; write modbus or gpio"):
        load_board_model(path)


def test_errors_name_the_key_and_the_nearest_legal_one(tmp_path: Path) -> None:
    text = (CONFIG / "boards" / "waveshare-relay-8ch-d.toml").read_text(encoding="utf-8")
    path = tmp_path / "waveshare-relay-8ch-d.toml"
    path.write_text(text.replace("latency_ms", "latency"), encoding="utf-8")
    with pytest.raises(DataFileError, match="did you mean latency_ms"):
        load_board_model(path)
    path.write_text(text.replace("channels = 8", "channels = 80", 1), encoding="utf-8")
    with pytest.raises(DataFileError) as caught:
        load_board_model(path)
    assert caught.value.mistakes[0].place == "outputs.channels"
    path.write_text(text.replace('id = "waveshare', 'id = "wave'), encoding="utf-8")
    with pytest.raises(DataFileError, match="is not the name of the file; write waveshare-relay-8ch-d"):
        load_board_model(path)


def test_a_hint_without_a_near_name_lists_what_there_is() -> None:
    assert near("zzz", ["alpha", "beta"])[1] == "available: alpha, beta"
    assert near("zzz", []) == ("", "")
    assert line_of(unknown("model", "infypwer", ["infypower"])) == (
        "model: unknown name infypwer; did you mean infypower?"
    )


def test_errors_of_boards() -> None:
    board = modbus_model("waveshare-relay-8ch-d")
    replace = msgspec.structs.replace
    assert board.outputs is not None
    assert board.outputs.pulse is not None
    assert board.inputs is not None
    slow = replace(board.outputs.pulse, renew_interval_ms=500)
    watchdog = modbus_model("wirenboard-wb-mr6c").outputs
    assert watchdog is not None
    assert watchdog.watchdog is not None
    short = replace(watchdog.watchdog, units=70, unit_ms=1)
    cases = {
        "has neither inputs nor outputs": replace(board, outputs=None, inputs=None),
        "two renewals must fit": replace(board, outputs=replace(board.outputs, pulse=slow)),
        "equals off_value": replace(board, outputs=replace(board.outputs, on_value=0)),
        "is one way, pulse the other": replace(board, outputs=replace(board.outputs, watchdog=watchdog.watchdog)),
        "is shorter than four readings": replace(board, outputs=replace(watchdog, watchdog=short)),
        "functions 1 and 2 read bits only": replace(
            board, inputs=replace(board.inputs, read=replace(board.inputs.read, layout="register"))
        ),
    }
    for text, wrong in cases.items():
        assert any(text in line for line in lines(board_model_mistakes(wrong))), text
    analog = modbus_model("waveshare-analog-8ch")
    assert analog.analog is not None
    wrong = replace(analog, analog=replace(analog.analog, highest_raw=0))
    assert lines(board_model_mistakes(wrong)) == ["analog.highest_raw: is not above lowest_raw"]
    gpio = gpio_model()
    assert gpio.outputs is not None
    twice = replace(gpio, outputs=replace(gpio.outputs, lines=[16]))
    assert lines(board_model_mistakes(twice)) == ["lines: line 16 is used twice"]
    assert not opens_by_itself(gpio)
    assert opens_after_s(board) == 1.0
    assert opens_after_s(modbus_model("wirenboard-wb-mr6c")) == 2.0


def wiring(**changes: Any) -> Wiring:
    data: dict[str, Any] = {
        "schema": 2,
        "id": "w",
        "description": "d",
        "source": "s",
        "boards": {"io": "relays", "pins": "pins"},
        "outputs": {"contactor_k1": {"board": "io", "channel": 0, "timed": True}},
        "inputs": {"door_open": {"board": "io", "channel": 1, "active_low": True}},
        "analog": {"cc1_voltage_v": {"board": "io", "channel": 0}},
    }
    return msgspec.convert(data | changes, Wiring)


def test_errors_of_a_wiring() -> None:
    output = {"board": "io", "channel": 0, "timed": True}
    assert wiring_mistakes(wiring()) == []
    assert lines(wiring_mistakes(wiring(outputs={"a": {**output, "board": "ioo"}}))) == [
        "outputs.a.board: unknown name ioo; did you mean io?"
    ]
    assert lines(wiring_mistakes(wiring(outputs={"a": output, "b": output}))) == [
        "outputs.b.channel: channel 0 is taken by a"
    ]
    analog = {"board": "io", "channel": 0, "scale": 0.0, "lowest_raw": 5, "highest_raw": 5, "table": "pt100"}
    tables = {"pt1000": {"source": "s", "points": [[1, 1], [1, 2]]}}
    assert lines(wiring_mistakes(wiring(analog={"pressure": analog}, tables=tables))) == [
        "analog.pressure.unit: is missing, and the name has none; give it a `unit`",
        "analog.pressure.scale: is 0",
        "analog.pressure.highest_raw: is not above lowest_raw",
        "analog.pressure.table: unknown name pt100; did you mean pt1000?",
        "tables.pt1000.points: x does not rise from point to point",
    ]


def test_a_board_must_have_what_the_wiring_uses() -> None:
    relays, plain = modbus_model("waveshare-relay-8ch-d"), modbus_model("relay-r421a08")
    found = lines(board_mistakes(wiring(), {"io": relays}))
    assert found == ["analog.cc1_voltage_v.board: waveshare-relay-8ch-d has no channel of this kind"]
    far = wiring(outputs={"a": {"board": "io", "channel": 9, "timed": False}}, inputs={}, analog={})
    assert lines(board_mistakes(far, {"io": relays})) == [
        "outputs.a.channel: 9 is not within 0 to 7 of waveshare-relay-8ch-d"
    ]
    [timed] = lines(board_mistakes(wiring(inputs={}, analog={}), {"io": plain}))
    assert timed.startswith("outputs.contactor_k1.timed: relay-r421a08 cannot open an output by itself; use a board")
    assert board_mistakes(wiring(), {}) == []


def test_contactors_that_nothing_opens_are_refused_with_the_cure() -> None:
    untimed = {"board": "pins", "channel": 0, "timed": False}
    [mistake] = outputs_to_open(wiring(outputs={"contactor_k1": untimed}), ("contactor_k1", "contactor_k2"))
    assert mistake.place == "outputs.contactor_k1.timed"
    assert "hardware_opens = true" in mistake.hint_en
    held_by_hardware = wiring(outputs={"contactor_k1": {**untimed, "hardware_opens": True}})
    assert outputs_to_open(held_by_hardware, ("contactor_k1",)) == []


def test_sensors_that_are_missing_or_unknown() -> None:
    assert missing_sensors(wiring(), ("smoke_detected", "door_open", "outside_voltage_v")) == [
        "smoke_detected",
        "outside_voltage_v",
    ]
    found = unknown_names(wiring(), ("contactor_k1",), ("door_opened", "smoke"), ("cc1_voltage_v",))
    assert lines(found) == ["inputs.door_open: unknown name door_open; did you mean door_opened?"]
    assert unknown_names(wiring(), ("contactor_k1",), ("door_open",), ("cc1_voltage_v",)) == []


def test_pt1000_in_a_divider_open_and_shorted() -> None:
    loaded = load_wiring(CONFIG / "wiring" / "wirenboard-dc.toml")
    wires = wires_of(loaded, "analog", modbus_model("waveshare-analog-8ch"))
    wire = wires.analog["connector_temperature_plus_c"]

    def raw(ohm: float) -> int:
        return round(5000.0 * ohm / (ohm + 2200.0))

    for ohm, expected_c in ((1097.35, 25.0), (1347.1, 90.0), (1404.0, 105.0), (882.2, -30.0)):
        reading = wire.reading(raw(ohm), 1.0)
        assert reading.quality is Quality.GOOD
        assert reading.value == pytest.approx(expected_c, abs=0.3)
        assert reading.unit == "degC"
    for broken in (0, 20, 5000, 4990):
        assert wire.reading(broken, 1.0).quality is Quality.FAILED
    volts = wires.analog["outside_voltage_v"]
    assert volts.reading(899, 1.0).quality is Quality.FAILED
    assert volts.reading(3000, 1.0).value == pytest.approx(500.0)


def test_an_ntc_table_falls() -> None:
    ntc = Table(((200.0, 150.0), (1000.0, 90.0), (10_000.0, 25.0), (100_000.0, -25.0)))
    wire = AnalogWire(0, "degC", 1.0, 0.0, table=ntc)
    assert wire.reading(10_000, 1.0).value == 25.0
    assert wire.reading(5500, 1.0).value == pytest.approx(57.5)
    assert wire.reading(200, 1.0).quality is Quality.GOOD
    assert wire.reading(199, 1.0).quality is Quality.FAILED
    assert wire.reading(0xFFFF, 1.0, is_code=True).quality is Quality.FAILED
    assert Divider(2200.0, 5.0).resistance_ohm(5.0) is None
    for points in (((1.0, 1.0),), ((1.0, 1.0), (1.0, 2.0))):
        with pytest.raises(ValueError, match="two points"):
            Table(points)


@given(st.floats(min_value=-1e6, max_value=1e6))
def test_a_table_never_leaves_its_values(x: float) -> None:
    value, within = Table(((0.0, 5.0), (10.0, -3.0), (11.0, 4.0))).value(x)
    assert -3.0 <= value <= 5.0
    assert within is (0.0 <= x <= 11.0)


def test_models_are_found_by_their_file_and_the_site_folder_goes_first(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    own = tmp_path / "boards" / "rtd-2ch.toml"
    own.write_text("", encoding="utf-8")
    folders = [tmp_path, CONFIG]
    assert catalogue.find_model(catalogue.BOARDS, "rtd-2ch", folders) == own
    found = catalogue.find_model(catalogue.POWER_MODULES, "infipower", folders, "module_group[0].model")
    assert not isinstance(found, Path)
    assert line_of(found) == "module_group[0].model: unknown name infipower; did you mean infypower?"


def model_of(name: str, **changes: Any) -> Any:
    loaded = load_power_model(CONFIG / "power_modules" / f"{name}.toml")
    return msgspec.structs.replace(loaded, **changes)


def test_errors_of_a_model_of_modules() -> None:
    assert lines(power_model_mistakes(model_of("infypower", driver="infypowr"))) == [
        "driver: unknown name infypowr; did you mean infypower?"
    ]
    assert lines(power_model_mistakes(model_of("infypower", first_address=63))) == [
        "first_address: is above last_address"
    ]
    for name, settings in (
        ("infypower", {"walk_in": 3}),
        ("uugreenpower", {}),
        ("winline-uxr", {"rated_current_a": 100, "current": "percent", "read_function": 16, "second_byte": 0}),
    ):
        [mistake] = power_model_mistakes(model_of(name, settings=settings))
        assert mistake.place == "settings"


def test_groups_that_do_not_fit() -> None:
    infy = model_of("infypower")
    assert lines(plan_mistakes(infy, GroupPlan(()))) == ["module_count: 0 is not within 1 to 60 of infypower"]
    assert lines(plan_mistakes(infy, GroupPlan((70,)))) == ["address: reaches to 70, past 62"]
    with pytest.raises(ValueError, match="not within 1 to 60"):
        catalogue.build_power_stage(infy, GroupPlan(()), 0.1)


def test_groups_on_one_line_must_be_apart() -> None:
    infy, winline, green = model_of("infypower"), model_of("winline-uxr"), model_of("uugreenpower")
    a, b = GroupPlan((0, 1), 1), GroupPlan((2, 3), 2)
    assert shared_bus_mistakes([("A", infy, a), ("B", infy, b)]) == []
    assert shared_bus_mistakes([("A", infy, GroupPlan((0, 1)))]) == []
    assert shared_bus_mistakes([("A", green, GroupPlan((1,))), ("B", green, GroupPlan((2,)))]) == []
    assert lines(shared_bus_mistakes([("A", infy, a), ("B", infy, GroupPlan((2, 3)))])) == [
        "B.group_number: is missing: two groups of this family share the line; "
        "write the group number that is set in the modules"
    ]
    assert lines(shared_bus_mistakes([("A", infy, a), ("B", infy, GroupPlan((2,), 1))])) == [
        "B.group_number: 1 is the number of group A as well"
    ]
    assert lines(shared_bus_mistakes([("A", infy, a), ("B", infy, GroupPlan((1, 2), 2))])) == [
        "B.address: module address 1 is in group A as well"
    ]
    assert lines(shared_bus_mistakes([("A", infy, a), ("B", winline, b)])) == [
        "B.model: winline-uxr and infypower cannot share a CAN line; use another CAN bus"
    ]


def test_only_the_driver_that_is_used_is_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pathlib\n"
        "from drivers import catalogue\n"
        f"model = catalogue.load_power_model(pathlib.Path({str(CONFIG)!r}) / 'power_modules' / 'infypower.toml')\n"
        "catalogue.build_power_stage(model, catalogue.group_plan(model, 2), 0.1)\n"
        "loaded = [name for name in sys.modules if name.startswith('drivers.power.') or name == 'gpiod']\n"
        "print(sorted(loaded))\n"
    )
    root = str(CONFIG.parent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == ("['drivers.power.infypower', 'drivers.power.models', 'drivers.power.module_group']")
