"""A board of discrete inputs that is only read (Modbus function 2). Sans-I/O.

This driver knows no function that writes, so that a board with relays on it is left as it is.
"""

from collections.abc import Mapping

from drivers.inputs_outputs.waveshare import InputWiring
from drivers.line.device import PollBlock
from drivers.line.owner import DeviceTiming, Result
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Reading

# As for the boards of a charger: they answer within some milliseconds, and a dead one must not hold up its neighbours.
_LATENCY_S = 0.05
_INPUTS = "inputs"


class InputBoard:
    """Contacts by signal name, read every ``interval_s`` seconds.

    Raises ValueError if a channel is used twice or the board (``channels`` inputs) has no such input.
    """

    def __init__(
        self,
        wiring: Mapping[str, InputWiring],
        address: int,
        interval_s: float,
        *,
        channels: int = 8,
        name: str = "input board",
        latency_s: float = _LATENCY_S,
    ) -> None:
        used = [wire.channel for wire in wiring.values()]
        if len(set(used)) != len(used):
            raise ValueError("an input channel is used twice")
        if any(not 0 <= channel < channels for channel in used):
            raise ValueError(f"an input channel is not within 0..{channels - 1}")
        self.name = name
        self.address = address
        self.timing = DeviceTiming(latency_s=latency_s, period_s=interval_s)
        self._wiring = dict(wiring)
        request = Request(
            address, codec.READ_DISCRETE_INPUTS, 0, channels, tag=_INPUTS, lifetime_s=max(2 * interval_s, 0.2)
        )
        self._block = PollBlock(request, interval_s)

    def requests(self, now_s: float) -> list[Request]:
        """The read if it is due."""
        request = self._block.take(now_s)
        return [request] if request is not None else []

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; the contacts come out as bool signals."""
        self._block.done()
        if not result.ok:
            return []
        return [
            (name, Reading(result.bits[wire.channel] is not wire.active_low, "bool", result.at_s))
            for name, wire in self._wiring.items()
        ]

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, self._block.next_due())
