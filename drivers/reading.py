"""One reading of one quantity: the only form in which a value leaves a driver."""

import enum

import msgspec


class Quality(enum.IntEnum):
    """How far a value may be trusted.

    ``SUSPECT``: measured, but not to be relied on (a module is missing, a self-test runs). ``SUBSTITUTED``: taken from
    another source. ``FAILED``: the device answers and its signal is outside what can be a measurement (broken wire,
    short circuit, converter at its end): the signal is known to be lost, which differs from a device that is silent.
    """

    GOOD = 0
    SUSPECT = 1
    SUBSTITUTED = 2
    FAILED = 3

    @property
    def is_value(self) -> bool:
        """Whether a reading of this quality counts as a value of its signal."""
        return self is Quality.GOOD or self is Quality.SUBSTITUTED


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A value with its unit, the monotonic time it was taken at, and its quality.

    ``at_s`` is the time at which the bytes that carry the value arrived, in seconds of the
    monotonic clock; it never changes afterwards, so an old value cannot become new again.
    """

    value: float | int | bool
    unit: str
    at_s: float
    quality: Quality = Quality.GOOD

    def age_s(self, now_s: float) -> float:
        """Seconds since the value was taken (negative only if the clocks of caller and driver differ)."""
        return now_s - self.at_s
