"""How the parts of a meter map fit together: the checks beyond the types. Every error is found, not only the first."""

import math
from collections.abc import Collection, Iterator
from fractions import Fraction

from drivers.data_file import Mistake
from drivers.meters.commissioning import commissioning_mistakes
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.modbus_map import Field, Ratio, RegisterMap
from drivers.meters.read_plan import Members, members_of
from drivers.meters.sections import MeterMap, Quantity
from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS, ENERGY_SIGNAL, SIGNAL_UNITS, UNIT_FACTORS, is_energy

_AC_ENERGY = ("energy_import_wh", "energy_total_wh")


def near(name: str, legal: Collection[str]) -> tuple[str, str]:
    """A hint that names the legal name that looks most like ``name``; empty if none does."""
    # Only ever needed when something is wrong.
    import difflib

    found = difflib.get_close_matches(name, legal, 1)
    return (f"是否应为 {found[0]}?", f"did you mean {found[0]}?") if found else ("", "")


def mistakes(meter_map: RegisterMap | IdentifierMap) -> list[Mistake]:
    """Everything in the map that does not fit together."""
    found = list(_common(meter_map))
    if isinstance(meter_map, RegisterMap):
        forbidden = [(entry.first, entry.last) for entry in meter_map.never_write]
        found += [
            *_sections(meter_map),
            *(Mistake(*each) for each in commissioning_mistakes(meter_map.identify, meter_map.settings, forbidden)),
            *_fields(meter_map),
            *_bundles(meter_map),
            *_completeness(meter_map, meter_map.fields, "fields"),
        ]
    else:
        found += [*_items(meter_map), *_blocks(meter_map), *_completeness(meter_map, meter_map.items, "items")]
    return found


def _common(meter_map: MeterMap) -> Iterator[Mistake]:
    for index, entry in enumerate(meter_map.never_write):
        if entry.first > entry.last:
            yield _backwards(f"never_write[{index}].last", entry.first, entry.last)


def _backwards(place: str, first: int, last: int) -> Mistake:
    return Mistake(place, f"{last} 小于 first 的 {first}", f"{last} is before first, {first}")


def _legal_signals(kind: str) -> dict[str, str]:
    return DC_SIGNALS if kind == "dc" else AC_SIGNALS


def _quantity(meter_map: MeterMap, quantity: Quantity, place: str) -> Iterator[Mistake]:
    """What is wrong with the signal, its unit, its roll-over."""
    legal = _legal_signals(meter_map.kind)
    wanted = legal.get(quantity.signal)
    if wanted is None:
        hint = near(quantity.signal, legal)
        yield Mistake(
            f"{place}.signal",
            f"{quantity.signal} 不是 {meter_map.kind} 电表的信号",
            f"{quantity.signal} is not a signal of a {meter_map.kind} meter",
            *hint,
        )
    unit = UNIT_FACTORS.get(quantity.unit)
    if unit is None:
        yield Mistake(
            f"{place}.unit",
            f"没有单位 {quantity.unit}",
            f"unknown unit {quantity.unit}",
            *near(quantity.unit, UNIT_FACTORS),
        )
    elif wanted is not None and unit[0] != wanted:
        usable = [name for name, (base, _) in UNIT_FACTORS.items() if base == wanted]
        yield Mistake(
            f"{place}.unit",
            f"{quantity.signal} 的单位须为 {'、'.join(usable)},现为 {quantity.unit}",
            f"{quantity.signal} can be in {', '.join(usable)}, not {quantity.unit}",
        )
    if quantity.rollover is not None and not is_energy(quantity.signal):
        yield Mistake(f"{place}.rollover", "只有电能计数器会翻转", "only an energy counter rolls over")


def _completeness(
    meter_map: RegisterMap | IdentifierMap, quantities: Collection[Quantity], place: str
) -> Iterator[Mistake]:
    delivered = {quantity.signal for quantity in quantities if quantity.channel == 1}
    if meter_map.kind == "dc":
        if isinstance(meter_map, IdentifierMap) and meter_map.computed_power:
            delivered.add("meter_power_w")
        missing = sorted(SIGNAL_UNITS.keys() - delivered)
        if missing:
            names = ", ".join(missing)
            yield Mistake(
                place,
                f"缺少 {names}",
                f"{names} is missing",
                "直流电表须给出电压、电流、功率和电能",
                "a DC meter must provide voltage, current, power and energy",
            )
    elif not delivered & set(_AC_ENERGY):
        yield Mistake(place, "缺少 energy_import_wh", "energy_import_wh is missing")
    energy = [quantity for quantity in quantities if is_energy(quantity.signal)]
    if meter_map.energy_unit_disputed and not any(quantity.disputed for quantity in energy):
        yield Mistake(
            "energy_unit_disputed",
            "没有电能信号写明争议内容",
            "no energy signal has `disputed` with the points on which the sources differ",
        )


