"""Monitors and boards of other makers for the bench: an isoCHA425, a relay board with a watchdog, one without, inputs.

Written from the register descriptions alone and without the agent's drivers. A device is asked with a function code and
gives registers, bits, or an exception code; ``RtuDevice`` puts it behind Modbus RTU frames with the faults of a line.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from hil_tests.bench.meters.faults import Faults
from hil_tests.bench.plant import Plant
from hil_tests.bench.relay_board import RelayBoard

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_READ_BITS, _READ_REGISTERS = (1, 2), (3, 4)

Answer = list[int] | list[bool] | int | None
"""Registers or bits of a read, None for a write that was taken, an exception code as a plain number."""


class LineDevice(Protocol):
    """A device at one address of a line."""

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """A read of ``count``, or a write of the value ``count``."""


class IsoCha425:
    """Bender isoCHA425HV, function 3: four registers a value (f32; alarm, test, unit, validity; description).

    1000 R_F in ohm, 1008 U_N, 1016 U_L1e, 1020 U_L2e. Fields may be set to play a self-test or a defect.
    """

    def __init__(self, resistance_kohm: Callable[[], float], voltage_v: Callable[[], float]) -> None:
        self._resistance_kohm = resistance_kohm
        self._voltage_v = voltage_v
        self.alarm = 0
        self.test = 0
        self.validity = 0
        self.forced_ohm: float | None = None

    @classmethod
    def at(cls, plant: Plant) -> "IsoCha425":
        """The monitor of a plant: two equal poles, so that R_F is half of one."""
        return cls(lambda: plant.insulation_kohm / 2, lambda: plant.insulation_voltage_v)

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """See LineDevice. Registers between the values read 0."""
        if function != 3:
            return ILLEGAL_FUNCTION
        if not (register >= 1000 and register + count <= 1032):
            return ILLEGAL_ADDRESS
        ohm = self._resistance_kohm() * 1000.0 if self.forced_ohm is None else self.forced_ohm
        image = [0] * 32
        half_v = self._voltage_v() / 2
        for first, value in ((0, ohm), (8, 2 * half_v), (16, half_v), (20, -half_v)):
            word = (self.test << 14 | self.alarm << 8 | self.validity << 6) if first == 0 else 0
            image[first : first + 4] = [*struct.unpack(">HH", struct.pack(">f", value)), word | 1, 0]
        return image[register - 1000 : register - 1000 + count]


class WatchdogBoard:
    """Wiren Board WB-MR6C: coils 0 to 5, discrete inputs 0 to 5, safety timer in seconds in holding register 8.

    Any request to the board restarts the timer; when it has run out all relays open.
    """

    CHANNELS = 6

    def __init__(self) -> None:
        self.closed = [False] * self.CHANNELS
        self.levels = [False] * self.CHANNELS
        self.safety_timer_s = 0
        self.keeps_timer = True
        self._asked_at_s: float | None = None

    def relays(self, now_s: float) -> list[bool]:
        """State of the relays now."""
        silent_s = 0.0 if self._asked_at_s is None else now_s - self._asked_at_s
        if self.safety_timer_s and silent_s > self.safety_timer_s:
            self.closed = [False] * self.CHANNELS
        return self.closed

    def restart(self) -> None:
        """The supply was interrupted: relays open, the timer is off."""
        self.closed, self.safety_timer_s = [False] * self.CHANNELS, 0

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """See LineDevice."""
        self.relays(now_s)
        self._asked_at_s = now_s
        if function in _READ_BITS:
            states = self.closed if function == 1 else self.levels
            return list(states[register : register + count]) if register + count <= self.CHANNELS else ILLEGAL_ADDRESS
        if function == 5:
            if register >= self.CHANNELS or count not in (0, 0xFF00):
                return ILLEGAL_ADDRESS
            self.closed[register] = count == 0xFF00
            return None
        if register != 8:
            return ILLEGAL_ADDRESS
        if function == 3:
            return [self.safety_timer_s]
        if function == 6:
            if self.keeps_timer:
                self.safety_timer_s = count
            return None
        return ILLEGAL_FUNCTION


class PulseBoard:
    """The relay board of ``relay_board`` with its timed pulses, and discrete inputs."""

    def __init__(self) -> None:
        self.board = RelayBoard()
        self.levels = [False] * self.board.channels

    def relays(self, now_s: float) -> list[bool]:
        """State of the relays now."""
        return list(self.board.closed(now_s))

    def restart(self) -> None:
        """The supply was interrupted: relays open."""
        self.board = RelayBoard(self.board.channels)

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """See LineDevice."""
        if function in _READ_BITS:
            return (self.relays(now_s) if function == 1 else list(self.levels))[register : register + count]
        if function != 5:
            return ILLEGAL_FUNCTION
        return None if self.board.write_single(register, count, now_s) else ILLEGAL_ADDRESS


class CommandBoard:
    """R421A08: function 6 in registers 1 to 8, 0x0100 closes, 0x0200 opens, 0x0300 toggles; function 3 reads 1 or 0."""

    CHANNELS = 8

    def __init__(self) -> None:
        self.closed = [False] * self.CHANNELS

    def relays(self, now_s: float) -> list[bool]:
        """State of the relays."""
        return self.closed

    def restart(self) -> None:
        """The supply was interrupted: relays open."""
        self.closed = [False] * self.CHANNELS

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """See LineDevice."""
        if function == 3:
            if not (register >= 1 and register + count <= self.CHANNELS + 1):
                return ILLEGAL_ADDRESS
            return [int(state) for state in self.closed[register - 1 : register - 1 + count]]
        if function != 6:
            return ILLEGAL_FUNCTION
        if not 1 <= register <= self.CHANNELS:
            return ILLEGAL_ADDRESS
        commands = {0x0100: True, 0x0200: False, 0x0300: not self.closed[register - 1]}
        if count not in commands:
            return ILLEGAL_VALUE
        self.closed[register - 1] = commands[count]
        return None


class RegisterInputs:
    """Any board with analogue inputs as registers of one function from ``start``."""

    def __init__(self, function: int, start: int, values: Sequence[int]) -> None:
        self._function, self._start = function, start
        self.values = list(values)

    def ask(self, function: int, register: int, count: int, now_s: float) -> Answer:
        """See LineDevice."""
        if function != self._function:
            return ILLEGAL_FUNCTION
        first = register - self._start
        return [value & 0xFFFF for value in self.values[first : first + count]]


class RtuDevice:
    """A device behind RTU frames. ``faults`` spoils its replies; ``latency_s`` is its time to think."""

    def __init__(self, address: int, device: LineDevice, latency_s: float = 0.003) -> None:
        self.address = address
        self.device = device
        self.latency_s = latency_s
        self.faults = Faults()

    def hear(self, frame: bytes, now_s: float) -> list[tuple[float, bytes]]:
        """What it sends for a frame of the master, and when; nothing for another address or a damaged frame."""
        if len(frame) != 8 or frame[0] != self.address or _crc(frame[:-2]) != frame[-2:]:
            return []
        function, register, count = struct.unpack(">BHH", frame[1:6])
        answer = self.device.ask(function, register, count, now_s)
        if isinstance(answer, int):
            body = bytes((self.address, function | 0x80, answer))
        elif answer is None:
            body = frame[:6]
        elif function in _READ_BITS:
            packed = sum(1 << position for position, bit in enumerate(answer) if bit)
            size = (len(answer) + 7) // 8
            body = bytes((self.address, function, size)) + packed.to_bytes(size, "little")
        else:
            body = bytes((self.address, function, 2 * len(answer))) + struct.pack(f">{len(answer)}H", *answer)
        spoiled = self.faults.take()
        if "short" in spoiled and function in _READ_REGISTERS and not isinstance(answer, int):
            cut = body[3 : len(body) - 2 * int(spoiled["short"])]
            body = body[:2] + bytes((len(cut),)) + cut
        if "unit" in spoiled:
            body = bytes((body[0] + int(spoiled["unit"]),)) + body[1:]
        sendings = self.faults.spoiled_frame(body + _crc(body), spoiled)
        return [(now_s + self.latency_s + sending.after_s, sending.data) for sending in sendings]


def _crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")
