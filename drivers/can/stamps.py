"""Converts time stamps of the kernel and of adapters to the monotonic clock.

Two rules hold for every stamp, whatever the foreign clock does: it is never later than the time at which the frame is
handed over, and never earlier than the stamp before it. A stamp that would be more than ``LONGEST_AGE_S`` old is
doubtful, and the time of reading is used for it: a frame too young is the state without stamps, a frame too old could
make a fresh value look stale.
"""

import math

LONGEST_AGE_S = 0.1
"""Own: longer than any pause of the loop, shorter than every age limit of a reading."""
_STEP_S = 0.002
"""Own: wall clocks are slewed by at most 0.5 ms a second; a larger change between two calls is a step."""
_DRIFT = 0.001
"""Own: ten times the tolerance of an adapter's quartz (100 ppm)."""


class WallStamps:
    """Stamps of the wall clock (``SO_TIMESTAMPNS`` of a socketcan interface).

    Wall clock and monotonic clock are read together when the frames are read; the difference between the wall clock
    and the stamp is the age of the frame. When the wall clock was set since the call before, ages of frames that
    arrived before are wrong, so this batch gets the time of reading.
    """

    __slots__ = ("_age_limit_s", "_last_s", "_monotonic_s", "_offset_s", "_wall_s")

    def __init__(self) -> None:
        self._offset_s = math.nan
        self._wall_s = self._monotonic_s = 0.0
        self._age_limit_s = 0.0
        self._last_s = -math.inf

    def begin(self, wall_s: float, monotonic_s: float) -> None:
        """Both clocks, read together, before a batch of frames is read."""
        offset_s = wall_s - monotonic_s
        stepped = not abs(offset_s - self._offset_s) <= _STEP_S
        self._offset_s, self._wall_s, self._monotonic_s = offset_s, wall_s, monotonic_s
        self._age_limit_s = -1.0 if stepped else LONGEST_AGE_S

    def convert(self, stamp_s: float, now_s: float) -> float:
        """The monotonic time of a stamp, at most ``now_s``."""
        age_s = max(0.0, self._wall_s - stamp_s)
        at_s = now_s if age_s > self._age_limit_s else self._monotonic_s - age_s
        self._last_s = min(now_s, max(self._last_s, at_s))
        return self._last_s


class DeviceStamps:
    """Stamps of an adapter's own clock, with an unknown zero, and which may wrap.

    The smallest difference between arrival here and stamp is the clock's offset: no frame arrives before it was
    stamped. The offset rises by ``_DRIFT``, so that a clock that runs slow is followed. A stamp that fits no longer
    (wrap, restart) starts the estimate again.
    """

    __slots__ = ("_arrived_s", "_last_s", "_offset_s")

    def __init__(self) -> None:
        self._offset_s = math.inf
        self._arrived_s = 0.0
        self._last_s = -math.inf

    def convert(self, stamp_s: float, arrived_s: float) -> float:
        """The monotonic time of a stamp, at most ``arrived_s``, the time at which the frame was read."""
        drift_s = _DRIFT * max(0.0, arrived_s - self._arrived_s)
        self._arrived_s = arrived_s
        seen_s = arrived_s - stamp_s
        self._offset_s = min(self._offset_s + drift_s, seen_s)
        if seen_s - self._offset_s > LONGEST_AGE_S:
            self._offset_s = seen_s
        self._last_s = min(arrived_s, max(self._last_s, stamp_s + self._offset_s))
        return self._last_s
