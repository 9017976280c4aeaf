"""DC power modules with the InfyPower REG protocol, as the power stage of the bench.

Written from the protocol facts alone and without the agent's driver, so that each checks the other. Identifier: bits
28-26 error, 25-22 device (0x0A one module, 0x0B group), 21-16 command, 15-8 destination, 7-0 source; big-endian values.
Ratings are those of a 30 kW, 150-1000 V, 100 A module. Modules switch off after 10 s without a frame. Ramp speeds,
thermal behaviour and the answer to a set point below 150 V (regulates at 150 V) are choices of this bench.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.can.frame import CanFrame
from hil_tests.bench.circuit import Source

SILENCE_LIMIT_S = 10.0
MAXIMUM_VOLTAGE_V = 1000.0
MINIMUM_VOLTAGE_V = 150.0
MAXIMUM_CURRENT_A = 100.0
RATED_POWER_W = 30_000.0

_SINGLE, _GROUP = 0x0A, 0x0B
_BROADCAST = 0x3F
_CONTROLLERS = range(0xF0, 0xF9)
_BAD_COMMAND, _BAD_DATA = 2, 3

_RAMP_V_PER_S = 1000.0
_WALK_IN_V_PER_S = 200.0
_CURRENT_RISE_A_PER_S = 200.0
_CURRENT_FALL_A_PER_S = 1000.0

_AMBIENT_C = 25.0
_FULL_LOAD_RISE_C = 30.0
_THERMAL_TIME_S = 120.0
_DERATE_START_C, _SHUTDOWN_C, _RESTART_C = 70.0, 85.0, 75.0


@dataclass(slots=True)
class Module:
    """One power module. Currents in A, voltages in V; ``current_a`` and ``output_voltage_v`` come from the circuit."""

    address: int
    group: int = 0
    on: bool = False
    voltage_set_v: float = 0.0
    current_set_a: float = 0.0
    walk_in: bool = False
    faulted: bool = False
    over_temperature: bool = False
    silent: bool = False
    asleep: bool = False
    power_limited: bool = False
    temperature_c: float = _AMBIENT_C
    forced_temperature_c: float | None = None
    last_frame_s: float = 0.0
    output_voltage_v: float = 0.0
    current_a: float = 0.0
    _ramp_v: float = 0.0
    _ramp_a: float = 0.0
    _was_delivering: bool = False

    @property
    def delivering(self) -> bool:
        """Whether the output is switched on and nothing prevents it."""
        return self.on and not (self.faulted or self.over_temperature or self.asleep)

    def available_current_a(self) -> float:
        """Current that rating, power and temperature allow at the present output voltage."""
        power_a = RATED_POWER_W / max(self.output_voltage_v, MINIMUM_VOLTAGE_V)
        cold = (_SHUTDOWN_C - self.temperature_c) / (_SHUTDOWN_C - _DERATE_START_C)
        return min(MAXIMUM_CURRENT_A, power_a) * min(max(cold, 0.0), 1.0)

    def source(self, dt_s: float, now_s: float) -> Source | None:
        """What this module is to the circuit during the next ``dt_s`` seconds; None while it is off."""
        if now_s - self.last_frame_s > SILENCE_LIMIT_S and not self.silent:
            self.silent, self.on = True, False
        self._warm(dt_s)
        if not self.delivering:
            self._was_delivering, self._ramp_a, self.current_a, self.power_limited = False, 0.0, 0.0, False
            return None
        if not self._was_delivering:
            # A soft start begins at the voltage that is already on the output.
            self._was_delivering, self._ramp_v = True, self.output_voltage_v
        target_v = min(max(self.voltage_set_v, MINIMUM_VOLTAGE_V), MAXIMUM_VOLTAGE_V)
        speed = _WALK_IN_V_PER_S if self.walk_in else _RAMP_V_PER_S
        self._ramp_v = _towards(self._ramp_v, target_v, speed * dt_s, _RAMP_V_PER_S * dt_s)
        available_a = self.available_current_a()
        self.power_limited = self.current_set_a > available_a
        target_a = min(self.current_set_a, available_a)
        self._ramp_a = _towards(self._ramp_a, target_a, _CURRENT_RISE_A_PER_S * dt_s, _CURRENT_FALL_A_PER_S * dt_s)
        return Source(self._ramp_v, self._ramp_a)

    def cool(self) -> None:
        """Back at ambient temperature; from here on only the load heats it."""
        self.forced_temperature_c = None
        self.temperature_c = _AMBIENT_C

    def _warm(self, dt_s: float) -> None:
        load = self.current_a * self.output_voltage_v / RATED_POWER_W
        goal_c = _AMBIENT_C + _FULL_LOAD_RISE_C * load
        self.temperature_c += (goal_c - self.temperature_c) * min(dt_s / _THERMAL_TIME_S, 1.0)
        if self.forced_temperature_c is not None:
            self.temperature_c = self.forced_temperature_c
        if self.temperature_c >= _SHUTDOWN_C:
            self.over_temperature = True
        elif self.temperature_c < _RESTART_C:
            self.over_temperature = False

    def status_bytes(self) -> tuple[int, int, int, int]:
        """Status 3, 2, 1 and 0 as command 0x04 reports them."""
        status1 = (
            (not self.delivering) << 0
            | self.faulted << 1
            | self.over_temperature << 2
            | self.over_temperature << 4
            | self.walk_in << 6
            | self.silent << 7
        )
        return 0, int(self.power_limited), status1, self.asleep << 4


def _towards(value: float, target: float, rise: float, fall: float) -> float:
    return min(value + rise, target) if value < target else max(value - fall, target)


class PowerStage:
    """All modules on one CAN line."""

    def __init__(self, module_count: int = 2) -> None:
        self.modules = [Module(address) for address in range(module_count)]
        self._delivering: list[Module] = []
        self._system_readers: dict[int, Callable[[Sequence[Module]], bytes]] = {
            0x01: lambda modules: struct.pack(">ff", *_system_output(modules)),
            0x02: lambda modules: struct.pack(">2xB5x", len(modules)),
            0x08: lambda modules: struct.pack(">II", *_milli(*_system_output(modules))),
        }
        self._module_readers: dict[int, Callable[[Module], bytes]] = {
            0x03: lambda module: struct.pack(">ff", module.output_voltage_v, module.current_a),
            0x04: _status_reply,
            0x06: lambda _module: struct.pack(">HHH2x", 4000, 4000, 4000),
            0x09: lambda module: struct.pack(">II", *_milli(module.output_voltage_v, module.current_a)),
            0x0A: lambda _module: struct.pack(
                ">HHHH",
                int(MAXIMUM_VOLTAGE_V),
                int(MINIMUM_VOLTAGE_V),
                int(MAXIMUM_CURRENT_A * 10),
                int(RATED_POWER_W / 10),
            ),
            0x0B: lambda module: f"SXB{module.address:05d}".encode("ascii"),
            0x0C: lambda module: struct.pack(
                ">HH4x", round(module.output_voltage_v * 10), round(module.available_current_a() * 10)
            ),
        }
        self._setters: dict[int, Callable[[Sequence[Module], bytes], None]] = {
            0x13: lambda modules, data: _assign(modules, "walk_in", data[0] == 1),
            0x14: lambda _modules, _data: None,  # blink: no lamp to see
            0x16: lambda modules, data: _assign(modules, "group", data[0]),
            0x19: lambda modules, data: _assign(modules, "asleep", data[0] == 1),
            0x1A: lambda modules, data: _assign(modules, "on", data[0] == 0),
            0x1B: _set_total,
            0x1C: _set_each,
        }

    def receive(self, frame: CanFrame, now_s: float) -> list[CanFrame]:
        """Take a frame of the controller; return the replies of all modules in order of address."""
        identifier = frame.identifier
        controller, destination = identifier & 0xFF, identifier >> 8 & 0xFF
        command, device = identifier >> 16 & 0x3F, identifier >> 22 & 0x0F
        if not frame.extended or controller not in _CONTROLLERS or device not in (_SINGLE, _GROUP):
            return []
        # Any frame of the controller counts as life, whomever it addresses.
        for module in self.modules:
            module.last_frame_s, module.silent = now_s, False
        addressed = [module for module in self.modules if _is_addressed(module, device, destination)]
        if not addressed:
            return []

        def reply(data: bytes, source: int, error: int = 0) -> CanFrame:
            return CanFrame(error << 26 | device << 22 | command << 16 | controller << 8 | source, data)

        group_source = destination if device == _GROUP else addressed[0].address
        known = command in self._system_readers or command in self._module_readers or command in self._setters
        if not known or len(frame.data) != 8:
            error = _BAD_DATA if known else _BAD_COMMAND
            return [reply(frame.data.ljust(8, b"\0")[:8], module.address, error) for module in addressed]
        if command in self._system_readers:
            return [reply(self._system_readers[command](addressed), group_source)]
        if command in self._module_readers:
            return [reply(self._module_readers[command](module), module.address) for module in addressed]
        self._setters[command](addressed, frame.data)
        # A set command to one module is acknowledged with its own data, one to many is not.
        if device == _SINGLE and destination != _BROADCAST:
            return [reply(frame.data, addressed[0].address)]
        return []

    def sources(self, dt_s: float, now_s: float) -> list[Source]:
        """Sources of the modules that deliver, for the next step of the circuit."""
        self._delivering = []
        sources: list[Source] = []
        for module in self.modules:
            source = module.source(dt_s, now_s)
            if source is not None:
                self._delivering.append(module)
                sources.append(source)
        return sources

    def feed_back(self, output_voltage_v: float, currents_a: Sequence[float]) -> None:
        """Pass the modules the circuit's result for their last ``sources``."""
        for module in self.modules:
            module.output_voltage_v = output_voltage_v
        for module, current_a in zip(self._delivering, currents_a, strict=True):
            module.current_a = current_a


