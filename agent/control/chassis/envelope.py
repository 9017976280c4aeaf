"""The highest set point of the recent past: what a measured current may be compared with."""

from operator import itemgetter

_WINDOW_S = 4.0
"""A set point counts for the over-current rule this long: the slowest current reading may be 3 s old."""
_MAXIMUM_ENTRIES = 256
_CURRENT = itemgetter(1)


class CurrentEnvelope:
    """Set points with the last time each was in force, oldest first, bounded in number."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, float]] = []

    def add(self, now_s: float, current_a: float) -> None:
        """A set point of ``current_a`` is in force at ``now_s``."""
        entries = self._entries
        if entries and entries[-1][1] == current_a:
            entries[-1] = (now_s, current_a)
            return
        entries.append((now_s, current_a))
        if len(entries) > _MAXIMUM_ENTRIES:
            # The largest of the oldest half stands for all of it: the window stays right, the list stays short.
            half = entries[: _MAXIMUM_ENTRIES // 2]
            entries[: len(half)] = [(half[-1][0], max(current for _, current in half))]

    def clear(self) -> None:
        """Nothing is demanded any more."""
        self._entries.clear()

    def highest_a(self, now_s: float) -> float | None:
        """Highest set point in force during the last 4 s, A; None when nothing is demanded."""
        entries = self._entries
        horizon_s = now_s - _WINDOW_S
        while len(entries) > 1 and entries[0][0] < horizon_s:
            del entries[0]
        return max(map(_CURRENT, entries), default=None)
