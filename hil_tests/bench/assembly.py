"""All parts of the bench put together in one process, with the vehicle and the broker beside it."""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.can.frame import CanFrame
from hil_tests.bench.broker import Broker
from hil_tests.bench.canary import Canary
from hil_tests.bench.children import die_with_parent
from hil_tests.bench.modbus_parts import Boards, InsulationMonitor, LineServer, Meter
from hil_tests.bench.plant import Plant
from hil_tests.bench.power_stage import ForeignStage, PowerStage
from hil_tests.bench.recorder import Recorder
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.site import INPUTS_OUTPUTS_WIRE, METER_WIRE, MODULES_WIRE, VEHICLE_FAR_PORT, VEHICLE_WIRE
from hil_tests.bench.steadiness import StandstillWatch
from hil_tests.bench.tap import Tap
from hil_tests.bench.vehicle_link import ForeignTerminals, VehicleLink
from hil_tests.bench.wires import CanNode, CanWire, SerialWire
from hil_tests.bench.wiring import load_wiring

PARTS = ("vehicle", "meter", "power-stage", "inputs-outputs", "broker")

METER_ADDRESS, INSULATION_MONITOR_ADDRESS = 1, 2
RELAY_ADDRESS, ANALOG_ADDRESS = 1, 2
METER_BAUD, INPUTS_OUTPUTS_BAUD = 9600, 115200
VEHICLE_BITRATE_BPS, MODULES_BITRATE_BPS = 250_000, 125_000
MODULE_COUNT = 2

_TICK_S = 0.005
_VEHICLE_START_TIMEOUT_S = 15.0
_VEHICLE_STOP_TIMEOUT_S = 3.0
_PROJECT = Path(__file__).resolve().parents[2]


class AssemblyError(Exception):
    """The bench cannot start; the text gives the reason."""


class PartMissingError(Exception):
    """A part was requested that the bench leaves out; the text names it."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to run. ``without`` names parts of ``PARTS``; port 0 means any free one."""

    folder: Path
    without: frozenset[str] = frozenset()
    vehicle_profile: str = "demo-car"
    mqtt_port: int = 0
    battery_voltage_v: float | None = None
    battery_file: Path | None = None
    tap: bool = False
    """With a place for a listener on the vehicle's line."""