class ForeignStage:
    """Lets the bench's circuit follow what the agent demands of modules that are not the bench's.

    The demands on the wire reach ``shadow`` as long as a foreign module has been heard within the silence limit; so a
    foreign simulator without a circuit of its own still charges the vehicle, and a dead one does not.
    """

    def __init__(self, shadow: PowerStage) -> None:
        self._shadow = shadow
        self._last_heard_s: float | None = None

    def hear(self, frame: CanFrame, now_s: float) -> None:
        """A frame on the modules' CAN line, of the agent or of a foreign module."""
        if frame.identifier & 0xFF not in _CONTROLLERS:
            self._last_heard_s = now_s
        elif self._last_heard_s is not None and now_s - self._last_heard_s <= SILENCE_LIMIT_S:
            self._shadow.receive(frame, now_s)


def _is_addressed(module: Module, device: int, destination: int) -> bool:
    if device == _GROUP:
        return destination == module.group
    return destination in (_BROADCAST, module.address)


def _assign(modules: Sequence[Module], attribute: str, value: bool | int) -> None:
    for module in modules:
        setattr(module, attribute, value)


def _set_total(modules: Sequence[Module], data: bytes) -> None:
    """0x1B: system voltage and total current, shared by the modules that can deliver."""
    voltage_mv, current_ma = struct.unpack(">II", data)
    able = [module for module in modules if not module.faulted and not module.over_temperature]
    for module in modules:
        module.voltage_set_v = voltage_mv / 1000.0
        module.current_set_a = current_ma / 1000.0 / max(len(able), 1)


def _set_each(modules: Sequence[Module], data: bytes) -> None:
    """0x1C: every addressed module takes the whole current; a broadcast multiplies it."""
    voltage_mv, current_ma = struct.unpack(">II", data)
    for module in modules:
        module.voltage_set_v, module.current_set_a = voltage_mv / 1000.0, current_ma / 1000.0


def _system_output(modules: Sequence[Module]) -> tuple[float, float]:
    return modules[0].output_voltage_v, sum(module.current_a for module in modules)


def _milli(voltage_v: float, current_a: float) -> tuple[int, int]:
    return max(round(voltage_v * 1000), 0), max(round(current_a * 1000), 0)


def _status_reply(module: Module) -> bytes:
    status3, status2, status1, status0 = module.status_bytes()
    return struct.pack(">2xBBbBBB", module.group, status3, round(module.temperature_c), status2, status1, status0)
