"""Ten minutes of readings, aligned to the clock: smallest, mean, largest, and the 95 % value."""

import math
from collections.abc import Sequence

WINDOW_MS = 600_000
"""IEC 61000-4-30, GB/T 17626.30: ten minutes, beginning at full tens of minutes."""
_MOST_SAMPLES = 6_200
"""Ten minutes at ten readings a second; more are not kept."""


def statistics(samples: Sequence[float]) -> dict[str, float]:
    """Statistics of at least one reading. ``p95`` is the smallest reading that 95 % of them do not exceed."""
    ordered = sorted(samples)
    return {
        "minimum": ordered[0],
        "mean": math.fsum(ordered) / len(ordered),
        "maximum": ordered[-1],
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
    }


def unbalance_percent(magnitudes: Sequence[float]) -> float | None:
    """Largest deviation from the mean, per cent of the mean; None without a voltage.

    A meter that gives only magnitudes does not give the negative sequence that GB/T 15543 means. This stands for it
    (the definition of NEMA MG 1); with small unbalances both are close.
    """
    mean = math.fsum(magnitudes) / len(magnitudes)
    if mean <= 0.0:
        return None
    return 100.0 * max(abs(value - mean) for value in magnitudes) / mean


class Window:
    """The readings of the ten minutes that run now."""

    def __init__(self) -> None:
        self._samples: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Take a reading in."""
        samples = self._samples.setdefault(name, [])
        if len(samples) < _MOST_SAMPLES:
            samples.append(value)

    def close(self) -> dict[str, tuple[int, dict[str, float]]]:
        """(number of readings, statistics) of each quantity; the next window begins empty."""
        closed = {name: (len(samples), statistics(samples)) for name, samples in self._samples.items()}
        self._samples = {}
        return closed
