"""Power modules of the "0x060" family over CAN, sans-I/O: Winline UXR, SCU DPM1000, Vertiv R48.

125 kbit/s, 29-bit identifiers, big-endian. Identifier: protocol number 0x060 in bits 28 to 20, point-to-point in bit
19, destination in bits 18 to 11, source in bits 10 to 3 (controller 0xF0), and in bits 2 to 0 the group (Winline) or 3
with bit 2 for "more follows" (DPM, R48). Data: function, a byte, register, 32-bit value. What differs between the
members is data: function and second byte, the low identifier bits, how the current is stated.
"""

import math
import struct
from typing import Annotated, Literal

from msgspec import Meta

from drivers.can.frame import CanFrame
from drivers.data_file import Form, Mistake
from drivers.power.addressed import AddressedGroup, Quantity, Step, take
from drivers.power.models import PowerModel, settings_mistakes, settings_of
from drivers.power.module_group import GroupPlan, Module

_PROTOCOL, _CONTROLLER, _POINT_TO_POINT = 0x060, 0xF0, 1
_SET = 0x03
_FLOAT, _INTEGER, _SET_REPLY = 0x41, 0x42, 0x43
_ERROR_BIT = 0x80
_OK = 0xF0

_REGISTERS = {
    Quantity.STATUS: 0x40,
    Quantity.VOLTAGE: 0x01,
    Quantity.CURRENT: 0x02,
    Quantity.TEMPERATURE: 0x04,
    Quantity.RATED_CURRENT: 0x12,
    Quantity.RATED_POWER: 0x11,
}
_QUANTITIES = {register: quantity for quantity, register in _REGISTERS.items()}
_SET_VOLTAGE, _SET_FRACTION, _SET_MILLI, _ON_OFF = 0x21, 0x22, 0x1B, 0x30
_CONFIRMED = {_SET_VOLTAGE: Step.VOLTAGE, _SET_FRACTION: Step.CURRENT, _SET_MILLI: Step.CURRENT}
_ON, _OFF = 0, 0x00010000
_CURRENT_DIGIT = 1024

STATUS_BITS = {
    0: "fault",
    1: "protection",
    3: "internal bus failed",
    4: "input mode error",
    7: "output over-voltage of the DC stage",
    8: "PFC failed",
    9: "input over-voltage",
    14: "input under-voltage",
    16: "communication lost",
    17: "load sharing failed",
    22: "output off",
    23: "power limited",
    24: "derated",
    25: "input power limited",
    27: "fan failed",
    28: "output short circuit",
    30: "over-temperature",
    31: "output over-voltage",
}
_FAULT_BITS = frozenset({0, 1, 3, 4, 7, 8, 9, 14, 27, 28, 30, 31})


class Settings(Form, frozen=True, kw_only=True):
    """What differs between the members.

    ``current``: ``fraction`` of ``rated_current_a`` (register 22), or ``x1024``, amperes times 1024 (register 1B).
    ``low_bits``: bits 2 to 0 of identifiers; absent, they are the group number.
    """

    rated_current_a: Annotated[float, Meta(gt=0, le=1000)]
    current: Literal["fraction", "x1024"]
    read_function: Annotated[int, Meta(ge=0, le=0xFF)]
    second_byte: Annotated[int, Meta(ge=0, le=0xFF)]
    low_bits: Annotated[int, Meta(ge=0, le=7)] | None = None


def identifier(destination: int, low_bits: int, *, to_one: bool = True) -> int:
    """The identifier of a frame of the controller."""
    head = _PROTOCOL << 20 | int(to_one) << 19
    return head | destination << 11 | _CONTROLLER << 3 | low_bits


