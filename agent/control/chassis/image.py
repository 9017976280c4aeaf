"""The process image: the last reading of every signal, and the rule that a stale value is no value."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from agent.vocabulary.signals import SIGNALS
from drivers.reading import Quality, Reading

_CLOCK_SLACK_S = 0.001
"""A reading may seem this much younger than now: driver and core round the same clock."""

_AGE_LIMITS_S = {name: signal.age_limit_s for name, signal in SIGNALS.items()}


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """The valid values of one instant. What is stale, suspect or unknown has no value."""

    values: Mapping[str, float | int | bool]
    readings: Mapping[str, Reading]

    def value(self, name: str) -> float | int | bool | None:
        """The value, or None when there is none that counts."""
        return self.values.get(name)

    def taken_at_s(self, name: str) -> float | None:
        """Monotonic time of the last reading, whatever it is worth, or None."""
        reading = self.readings.get(name)
        return None if reading is None else reading.at_s


class ProcessImage:
    """Holds one reading per signal. Nothing in it has a clock: every question brings its own time.

    The valid values of one instant are worked out once and kept until the time moves on or a reading comes in:
    one evaluation asks for the same signals many times.
    """

    __slots__ = ("_fresh", "_fresh_at_s", "_readings", "_sound")

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._sound: dict[str, Reading] = {}
        self._fresh: dict[str, float | int | bool] = {}
        self._fresh_at_s: float | None = None

    def put(self, name: str, reading: Reading) -> None:
        """Take a reading in. Raises KeyError for a signal that does not exist.

        A reading that is older than the one held is dropped: readings of one signal never go back. A value that
        is no number (NaN passes every comparison with a limit) or infinite counts as suspect.
        """
        if name not in SIGNALS:
            raise KeyError(f"no such signal: {name}")
        if self._goes_back(name, reading):
            return
        if not math.isfinite(reading.value):
            reading = Reading(reading.value, reading.unit, reading.at_s, Quality.SUSPECT)
        self._readings[name] = reading
        if reading.quality.is_value:
            self._sound[name] = reading
        self._fresh_at_s = None

    def usable(self, name: str, reading: Reading) -> bool:
        """Whether ``put`` would take the reading as a value: sound, a number, and not older than the one held."""
        sound = reading.quality.is_value and math.isfinite(reading.value)
        return sound and not self._goes_back(name, reading)

    def _goes_back(self, name: str, reading: Reading) -> bool:
        held = self._readings.get(name)
        return held is not None and reading.at_s < held.at_s

    def _values_at(self, now_s: float) -> dict[str, float | int | bool]:
        if now_s != self._fresh_at_s:
            limits = _AGE_LIMITS_S
            self._fresh = {
                name: reading.value
                for name, reading in self._readings.items()
                if -_CLOCK_SLACK_S <= now_s - reading.at_s <= limits[name] and reading.quality.is_value
            }
            self._fresh_at_s = now_s
        return self._fresh

    def value(self, name: str, now_s: float) -> float | int | bool | None:
        """The value, or None when it is unknown, suspect, from the future, or older than its limit."""
        if now_s != self._fresh_at_s:
            self._values_at(now_s)
        return self._fresh.get(name)

    def age_s(self, name: str, now_s: float) -> float | None:
        """Age of the last reading that was not suspect, whatever its limit, or None if there never was one."""
        reading = self._sound.get(name)
        return None if reading is None else now_s - reading.at_s

    def taken_at_s(self, name: str) -> float | None:
        """Monotonic time of the last reading, or None."""
        reading = self._readings.get(name)
        return None if reading is None else reading.at_s

    def stale(self, names: tuple[str, ...], now_s: float) -> list[str]:
        """Those of ``names`` that have no valid value at ``now_s``."""
        values = self._values_at(now_s)
        return [name for name in names if name not in values]

    def inputs(self, now_s: float) -> "Inputs":
        """All valid values of one instant with the times of their readings, to read and nothing else."""
        return Inputs(MappingProxyType(self._values_at(now_s)), MappingProxyType(self._readings))

    def snapshot(self, now_s: float) -> dict[str, float | int | bool]:
        """All valid values; what is stale is absent."""
        return dict(self._values_at(now_s))
