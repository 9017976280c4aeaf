"""Searches a line for meters by reading only: baud rate, parity, address, model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.cli.meter.bus import Answer, Bus, LineSettings
from agent.cli.meter.scan_plan import LIFETIME_S, AnyMap, Task, Wanted, quick_tasks, sweep_tasks
from agent.cli.meter.survey import Row, Surveyor
from drivers.dlt645.request import READ_ADDRESS, address_in
from drivers.dlt645.request import Request as ItemRequest
from drivers.errors import PortError
from drivers.line.exchange import ERROR_CHECKSUM, ERROR_MISMATCHED, Address, LineRequest
from drivers.meters.identify import Verdict, code_matches, identifying_signals, judge
from drivers.meters.modbus_map import RegisterMap
from drivers.modbus.codec import Request
from drivers.text import Text

_GATEWAY_CODES = (0x0A, 0x0B)
"""The gateway answers, not a meter: path unavailable, no response (application protocol V1.1b3 clause 7)."""
_LISTEN_S = 0.1
"""After a reply: how long a second meter with the same address could still be sending."""

_LEAST_GARBLED_BYTES = 4
"""Fewer are noise, not a device."""
_REOPEN_TRIES = 5
_REOPEN_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Match:
    """A map that fits a meter, with its verdict and the values read with it."""

    map_id: str
    verdict: Verdict
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A device at an address. ``matches`` are the maps with the best verdict; none: no map fits."""

    address: Address
    protocol: str
    matches: tuple[Match, ...]
    unasked_bytes: int = 0

    @property
    def tells_apart(self) -> tuple[str, ...]:
        """The signals that the matching maps read differently; empty if they read all alike."""
        signals = dict.fromkeys(row.signal for match in self.matches for row in match.rows)
        shown = {
            signal: {next((row.value for row in match.rows if row.signal == signal), None) for match in self.matches}
            for signal in signals
        }
        return tuple(signal for signal, values in shown.items() if len(values) > 1)


@dataclass(slots=True)
class Report:
    """What a search has found. ``complete`` is False if it was ended early."""

    settings: LineSettings | None = None
    meters: list[Found] = field(default_factory=list)
    trouble: list[tuple[LineSettings, Address, Text]] = field(default_factory=list)
    requests: int = 0
    complete: bool = False


class Progress(Protocol):
    """Receives the progress of a search."""

    def plan(self, seconds: float) -> None:
        """Remaining time if no further device answers."""

    def step(self, what: str, left_s: float) -> None:
        """The next request, and the time left after it."""

    def found(self, meter: Found) -> None:
        """A device was found."""


OpenBus = Callable[[LineSettings], Bus]


