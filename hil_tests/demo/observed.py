"""What the bench's plant has shown during a run with several guns, and what can be read from it. Pure.

The samples are true values of the plant (contactors, currents, allocation contactors), not what the agent reports.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FLOWS_A = 20.0
"""Own: from this current on a gun counts as charging; far above every offset of the plant, far below every demand."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at all guns at ``at_s``, monotonic seconds of this machine."""

    at_s: float
    closed: Mapping[int, bool]
    """By gun: current can flow, both contactors are closed."""
    current_a: Mapping[int, float]
    power_w: Mapping[int, float]
    fed_by: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By group of modules: the guns that it is joined to."""

    @classmethod
    def of(cls, probes: Mapping[int, Mapping[str, Any]]) -> "Sample":
        """From one probe a gun. The bank is the same in each."""
        first = next(iter(probes.values()))
        return cls(
            max(float(probe["time_s"]) for probe in probes.values()),
            {gun: bool(probe["contactors_closed"]) for gun, probe in probes.items()},
            {gun: float(probe["current_a"]) for gun, probe in probes.items()},
            {gun: float(probe["power_w"]) for gun, probe in probes.items()},
            {name: tuple(group["guns"]) for name, group in first.get("bank", {}).get("groups", {}).items()},
        )

    def flows(self, gun: int) -> bool:
        """Whether the gun delivers."""
        return self.closed.get(gun, False) and self.current_a.get(gun, 0.0) >= FLOWS_A


@dataclass(slots=True)
class Observed:
    """All samples of a run, and the moments at which the story did something."""

    samples: list[Sample] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    opened_at_s: dict[str, float] = field(default_factory=dict)
    """Exact times from the plant at which contactors opened, by a name that the story gives."""
    bank: Mapping[str, Any] = field(default_factory=dict)
    """Last state of groups and allocation contactors."""
    shares: list[Mapping[str, Any]] = field(default_factory=list)
    """Each division of power that the agent reported, in sequence, without repetition."""

    def take(self, probes: Mapping[int, Mapping[str, Any]]) -> Sample:
        """Keep one look at all guns."""
        sample = Sample.of(probes)
        self.samples.append(sample)
        self.bank = next(iter(probes.values())).get("bank", {})
        return sample

    def take_shares(self, power: Mapping[str, Any]) -> None:
        """Keep what the agent reports of the division of power, when it has changed."""
        if power and (not self.shares or self.shares[-1] != power):
            self.shares.append(power)

    def between(self, since_s: float | None, until_s: float | None) -> list[Sample]:
        """Samples from one moment to another; none if one of the moments never came."""
        if since_s is None or until_s is None:
            return []
        return [sample for sample in self.samples if since_s <= sample.at_s <= until_s]

    def longest_s(self, holds: Callable[[Sample], bool], samples: Sequence[Sample] | None = None) -> float:
        """The longest time over which a condition held in every sample."""
        longest_s, began_s = 0.0, None
        for sample in self.samples if samples is None else samples:
            if not holds(sample):
                began_s = None
                continue
            began_s = sample.at_s if began_s is None else began_s
            longest_s = max(longest_s, sample.at_s - began_s)
        return longest_s
