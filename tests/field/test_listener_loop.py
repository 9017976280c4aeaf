"""The field process of a pile that only listens, put together from its site file and run in this process."""

import os
import pty
import selectors
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.control.listener.core import ListenerCore
from agent.field import listening
from agent.field.lines import ModbusLine
from agent.field.listener_assembly import build_listener_loop, build_read_lines, listener_parameters
from agent.field.listener_loop import ListenerLoop
from agent.field.listening import ListeningLine
from agent.field.outputs import Names
from agent.settings.load import load_site
from agent.settings.site import Site
from drivers.can.frame import CanFrame
from drivers.can.listening import Acknowledging
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.modbus import codec
from drivers.modbus.codec import Request
from hil_tests.bench.site import TAP_WIRE, VEHICLE_TAP, write_monitor_file
from hil_tests.bench.slcan import encode_frame
from hil_tests.harness.field_client import flat

CHM = CanFrame(0x1826F456, b"\x01\x01\x00")


def site_of(folder: Path, **changes: Any) -> Site:
    site = load_site(write_monitor_file(folder, folder, mqtt_port=1883, **changes))
    assert site.kind == "listener"
    return site


def test_the_parameters_are_those_of_the_site_file(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "connector": {"insulation_monitor": {"bus": "tap", "address": 3}},
        "record": {"telemetry_interval_s": 20},
    }
    site = site_of(tmp_path, **changes)
    parameters = listener_parameters(site, site.connectors[0], boot_id="b", version="v")
    assert parameters.meter is not None
    assert parameters.meter["model"] == "acrel-djsf1352-rn"
    assert parameters.inputs == ("emergency_stop_pressed", "door_open", "smoke_detected")
    assert parameters.insulation_monitor
    assert parameters.maximum_current_a == 150.0
    assert parameters.telemetry_interval_s == 20.0
    assert parameters.tariff.utc_offset_minutes == 480


def test_without_devices_no_line_is_touched(tmp_path: Path) -> None:
    bare: dict[str, Any] = {"connector": {"meter": None, "wiring": None, "boards": None}, "board": None}
    site = site_of(tmp_path, **bare)
    assert build_read_lines(site, Names(several=False)) == []
    parameters = listener_parameters(site, site.connectors[0], boot_id="b", version="v")
    assert (parameters.meter, parameters.inputs, parameters.insulation_monitor) == (None, (), False)


def test_everything_on_a_line_only_reads(tmp_path: Path) -> None:
    monitor: dict[str, Any] = {"connector": {"insulation_monitor": {"bus": "tap", "address": 3}}}
    (line,) = build_read_lines(site_of(tmp_path, **monitor), Names(several=False))
    assert isinstance(line, ModbusLine)
    assert sorted(line.devices) == [1, 2, 3]
    assert isinstance(line.devices[2], ModbusBoard)
    now_s, asked = 0.0, set()
    while now_s < 30.0:
        for device in line.devices.values():
            for request in device.requests(now_s):
                assert isinstance(request, Request)
                asked.add(request.function)
        now_s += 0.05
    assert asked <= {codec.READ_DISCRETE_INPUTS, codec.READ_HOLDING_REGISTERS, codec.READ_INPUT_REGISTERS}


class Wires:
    """The master ends of the two ports of a site, and a loop on them."""

    def __init__(self, folder: Path) -> None:
        (folder / "dev").mkdir()
        self.masters: dict[str, int] = {}
        self._slaves = []
        for name in (VEHICLE_TAP, TAP_WIRE):
            master, slave = pty.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            (folder / "dev" / name).symlink_to(os.ttyname(slave))
            self.masters[name] = master
            self._slaves.append(slave)
        site = site_of(folder)
        parameters = listener_parameters(site, site.connectors[0], boot_id="boot", version="test")
        self.core = ListenerCore(parameters, time.monotonic())
        self.selector = selectors.SelectSelector()
        self.loop: ListenerLoop = build_listener_loop(site, {1: self.core}, self.selector)

    def status(self) -> dict[str, Any]:
        return flat(self.loop.status(time.monotonic()))

    def written(self, name: str) -> bytes:
        try:
            return os.read(self.masters[name], 4096)
        except BlockingIOError:
            return b""

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(2000):
            if condition():
                return
            self.loop.turn()
        raise AssertionError("it never came")

    def close(self) -> None:
        self.loop.close()
        self.selector.close()
        for descriptor in (*self.masters.values(), *self._slaves):
            os.close(descriptor)


