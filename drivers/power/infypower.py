"""InfyPower REG/CEG/LRG power modules over CAN (protocol V1.13), sans-I/O: 125 kbit/s, 29-bit identifiers, big-endian.

One transmit task owns the line: it repeats the whole wanted state, so that a module that joins or restarts follows, and
fits the reads in between, never two frames closer than ``frame_spacing_s`` (modules lose back-to-back commands).

The set point is sent as system voltage and *total* current (command 0x1B), which the modules share among themselves. A
broadcast of the per-module command 0x1C would multiply the current by the number of modules, also by those that nobody
knows of, and addressing them one by one needs a division that is wrong while one of them is lost. The two exclude
each other.
"""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading

CONTROLLER = 0xF0
BROADCAST = 0x3F
_LAST_MODULE = 0x3E
_ONE_MODULE = 0x0A

READ_STATUS = 0x04
READ_OUTPUT = 0x09
READ_RATINGS = 0x0A
SET_WALK_IN = 0x13
SET_ON_OFF = 0x1A
SET_SYSTEM_OUTPUT = 0x1B

_NO_DATA = bytes(8)  # a read without data is answered with an error
_ON, _OFF = 0, 1

# Distances of frames: this project's choice; a frame takes 1.1 ms, and modules lose commands that follow at once.
_SPACING_S = 0.01
_SPACING_OF_MANY_S = 0.005
_FEW_MODULES = 16

_OUTPUT_INTERVAL_S = 0.2
_STATUS_INTERVAL_S = 1.0
_DISCOVERY_INTERVAL_S = 2.0
_RATINGS_INTERVAL_S = 10.0
_WALK_IN_INTERVAL_S = 5.0
_MISSING_INTERVAL_S = 2.0

_DEMAND_LIFETIME_S = 1.0
# Modules switch off after 10 s of silence; to drop one earlier would load the others while it still delivers.
_MODULE_GONE_S = 15.0
_ALL_SILENT_S = 3.0
_OUTPUT_FRESH_S = 1.5
_STATUS_FRESH_S = 3.0

STATUS_BITS: dict[tuple[int, int], str] = {
    (2, 0): "power limited",
    (2, 1): "duplicate address",
    (2, 2): "load sharing failed",
    (2, 3): "input phase lost",
    (2, 4): "input phases unequal",
    (2, 5): "input under-voltage",
    (2, 6): "input over-voltage",
    (2, 7): "input stage off",
    (1, 0): "output off",
    (1, 1): "fault",
    (1, 2): "protection",
    (1, 3): "fan failed",
    (1, 4): "over-temperature",
    (1, 5): "output over-voltage",
    (1, 6): "walk-in on",
    (1, 7): "communication lost",
    (0, 0): "output short circuit",
    (0, 3): "internal communication failed",
    (0, 4): "sleeping",
    (0, 5): "discharge failed",
    (0, 6): "air duct blocked",
    (0, 7): "internal communication lost",
}
FAULT_NAMES = frozenset(
    {
        "duplicate address",
        "input phase lost",
        "input under-voltage",
        "input over-voltage",
        "fault",
        "protection",
        "fan failed",
        "over-temperature",
        "output over-voltage",
        "output short circuit",
        "internal communication failed",
    }
)


def identifier(command: int, destination: int, source: int = CONTROLLER, device: int = _ONE_MODULE) -> int:
    """The 29-bit identifier of an error-free frame."""
    return device << 22 | command << 16 | destination << 8 | source


@dataclass(frozen=True, slots=True)
class _Demand:
    voltage_v: float = 0.0
    current_a: float = 0.0
    on: bool = False


