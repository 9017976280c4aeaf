"""Memory of the judge: conditions that matter once they last, content that stays the same, values that jump."""

from typing import Any

from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.limits import JudgeLimits


class Lasting:
    """A condition that counts once it has lasted longer than it may."""

    __slots__ = ("_since_s", "_worst", "begins", "present")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._worst = 0.0
        self.present = False
        """It lasts too long now."""
        self.begins = False
        """It has become present with the last ``take``."""

    def take(self, excess: float, now_s: float, allowed_s: float, fall_per_s: float = 0.0) -> bool:
        """Take how far off it is now (0 or less: not at all); True while it has lasted longer than it may.

        ``allowed_s`` seconds are allowed, or the time that the worst excess takes to fall at ``fall_per_s``.
        """
        self.begins = False
        if excess <= 0:
            self._since_s, self._worst, self.present = None, 0.0, False
            return False
        if self._since_s is None:
            self._since_s = now_s
        self._worst = max(self._worst, excess)
        limit_s = max(allowed_s, self._worst / fall_per_s if fall_per_s else 0.0)
        if not self.present and now_s - self._since_s > limit_s:
            self.present = self.begins = True
        return self.present


class Stuck:
    """Content of a measuring message that stays the same although a current flows: it is repeated, not measured."""

    __slots__ = ("_message", "_since_s", "_values", "begins", "present")

    def __init__(self, message: str) -> None:
        self._message = message
        self._values: Any = None
        self._since_s = 0.0
        self.present = False
        self.begins = False

    def take(self, values: Any, at_s: float, current_a: float | None, limits: JudgeLimits) -> list[Finding]:
        """Take the newest content of ``at_s`` and the current that flows, None while unknown."""
        self.begins = False
        if current_a is None or current_a < limits.stuck_current_a or values != self._values:
            self._values, self._since_s, self.present = values, at_s, False
            return []
        same_s = at_s - self._since_s
        if same_s <= limits.stuck_s:
            return []
        self.begins, self.present = not self.present, True
        return [Finding("frozen", self._message, limits.stuck_s, same_s, "s", same_s - limits.stuck_s)]


class StateOfCharge:
    """The state of charge that the vehicle reports, message after message."""

    __slots__ = ("former_percent",)

    def __init__(self) -> None:
        self.former_percent: float | None = None
        """The last one known, from BCP or BCS."""

    def take(self, soc_percent: float | None, limits: JudgeLimits) -> list[Finding]:
        """Take the newest one, None while unknown; a finding if it is too far from the one before."""
        if soc_percent is None:
            return []
        former, self.former_percent = self.former_percent, soc_percent
        if former is None or abs(soc_percent - former) <= limits.soc_jump_percent:
            return []
        step = abs(soc_percent - former)
        return [Finding("soc.jump", "BCS", limits.soc_jump_percent, soc_percent, "%", step)]
