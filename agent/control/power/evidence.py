"""Evidence: a fact counts when several readings over a stated time agree; a contrary or missing one ends it."""

from collections.abc import Hashable


class Evidence:
    """Counts distinct samples that agree. One repeated sample is one sample, however often it is looked at."""

    __slots__ = ("_duration_s", "_samples", "_seen", "_since_s", "_stamp", "_value")

    def __init__(self, samples: int, duration_s: float) -> None:
        self._samples = samples
        self._duration_s = duration_s
        self._value: bool | None = None
        self._stamp: Hashable = None
        self._seen = 0
        self._since_s = 0.0

    def update(self, now_s: float, value: bool | None, stamp: Hashable) -> bool | None:
        """Take a value in; return it once it is confirmed, None until then.

        ``stamp`` distinguishes samples (the time a reading was taken at). None as ``value`` ends all evidence.
        """
        if value is None or value is not self._value:
            self._value, self._stamp, self._since_s = value, stamp, now_s
            self._seen = 0 if value is None else 1
            return None
        if stamp != self._stamp:
            self._stamp = stamp
            self._seen += 1
        confirmed = self._seen >= self._samples and now_s - self._since_s >= self._duration_s
        return value if confirmed else None
