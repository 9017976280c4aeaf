"""UUGreenPower UR1000x0 power modules over CAN, sans-I/O: 125 kbit/s, 29-bit identifiers, big-endian.

Identifier: 1 in bits 28 to 25, the monitor's address (1) in bits 24 to 21, the module in bits 20 to 14 (0: all), and in
replies the production day and the serial number in the lower 14 bits. Data: group << 4 | type, item, two bytes unused,
a 32-bit value. Sources that run against hardware address each module and divide the current; this driver does the same.
They disagree on the types of commands to all modules (11 and 12, or 5 and 6) and on the code of the automatic voltage
range (0, or 3): the first are not used, the second is a setting.
"""

import struct
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.can.frame import CanFrame
from drivers.data_file import Form, Mistake
from drivers.power.addressed import AddressedGroup, Quantity, Step, take
from drivers.power.models import PowerModel, settings_mistakes, settings_of
from drivers.power.module_group import GroupPlan

_PROTOCOL, _MONITOR = 1, 1
_SET, _SET_REPLY, _READ, _READ_REPLY = 0, 1, 2, 3
_SET_VOLTAGE, _SET_CURRENT, _SHUTDOWN = 2, 3, 4
_LARGEST_GROUP_NUMBER = 15

_SET_ITEMS = {Step.VOLTAGE: _SET_VOLTAGE, Step.CURRENT: _SET_CURRENT, Step.ON: _SHUTDOWN, Step.OFF: _SHUTDOWN}
_CONFIRMED = {_SET_VOLTAGE: Step.VOLTAGE, _SET_CURRENT: Step.CURRENT}
_ITEMS = {
    Quantity.STATUS: 8,
    Quantity.VOLTAGE: 0,
    Quantity.CURRENT: 1,
    Quantity.TEMPERATURE: 34,
}
_QUANTITIES = {item: quantity for quantity, item in _ITEMS.items()}


class StatusBit(Form, frozen=True, kw_only=True):
    """One bit of the status word. ``fault``: the module does not deliver; ``idle``: it is switched off or asleep."""

    bit: Annotated[int, Meta(ge=0, le=31)]
    name: Annotated[str, Meta(min_length=1)]
    effect: Literal["note", "fault", "idle"] = "note"


class Settings(Form, frozen=True, kw_only=True):
    """What differs between modules of the family.

    ``rated_current_a`` is that of one module. ``status_bits``: meaning of item 8; a bit that is not listed is shown
    with its number.
    """

    rated_current_a: Annotated[float, Meta(gt=0, le=1000)]
    status_bits: list[StatusBit] = msgspec.field(default_factory=list)


def identifier(module: int) -> int:
    """The identifier of a frame to a module."""
    return _PROTOCOL << 25 | _MONITOR << 21 | module << 14


class UUGreenPower(AddressedGroup):
    """One group. Raises ValueError for a group number above 15 (it has four bits) or an address above 127 or 0."""

    def __init__(self, settings: Settings, plan: GroupPlan, command_interval_s: float = 0.1) -> None:
        if any(not 1 <= address <= 0x7F for address in plan.addresses):
            raise ValueError(f"addresses {plan.addresses} are not within 1..127")
        if not 0 <= (plan.group_number or 0) <= _LARGEST_GROUP_NUMBER:
            raise ValueError(f"group_number {plan.group_number} is not within 0..{_LARGEST_GROUP_NUMBER}")
        super().__init__(plan, command_interval_s, settings.rated_current_a)
        self._bits = {entry.bit: entry for entry in settings.status_bits}

    def receive(self, frame: CanFrame) -> None:
        """Take a frame of the line; its ``at_s`` is the time of arrival. What is no reply of the group is ignored."""
        address = frame.identifier >> 14 & 0x7F
        kind = frame.data[0] & 0x0F if frame.data else None
        ours = frame.extended and frame.identifier >> 21 == _PROTOCOL << 4 | _MONITOR and address in self.plan.addresses
        if not ours or kind not in (_SET_REPLY, _READ_REPLY):
            self.ignored += 1
            return
        module = self._heard(address, frame.at_s)
        if len(frame.data) != 8:
            self.errors += 1
            return
        item, value = frame.data[1], int.from_bytes(frame.data[4:8], "big")
        quantity = _QUANTITIES.get(item)
        module.group = frame.data[0] >> 4
        if kind == _SET_REPLY:
            if item in _CONFIRMED:
                self._confirmed(address, _CONFIRMED[item])
        elif quantity is Quantity.STATUS:
            bits = [bit for bit in range(32) if value >> bit & 1]
            effects = {self._bits[bit].effect for bit in bits if bit in self._bits}
            names = tuple(self._bits[bit].name if bit in self._bits else f"status bit {bit}" for bit in bits)
            self._judge(address, module, names, faulted="fault" in effects, idle="idle" in effects)
        elif quantity is Quantity.TEMPERATURE:
            take(module, quantity, int.from_bytes(frame.data[4:8], "big", signed=True) / 1000.0, frame.at_s)
        elif quantity is not None:
            take(module, quantity, value / 1000.0, frame.at_s)

    def _step_frame(self, step: Step, address: int, value: float) -> CanFrame:
        number = int(step is Step.OFF) if step in (Step.ON, Step.OFF) else int(value * 1000)
        return self._frame(address, _SET, _SET_ITEMS[step], number)

    def _read(self, kind: Quantity, address: int) -> CanFrame:
        return self._frame(address, _READ, _ITEMS[kind], 0)

    def _frame(self, address: int, kind: int, item: int, value: int) -> CanFrame:
        head = (self.plan.group_number or 0) << 4 | kind
        return CanFrame(identifier(address), struct.pack(">BBHI", head, item, 0, value))


def mistakes(model: PowerModel) -> list[Mistake]:
    """What is wrong with the settings of a model."""
    return settings_mistakes(model, Settings)


def build(model: PowerModel, plan: GroupPlan, command_interval_s: float) -> UUGreenPower:
    """See ``drivers.catalogue.build_power_stage``."""
    return UUGreenPower(settings_of(model, Settings), plan, command_interval_s)
