"""Load of a line, for the status."""

_USE_WINDOW_S = 10.0


class LineUse:
    """Share of time in which something is on the wire, and in which the line is taken (waiting for a device included).

    Over the last ten to twenty seconds; less while fewer have passed.
    """

    def __init__(self) -> None:
        self._begin_s: float | None = None
        self._current = [0.0, 0.0]
        self._former: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def add(self, now_s: float, wire_s: float, taken_s: float) -> None:
        """One exchange that ended at ``now_s``."""
        self._turn(now_s)
        self._current[0] += wire_s
        self._current[1] += taken_s

    def shares(self, now_s: float) -> tuple[float, float]:
        """Share on the wire and share taken, each 0 to 1."""
        self._turn(now_s)
        begin_s = now_s if self._begin_s is None else self._begin_s
        span_s = self._former[2] + now_s - begin_s
        if span_s <= 0.0:
            return 0.0, 0.0
        wire_s, taken_s = self._former[0] + self._current[0], self._former[1] + self._current[1]
        return min(1.0, wire_s / span_s), min(1.0, taken_s / span_s)

    def _turn(self, now_s: float) -> None:
        if self._begin_s is None:
            self._begin_s = now_s
        length_s = now_s - self._begin_s
        if length_s >= _USE_WINDOW_S:
            self._former = (self._current[0], self._current[1], length_s)
            self._current = [0.0, 0.0]
            self._begin_s = now_s
