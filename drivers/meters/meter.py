"""A Modbus meter that is described by a register map, sans-I/O."""

import math
from fractions import Fraction

from drivers.meters.register_map import ENERGY_SIGNAL, Block, Field, RegisterMap
from drivers.modbus.codec import Request
from drivers.modbus.device import PollBlock
from drivers.modbus.master import DeviceTiming, Result
from drivers.reading import Reading


class Meter:
    """One meter at ``address``, read every ``poll_interval_s`` seconds.

    ``energy_unit_wh`` is Wh per unit of what the map makes of the energy register (1.0: the map is right); it is
    proven against the display when commissioning. Raises ValueError if it is not positive.

    Signals: meter_voltage_v, meter_current_a, meter_power_w as float, meter_energy_wh as integer: whole Wh of the
    register, rounded down, so that nothing is billed before the register shows it.
    """

    def __init__(
        self,
        register_map: RegisterMap,
        address: int,
        poll_interval_s: float,
        energy_unit_wh: float = 1.0,
        *,
        name: str = "meter",
    ) -> None:
        if not (math.isfinite(energy_unit_wh) and energy_unit_wh > 0):
            raise ValueError(f"energy_unit_wh {energy_unit_wh} is not positive")
        self.name = name
        self.address = address
        self.timing = DeviceTiming(
            latency_s=register_map.latency_ms / 1000,
            minimum_gap_s=register_map.minimum_gap_ms / 1000,
            period_s=poll_interval_s,
        )
        # Through the decimal notation: 0.1 means one tenth, not its neighbour among the binary fractions.
        self._energy_unit = Fraction(str(energy_unit_wh))
        self._blocks: dict[str, tuple[Block, PollBlock[Request], list[Field]]] = {}
        for block in register_map.blocks:
            interval_s = poll_interval_s * block.every
            request = Request(
                address,
                block.function,
                block.start,
                block.count,
                priority=block.priority,
                tag=block.name,
                lifetime_s=2 * interval_s,
            )
            fields = [field for field in register_map.fields if field.block == block.name]
            self._blocks[block.name] = (block, PollBlock(request, interval_s), fields)

    def requests(self, now_s: float) -> list[Request]:
        """The blocks that are due."""
        due = (poll.take(now_s) for _, poll, _ in self._blocks.values())
        return [request for request in due if request is not None]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; signals that have no value are absent."""
        entry = self._blocks.get(result.request.tag)
        if entry is None:
            return []
        block, poll, fields = entry
        poll.done()
        if not result.ok:
            return []
        readings = []
        for field in fields:
            value = self._value(field, block, result.registers)
            if value is not None:
                readings.append((field.signal, Reading(value, field.unit, result.at_s)))
        return readings

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, min(poll.next_due() for _, poll, _ in self._blocks.values()))

    def _value(self, field: Field, block: Block, registers: tuple[int, ...]) -> float | int | None:
        first = field.register - block.start
        pattern, raw = field.raw(registers[first : first + field.width])
        if pattern in field.sentinels or not math.isfinite(raw):
            return None
        exponent = 0
        if field.exponent_register is not None:
            stated = registers[field.exponent_register - block.start]
            if stated > field.exponent_maximum:
                return None
            exponent = stated + field.exponent_bias
        exact = Fraction(raw) * Fraction(str(field.scale)) * field.sign * Fraction(10) ** exponent
        if field.signal == ENERGY_SIGNAL:
            return math.floor(exact * self._energy_unit)
        return float(exact)
