"""An insulation monitor on Modbus that is described by a register map. Sans-I/O. It only reads.

When to measure is decided elsewhere: the pile's monitor must be off while the vehicle's own one measures.
"""

import math
import struct

from drivers.insulation.register_map import RESISTANCES, Block, Effect, Field, InsulationMap
from drivers.line.device import PollBlock
from drivers.line.owner import DeviceTiming, Result
from drivers.modbus.codec import Request
from drivers.reading import Quality, Reading

_QUALITY: dict[Effect, Quality] = {"note": Quality.GOOD, "suspect": Quality.SUSPECT, "failed": Quality.FAILED}
_WORSE = (Quality.GOOD, Quality.SUSPECT, Quality.FAILED)
_FORMATS = {"u16": ">H", "i16": ">h", "u32": ">I", "f32": ">f"}


class RegisterMonitor:
    """One monitor at ``address``, read every ``poll_interval_s`` seconds.

    ``conditions`` holds the names (zh, en) of the flags and codes of its status words as of the last reply, and
    ``values`` the last reading of everything that the map describes, its own voltages included. ``accept`` returns
    only the resistances, which are signals of the charging core.
    """

    def __init__(
        self,
        register_map: InsulationMap,
        address: int,
        poll_interval_s: float = 1.0,
        *,
        name: str = "insulation monitor",
    ) -> None:
        self.name = name
        self.address = address
        self.timing = DeviceTiming(
            latency_s=register_map.latency_ms / 1000.0,
            minimum_gap_s=register_map.minimum_gap_ms / 1000.0,
            period_s=poll_interval_s,
        )
        self.values: dict[str, Reading] = {}
        self._map = register_map
        self._conditions: dict[str, tuple[tuple[str, str], ...]] = {}
        self._polls = {
            f"{block.start}+{block.count}": (block, self._poll(block, poll_interval_s)) for block in register_map.blocks
        }

    @property
    def conditions(self) -> tuple[tuple[str, str], ...]:
        """Flags and codes that the device shows, as (zh, en), in the order of the map."""
        return tuple(condition for each in self._conditions.values() for condition in each)

    def requests(self, now_s: float) -> list[Request]:
        """The reads that are due."""
        due = (poll.take(now_s) for _, poll in self._polls.values())
        return [request for request in due if request is not None]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; gives insulation_plus_kohm and insulation_minus_kohm of the block that was read.

        A value outside the range of the map, a no-value pattern or a status to that effect makes a reading of quality
        failed; a status that only casts doubt one of quality suspect.
        """
        found = self._polls.get(result.request.tag)
        if found is None:
            return []
        block, poll = found
        poll.done()
        if not result.ok:
            return []
        words = dict(enumerate(result.registers, block.start))
        self._conditions[result.request.tag] = tuple(name for name, _, _ in self._statuses(words))
        readings = [
            (signal, self._reading(field, signal, words, result.at_s))
            for field in self._map.fields
            if block.covers(field.register, field.width)
            for signal in field.signals
        ]
        self.values.update(readings)
        return [(signal, reading) for signal, reading in readings if signal in RESISTANCES]

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, min(poll.next_due() for _, poll in self._polls.values()))

    def _poll(self, block: Block, interval_s: float) -> PollBlock[Request]:
        request = Request(
            self.address,
            self._map.function,
            block.start,
            block.count,
            priority=3,
            tag=f"{block.start}+{block.count}",
            lifetime_s=2 * interval_s,
        )
        return PollBlock(request, interval_s)

    def _statuses(self, words: dict[int, int]) -> list[tuple[tuple[str, str], Effect, list[str]]]:
        """What the status words in ``words`` contain: name, effect, and the signals it concerns (empty: all)."""
        found: list[tuple[tuple[str, str], Effect, list[str]]] = [
            ((flag.name_zh, flag.name), flag.effect, flag.fields)
            for flag in self._map.flags
            if words.get(flag.register, 0) >> flag.bit & 1
        ]
        for code in self._map.codes:
            word = words.get(code.register)
            number = code.normal[0] if word is None else word >> code.shift & code.mask
            if number in code.normal:
                continue
            known = next((entry for entry in code.values if entry.value == number), None)
            if known is None:
                name = (f"未知状态码 {number}", f"unknown status code {number}")
                found.append((name, "failed", code.fields))
            else:
                found.append(((known.name_zh, known.name), known.effect, code.fields))
        return found

    def _reading(self, field: Field, signal: str, words: dict[int, int], at_s: float) -> Reading:
        registers = [words[field.register + index] for index in range(field.width)]
        packed = struct.pack(f">{field.width}H", *registers)
        pattern = int.from_bytes(packed, "big")
        (raw,) = struct.unpack(_FORMATS[field.type], packed)
        quality = Quality.GOOD
        for _, effect, signals in self._statuses(words):
            if not signals or signal in signals:
                quality = max(quality, _QUALITY[effect], key=_WORSE.index)
        value = raw * field.scale if math.isfinite(raw) else 0.0
        if pattern in field.no_value or not math.isfinite(raw) or not field.lowest <= value <= field.highest:
            quality = Quality.FAILED
        return Reading(value, field.unit, at_s, quality)
