"""Families of modules that are commanded one by one, each with its own share of the current. Sans-I/O.

The total current is divided among the modules that can deliver. A module that is silent for long, or faulted, is
commanded off and gets no share, so that one with only its replies lost cannot add to the total. A module is switched
on only after it has confirmed the voltage and the current that it shall start with: a lost frame must not let it start
with a set point of the past. Modules that do not belong to the group are never addressed.
"""

import enum
from dataclasses import dataclass

from drivers.can.frame import CanFrame
from drivers.power.module_group import GroupPlan, Module, ModuleGroup

FRAME_SPACING_S = 0.005
"""Least distance of two frames (own): a frame takes 1.1 ms at 125 kbit/s."""
LARGEST_GROUP = 12
"""Modules that one driver reads and commands in time (own, from the spacing and the age limits of the readings)."""
NOT_CONFIRMED = "set point not confirmed"
_CONFIRM_LIMIT_S = 3.0
"""A module that is to be on and has not confirmed its set points for so long is faulted (own)."""
_ROUND_SHARE = 2.0
"""A round of commands takes at most one half of the frames; the rest is for reads (own)."""


class Step(enum.Enum):
    """A command to one module."""

    OFF = "off"
    VOLTAGE = "voltage"
    CURRENT = "current"
    ON = "on"


class Quantity(enum.Enum):
    """A read of one module."""

    VOLTAGE = "voltage"
    CURRENT = "current"
    STATUS = "status"
    TEMPERATURE = "temperature"
    RATED_CURRENT = "rated current"
    RATED_POWER = "rated power"


READ_INTERVALS_S = {
    Quantity.VOLTAGE: 0.2,
    Quantity.CURRENT: 0.2,
    Quantity.STATUS: 1.0,
    Quantity.TEMPERATURE: 1.0,
    Quantity.RATED_CURRENT: 10.0,
    Quantity.RATED_POWER: 10.0,
}
_MISSING_INTERVAL_S = 2.0
_PER_MODULE_S = 0.05


@dataclass(slots=True)
class _Confirmation:
    """What a module has confirmed since it was last to be off."""

    steps: frozenset[Step] = frozenset()
    wanted_since_s: float | None = None


