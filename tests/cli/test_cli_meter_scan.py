"""pile-agent meter scan on lines of the bench: found whatever the setting, never a write, nothing said twice."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_pile import ROOT, Pile
from fake_field import STATUS, fake_field

from agent.cli.meter import view as meter_view
from agent.cli.meter.bus import LineSettings
from agent.cli.meter.scan import Found, Match, Report
from agent.cli.meter.scan_plan import (
    Task,
    Wanted,
    parse_addresses,
    presence_requests,
    quick_tasks,
    settings_in_order,
    sweep_tasks,
)
from agent.cli.meter.survey import Row
from agent.cli.meter.view import ScanProgress, show_scan
from agent.cli.screen import Screen
from drivers.dlt645.request import Request as ItemRequest
from drivers.meters.identify import Verdict
from drivers.meters.register_map import AnyMap, load_map
from hil_tests.bench.meters.line import FIRST_NUMBER, MAPS, MeterSpec
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.serving import RunningLine, serving

ALL = tuple(load_map(path) for path in sorted(MAPS.glob("*.toml")))
QUICK = ("--timeout-ms", "150")


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@pytest.fixture
def _ctrl_c_works() -> Iterator[None]:
    # Test workers ignore it, as all processes in the background do.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def assert_nothing_written(running: RunningLine) -> None:
    for meter in running.line.meters:
        assert meter.model.written == []


def test_meters_are_found_at_a_setting_that_is_not_theirs(pile: Pile, tmp_path: Path) -> None:
    specs = [
        MeterSpec.of("acrel-djsf1352-rn", 7),
        MeterSpec.of("eastron-sdm630", 3),
        MeterSpec.of("enlyta-djsf2669d", 12),
    ]
    port = tmp_path / "line"
    with serving(specs, port, settings=(19200, "E", 1), checks_settings=True) as running:
        rates = ("--baud", "19200", "--parity", "N", "--parity", "E")
        found = pile.json("meter", "scan", str(port), "--addresses", "3-12", *rates, *QUICK)
        assert_nothing_written(running)
    assert found["settings"] == {"baud": 19200, "parity": "E", "stop_bits": 1}
    assert found["complete"] is True
    meters = {meter["address"]: meter for meter in found["meters"]}
    assert sorted(meters) == [3, 7, 12]
    assert [each["map"] for each in meters[7]["maps"]] == ["acrel-djsf1352-rn"]
    assert [(each["map"], each["certainty"]) for each in meters[3]["maps"]] == [("eastron-sdm630", "code")]
    assert [each["map"] for each in meters[12]["maps"]] == ["enlyta-djsf2669d"]
    assert meters[7]["maps"][0]["values"]["meter_voltage_v"] == pytest.approx(402, abs=0.1)
    assert found["trouble"] == []


@pytest.mark.parametrize("meter_map", ALL, ids=lambda each: each.id)
def test_every_model_is_known_as_it_leaves_the_factory(pile: Pile, tmp_path: Path, meter_map: AnyMap) -> None:
    name = meter_map.id
    port = tmp_path / "line"
    with serving([MeterSpec.of(name)], port, checks_settings=True) as running:
        # The search for the setting has a test of its own.
        line = ("--baud", str(meter_map.serial.baud), "--parity", meter_map.serial.parity)
        found = pile.json("meter", "scan", str(port), "--addresses", "1-2", "--first", *line, *QUICK)
        assert_nothing_written(running)
    [meter] = found["meters"]
    assert [each["map"] for each in meter["maps"]] == [name]


def test_what_people_read(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("yada-dcm3366q")], port, checks_settings=True):
        result = pile("meter", "scan", str(port), "--models", "yada-dcm3366q,acrel-djsf1352-rn", "--first", *QUICK)
    assert result.exit_code == 0, result.output
    assert "9600 8E1" in result.stdout
    assert str(FIRST_NUMBER) in result.stdout
    assert f"pile-agent meter read --port {port} --map yada-dcm3366q --address {FIRST_NUMBER}" in result.stdout
    assert "searching" in result.stderr
    assert f"found: address {FIRST_NUMBER}" in result.stderr


def test_two_maps_that_fit_are_both_named(pile: Pile, tmp_path: Path) -> None:
    own = tmp_path / "meters"
    own.mkdir()
    text = (ROOT / "config" / "meters" / "acrel-djsf1352-rn.toml").read_text(encoding="utf-8")
    (own / "twin.toml").write_text(text.replace('id = "acrel-djsf1352-rn"', 'id = "twin"'), encoding="utf-8")
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port):
        chosen = ("--models", "twin,acrel-djsf1352-rn", "--first", "--addresses", "1")
        result = pile("meter", "scan", str(port), *chosen, *QUICK)
        chinese = pile("meter", "scan", str(port), *chosen, *QUICK, lang="zh")
    assert "twin, acrel-djsf1352-rn have identical values; check the name plate" in result.stdout
    assert "以铭牌型号为准" in chinese.stdout
    assert "--map MAP" in result.stdout


def test_what_tells_two_maps_apart_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def match(name: str, voltage_v: float) -> Match:
        rows = (Row("meter_voltage_v", voltage_v, "V", "3:0"), Row("meter_current_a", 5.0, "A", "3:2"))
        return Match(name, Verdict.VALUES, rows)

    found = Found(1, "modbus", (match("one", 400.0), match("other", 40.0)))
    assert found.tells_apart == ("meter_voltage_v",)
    report = Report(LineSettings(), [found], complete=False)
    show_scan(Screen(), "en", "line", report)
    show_scan(Screen(), "zh", "line", report)
    told = capsys.readouterr().out
    assert "one, other are all plausible; compare with the display: voltage" in told
    assert "stopped early" in told
    assert "提前结束" in told


def test_a_device_that_no_map_fits(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("schneider-iem3155")], port):
        result = pile("meter", "scan", str(port), "--models", "acrel-djsf1352-rn", "--addresses", "1", *QUICK)
    assert result.exit_code == 0
    assert "unknown model" in result.stdout


def test_modbus_tcp(pile: Pile) -> None:
    specs = [MeterSpec.of("acrel-djsf1352-rn", 1), MeterSpec.of("eastron-dcm230", 5)]
    with serving(specs, None, tcp=True) as running:
        assert running.line.tcp is not None
        address = f"127.0.0.1:{running.line.tcp.port}"
        found = pile.json("meter", "scan", address, "--addresses", "1-6", *QUICK)
        assert_nothing_written(running)
    meters = {meter["address"]: [each["map"] for each in meter["maps"]] for meter in found["meters"]}
    assert meters == {1: ["acrel-djsf1352-rn"], 5: ["eastron-dcm230"]}
    assert found["port"] == f"tcp://{address}"


def test_nothing_there(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn", 9)], port, checks_settings=True):
        arguments = ("--baud", "9600", "--parity", "N", "--addresses", "1-3", "--models", "acrel-djsf1352-rn")
        result = pile("meter", "scan", str(port), *arguments, *QUICK)
    assert result.exit_code == 1
    assert "no meter found" in result.stdout


def test_two_meters_with_one_address_are_told(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    specs = [MeterSpec.of("acrel-djsf1352-rn", 2), MeterSpec.of("acrel-djsf1352-rn", 2, latency_s=0.008)]
    with serving(specs, port):
        arguments = ("--baud", "9600", "--parity", "N", "--addresses", "1-3", "--models", "acrel-djsf1352-rn")
        result = pile("meter", "scan", str(port), *arguments, "--timeout-ms", "100")
    assert "@2: " in result.stdout
    assert "two meters with this address" in result.stdout


def test_several_dlt645_meters_at_once_are_told(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    specs = [MeterSpec.of("yada-dcm3366q"), MeterSpec.of("yada-dcm3366q", "202600000002", latency_s=0.012)]
    with serving(specs, port):
        arguments = ("--baud", "9600", "--parity", "E", "--addresses", "1", "--models", "yada-dcm3366q")
        result = pile("meter", "scan", str(port), *arguments, *QUICK)
    assert "several DL/T 645 meters answer at once" in result.stdout


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(meter_view, "is_rich", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = ScanProgress("en")
    progress.plan(300.0)
    progress.step("9600 8N1 @1", 299.0)
    progress.found(Found(1, "modbus", ()))
    progress.plan(2.0)
    progress.step("9600 8N1 @2", 0.0)
    progress.close()
    assert "found: address 1 (?)" in capsys.readouterr().err


@pytest.mark.usefixtures("_ctrl_c_works")
def test_ctrl_c_ends_with_what_was_found(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port, checks_settings=True) as running:
        meter = running.line.meters[0]

        def press() -> None:
            # Once the meter has been identified, only silence is left to be asked.
            last, quiet = -1, 0
            while quiet < 20:
                time.sleep(0.02)
                quiet, last = (quiet + 1 if meter.served == last and last > 5 else 0), meter.served
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()
        found = pile.json("meter", "scan", str(port), "--timeout-ms", "200")
    assert [entry["address"] for entry in found["meters"]] == [1]
    assert found["complete"] is False


def test_a_port_of_the_running_service_is_left_alone(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port) as running, fake_field(pile.runtime) as field:
        field.status = [{**STATUS, "buses": {"meter": {"port": str(port.resolve())}}}]
        result = pile("meter", "scan", str(port), "--first", *QUICK)
        as_json = pile("meter", "scan", str(port), "--first", "--json", *QUICK)
        assert result.exit_code == 1
        assert "in use by the running service (bus meter)" in result.stderr
        assert "systemctl stop pile-agent-control" in result.stderr
        assert json.loads(as_json.stdout)["error"] == "in_use"
        assert running.line.meters[0].served == 0
        field.status = [STATUS]
        assert pile("meter", "scan", str(port), "--first", "--addresses", "1", *QUICK).exit_code == 0


def test_usage_mistakes(pile: Pile, tmp_path: Path) -> None:
    assert pile("meter", "scan", "/dev/there-is-none").exit_code == 1
    for wrong in ("0-5", "9-3", "x", "1-300"):
        assert pile("meter", "scan", "/dev/null", "--addresses", wrong).exit_code == 2
    result = pile("meter", "scan", "/dev/null", "--models", "acrel-djsf1352")
    assert result.exit_code == 2
    assert "acrel-djsf1352-rn" in result.stderr
    assert pile("meter", "scan", "meter.example:502").exit_code == 2
    assert "Traceback" not in pile("meter", "scan", "/dev/null", *QUICK).output


def test_addresses() -> None:
    assert parse_addresses("1-3") == (1, 2, 3)
    assert parse_addresses("5, 1-2,2") == (1, 2, 5)


def test_the_likeliest_setting_comes_first_and_nothing_is_asked_twice() -> None:
    wanted = Wanted(ALL, tuple(range(1, 248)))
    order = settings_in_order(wanted)
    assert order[0] == LineSettings(9600, "N", 1)
    assert order.index(LineSettings(9600, "E", 1)) < order.index(LineSettings(115200, "N", 1))
    quick = quick_tasks(wanted)
    assert len(set(quick)) == len(quick)
    assert quick[0].settings == LineSettings(9600, "N", 1)
    sweep = sweep_tasks(wanted, order[:2], quick)
    assert not set(sweep) & set(quick)
    everything = {
        Task(settings, request)
        for settings in order[:2]
        for address in range(1, 248)
        for request in presence_requests(address)
    }
    assert set(sweep) == everything - set(quick)
    assert len(sweep) == len(set(sweep))
    assert not any(isinstance(task.request, ItemRequest) for task in sweep)


def test_only_what_is_wanted_is_asked() -> None:
    wanted = Wanted(ALL, (4, 5), bauds=(57600,), parities=("O",), stop_bits=(2,))
    assert settings_in_order(wanted) == [LineSettings(57600, "O", 2)]
    assert {task.request.address for task in quick_tasks(wanted)} == {"AAAAAAAAAAAA"}
    on_network = Wanted(ALL, (1,), on_network=True)
    assert not any(isinstance(task.request, ItemRequest) for task in quick_tasks(on_network))
    assert {task.settings for task in quick_tasks(on_network)} == {LineSettings()}


def test_a_scan_only_reads(pile: Pile) -> None:
    for task in quick_tasks(Wanted(ALL, (1, 2))):
        assert task.request.is_read


def test_bench_meters_keep_what_was_written() -> None:
    model = MeterSpec.of("enlyta-djsf2669d").meter_map
    meter = MeterModel(model, 1)  # type: ignore[arg-type]  # a Modbus map
    assert meter.write(16, 0xB000, [0x5A01]) is None
    assert meter.harm_done == [0xB000]
