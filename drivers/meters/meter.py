"""A Modbus meter that is described by a register map, sans-I/O."""

import math
from collections.abc import Collection, Iterable
from fractions import Fraction

import msgspec

from drivers.line.device import PollBlock
from drivers.line.owner import ERROR_EXCEPTION, ERROR_TIMEOUT, DeviceTiming, Result
from drivers.meters.decode import FieldReader, ratio_value
from drivers.meters.modbus_map import Field, Function, RegisterMap
from drivers.meters.planner import Read, Wire, alone, split
from drivers.meters.read_plan import ReadPlan, members_of, plan_reads, with_function
from drivers.meters.signals import SIGNAL_UNITS
from drivers.meters.variants import VariantChooser
from drivers.modbus.codec import Request
from drivers.reading import Reading

_ILLEGAL_FUNCTION = 1
_ILLEGAL_REGISTERS = (2, 3)
"""Exception codes of the Modbus application protocol V1.1b3 clause 7: function, data address, data value (count)."""

_REFUSALS_TO_SPLIT = 2
"""A joined request that is refused so often in a row is asked for in parts from then on."""
_SILENCES_TO_REFUSE = 3
"""A probe without an answer so often in a row, while the meter answers others, is refused: some meters are silent on
registers that they do not have."""
_RATIO_AGE_INTERVALS = 3
"""A ratio counts for so many of its own intervals; then values that need it are absent."""


class _Poll:
    """One request of the plan with its timetable."""

    def __init__(self, read: Read, address: int, interval_s: float, *, probe: str = "") -> None:
        self.read = read
        self.probe = probe
        self.refusals = 0
        self.silences = 0
        self.answers_before = 0
        tag = f"{probe or 'read'} {read.function}:{read.start}+{read.count}"
        every_s = interval_s * read.every
        self.block = PollBlock(
            Request(
                address,
                read.function,
                read.start,
                read.count,
                priority=read.priority,
                tag=tag,
                lifetime_s=2 * every_s,
            ),
            every_s,
        )


def _bare(field: Field) -> Field:
    """The field without its ratios: whether it reads above 0 does not depend on them."""
    return msgspec.structs.replace(field, ratios=[])