class AddressedGroup(ModuleGroup[tuple[Step, int], Quantity]):
    """One group. ``rated_current_a`` is that of one module, until it states its own.

    Raises ValueError if there are more than twelve modules or the interval is out of range.
    """

    reads: tuple[Quantity, ...] = (Quantity.STATUS, Quantity.VOLTAGE, Quantity.CURRENT, Quantity.TEMPERATURE)
    """What the family reads; status first, it is what a missing module is looked for with."""

    def __init__(self, plan: GroupPlan, command_interval_s: float, rated_current_a: float) -> None:
        if len(plan.addresses) > LARGEST_GROUP:
            raise ValueError(f"{len(plan.addresses)} modules are not within 1..{LARGEST_GROUP}")
        super().__init__(plan, command_interval_s, FRAME_SPACING_S)
        round_s = 3 * len(plan.addresses) * FRAME_SPACING_S * _ROUND_SHARE
        self._command_interval_s = max(command_interval_s, round_s)
        self._rated_current_a = rated_current_a
        self._confirmations = {address: _Confirmation() for address in plan.addresses}
        self._now_s = 0.0

    # What a family states of itself.

    def _step_frame(self, step: Step, address: int, value: float) -> CanFrame:
        """The frame of a command; ``value`` is V or A, 0 for on and off."""
        raise NotImplementedError

    # What this class makes of it.

    def poll(self, now_s: float) -> list[CanFrame]:
        """See ``ModuleGroup``."""
        self._now_s = now_s
        return super().poll(now_s)

    def share_a(self, address: int) -> float:
        """The part of the total current that a module is to deliver; 0 for one that is to be off."""
        able = [each for each in self.plan.addresses if self._is_able(each)]
        if not self._wanted.on or address not in able:
            return 0.0
        stated_a = self._modules[address].maximum_current_a
        limit_a = self._rated_current_a if stated_a is None else stated_a
        return min(self._wanted.current_a / len(able), limit_a)

    def _is_able(self, address: int) -> bool:
        module = self._modules.get(address)
        return module is not None and not module.faulted

    def _round(self) -> list[tuple[Step, int]]:
        addresses = self.plan.addresses
        if not self._wanted.on:
            for address in addresses:
                self._confirmations[address] = _Confirmation()
            return [(Step.OFF, address) for address in addresses]
        on = [address for address in addresses if self._is_able(address)]
        # Off before anything else; on only after the set points.
        steps = [(Step.OFF, address) for address in addresses if address not in on]
        for address in addresses:
            module = self._modules.get(address)
            # One that does not confirm stays as it is until the group is off: it must not be tried again and again.
            if address not in on and (module is None or NOT_CONFIRMED not in module.status):
                self._confirmations[address] = _Confirmation()
        steps += [(step, address) for address in on for step in (Step.VOLTAGE, Step.CURRENT)]
        return [*steps, *((Step.ON, address) for address in on)]

    def _command(self, command: tuple[Step, int]) -> CanFrame:
        step, address = command
        if step is Step.VOLTAGE:
            return self._step_frame(step, address, self._wanted.voltage_v)
        if step is Step.CURRENT:
            return self._step_frame(step, address, self.share_a(address))
        if step is Step.ON and not self._may_start(address):
            step = Step.OFF
        return self._step_frame(step, address, 0.0)

    def _may_start(self, address: int) -> bool:
        confirmation = self._confirmations[address]
        if confirmation.wanted_since_s is None:
            confirmation.wanted_since_s = self._now_s
        return self._is_able(address) and {Step.VOLTAGE, Step.CURRENT} <= confirmation.steps

    def _confirmed(self, address: int, step: Step) -> None:
        """A module has taken a set point."""
        confirmation = self._confirmations[address]
        confirmation.steps |= {step}

    def _judge(self, address: int, module: Module, status: tuple[str, ...], *, faulted: bool, idle: bool) -> None:
        """Take a status in; a module that does not confirm its command is faulted as well."""
        confirmation = self._confirmations[address]
        since_s = confirmation.wanted_since_s
        waits = since_s is not None and not {Step.VOLTAGE, Step.CURRENT} <= confirmation.steps
        if waits and since_s is not None and module.seen_s - since_s > _CONFIRM_LIMIT_S:
            status, faulted = (*status, NOT_CONFIRMED), True
        module.status, module.faulted = status, faulted
        module.in_service = not faulted and not idle
        module.status_at_s = module.seen_s
        if module.maximum_current_a is None:
            module.maximum_current_a = self._rated_current_a

    def _first_read(self) -> Quantity:
        return Quantity.STATUS

    def _module_reads(self) -> tuple[Quantity, ...]:
        return self.reads

    def _read_interval_s(self, kind: Quantity, address: int) -> float:
        if address not in self._modules:
            return _MISSING_INTERVAL_S
        return max(READ_INTERVALS_S[kind], len(self.plan.addresses) * _PER_MODULE_S)


def take(module: Module, quantity: Quantity, value: float, at_s: float) -> None:
    """A measured value or a rating of a module."""
    if quantity is Quantity.VOLTAGE:
        module.voltage_v, module.voltage_at_s = value, at_s
    elif quantity is Quantity.CURRENT:
        module.current_a, module.current_at_s = value, at_s
    elif quantity is Quantity.TEMPERATURE:
        module.temperature_c, module.temperature_at_s = value, at_s
    elif quantity is Quantity.RATED_CURRENT:
        module.maximum_current_a = value
    elif quantity is Quantity.RATED_POWER:
        module.rated_power_w = value
