"""Power modules of other families for the bench: the same modules behind other frames.

Written from the protocol facts alone and without the agent's drivers. How a module heats, ramps and regulates is that
of ``power_stage``; here are only the frames. Both families are addressed module by module and acknowledge what they
take.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.can.frame import CanFrame
from hil_tests.bench.power_stage import MAXIMUM_CURRENT_A, RATED_POWER_W, Module, PowerStage


@dataclass(slots=True)
class LineFaults:
    """What is wrong with the modules' side of the line; each entry names addresses.

    ``late``: replies of these come one frame of the controller later. ``stray``: a frame that is put before each reply.
    """

    mute: set[int] = field(default_factory=set)
    deaf: set[int] = field(default_factory=set)
    short: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    stray: CanFrame | None = None


class AddressedStage(PowerStage):
    """Modules that are commanded one by one."""

    def __init__(self, addresses: tuple[int, ...]) -> None:
        super().__init__(len(addresses))
        for module, address in zip(self.modules, addresses, strict=True):
            module.address = address
        self.faults = LineFaults()
        self.reported_status: dict[int, int] = {}
        """Status word of a module, in place of what its state gives."""
        self._held: list[CanFrame] = []

    def receive(self, frame: CanFrame, now_s: float) -> list[CanFrame]:
        """Take a frame of the controller; return the replies, those of late modules one frame later."""
        late, self._held = self._held, []
        replies: list[CanFrame] = []
        for module in self.modules:
            if module.address in self.faults.deaf:
                continue
            reply = self._take(module, frame, now_s)
            if reply is None or module.address in self.faults.mute:
                continue
            if module.address in self.faults.short:
                reply = CanFrame(reply.identifier, reply.data[:5])
            if module.address in self.faults.late:
                self._held.append(reply)
                continue
            replies += [reply] if self.faults.stray is None else [self.faults.stray, reply]
        return [*late, *replies]

    def _take(self, module: Module, frame: CanFrame, now_s: float) -> CanFrame | None:
        raise NotImplementedError


class UUGreenStage(AddressedStage):
    """UUGreenPower: 1 in bits 28-25, monitor 1 in bits 24-21, module in bits 20-14; the low bits of replies vary.

    Data: group << 4 | type (0 set, 1 set-reply, 2 read, 3 read-reply), item, 32-bit value in the last four bytes.
    """

    def _take(self, module: Module, frame: CanFrame, now_s: float) -> CanFrame | None:
        if not frame.extended or frame.identifier >> 21 != 0x11 or len(frame.data) != 8:
            return None
        if frame.identifier >> 14 & 0x7F not in (0, module.address):
            return None
        kind, item = frame.data[0] & 0x0F, frame.data[1]
        (value,) = struct.unpack(">I", frame.data[4:])
        if kind not in (0, 2):
            return None
        module.last_frame_s, module.silent = now_s, False
        if kind == 0:
            self._set(module, item, value)
        else:
            value = self._value(module, item)
        head = (frame.data[0] & 0xF0) | (kind + 1)
        # Production day and serial number, as in replies of real modules.
        identifier = 0x11 << 21 | module.address << 14 | 17 << 9 | module.address & 0x1FF
        return CanFrame(identifier, bytes((head, item, 0, 0)) + struct.pack(">I", value))

    def _set(self, module: Module, item: int, value: int) -> None:
        if item == 2:
            module.voltage_set_v = value / 1000.0
        elif item == 3:
            module.current_set_a = value / 1000.0
        elif item == 4:
            module.on = value == 0

    def _value(self, module: Module, item: int) -> int:
        values: dict[int, Callable[[], float]] = {
            0: lambda: module.output_voltage_v * 1000,
            1: lambda: module.current_a * 1000,
            2: lambda: module.voltage_set_v * 1000,
            3: lambda: module.current_set_a * 1000,
            4: lambda: not module.on,
            8: lambda: self.reported_status.get(module.address, 0),
            34: lambda: module.temperature_c * 1000,
        }
        return round(values[item]()) & 0xFFFFFFFF if item in values else 0


class Protno060Stage(AddressedStage):
    """The 0x060 family. ``winline``: reads with 0x10, group in the low bits; else R48 and DPM: 0x01, low bits 3.

    Replies: byte 0 0x41 float, 0x42 integer, 0x43 set-ack with bit 7 for an error; byte 1 0xF0.
    """

    def __init__(self, addresses: tuple[int, ...], *, winline: bool = True, group: int = 0) -> None:
        super().__init__(addresses)
        self._winline = winline
        self._low_bits = group if winline else 3
        self.refuses: set[int] = set()
        """Registers that the modules refuse to set."""

    def _take(self, module: Module, frame: CanFrame, now_s: float) -> CanFrame | None:
        word = frame.identifier
        if not frame.extended or word >> 20 != 0x060 or len(frame.data) != 8 or word >> 3 & 0xFF != 0xF0:
            return None
        if word >> 11 & 0xFF not in (0xFF, module.address) or word & 7 != self._low_bits:
            return None
        function, second, register, value = struct.unpack(">BBHI", frame.data)
        if second != (0x00 if self._winline else 0xF0):
            return None
        module.last_frame_s, module.silent = now_s, False
        identifier = 0x060 << 20 | 1 << 19 | 0xF0 << 11 | module.address << 3 | self._low_bits
        if function == 0x03:
            wrong = register in self.refuses or not self._set(module, register, value)
            head = 0xC3 if wrong else 0x43
            return CanFrame(identifier, struct.pack(">BBHI", head, 0xF3 if wrong else 0xF0, register, value))
        if function != (0x10 if self._winline else 0x01):
            return CanFrame(identifier, struct.pack(">BBHI", 0xC1, 0xF2, register, 0))
        kind, number = self._value(module, register)
        return CanFrame(identifier, struct.pack(">BBH", kind, 0xF0, register) + number)

    def _set(self, module: Module, register: int, value: int) -> bool:
        number: float = struct.unpack(">f", struct.pack(">I", value))[0]
        if register == 0x21:
            module.voltage_set_v = number
        elif register == 0x22:
            module.current_set_a = number * MAXIMUM_CURRENT_A
        elif register == 0x1B:
            module.current_set_a = value / 1024
        elif register == 0x30:
            module.on = value == 0
        return register in (0x21, 0x22, 0x1B, 0x30)

    def _value(self, module: Module, register: int) -> tuple[int, bytes]:
        if register == 0x40:
            bits = module.faulted << 0 | module.over_temperature << 30 | (not module.delivering) << 22
            return 0x42, struct.pack(">I", self.reported_status.get(module.address, bits))
        values = {
            0x01: module.output_voltage_v,
            0x02: module.current_a,
            0x04: module.temperature_c,
            0x11: RATED_POWER_W,
            0x12: MAXIMUM_CURRENT_A,
        }
        return 0x41, struct.pack(">f", values.get(register, 0.0))
