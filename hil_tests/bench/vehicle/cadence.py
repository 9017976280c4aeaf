"""When periodic messages are due, with the unevenness of a real BMS."""

import random


class Cadence:
    """One period: starts, stops, and returns when the next message is due.

    The sends keep to a grid, each moved by up to ``jitter`` of the period to either side, so the mean period is exact.
    ``interval_s`` (shortest, longest) instead is the measured interval of two sends: every interval is within it,
    and the grid keeps the mean. Sends that were missed because the caller was late are left out, not made up for.
    """

    def __init__(
        self, period_s: float, jitter: float, rng: random.Random, interval_s: tuple[float, float] | None = None
    ) -> None:
        self._interval_s = interval_s
        self._period_s = period_s
        self._jitter = jitter
        self._rng = rng
        self._grid_s: float | None = None
        self._due_s: float | None = None

    @property
    def due_s(self) -> float | None:
        """Monotonic time of the next send, or None while stopped."""
        return self._due_s

    def start(self, now_s: float) -> None:
        """Send at once, then every period. Does nothing when it runs already."""
        if self._due_s is None:
            self._grid_s = now_s
            self._due_s = now_s

    def stop(self) -> None:
        """Nothing is due any more."""
        self._grid_s = None
        self._due_s = None

    def take(self, now_s: float) -> bool:
        """Whether a message is due now; if so, the next one is planned."""
        if self._due_s is None or self._grid_s is None or now_s < self._due_s:
            return False
        self._grid_s += self._period_s
        if self._grid_s <= now_s - self._period_s:
            self._grid_s = now_s
        if self._interval_s is not None:
            shortest_s, longest_s = self._interval_s
            moved_s = self._rng.uniform(shortest_s, longest_s) - self._period_s
            self._due_s = now_s + min(longest_s, max(shortest_s, self._grid_s + moved_s - now_s))
            return True
        moved_s = self._rng.uniform(-self._jitter, self._jitter) * self._period_s if self._jitter else 0.0
        self._due_s = max(now_s, self._grid_s + moved_s)
        return True
