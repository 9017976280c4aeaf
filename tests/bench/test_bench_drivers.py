"""The agent's drivers and the bench's parts, each written without the other, meet over the wires."""

import selectors
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.vocabulary.signals import SIGNALS
from drivers.can.port import open_can_port
from drivers.catalogue import build_power_stage, group_plan, load_power_model
from drivers.inputs_outputs.board_model import ModbusBoardModel, load_board_model
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wiring import load_wiring, wires_of
from drivers.insulation.monitor import RegisterMonitor
from drivers.insulation.register_map import load_insulation_map
from drivers.line.device import Device
from drivers.line.owner import LineOwner
from drivers.line.serial_port import SerialPort
from drivers.meters.meter import Meter
from drivers.meters.register_map import load_register_map
from drivers.reading import Reading
from hil_tests.bench.runner import Bench, start_bench

pytestmark = pytest.mark.bench

LONGEST_S = 20.0
CONFIG = Path(__file__).resolve().parents[2] / "config"
METER_FILE = CONFIG / "meters" / "acrel-djsf1352-rn.toml"
INSULATION = load_insulation_map(CONFIG / "insulation_monitors" / "acrel-aim-d100.toml")


def modbus_model(name: str) -> ModbusBoardModel:
    model = load_board_model(CONFIG / "boards" / f"{name}.toml")
    assert isinstance(model, ModbusBoardModel)
    return model


class Drivers:
    """All drivers of the field side in one plain loop."""

    def __init__(self, bench: Bench) -> None:
        wiring = load_wiring(CONFIG / "wiring" / "reference-dc.toml")
        models = {"io": modbus_model("waveshare-relay-8ch-d"), "analog": modbus_model("waveshare-analog-8ch")}
        wires = {role: wires_of(wiring, role, model) for role, model in models.items()}
        paths = bench.info["devices"]
        self.relays = ModbusBoard(models["io"], wires["io"], 1, 0.02)
        analog = ModbusBoard(models["analog"], wires["analog"], 2, 0.05)
        power = load_power_model(CONFIG / "power_modules" / "infypower.toml")
        self.stage = build_power_stage(power, group_plan(power, 2), 0.1)
        self.ports = {name: SerialPort(paths[name], baud) for name, baud in LINES.items()}
        self.can = open_can_port("slcan", paths["can-modules"], 125_000)
        self.devices: dict[str, list[Device]] = {
            "rs485-meter": [Meter(load_register_map(METER_FILE), 1, 1.0), RegisterMonitor(INSULATION, 2)],
            "rs485-io": [self.relays, analog],
        }
        self.masters = {name: LineOwner(baud) for name, baud in LINES.items()}
        for name, devices in self.devices.items():
            for device in devices:
                self.masters[name].attach(device.address, device.timing)
        self.readings: dict[str, Reading] = {}
        self.demand: tuple[float, float] | None = None

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Drive all lines until ``condition`` holds; fails when a broken part would keep it from ever holding."""
        selector = selectors.DefaultSelector()
        for descriptor in [self.can.fileno(), *(port.fileno() for port in self.ports.values())]:
            selector.register(descriptor, selectors.EVENT_READ)
        deadline_s = time.monotonic() + LONGEST_S
        while not condition():
            assert time.monotonic() < deadline_s, self.readings
            selector.select(0.005)
            self.turn(time.monotonic())
        selector.close()

    def turn(self, now_s: float) -> None:
        for name, master in self.masters.items():
            port, devices = self.ports[name], self.devices[name]
            master.receive(port.read(), now_s)
            for result in master.results():
                for device in devices:
                    if device.address == result.request.address:
                        self.readings.update(device.accept(result))
            for device in devices:
                for request in device.requests(now_s):
                    master.submit(request, now_s)
            if data := master.poll(now_s):
                port.write(data)
        for frame in self.can.receive(now_s):
            self.stage.receive(frame)
        if self.demand is not None:
            self.stage.set_point(*self.demand, True)
        for frame in self.stage.poll(now_s):
            self.can.send(frame)
        self.readings.update(self.stage.readings(now_s))

    def close(self) -> None:
        self.can.close()
        for port in self.ports.values():
            port.close()


LINES = {"rs485-meter": 9600, "rs485-io": 115200}


def test_every_signal_arrives_and_every_output_acts(tmp_path: Path) -> None:
    with start_bench(tmp_path, without=["vehicle", "broker"]) as bench, closing(Drivers(bench)) as drivers:
        # What a listener hears on the vehicle's bus comes from no driver here.
        heard = {name for name in SIGNALS if name.startswith(("ccs_", "bcs_"))}
        wanted = set(SIGNALS) - {"recorder_ready"} - heard
        drivers.run_until(
            lambda: (
                wanted <= set(drivers.readings) and drivers.readings["module_maximum_current_a"].value == 200.0  # both
            )
        )
        values = {name: reading.value for name, reading in drivers.readings.items()}
        assert values["emergency_stop_pressed"] is False
        assert values["door_open"] is False
        assert values["contactor_k1_closed"] is False
        assert values["cc1_voltage_v"] == pytest.approx(6.0, abs=0.05)
        assert values["connector_temperature_plus_c"] == pytest.approx(25.0, abs=0.2)
        assert values["meter_energy_wh"] == 1_234_567
        assert values["module_count"] == 2

        bench.do("plug")
        bench.do("press estop")
        bench.do("leak 80")
        now_s = time.monotonic()
        for name in ("contactor_k1", "contactor_k2", "auxiliary_supply", "electronic_lock", "insulation_monitor"):
            drivers.relays.set_output(name, True, now_s)
        drivers.demand = (400.0, 10.0)
        drivers.run_until(
            lambda: (
                drivers.readings["emergency_stop_pressed"].value is True
                and drivers.readings["lock_locked"].value is True
                and drivers.readings["contactor_k1_closed"].value is True
                and drivers.readings["contactor_k2_closed"].value is True
                and drivers.readings["insulation_plus_kohm"].value == 80
                and all(
                    abs(float(drivers.readings[name].value) - 400.0) < 2.0
                    for name in ("inside_voltage_v", "outside_voltage_v", "meter_voltage_v", "module_voltage_v")
                )
            )
        )
        assert drivers.readings["auxiliary_voltage_v"].value == pytest.approx(12.0, abs=0.1)
        assert drivers.readings["cc1_voltage_v"].value == pytest.approx(4.0, abs=0.05)
        counters = [counter.as_dict() for master in drivers.masters.values() for counter in master.counters.values()]
        assert all(counter["crc"] == counter["mismatched"] == counter["exceptions"] == 0 for counter in counters), (
            counters
        )

        drivers.close()
        timed = ("contactor_k1", "contactor_k2", "auxiliary_supply", "insulation_monitor")
        probe = bench.client.wait_for(lambda probe: not any(probe["coils"][name] for name in timed), LONGEST_S)
        assert probe["coils"]["electronic_lock"] is True, "only timed outputs drop by themselves"
        assert probe["coils"]["fan"] is False
