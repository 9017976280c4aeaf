"""Waveshare style Modbus boards: relays with discrete inputs, and analogue inputs. Sans-I/O.

Relays that must not stay closed on their own are driven as timed pulses (function 5 at 0x0200 + channel, value x
100 ms): the board opens them by itself when the pulses stop, whether this process, the computer or the line has died.
Relays in "linked" mode, in which inputs drive outputs, must be set to normal mode (0x1000 + channel = 0) when the
board is commissioned; this driver writes no settings.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from drivers.line.device import PollBlock
from drivers.line.owner import DeviceTiming, Result
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Reading

_PULSE_ON_REGISTER = 0x0200
_READ_BACK_INTERVAL_S = 1.0
_REPEAT_FIRST_S = 0.1
_REPEAT_LONGEST_S = 1.0
_COMMAND_LIFETIME_S = 0.5
# A read that waited long still brings a fresh value, and giving it up would send it to the end of the queue again.
_READ_LIFETIME_S = 1.0
# A dead board must not keep its neighbours from the line for long; the boards answer within some milliseconds.
_LATENCY_S = 0.05
_INPUTS = "inputs"
_READ_BACK = "read-back"
_OUTPUT = "output:"


@dataclass(frozen=True, slots=True)
class OutputWiring:
    """One relay. ``timed``: closed by renewed pulses only."""

    channel: int
    timed: bool


@dataclass(frozen=True, slots=True)
class InputWiring:
    """One discrete input. ``active_low``: the signal is true while the input is off."""

    channel: int
    active_low: bool


@dataclass(frozen=True, slots=True)
class AnalogWiring:
    """One analogue input: value = raw * scale + offset."""

    channel: int
    scale: float
    offset: float
    unit: str = "V"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What hangs on a relay board: outputs and inputs by name, pulse length and renewal of timed outputs.

    A pulse must outlast two renewals, so that one lost frame does not open a relay. Raises ValueError if it does not,
    or if a channel is used twice or does not exist.
    """

    outputs: Mapping[str, OutputWiring]
    inputs: Mapping[str, InputWiring]
    pulse_100ms: int = 10
    renew_interval_s: float = 0.3
    channels: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.pulse_100ms <= 0xFFFF:
            raise ValueError(f"pulse_100ms {self.pulse_100ms} is not within 1..65535")
        if not 0 < 2 * self.renew_interval_s < self.pulse_100ms / 10:
            raise ValueError("the pulse must be longer than two renew intervals")
        for kind, wires in (("output", self.outputs), ("input", self.inputs)):
            channels = [wire.channel for wire in wires.values()]
            if len(set(channels)) != len(channels):
                raise ValueError(f"an {kind} channel is used twice")
            if any(not 0 <= channel < self.channels for channel in channels):
                raise ValueError(f"an {kind} channel is not within 0..{self.channels - 1}")


@dataclass(slots=True)
class _OutputState:
    wiring: OutputWiring
    wanted: bool | None = False
    """None: never commanded, so left as it was found."""
    acknowledged: bool = False
    failures: int = 0
    outstanding: Request | None = None
    due_s: float = float("-inf")