class Assembly:
    """The running bench. ``say`` takes one line for the operator."""

    def __init__(self, options: BenchOptions, say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say
        self.clock = time.monotonic
        self.standstills = StandstillWatch(_TICK_S)
        with_boards = "inputs-outputs" not in options.without
        self.relays = RelayBoard() if with_boards else None
        feeding_stage = PowerStage(MODULE_COUNT)
        self.plant = Plant(load_wiring(), self.relays, feeding_stage)
        # With a third-party power stage the bench's own one keeps feeding the circuit, but sends nothing.
        self.stage = feeding_stage if "power-stage" not in options.without else None
        self._foreign_stage = ForeignStage(feeding_stage) if self.stage is None else None
        dev = options.folder / "dev"
        self.meter_wire = SerialWire(METER_WIRE, METER_BAUD, dev / METER_WIRE)
        self.boards_wire = SerialWire(INPUTS_OUTPUTS_WIRE, INPUTS_OUTPUTS_BAUD, dev / INPUTS_OUTPUTS_WIRE)
        self.vehicle_wire = CanWire(VEHICLE_WIRE, VEHICLE_BITRATE_BPS)
        self.modules_wire = CanWire(MODULES_WIRE, MODULES_BITRATE_BPS)
        self.recorder = Recorder(VEHICLE_WIRE, self.plant, self.clock)
        self.vehicle_wire.add_tap(self.recorder.take)
        self.canary = Canary(self.clock, self.recorder.note_delay)
        self.devices = {name: str(dev / name) for name in (METER_WIRE, INPUTS_OUTPUTS_WIRE, VEHICLE_WIRE, MODULES_WIRE)}
        self._can_ends: dict[str, CanNode] = {
            "vehicle": self.vehicle_wire.add_port(dev / VEHICLE_WIRE),
            "power-stage": self.modules_wire.add_port(dev / MODULES_WIRE),
        }
        self.serial_wires = {"meter": self.meter_wire, "inputs-outputs": self.boards_wire}
        self.devices[VEHICLE_FAR_PORT] = str(dev / VEHICLE_FAR_PORT)
        self.vehicle_wire.add_port(dev / VEHICLE_FAR_PORT)
        self._add_far_ports(dev)
        self._servers = self._line_servers()
        self.tap = Tap(self.plant, self.vehicle_wire, dev) if options.tap else None
        if self.tap is not None:
            self._servers.append(self.tap.server)
            self.devices |= self.tap.devices
        self._stage_node = self.modules_wire.add_listener("power-stage", self._to_power_stage)
        self.foreign: ForeignTerminals | None = None
        self.link: VehicleLink | None = None
        if "vehicle" in options.without:
            self.foreign = ForeignTerminals(self.plant, file=options.battery_file, voltage_v=options.battery_voltage_v)
            self.vehicle_wire.add_listener("terminals", self._hear_foreign_vehicle)
        else:
            self.link = VehicleLink(self.plant, options.folder / "plant.sock")
        self.broker = None if "broker" in options.without else Broker(options.folder, options.mqtt_port, say)
        self.vehicle_process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def mqtt_port(self) -> int:
        """Port of the broker (of the foreign one, if the bench runs none)."""
        return self.broker.port if self.broker is not None else self.options.mqtt_port

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs."""
        pids = {"bench": os.getpid()}
        if self.broker is not None and self.broker.pid is not None:
            pids["broker"] = self.broker.pid
        if self.vehicle_process is not None and self.vehicle_process.returncode is None:
            pids["vehicle"] = self.vehicle_process.pid
        return pids

    async def start(self) -> None:
        """Start everything and wait until each part is reachable. Raises AssemblyError or BrokerError."""
        # A request cut in half is everyday life on a bench; pymodbus would print each one.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        for server in self._servers:
            await server.start()
        if self.broker is not None:
            await self.broker.start()
        self._tasks.append(asyncio.create_task(self._run_plant()))
        if self.link is not None:
            await self.link.start()
            await self._start_vehicle(self.link)

    async def stop(self) -> None:
        """End every process and close every port."""
        self._stopping = True
        if self.vehicle_process is not None and self.vehicle_process.returncode is None:
            self.vehicle_process.terminate()
            try:
                await asyncio.wait_for(self.vehicle_process.wait(), _VEHICLE_STOP_TIMEOUT_S)
            except TimeoutError:
                self.vehicle_process.kill()
                await self.vehicle_process.wait()
        for task in self._tasks:
            task.cancel()
        self.recorder.close()
        self.canary.stop()
        if self.link is not None:
            await self.link.stop()
        if self.broker is not None:
            await self.broker.stop()
        for server in self._servers:
            await server.stop()
        for wire in (self.meter_wire, self.boards_wire, self.vehicle_wire, self.modules_wire):
            wire.close()
        if self.tap is not None:
            self.tap.close()

    async def cut(self, name: str) -> None:
        """Cut the wire of a part of ``PARTS`` at the agent's end."""
        if name == "broker":
            await self._required_broker().cut()
        elif name in self.serial_wires:
            self.serial_wires[name].is_cut = True
        else:
            self._can_ends[name].is_cut = True

    async def mend(self, name: str) -> None:
        """Undo ``cut``."""
        if name == "broker":
            broker = self._required_broker()
            if broker.is_cut:
                await broker.start()
        elif name in self.serial_wires:
            self.serial_wires[name].is_cut = False
        else:
            self._can_ends[name].is_cut = False

    def wires(self) -> dict[str, str]:
        """Each wire: ``ok`` or ``cut``."""
        cut = {name: wire.is_cut for name, wire in self.serial_wires.items()}
        cut |= {name: node.is_cut for name, node in self._can_ends.items()}
        if self.broker is not None:
            cut["broker"] = self.broker.is_cut
        return {name: "cut" if cut[name] else "ok" for name in PARTS if name in cut}

    def ready_file_content(self) -> dict[str, Any]:
        """The content of bench.json."""
        return {"ready": True, "mqtt_port": self.mqtt_port, "devices": self.devices, "pids": self.pids}

    def _required_broker(self) -> Broker:
        if self.broker is None:
            raise PartMissingError("the broker is not the bench's (--without broker)")
        return self.broker

    def _add_far_ports(self, dev: Path) -> None:
        """A port for each left-out part, where a foreign one connects."""
        for part, wire in self.serial_wires.items():
            if part in self.options.without:
                far = dev / f"{wire.name}-far"
                wire.add_device_port(far)
                self.devices[far.name] = str(far)
        if "power-stage" in self.options.without:
            far = dev / f"{MODULES_WIRE}-far"
            self.modules_wire.add_port(far)
            self.devices[far.name] = str(far)

    def _line_servers(self) -> list[LineServer]:
        devices = [InsulationMonitor(self.plant).device(INSULATION_MONITOR_ADDRESS)]
        if "meter" not in self.options.without:
            devices.insert(0, Meter(self.plant, time.time).device(METER_ADDRESS))
        servers = [LineServer(self.meter_wire, devices)]
        if self.relays is not None:
            boards = Boards(self.plant, self.relays, self.clock)
            servers.append(
                LineServer(
                    self.boards_wire,
                    [boards.relay_device(RELAY_ADDRESS), boards.analog_device(ANALOG_ADDRESS)],
                    [boards.write_coil_request(RELAY_ADDRESS)],
                )
            )
        return servers

    def _to_power_stage(self, frame: CanFrame) -> None:
        if self._foreign_stage is not None:
            self._foreign_stage.hear(frame, self.clock())
        elif self.stage is not None:
            for reply in self.stage.receive(frame, self.clock()):
                self._stage_node.send(reply)

    def _hear_foreign_vehicle(self, frame: CanFrame) -> None:
        if self.foreign is not None:
            self.foreign.hear(frame, self.clock())

    async def _run_plant(self) -> None:
        while True:
            now_s = self.clock()
            self.standstills.beat(now_s)
            if self.foreign is not None:
                self.foreign.poll(now_s)
            self.plant.advance(now_s)
            self.recorder.tick(now_s, _TICK_S)
            self.canary.sing()
            await asyncio.sleep(_TICK_S)

    async def _start_vehicle(self, link: VehicleLink) -> None:
        folder = self.options.folder
        command = [sys.executable, "-m", "hil_tests.bench.vehicle", "--interface", "slcan"]
        command += ["--channel", self.devices[VEHICLE_FAR_PORT], "--plant", str(folder / "plant.sock")]
        command += ["--profile", self.options.vehicle_profile]
        log_path = folder / "vehicle.log"
        with log_path.open("ab") as log:
            self.vehicle_process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_PROJECT,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        ended = asyncio.create_task(self.vehicle_process.wait())
        linked = asyncio.create_task(link.linked.wait())
        done, pending = await asyncio.wait(
            {ended, linked}, timeout=_VEHICLE_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        if linked not in done:
            tail = log_path.read_text(encoding="utf-8", errors="replace")[-600:]
            raise AssemblyError(f"the vehicle's process did not come up; see {log_path}\n{tail}")
        self._tasks.append(asyncio.create_task(self._watch_vehicle(self.vehicle_process)))

    async def _watch_vehicle(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if not self._stopping:
            self.say(f"the vehicle's process ended with code {code}; see {self.options.folder / 'vehicle.log'}")


def write_ready_file(folder: Path, content: dict[str, Any]) -> None:
    """Put ``bench.json`` in place in one piece: who sees it sees it whole."""
    temporary = folder / "bench.json.new"
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / "bench.json")


def remove_ready_file(folder: Path) -> None:
    """Nothing is ready any more."""
    with contextlib.suppress(FileNotFoundError):
        (folder / "bench.json").unlink()
