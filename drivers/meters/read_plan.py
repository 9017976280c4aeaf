"""From a meter map and the signals that are wanted to the requests that read them."""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import msgspec

from drivers.meters.identifier_map import IdentifierMap, Item
from drivers.meters.modbus_map import Field, Function, Ratio, RegisterMap
from drivers.meters.planner import Limits, Need, Read, Wire, plan

PRIORITIES = {"live": 2, "energy": 2, "quality": 3, "ratio": 2}
"""Priorities of ``drivers.modbus.codec.Request``: 2 is that of the meter, 3 that of what can wait."""

_DLT_REQUEST_BYTES = 16
_DLT_REPLY_OVERHEAD_BYTES = 16
_DLT_REPLY_PREAMBLE_BYTES = 4
"""DL/T 645-2007: 68 A0..A5 68 C L DI0..DI3 data CS 16; meters send up to four FE before it."""


class Members(msgspec.Struct, frozen=True, gc=False):
    """The content of one need: fields and ratios with registers that belong together."""

    need: Need
    fields: tuple[Field, ...]
    ratios: tuple[Ratio, ...]


class ReadPlan(msgspec.Struct, frozen=True, gc=False):
    """The requests for one meter. ``members`` maps the keys of the reads to their needs."""

    reads: tuple[Read, ...]
    members: dict[str, Members]
    limits: Limits

    def fields(self, read: Read) -> list[Field]:
        """The fields that a read serves."""
        return [field for key in read.keys for field in self.members[key].fields]

    def ratios(self, read: Read) -> list[Ratio]:
        """The ratios that a read serves; a ratio that several fields need is listed once."""
        return list(dict.fromkeys(ratio for key in read.keys for ratio in self.members[key].ratios))


def select(
    register_map: RegisterMap,
    signals: Collection[str] | None = None,
    channel: int = 1,
    variants: Collection[str] = (),
) -> list[Field]:
    """The fields of a channel, of the given signals (None: of all), of no variant or of one of ``variants``."""
    own = 1 if register_map.channel_address_step else channel
    return [
        field
        for field in register_map.fields
        if field.channel == own
        and (signals is None or field.signal in signals)
        and (not field.variant or field.variant in variants)
    ]


def members_of(register_map: RegisterMap, fields: Sequence[Field]) -> list[Members]:
    """What must be read together: mantissa and exponent, a value and its ratio, all fields with one ``together``."""
    bundles: dict[str, list[Field]] = {}
    for field in fields:
        name = f"{field.function}:{field.together}" if field.together else f"{field.signal}.{field.variant}"
        bundles.setdefault(name, []).append(field)
    members = []
    apart: dict[str, Ratio] = {}
    for name, bundle in bundles.items():
        ratios = [register_map.ratio(wanted) for field in bundle for wanted in field.ratios]
        known = list(dict.fromkeys(ratio for ratio in ratios if ratio is not None))
        joined = tuple(ratio for ratio in known if ratio.same_request)
        apart |= {ratio.name: ratio for ratio in known if not ratio.same_request}
        groups = [field.group for field in bundle]
        members.append(Members(_need(name, register_map, bundle, joined, groups), tuple(bundle), joined))
    for name, ratio in apart.items():
        members.append(Members(_need(f"ratio {name}", register_map, (), (ratio,), ("ratio",)), (), (ratio,)))
    return members


def _need(
    key: str,
    register_map: RegisterMap,
    fields: Sequence[Field],
    ratios: Sequence[Ratio],
    groups: Sequence[str],
) -> Need:
    located: list[Field | Ratio] = [*fields, *ratios]
    firsts = [part.register for part in located]
    lasts = [part.last for part in located]
    exponents = [field.exponent_register for field in fields if field.exponent_register is not None]
    return Need(
        key,
        located[0].function,
        min(firsts + exponents),
        max(lasts + exponents),
        min(getattr(register_map.intervals, group) for group in groups),
        min(PRIORITIES[group] for group in groups),
    )


def limits_of(register_map: RegisterMap) -> Limits:
    """What the meter takes; registers of every field of the map are readable, wanted or not."""
    fields = [
        (each.need.function, each.need.first, each.need.last)
        for each in members_of(register_map, [field for field in register_map.fields if not field.variant])
    ]
    spans = [(span.function, span.first, span.last) for span in register_map.readable]
    return Limits(register_map.maximum_registers, register_map.even, (*spans, *fields))


def wire_of(meter_map: RegisterMap | IdentifierMap, baud: int | None = None) -> Wire:
    """The line as the meter leaves the factory, or at another rate."""
    serial = meter_map.serial
    return Wire(baud or serial.baud, serial.bits_per_character, meter_map.minimum_gap_ms / 1000)


