"""Site file, foreign vehicle, vehicle link and commands, without starting a bench."""

import asyncio
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.settings.schema import Settings
from drivers.can.frame import CanFrame
from hil_tests.bench.assembly import Assembly, BenchOptions
from hil_tests.bench.client import BenchClient, BenchError
from hil_tests.bench.commands import Commands, RefusedError
from hil_tests.bench.connection_table import connection_table
from hil_tests.bench.plant import Plant
from hil_tests.bench.site import write_site_file
from hil_tests.bench.vehicle_link import ForeignTerminals, VehicleError, VehicleLink
from hil_tests.bench.wiring import load_wiring

BRO_READY = CanFrame(0x100956F4, b"\xaa")
BRO_NOT_READY = CanFrame(0x100956F4, b"\x00")
BCL = CanFrame(0x181056F4, bytes(5))
BST = CanFrame(0x101956F4, bytes(4))


def test_site_file_is_a_legal_site_file_and_takes_overrides(tmp_path: Path) -> None:
    path = write_site_file(
        tmp_path,
        mqtt_port=12345,
        control={"cycle_ms": 20, "real_time_priority": 0},
        connector={"meter": {"serial_number": 'A"1'}},
        record={"readings_interval_s": 5},
        tariff=None,  # type: ignore[arg-type]  # None removes a section
    )
    assert path == tmp_path / "pile.toml"
    settings = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    assert settings.pile.id == "SX-DEMO-0001"
    assert settings.uplink.port == 12345
    assert settings.control.cycle_ms == 20
    meter = settings.connector[0].meter
    assert meter is not None
    assert meter.serial_number == 'A"1'
    assert meter.model == "acrel-djsf1352-rn", "an override of one key keeps its neighbours"
    assert settings.record.readings_interval_s == 5
    assert [bus.bitrate_bps for bus in settings.bus.can] == [250000, 125000]
    assert settings.bus.modbus[0].port == str(tmp_path / "dev" / "rs485-meter")


def test_foreign_vehicle_with_a_fixed_voltage_connects_from_bro_until_bst() -> None:
    plant = Plant(load_wiring())
    plant.plug()
    terminals = ForeignTerminals(plant, voltage_v=380.0)
    connected = []
    for now_s, frame in [(0.0, BRO_NOT_READY), (0.1, BRO_READY), (0.5, BCL), (1.0, BST)]:
        terminals.hear(frame, now_s)
        terminals.poll(now_s)
        connected.append(plant.battery.connected)
    assert connected == [False, True, True, False]
    assert plant.battery.open_circuit_voltage_v == 380.0


@pytest.mark.parametrize("leaves", ["silence", "unplug"])
def test_foreign_vehicle_opens_when_it_is_silent_or_gone(leaves: str) -> None:
    plant = Plant(load_wiring())
    plant.plug()
    terminals = ForeignTerminals(plant, voltage_v=380.0)
    terminals.hear(BRO_READY, 0.0)
    terminals.poll(4.9)
    before = plant.battery.connected
    if leaves == "unplug":
        plant.unplug()
    terminals.poll(5.1 if leaves == "silence" else 4.95)
    assert (before, plant.battery.connected) == (True, False)


def test_foreign_vehicle_by_file(tmp_path: Path) -> None:
    file = tmp_path / "battery"
    plant = Plant(load_wiring())
    terminals = ForeignTerminals(plant, file=file)
    seen: list[tuple[float, bool]] = []
    contents = [
        None,
        "0",
        "371.5",
        "37",
        '{"open_circuit_voltage_v": 402.0, "contactors_closed": false}',
        '{"open',
        "12.5\n",
    ]
    for stamp, content in enumerate(contents):
        if content is not None:
            file.write_text(content)
            os.utime(file, ns=(stamp, stamp))
        terminals.poll(float(stamp))
        seen.append((plant.battery.open_circuit_voltage_v, plant.battery.connected))
    assert seen == [
        (0.0, False),
        (0.0, False),
        (371.5, True),
        (37.0, True),
        (402.0, False),
        (402.0, False),
        (12.5, True),
    ]
    file.unlink()
    terminals.poll(99.0)
    assert not plant.battery.connected


def test_vehicle_link_carries_battery_plug_and_commands(tmp_path: Path) -> None:
    async def scenario() -> None:
        plant = Plant(load_wiring())
        link = VehicleLink(plant, tmp_path / "plant.sock")
        await link.start()
        with pytest.raises(VehicleError, match="no vehicle"):
            await link.command("soc 50")
        assert await link.state() == {}
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "plant.sock"))

        def tell(**message: Any) -> None:
            writer.write(json.dumps(message).encode() + b"\n")

        async def hear(key: str) -> dict[str, Any]:
            while True:
                message: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 10.0))
                if key in message:
                    return message

        assert await hear("plugged") == {
            "plugged": False, "auxiliary_voltage_v": 0.0, "terminal_voltage_v": 0.0, "current_a": 0.0,
        }  # fmt: skip
        writer.write(b"not json\n[1]\n{}\n")
        tell(open_circuit_voltage_v=377.0, resistance_ohm=0.08, contactors_closed=True)
        question = asyncio.create_task(link.command("soc 50"))
        assert (await hear("command"))["command"] == "soc 50"
        tell(reply="state of charge 50 %")
        assert await question == "state of charge 50 %"
        battery = plant.battery
        assert (battery.open_circuit_voltage_v, battery.resistance_ohm, battery.connected) == (377.0, 0.08, True)
        state = asyncio.create_task(link.state())
        assert (await hear("command"))["command"] == "state"
        tell(reply='{"phase": "charging"}', ok=True)
        assert await state == {"phase": "charging"}
        refused = asyncio.create_task(link.command("soc 500"))
        await hear("command")
        tell(reply="0 to 100", ok=False)
        with pytest.raises(VehicleError, match="0 to 100"):
            await refused
        plant.plug()
        while not (await hear("plugged"))["plugged"]:
            pass
        writer.close()
        for _ in range(500):
            if not link.linked.is_set():
                break
            await asyncio.sleep(0.01)
        assert not plant.battery.connected, "a vehicle that is gone has its contactors open"
        await link.stop()

    asyncio.run(scenario())


