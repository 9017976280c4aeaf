"""A DL/T 645 meter from its identifier map: what ``drivers.meters.meter`` is for Modbus."""

from collections.abc import Collection
from fractions import Fraction

from drivers.dlt645.meter import Dlt645Meter, Item, Product, Read
from drivers.meters import identifier_map as maps
from drivers.meters.decode import signal_unit
from drivers.meters.planner import Wire
from drivers.meters.read_plan import plan_items
from drivers.meters.signals import SIGNAL_UNITS, UNIT_FACTORS, is_energy

_POWER = Product("meter_power_w", "meter_voltage_v", "meter_current_a", "W")


def _item(item: maps.Item) -> Item:
    energy = is_energy(item.signal)
    factor = item.scale * Fraction(UNIT_FACTORS[item.unit][1])
    return Item(
        int(item.di, 16),
        item.bytes,
        item.signal,
        signal_unit(item.signal),
        factor,
        signed=item.signed,
        binary=item.encoding == "binary",
        whole=energy,
        energy=energy,
    )


def mapped_meter(
    identifier_map: maps.IdentifierMap,
    number: str,
    poll_interval_s: float,
    energy_unit_wh: float = 1.0,
    *,
    name: str = "meter",
    signals: Collection[str] | None = None,
    wire: Wire | None = None,
) -> Dlt645Meter:
    """The meter with that number. ``signals``: by default the four of the charging core for a DC meter, else all.

    Raises ValueError for a signal that the map does not deliver, and as ``Dlt645Meter`` does.
    """
    offered = {item.signal for item in identifier_map.items if item.channel == 1}
    products = [_POWER] if identifier_map.computed_power else []
    offered |= {product.signal for product in products}
    wanted = set(SIGNAL_UNITS if identifier_map.kind == "dc" else offered) if signals is None else set(signals)
    missing = sorted(wanted - offered)
    if missing:
        raise ValueError(f"{identifier_map.id} does not provide {', '.join(missing)}")
    products = [product for product in products if product.signal in wanted]
    read = wanted.union(*((product.one, product.other) for product in products))
    reads = [
        Read(int(plan.di, 16), tuple(_item(item) for item in plan.items), plan.every, plan.priority)
        for plan in plan_items(identifier_map, read, wire=wire)
    ]
    return Dlt645Meter(
        reads,
        number,
        poll_interval_s,
        energy_unit_wh,
        latency_s=identifier_map.latency_ms / 1000,
        minimum_gap_s=identifier_map.minimum_gap_ms / 1000,
        name=name,
        products=products,
        signals=wanted,
    )
