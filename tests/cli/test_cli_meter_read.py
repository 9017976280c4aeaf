"""pile-agent meter read and probe on lines of the bench."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_pile import Pile
from fake_field import STATUS, fake_field

from agent.cli.meter.bus import Answer
from agent.cli.meter.probe import ProbeReport, probe
from agent.cli.meter.proof import prove
from agent.cli.meter.survey import Row, Survey
from agent.cli.meter.target import port_of
from agent.cli.meter.view import show_probe, shown
from agent.cli.screen import Screen
from drivers.line.exchange import LineRequest, Result
from drivers.modbus.codec import Request
from hil_tests.bench.meters.line import FIRST_NUMBER, MeterSpec
from hil_tests.bench.meters.serving import serving


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def use_port(pile: Pile, port: Path) -> None:
    """Put the meter's line of the site file onto a port of the bench."""
    text = pile.site_file.read_text(encoding="utf-8")
    name = text.split("[connector.meter]")[1].split('bus = "')[1].split('"')[0]
    block = next(part for part in text.split("[[bus.modbus]]")[1:] if f'name = "{name}"' in part)
    old = next(line for line in block.splitlines() if line.startswith("port"))
    pile.change(old, f'port = "{port}"')


def test_values_with_units_and_raw_registers(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn", 4)], port, checks_settings=True):
        arguments = ("meter", "read", "--port", str(port), "--map", "acrel-djsf1352-rn", "--address", "4")
        result = pile(*arguments)
        chinese = pile(*arguments, lang="zh")
        document = pile.json(*arguments)
    assert result.exit_code == 0, result.output
    rows = {line.split("  ")[0]: line for line in result.stdout.splitlines()}
    assert "402 V" in rows["voltage"]
    assert "3:0" in rows["voltage"]
    assert "0FB4 ^0002" in rows["voltage"]
    assert "1264.000 kWh" in rows["energy"]
    assert "unit disputed" in rows["energy"]
    assert "电压" in chinese.stdout
    assert "单位有争议" in chinese.stdout
    values = {row["signal"]: row for row in document["values"]}
    assert values["meter_energy_wh"]["value"] == 1_264_000
    assert values["meter_energy_wh"]["register"] == "3:12-13"
    assert document["answered"] == document["asked"] == 1


def test_the_meter_of_the_site_file(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    use_port(pile, port)
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port, settings=(9600, "N", 1), checks_settings=True):
        result = pile("meter", "read", "--watch", "--interval", "0.2", "--count", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("acrel-djsf1352-rn @1") == 2


def test_over_dlt645(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("yada-dcm3366q")], port, checks_settings=True):
        document = pile.json(
            "meter", "read", "--port", str(port), "--map", "yada-dcm3366q", "--address", str(FIRST_NUMBER)
        )
    values = {row["signal"]: row["value"] for row in document["values"]}
    assert values["meter_voltage_v"] == pytest.approx(402, abs=5)
    assert values["meter_power_w"] == pytest.approx(values["meter_voltage_v"] * values["meter_current_a"])
    assert document["answered"] == document["asked"]


def test_a_block_that_is_refused_or_damaged_is_read_in_parts(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    arguments = ("meter", "read", "--port", str(port), "--map", "dlt645-2007-ac", "--address", str(FIRST_NUMBER))
    with serving([MeterSpec.of("dlt645-2007-ac")], port, settings=(19200, None, None)) as running:
        faults = running.line.meters[0].faults
        whole = pile.json(*arguments, "--baud", "19200")
        running.do(lambda: faults.add("exception", 2, left=1))
        parts = pile.json(*arguments, "--baud", "19200")
        running.do(lambda: faults.add("short", 1, left=1))
        short = pile.json(*arguments, "--baud", "19200")
    values = {row["signal"]: row["value"] for row in whole["values"]}
    assert all(value is not None for value in values.values())
    assert {row["signal"]: row["value"] for row in parts["values"]} == values
    assert parts["asked"] > whole["asked"]
    known = {row["signal"]: row["value"] for row in short["values"] if row["value"] is not None}
    assert known.items() <= values.items(), "what is not whole is no value"


def test_over_tcp(pile: Pile) -> None:
    with serving([MeterSpec.of("eastron-sdm630", 9)], None, tcp=True) as running:
        assert running.line.tcp is not None
        port = f"127.0.0.1:{running.line.tcp.port}"
        document = pile.json("meter", "read", "--port", port, "--map", "eastron-sdm630", "--address", "9")
    assert all(row["value"] is not None for row in document["values"])


def test_what_the_meter_does_not_have_is_said(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("chint-dtsu666", variants=("old",), alternative=True)], port) as running:
        model = running.line.meters[0].model
        running.do(lambda: model.values.set("voltage_l1_v", None))
        document = pile.json("meter", "read", "--port", str(port), "--map", "chint-dtsu666")
    rows = {row["signal"]: row for row in document["values"]}
    assert rows["voltage_l1_v"]["why"] == "the meter has no value"
    assert rows["energy_import_wh"]["register"] == "4:16414-16415"
    assert document["variants"] == ["old"]


def test_why_a_value_is_missing(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    arguments = ("meter", "read", "--port", str(port), "--map", "acrel-ddsy1352")
    with serving([MeterSpec.of("acrel-ddsy1352")], port, settings=(9600, None, None)) as running:
        faults = running.line.meters[0].faults
        running.do(lambda: faults.add("exception", 2))
        refused = pile(*arguments)
        running.do(faults.clear)
        running.do(lambda: faults.add("crc"))
        garbled = pile(*arguments)
    assert "the meter refuses to read it (exception 2)" in refused.stdout
    assert garbled.exit_code == 1
    assert "damaged" in garbled.stdout
    assert "0 of" in garbled.stdout


def test_a_meter_that_does_not_answer(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port):
        result = pile("meter", "read", "--port", str(port), "--map", "acrel-djsf1352-rn", "--address", "2")
    assert result.exit_code == 1
    assert "no answer" in result.stdout


def test_the_unit_of_energy_is_proven_against_the_display(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    arguments = ("meter", "read", "--port", str(port), "--map", "acrel-djsf1352-rn")
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port):
        right = pile(*arguments, "--display-kwh", "126.4")
        wrong = pile(*arguments, "--display-kwh", "777")
        document = pile.json(*arguments, "--display-kwh", "1264")
    assert right.exit_code == 0
    assert "energy_unit_wh = 0.1" in right.stdout
    assert wrong.exit_code == 1
    assert "do not agree" in wrong.stdout
    assert document["proof"]["energy_unit_wh"] == 1.0


@pytest.mark.parametrize(
    ("applied", "value", "display_kwh", "unit"),
    [
        (1.0, 1_234_567, 1234.57, 1.0),
        (0.1, 123_456, 123.4, 0.1),
        (1.0, 1_234_567, 12345.7, 10.0),
        (1.0, 1_000_000, 1010.0, 1.0),
        (1.0, 1_000_000, 1011.0, None),
        (1.0, 990, 0.99, None),
        (1.0, 0, 5.0, None),
    ],
)
def test_proof(applied: float, value: int, display_kwh: float, unit: float | None) -> None:
    survey = Survey((Row("meter_energy_wh", value, "Wh", "3:12-13"),), (), 1, 1)
    proof = prove(survey, applied, display_kwh)
    assert (None if proof is None else float(proof.energy_unit_wh)) == unit


def test_nothing_to_prove_without_a_value() -> None:
    assert prove(Survey((), (), 1, 0), 1.0, 100.0) is None


def test_the_service_owns_the_port_of_the_site(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    use_port(pile, port)
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port), fake_field(pile.runtime) as field:
        field.status = [{**STATUS, "buses": {"meter": {"port": str(port)}}}]
        for command in ("read", "probe"):
            result = pile("meter", command)
            assert result.exit_code == 1
            assert "systemctl stop pile-agent-control" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "/dev/null"), "--port needs --map"),
        (("--port", "/dev/null", "--map", "acrel-djsf1352"), "acrel-djsf1352-rn"),
        (("--port", "/dev/null", "--map", "acrel-djsf1352-rn", "--address", "248"), "1 to 247"),
        (("--port", "/dev/null", "--map", "yada-dcm3366q"), "twelve digits"),
        (("--port", "/dev/null", "--map", "yada-dcm3366q", "--address", "12x"), "DL/T 645"),
        (("--port", "host:502", "--map", "acrel-djsf1352-rn"), "host"),
    ],
)
def test_usage_mistakes(pile: Pile, arguments: tuple[str, ...], said: str) -> None:
    result = pile("meter", "read", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_map_of_ones_own_with_a_mistake(pile: Pile, tmp_path: Path) -> None:
    bad = tmp_path / "own.toml"
    bad.write_text("schema = 2\n", encoding="utf-8")
    result = pile("meter", "read", "--port", "/dev/null", "--map", str(bad))
    assert result.exit_code == 2
    assert "protocol" in result.stderr


def test_a_port_that_is_none(pile: Pile) -> None:
    result = pile("meter", "read", "--port", "/dev/there-is-none", "--map", "acrel-djsf1352-rn", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "port"
    assert "port not found" in result.stderr


def test_ports_by_name() -> None:
    assert port_of("192.168.1.5:502") == "tcp://192.168.1.5:502"
    assert port_of("rtu+tcp://192.168.1.5:4001") == "rtu+tcp://192.168.1.5:4001"
    by_path = "/dev/serial/by-path/platform-usb-0:1.2:1.0-port0"
    assert port_of(by_path) == by_path


def test_values_for_people() -> None:
    assert shown(Row("meter_energy_wh", 1_234_567, "Wh", "")) == "1234.567 kWh"
    assert shown(Row("meter_temperature_c", 33.5, "degC", "")) == "33.5 °C"
    assert shown(Row("power_factor", 0.95, "1", "")) == "0.95"
    assert shown(Row("meter_broken_wire", 0, "1", "")) == "0"
    assert shown(Row("voltage_l1_v", None, "V", "")) == ""


def test_probe_of_a_meter(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    line = ("--port", str(port), "--map", "acrel-djsf1352-rn", "--baud", "115200")
    arguments = ("meter", "probe", *line, "--requests", "30")
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port, settings=(115200, None, None)) as running:
        document = pile.json(*arguments)
        assert running.line.meters[0].served <= 40
        assert running.line.meters[0].model.written == []
        result = pile(*arguments)
    assert document["error_rate"] == 0.0
    assert 0.0 < document["latency_s"]["min"] <= document["latency_s"]["median"] <= document["latency_s"]["max"]
    assert result.exit_code == 0
    assert "response time" in result.stdout
    assert "minimum_gap_ms" in result.stdout


def test_probe_of_nobody(pile: Pile, tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("acrel-djsf1352-rn")], port, settings=(115200, None, None)):
        result = pile(
            "meter", "probe", "--port", str(port), "--map", "acrel-djsf1352-rn", "--address", "9", "--requests", "20"
        )
    assert result.exit_code == 1
    assert "does not answer reliably" in result.stdout


class FakeBus:
    """A meter that answers after 30 ms, and only after a pause of ``needs_s``."""

    def __init__(self, needs_s: float, fails_every: int = 0) -> None:
        self.needs_s, self.fails_every = needs_s, fails_every
        self.asked: list[float] = []

    def ask(self, request: LineRequest, latency_s: float, gap_s: float = 0.0) -> Answer:
        self.asked.append(gap_s)
        broken = self.fails_every and len(self.asked) % self.fails_every == 0
        if gap_s < self.needs_s or broken:
            return Answer(Result(request, error="timeout"), None, 0)
        return Answer(Result(request, registers=(1,)), 0.03, 0)


REQUEST = Request(1, 3, 0, 1)


@pytest.mark.parametrize(("needs_ms", "gap_ms"), [(0, 0), (5, 5), (6, 10), (20, 20), (21, 30), (60, 75), (201, None)])
def test_the_shortest_pause_that_works_is_found(needs_ms: int, gap_ms: int | None) -> None:
    bus = FakeBus(needs_ms / 1000)
    report = probe(bus, [REQUEST], [REQUEST], latency_s=0.2, gap_ms=20, most=200)
    # A meter that answers nothing at the map's own pause is not asked any more.
    assert report.gap_ms == (gap_ms if needs_ms <= 20 else None)
    assert len(bus.asked) <= (200 if needs_ms <= 20 else 3)


def test_a_pause_of_the_map_that_is_too_short_is_lengthened() -> None:
    class Sometimes(FakeBus):
        def ask(self, request: LineRequest, latency_s: float, gap_s: float = 0.0) -> Answer:
            # Heard at first; tired by and by.
            self.needs_s = 0.0 if len(self.asked) < 100 else 0.045
            return super().ask(request, latency_s, gap_s)

    bus = Sometimes(0.0)
    report = probe(bus, [REQUEST], [REQUEST], latency_s=0.2, gap_ms=20, most=200)
    assert report.gap_ms == 50
    assert report.recommended_gap_ms == 100
    assert [gap for gap, _, failed in report.gaps if failed] == [20, 30, 40]


def test_figures_of_a_probe(capsys: pytest.CaptureFixture[str]) -> None:
    report = probe(FakeBus(0.0, fails_every=10), [REQUEST], [REQUEST], latency_s=0.2, gap_ms=20, most=100)
    assert report.error_rate == pytest.approx(0.1, abs=0.02)
    assert report.recommended_latency_ms == 60
    show_probe(Screen(), "en", report, 20, 200)
    show_probe(Screen(), "zh", report, 20, 200)
    told = capsys.readouterr().out
    assert "timeout" in told
    assert "失败率" in told


def test_quantiles() -> None:
    report = ProbeReport(latencies_s=[0.01 * number for number in range(1, 21)])
    assert report.quantile_s(0.5) == pytest.approx(0.10)
    assert report.quantile_s(0.95) == pytest.approx(0.19)
    assert report.quantile_s(1.0) == pytest.approx(0.20)
    with pytest.raises(ValueError, match="no reply"):
        ProbeReport().quantile_s(0.5)
    empty: Any = ProbeReport()
    assert empty.recommended_gap_ms is None
    assert empty.recommended_latency_ms is None
