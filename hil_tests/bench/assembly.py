"""All parts of the bench put together in one process, with the vehicles and the broker beside it."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drivers.can.frame import CanFrame
from hil_tests.bench.broker import Broker
from hil_tests.bench.canary import Canary
from hil_tests.bench.gun import Gun, GunOptions
from hil_tests.bench.module_bank import ModuleBank
from hil_tests.bench.pile_board import PileBoard
from hil_tests.bench.power_stage import ForeignStage, PowerStage
from hil_tests.bench.site import ALLOCATIONS, GROUP_HOMES, MODULES_WIRE
from hil_tests.bench.steadiness import StandstillWatch
from hil_tests.bench.wires import CanNode, CanWire

PARTS = ("vehicle", "meter", "power-stage", "inputs-outputs", "broker")

MODULES_BITRATE_BPS = 125_000
MODULE_COUNT = 2
"""Modules of each group."""
GUNS_AT_MOST = 2

_TICK_S = 0.005


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
    """With a place for a listener on the vehicle's line of gun 1."""
    more_vehicles: tuple[str, ...] = ()
    """Profile of the vehicle at each gun after the first; as many guns as that are added."""
    switched: bool = False
    """With allocation contactors between the groups of modules and the guns; otherwise each group has its gun."""


class Assembly:
    """The running bench. ``say`` takes one line for the operator."""

    def __init__(self, options: BenchOptions, say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say
        self.clock = time.monotonic
        self.standstills = StandstillWatch(_TICK_S)
        count = 1 + len(options.more_vehicles)
        homes = {name: gun for name, gun in GROUP_HOMES.items() if gun <= count}
        feeding_stage = PowerStage(MODULE_COUNT * len(homes))
        self.bank = ModuleBank(feeding_stage, homes, MODULE_COUNT, ALLOCATIONS if options.switched else ())
        # With a third-party power stage the bench's own one keeps feeding the circuit, but sends nothing.
        self.stage = feeding_stage if "power-stage" not in options.without else None
        self._foreign_stage = ForeignStage(feeding_stage) if self.stage is None else None
        self.guns = [
            Gun(self._gun_options(number, profile), self.bank.feed(number), self.clock, say)
            for number, profile in enumerate((options.vehicle_profile, *options.more_vehicles), start=1)
        ]
        self.bank.gun_voltage_v = {gun.number: partial(_module_side_v, gun) for gun in self.guns}
        dev = options.folder / "dev"
        self.pile_board = PileBoard(dev, self.bank, self.clock) if options.switched else None
        if self.pile_board is not None:
            self.bank.coil = self.pile_board.output
        self.modules_wire = CanWire(MODULES_WIRE, MODULES_BITRATE_BPS)
        self.canary = Canary(self.clock, self._note_delay)
        self.devices = {name: where for gun in self.guns for name, where in gun.devices.items()}
        self.devices[MODULES_WIRE] = str(dev / MODULES_WIRE)
        if self.pile_board is not None:
            self.devices |= self.pile_board.devices
        self._modules_end: CanNode = self.modules_wire.add_port(dev / MODULES_WIRE)
        if "power-stage" in options.without:
            far = dev / f"{MODULES_WIRE}-far"
            self.modules_wire.add_port(far)
            self.devices[far.name] = str(far)
        self._stage_node = self.modules_wire.add_listener("power-stage", self._to_power_stage)
        self.broker = None if "broker" in options.without else Broker(options.folder, options.mqtt_port, say)
        self._tasks: list[asyncio.Task[None]] = []

    def _gun_options(self, number: int, profile: str) -> GunOptions:
        options = self.options
        first = number == 1
        return GunOptions(
            number,
            options.folder,
            options.without,
            profile,
            options.battery_voltage_v if first else None,
            options.battery_file if first else None,
            options.tap and first,
        )

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
        for gun in self.guns:
            if gun.vehicle_pid is not None:
                pids["vehicle" if gun.number == 1 else f"vehicle-{gun.number}"] = gun.vehicle_pid
        return pids

    def gun(self, number: int) -> Gun:
        """The gun of that number. Raises PartMissingError if there is none."""
        if not 1 <= number <= len(self.guns):
            raise PartMissingError(f"no gun {number}: 1 to {len(self.guns)}")
        return self.guns[number - 1]

    async def start(self) -> None:
        """Start everything and wait until each part is reachable. Raises AssemblyError or BrokerError."""
        # A request cut in half is everyday life on a bench; pymodbus would print each one.
        logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
        for gun in self.guns:
            await gun.start_servers()
        if self.pile_board is not None:
            await self.pile_board.server.start()
        if self.broker is not None:
            await self.broker.start()
        self._tasks.append(asyncio.create_task(self._run_plant()))
        await asyncio.gather(*(gun.start_vehicle() for gun in self.guns))

    async def stop(self) -> None:
        """End every process and close every port."""
        for task in self._tasks:
            task.cancel()
        self.canary.stop()
        await asyncio.gather(*(gun.stop() for gun in self.guns))
        if self.broker is not None:
            await self.broker.stop()
        if self.pile_board is not None:
            await self.pile_board.stop()
        self.modules_wire.close()

    async def cut(self, name: str, gun: int = 1) -> None:
        """Cut the wire of a part of ``PARTS`` at the agent's end."""
        await self._set_cut(name, gun, is_cut=True)

    async def mend(self, name: str, gun: int = 1) -> None:
        """Undo ``cut``."""
        await self._set_cut(name, gun, is_cut=False)

    async def _set_cut(self, name: str, number: int, *, is_cut: bool) -> None:
        gun = self.gun(number)
        if name == "broker":
            broker = self._required_broker()
            if is_cut:
                await broker.cut()
            elif broker.is_cut:
                await broker.start()
        elif name in gun.serial_wires:
            gun.serial_wires[name].is_cut = is_cut
        elif name == "vehicle":
            gun.vehicle_end.is_cut = is_cut
        else:
            self._modules_end.is_cut = is_cut

    def _note_delay(self, now_s: float, delay_s: float) -> None:
        """The bench's own delay, for whichever gun is being recorded."""
        for gun in self.guns:
            gun.can_log.note_delay(now_s, delay_s)

    def wires(self, number: int = 1) -> dict[str, str]:
        """Each wire of a gun, and those that all share: ``ok`` or ``cut``."""
        gun = self.gun(number)
        cut = {name: wire.is_cut for name, wire in gun.serial_wires.items()}
        cut |= {"vehicle": gun.vehicle_end.is_cut, "power-stage": self._modules_end.is_cut}
        if self.broker is not None:
            cut["broker"] = self.broker.is_cut
        return {name: "cut" if cut[name] else "ok" for name in PARTS if name in cut}

    def ready_file_content(self) -> dict[str, Any]:
        """Content of bench.json."""
        return {"ready": True, "mqtt_port": self.mqtt_port, "devices": self.devices, "pids": self.pids}

    def _required_broker(self) -> Broker:
        if self.broker is None:
            raise PartMissingError("the broker is not the bench's (--without broker)")
        return self.broker

    def _to_power_stage(self, frame: CanFrame) -> None:
        if self._foreign_stage is not None:
            self._foreign_stage.hear(frame, self.clock())
        elif self.stage is not None:
            for reply in self.stage.receive(frame, self.clock()):
                self._stage_node.send(reply)

    async def _run_plant(self) -> None:
        while True:
            now_s = self.clock()
            self.standstills.beat(now_s)
            for gun in self.guns:
                gun.advance(now_s, _TICK_S)
            self.canary.sing()
            await asyncio.sleep(_TICK_S)


def _module_side_v(gun: Gun) -> float:
    return gun.plant.circuit.inside_voltage_v


def write_ready_file(folder: Path, content: Mapping[str, Any]) -> None:
    """Put ``bench.json`` in place in one piece: whoever sees it sees it whole."""
    temporary = folder / "bench.json.new"
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / "bench.json")


def remove_ready_file(folder: Path) -> None:
    """Nothing is ready any more."""
    with contextlib.suppress(FileNotFoundError):
        (folder / "bench.json").unlink()
