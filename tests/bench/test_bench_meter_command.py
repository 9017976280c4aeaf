"""The command line of the bench meters, and what can be done to them while they run."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.cli.meter.bus import Bus, LineSettings
from drivers.dlt645.request import read_address
from drivers.modbus.codec import Request
from hil_tests.bench.meters.commands import MeterCommands, RefusedError
from hil_tests.bench.meters.dlt645 import IdentifierModel
from hil_tests.bench.meters.line import FIRST_NUMBER, BenchError, MeterSpec
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.station import BenchMeter
from hil_tests.bench.wires import SerialWire

ROOT = Path(__file__).parents[2]


def meter(name: str, address: int = 1) -> BenchMeter[MeterModel]:
    spec = MeterSpec.of(name, address)
    return BenchMeter(MeterModel(spec.meter_map, address))  # type: ignore[arg-type]  # a Modbus map


def test_people_and_programs_use_the_same_words(tmp_path: Path) -> None:
    port = tmp_path / "meter"
    command = [sys.executable, "-m", "hil_tests.bench.meters", "--map", "acrel-djsf1352-rn", "--address", "3"]
    command += ["--map", "yada-dcm3366q", "--pty", str(port), "--tcp", "0", "--baud", "19200", "--any-settings"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(4)]
        assert told[0] == "acrel-djsf1352-rn at 3"
        assert told[1] == f"yada-dcm3366q at {FIRST_NUMBER}"
        assert told[2] == f"serial {port} 19200 8N1"
        tcp = told[3].removeprefix("tcp ")

        def do(line: str) -> str:
            process.stdin.write(f"{line}\n")  # type: ignore[union-attr]  # looked at above
            process.stdin.flush()  # type: ignore[union-attr]  # as above
            return process.stdout.readline().strip()  # type: ignore[union-attr]  # as above

        assert do("set meter_voltage_v 410.5") == "meter_voltage_v = 410.5"
        assert do("sett meter_voltage_v 1") == "refused: there is no sett; did you mean set?"
        request = Request(3, 3, 0, 2, lifetime_s=30.0)
        with closing(Bus(str(port), LineSettings(19200))) as bus:
            assert bus.ask(request, 2.0).result.registers == (4105, 2)
            assert bus.ask(read_address(30.0), 2.0).result.data[::-1].hex() == str(FIRST_NUMBER)
        with closing(Bus(f"tcp://{tcp}", LineSettings())) as bus:
            assert bus.ask(request, 2.0).result.registers == (4105, 2)
            assert bus.ask(Request(9, 3, 0, 2, lifetime_s=30.0), 2.0).result.exception_code == 0x0B
        assert do("fault exception 6 x1") == "exception: answers with this exception code (6)"
        with closing(Bus(str(port), LineSettings(19200))) as bus:
            assert bus.ask(request, 2.0).result.exception_code == 6
            assert bus.ask(request, 2.0).ok
        process.stdin.write("quit\n")
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--map", "acrel-djsf1352-rn"], "name --pty, --tcp or both"),
        (["--map", "no-such-meter", "--tcp", "0"], "there are abb-b23"),
        (["--map", "acrel-djsf1352-rn", "--address", "1", "--address", "2", "--tcp", "0"], "more --address than --map"),
        (["--map", "acrel-djsf1352-rn", "--address", "300", "--tcp", "0"], "not within 1 to 247"),
        (["--map", "yada-dcm3366q", "--address", "1", "--tcp", "0"], "twelve digits"),
    ],
)
def test_usage_mistakes(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil_tests.bench.meters", *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_commands() -> None:
    first, second = meter("acrel-djsf1352-rn"), meter("eastron-sdm630", 2)
    commands = MeterCommands([first, second])
    assert "meter_voltage_v = 402.0" in commands.run("show")
    assert commands.run("@2 set voltage_l1_v 231.5") == "voltage_l1_v = 231.5"
    assert second.model.values.now["voltage_l1_v"] == 231.5
    assert commands.run("@2 set voltage_l1_v none") == "voltage_l1_v = none"
    assert second.model.values.shown()["voltage_l1_v"] is None
    commands.run("fault late 0.7 250/1000")
    assert (first.faults.active[0].amount, first.faults.active[0].per_mille) == (0.7, 250.0)
    assert "fault late 0.7" in commands.run("show")
    commands.run("fault crc x2")
    commands.run("clear late")
    assert [fault.kind for fault in first.faults.active] == ["crc"]
    commands.run("clear")
    assert not first.faults.active
    commands.run("frozen on")
    commands.run("set meter_voltage_v 1")
    assert first.model.values.shown()["meter_voltage_v"] == 402.0
    commands.run("frozen off")
    assert first.model.values.shown()["meter_voltage_v"] == 1
    commands.run("reversed on")
    assert float(first.model.values.shown()["meter_current_a"] or 0) < 0
    before = first.model.values.now["meter_energy_wh"]
    commands.run("jump -200")
    assert first.model.values.now["meter_energy_wh"] == (before or 0) - 200
    commands.run("rollover")
    assert first.model.values.now["meter_energy_wh"] == (1 << 32) - 1000
    commands.run("latency 20")
    commands.run("gap 30")
    assert (first.latency_s, first.needs_gap_s) == (0.02, 0.03)
    assert commands.run("restart") == "address 1"
    for kind in ("silent", "late", "set", "frozen"):
        assert kind in commands.run("help")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no command"),
        ("@9 show", "no meter at 9"),
        ("set meter_voltage 4", "there is no meter_voltage"),
        ("set meter_voltage_v", "usage: set SIGNAL VALUE"),
        ("set meter_voltage_v 1e30", "no exponent"),
        ("set meter_voltage_v 'x", "No closing quotation"),
        ("fault slowly", "there is no fault slowly"),
        ("fault exception 99", "not within 1 to 11"),
        ("fault", "usage: fault"),
        ("frozen maybe", "usage: frozen on|off"),
        ("noise 5", "no serial line"),
        ("latency -1", "usage: latency MS"),
        ("set meter_voltage_v none", "no pattern for no value"),
    ],
)
def test_commands_that_make_no_sense(line: str, said: str) -> None:
    commands = MeterCommands([meter("acrel-djsf1352-rn")])
    with pytest.raises(RefusedError, match=said.replace("|", r"\|")):
        commands.run(line)
    assert commands.run("show").startswith("acrel-djsf1352-rn")


def test_a_value_that_does_not_fit_changes_nothing() -> None:
    one = meter("acrel-ddsy1352")
    commands = MeterCommands([one])
    before = one.model.values.now["voltage_l1_v"]
    with pytest.raises(RefusedError, match="does not fit into u16"):
        commands.run("set voltage_l1_v 99999")
    assert one.model.values.now["voltage_l1_v"] == before


def test_energy_counts_with_the_power_in_time() -> None:
    now_s = [0.0]
    spec = MeterSpec.of("acrel-djsf1352-rn")
    model = MeterModel(spec.meter_map, 1, clock=lambda: now_s[0])  # type: ignore[arg-type]  # a Modbus map
    before = model.values.now["meter_energy_wh"]
    model.values.set("meter_power_w", 36_000)
    now_s[0] = 100.0
    assert model.values.shown()["meter_energy_wh"] == before, "not unless it is told to"
    model.values.count(True)
    now_s[0] = 110.0
    assert model.values.shown()["meter_energy_wh"] == (before or 0) + 100
    model.values.count(False)
    now_s[0] = 200.0
    assert model.values.shown()["meter_energy_wh"] == (before or 0) + 100


def test_a_dlt645_meter_has_its_values_and_faults() -> None:
    spec = MeterSpec.of("yada-dcm3366q")
    model = IdentifierModel(spec.meter_map, "000000000007")  # type: ignore[arg-type]  # a DL/T 645 map
    commands = MeterCommands([BenchMeter(model)])
    commands.run("set meter_current_a -12.5")
    assert model.read("02000100") == bytes.fromhex("00501280"), "0.0001 A, lowest pair first, top bit is the sign"
    with pytest.raises(RefusedError, match="does not fit"):
        commands.run("set meter_current_a 1e9")
    commands.run("set meter_current_a none")
    assert model.read("02000100") == b"\xff" * 4
    commands.run("rollover 10")
    commands.run("jump 20")
    assert model.read("00010000") == bytes.fromhex("01000000"), "10 Wh past the end: one digit of 0.01 kWh"
    commands.run("restart")
    assert model.hears("AAAAAAAAAAAA")
    assert not model.hears("000000000008")


def test_what_a_line_has_not(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        MeterSpec.of(str(tmp_path / "none.toml"))


def test_the_line_can_be_disturbed_and_cut(tmp_path: Path) -> None:
    import asyncio

    async def scenario() -> None:
        wire = SerialWire("line", 9600, tmp_path / "line")
        commands = MeterCommands([meter("acrel-djsf1352-rn")], wire)
        commands.run("noise 12")
        commands.run("cut on")
        assert (wire.noise_per_mille, wire.is_cut) == (12.0, True)
        wire.close()

    asyncio.run(scenario())
