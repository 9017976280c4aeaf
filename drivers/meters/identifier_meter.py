"""A DL/T 645 meter that is described by an identifier map: from the map's plan to the reads of the driver."""

from collections.abc import Collection
from fractions import Fraction

from drivers.dlt645.meter import Dlt645Meter, Read
from drivers.dlt645.meter import Item as ReadItem
from drivers.exchange import Result
from drivers.meters.decode import signal_unit
from drivers.meters.identifier_map import IdentifierMap, Item
from drivers.meters.planner import Wire
from drivers.meters.read_plan import ItemRead, plan_items
from drivers.meters.signals import SIGNAL_UNITS, UNIT_FACTORS, is_energy
from drivers.reading import Reading

_VOLTAGE, _CURRENT, _POWER = "meter_voltage_v", "meter_current_a", "meter_power_w"
_COMPUTED_AGE_INTERVALS = 2.0
"""Power is computed from voltage and current that were taken at most so many poll intervals apart."""


class IdentifierMeter(Dlt645Meter):
    """One meter with the number ``address`` (twelve digits), read every ``poll_interval_s`` seconds.

    Arguments as those of ``drivers.meters.meter.Meter``. Where the map says that the meter has no power, power is
    voltage times current, as old as the older of the two. Raises ValueError for a channel or a signal that the meter
    does not have, and as ``Dlt645Meter``.
    """

    def __init__(
        self,
        identifier_map: IdentifierMap,
        address: str,
        poll_interval_s: float,
        energy_unit_wh: float = 1.0,
        *,
        name: str = "meter",
        signals: Collection[str] | None = None,
        channel: int = 1,
        wire: Wire | None = None,
    ) -> None:
        offered = {item.signal for item in identifier_map.items if item.channel == channel}
        if not offered:
            raise ValueError(f"{identifier_map.id} has no channel {channel}")
        if signals is None:
            signals = tuple(SIGNAL_UNITS) if identifier_map.kind == "dc" else tuple(offered)
        self._computes = identifier_map.computed_power and _POWER in signals and _POWER not in offered
        wanted = {*signals} - {_POWER} | {_VOLTAGE, _CURRENT} if self._computes else {*signals}
        for signal in wanted:
            if signal not in offered:
                raise ValueError(f"{identifier_map.id} does not deliver {signal} on channel {channel}")
        super().__init__(
            [_read(read) for read in plan_items(identifier_map, wanted, channel, wire)],
            address,
            poll_interval_s,
            energy_unit_wh,
            latency_s=identifier_map.latency_ms / 1000,
            minimum_gap_s=identifier_map.minimum_gap_ms / 1000,
            name=name,
        )
        self._signals = frozenset(signals)
        self._apart_s = _COMPUTED_AGE_INTERVALS * poll_interval_s
        self._factors: dict[str, Reading] = {}

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; signals that have no value are absent."""
        readings = super().accept(result)
        power = self._power(readings) if self._computes else None
        readings = [(signal, reading) for signal, reading in readings if signal in self._signals]
        return readings if power is None else [*readings, (_POWER, power)]

    def _power(self, readings: list[tuple[str, Reading]]) -> Reading | None:
        fresh = {signal: reading for signal, reading in readings if signal in (_VOLTAGE, _CURRENT)}
        self._factors |= fresh
        if not fresh or len(self._factors) < 2:
            return None
        voltage, current = self._factors[_VOLTAGE], self._factors[_CURRENT]
        if abs(voltage.at_s - current.at_s) > self._apart_s:
            return None
        return Reading(float(voltage.value) * float(current.value), "W", min(voltage.at_s, current.at_s))


def _read(read: ItemRead) -> Read:
    return Read(int(read.di, 16), tuple(_item(item) for item in read.items), read.every, read.priority)


def _item(item: Item) -> ReadItem:
    energy = is_energy(item.signal)
    return ReadItem(
        int(item.di, 16),
        item.bytes,
        item.signal,
        signal_unit(item.signal),
        item.scale * Fraction(UNIT_FACTORS[item.unit][1]),
        signed=item.signed,
        binary=item.encoding == "binary",
        whole=energy,
        energy=energy,
    )
