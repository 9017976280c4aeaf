"""One meter of any register map: its measurands, its registers, and its wrong values.

Values are those of the world outside: volts, amperes, watts, whole watt-hours, by the names of the map's signals (with
``@2`` and so on for the second channel of a box with one address). ``None`` means that the meter has no value: it
shows the map's sentinel, or NaN in a float.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

from pymodbus.constants import ExcCodes

from drivers.meters.commissioning import Setting, Settings
from drivers.meters.modbus_map import Field, RegisterMap
from drivers.meters.signals import UNIT_FACTORS, is_energy
from hil_tests.bench.meters.encode import (
    DoesNotFitError,
    encode_raw,
    fits,
    largest_raw,
    smallest_exponent,
    words_of,
)

Value = float | int | None
Clock = Callable[[], float]


_SIGNED = ("current", "power", "demand")


class UnknownSignalError(Exception):
    """The meter does not measure that; the text lists its measurands."""


def key_of(signal: str, channel: int) -> str:
    """The name of a signal of a channel."""
    return signal if channel == 1 else f"{signal}@{channel}"


class Values:
    """What a meter measures, and the faults that it can have in that."""

    def __init__(self, names: Iterable[str], clock: Clock) -> None:
        self.now: dict[str, Value] = {
            name: default_value(name, index) for index, name in enumerate(dict.fromkeys(names))
        }
        self._clock = clock
        self._counted_at_s = clock()
        self._frozen: dict[str, Value] | None = None
        self.reversed = False
        self.counts = False
        """Whether energy grows with the power that is shown."""

    def shown(self) -> Mapping[str, Value]:
        """What the meter shows now."""
        self._count()
        if self._frozen is not None:
            return self._frozen
        if not self.reversed:
            return self.now
        return {
            name: -value if value is not None and not is_energy(_bare(name)) and _is_signed(name) else value
            for name, value in self.now.items()
        }

    def set(self, name: str, value: Value) -> None:
        """Set a signal. Raises UnknownSignalError."""
        if name not in self.now:
            raise UnknownSignalError(f"there is no {name}; there are {', '.join(self.now)}")
        self._count()
        self.now[name] = value

    def count(self, counts: bool) -> None:
        """Whether energy grows with the power from now on."""
        self._count()
        self.counts = counts

    def freeze(self, frozen: bool = True) -> None:
        """Go on showing what is shown now, whatever is measured."""
        self._frozen = dict(self.shown()) if frozen else None

    def jump(self, energy_wh: int) -> None:
        """All energy registers jump by so much, forward or back."""
        for name, value in self.now.items():
            if is_energy(_bare(name)) and value is not None:
                self.now[name] = value + energy_wh

    def _count(self) -> None:
        now_s = self._clock()
        elapsed_s, self._counted_at_s = now_s - self._counted_at_s, now_s
        if not self.counts:
            return
        for name, value in self.now.items():
            power = self.now.get(_power_of(name))
            if is_energy(_bare(name)) and value is not None and power is not None and "reverse" not in name:
                self.now[name] = value + max(0.0, power) * elapsed_s / 3600.0


class MeterModel:
    """A Modbus meter with the registers of ``register_map``, at ``address``.

    ``variants`` names the firmware variants that it is (by default the first of every choice), ``ratios`` the ratios
    that are set in it (by default 1, or the smallest that makes sense). ``alternative``: it answers to the first of
    the map's function alternatives only. Writes reach the registers of the map's settings and nothing else; they are
    kept in ``written``, and those that the map forbids, which a real meter would obey, in ``harm_done`` as well.
    """

    def __init__(
        self,
        register_map: RegisterMap,
        address: int,
        *,
        variants: Iterable[str] | None = None,
        ratios: Mapping[str, float] | None = None,
        alternative: bool = False,
        clock: Clock = lambda: 0.0,
    ) -> None:
        self.map = register_map
        self.address = address
        self.variants = frozenset(variants) if variants is not None else frozenset(_first_variants(register_map))
        self.ratios = {ratio.name: max(1.0, ratio.minimum) for ratio in register_map.ratios} | dict(ratios or {})
        self._function = register_map.function_alternatives[0] if alternative else None
        self._fields = [field for field in register_map.fields if self._has(field)]
        self.values = Values((key_of(field.signal, field.channel) for field in self._fields), clock)
        self.settings = _Line(register_map.settings, register_map, address)
        self.written: list[tuple[int, int, list[int]]] = []
        self.harm_done: list[int] = []
        self._fit_defaults()

    @property
    def id(self) -> str:
        """Which map it is."""
        return self.map.id

    def restart(self) -> None:
        """The supply was off and on: settings that were written count from now on."""
        self.address = self.settings.restart()

    def read(self, function: int, start: int, count: int) -> list[int] | ExcCodes:
        """See ``hil_tests.bench.meters.slave.Slave``."""
        if function not in self.functions():
            return ExcCodes.ILLEGAL_FUNCTION
        for code in self.map.identify:
            # Read alone: one maker has the code in a register that is a voltage when more is read.
            if (function, start, count) == (code.function, code.register, code.width):
                return words_of(code.equals[0].to_bytes(2 * code.width, "big"), "high_first")
        if not 1 <= count <= self.map.maximum_registers:
            return ExcCodes.ILLEGAL_VALUE
        if self.map.even and (start % 2 or count % 2):
            return ExcCodes.ILLEGAL_ADDRESS
        image = self.image(function)
        try:
            return [image[register] for register in range(start, start + count)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS

    def write(self, function: int, start: int, values: list[int]) -> ExcCodes | None:
        """See ``hil_tests.bench.meters.slave.Slave``."""
        self.written.append((function, start, values))
        harm = [
            register
            for register in range(start, start + len(values))
            if any(entry.first <= register <= entry.last for entry in self.map.never_write)
        ]
        if harm:
            self.harm_done += harm
            return None
        if not self.settings.write(function, start, values):
            return ExcCodes.ILLEGAL_ADDRESS
        if self.map.settings is not None and not self.map.settings.restart:
            self.address = self.settings.restart()
        return None

    def functions(self) -> set[int]:
        """The read functions that it knows."""
        served = {self._served_by(field.function) for field in self._fields}
        served |= {code.function for code in self.map.identify}
        return served | ({3} if self.map.settings is not None and self._function is None else set())

    def image(self, function: int) -> dict[int, int]:
        """All registers that ``function`` reads, with their contents now."""
        image = {
            register: 0
            for span in self.map.readable
            if self._served_by(span.function) == function
            for register in range(span.first, span.last + 1)
        }
        if function == 3:
            image.update(self.settings.registers())
        for ratio in self.map.ratios:
            if self._served_by(ratio.function) == function:
                raw = Fraction(str(self.ratios[ratio.name])) / Fraction(str(ratio.scale))
                words = words_of(encode_raw(raw, ratio.type), ratio.word_order)
                image.update(zip(range(ratio.register, ratio.last + 1), words, strict=True))
        shown = self.values.shown()
        exponents = self._exponents(shown)
        image.update({register: exponent for (code, register), exponent in exponents.items() if code == function})
        for field in self._fields:
            if self._served_by(field.function) == function:
                words = self._words(field, shown[key_of(field.signal, field.channel)], exponents)
                image.update(zip(range(field.register, field.last + 1), words, strict=True))
        return image

    def resolution(self, field: Field) -> Fraction:
        """The step in which the meter shows a field now, in the unit of its signal."""
        exponent = 0
        if field.exponent_register is not None:
            code = self._served_by(field.function)
            exponent = self._exponents(self.values.shown())[code, field.exponent_register] + field.exponent_bias
        return abs(self._step(field)) * Fraction(10) ** exponent

    def fields(self) -> list[Field]:
        """The fields that it has."""
        return list(self._fields)

    def check(self, name: str) -> None:
        """Raises DoesNotFitError if the meter cannot show what it measures as ``name``."""
        shown = self.values.shown()
        for field in self._fields:
            if key_of(field.signal, field.channel) == name:
                self._words(field, shown[name], self._exponents(shown))

    def roll_over(self, after_wh: int = 1) -> None:
        """Put all integer energy registers so far before their end."""
        for field in self._fields:
            if is_energy(field.signal) and field.type != "f32":
                end = Fraction(largest_raw(field.type) + 1) * self._step(field)
                self.values.set(key_of(field.signal, field.channel), math.floor(end) - after_wh)

    def _has(self, field: Field) -> bool:
        if field.variant and field.variant not in self.variants:
            return False
        return not (self.map.channel_address_step and field.channel != 1)

    def _served_by(self, function: int) -> int:
        return function if self._function is None or function != self.map.function else self._function

    def _step(self, field: Field) -> Fraction:
        """Value of one digit without the exponent, in the unit of the signal."""
        step = Fraction(str(field.scale)) * field.sign * Fraction(UNIT_FACTORS[field.unit][1])
        for name in field.ratios:
            step *= Fraction(str(self.ratios[name]))
        return step

    def _exponents(self, shown: Mapping[str, Value]) -> dict[tuple[int, int], int]:
        """The values of the exponent registers: one may serve several fields."""
        users: dict[tuple[int, int], list[Field]] = defaultdict(list)
        for field in self._fields:
            if field.exponent_register is not None:
                users[self._served_by(field.function), field.exponent_register].append(field)
        exponents = {}
        for place, fields in users.items():
            raws = [
                (Fraction(str(value)) / self._step(field), field.type)
                for field in fields
                if (value := shown[key_of(field.signal, field.channel)]) is not None
            ]
            first = fields[0]
            exponents[place] = smallest_exponent(raws, first.exponent_bias, first.exponent_maximum)
        return exponents

    def _words(self, field: Field, value: Value, exponents: Mapping[tuple[int, int], int]) -> list[int]:
        if value is None:
            return words_of(_nothing(field), field.word_order)
        raw = Fraction(str(value)) / self._step(field)
        if field.exponent_register is not None:
            exponent = exponents[self._served_by(field.function), field.exponent_register]
            raw /= Fraction(10) ** (exponent + field.exponent_bias)
        data = encode_raw(raw, field.type, is_counter=is_energy(field.signal) and raw >= 0)
        return words_of(data, field.word_order)

    def _fit_defaults(self) -> None:
        """Make what is measured by default small enough for the registers."""
        for field in self._fields:
            name = key_of(field.signal, field.channel)
            value = self.values.now[name]
            if value is None or field.exponent_register is not None or is_energy(field.signal):
                continue
            while not fits(Fraction(str(value)) / self._step(field), field.type):
                value = value / 10
            self.values.now[name] = value


class _Line:
    """The settings of its line that a meter keeps in registers."""

    def __init__(self, settings: Settings | None, register_map: RegisterMap, address: int) -> None:
        self._settings = {} if settings is None else settings.all
        serial = register_map.serial
        start = {"address": str(address), "baud": str(serial.baud), "frame": f"8{serial.parity}{serial.stop_bits}"}
        self.active = dict(start)
        self._words = {name: _setting_words(setting, start[name]) for name, setting in self._settings.items()}

    def join(self, baud: int, frame: str) -> None:
        """Take over the settings of the meter's line."""
        self.active |= {"baud": str(baud), "frame": frame}
        self._words = {name: _setting_words(setting, self.active[name]) for name, setting in self._settings.items()}

    def registers(self) -> Iterator[tuple[int, int]]:
        for name, setting in self._settings.items():
            yield from zip(range(setting.register, setting.register + setting.width), self._words[name], strict=True)

    def write(self, function: int, start: int, values: list[int]) -> bool:
        for name, setting in self._settings.items():
            if (start, len(values), function) == (setting.register, setting.width, setting.write_function):
                if _setting_of(setting, values) is None:
                    return False
                self._words[name] = values
                return True
        return False

    def restart(self) -> int:
        for name, setting in self._settings.items():
            self.active[name] = _setting_of(setting, self._words[name]) or self.active[name]
        return int(self.active["address"])


