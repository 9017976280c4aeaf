"""What the drivers of all families of DC power modules have in common. Sans-I/O.

One instance drives one group: the modules that are switched together. Several groups may share a CAN line, each with
its own instance. A set point holds for one second and then becomes off, so that a caller that has stopped does not
leave modules delivering. One instance sends one frame at a time, never two closer than its frame spacing: it repeats
the whole wanted state, so that a module that joins or restarts follows, and fits the reads in between.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading

SET_POINT_LIFETIME_S = 1.0
"""A set point that is not renewed for so long is off (own: ten times the usual command interval)."""
ALL_SILENT_S = 3.0
"""With no module heard for so long there are no readings at all (own)."""
OUTPUT_FRESH_S = 1.5
STATUS_FRESH_S = 3.0
"""Age up to which a measured output, or a status, takes part in the readings (own: the age limits of the signals)."""
LARGEST_SET_POINT = 1e6


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Which modules belong to a group.

    ``addresses``: those of its modules on the CAN line. ``group_number``: as set in the modules, None if the group has
    the line to itself.
    """

    addresses: tuple[int, ...]
    group_number: int | None = None

    @classmethod
    def of(cls, module_count: int, first_address: int = 0, group_number: int | None = None) -> "GroupPlan":
        """A group of consecutive addresses."""
        return cls(tuple(range(first_address, first_address + module_count)), group_number)


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What the group is to deliver: voltage, total current, and whether it is on at all."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    on: bool = False


@dataclass(slots=True)
class Module:
    """What is known of one module; ``*_at_s`` are the times of those replies."""

    seen_s: float
    voltage_v: float = 0.0
    voltage_at_s: float = -math.inf
    current_a: float = 0.0
    current_at_s: float = -math.inf
    temperature_c: float = 0.0
    temperature_at_s: float = -math.inf
    status: tuple[str, ...] = ()
    faulted: bool = False
    in_service: bool = True
    status_at_s: float = -math.inf
    group: int = 0
    maximum_voltage_v: float | None = None
    minimum_voltage_v: float | None = None
    maximum_current_a: float | None = None
    rated_power_w: float | None = None

    @property
    def output_at_s(self) -> float:
        """The older one of voltage and current."""
        return min(self.voltage_at_s, self.current_at_s)


C = TypeVar("C")
R = TypeVar("R")