def plan_reads(
    register_map: RegisterMap,
    signals: Collection[str] | None = None,
    channel: int = 1,
    variants: Collection[str] = (),
    wire: Wire | None = None,
) -> ReadPlan:
    """The cheapest requests for the signals (None: all). Raises PlanError for what no request can do."""
    members = members_of(register_map, select(register_map, signals, channel, variants))
    limits = limits_of(register_map)
    reads = plan([each.need for each in members], limits, wire or wire_of(register_map))
    return ReadPlan(tuple(reads), {each.need.key: each for each in members}, limits)


def with_function(register_map: RegisterMap, function: Function) -> RegisterMap:
    """The same map read with another function code, for a meter that refuses the usual one."""
    usual = register_map.function

    def moved(part: Field | Ratio) -> Field | Ratio:
        return msgspec.structs.replace(part, function=function) if part.function == usual else part

    return msgspec.structs.replace(
        register_map,
        function=function,
        fields=[cast("Field", moved(field)) for field in register_map.fields],
        ratios=[cast("Ratio", moved(ratio)) for ratio in register_map.ratios],
        readable=[
            msgspec.structs.replace(span, function=function) if span.function == usual else span
            for span in register_map.readable
        ],
    )


class ItemRead(msgspec.Struct, frozen=True, gc=False):
    """One request over DL/T 645: an identifier, and the items with their values in the sequence of its reply.

    ``items`` are all of the reply, ``signals`` those that are wanted.
    """

    di: str
    items: tuple[Item, ...]
    signals: tuple[str, ...]
    every: int
    priority: int

    @property
    def data_bytes(self) -> int:
        """Length of the values in the reply."""
        return sum(item.bytes for item in self.items)

    def wire_bytes(self, preamble: int) -> int:
        """Bytes of request and reply, the FE bytes before either included."""
        return preamble + _DLT_REQUEST_BYTES + _DLT_REPLY_PREAMBLE_BYTES + _DLT_REPLY_OVERHEAD_BYTES + self.data_bytes

    def time_us(self, wire: Wire, preamble: int) -> int:
        """Microseconds that the request keeps the line busy, until the next may be sent."""
        characters_us = self.wire_bytes(preamble) * wire.bits_per_character * 1e6 / wire.baud
        return round(characters_us + wire.reply_delay_s * 1e6 + wire.minimum_gap_s * 1e6)


def plan_items(
    identifier_map: IdentifierMap,
    signals: Collection[str] | None = None,
    channel: int = 1,
    wire: Wire | None = None,
) -> list[ItemRead]:
    """The cheapest reads for the signals (None: all): a block where it costs less than its items one by one."""
    line = wire or wire_of(identifier_map)
    preamble = identifier_map.serial.preamble
    wanted = {
        item.di: item
        for item in identifier_map.items
        if item.channel == channel and (signals is None or item.signal in signals)
    }
    reads = []
    for block in identifier_map.blocks:
        inside = [wanted[di] for di in block.items if di in wanted]
        if len(inside) < 2:
            continue
        whole = tuple(item for item in map(identifier_map.item, block.items) if item is not None)
        joined = _item_read(identifier_map, block.di, whole, inside)
        singles = [_item_read(identifier_map, item.di, (item,), (item,)) for item in inside]
        if _cost([joined], line, preamble) < _cost(singles, line, preamble):
            reads.append(joined)
            for item in inside:
                del wanted[item.di]
    reads += [_item_read(identifier_map, item.di, (item,), (item,)) for item in wanted.values()]
    return sorted(reads, key=lambda read: (read.every, read.priority, read.di))


def split_items(identifier_map: IdentifierMap, read: ItemRead) -> list[ItemRead]:
    """The wanted items of a block one by one: for a meter that refuses the block."""
    return [_item_read(identifier_map, item.di, (item,), (item,)) for item in read.items if item.signal in read.signals]


def _item_read(identifier_map: IdentifierMap, di: str, whole: tuple[Item, ...], wanted: Sequence[Item]) -> ItemRead:
    intervals: Mapping[str, int] = msgspec.structs.asdict(identifier_map.intervals)
    return ItemRead(
        di,
        whole,
        tuple(item.signal for item in wanted),
        min(intervals[item.group] for item in wanted),
        min(PRIORITIES[item.group] for item in wanted),
    )


def _cost(reads: Sequence[ItemRead], wire: Wire, preamble: int) -> float:
    return sum(read.time_us(wire, preamble) / read.every for read in reads)
