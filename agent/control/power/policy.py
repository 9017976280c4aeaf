"""Which connector shall have which group: two policies with one interface 功率分配策略."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.control.power.parameters import PowerParameters


@dataclass(frozen=True, slots=True)
class Claim:
    """What a connector asks of the groups."""

    wants_power: bool = False
    """A session runs."""
    wanted_w: float = 0.0
    blocked: bool = True
    """Fault, or no word from its core: its groups are taken off."""


class AllocationPolicy(Protocol):
    """Decides where groups shall be. It moves nothing: the machine of each group does, when it is safe."""

    def wanted(self, now_s: float, claims: Mapping[int, Claim], usable: Collection[str]) -> dict[str, int | None]:
        """Connector for every group, None: parked. ``usable`` are the groups without a fault."""
        ...


class FixedSplit:
    """Every group at its home connector, and nowhere while that connector is blocked."""

    def __init__(self, parameters: PowerParameters) -> None:
        self._groups = parameters.groups

    def wanted(self, now_s: float, claims: Mapping[int, Claim], usable: Collection[str]) -> dict[str, int | None]:
        """See ``AllocationPolicy``."""
        return {group.id: None if claims[group.home].blocked else group.home for group in self._groups}


class SwitchedGroups:
    """Home first; a group that its home does not need goes to the connector that is short of the most power.

    It stays there until that connector's session ends, or its own home wants power.
    """

    def __init__(self, parameters: PowerParameters) -> None:
        self._groups = parameters.groups
        self._paths = {group.id: parameters.paths(group.id) for group in parameters.groups}
        self._ratings_w = parameters.connector_power_w
        self._numbers = parameters.numbers
        self._lent: dict[str, int] = {}
        self._short_since_s: dict[int, float] = {}

    def wanted(self, now_s: float, claims: Mapping[int, Claim], usable: Collection[str]) -> dict[str, int | None]:
        """See ``AllocationPolicy``."""
        at = {group.id: self._kept(group.id, group.home, claims) for group in self._groups}
        short_w = self._short(now_s, claims, at, usable)
        for group in self._groups:
            if at[group.id] is not None:
                continue
            home = claims[group.home]
            at[group.id] = None if home.blocked else group.home
            ripe = [connector for connector in self._paths[group.id] if self._ripe(now_s, connector, short_w)]
            if group.id in usable and ripe:
                borrower = max(ripe, key=lambda connector: short_w[connector])
                at[group.id] = self._lent[group.id] = borrower
                short_w[borrower] -= group.maximum_power_w
        return at

    def _kept(self, group_id: str, home: int, claims: Mapping[int, Claim]) -> int | None:
        """Where the group has to be or may remain; None: it is free."""
        if claims[home].wants_power and not claims[home].blocked:
            self._lent.pop(group_id, None)
            return home
        borrower = self._lent.get(group_id)
        if borrower is not None and claims[borrower].wants_power and not claims[borrower].blocked:
            return borrower
        self._lent.pop(group_id, None)
        return None

    def _short(
        self, now_s: float, claims: Mapping[int, Claim], at: Mapping[str, int | None], usable: Collection[str]
    ) -> dict[int, float]:
        """Power that each connector lacks, and since when it is worth a move."""
        short_w = {}
        for connector, claim in claims.items():
            has_w = sum(
                group.maximum_power_w for group in self._groups if at[group.id] == connector and group.id in usable
            )
            wanted_w = min(claim.wanted_w, self._ratings_w[connector])
            short_w[connector] = wanted_w - has_w if claim.wants_power and not claim.blocked else 0.0
            if short_w[connector] > self._numbers.lend_need_w:
                self._short_since_s.setdefault(connector, now_s)
            else:
                self._short_since_s.pop(connector, None)
        return short_w

    def _ripe(self, now_s: float, connector: int, short_w: Mapping[int, float]) -> bool:
        since_s = self._short_since_s.get(connector)
        lasted = since_s is not None and now_s - since_s >= self._numbers.lend_hold_s
        return lasted and short_w[connector] > self._numbers.lend_need_w


def policy_of(parameters: PowerParameters) -> AllocationPolicy:
    """The policy that the parameters name."""
    return SwitchedGroups(parameters) if parameters.policy == "switched" else FixedSplit(parameters)