def _sections(register_map: RegisterMap) -> Iterator[Mistake]:
    if register_map.even and register_map.maximum_registers % 2:
        yield Mistake(
            "maximum_registers",
            f"even = true 时须为偶数,现为 {register_map.maximum_registers}",
            f"must be even with even = true, is {register_map.maximum_registers}",
        )
    if register_map.function in register_map.function_alternatives:
        yield Mistake(
            "function_alternatives",
            f"{register_map.function} 已是 function",
            f"{register_map.function} is the usual function already",
        )
    for index, span in enumerate(register_map.readable):
        if span.first > span.last:
            yield _backwards(f"readable[{index}].last", span.first, span.last)
    yield from _ratios(register_map)
    yield from _variants(register_map)
    if register_map.channel_address_step and register_map.channels == 1:
        yield Mistake(
            "channels", "地址步长只用于多通道电表", "an address step is for meters with several channels only"
        )


def _ratios(register_map: RegisterMap) -> Iterator[Mistake]:
    used = {name for field in register_map.fields for name in field.ratios}
    seen: set[str] = set()
    for index, ratio in enumerate(register_map.ratios):
        place = f"ratios[{index}]"
        if ratio.name in seen:
            yield _twice(f"{place}.name", ratio.name)
        seen.add(ratio.name)
        if ratio.name not in used:
            yield Mistake(f"{place}.name", f"没有信号使用 {ratio.name}", f"no field uses {ratio.name}")
        if ratio.minimum > ratio.maximum:
            yield Mistake(
                f"{place}.maximum",
                f"{ratio.maximum:g} 小于 minimum 的 {ratio.minimum:g}",
                f"{ratio.maximum:g} is below minimum, {ratio.minimum:g}",
            )
        yield from _within_the_address_space(ratio, place)


def _variants(register_map: RegisterMap) -> Iterator[Mistake]:
    seen: set[str] = set()
    choices = [variant.choice for variant in register_map.variants]
    for index, variant in enumerate(register_map.variants):
        place = f"variants[{index}]"
        if variant.name in seen:
            yield _twice(f"{place}.name", variant.name)
        seen.add(variant.name)
        own = [field.signal for field in register_map.fields if field.variant == variant.name]
        if variant.probe not in own:
            yield Mistake(
                f"{place}.probe",
                f"变体 {variant.name} 没有信号 {variant.probe}",
                f"the variant {variant.name} has no field {variant.probe}",
                *near(variant.probe, own),
            )
        if choices.count(variant.choice) == 1:
            yield Mistake(
                f"{place}.choice",
                f"选择 {variant.choice} 只有一个变体",
                f"the choice {variant.choice} has only this variant",
                *near(variant.choice, [choice for choice in choices if choice != variant.choice]),
            )


def _twice(place: str, name: str) -> Mistake:
    return Mistake(place, f"{name} 出现两次", f"{name} is listed twice")


def _within_the_address_space(part: Field | Ratio, place: str) -> Iterator[Mistake]:
    if part.last > 0xFFFF:
        yield Mistake(f"{place}.register", "超出寄存器 65535", "exceeds register 65535")


def _fields(register_map: RegisterMap) -> Iterator[Mistake]:
    choice_of = {variant.name: variant.choice for variant in register_map.variants}
    ratios = [ratio.name for ratio in register_map.ratios]
    seen: dict[tuple[str, int], list[Field]] = {}
    for index, field in enumerate(register_map.fields):
        place = f"fields[{index}]"
        yield from _quantity(register_map, field, place)
        yield from _within_the_address_space(field, place)
        yield from _value(register_map, field, place)
        for name in field.ratios:
            if name not in ratios:
                yield Mistake(f"{place}.ratios", f"没有变比 {name}", f"unknown ratio {name}", *near(name, ratios))
        if field.variant and field.variant not in choice_of:
            yield Mistake(
                f"{place}.variant",
                f"没有变体 {field.variant}",
                f"unknown variant {field.variant}",
                *near(field.variant, choice_of),
            )
        former = seen.setdefault((field.signal, field.channel), [])
        if any(not _exclude_each_other(field, other, choice_of) for other in former):
            yield _twice(f"{place}.signal", field.signal)
        former.append(field)
        highest = 1 if register_map.channel_address_step else register_map.channels
        if field.channel > highest:
            yield Mistake(
                f"{place}.channel",
                f"{field.channel} 超出通道 1 至 {highest}",
                f"{field.channel} is not within channels 1 to {highest}",
                "每通道一个地址时,各通道寄存器相同" if register_map.channel_address_step else "",
                "with an address per channel all channels have the same registers"
                if register_map.channel_address_step
                else "",
            )


def _exclude_each_other(one: Field, other: Field, choice_of: dict[str, str]) -> bool:
    if not one.variant or not other.variant or one.variant == other.variant:
        return False
    return choice_of.get(one.variant) == choice_of.get(other.variant)