@dataclass(slots=True)
class _Module:
    seen_s: float
    voltage_v: float = 0.0
    current_a: float = 0.0
    output_at_s: float = -math.inf
    temperature_c: int = 0
    status: tuple[str, ...] = ()
    group: int = 0
    status_at_s: float = -math.inf
    maximum_voltage_v: int | None = None
    minimum_voltage_v: int | None = None
    maximum_current_a: float | None = None
    rated_power_w: int | None = None
    ratings_at_s: float = -math.inf

    @property
    def faulted(self) -> bool:
        return not FAULT_NAMES.isdisjoint(self.status)

    @property
    def in_service(self) -> bool:
        return not self.faulted and "sleeping" not in self.status


class InfyPower:
    """All modules of one connector.

    ``module_count`` is how many there should be (1 to 60), ``command_interval_s`` the repetition of the wanted state
    (0.05 to 0.2 s), ``frame_spacing_s`` the least distance of two frames (10 ms; 5 ms for more than 16 modules, which
    could not all be read in time otherwise), ``walk_in`` the slow start of the modules. Raises ValueError if one is
    out of range.
    """

    def __init__(
        self,
        module_count: int,
        command_interval_s: float = 0.1,
        *,
        frame_spacing_s: float | None = None,
        walk_in: bool = False,
    ) -> None:
        if not 1 <= module_count <= 60:
            raise ValueError(f"module_count {module_count} is not within 1..60")
        if not 0.05 <= command_interval_s <= 0.2:
            raise ValueError(f"command_interval_s {command_interval_s} is not within 0.05..0.2")
        if frame_spacing_s is None:
            frame_spacing_s = _SPACING_S if module_count <= _FEW_MODULES else _SPACING_OF_MANY_S
        if not 0.0 < frame_spacing_s <= command_interval_s / 4:
            raise ValueError(f"frame_spacing_s {frame_spacing_s} leaves no room for reads")
        self._expected = range(module_count)
        self._command_interval_s = command_interval_s
        self._frame_spacing_s = frame_spacing_s
        self._walk_in = walk_in
        self._modules: dict[int, _Module] = {}
        self._demand = _Demand()
        self._demand_is_new = False
        self._demand_until_s = -math.inf
        self._commands: list[int] = []
        self._command_due_s = -math.inf
        self._command_began_s = -math.inf
        self._walk_in_due_s = -math.inf
        self._reads_due_s: dict[tuple[int, int], float] = {(READ_STATUS, BROADCAST): -math.inf}
        for address in self._expected:
            self._reads_due_s[READ_STATUS, address] = -math.inf
        self._sent_at_s = -math.inf
        self.errors = 0
        self.ignored = 0

    def demand(self, voltage_v: float, current_a: float, on: bool) -> None:
        """Ask for ``voltage_v`` and a total of ``current_a``. Holds for 1 s from the next ``poll``, then it is off.

        Raises ValueError for a negative or undefined value.
        """
        for value in (voltage_v, current_a):
            if not (math.isfinite(value) and 0.0 <= value <= 1e6):
                raise ValueError(f"{value} is no set point")
        wanted = _Demand(voltage_v, current_a, True) if on else _Demand()
        self._demand_is_new = True
        self._replace_demand(wanted)

    def receive(self, frame: CanFrame) -> None:
        """Take a frame of the line; its ``at_s`` is the time of arrival. Anything that is no reply is ignored."""
        error, device = frame.identifier >> 26, frame.identifier >> 22 & 0x0F
        command, destination = frame.identifier >> 16 & 0x3F, frame.identifier >> 8 & 0xFF
        source = frame.identifier & 0xFF
        if not frame.extended or device != _ONE_MODULE or destination != CONTROLLER or source > _LAST_MODULE:
            self.ignored += 1
            return
        module = self._modules.get(source)
        if module is None:
            module = self._modules[source] = _Module(frame.at_s)
            for read in (READ_STATUS, READ_OUTPUT, READ_RATINGS):
                self._reads_due_s[read, source] = -math.inf
        module.seen_s = frame.at_s
        if error or len(frame.data) != 8:
            self.errors += 1
        elif command == READ_OUTPUT:
            voltage_mv, current_ma = struct.unpack(">II", frame.data)
            module.voltage_v, module.current_a = voltage_mv / 1000.0, current_ma / 1000.0
            module.output_at_s = frame.at_s
        elif command == READ_STATUS:
            _, _, group, _, temperature_c, status2, status1, status0 = struct.unpack(">BBBBbBBB", frame.data)
            words = {2: status2, 1: status1, 0: status0}
            module.status = tuple(name for (word, bit), name in STATUS_BITS.items() if words[word] >> bit & 1)
            module.group, module.temperature_c, module.status_at_s = group, temperature_c, frame.at_s
        elif command == READ_RATINGS:
            maximum_v, minimum_v, maximum_da, power_10w = struct.unpack(">HHHH", frame.data)
            module.maximum_voltage_v, module.minimum_voltage_v = maximum_v, minimum_v
            module.maximum_current_a, module.rated_power_w = maximum_da / 10.0, power_10w * 10
            module.ratings_at_s = frame.at_s

    def poll(self, now_s: float) -> list[CanFrame]:
        """The frame to send now, if any is due."""
        if self._demand_is_new:
            self._demand_is_new = False
            self._demand_until_s = now_s + _DEMAND_LIFETIME_S
        elif now_s >= self._demand_until_s:
            self._replace_demand(_Demand())
        self._drop_lost(now_s)
        if now_s < self._sent_at_s + self._frame_spacing_s:
            return []
        frame = self._next_command(now_s) or self._next_read(now_s)
        if frame is None:
            return []
        self._sent_at_s = now_s
        return [frame]

    def next_due(self, now_s: float) -> float:
        """Time at which ``poll`` has something to send."""
        due_s = min(self._command_due_s, self._walk_in_due_s, *self._reads_due_s.values())
        if self._commands:
            due_s = now_s
        if self._demand.on:
            due_s = min(due_s, self._demand_until_s)
        return max(now_s, due_s, self._sent_at_s + self._frame_spacing_s)

    def readings(self, now_s: float) -> list[tuple[str, Reading]]:
        """The signals of the power stage, each with the time its bytes arrived.

        Nothing at all once no module has answered for 3 s. While a module is missing that still counts, what is
        measured without it is of quality suspect.
        """
        self._drop_lost(now_s)
        if not self._modules:
            return []
        last_seen_s = max(module.seen_s for module in self._modules.values())
        if now_s - last_seen_s > _ALL_SILENT_S:
            return []
        everyone = list(self._modules.values())
        signals = [("module_count", Reading(len(everyone), "1", last_seen_s))]
        outputs = [m for m in everyone if now_s - m.output_at_s <= _OUTPUT_FRESH_S]
        if outputs:
            at_s = min(m.output_at_s for m in outputs)
            quality = _quality(outputs, everyone)
            # The modules share one output: the highest voltage is the one that matters.
            signals.append(("module_voltage_v", Reading(max(m.voltage_v for m in outputs), "V", at_s, quality)))
            signals.append(("module_current_a", Reading(sum(m.current_a for m in outputs), "A", at_s, quality)))
        known = [m for m in everyone if now_s - m.status_at_s <= _STATUS_FRESH_S]
        if known:
            at_s = min(m.status_at_s for m in known)
            quality = _quality(known, everyone)
            signals.append(("module_fault", Reading(any(m.faulted for m in known), "bool", at_s, quality)))
            hottest_c = max(m.temperature_c for m in known)
            signals.append(("module_temperature_c", Reading(hottest_c, "degC", at_s, quality)))
            # Ratings do not change; that the module is there and healthy is as old as its status.
            maximum_a = sum(m.maximum_current_a for m in known if m.in_service and m.maximum_current_a is not None)
            if any(m.maximum_current_a is not None for m in known):
                signals.append(("module_maximum_current_a", Reading(maximum_a, "A", at_s, quality)))
        return signals

    def status(self) -> dict[int, dict[str, object]]:
        """What is known of each module, by address; values in the units of their names, ``status`` in words."""
        return {
            address: {
                "voltage_v": module.voltage_v,
                "current_a": module.current_a,
                "temperature_c": module.temperature_c,
                "status": list(module.status),
                "group": module.group,
                "maximum_voltage_v": module.maximum_voltage_v,
                "minimum_voltage_v": module.minimum_voltage_v,
                "maximum_current_a": module.maximum_current_a,
                "rated_power_w": module.rated_power_w,
                "seen_s": module.seen_s,
            }
            for address, module in sorted(self._modules.items())
        }

    def _replace_demand(self, wanted: _Demand) -> None:
        if wanted == self._demand:
            return
        if wanted.on is not self._demand.on:
            self._commands.clear()
            self._command_due_s = -math.inf
        elif wanted.current_a < self._demand.current_a or wanted.voltage_v < self._demand.voltage_v:
            # Less does not wait for its turn; but a falling ramp must leave room for the reads.
            self._command_due_s = min(self._command_due_s, self._command_began_s + self._command_interval_s / 2)
        self._demand = wanted

    def _drop_lost(self, now_s: float) -> None:
        lost = [address for address, module in self._modules.items() if now_s - module.seen_s > _MODULE_GONE_S]
        for address in lost:
            del self._modules[address]
            for read in (READ_STATUS, READ_OUTPUT, READ_RATINGS):
                self._reads_due_s.pop((read, address), None)
            if address in self._expected:
                self._reads_due_s[READ_STATUS, address] = now_s

    def _next_command(self, now_s: float) -> CanFrame | None:
        if not self._commands and now_s >= self._command_due_s:
            # Off before anything else; on only after the set point that it shall start with.
            self._commands = [SET_SYSTEM_OUTPUT, SET_ON_OFF] if self._demand.on else [SET_ON_OFF, SET_SYSTEM_OUTPUT]
            self._command_began_s = now_s
            self._command_due_s = now_s + self._command_interval_s
        if self._commands:
            return self._command(self._commands.pop(0))
        if now_s >= self._walk_in_due_s:
            self._walk_in_due_s = now_s + _WALK_IN_INTERVAL_S
            return CanFrame(identifier(SET_WALK_IN, BROADCAST), bytes((int(self._walk_in),)).ljust(8, b"\0"))
        return None

    def _command(self, command: int) -> CanFrame:
        demand = self._demand
        if command == SET_SYSTEM_OUTPUT:
            data = struct.pack(">II", round(demand.voltage_v * 1000), round(demand.current_a * 1000))
        else:
            data = bytes((_ON if demand.on else _OFF,)).ljust(8, b"\0")
        return CanFrame(identifier(command, BROADCAST), data)

    def _next_read(self, now_s: float) -> CanFrame | None:
        key, due_s = min(self._reads_due_s.items(), key=lambda item: item[1])
        if now_s < due_s:
            return None
        command, address = key
        self._reads_due_s[key] = now_s + self._read_interval_s(command, address)
        return CanFrame(identifier(command, address), _NO_DATA)

    def _read_interval_s(self, command: int, address: int) -> float:
        if command == READ_OUTPUT:
            return _OUTPUT_INTERVAL_S
        module = self._modules.get(address)
        if command == READ_RATINGS:
            known = module is not None and module.maximum_current_a is not None
            return _RATINGS_INTERVAL_S if known else _STATUS_INTERVAL_S
        if address == BROADCAST:
            return _DISCOVERY_INTERVAL_S
        return _STATUS_INTERVAL_S if module is not None else _MISSING_INTERVAL_S


def _quality(those: Iterable[_Module], everyone: list[_Module]) -> Quality:
    return Quality.GOOD if len(list(those)) == len(everyone) else Quality.SUSPECT
