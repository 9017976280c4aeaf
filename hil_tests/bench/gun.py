"""One gun of the bench: its plant, its wires, the devices on them, and the vehicle in front of it."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.can.frame import CanFrame
from hil_tests.bench.can_log import CanLog
from hil_tests.bench.children import die_with_parent
from hil_tests.bench.modbus_parts import Boards, InsulationMonitor, LineServer, Meter
from hil_tests.bench.plant import Feeding, Plant
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.site import INPUTS_OUTPUTS_WIRE, METER_WIRE, VEHICLE_FAR_PORT, VEHICLE_WIRE, wire_name
from hil_tests.bench.tap import Tap
from hil_tests.bench.vehicle_link import ForeignTerminals, VehicleLink
from hil_tests.bench.wires import CanNode, CanWire, SerialWire
from hil_tests.bench.wiring import load_wiring

METER_ADDRESS, INSULATION_MONITOR_ADDRESS = 1, 2
RELAY_ADDRESS, ANALOG_ADDRESS = 1, 2
METER_BAUD, INPUTS_OUTPUTS_BAUD = 9600, 115200
VEHICLE_BITRATE_BPS = 250_000

_VEHICLE_START_TIMEOUT_S = 15.0
_VEHICLE_STOP_TIMEOUT_S = 3.0
_PROJECT = Path(__file__).resolve().parents[2]


class AssemblyError(Exception):
    """The bench cannot start; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class GunOptions:
    """What to run for one gun. ``without`` names parts that are left out, see ``assembly.PARTS``."""

    number: int
    folder: Path
    without: frozenset[str] = frozenset()
    vehicle_profile: str = "demo-car"
    battery_voltage_v: float | None = None
    battery_file: Path | None = None
    tap: bool = False


class Gun:
    """One gun. ``say`` takes one line for the person who watches."""

    def __init__(
        self, options: GunOptions, feeding: Feeding, clock: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self.options = options
        self.number = options.number
        self.say = say
        self.clock = clock
        self.relays = RelayBoard() if "inputs-outputs" not in options.without else None
        self.plant = Plant(load_wiring(), self.relays, feeding)
        dev = options.folder / "dev"
        meter, boards, vehicle, far = (
            wire_name(name, self.number) for name in (METER_WIRE, INPUTS_OUTPUTS_WIRE, VEHICLE_WIRE, VEHICLE_FAR_PORT)
        )
        self.meter_wire = SerialWire(meter, METER_BAUD, dev / meter)
        self.boards_wire = SerialWire(boards, INPUTS_OUTPUTS_BAUD, dev / boards)
        self.vehicle_wire = CanWire(vehicle, VEHICLE_BITRATE_BPS)
        self.can_log = CanLog(vehicle, self.plant, clock)
        self.vehicle_wire.add_tap(self.can_log.take)
        self.devices = {name: str(dev / name) for name in (meter, boards, vehicle)}
        self.vehicle_end: CanNode = self.vehicle_wire.add_port(dev / vehicle)
        self.serial_wires = {"meter": self.meter_wire, "inputs-outputs": self.boards_wire}
        self.devices[far] = self._far = str(dev / far)
        self.vehicle_wire.add_port(dev / far)
        self._add_far_ports(dev)
        self._servers = self._line_servers()
        self.tap = Tap(self.plant, self.vehicle_wire, dev) if options.tap else None
        if self.tap is not None:
            self._servers.append(self.tap.server)
            self.devices |= self.tap.devices
        self.foreign: ForeignTerminals | None = None
        self.link: VehicleLink | None = None
        if "vehicle" in options.without:
            self.foreign = ForeignTerminals(self.plant, file=options.battery_file, voltage_v=options.battery_voltage_v)
            self.vehicle_wire.add_listener("terminals", self._hear_foreign_vehicle)
        else:
            self.link = VehicleLink(self.plant, options.folder / wire_name("plant", self.number, ".sock"))
        self.vehicle_process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def vehicle_pid(self) -> int | None:
        """Process id of the vehicle, None while none runs."""
        process = self.vehicle_process
        return process.pid if process is not None and process.returncode is None else None

    async def start_servers(self) -> None:
        """Serve the Modbus lines. Raises RuntimeError if a port cannot be opened."""
        for server in self._servers:
            await server.start()

    async def start_vehicle(self) -> None:
        """Start the vehicle's process and wait until it has linked. Raises AssemblyError."""
        if self.link is not None:
            await self.link.start()
            await self._start_vehicle(self.link)

    async def stop(self) -> None:
        """End the vehicle and close every port."""
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
        self.can_log.close()
        if self.link is not None:
            await self.link.stop()
        for server in self._servers:
            await server.stop()
        for wire in (self.meter_wire, self.boards_wire, self.vehicle_wire):
            wire.close()
        if self.tap is not None:
            self.tap.close()

    def advance(self, now_s: float, tick_s: float) -> None:
        """One tick of the bench."""
        if self.foreign is not None:
            self.foreign.poll(now_s)
        self.plant.advance(now_s)
        self.can_log.tick(now_s, tick_s)

    def _add_far_ports(self, dev: Path) -> None:
        """A port for each left-out part, where a foreign one connects."""
        for part, wire in self.serial_wires.items():
            if part in self.options.without:
                far = dev / f"{wire.name}-far"
                wire.add_device_port(far)
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

    def _hear_foreign_vehicle(self, frame: CanFrame) -> None:
        if self.foreign is not None:
            self.foreign.hear(frame, self.clock())

    async def _start_vehicle(self, link: VehicleLink) -> None:
        folder = self.options.folder
        command = [sys.executable, "-m", "hil_tests.bench.vehicle", "--interface", "slcan"]
        command += ["--channel", self._far, "--plant", str(folder / wire_name("plant", self.number, ".sock"))]
        command += ["--profile", self.options.vehicle_profile]
        log_path = folder / wire_name("vehicle", self.number, ".log")
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
        self._tasks.append(asyncio.create_task(self._watch_vehicle(self.vehicle_process, log_path)))

    async def _watch_vehicle(self, process: asyncio.subprocess.Process, log_path: Path) -> None:
        code = await process.wait()
        if not self._stopping:
            self.say(f"the vehicle's process ended with code {code}; see {log_path}")
