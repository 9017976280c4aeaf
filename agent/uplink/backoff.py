"""When to try again: full jitter, so that a province that comes back does not come back at once."""


class Backoff:
    """Waiting time between attempts: between ``shortest_s`` and a bound that doubles up to ``longest_s``."""

    def __init__(self, shortest_s: float = 1.0, longest_s: float = 60.0) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._bound_s = shortest_s

    def next_s(self, chance: float) -> float:
        """Seconds to wait now; ``chance`` is a random number from 0 to 1 that the caller draws."""
        self._bound_s = min(self._bound_s * 2.0, self._longest_s)
        return self._shortest_s + chance * (self._bound_s - self._shortest_s)

    def reset(self) -> None:
        """It worked."""
        self._bound_s = self._shortest_s


class Allowance:
    """A bounded rate: ``burst`` at once, ``per_s`` in the long run."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at_s: float | None = None
        self.refused = 0

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now; counts what is not."""
        if self._at_s is not None:
            self._left = min(float(self._burst), self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            self.refused += 1
            return False
        self._left -= 1.0
        return True