def _value(register_map: RegisterMap, field: Field, place: str) -> Iterator[Mistake]:
    if not math.isfinite(field.scale) or field.scale == 0:
        yield Mistake(f"{place}.scale", f"{field.scale:g} 不是有效的比例", f"{field.scale:g} gives no value")
    largest = 1 << 16 * field.width
    if any(sentinel >= largest for sentinel in field.sentinels):
        yield Mistake(f"{place}.sentinels", f"超出 {field.type}", f"a value does not fit into {field.type}")
    if field.rollover is not None and field.rollover > largest:
        yield Mistake(f"{place}.rollover", f"超出 {field.type}", f"does not fit into {field.type}")
    billed = field.signal == ENERGY_SIGNAL or field.signal in _AC_ENERGY
    if billed and register_map.billing and field.type == "f32":
        yield Mistake(
            f"{place}.type",
            "f32 自 8192 kWh 起分辨不出 1 Wh,不能用于计费",
            "f32 cannot resolve 1 Wh from 8192 kWh on and must not be used for billing",
        )


def _bundles(register_map: RegisterMap) -> Iterator[Mistake]:
    """What belongs together must fit into one request, and the registers between them must be readable."""
    for members in _all_members(register_map):
        first, last = members.need.first, members.need.last
        if register_map.even:
            first, last = first & ~1, last | 1
        place = _place_of(register_map, members)
        if last - first + 1 > register_map.maximum_registers:
            yield Mistake(
                place,
                f"须一次读取 {last - first + 1} 个寄存器,上限为 {register_map.maximum_registers}",
                f"takes {last - first + 1} registers in one request, maximum_registers is "
                f"{register_map.maximum_registers}",
            )
            continue
        gap = _unreadable(register_map, members)
        if gap is not None:
            yield Mistake(
                place,
                f"须读过寄存器 {gap}(0x{gap:04X}),但它不在 readable 中",
                f"reads through register {gap} (0x{gap:04X}), which is not listed as readable",
                "在 readable 中写明,或确认寄存器号",
                "add it to readable, or check the register number",
            )


def _all_members(register_map: RegisterMap) -> list[Members]:
    plain = [field for field in register_map.fields if not field.variant]
    found = []
    for channel in range(1, register_map.channels + 1):
        found += members_of(register_map, [field for field in plain if field.channel == channel])
    for variant in register_map.variants:
        found += members_of(register_map, [field for field in register_map.fields if field.variant == variant.name])
    return found


def _place_of(register_map: RegisterMap, members: Members) -> str:
    if members.fields:
        return f"fields[{register_map.fields.index(members.fields[0])}].register"
    return f"ratios[{register_map.ratios.index(members.ratios[0])}].register"


def _unreadable(register_map: RegisterMap, members: Members) -> int | None:
    """The first register between those of a bundle that neither a field nor ``readable`` names."""
    function = members.need.function
    known: set[int] = set()
    parts: list[Field | Ratio] = [*register_map.fields, *register_map.ratios]
    for part in parts:
        if part.function == function:
            known.update(range(part.register, part.last + 1))
    known.update(
        field.exponent_register
        for field in register_map.fields
        if field.function == function and field.exponent_register is not None
    )
    for span in register_map.readable:
        if span.function == function:
            known.update(range(span.first, span.last + 1))
    return next((r for r in range(members.need.first, members.need.last + 1) if r not in known), None)


def _items(identifier_map: IdentifierMap) -> Iterator[Mistake]:
    identifiers: set[str] = set()
    signals: set[tuple[str, int]] = set()
    for index, item in enumerate(identifier_map.items):
        place = f"items[{index}]"
        yield from _quantity(identifier_map, item, place)
        if item.di in identifiers:
            yield _twice(f"{place}.di", item.di)
        if (item.signal, item.channel) in signals:
            yield _twice(f"{place}.signal", item.signal)
        identifiers.add(item.di)
        signals.add((item.signal, item.channel))
        if item.rollover is not None and item.rollover > (1 << 8 * item.bytes):
            yield Mistake(f"{place}.rollover", f"超出 {item.bytes} 字节", f"does not fit into {item.bytes} bytes")


def _blocks(identifier_map: IdentifierMap) -> Iterator[Mistake]:
    known = [item.di for item in identifier_map.items]
    taken: dict[str, str] = {}
    for index, block in enumerate(identifier_map.blocks):
        place = f"blocks[{index}]"
        if block.di in known or block.di in taken.values():
            yield _twice(f"{place}.di", block.di)
        for di in block.items:
            if di not in known:
                yield Mistake(f"{place}.items", f"没有标识 {di} 的信号", f"unknown item {di}", *near(di, known))
            if di in taken:
                yield Mistake(
                    f"{place}.items", f"{di} 已在块 {taken[di]} 中", f"{di} is in the block {taken[di]} already"
                )
            taken[di] = block.di


def modulus_wh(register_map: RegisterMap | IdentifierMap, quantity: Quantity) -> Fraction | None:
    """Energy at which a counter begins again at 0, in Wh (varh), without ratios and exponents; None if not known."""
    modulus: int | None = getattr(quantity, "modulus", None)
    if modulus is None or not is_energy(quantity.signal):
        return None
    digit = Fraction(str(getattr(quantity, "scale", 1)))
    return modulus * digit * Fraction(UNIT_FACTORS[quantity.unit][1])