def with_commands(folder: Path, lines: list[str]) -> tuple[list[Any], Assembly]:
    """Run command lines on a bench without its processes; a refusal stands as its text."""

    async def main() -> tuple[list[Any], Assembly]:
        assembly = Assembly(BenchOptions(folder, frozenset({"vehicle", "broker"})), lambda _text: None)
        commands, answers = Commands(assembly), []
        for line in lines:
            try:
                answers.append(await commands.run(line))
            except RefusedError as refusal:
                answers.append(f"refused: {refusal}")
        await assembly.stop()
        return answers, assembly

    return asyncio.run(main())


def test_commands_reach_the_physical_side(tmp_path: Path) -> None:
    answers, assembly = with_commands(
        tmp_path,
        [
            "plug", "plug", "press estop", "open door", "smoke", "leak 80", "weld k1", "jam K2", "heat connector 95",
            "module fault 1", "heat module 0 80", "cut wire meter", "cut wire vehicle", "noise wire meter 5",
            "press button",
        ],
    )  # fmt: skip
    assert [str(answer).startswith("refused") for answer in answers] == [False, True] + [False] * 13
    plant = assembly.gun(1).plant
    assert plant.inputs.plugged
    assert plant.inputs.emergency_stop_pressed
    assert plant.inputs.door_open
    assert plant.inputs.smoke_detected
    assert plant.inputs.button_pressed
    assert plant.inputs.leak_kohm == 80.0
    assert plant.contactor_k1.welded
    assert plant.contactor_k2.jammed
    assert plant.forced_contact_c == 95.0
    assert assembly.stage is not None
    assert assembly.stage.modules[1].faulted
    assert assembly.stage.modules[0].forced_temperature_c == 80.0
    assert assembly.wires() == {"vehicle": "cut", "meter": "cut", "power-stage": "ok", "inputs-outputs": "ok"}
    assert assembly.gun(1).meter_wire.noise_per_mille == 5.0


def test_commands_undo(tmp_path: Path) -> None:
    lines = [
        "plug", "press estop", "release estop", "open door", "close door", "smoke", "clear smoke", "leak 80",
        "leak off", "weld K1", "unweld K1", "jam K2", "unjam K2", "heat connector 95", "cool connector",
        "module fault 1", "module ok 1", "heat module 0 80", "cool module 0", "cut wire power-stage",
        "mend wire power-stage", "unplug",
    ]  # fmt: skip
    answers, assembly = with_commands(tmp_path, lines)
    assert not [answer for answer in answers if str(answer).startswith("refused")]
    plant, untouched = assembly.gun(1).plant, Plant(load_wiring())
    assert plant.inputs == untouched.inputs
    assert plant.contactor_k1 == untouched.contactor_k1
    assert plant.contactor_k2 == untouched.contactor_k2
    assert plant.forced_contact_c is None
    assert set(assembly.wires().values()) == {"ok"}
    assert assembly.stage is not None
    assert not assembly.stage.modules[1].faulted
    assert assembly.stage.modules[0].forced_temperature_c is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plgu", "Did you mean `plug`?"),
        ("press stop", "Did you mean `press estop`?"),
        ("nonsense", "Commands: plug, unplug"),
        ("cut wire motor", "vehicle, meter, power-stage"),
        ("cut wire broker", "--without broker"),
        ("weld K3", "K1 or K2"),
        ("leak much", "a number is missing"),
        ("heat module 7 50", "no module 7"),
        ("vehicle soc 50", "--without vehicle"),
        ("unplug", "not plugged"),
    ],
)
def test_refusals_say_what_would_be_right(tmp_path: Path, line: str, expected: str) -> None:
    (answer,), _ = with_commands(tmp_path, [line])
    assert answer.startswith("refused: ")
    assert expected in answer


def test_help_lists_every_command_with_its_meaning(tmp_path: Path) -> None:
    (text,), _ = with_commands(tmp_path, ["help"])
    assert "put the connector into the vehicle" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_table_says_where_each_left_out_part_connects(tmp_path: Path) -> None:
    async def main() -> tuple[str, list[str]]:
        left_out = frozenset({"vehicle", "meter", "power-stage", "inputs-outputs", "broker"})
        assembly = Assembly(BenchOptions(tmp_path, left_out, battery_voltage_v=380.0), lambda _text: None)
        text = connection_table(assembly)
        ports = [path for name, path in assembly.devices.items() if name.endswith("-far")]
        await assembly.stop()
        return text, ports

    text, ports = asyncio.run(main())
    assert len(ports) == 4
    assert all(path in text for path in ports)
    assert text.count("left out") == 5
    assert "380 V" in text


def test_client_without_a_bench_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no bench answers"):
        BenchClient(tmp_path).probe()