def _setting_words(setting: Setting, value: str) -> list[int]:
    number = setting.codes.get(value, 0) if setting.codes else int(value)
    return words_of(encode_raw(Fraction(number), setting.type), "high_first")


def _setting_of(setting: Setting, words: list[int]) -> str | None:
    """The setting that the words stand for, None for what the meter would refuse."""
    names = setting.codes or {str(address): address for address in range(1, 248)}
    return next((name for name in names if _setting_words(setting, name) == words), None)


def _first_variants(register_map: RegisterMap) -> Iterator[str]:
    seen = set()
    for variant in register_map.variants:
        if variant.choice not in seen:
            seen.add(variant.choice)
            yield variant.name


def _nothing(field: Field) -> bytes:
    """How the meter shows that it has no value."""
    if field.no_value:
        return min(field.no_value).to_bytes(2 * field.width, "big")
    if field.type == "f32":
        return b"\x7f\xc0\x00\x00"
    raise DoesNotFitError(f"{field.signal}: this meter has no pattern for no value")


def _bare(name: str) -> str:
    return name.partition("@")[0]


def _is_signed(name: str) -> bool:
    return any(word in name for word in _SIGNED) and "factor" not in name


def _power_of(energy: str) -> str:
    signal, at, channel = energy.partition("@")
    return ("meter_power_w" if signal.startswith("meter_") else "active_power_w") + at + channel


_DEFAULTS = (
    ("frequency", 50.0),
    ("factor", 0.95),
    ("angle", 18.0),
    ("thd", 2.5),
    ("unbalance", 1.2),
    ("temperature", 33.0),
    ("meter_voltage", 402.0),
    ("meter_current", 87.0),
    ("meter_power", 34_000.0),
    ("meter_demand", 30_000.0),
    ("voltage_l12", 398.0),
    ("voltage_l23", 399.0),
    ("voltage_l31", 400.0),
    ("voltage_line", 399.0),
    ("voltage", 230.0),
    ("current", 15.0),
    ("power", 3_400.0),
    ("demand", 3_000.0),
)


def default_value(name: str, index: int) -> Value:
    """Default values: plausible, and different for every signal."""
    signal = _bare(name)
    if is_energy(signal):
        return 1_234_000 + 10_000 * index
    for word, value in _DEFAULTS:
        if word in signal:
            return round(value * (1.0 + index / (2500.0 if word in ("frequency", "factor") else 500.0)), 3)
    return 0
