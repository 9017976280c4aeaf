"""Groups of power modules that feed one gun or another through allocation contactors. Pure.

    group A: contactor a1 to the module side of gun 1, contactor a2 to that of gun 2
    group B: contactor b1 to the module side of gun 1, contactor b2 to that of gun 2

Without allocation contactors each group feeds its home gun for good (fixed split). The bank also keeps what no rule of
the agent sees: the voltage difference at which each allocation contactor closed, and whether a group fed two guns.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hil_tests.bench.circuit import Contactor, Source
from hil_tests.bench.power_stage import Module, PowerStage

_PARKED_DECAY_S = 0.47
"""Output of a group that is off and joined to no gun: 470 uF over 1 kohm, as on the module side of the circuit."""


@dataclass(slots=True)
class Allocation:
    """One allocation contactor: it joins ``group`` to ``gun`` while relay ``output`` of the pile's board is closed."""

    group: str
    gun: int
    output: str
    contactor: Contactor
    closing_differences_v: list[float] = field(default_factory=list)
    """Voltage of the group less that of the gun's module side at each closing, V."""
    closing_voltages_v: list[tuple[float, float]] = field(default_factory=list)
    """The two of which that is the difference."""


@dataclass(slots=True)
class Group:
    """Modules that are switched together. ``voltage_v`` is that of their common output."""

    name: str
    home: int
    modules: list[Module]
    voltage_v: float = 0.0
    delivering: list[Module] = field(default_factory=list)


class ModuleBank:
    """All groups of a pile on one CAN line."""

    def __init__(
        self,
        stage: PowerStage,
        homes: Mapping[str, int],
        modules_per_group: int,
        allocations: Sequence[tuple[str, int, str]] = (),
    ) -> None:
        self.stage = stage
        self.groups: dict[str, Group] = {}
        for index, (name, home) in enumerate(homes.items()):
            modules = stage.modules[index * modules_per_group : (index + 1) * modules_per_group]
            if len(homes) > 1:
                for module in modules:
                    module.group = index + 1
            self.groups[name] = Group(name, home, modules)
        self.allocations = [Allocation(group, gun, output, Contactor(output)) for group, gun, output in allocations]
        self.fed_two_guns = 0
        """How many times a group became joined to two guns at once; anything but 0 is a fault of the agent."""
        self._joined: dict[str, tuple[int, ...]] = dict.fromkeys(homes, ())
        self._advanced_s: float | None = None
        self.gun_voltage_v: dict[int, Callable[[], float]] = {}
        """Voltage on the module side of each gun, from its plant."""
        self.coil: Callable[[str], bool] = lambda _output: False
        """Whether the relay of an allocation contactor is closed."""

    def joined(self, name: str) -> tuple[int, ...]:
        """The guns that the group feeds now: none, one, or (an error) more."""
        if not self.allocations:
            return (self.groups[name].home,)
        return tuple(each.gun for each in self.allocations if each.group == name and each.contactor.closed)

    def feed(self, gun: int) -> "Feed":
        """What the plant of a gun sees of the bank."""
        return Feed(self, gun)

    def step(self, dt_s: float, now_s: float) -> None:
        """Move the allocation contactors and the voltage of the groups that feed no gun. Called once per step."""
        if self._advanced_s is not None and now_s <= self._advanced_s:
            return
        self._advanced_s = now_s
        for allocation in self.allocations:
            was_closed = allocation.contactor.closed
            allocation.contactor.step(self.coil(allocation.output), now_s)
            if allocation.contactor.closed and not was_closed:
                gun_v = self.gun_voltage_v[allocation.gun]()
                group_v = self.groups[allocation.group].voltage_v
                allocation.closing_differences_v.append(group_v - gun_v)
                allocation.closing_voltages_v.append((group_v, gun_v))
        for group in self.groups.values():
            guns = self.joined(group.name)
            if len(guns) > 1 and len(self._joined[group.name]) <= 1:
                self.fed_two_guns += 1
            self._joined[group.name] = guns
            if not guns:
                self._park(group, dt_s, now_s)

    def _park(self, group: Group, dt_s: float, now_s: float) -> None:
        """Modules without load: they hold their voltage while on, and bleed it when off."""
        sources = [source for module in group.modules if (source := module.source(dt_s, now_s)) is not None]
        if sources:
            group.voltage_v = max(group.voltage_v, *(source.voltage_v for source in sources))
        else:
            group.voltage_v *= math.exp(-dt_s / _PARKED_DECAY_S)
        for module in group.modules:
            module.output_voltage_v, module.current_a = group.voltage_v, 0.0

    def probe(self) -> dict[str, object]:
        """What a person with a meter would find at the allocation contactors."""
        return {
            "groups": {
                group.name: {"guns": list(self.joined(group.name)), "voltage_v": round(group.voltage_v, 2)}
                for group in self.groups.values()
            },
            "allocations": {
                each.output: {
                    "closed": each.contactor.closed,
                    "closing_differences_v": [round(value, 2) for value in each.closing_differences_v],
                    "closing_voltages_v": [[round(value, 2) for value in pair] for pair in each.closing_voltages_v],
                }
                for each in self.allocations
            },
            "fed_two_guns": self.fed_two_guns,
        }


class Feed:
    """The groups that feed one gun, as its circuit needs them."""

    def __init__(self, bank: ModuleBank, gun: int) -> None:
        self._bank = bank
        self._gun = gun
        self._delivering: list[Module] = []
        self._groups: list[Group] = []

    def sources(self, dt_s: float, now_s: float) -> list[Source]:
        """Sources of the modules that deliver into this gun, for the next step of its circuit."""
        bank = self._bank
        bank.step(dt_s, now_s)
        # A group that feeds two guns is counted as an error and delivers into the first of them.
        self._groups = [group for group in bank.groups.values() if self._gun in bank.joined(group.name)[:1]]
        self._delivering, sources = [], []
        for group in self._groups:
            for module in group.modules:
                source = module.source(dt_s, now_s)
                if source is not None:
                    self._delivering.append(module)
                    sources.append(source)
        return sources

    def feed_back(self, output_voltage_v: float, currents_a: Sequence[float]) -> None:
        """What the circuit made of the last ``sources``."""
        for group in self._groups:
            group.voltage_v = output_voltage_v
            for module in group.modules:
                module.output_voltage_v = output_voltage_v
        for module, current_a in zip(self._delivering, currents_a, strict=True):
            module.current_a = current_a
