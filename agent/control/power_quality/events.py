"""Sags, swells and interruptions of one voltage, as far as a polled meter can see them.

A meter that is asked once a second shows its own average of some periods: what is shorter than a poll is seen by chance
or not at all, begin and end are known to one poll, and the real extreme may be worse. A meter that is fed by the supply
it measures falls silent in an interruption; then the event ends with the last reading and is marked as cut short.
"""

from dataclasses import dataclass

from agent.control.power_quality.limits import EventLimits

_LOST_POLLS = 3
"""So many polls without a reading cut an event short (own)."""


@dataclass(frozen=True, slots=True)
class VoltageEvent:
    """One event that is over."""

    kind: str
    """``sag``, ``swell`` or ``interruption``."""
    begin_s: float
    duration_s: float
    extreme_v: float
    cut_short: bool = False


class VoltageWatch:
    """One voltage against its nominal value."""

    def __init__(self, nominal_v: float, poll_interval_s: float, limits: EventLimits) -> None:
        share = nominal_v / 100.0
        self._sag_v = limits.sag_below_percent * share
        self._swell_v = limits.swell_above_percent * share
        self._interruption_v = limits.interruption_below_percent * share
        self._hysteresis_v = limits.hysteresis_percent * share
        self._lost_s = _LOST_POLLS * poll_interval_s
        self._kind = ""
        self._begin_s = self._last_s = self._extreme_v = 0.0

    @property
    def running(self) -> str:
        """Kind of the event that is going on, empty for none."""
        return self._kind

    def take(self, voltage_v: float, at_s: float) -> VoltageEvent | None:
        """Take a reading in; the event that it ends, if any."""
        ended = self.silent(at_s)
        if self._kind and self._is_over(voltage_v):
            ended = VoltageEvent(self._kind, self._begin_s, at_s - self._begin_s, self._extreme_v)
            self._kind = ""
        if not self._kind:
            self._kind = self._kind_of(voltage_v)
            self._begin_s, self._extreme_v = at_s, voltage_v
        elif self._kind == "swell":
            self._extreme_v = max(self._extreme_v, voltage_v)
        else:
            self._extreme_v = min(self._extreme_v, voltage_v)
            if self._extreme_v < self._interruption_v:
                self._kind = "interruption"
        self._last_s = at_s
        return ended

    def silent(self, now_s: float) -> VoltageEvent | None:
        """The event that is cut short because no reading has come for some polls."""
        if not self._kind or now_s - self._last_s <= self._lost_s:
            return None
        cut = VoltageEvent(self._kind, self._begin_s, self._last_s - self._begin_s, self._extreme_v, cut_short=True)
        self._kind = ""
        return cut

    def _kind_of(self, voltage_v: float) -> str:
        if voltage_v < self._interruption_v:
            return "interruption"
        if voltage_v < self._sag_v:
            return "sag"
        return "swell" if voltage_v > self._swell_v else ""

    def _is_over(self, voltage_v: float) -> bool:
        if self._kind == "swell":
            return voltage_v <= self._swell_v - self._hysteresis_v
        # An interruption goes on as part of the sag that it came from, until the voltage is back.
        return voltage_v >= self._sag_v + self._hysteresis_v
