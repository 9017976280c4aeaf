"""Reads every field of a map from one meter, once, and keeps the raw registers beside the values.

Unlike the service's driver it sends each request on demand, and it gives the reason for a missing value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from agent.cli.meter.bus import Answer, Bus
from drivers.dlt645.request import Request as ItemRequest
from drivers.line.exchange import ERROR_EXCEPTION, Address, LineRequest
from drivers.meters.decode import FieldReader, Value, block_values, item_value, ratio_value, signal_unit
from drivers.meters.identifier_map import IdentifierMap, Item
from drivers.meters.modbus_map import Field, RegisterMap
from drivers.meters.planner import Read, Wire, alone, split
from drivers.meters.read_plan import ItemRead, ReadPlan, members_of, plan_items, plan_reads, split_items, with_function
from drivers.meters.variants import VariantChooser
from drivers.modbus.codec import Request
from drivers.text import Text

AnyMap = RegisterMap | IdentifierMap

ILLEGAL_FUNCTION = 1
ILLEGAL_REGISTERS = (2, 3)
_LIFETIME_S = 60.0

REFUSED = Text("电表拒绝读取", "the meter refuses to read it")
SILENT = Text("没有应答", "no answer")
GARBLED = Text("应答有误", "damaged reply")
NO_VALUE = Text("电表没有该值", "the meter has no value")
OTHER_FIRMWARE = Text("固件版本不同", "not in this firmware")


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity. ``where`` is function and register, or the identifier; ``raw`` what came, in hexadecimal.

    ``value`` is None when there is none; ``why`` is then the reason.
    """

    signal: str
    value: Value | None
    unit: str
    where: str
    raw: str = ""
    why: Text | None = None
    is_energy_disputed: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What was read of one meter. ``answered`` of ``asked`` requests came back whole."""

    rows: tuple[Row, ...]
    variants: tuple[str, ...]
    asked: int
    answered: int

    def value(self, signal: str) -> Value | None:
        """The value of a signal, None if there is none."""
        return next((row.value for row in self.rows if row.signal == signal), None)


class Surveyor:
    """Reads one meter at ``address`` (of the box, if it has several channels). Raises PortError when the port fails.

    ``signals`` are those that are wanted, None for all. With ``cache`` a request that was answered before is not sent
    again: for comparing one meter with several maps. With ``all_or_nothing`` nothing more is asked after a failure.
    """

    def __init__(
        self,
        bus: Bus,
        meter_map: AnyMap,
        address: Address,
        channel: int = 1,
        energy_unit_wh: float = 1.0,
        *,
        signals: Sequence[str] | None = None,
        cache: dict[LineRequest, Answer] | None = None,
        latency_s: float | None = None,
        all_or_nothing: bool = False,
    ) -> None:
        self._all_or_nothing = all_or_nothing
        self.map = meter_map
        self._bus = bus
        self._channel = channel
        self._energy_unit = Fraction(str(energy_unit_wh))
        self._signals = signals
        self._cache = cache
        self._latency_s = meter_map.latency_ms / 1000 if latency_s is None else latency_s
        self._gap_s = meter_map.minimum_gap_ms / 1000
        self._wire = Wire(bus.settings.baud, bus.settings.bits_per_character, self._gap_s)
        self._asked = self._answered = 0
        self._is_heard = False
        self._layout: tuple[RegisterMap, tuple[str, ...]] | None = None
        self._address = address
        if isinstance(meter_map, RegisterMap) and isinstance(address, int):
            self._address = address + meter_map.channel_address_step * (channel - 1)

    def read(self) -> Survey:
        """Everything, once."""
        self._asked = self._answered = 0
        variants: tuple[str, ...] = ()
        if isinstance(self.map, IdentifierMap):
            rows = self._items(self.map)
        else:
            register_map, variants = self._layout_of(self.map)
            rows = self._registers(register_map, variants)
        return Survey(tuple(rows), variants, self._asked, self._answered)

    def requests(self) -> list[LineRequest]:
        """The requests that the service would send for this meter, most urgent first."""
        if isinstance(self.map, IdentifierMap):
            return [self._item_request(read) for read in plan_items(self.map, self._signals, self._channel, self._wire)]
        register_map, variants = self._layout_of(self.map)
        return [self._request(read) for read in self._plan(register_map, variants).reads]

    def brief_requests(self) -> list[LineRequest]:
        """Two short requests with distinguishable replies; one if the meter offers no more.

        Between two requests alike the line's owner waits longer than the meter needs: a reply may come twice.
        """
        if isinstance(self.map, IdentifierMap):
            return self.requests()[:2]
        register_map, variants = self._layout_of(self.map)
        read = min(self._plan(register_map, variants).reads, key=lambda each: each.count)
        step = 2 if register_map.even else 1
        counts = [read.count, read.count - step] if read.count > step else [read.count]
        return [
            Request(int(self._address), read.function, read.start, each, priority=2, lifetime_s=_LIFETIME_S)
            for each in counts
        ]

    def _ask(self, request: LineRequest) -> Answer:
        known = None if self._cache is None else self._cache.get(request)
        if known is not None:
            return known
        answer = self._bus.ask(request, self._latency_s, self._gap_s)
        if not answer.is_there and (self._is_heard or not self._asked):
            # One lost or disturbed reply proves nothing. A meter that has never answered is not asked twice.
            answer = self._bus.ask(request, self._latency_s, self._gap_s)
        self._is_heard = self._is_heard or answer.is_there
        self._asked += 1
        self._answered += answer.is_there
        if self._cache is not None:
            self._cache[request] = answer
        return answer

    def _request(self, read: Read) -> Request:
        return Request(int(self._address), read.function, read.start, read.count, priority=2, lifetime_s=_LIFETIME_S)

    def _item_request(self, read: ItemRead) -> ItemRequest:
        # A meter with fewer tariffs than the standard's four sends a shorter block: any length is taken then.
        length = 0 if len(read.items) > 1 else read.data_bytes
        return ItemRequest(str(self._address), int(read.di, 16), length, lifetime_s=_LIFETIME_S)

    def _plan(self, register_map: RegisterMap, variants: Sequence[str]) -> ReadPlan:
        return plan_reads(register_map, self._signals, self._channel, variants, self._wire)

    def _registers(self, register_map: RegisterMap, variants: Sequence[str]) -> list[Row]:
        plan = self._plan(register_map, variants)
        needs = {key: members.need for key, members in plan.members.items()}
        answers: list[tuple[Read, Answer]] = []
        for read in plan.reads:
            answer = self._ask(self._request(read))
            if self._all_or_nothing and not answer.ok:
                return []
            if answer.result.exception_code in ILLEGAL_REGISTERS and len(read.keys) > 1:
                answers += [(part, self._ask(self._request(part))) for part in split(read, needs, plan.limits)]
            else:
                answers.append((read, answer))
        ratios: dict[str, Fraction] = {}
        for read, answer in answers:
            for ratio in plan.ratios(read):
                value = ratio_value(ratio, read.start, answer.result.registers) if answer.ok else None
                if value is not None:
                    ratios[ratio.name] = value
        rows = {
            row.signal: row
            for read, answer in answers
            for row in (self._row(field, read, answer, ratios) for field in plan.fields(read))
        }
        wanted = register_map.signals(self._channel) if self._signals is None else self._signals
        for field in register_map.fields:
            if field.variant and field.signal in wanted and field.signal not in rows:
                unit = signal_unit(field.signal)
                rows[field.signal] = Row(field.signal, None, unit, _place(field), why=OTHER_FIRMWARE)
        return [rows[signal] for signal in register_map.signals(self._channel) if signal in rows]

    def _row(self, field: Field, read: Read, answer: Answer, ratios: Mapping[str, Fraction]) -> Row:
        unit, disputed = signal_unit(field.signal), field.disputed is not None
        if not answer.ok:
            return Row(field.signal, None, unit, _place(field), why=_why(answer), is_energy_disputed=disputed)
        registers = answer.result.registers
        value = FieldReader(field, self._energy_unit).value(read.start, registers, ratios)
        first = field.register - read.start
        raw = " ".join(f"{word:04X}" for word in registers[first : first + field.width])
        if field.exponent_register is not None:
            raw += f" ^{registers[field.exponent_register - read.start]:04X}"
        return Row(field.signal, value, unit, _place(field), raw, NO_VALUE if value is None else None, disputed)

    def _layout_of(self, register_map: RegisterMap) -> tuple[RegisterMap, tuple[str, ...]]:
        """The map as this meter has it, and which firmware it is; asked once.

        A meter that refuses the usual function code is read with the next one.
        """
        if self._layout is not None:
            return self._layout
        usual = register_map
        first = self._plan(register_map, ()).reads
        for function in register_map.function_alternatives:
            if not first or self._ask(self._request(first[0])).result.exception_code != ILLEGAL_FUNCTION:
                break
            register_map = with_function(usual, function)
            first = self._plan(register_map, ()).reads
        signals = register_map.signals(self._channel) if self._signals is None else self._signals
        chooser = VariantChooser(register_map, signals)
        limits = self._plan(register_map, ()).limits
        for name, field in dict(chooser.probes()).items():
            bare = msgspec.structs.replace(field, ratios=[])
            [members] = members_of(register_map, [bare])
            read = alone(members.need, limits)
            answer = self._ask(self._request(read))
            if answer.ok:
                chooser.heard(name, FieldReader(bare).value(read.start, answer.result.registers, {}))
            elif answer.result.error == ERROR_EXCEPTION:
                chooser.heard(name, None)
        self._layout = register_map, tuple(chooser.chosen.values())
        return self._layout

    def _items(self, identifier_map: IdentifierMap) -> list[Row]:
        rows: list[Row] = []
        for read in plan_items(identifier_map, self._signals, self._channel, self._wire):
            answer = self._ask(self._item_request(read))
            if self._all_or_nothing and not answer.ok:
                return []
            if len(read.items) > 1 and not answer.ok:
                for part in split_items(identifier_map, read):
                    rows += self._item_rows(part.items, self._ask(self._item_request(part)))
            else:
                rows += self._item_rows(read.items, answer)
        order = {item.signal: index for index, item in enumerate(identifier_map.items)}
        rows = [row for row in rows if self._signals is None or row.signal in self._signals]
        rows.sort(key=lambda row: order[row.signal])
        power = _computed_power(rows) if identifier_map.computed_power else None
        return rows if power is None else [*rows, power]

    def _item_rows(self, items: Sequence[Item], answer: Answer) -> list[Row]:
        if not answer.ok:
            return [Row(item.signal, None, signal_unit(item.signal), item.di, why=_why(answer)) for item in items]
        try:
            parts = block_values(tuple(items), answer.result.data)
        except ValueError:
            return [Row(item.signal, None, signal_unit(item.signal), item.di, why=GARBLED) for item in items]
        rows = []
        for item, data in parts:
            value = item_value(item, data, self._energy_unit)
            rows.append(
                Row(
                    item.signal,
                    value,
                    signal_unit(item.signal),
                    item.di,
                    data[::-1].hex(" ").upper(),
                    NO_VALUE if value is None else None,
                    item.disputed is not None,
                )
            )
        return rows


def _computed_power(rows: Sequence[Row]) -> Row | None:
    """Power of a meter that measures only voltage and current."""
    values = {row.signal: row.value for row in rows}
    voltage_v, current_a = values.get("meter_voltage_v"), values.get("meter_current_a")
    if voltage_v is None or current_a is None or "meter_power_w" in values:
        return None
    return Row("meter_power_w", voltage_v * current_a, "W", "U*I")


def _place(field: Field) -> str:
    return f"{field.function}:{field.register}" + (f"-{field.last}" if field.width > 1 else "")


def _why(answer: Answer) -> Text:
    code = answer.result.exception_code
    if code is not None:
        return Text(f"{REFUSED.zh}(异常码 {code})", f"{REFUSED.en} (exception {code})")
    return GARBLED if answer.result.error in ("crc", "mismatched") else SILENT
