"""What each number of a meter's map does: seen by reading a meter on paper, and by the tools for installers.

The meter on paper is made of the map as shipped; the map with a number changed then reads other registers of it, or
makes other values of the same ones.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
from meter_images import Image
from number_walk import Number

from agent.cli.meter.bus import LineSettings
from agent.cli.meter.scan_plan import Wanted, quick_tasks, settings_in_order
from agent.cli.meter.setting import Writer, plan_change, words_for
from drivers.dlt645.mapped import mapped_meter
from drivers.dlt645.values import encode_bcd
from drivers.line.exchange import Result
from drivers.meters.decode import item_value
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.identify import code_matches
from drivers.meters.map_checks import mistakes
from drivers.meters.meter import Meter
from drivers.meters.modbus_map import Field, Ratio, RegisterMap
from drivers.meters.read_plan import plan_items, plan_reads, wire_of
from drivers.meters.register_form import register_form
from drivers.meters.register_map import AnyMap, heading_mistakes, with_defaults
from drivers.modbus.codec import Request
from scripts.documents.meters import _meter as page_of

POLLS = 32
SHARES = ("low", "high", "below", "above", "zero", "refused")
"""The meter on paper: exponents and ratios at the ends of what makes sense and beyond, probes at zero, and a meter that
refuses the function code of the map."""


def load(tree: Any) -> AnyMap:
    """A map from its tree. Raises ValueError with everything that is wrong."""
    found = heading_mistakes(tree)
    if found:
        raise ValueError(str(found))
    kind: Any = RegisterMap if tree["protocol"] == "modbus" else IdentifierMap
    try:
        meter_map: AnyMap = msgspec.convert(with_defaults(tree), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    wrong = mistakes(meter_map)
    if wrong:
        raise ValueError(str(wrong))
    return meter_map


class Paper(Image):
    """A meter that has every register; what nobody has set differs from register to register."""

    def answer(self, request: Request, at_s: float) -> Result:
        self.asked.append(request)
        if request.function not in self.functions:
            return Result(request, error="exception", exception_code=1, at_s=at_s)
        wanted = range(request.register, request.register + request.count)
        return Result(request, tuple(self.words.get(word, word * 37 % 89 + 3) for word in wanted), at_s=at_s)


_WORDS = {
    "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f",
}  # fmt: skip


def _put(paper: Paper, part: Field | Ratio, value: float) -> None:
    if part.type.startswith("bcd"):
        data = bytes.fromhex(f"{int(value):0{4 * part.width}d}"[-4 * part.width :])
    else:
        data = struct.pack(f">{_WORDS[part.type]}", value if part.type == "f32" else int(value))
    words = struct.unpack(f">{len(data) // 2}H", data)
    paper.put(part.register, *(words if part.word_order == "high_first" else words[::-1]))


def _paper(register_map: RegisterMap, share: str) -> Paper:
    refused = share == "refused" and register_map.function_alternatives
    functions = register_map.function_alternatives if refused else (3, 4)
    paper = Paper(functions=functions)
    probes = {variant.probe for variant in register_map.variants}
    for index, field in enumerate(register_map.fields):
        zero = share == "zero" and field.signal in probes and field.variant == register_map.variants[0].name
        _put(paper, field, 0 if zero else 1234 + 7 * index)
        if field.exponent_register is not None:
            beyond = {"low": 1, "below": 0, "above": field.exponent_maximum + 1}.get(share, field.exponent_maximum)
            paper.put(field.exponent_register, beyond)
    for ratio in register_map.ratios:
        ends = {
            "low": ratio.minimum, "high": ratio.maximum, "below": ratio.minimum - ratio.scale,
            "above": ratio.maximum + ratio.scale,
        }  # fmt: skip
        _put(paper, ratio, ends.get(share, ratio.minimum * 3) / ratio.scale)
    return paper


def reading(original: AnyMap) -> Callable[[AnyMap, Number], Any]:
    """Requests and readings of every channel of the meter that ``original`` describes."""

    def probe(meter_map: AnyMap, number: Number) -> Any:
        if isinstance(meter_map, IdentifierMap):
            return _items(meter_map)
        assert isinstance(original, RegisterMap)
        seen: list[Any] = [
            [(read.start, read.count, read.every) for read in plan_reads(meter_map, [signal]).reads]
            for signal in meter_map.signals()
        ]
        for share in SHARES:
            for channel in range(1, original.channels + 1):
                paper = _paper(original, share)
                if channel > meter_map.channels or not meter_map.signals(channel):
                    seen.append("nothing there")
                    continue
                meter = Meter(meter_map, 1, 1.0, signals=meter_map.signals(channel), channel=channel)
                seen.append((meter.timing, meter_map.channels))
                for at_s in range(POLLS):
                    for request in meter.requests(float(at_s)):
                        found = meter.accept(paper.answer(request, float(at_s)))
                        asked = (request.address, request.function, request.register, request.count)
                        seen.append((at_s, asked, [(name, one.value, one.unit) for name, one in found]))
        return seen

    return probe


def _items(identifier_map: IdentifierMap) -> Any:
    data = encode_bcd(-12_345_678, 8, signed=True)
    values = [
        [(item.signal, item_value(item, raw[: item.bytes])) for item in identifier_map.items]
        for raw in (data, bytes.fromhex("7856341298765493"), bytes.fromhex("9392919093929190"))
    ]
    meter = mapped_meter(identifier_map, "000000000001", 1.0)
    asked = [(at_s, request.identifier) for at_s in range(POLLS) for request in _first(meter, float(at_s))]
    return values, [(plan.di, plan.every) for plan in plan_items(identifier_map)], asked, meter.timing


def _first(meter: Any, at_s: float) -> Any:
    requests = meter.requests(at_s)
    for request in requests:
        meter.accept(Result(request, error="timeout", at_s=at_s))
    return requests


def _line(meter_map: AnyMap, number: Number) -> Any:
    """Where a scan looks for it, and what its line costs."""
    wanted = Wanted((meter_map,), tuple(range(1, 248)))
    return settings_in_order(wanted), quick_tasks(wanted), wire_of(meter_map)


def _settings(register_map: RegisterMap, number: Number) -> Any:
    """What would be written for each setting."""
    assert register_map.settings is not None
    return [
        (name, setting.register, value, words_for(setting, value))
        for name, setting in register_map.settings.all.items()
        for value in (setting.codes or ("7",))
    ]


def _restart(register_map: RegisterMap, number: Number) -> Any:
    """What an installer is told after a write that the meter has refused."""

    class Refusing:
        """A line whose meter refuses everything."""

        def ask(self, *_: Any) -> Any:
            return SimpleNamespace(result=SimpleNamespace(exception_code=2))

    @contextmanager
    def refusing(_: Any) -> Iterator[Any]:
        yield Refusing()

    open_bus: Any = refusing
    change = plan_change(register_map, "address", "1", "7")
    return Writer(open_bus, LineSettings(), register_map, 1).carry_out(change).restart


def _identity(register_map: RegisterMap, number: Number) -> Any:
    codes = {(code.function, code.register + more) for code in register_map.identify for more in (-1, 0, 1)}
    numbers = {each + more for code in register_map.identify for each in code.equals for more in (-1, 0, 1)}
    return {(code, each): code_matches(register_map, *code, each) for code in codes for each in numbers}


def _form(meter_map: AnyMap, number: Number) -> Any:
    return register_form(meter_map)


def _page(meter_map: AnyMap, number: Number) -> Any:
    """For people: the page of the meter in docs/meters.md."""
    return list(page_of(meter_map))


OTHERS: Mapping[str, Callable[[Any, Number], Any]] = {
    "serial.": _line,
    "serial.preamble": _page,
    "settings.": _settings,
    "settings.restart": _restart,
    "identify.": _identity,
    "energy_unit_disputed": _form,
    "billing": _page,
    "never_write.": _page,
}
"""The probe by the beginning of a kind; every other kind shows when the meter is read."""


def probe_of(kind: str, original: AnyMap) -> Callable[[Any, Number], Any]:
    """The probe of a kind of number."""
    fitting = [head for head in OTHERS if kind == head or (head.endswith(".") and kind.startswith(head))]
    return OTHERS[max(fitting, key=len)] if fitting else reading(original)