class Meter:
    """One meter at ``address``, read every ``poll_interval_s`` seconds.

    ``energy_unit_wh`` is Wh per unit of what the map makes of the energy registers (1.0: the map is right); it is
    proven against the display when commissioning. ``signals`` are those that are wanted: by default the four of the
    charging core for a DC meter (meter_voltage_v, meter_current_a, meter_power_w as float, meter_energy_wh as whole
    Wh, rounded down), all of the map for another. ``channel`` is the measuring channel of a box with several;
    ``address`` is that of the box. ``wire`` is the line, for the planner; by default as the meter leaves the factory.

    Raises ValueError for an energy unit that is not positive, a channel or a signal that the meter does not have.
    """

    def __init__(
        self,
        register_map: RegisterMap,
        address: int,
        poll_interval_s: float,
        energy_unit_wh: float = 1.0,
        *,
        name: str = "meter",
        signals: Collection[str] | None = None,
        channel: int = 1,
        wire: Wire | None = None,
    ) -> None:
        if not (math.isfinite(energy_unit_wh) and energy_unit_wh > 0):
            raise ValueError(f"energy_unit_wh {energy_unit_wh} is not positive")
        if not 1 <= channel <= register_map.channels:
            raise ValueError(f"{register_map.id} has no channel {channel}")
        offered = register_map.signals(channel)
        if signals is None:
            signals = tuple(SIGNAL_UNITS) if register_map.kind == "dc" else offered
        if not signals:
            raise ValueError(f"no signal of {register_map.id} is wanted")
        for signal in signals:
            if signal not in offered:
                raise ValueError(f"{register_map.id} does not deliver {signal} on channel {channel}")
        self.name = name
        self.address = address + register_map.channel_address_step * (channel - 1)
        self.timing = DeviceTiming(
            latency_s=register_map.latency_ms / 1000,
            minimum_gap_s=register_map.minimum_gap_ms / 1000,
            period_s=poll_interval_s,
        )
        self._map = register_map
        self._functions: list[Function] = list(register_map.function_alternatives)
        self._interval_s = poll_interval_s
        self._signals = tuple(signals)
        self._channel = channel
        self._wire = wire
        self._energy_unit = Fraction(str(energy_unit_wh))
        self._chooser = VariantChooser(register_map, self._signals)
        self._ratios: dict[str, tuple[Fraction, float]] = {}
        self._answers = 0
        self._polls: dict[str, _Poll] = {}
        self._arrange()

    @property
    def variants(self) -> dict[str, str]:
        """The variant of the firmware that was found, by choice; what is still unknown is absent."""
        return dict(self._chooser.chosen)

    def requests(self, now_s: float) -> list[Request]:
        """The reads that are due."""
        due = (poll.block.take(now_s) for poll in self._polls.values())
        return [request for request in due if request is not None]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; signals that have no value are absent."""
        poll = self._polls.get(result.request.tag)
        if poll is None:
            return []
        poll.block.done()
        if not result.ok:
            if result.error == ERROR_EXCEPTION:
                self._answers += 1
                self._refused(poll, result.exception_code)
            elif result.error == ERROR_TIMEOUT and poll.probe:
                self._silent(poll)
            return []
        self._answers += 1
        poll.refusals = poll.silences = 0
        if poll.probe:
            self._probed(poll, result)
            return []
        return list(self._values(poll.read, result))

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, min(poll.block.next_due() for poll in self._polls.values()))

    def _arrange(self) -> None:
        """The plan for what is known of the meter; reads that stay keep their beat."""
        chosen = tuple(self._chooser.chosen.values())
        self._plan: ReadPlan = plan_reads(self._map, self._signals, self._channel, chosen, self._wire)
        self._readers: dict[str, FieldReader] = {
            f"{field.signal}.{field.variant}": FieldReader(field, self._energy_unit)
            for members in self._plan.members.values()
            for field in members.fields
        }
        # Ratios first: the values that need them come right after, some not again for a while.
        reads = sorted(self._plan.reads, key=lambda read: not self._plan.ratios(read))
        polls = [_Poll(read, self.address, self._interval_s) for read in reads]
        every = self._map.intervals.ratio if self._chooser.hopeless else 1
        for name, field in self._chooser.probes().items():
            [members] = members_of(self._map, [_bare(field)])
            read = msgspec.structs.replace(alone(members.need, self._plan.limits), every=every)
            polls.append(_Poll(read, self.address, self._interval_s, probe=name))
        self._install(polls)

    def _install(self, polls: Iterable[_Poll]) -> None:
        former = self._polls
        self._polls = {}
        for poll in polls:
            old = former.get(poll.block.request.tag)
            self._polls[poll.block.request.tag] = old if old is not None and old.read == poll.read else poll

    def _refused(self, poll: _Poll, code: int | None) -> None:
        if code == _ILLEGAL_FUNCTION and self._functions and poll.read.function == self._map.function:
            self._map = with_function(self._map, self._functions.pop(0))
            self._chooser = VariantChooser(self._map, self._signals)
            self._arrange()
        elif code in (_ILLEGAL_FUNCTION, *_ILLEGAL_REGISTERS) and poll.probe:
            self._chooser.heard(poll.probe, None)
            self._arrange()
        elif code in _ILLEGAL_REGISTERS and len(poll.read.keys) > 1:
            poll.refusals += 1
            if poll.refusals >= _REFUSALS_TO_SPLIT:
                self._split(poll)

    def _silent(self, poll: _Poll) -> None:
        if not poll.silences:
            poll.answers_before = self._answers
        poll.silences += 1
        if poll.silences >= _SILENCES_TO_REFUSE and self._answers > poll.answers_before:
            self._chooser.heard(poll.probe, None)
            self._arrange()

    def _split(self, poll: _Poll) -> None:
        needs = {key: members.need for key, members in self._plan.members.items()}
        parts = split(poll.read, needs, self._plan.limits)
        others = [other for other in self._polls.values() if other is not poll]
        self._install([*others, *(_Poll(part, self.address, self._interval_s) for part in parts)])

    def _probed(self, poll: _Poll, result: Result) -> None:
        field = self._chooser.probes()[poll.probe]
        reader = FieldReader(_bare(field))
        if self._chooser.heard(poll.probe, reader.value(poll.read.start, result.registers, {})):
            self._arrange()

    def _values(self, read: Read, result: Result) -> Iterable[tuple[str, Reading]]:
        for ratio in self._plan.ratios(read):
            value = ratio_value(ratio, read.start, result.registers)
            if value is None:
                self._ratios.pop(ratio.name, None)
            else:
                self._ratios[ratio.name] = value, result.at_s
        limit_s = _RATIO_AGE_INTERVALS * self._map.intervals.ratio * self._interval_s
        ratios = {name: value for name, (value, at_s) in self._ratios.items() if result.at_s - at_s <= limit_s}
        for field in self._plan.fields(read):
            reader = self._readers[f"{field.signal}.{field.variant}"]
            worth = reader.value(read.start, result.registers, ratios)
            if worth is not None:
                yield field.signal, Reading(worth, reader.unit, result.at_s)
