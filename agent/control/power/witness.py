"""Second witness of "no voltage": a low reading counts only if it has been seen to fall, or time has passed."""

from agent.control.power.evidence import Evidence
from agent.control.power.parameters import PowerNumbers
from drivers.reading import Reading


class DischargeWatch:
    """Whether capacitors that were charged may be taken as discharged.

    A sensor that stays low while its circuit is live never shows the fall; then only ``matching_limit_s`` without
    supply counts. At start-up the reading alone decides.
    """

    __slots__ = ("_charged", "_high", "_idle_since_s", "_numbers", "_seen_high")

    def __init__(self, numbers: PowerNumbers) -> None:
        self._numbers = numbers
        self._high = Evidence(int(numbers.evidence_samples), numbers.evidence_s)
        self._charged = False
        self._seen_high = False
        self._idle_since_s = 0.0

    @property
    def discharged(self) -> bool:
        """No charge is expected; the voltage itself must still be read below 60 V."""
        return not self._charged

    def update(self, now_s: float, voltage_v: Reading | None, *, energised: bool) -> None:
        """Take one reading in. ``energised``: something supplies the circuit or may supply it."""
        high = None if voltage_v is None else voltage_v.value >= self._numbers.safe_voltage_v
        seen = self._high.update(now_s, high, None if voltage_v is None else voltage_v.at_s)
        if energised:
            self._charged, self._idle_since_s = True, now_s
            self._seen_high = self._seen_high or seen is True
            return
        self._seen_high = self._seen_high or (self._charged and seen is True)
        fallen = self._seen_high and seen is False
        if fallen or now_s - self._idle_since_s >= self._numbers.matching_limit_s:
            self._charged = self._seen_high = False
