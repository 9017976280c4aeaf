"""What a person or a test can do to the meters of a bench, one text line each."""

import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil_tests.bench.meters.dlt645 import IdentifierModel
from hil_tests.bench.meters.encode import DoesNotFitError
from hil_tests.bench.meters.faults import KINDS, UnknownFaultError
from hil_tests.bench.meters.model import MeterModel, UnknownSignalError
from hil_tests.bench.meters.station import BenchMeter
from hil_tests.bench.wires import SerialWire

AnyMeter = BenchMeter[MeterModel] | BenchMeter[IdentifierModel]


class RefusedError(Exception):
    """The command is not valid; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class _Command:
    arguments: str
    meaning: str
    run: Callable[[AnyMeter, list[str]], str]


class MeterCommands:
    """Carries out lines such as ``fault late 0.3`` or ``@2 set meter_voltage_v 410``; ``@2`` names the address.

    Without an address a line is for the first meter.
    """

    def __init__(self, meters: Sequence[AnyMeter], wire: SerialWire | None = None) -> None:
        self._meters = list(meters)
        self._wire = wire
        self._table = {
            "show": _Command("", "what the meter shows, and its faults", self._show),
            "set": _Command("SIGNAL VALUE", "measure this from now on; `none` for no value", self._set),
            "fault": _Command("KIND [AMOUNT] [xN] [N/1000]", "spoil replies: all, the next N, or a share", self._fault),
            "clear": _Command("[KIND]", "take back a fault of replies, or all", self._clear),
            "frozen": _Command("on|off", "freeze the values", self._frozen),
            "reversed": _Command("on|off", "current and power with the other sign", self._reversed),
            "counting": _Command("on|off", "energy grows with the power", self._counting),
            "jump": _Command("WH", "all energy registers jump by so much", self._jump),
            "rollover": _Command("[WH]", "set the energy registers this far before roll-over", self._roll_over),
            "latency": _Command("MS", "response time of the meter, milliseconds", self._latency),
            "gap": _Command("MS", "pause that the meter needs between requests, milliseconds", self._gap),
            "restart": _Command("", "power-cycle the meter: new settings apply", self._restart),
            "noise": _Command("PER_MILLE", "disturb so many of a thousand bytes on the line", self._noise),
            "cut": _Command("on|off", "the line is cut", self._cut),
            "help": _Command("", "this list", lambda meter, words: self.help()),
        }

    def help(self) -> str:
        """All commands with their meaning."""
        rows = [(f"{name} {row.arguments}".strip(), row.meaning) for name, row in self._table.items()]
        rows += [(f"  fault {name}", kind.meaning) for name, kind in KINDS.items()]
        return "\n".join(f"{left:<32}{right}" for left, right in rows)

    def run(self, line: str) -> str:
        """Carry out one line. Raises RefusedError with a reason for the person who typed it."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise RefusedError(str(error)) from None
        meter = self._meters[0]
        if words and words[0].startswith("@"):
            meter = self._at(words.pop(0)[1:])
        if not words:
            raise RefusedError("no command; `help` lists all")
        command = self._table.get(words[0])
        if command is None:
            nearest = difflib.get_close_matches(words[0], self._table, 1)
            raise RefusedError(f"there is no {words[0]}; " + (f"did you mean {nearest[0]}?" if nearest else "try help"))
        try:
            return command.run(meter, words[1:])
        except (UnknownSignalError, UnknownFaultError, DoesNotFitError) as error:
            raise RefusedError(str(error)) from None
        except (ValueError, IndexError):
            raise RefusedError(f"usage: {words[0]} {command.arguments}") from None

    def _at(self, address: str) -> AnyMeter:
        for meter in self._meters:
            if str(meter.model.address) == address:
                return meter
        raise RefusedError(f"no meter at {address}")

    def _show(self, meter: AnyMeter, _words: list[str]) -> str:
        lines = [f"{meter.model.id} at {meter.model.address}, {meter.served} requests answered"]
        lines += [f"  {name} = {value}" for name, value in meter.model.values.shown().items()]
        lines += [f"  fault {fault.kind} {fault.amount:g}" for fault in meter.faults.active]
        return "\n".join(lines)

    def _set(self, meter: AnyMeter, words: list[str]) -> str:
        name, text = words
        number = None if text == "none" else float(text)
        value = int(number) if number is not None and number.is_integer() else number
        before = meter.model.values.now.get(name)
        meter.model.values.set(name, value)
        try:
            meter.model.check(name)
        except DoesNotFitError:
            meter.model.values.set(name, before)
            raise
        return f"{name} = {text}"

    def _fault(self, meter: AnyMeter, words: list[str]) -> str:
        amount: float | None = None
        left: int | None = None
        per_mille = 1000.0
        for word in words[1:]:
            if word.startswith("x"):
                left = int(word[1:])
            elif word.endswith("/1000"):
                per_mille = float(word.removesuffix("/1000"))
            else:
                amount = float(word)
        fault = meter.faults.add(words[0], amount, left, per_mille)
        return f"{fault.kind}: {KINDS[fault.kind].meaning} ({fault.amount:g})"

    def _clear(self, meter: AnyMeter, words: list[str]) -> str:
        meter.faults.clear(words[0] if words else None)
        return "cleared"

    def _frozen(self, meter: AnyMeter, words: list[str]) -> str:
        meter.model.values.freeze(_switch(words))
        return words[0]

    def _reversed(self, meter: AnyMeter, words: list[str]) -> str:
        meter.model.values.reversed = _switch(words)
        return words[0]

    def _counting(self, meter: AnyMeter, words: list[str]) -> str:
        meter.model.values.count(_switch(words))
        return words[0]

    def _jump(self, meter: AnyMeter, words: list[str]) -> str:
        meter.model.values.jump(int(words[0]))
        return f"energy {int(words[0]):+d} Wh"

    def _roll_over(self, meter: AnyMeter, words: list[str]) -> str:
        meter.model.roll_over(int(words[0]) if words else 1000)
        return "energy registers set before roll-over"

    def _latency(self, meter: AnyMeter, words: list[str]) -> str:
        meter.latency_s = _milliseconds(words[0])
        return f"latency {words[0]} ms"

    def _gap(self, meter: AnyMeter, words: list[str]) -> str:
        meter.needs_gap_s = _milliseconds(words[0])
        return f"gap {words[0]} ms"

    def _restart(self, meter: AnyMeter, _words: list[str]) -> str:
        meter.model.restart()
        return f"address {meter.model.address}"

    def _noise(self, _meter: AnyMeter, words: list[str]) -> str:
        wire = self._need_wire()
        wire.noise_per_mille = min(max(float(words[0]), 0.0), 1000.0)
        return f"noise {wire.noise_per_mille:g}/1000"

    def _cut(self, _meter: AnyMeter, words: list[str]) -> str:
        self._need_wire().is_cut = _switch(words)
        return words[0]

    def _need_wire(self) -> SerialWire:
        if self._wire is None:
            raise RefusedError("no serial line")
        return self._wire


def _switch(words: list[str]) -> bool:
    (word,) = words
    if word not in ("on", "off"):
        raise ValueError(word)
    return word == "on"


def _milliseconds(word: str) -> float:
    value = float(word)
    if not 0 <= value <= 60_000:
        raise ValueError(word)
    return value / 1000.0