class RelayBoard:
    """Relays and discrete inputs of one board.

    At start every output is off, and that is written to the board, except those in ``held``: these stay as they are
    found until they are commanded (a lock must not open because a program starts). ``read_back`` holds the last known
    state of each relay by name, taken once a second.
    """

    def __init__(
        self,
        wiring: Wiring,
        address: int,
        input_interval_s: float,
        *,
        name: str = "relay board",
        latency_s: float = _LATENCY_S,
        held: Collection[str] = (),
    ) -> None:
        self.name = name
        self.address = address
        self.timing = DeviceTiming(latency_s=latency_s, period_s=input_interval_s)
        self.read_back: dict[str, Reading] = {}
        self._wiring = wiring
        self._outputs = {output: _OutputState(wire) for output, wire in wiring.outputs.items()}
        for output in held:
            self._outputs[output].wanted = None
            self._outputs[output].acknowledged = True
        self._repeat_pause_s = _REPEAT_FIRST_S
        self._repeat_at_s = float("-inf")
        read_inputs = Request(
            address,
            codec.READ_DISCRETE_INPUTS,
            0,
            wiring.channels,
            tag=_INPUTS,
            lifetime_s=max(2 * input_interval_s, _READ_LIFETIME_S),
        )
        read_coils = Request(address, codec.READ_COILS, 0, wiring.channels, priority=3, tag=_READ_BACK)
        self._blocks = {
            _INPUTS: PollBlock(read_inputs, input_interval_s),
            _READ_BACK: PollBlock(read_coils, _READ_BACK_INTERVAL_S),
        }

    @property
    def wanted(self) -> dict[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""
        return {name: state.wanted for name, state in self._outputs.items()}

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name.

        The next ``requests`` carries the write; a write of the old state that still waits for the line is replaced.
        """
        state = self._outputs[name]
        if state.wanted is on:
            return
        state.wanted = on
        state.acknowledged = False
        state.failures = 0
        state.outstanding = None
        state.due_s = now_s

    def all_off(self, now_s: float, *, keep: Collection[str] = ()) -> None:
        """Command every output off but those in ``keep``."""
        for name in self._outputs:
            if name not in keep:
                self.set_output(name, False, now_s)

    def requests(self, now_s: float) -> list[Request]:
        """Switching off first, then renewals and switching on, then what is polled."""
        due: list[Request] = []
        repeating = any(s.outstanding is not None and s.failures for s in self._outputs.values() if not s.wanted)
        for name, state in self._outputs.items():
            if state.wanted or state.acknowledged or state.outstanding is not None:
                continue
            if state.failures:
                # The board does not answer: one repetition at a time finds out when it does again.
                if repeating or now_s < self._repeat_at_s:
                    continue
                repeating = True
            due.append(self._write(name, state, now_s))
        for name, state in self._outputs.items():
            if not state.wanted or state.outstanding is not None or now_s < state.due_s:
                continue
            if state.wiring.timed or not state.acknowledged:
                due.append(self._write(name, state, now_s))
        for block in self._blocks.values():
            request = block.take(now_s)
            if request is not None:
                due.append(request)
        return due

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; the inputs come out as bool signals."""
        tag = result.request.tag
        if tag.startswith(_OUTPUT):
            self._written(tag.removeprefix(_OUTPUT), result)
            return []
        block = self._blocks.get(tag)
        if block is None:
            return []
        block.done()
        if not result.ok:
            return []
        if tag == _INPUTS:
            return [
                (name, Reading(result.bits[wire.channel] is not wire.active_low, "bool", result.at_s))
                for name, wire in self._wiring.inputs.items()
            ]
        self._compare(result)
        return []

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        due_s = min(block.next_due() for block in self._blocks.values())
        for state in self._outputs.values():
            if state.outstanding is not None:
                continue
            if not state.wanted and not state.acknowledged:
                due_s = min(due_s, self._repeat_at_s if state.failures else now_s)
            elif state.wanted and (state.wiring.timed or not state.acknowledged):
                due_s = min(due_s, state.due_s)
        return max(now_s, due_s)

    def _write(self, name: str, state: _OutputState, now_s: float) -> Request:
        channel = state.wiring.channel
        lifetime_s = _COMMAND_LIFETIME_S
        register = channel
        if not state.wanted:
            value = codec.COIL_OFF
        elif state.wiring.timed:
            register = _PULSE_ON_REGISTER + channel
            value = self._wiring.pulse_100ms
            # Never sent late: the next renewal carries the state that is wanted by then.
            lifetime_s = self._wiring.renew_interval_s
            state.due_s = now_s + self._wiring.renew_interval_s
        else:
            value = codec.COIL_ON
        request = Request(
            self.address,
            codec.WRITE_COIL,
            register,
            values=(value,),
            priority=1 if state.wanted else 0,
            tag=_OUTPUT + name,
            lifetime_s=lifetime_s,
        )
        state.outstanding = request
        return request

    def _written(self, name: str, result: Result) -> None:
        state = self._outputs.get(name)
        if state is None or state.outstanding is not result.request:
            # The result of a command that was overtaken. A late "on" cannot undo an "off": the device takes
            # requests in the order in which they are sent, and the read-back shows what came of it.
            return
        state.outstanding = None
        if result.ok:
            state.acknowledged = True
            state.failures = 0
            self._repeat_pause_s = _REPEAT_FIRST_S
            self._repeat_at_s = float("-inf")
            return
        state.failures += 1
        if state.wanted:
            state.due_s = max(state.due_s, result.at_s + self._wiring.renew_interval_s / 2)
        elif state.failures > 1:
            # The first repetition goes at once, the further ones at growing distance.
            self._repeat_at_s = result.at_s + self._repeat_pause_s
            self._repeat_pause_s = min(2 * self._repeat_pause_s, _REPEAT_LONGEST_S)

    def _compare(self, result: Result) -> None:
        """Write again what the board lost (a restart drops its relays) or closed although it is to be open."""
        for name, state in self._outputs.items():
            closed = result.bits[state.wiring.channel]
            self.read_back[name] = Reading(closed, "bool", result.at_s)
            if state.wanted is None:
                continue
            if closed is not state.wanted and not (state.wiring.timed and state.wanted):
                state.acknowledged = False


class AnalogBoard:
    """Analogue inputs of one board: input registers 0 to 7 in mV.

    A raw value above ``raw_maximum`` (10 V range plus 5 %, this project's margin) is no measurement: the signal is
    absent from the result.
    """

    def __init__(
        self,
        wiring: Mapping[str, AnalogWiring],
        address: int,
        interval_s: float,
        *,
        name: str = "analogue board",
        raw_maximum: int = 10500,
        latency_s: float = _LATENCY_S,
        channels: int = 8,
    ) -> None:
        if any(not 0 <= wire.channel < channels for wire in wiring.values()):
            raise ValueError(f"an analogue channel is not within 0..{channels - 1}")
        self.name = name
        self.address = address
        self.timing = DeviceTiming(latency_s=latency_s, period_s=interval_s)
        self._wiring = dict(wiring)
        self._raw_maximum = raw_maximum
        request = Request(
            address,
            codec.READ_INPUT_REGISTERS,
            0,
            channels,
            priority=2,
            tag=_INPUTS,
            lifetime_s=max(2 * interval_s, _READ_LIFETIME_S),
        )
        self._block = PollBlock(request, interval_s)

    def requests(self, now_s: float) -> list[Request]:
        """The read if it is due."""
        request = self._block.take(now_s)
        return [request] if request is not None else []

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; the inputs come out in their units."""
        self._block.done()
        if not result.ok:
            return []
        readings = []
        for name, wire in self._wiring.items():
            raw = result.registers[wire.channel]
            if raw <= self._raw_maximum:
                readings.append((name, Reading(raw * wire.scale + wire.offset, wire.unit, result.at_s)))
        return readings

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        return max(now_s, self._block.next_due())
