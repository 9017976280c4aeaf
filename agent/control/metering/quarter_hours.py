"""The register at every quarter of an hour of local time, for whoever settles energy by quarters.

A value is the last reading of the meter, with its age. A missed quarter is marked as missing; nothing is filled in.
While the clock is unset the start of a quarter is unknown, and nothing is recorded.
"""

from typing import Any

_QUARTER_MS = 900_000
_LATE_MS = 2_000
"""A record this long after the quarter is marked late (own: the register is polled once a second)."""


class QuarterHours:
    """Memory of one register. ``due`` is asked at every evaluation and answers once a quarter."""

    def __init__(self, utc_offset_minutes: int) -> None:
        self._offset_ms = utc_offset_minutes * 60_000
        self._last: int | None = None
        self._next_ms = 0

    def due(
        self, wall_ms: int, wall_quality: str, register_wh: int | None, age_s: float | None
    ) -> dict[str, Any] | None:
        """The body of a ``register_snapshot`` record, or None.

        ``register_wh`` is the valid register (None: the meter does not answer) and ``age_s`` its age at ``wall_ms``.
        """
        if wall_quality == "unset":
            self._last = None
            return None
        # Between two quarters this is all that happens; a clock that was set back goes the long way.
        last = self._last
        if last is not None and self._next_ms - _QUARTER_MS <= wall_ms < self._next_ms:
            return None
        quarter = (wall_ms + self._offset_ms) // _QUARTER_MS
        begin_ms = quarter * _QUARTER_MS - self._offset_ms
        if last is not None and quarter == last - 1:
            # Set back by seconds across a quarter that is in the record already.
            return None
        self._last, self._next_ms = quarter, begin_ms + _QUARTER_MS
        if last is None:
            # The beginning of this quarter was not seen, unless this is its first moment.
            if wall_ms != begin_ms:
                return None
            last = quarter - 1
        body: dict[str, Any] = {"quarter_wall_ms": begin_ms, "delay_ms": wall_ms - begin_ms}
        if quarter < last:
            body["clock_set_back"] = True
        elif quarter > last + 1:
            body["missing_quarters"] = quarter - last - 1
        if wall_ms - begin_ms > _LATE_MS:
            body["late"] = True
        if register_wh is None or age_s is None:
            body["missing"] = True
        else:
            body["register_wh"] = register_wh
            body["age_ms"] = round(age_s * 1000)
        return body
