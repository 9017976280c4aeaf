"""InfyPower REG/CEG/LRG power modules over CAN (protocol V1.13), sans-I/O: 125 kbit/s, 29-bit identifiers, big-endian.

Modules lose back-to-back commands, so that no two frames are closer than the frame spacing.

The set point is sent as system voltage and *total* current (command 0x1B), which the modules share among themselves. A
broadcast of the per-module command 0x1C would multiply the current by the number of modules, also by those that are
not known, and addressing them one by one needs a division that is wrong while one of them is lost. The two exclude
each other. Several groups on one line: each group's number is set in its modules, commands go to the group (device
0x0B), and a module that reports another group counts as faulted, because it follows another set point.
"""

import math
import struct

from drivers.can.frame import CanFrame
from drivers.data_file import Form, Mistake
from drivers.power.models import PowerModel, settings_mistakes, settings_of
from drivers.power.module_group import GroupPlan, ModuleGroup

CONTROLLER = 0xF0
BROADCAST = 0x3F
_LAST_MODULE = 0x3E
_ONE_MODULE, _GROUP = 0x0A, 0x0B

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

# Modules switch off after 10 s of silence; to drop one earlier would load the others while it still delivers.
_MODULE_GONE_S = 15.0
_LARGEST_GROUP = 60

_OUTPUT_INTERVAL_S = 0.2
_STATUS_INTERVAL_S = 1.0
_DISCOVERY_INTERVAL_S = 2.0
_RATINGS_INTERVAL_S = 10.0
_WALK_IN_INTERVAL_S = 5.0
_MISSING_INTERVAL_S = 2.0

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
WRONG_GROUP = "wrong group"
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
        WRONG_GROUP,
    }
)


def identifier(command: int, destination: int, source: int = CONTROLLER, device: int = _ONE_MODULE) -> int:
    """The 29-bit identifier of an error-free frame."""
    return device << 22 | command << 16 | destination << 8 | source