class Protno060(AddressedGroup):
    """One group. Raises ValueError for an address above 0xEF or a group number above 7 (it has three bits)."""

    reads = (
        Quantity.STATUS,
        Quantity.VOLTAGE,
        Quantity.CURRENT,
        Quantity.TEMPERATURE,
        Quantity.RATED_CURRENT,
        Quantity.RATED_POWER,
    )

    def __init__(self, settings: Settings, plan: GroupPlan, command_interval_s: float = 0.1) -> None:
        if any(not 0 <= address < _CONTROLLER for address in plan.addresses):
            raise ValueError(f"addresses {plan.addresses} are not within 0..239")
        if not 0 <= (plan.group_number or 0) <= 7:
            raise ValueError(f"group_number {plan.group_number} is not within 0..7")
        super().__init__(plan, command_interval_s, settings.rated_current_a)
        self._settings = settings
        self._low_bits = settings.low_bits if settings.low_bits is not None else plan.group_number or 0

    def receive(self, frame: CanFrame) -> None:
        """Take a frame of the line; its ``at_s`` is the time of arrival. What is no reply of the group is ignored."""
        word = frame.identifier
        destination, source = word >> 11 & 0xFF, word >> 3 & 0xFF
        ours = frame.extended and word >> 20 == _PROTOCOL and destination == _CONTROLLER
        if not ours or source not in self.plan.addresses:
            self.ignored += 1
            return
        module = self._heard(source, frame.at_s)
        if len(frame.data) != 8:
            self.errors += 1
            return
        function, outcome, register, value = struct.unpack(">BBHI", frame.data)
        if function & _ERROR_BIT or outcome != _OK:
            self.errors += 1
        elif function == _SET_REPLY:
            if register in _CONFIRMED:
                self._confirmed(source, _CONFIRMED[register])
        elif function in (_FLOAT, _INTEGER) and register in _QUANTITIES:
            self._measured(source, module, _QUANTITIES[register], function, value, frame.at_s)

    def _measured(
        self, address: int, module: Module, quantity: Quantity, function: int, value: int, at_s: float
    ) -> None:
        if quantity is Quantity.STATUS:
            bits = {bit for bit in STATUS_BITS if value >> bit & 1}
            names = tuple(STATUS_BITS[bit] for bit in sorted(bits))
            self._judge(address, module, names, faulted=bool(bits & _FAULT_BITS), idle=False)
            return
        number = struct.unpack(">f", value.to_bytes(4, "big"))[0] if function == _FLOAT else float(value)
        is_rating = quantity in (Quantity.RATED_CURRENT, Quantity.RATED_POWER)
        if not math.isfinite(number) or (is_rating and number <= 0):
            self.errors += 1
        else:
            take(module, quantity, number, at_s)

    def _step_frame(self, step: Step, address: int, value: float) -> CanFrame:
        if step is Step.VOLTAGE:
            return self._frame(address, _SET, _SET_VOLTAGE, _bits_of(value))
        if step is Step.CURRENT and self._settings.current == "fraction":
            return self._frame(address, _SET, _SET_FRACTION, _bits_of(min(value / self._settings.rated_current_a, 1.0)))
        if step is Step.CURRENT:
            return self._frame(address, _SET, _SET_MILLI, int(value * _CURRENT_DIGIT))
        return self._frame(address, _SET, _ON_OFF, _ON if step is Step.ON else _OFF)

    def _read(self, kind: Quantity, address: int) -> CanFrame:
        return self._frame(address, self._settings.read_function, _REGISTERS[kind], 0)

    def _frame(self, address: int, function: int, register: int, value: int) -> CanFrame:
        data = struct.pack(">BBHI", function, self._settings.second_byte, register, value)
        return CanFrame(identifier(address, self._low_bits), data)


def _bits_of(value: float) -> int:
    return int.from_bytes(struct.pack(">f", value), "big")


def mistakes(model: PowerModel) -> list[Mistake]:
    """What is wrong with the settings of a model."""
    return settings_mistakes(model, Settings)


def build(model: PowerModel, plan: GroupPlan, command_interval_s: float) -> Protno060:
    """See ``drivers.catalogue.build_power_stage``."""
    return Protno060(settings_of(model, Settings), plan, command_interval_s)