class Scanner:
    """One search. ``timeout_s`` is how long a device is waited for. Raises PortError when the port fails.

    ``report`` holds what was found so far, also after ``run`` was left by KeyboardInterrupt.
    """

    def __init__(
        self, open_bus: OpenBus, wanted: Wanted, progress: Progress, *, timeout_s: float = 0.3, first_only: bool = False
    ) -> None:
        self.report = Report()
        self._open_bus = open_bus
        self._wanted = wanted
        self._progress = progress
        self._timeout_s = timeout_s
        self._first_only = first_only
        self._bus: Bus | None = None
        self._asked: list[Task] = []

    def run(self) -> Report:
        """Search; returns ``report``."""
        try:
            quick = quick_tasks(self._wanted)
            self._work(quick, until_found=True)
            if self.report.settings is None:
                everywhere = list(dict.fromkeys(task.settings for task in quick))
                self._work(sweep_tasks(self._wanted, everywhere, self._asked), until_found=True)
            if self.report.settings is not None and not self._satisfied():
                here = [self.report.settings]
                self._work(sweep_tasks(self._wanted, here, self._asked), until_found=False)
            self.report.complete = True
        finally:
            if self._bus is not None:
                self._bus.close()
        return self.report

    def _satisfied(self) -> bool:
        return self._first_only and bool(self.report.meters)

    def _work(self, tasks: Sequence[Task], *, until_found: bool) -> None:
        tasks = [task for task in tasks if self._is_open(task)]
        patience = [self._patience_s(task) for task in tasks]
        left_s = sum(patience)
        self._progress.plan(left_s)
        for task, seconds in zip(tasks, patience, strict=True):
            left_s -= seconds
            if not self._is_open(task):
                continue
            self._progress.step(_words(task), max(left_s, 0.0))
            self._ask(task)
            if self._satisfied() or (until_found and self.report.settings is not None):
                return

    def _is_open(self, task: Task) -> bool:
        """Whether a task can still give a result."""
        if self.report.settings is not None and task.settings != self.report.settings:
            return False
        return all(found.address != task.request.address for found in self.report.meters)

    def _patience_s(self, task: Task) -> float:
        bits = task.settings.bits_per_character
        wire_s = (len(task.request.encode()) + task.request.reply_bytes()) * bits / task.settings.baud
        return wire_s + self._timeout_s

    def _ask(self, task: Task) -> None:
        self._asked.append(task)
        bus = self._bus_with(task.settings)
        answer = self._question(bus, task.request)
        if _is_device(answer):
            self.report.settings = task.settings
            self._identify(bus, task.request, answer)
        elif answer.result.error in (ERROR_CHECKSUM, ERROR_MISMATCHED) or answer.unasked_bytes >= _LEAST_GARBLED_BYTES:
            self._garbled(task)

    def _garbled(self, task: Task) -> None:
        if isinstance(task.request, ItemRequest):
            text = Text(
                "多块 DL/T 645 电表同时应答;只留一块在线,或逐块连接",
                "several DL/T 645 meters answer at once; leave only one on the line and scan again",
            )
        else:
            text = Text(
                "有应答但已损坏:可能两块电表地址相同,接线、终端电阻或波特率不对,或电表比 --timeout-ms 慢",
                "damaged or late replies: two meters with this address, wiring, termination, "
                "baud rate, or a meter slower than --timeout-ms",
            )
        entry = (task.settings, task.request.address, text)
        if entry not in self.report.trouble:
            self.report.trouble.append(entry)

    def _bus_with(self, settings: LineSettings) -> Bus:
        if self._bus is None or self._bus.settings != settings:
            again = self._bus is not None
            if self._bus is not None:
                self._bus.close()
                self._bus = None
            self._bus = self._opened_again(settings) if again else self._open_bus(settings)
        return self._bus

    def _opened_again(self, settings: LineSettings) -> Bus:
        """The port with other settings: some adapters need a moment between closing and opening."""
        for tries_left in range(_REOPEN_TRIES - 1, -1, -1):
            time.sleep(_REOPEN_PAUSE_S)
            try:
                return self._open_bus(settings)
            except PortError:
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def _question(self, bus: Bus, request: LineRequest) -> Answer:
        self.report.requests += 1
        return bus.ask(request, self._timeout_s)

    def _identify(self, bus: Bus, request: LineRequest, answer: Answer) -> None:
        unasked = answer.unasked_bytes + bus.listen(_LISTEN_S)
        before = bus.requests
        if isinstance(request, ItemRequest):
            number = address_in(answer.result) if request.control == READ_ADDRESS else request.address
            found = self._dlt645(bus, number) if number else None
        else:
            found = self._modbus(bus, int(request.address), {request: answer}, unasked)
        self.report.requests += bus.requests - before
        if found is not None and all(found.address != each.address for each in self.report.meters):
            self.report.meters.append(found)
            self._progress.found(found)
            if unasked:
                text = Text(
                    "一问两答:可能两块电表地址相同", "one request, two answers: perhaps two meters with this address"
                )
                self.report.trouble.append((bus.settings, found.address, text))

    def _modbus(self, bus: Bus, address: int, cache: dict[LineRequest, Answer], unasked: int) -> Found:
        by_code = self._by_code(bus, address)
        if by_code:
            matches = [
                Match(each.id, Verdict.CODE, self._rows(bus, each, address, cache, all_or_nothing=False)[0])
                for each in by_code
            ]
        else:
            matches = self._fitting(bus, self._wanted.modbus, address, cache)
        return Found(address, "modbus", _best(matches), unasked)

    def _by_code(self, bus: Bus, address: int) -> list[RegisterMap]:
        """The maps with the model code of the meter; each code register is read once."""
        codes = dict.fromkeys(
            (code.function, code.register, code.width) for each in self._wanted.modbus for code in each.identify
        )
        for function, register, width in codes:
            request = Request(address, function, register, width, priority=2, lifetime_s=LIFETIME_S)
            answer = bus.ask(request, self._timeout_s)
            if not answer.ok:
                continue
            number = 0
            for word in answer.result.registers:
                number = number << 16 | word
            named = [each for each in self._wanted.modbus if code_matches(each, function, register, number)]
            if named:
                return named
        return []

    def _dlt645(self, bus: Bus, number: str) -> Found:
        return Found(number, "dlt645-2007", _best(self._fitting(bus, self._wanted.dlt645, number, {})))

    def _fitting(
        self, bus: Bus, maps: Sequence[AnyMap], address: Address, cache: dict[LineRequest, Answer]
    ) -> list[Match]:
        """The maps that the meter's values fit."""
        matches = []
        for each in maps:
            rows, signals = self._rows(bus, each, address, cache, all_or_nothing=True)
            verdict = judge({row.signal: row.value for row in rows}, signals)
            if verdict is not Verdict.NO:
                matches.append(Match(each.id, verdict, rows))
        return matches

    def _rows(
        self,
        bus: Bus,
        meter_map: AnyMap,
        address: Address,
        cache: dict[LineRequest, Answer],
        *,
        all_or_nothing: bool,
    ) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """What the meter shows by a map, and by which signals it is judged."""
        offered = (
            meter_map.signals()
            if isinstance(meter_map, RegisterMap)
            else tuple(item.signal for item in meter_map.items if item.channel == 1)
        )
        signals = identifying_signals(offered)
        surveyor = Surveyor(
            bus,
            meter_map,
            address,
            signals=signals,
            cache=cache,
            latency_s=self._timeout_s,
            all_or_nothing=all_or_nothing,
        )
        return surveyor.read().rows, signals


def _best(matches: Sequence[Match]) -> tuple[Match, ...]:
    """The matches with the best verdict; among them those that explain most values."""
    if not matches:
        return ()
    best = max(match.verdict for match in matches)
    return tuple(match for match in matches if match.verdict == best)


def _is_device(answer: Answer) -> bool:
    return answer.is_there and answer.result.exception_code not in _GATEWAY_CODES


def _words(task: Task) -> str:
    request = task.request
    where = "DL/T 645" if isinstance(request, ItemRequest) else f"@{request.address}"
    return f"{task.settings} {where}"


__all__ = ["Found", "Match", "Progress", "Report", "Scanner"]