class InfyPower(ModuleGroup[int, int]):
    """One group of modules (1 to 60).

    ``command_interval_s`` is the repetition of the wanted state (0.05 to 0.2 s), ``frame_spacing_s`` the least distance
    of two frames (10 ms; 5 ms for more than 16 modules, which could not all be read in time otherwise), ``walk_in`` the
    slow start of the modules. Without a group number the group has the line to itself, and modules at other addresses
    that answer count as well. Raises ValueError if a value is out of range.
    """

    module_gone_s = _MODULE_GONE_S

    def __init__(
        self,
        plan: GroupPlan,
        command_interval_s: float = 0.1,
        *,
        frame_spacing_s: float | None = None,
        walk_in: bool = False,
    ) -> None:
        if not 1 <= len(plan.addresses) <= _LARGEST_GROUP or max(plan.addresses) > _LAST_MODULE:
            raise ValueError(f"addresses {plan.addresses} are not 1 to {_LARGEST_GROUP} within 0..{_LAST_MODULE}")
        if plan.group_number is not None and not 0 <= plan.group_number <= _LAST_MODULE:
            raise ValueError(f"group_number {plan.group_number} is not within 0..{_LAST_MODULE}")
        if frame_spacing_s is None:
            frame_spacing_s = _SPACING_S if len(plan.addresses) <= _FEW_MODULES else _SPACING_OF_MANY_S
        if not 0.0 < frame_spacing_s <= command_interval_s / 4:
            raise ValueError(f"frame_spacing_s {frame_spacing_s} leaves no room for reads")
        super().__init__(plan, command_interval_s, frame_spacing_s)
        self._walk_in = walk_in
        self._walk_in_due_s = -math.inf
        if plan.group_number is None:
            self._reads_due_s[READ_STATUS, BROADCAST] = -math.inf

    def receive(self, frame: CanFrame) -> None:
        """Take a frame of the line; its ``at_s`` is the time of arrival. What is no reply of the group is ignored."""
        error, device = frame.identifier >> 26, frame.identifier >> 22 & 0x0F
        command, destination = frame.identifier >> 16 & 0x3F, frame.identifier >> 8 & 0xFF
        source = frame.identifier & 0xFF
        plan = self.plan
        others = plan.group_number is not None and source not in plan.addresses
        ours = frame.extended and device == _ONE_MODULE and destination == CONTROLLER
        if not ours or source > _LAST_MODULE or others:
            self.ignored += 1
            return
        module = self._heard(source, frame.at_s)
        if error or len(frame.data) != 8:
            self.errors += 1
        elif command == READ_OUTPUT:
            voltage_mv, current_ma = struct.unpack(">II", frame.data)
            module.voltage_v, module.current_a = voltage_mv / 1000.0, current_ma / 1000.0
            module.voltage_at_s = module.current_at_s = frame.at_s
        elif command == READ_STATUS:
            _, _, group, _, temperature_c, status2, status1, status0 = struct.unpack(">BBBBbBBB", frame.data)
            words = {2: status2, 1: status1, 0: status0}
            status = [name for (word, bit), name in STATUS_BITS.items() if words[word] >> bit & 1]
            if plan.group_number is not None and group != plan.group_number:
                status.append(WRONG_GROUP)
            module.status = tuple(status)
            module.faulted = not FAULT_NAMES.isdisjoint(status)
            module.in_service = not module.faulted and "sleeping" not in status
            module.group, module.temperature_c = group, temperature_c
            module.status_at_s = module.temperature_at_s = frame.at_s
        elif command == READ_RATINGS:
            maximum_v, minimum_v, maximum_da, power_10w = struct.unpack(">HHHH", frame.data)
            module.maximum_voltage_v, module.minimum_voltage_v = maximum_v, minimum_v
            module.maximum_current_a, module.rated_power_w = maximum_da / 10.0, power_10w * 10

    def _round(self) -> list[int]:
        # Off before anything else; on only after the set point that it shall start with.
        return [SET_SYSTEM_OUTPUT, SET_ON_OFF] if self._wanted.on else [SET_ON_OFF, SET_SYSTEM_OUTPUT]

    def _command(self, command: int) -> CanFrame:
        wanted = self._wanted
        if command == SET_SYSTEM_OUTPUT:
            data = struct.pack(">II", round(wanted.voltage_v * 1000), round(wanted.current_a * 1000))
        else:
            data = bytes((_ON if wanted.on else _OFF,)).ljust(8, b"\0")
        return CanFrame(self._to_all(command), data)

    def _to_all(self, command: int) -> int:
        group = self.plan.group_number
        return identifier(command, BROADCAST) if group is None else identifier(command, group, device=_GROUP)

    def _extra(self, now_s: float) -> CanFrame | None:
        if now_s < self._walk_in_due_s:
            return None
        self._walk_in_due_s = now_s + _WALK_IN_INTERVAL_S
        return CanFrame(self._to_all(SET_WALK_IN), bytes((int(self._walk_in),)).ljust(8, b"\0"))

    def _extra_due_s(self) -> float:
        return self._walk_in_due_s

    def _first_read(self) -> int:
        return READ_STATUS

    def _module_reads(self) -> tuple[int, ...]:
        return READ_STATUS, READ_OUTPUT, READ_RATINGS

    def _read(self, kind: int, address: int) -> CanFrame:
        return CanFrame(identifier(kind, address), _NO_DATA)

    def _read_interval_s(self, kind: int, address: int) -> float:
        if kind == READ_OUTPUT:
            return _OUTPUT_INTERVAL_S
        module = self._modules.get(address)
        if kind == READ_RATINGS:
            known = module is not None and module.maximum_current_a is not None
            return _RATINGS_INTERVAL_S if known else _STATUS_INTERVAL_S
        if address == BROADCAST:
            return _DISCOVERY_INTERVAL_S
        return _STATUS_INTERVAL_S if module is not None else _MISSING_INTERVAL_S


class Settings(Form, frozen=True, kw_only=True):
    """What differs between installations. ``walk_in``: the modules start slowly."""

    walk_in: bool = False


def mistakes(model: PowerModel) -> list[Mistake]:
    """What is wrong with the settings of a model."""
    return settings_mistakes(model, Settings)


def build(model: PowerModel, plan: GroupPlan, command_interval_s: float) -> InfyPower:
    """See ``drivers.catalogue.build_power_stage``."""
    return InfyPower(plan, command_interval_s, walk_in=settings_of(model, Settings).walk_in)
