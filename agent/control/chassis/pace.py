"""The pace of telemetry."""


class Pace:
    """When telemetry was last recorded, so that a shorter interval takes effect at once."""

    def __init__(self) -> None:
        self._last_s: float | None = None

    def due(self, now_s: float, interval_s: float) -> bool:
        """Whether ``interval_s`` has passed since this last returned True."""
        if self._last_s is not None and now_s - self._last_s < interval_s:
            return False
        self._last_s = now_s
        return True
