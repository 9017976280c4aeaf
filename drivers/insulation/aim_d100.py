"""Acrel AIM-D100 insulation monitor on Modbus, sans-I/O.

Registers 0x20 to 0x25 in one request (vendor manual V1.2): fault bits, R+ and R- to earth in kohm, U+ and U- to earth
and the system voltage in 0.1 V. When to measure is decided elsewhere: the pile's monitor must be off while the
vehicle's own one measures.
"""

from drivers.line.device import PollBlock
from drivers.line.owner import DeviceTiming, Result
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Quality, Reading

FAULT_BITS = {
    0: "over-voltage",
    1: "under-voltage",
    2: "insulation alarm plus",
    3: "insulation warning plus",
    4: "insulation alarm minus",
    5: "insulation warning minus",
    15: "wiring",
}
_FIRST_REGISTER = 0x20
_REGISTER_COUNT = 6
_WIRING_BIT = 15
# The range ends at 10000 kohm; all ones is what a failed converter shows and must not pass for perfect insulation.
_NO_VALUE = 0xFFFF
# The device measures once a second and may answer late; a controller that follows the manual waits up to 1.5 s. One
# second leaves the meter on the same line its 3 s even when the monitor is dead.
_LATENCY_S = 1.0
_BLOCK = "measurement"


class AimD100:
    """One monitor at ``address``, read every ``poll_interval_s`` seconds.

    ``faults`` holds the names of the device's own fault bits, as of the last reply.
    """

    def __init__(
        self,
        address: int,
        poll_interval_s: float = 1.0,
        *,
        name: str = "insulation monitor",
        latency_s: float = _LATENCY_S,
    ) -> None:
        self.name = name
        self.address = address
        self.timing = DeviceTiming(latency_s=latency_s, minimum_gap_s=0.02, period_s=poll_interval_s)
        self.faults: tuple[str, ...] = ()
        request = Request(
            address,
            codec.READ_HOLDING_REGISTERS,
            _FIRST_REGISTER,
            _REGISTER_COUNT,
            priority=3,
            tag=_BLOCK,
            lifetime_s=2 * poll_interval_s,
        )
        self._block = PollBlock(request, poll_interval_s)

    def requests(self, now_s: float) -> list[Request]:
        """The read if it is due."""
        request = self._block.take(now_s)
        return [request] if request is not None else []

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; gives insulation_plus_kohm and insulation_minus_kohm.

        With the wiring fault set the values are of quality suspect; a resistance of all ones is absent.
        """
        if result.request.tag != _BLOCK:
            return []
        self._block.done()
        if not result.ok:
            return []
        bits, plus_kohm, minus_kohm = result.registers[:3]
        self.faults = tuple(name for bit, name in FAULT_BITS.items() if bits >> bit & 1)
        quality = Quality.SUSPECT if bits >> _WIRING_BIT & 1 else Quality.GOOD
        return [
            (signal, Reading(value, "kohm", result.at_s, quality))
            for signal, value in (("insulation_plus_kohm", plus_kohm), ("insulation_minus_kohm", minus_kohm))
            if value != _NO_VALUE
        ]

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, self._block.next_due())
