"""The power budget of the pile and its fair division over the connectors 功率预算与分配.

The sum of all granted shares never exceeds the budget: a lowering acts in the same evaluation, a raise waits until
the power that others may still draw has been seen to fall, and rises at a limited rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.control.power.evidence import Evidence
from agent.control.power.parameters import PowerNumbers, PowerParameters
from drivers.reading import Reading

_LONGEST_STEP_S = 0.1
"""A raise counts no more time than this in one evaluation: after a pause of the program it starts slowly (own)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Power for all connectors together, DC side, and what sets it."""

    power_w: float
    by: str


def pile_budget(parameters: PowerParameters, command: tuple[float, str]) -> Budget:
    """The least of rating, incomer limit (less own consumption and losses) and the limit by command."""
    numbers = parameters.numbers
    candidates = [(parameters.maximum_power_w, "profile"), command]
    if parameters.incomer_limit_w is not None:
        usable_w = (parameters.incomer_limit_w - numbers.own_consumption_w) * numbers.efficiency
        candidates.append((usable_w, "incomer"))
    power_w, by = min(candidates, key=lambda pair: pair[0])
    return Budget(max(0.0, power_w), by)


def water_fill(total_w: float, wanted_w: Mapping[int, float]) -> dict[int, float]:
    """Equal parts first; what one cannot use goes to the others in equal parts."""
    shares = dict.fromkeys(wanted_w, 0.0)
    left_w = total_w
    ascending = sorted(wanted_w, key=lambda connector: (wanted_w[connector], connector))
    for position, connector in enumerate(ascending):
        shares[connector] = min(wanted_w[connector], left_w / (len(ascending) - position))
        left_w -= shares[connector]
    return shares


@dataclass(frozen=True, slots=True)
class Need:
    """What a connector could use now."""

    wanted_w: float
    """What its vehicle can take; 0 without a session."""
    capability_w: float
    """What its groups and its rating allow."""
    capability_by: str
    """``modules`` or ``connector``: which of the two is less."""
    measured_w: Reading | None = None
    """Fresh measured output power."""
    blocked: bool = False
    """Gets nothing: fault, or no word from its core."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Power that a connector may draw and who sets it; see ``PowerShare``."""

    power_w: float
    by: str


@dataclass(slots=True)
class _Account:
    """What is known of one connector's share."""

    evidence: Evidence
    granted_w: float = 0.0
    committed_w: float = 0.0
    """What it may still draw: the share before a lowering, until the lowering is seen."""
    lowered_at_s: float = float("-inf")
    held_w: float = 0.0
    """Need in force: the peak of the last ``need_hold_s``."""
    low_since_s: float | None = None
    low_peak_w: float = 0.0
    raising: bool = field(default=False)


class ShareKeeper:
    """Divides the budget. One ``update`` an evaluation; time must not go back."""

    def __init__(self, numbers: PowerNumbers, connectors: Mapping[int, float]) -> None:
        self._numbers = numbers
        self._accounts = {
            connector: _Account(Evidence(int(numbers.evidence_samples), numbers.evidence_s))
            for connector in sorted(connectors)
        }
        self._updated_at_s: float | None = None

    @property
    def committed_w(self) -> float:
        """What all connectors together may still draw."""
        return sum(account.committed_w for account in self._accounts.values())

    def update(self, now_s: float, budget: Budget, needs: Mapping[int, Need]) -> dict[int, Grant]:
        """Lower what must fall, confirm what has fallen, then raise into the room that is left."""
        wanted = {
            connector: min(self._held(account, needs[connector], now_s), needs[connector].capability_w)
            for connector, account in self._accounts.items()
        }
        targets = water_fill(budget.power_w, wanted)
        for connector, account in self._accounts.items():
            if targets[connector] < account.granted_w:
                account.granted_w, account.lowered_at_s, account.raising = targets[connector], now_s, False
            self._confirm(account, needs[connector].measured_w, now_s)
        waiting = self._raise(now_s, budget, targets)
        return {
            connector: Grant(account.granted_w, self._by(connector, budget, needs, targets, waiting))
            for connector, account in self._accounts.items()
        }

    def _held(self, account: _Account, need: Need, now_s: float) -> float:
        """The need without its short dips: shares must not follow every ripple of a vehicle's demand."""
        wanted_w = 0.0 if need.blocked else max(0.0, need.wanted_w)
        if wanted_w >= account.held_w or wanted_w == 0.0:
            account.held_w, account.low_since_s, account.low_peak_w = wanted_w, None, 0.0
            return account.held_w
        account.low_peak_w = max(account.low_peak_w, wanted_w)
        if account.low_since_s is None:
            account.low_since_s = now_s
        if now_s - account.low_since_s >= self._numbers.need_hold_s:
            account.held_w, account.low_since_s, account.low_peak_w = account.low_peak_w, None, 0.0
        return account.held_w

    def _confirm(self, account: _Account, measured_w: Reading | None, now_s: float) -> None:
        numbers = self._numbers
        if account.granted_w >= account.committed_w:
            account.committed_w = account.granted_w
            account.evidence.update(now_s, None, None)
            return
        if measured_w is None:
            account.evidence.update(now_s, None, None)
            if now_s - account.lowered_at_s >= numbers.lowering_unmeasured_s:
                account.committed_w = account.granted_w
            return
        if measured_w.at_s <= account.lowered_at_s:
            return
        tolerance_w = numbers.lowering_tolerance_w + numbers.lowering_tolerance_share * account.granted_w
        low = measured_w.value <= account.granted_w + tolerance_w
        if account.evidence.update(now_s, low, measured_w.at_s) is True:
            account.committed_w = account.granted_w

    def _raise(self, now_s: float, budget: Budget, targets: Mapping[int, float]) -> frozenset[int]:
        """Raise towards the targets; return the connectors that wait for another one's lowering."""
        before_s = now_s if self._updated_at_s is None else self._updated_at_s
        self._updated_at_s = now_s
        step_w = self._numbers.raise_rate_w_per_s * min(now_s - before_s, _LONGEST_STEP_S)
        waiting = set()
        for connector, account in self._accounts.items():
            gap_w = targets[connector] - account.granted_w
            account.raising = gap_w > 0 and (
                account.raising or account.granted_w == 0.0 or gap_w > self._numbers.raise_hysteresis_w
            )
            if not account.raising:
                continue
            # What this connector still draws of a former share leaves room for its own raise.
            room_w = budget.power_w - self.committed_w + account.committed_w - account.granted_w
            if room_w < min(gap_w, step_w):
                waiting.add(connector)
            account.granted_w += max(0.0, min(gap_w, step_w, room_w))
            account.committed_w = max(account.committed_w, account.granted_w)
        return frozenset(waiting)

    def _by(
        self,
        connector: int,
        budget: Budget,
        needs: Mapping[int, Need],
        targets: Mapping[int, float],
        waiting: frozenset[int],
    ) -> str:
        need, account = needs[connector], self._accounts[connector]
        if need.blocked:
            return "fault"
        if account.granted_w >= need.wanted_w:
            return "vehicle"
        others = [
            str(other)
            for other, its in self._accounts.items()
            if other != connector and max(targets[other], its.committed_w) > 0.0
        ]
        shared = f"shared with connector {','.join(others)}"
        if connector in waiting and others:
            return shared
        if account.raising and account.granted_w < targets[connector]:
            return "rising"
        if account.granted_w + self._numbers.raise_hysteresis_w >= need.capability_w:
            return need.capability_by
        return shared if others else budget.by