class ModuleGroup(Generic[C, R]):
    """Set point, timetable and readings of one group. A family adds its frames.

    ``C`` is what a family calls a command in its round, ``R`` a kind of read. Raises ValueError for a group without
    modules, with an address twice, or a command interval that leaves no room for reads.
    """

    module_gone_s = 15.0
    """Silence after which a module counts as gone."""

    def __init__(self, plan: GroupPlan, command_interval_s: float, frame_spacing_s: float) -> None:
        if not plan.addresses or len(set(plan.addresses)) != len(plan.addresses):
            raise ValueError(f"addresses {plan.addresses} are none, or one is there twice")
        if not 0.05 <= command_interval_s <= 0.2:
            raise ValueError(f"command_interval_s {command_interval_s} is not within 0.05..0.2")
        self.plan = plan
        self.errors = 0
        self.ignored = 0
        self._command_interval_s = command_interval_s
        self._frame_spacing_s = frame_spacing_s
        self._modules: dict[int, Module] = {}
        self._wanted = SetPoint()
        self._is_new = False
        self._until_s = -math.inf
        self._commands: list[C] = []
        self._command_due_s = -math.inf
        self._command_began_s = -math.inf
        self._reads_due_s: dict[tuple[R, int], float] = {}
        self._sent_at_s = -math.inf
        for address in plan.addresses:
            self._reads_due_s[self._first_read(), address] = -math.inf

    # What a family states of itself.

    def _round(self) -> list[C]:
        """The commands that state the whole wanted state, in the order in which they are to be sent."""
        raise NotImplementedError

    def _command(self, command: C) -> CanFrame:
        """The frame of a command, for what is wanted at this moment."""
        raise NotImplementedError

    def _first_read(self) -> R:
        """What an absent module is looked for with."""
        raise NotImplementedError

    def _module_reads(self) -> tuple[R, ...]:
        """What is read of a module that is there."""
        raise NotImplementedError

    def _read(self, kind: R, address: int) -> CanFrame:
        """The frame of a read."""
        raise NotImplementedError

    def _read_interval_s(self, kind: R, address: int) -> float:
        """Time between two such reads."""
        raise NotImplementedError

    def _extra(self, now_s: float) -> CanFrame | None:
        """A frame besides commands and reads."""
        return None

    def _extra_due_s(self) -> float:
        """When ``_extra`` has something."""
        return math.inf

    # What every family owes (drivers.contracts.PowerStage).

    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        """Ask for ``voltage_v`` and a total of ``current_a``. Holds for 1 s from the next ``poll``, then it is off.

        Raises ValueError for a negative or undefined value.
        """
        for value in (voltage_v, current_a):
            if not (math.isfinite(value) and 0.0 <= value <= LARGEST_SET_POINT):
                raise ValueError(f"{value} is no set point")
        self._is_new = True
        self._replace(SetPoint(voltage_v, current_a, True) if on else SetPoint())

    def poll(self, now_s: float) -> list[CanFrame]:
        """The frame to send now, if any is due."""
        if self._is_new:
            self._is_new = False
            self._until_s = now_s + SET_POINT_LIFETIME_S
        elif now_s >= self._until_s:
            self._replace(SetPoint())
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
        due_s = min(self._command_due_s, self._extra_due_s(), *self._reads_due_s.values())
        if self._commands:
            due_s = now_s
        if self._wanted.on:
            due_s = min(due_s, self._until_s)
        return max(now_s, due_s, self._sent_at_s + self._frame_spacing_s)

    def readings(self, now_s: float) -> list[tuple[str, Reading]]:
        """The signals of the group, each with the time its bytes arrived.

        Nothing at all once no module has answered for 3 s. While a module is missing that still counts, what is
        measured without it is of quality suspect.
        """
        self._drop_lost(now_s)
        if not self._modules:
            return []
        last_seen_s = max(module.seen_s for module in self._modules.values())
        if now_s - last_seen_s > ALL_SILENT_S:
            return []
        everyone = list(self._modules.values())
        signals = [("module_count", Reading(len(everyone), "1", last_seen_s))]
        outputs = [m for m in everyone if now_s - m.output_at_s <= OUTPUT_FRESH_S]
        if outputs:
            at_s = min(m.output_at_s for m in outputs)
            quality = _quality(outputs, everyone)
            # The modules share one output: the highest voltage is the one that matters.
            signals.append(("module_voltage_v", Reading(max(m.voltage_v for m in outputs), "V", at_s, quality)))
            signals.append(("module_current_a", Reading(sum(m.current_a for m in outputs), "A", at_s, quality)))
        known = [m for m in everyone if now_s - m.status_at_s <= STATUS_FRESH_S]
        if known:
            at_s = min(m.status_at_s for m in known)
            quality = _quality(known, everyone)
            signals.append(("module_fault", Reading(any(m.faulted for m in known), "bool", at_s, quality)))
            # Ratings do not change; that the module is there and healthy is as old as its status.
            maximum_a = sum(m.maximum_current_a for m in known if m.in_service and m.maximum_current_a is not None)
            if any(m.maximum_current_a is not None for m in known):
                signals.append(("module_maximum_current_a", Reading(maximum_a, "A", at_s, quality)))
        warm = [m for m in everyone if now_s - m.temperature_at_s <= STATUS_FRESH_S]
        if warm:
            hottest_c = max(m.temperature_c for m in warm)
            at_s = min(m.temperature_at_s for m in warm)
            signals.append(("module_temperature_c", Reading(hottest_c, "degC", at_s, _quality(warm, everyone))))
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

    # For the families.

    def _heard(self, address: int, at_s: float) -> Module:
        """The module that has just answered; a new one is read from now on."""
        module = self._modules.get(address)
        if module is None:
            module = self._modules[address] = Module(at_s)
            for kind in self._module_reads():
                self._reads_due_s[kind, address] = -math.inf
        module.seen_s = at_s
        return module

    def _replace(self, wanted: SetPoint) -> None:
        if wanted == self._wanted:
            return
        if wanted.on is not self._wanted.on:
            self._commands.clear()
            self._command_due_s = -math.inf
        elif wanted.current_a < self._wanted.current_a or wanted.voltage_v < self._wanted.voltage_v:
            # Less does not wait for its turn; but a falling ramp must leave room for the reads.
            self._command_due_s = min(self._command_due_s, self._command_began_s + self._command_interval_s / 2)
        self._wanted = wanted

    def _drop_lost(self, now_s: float) -> None:
        lost = [address for address, module in self._modules.items() if now_s - module.seen_s > self.module_gone_s]
        for address in lost:
            del self._modules[address]
            for kind in self._module_reads():
                self._reads_due_s.pop((kind, address), None)
            if address in self.plan.addresses:
                self._reads_due_s[self._first_read(), address] = now_s

    def _next_command(self, now_s: float) -> CanFrame | None:
        if not self._commands and now_s >= self._command_due_s:
            self._commands = self._round()
            self._command_began_s = now_s
            self._command_due_s = now_s + self._command_interval_s
        if self._commands:
            return self._command(self._commands.pop(0))
        return self._extra(now_s)

    def _next_read(self, now_s: float) -> CanFrame | None:
        key, due_s = min(self._reads_due_s.items(), key=lambda item: item[1])
        if now_s < due_s:
            return None
        self._reads_due_s[key] = now_s + self._read_interval_s(*key)
        return self._read(*key)


def _quality(those: Iterable[Module], everyone: list[Module]) -> Quality:
    return Quality.GOOD if len(list(those)) == len(everyone) else Quality.SUSPECT
