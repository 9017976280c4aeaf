"""The physical side's commands: what a person at the pile can do, one text line each."""

import difflib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hil_tests.bench.assembly import PARTS, Assembly, PartMissingError
from hil_tests.bench.can_log import CanLogError
from hil_tests.bench.circuit import Contactor
from hil_tests.bench.gun import Gun
from hil_tests.bench.power_stage import Module, PowerStage
from hil_tests.bench.vehicle_link import VehicleError

Handler = Callable[[list[str]], Awaitable[str]]


class RefusedError(Exception):
    """The command is not valid now; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class _Command:
    words: tuple[str, ...]
    arguments: str
    meaning: str
    handler: Handler


class Commands:
    """Commands of the whole bench: ``gun N COMMAND``, and without ``gun N`` those of gun 1."""

    def __init__(self, assembly: Assembly) -> None:
        self._guns = {gun.number: GunCommands(assembly, gun) for gun in assembly.guns}

    def help(self) -> str:
        """All commands with their meaning."""
        return self._guns[1].help()

    async def run(self, line: str) -> str | dict[str, Any]:
        """Carry out one line. Raises RefusedError with a reason for the person who typed it."""
        words = line.split()
        if words[:1] != ["gun"]:
            return await self._guns[1].run(line)
        try:
            gun = self._guns[int(words[1])]
        except (IndexError, ValueError, KeyError):
            numbers = " or ".join(str(number) for number in self._guns)
            raise RefusedError(f"which gun: {numbers}? write: gun 1 plug") from None
        return await gun.run(" ".join(words[2:]))


class GunCommands:
    """Parses and carries out commands at one gun."""

    def __init__(self, assembly: Assembly, gun: Gun) -> None:
        self._assembly = assembly
        self._gun = gun
        self._plant = gun.plant
        self._table = self._build_table()

    def help(self) -> str:
        """All commands with their meaning."""
        rows = [(" ".join([*row.words, row.arguments]).strip(), row.meaning) for row in self._table]
        width = max(len(left) for left, _ in rows)
        return "\n".join(f"{left:<{width}}  {right}" for left, right in rows)

    async def run(self, line: str) -> str | dict[str, Any]:
        """Carry out one line. Raises RefusedError with a reason for the person who typed it."""
        words = line.split()
        if words == ["probe"]:
            return await self.probe()
        if words in ([], ["help"]):
            return self.help()
        for row in self._table:
            if tuple(words[: len(row.words)]) == row.words:
                try:
                    return await row.handler(words[len(row.words) :])
                except (VehicleError, PartMissingError) as error:
                    raise RefusedError(str(error)) from None
        names = [" ".join(row.words) for row in self._table] + ["probe", "help", "gun"]
        nearest = difflib.get_close_matches(" ".join(words[:2]), names, n=1, cutoff=0.4)
        hint = f" Did you mean `{nearest[0]}`?" if nearest else ""
        raise RefusedError(f"unknown command `{line}`.{hint} Commands: {', '.join(names)}")

    async def probe(self) -> dict[str, Any]:
        """Voltages in V, current in A, energy in Wh, times in monotonic seconds of this machine."""
        plant, circuit, assembly = self._plant, self._plant.circuit, self._assembly
        return {
            "time_s": plant.now_s,
            "plugged": plant.inputs.plugged,
            "contactor_k1": plant.contactor_k1.closed,
            "contactor_k2": plant.contactor_k2.closed,
            "contactors_closed": plant.contactors_closed,
            "contactors_opened_at_s": plant.contactors_opened_at_s,
            "contactors_closed_at_s": plant.contactors_closed_at_s,
            "lock_locked": plant.lock_locked,
            "cc1_voltage_v": plant.cc1_voltage_v,
            "auxiliary_voltage_v": plant.auxiliary_voltage_v,
            "inside_voltage_v": round(circuit.inside_voltage_v, 2),
            "outside_voltage_v": round(circuit.outside_voltage_v, 2),
            "terminal_voltage_v": round(plant.terminal_voltage_v, 2),
            "current_a": round(circuit.current_a, 3),
            "power_w": round(circuit.current_a * circuit.outside_voltage_v, 1),
            "energy_wh": round(plant.meter.energy_wh, 4),
            "energy_register_wh": plant.meter.register_wh,
            "inrush_peak_a": round(circuit.inrush_peak_a, 2),
            "battery": {
                "open_circuit_voltage_v": plant.battery.open_circuit_voltage_v,
                "resistance_ohm": plant.battery.resistance_ohm,
                "contactors_closed": plant.battery.connected,
                "current_a": round(circuit.battery_current_a, 3),
            },
            "coils": plant.coils,
            "inputs": plant.discrete_inputs,
            "insulation_kohm": plant.insulation_kohm,
            "connector_temperatures_c": [round(plant.contact_plus_c, 1), round(plant.contact_minus_c, 1)],
            "modules": [_module_probe(module) for module in (assembly.stage.modules if assembly.stage else [])],
            "vehicle": await self._vehicle_probe(),
            "wires": assembly.wires(self._gun.number),
            "pids": assembly.pids,
            "tap": None if self._gun.tap is None else self._gun.tap.probe(),
            "bank": assembly.bank.probe(),
            "standstills": [
                {"at_s": round(each.at_s, 3), "length_s": round(each.length_s, 3)}
                for each in assembly.standstills.standstills
            ],
        }

    async def _vehicle_probe(self) -> dict[str, Any]:
        link = self._gun.link
        if link is None:
            return {"foreign": True}
        linked = link.linked.is_set()
        state = await link.state() if linked else {}
        return {"foreign": False, "running": self._gun.vehicle_pid is not None, "linked": linked, **state}

    def _build_table(self) -> list[_Command]:
        parts = "|".join(PARTS)
        rows: list[tuple[str, str, str, Handler]] = [
            ("plug", "", "put the connector into the vehicle", self._plug),
            ("unplug", "[force]", "pull it out; a locked connector comes out only with `force`", self._unplug),
            ("press estop", "", "press the emergency stop", self._setting("emergency_stop_pressed", True)),
            ("release estop", "", "release it", self._setting("emergency_stop_pressed", False)),
            ("press button", "", "press switch S of the connector", self._setting("button_pressed", True)),
            ("release button", "", "release switch S", self._setting("button_pressed", False)),
            ("open door", "", "open the cabinet", self._setting("door_open", True)),
            ("close door", "", "close the cabinet", self._setting("door_open", False)),
            ("smoke", "", "smoke in the cabinet", self._setting("smoke_detected", True)),
            ("clear smoke", "", "no smoke", self._setting("smoke_detected", False)),
            ("leak", "KOHM|off", "insulation of both poles to earth, kilo-ohm", self._leak),
            ("weld", "K1|K2", "weld a contactor: it is and stays closed", self._contactor("welded", True)),
            ("unweld", "K1|K2", "repair it", self._contactor("welded", False)),
            ("jam", "K1|K2", "a contactor refuses to close", self._contactor("jammed", True)),
            ("unjam", "K1|K2", "repair it", self._contactor("jammed", False)),
            ("heat connector", "C", "force both contact temperatures, degree Celsius", self._heat_connector),
            ("cool connector", "", "contacts back to ambient, then their own heat", self._cool_connector),
            ("heat module", "N C", "force the temperature of power module N", self._heat_module),
            ("cool module", "N", "module N back to its own heat", self._cool_module),
            ("module fault", "N", "power module N fails", self._module_fault(True)),
            ("module ok", "N", "power module N is healthy again", self._module_fault(False)),
            ("cut wire", parts, "cut the wire at the agent's end (broker: kill it)", self._cut),
            ("mend wire", parts, "undo the cut", self._mend),
            ("noise wire", "meter|inputs-outputs N", "disturb N of 1000 bytes on that line, 0 for none", self._noise),
            ("record", "FILE|off", "every frame of the vehicle's CAN line into FILE (candump -L)", self._record),
            ("vehicle", "ARGS", "a command for the simulated vehicle", self._vehicle),
        ]
        return [
            _Command(tuple(words.split()), arguments, meaning, handler) for words, arguments, meaning, handler in rows
        ]

    async def _plug(self, _arguments: list[str]) -> str:
        if self._plant.inputs.plugged:
            raise RefusedError("already plugged")
        self._plant.plug()
        return "plugged"

    async def _unplug(self, arguments: list[str]) -> str:
        if not self._plant.inputs.plugged:
            raise RefusedError("not plugged")
        if self._plant.lock_locked and arguments != ["force"]:
            raise RefusedError("the connector is locked: it does not come out (`unplug force` breaks the lock)")
        self._plant.unplug()
        return "unplugged"

    def _setting(self, attribute: str, value: bool) -> Handler:
        async def handler(_arguments: list[str]) -> str:
            setattr(self._plant.inputs, attribute, value)
            return f"{attribute}: {'yes' if value else 'no'}"

        return handler

    async def _leak(self, arguments: list[str]) -> str:
        if arguments == ["off"]:
            self._plant.inputs.leak_kohm = None
            return "insulation is clean"
        self._plant.inputs.leak_kohm = _number(arguments, 0, "resistance in kilo-ohm, or `off`")
        return f"leak of {self._plant.inputs.leak_kohm:g} kohm on both poles"

    def _contactor(self, attribute: str, value: bool) -> Handler:
        async def handler(arguments: list[str]) -> str:
            contactor = self._contactor_named(arguments)
            setattr(contactor, attribute, value)
            return f"{contactor.name}: {attribute if value else 'repaired'}"

        return handler

    def _contactor_named(self, arguments: list[str]) -> Contactor:
        contactors = {"K1": self._plant.contactor_k1, "K2": self._plant.contactor_k2}
        if len(arguments) != 1 or arguments[0].upper() not in contactors:
            raise RefusedError("which contactor: K1 or K2?")
        return contactors[arguments[0].upper()]

    async def _heat_connector(self, arguments: list[str]) -> str:
        self._plant.forced_contact_c = _number(arguments, 0, "temperature in degree Celsius")
        return f"contacts at {self._plant.forced_contact_c:g} degC"

    async def _cool_connector(self, _arguments: list[str]) -> str:
        self._plant.cool_contacts()
        return "contacts at ambient"

    async def _heat_module(self, arguments: list[str]) -> str:
        module = self._module_named(arguments)
        module.forced_temperature_c = _number(arguments, 1, "temperature in degree Celsius")
        return f"module {module.address} at {module.forced_temperature_c:g} degC"

    async def _cool_module(self, arguments: list[str]) -> str:
        module = self._module_named(arguments)
        module.cool()
        return f"module {module.address} at ambient"

    def _module_fault(self, value: bool) -> Handler:
        async def handler(arguments: list[str]) -> str:
            module = self._module_named(arguments)
            module.faulted = value
            return f"module {module.address}: {'fault' if value else 'ok'}"

        return handler

    def _module_named(self, arguments: list[str]) -> Module:
        stage: PowerStage | None = self._assembly.stage
        if stage is None:
            raise RefusedError("the power stage is not the bench's (--without power-stage)")
        number = int(_number(arguments, 0, f"module number, 0 to {len(stage.modules) - 1}"))
        if not 0 <= number < len(stage.modules):
            raise RefusedError(f"no module {number}: 0 to {len(stage.modules) - 1}")
        return stage.modules[number]

    async def _cut(self, arguments: list[str]) -> str:
        name = _part(arguments)
        await self._assembly.cut(name, self._gun.number)
        return f"wire {name} is cut"

    async def _mend(self, arguments: list[str]) -> str:
        name = _part(arguments)
        await self._assembly.mend(name, self._gun.number)
        return f"wire {name} is whole"

    async def _noise(self, arguments: list[str]) -> str:
        wires = self._gun.serial_wires
        if not arguments or arguments[0] not in wires:
            raise RefusedError(f"which wire: {' or '.join(wires)}?")
        wire = wires[arguments[0]]
        wire.noise_per_mille = _number(arguments, 1, "disturbed bytes per thousand")
        return f"{wire.noise_per_mille:g} of 1000 bytes on {arguments[0]} are disturbed"

    async def _record(self, arguments: list[str]) -> str:
        if len(arguments) != 1:
            raise RefusedError("write: record FILE, or record off")
        can_log = self._gun.can_log
        try:
            if arguments == ["off"]:
                summary = can_log.stop()
                if not any(gun.can_log.recording for gun in self._assembly.guns):
                    self._assembly.canary.stop()
                return json.dumps(summary)
            begun = can_log.start(self._assembly.options.folder / arguments[0])
            self._assembly.canary.start()
            return json.dumps(begun)
        except CanLogError as error:
            raise RefusedError(str(error)) from None

    async def _vehicle(self, arguments: list[str]) -> str:
        link = self._gun.link
        if link is None:
            raise RefusedError("the vehicle is not the bench's (--without vehicle)")
        return await link.command(" ".join(arguments))


def _number(arguments: list[str], position: int, what: str) -> float:
    try:
        return float(arguments[position])
    except (IndexError, ValueError):
        raise RefusedError(f"a number is missing: {what}") from None


def _part(arguments: list[str]) -> str:
    if len(arguments) == 1 and arguments[0] in PARTS:
        return arguments[0]
    nearest = difflib.get_close_matches(" ".join(arguments), PARTS, n=1, cutoff=0.3)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    raise RefusedError(f"which wire: {', '.join(PARTS)}?{hint}")


def _module_probe(module: Module) -> dict[str, Any]:
    return {
        "address": module.address,
        "on": module.delivering,
        "fault": module.faulted,
        "silent": module.silent,
        "current_a": round(module.current_a, 3),
        "voltage_set_v": module.voltage_set_v,
        "current_set_a": round(module.current_set_a, 3),
        "temperature_c": round(module.temperature_c, 1),
        "power_limited": module.power_limited,
    }