@pytest.fixture
def wires(tmp_path: Path) -> Iterator[Wires]:
    made = Wires(tmp_path)
    yield made
    made.close()


def test_what_is_heard_reaches_the_core_and_nothing_leaves(wires: Wires) -> None:
    loop = wires.loop
    loop.open_lines()
    assert wires.written(VEHICLE_TAP) == b"C\rS5\rL\r"
    wires.core.on_recorder(ready=True, uplink="off", at_s=time.monotonic())
    os.write(wires.masters[VEHICLE_TAP], encode_frame(CHM) * 3)
    wires.until(lambda: wires.core.session is not None)
    wires.until(lambda: wires.core.state == "handshake")
    status = wires.status()
    assert (status["role"], status["state"], status["stage"]) == ("monitor", "handshake", "handshake")
    assert status["buses"]["vehicle"]["frames_in"] == 3
    assert status["buses"]["vehicle"]["listen_only"] is True
    assert status["buses"]["tap"]["devices"].keys() == {"meter", "tap"}
    assert wires.core.session is not None
    assert status["session"] == wires.core.session.id
    assert status["energy_source"] == "vehicle_bus", "the meter does not answer here"
    assert "outputs" not in status
    assert wires.written(VEHICLE_TAP) == b""


def test_a_lost_line_is_told_to_the_core(wires: Wires) -> None:
    loop = wires.loop
    loop.open_lines()
    loop.turn()
    assert wires.core.chassis.vehicle_port_open
    line = loop._listening[1]
    line.lost(PortError("gone", "x", "look"), time.monotonic())
    loop._after_read(line)
    assert not wires.core.chassis.vehicle_port_open


def test_status_without_a_session(wires: Wires) -> None:
    wires.loop.evaluate(time.monotonic())
    status = wires.status()
    assert (status["session"], status["energy_wh"], status["amount_e4"], status["rate"]) == (None, None, None, None)
    assert status["start_blockers"] == ["monitor_only"]


# The line by itself.


class FakePort:
    """A listening port that can be made to fail."""

    def __init__(self, interface: str, channel: str, bitrate_bps: int) -> None:
        self.opened = (interface, channel, bitrate_bps)
        self.acknowledging = Acknowledging.YES
        self.fail: PortError | None = None
        self.closed = False
        self.counters = CanCounters()
        self.state = BusState.UNKNOWN
        self.restarts_by_opening = False

    def is_ready(self, now_s: float) -> bool:
        return True

    def tick(self, now_s: float) -> None:
        """Nothing to ask."""

    def fileno(self) -> int:
        return 9

    def receive(self, now_s: float) -> list[CanFrame]:
        if self.fail is not None:
            raise self.fail
        return [CHM]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> ListeningLine:
    monkeypatch.setattr(listening, "ListeningPort", FakePort)
    return ListeningLine("vehicle", "socketcan", "can0", 250_000)


def test_a_line_is_opened_read_and_closed(line: ListeningLine) -> None:
    assert (line.fileno(), line.read(0.0), line.acknowledging) == (-1, [], Acknowledging.UNKNOWN)
    assert line.try_open(1.0)
    assert (line.fileno(), line.read(1.0), line.acknowledging) == (9, [CHM], Acknowledging.YES)
    assert line.status(0.0)["acknowledges"] == "yes"
    line.close(2.0)
    line.close(2.0)
    assert line.fileno() == -1


def test_a_line_that_fails_is_lost(line: ListeningLine) -> None:
    line.try_open(1.0)
    port: Any = line._port
    port.fail = PortError("gone", "can0", "look")
    assert line.read(2.0) == []
    assert port.closed
    assert not line.is_open


def test_a_line_has_no_way_to_write(line: ListeningLine) -> None:
    assert not [name for name in dir(line) if "write" in name or "send" in name]


def test_the_loop_has_no_way_to_write_either() -> None:
    names = dir(ListenerLoop)
    assert not [name for name in names if "can" in name.lower() or "relay" in name or "power" in name]


def test_a_pile_that_charges_carries_nothing_of_a_listener() -> None:
    """The field process of a charger is counted in megabytes."""
    program = (
        "import sys, agent.field.process, agent.field.parameters, agent.field.assembly, agent.field.loop\n"
        "print([name for name in sys.modules if any(word in name for word in ('monitor', 'observer', 'listening'))])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
