"""The process image: the last reading of every signal, and the rule that a stale value is no value."""

from agent.control.signals import SIGNALS
from drivers.reading import Quality, Reading


class ProcessImage:
    """Holds one reading per signal. Nothing in it has a clock: every question brings its own time."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def put(self, name: str, reading: Reading) -> None:
        """Take a reading in. Raises KeyError for a signal that does not exist.

        A reading that is older than the one held is dropped: readings of one signal never go back.
        """
        if name not in SIGNALS:
            raise KeyError(f"no such signal: {name}")
        held = self._readings.get(name)
        if held is None or reading.at_s >= held.at_s:
            self._readings[name] = reading

    def value(self, name: str, now_s: float) -> float | int | bool | None:
        """The value, or None when it is unknown, suspect, from the future, or older than its limit."""
        reading = self._readings.get(name)
        if reading is None or reading.quality == Quality.SUSPECT:
            return None
        if not -0.001 <= now_s - reading.at_s <= SIGNALS[name].age_limit_s:
            return None
        return reading.value

    def age_s(self, name: str, now_s: float) -> float | None:
        """Age of the last reading whatever its limit, or None if there never was one."""
        reading = self._readings.get(name)
        return None if reading is None else now_s - reading.at_s

    def taken_at_s(self, name: str) -> float | None:
        """Monotonic time of the last reading, or None."""
        reading = self._readings.get(name)
        return None if reading is None else reading.at_s

    def last(self, name: str) -> float | int | bool | None:
        """The last value whatever its age: for the final reading of a bill only, never for a decision."""
        reading = self._readings.get(name)
        return None if reading is None else reading.value

    def stale(self, names: tuple[str, ...], now_s: float) -> list[str]:
        """Those of ``names`` that have no valid value at ``now_s``."""
        return [name for name in names if self.value(name, now_s) is None]

    def snapshot(self, now_s: float) -> dict[str, float | int | bool]:
        """All valid values; what is stale is absent."""
        values = {name: self.value(name, now_s) for name in self._readings}
        return {name: value for name, value in values.items() if value is not None}
