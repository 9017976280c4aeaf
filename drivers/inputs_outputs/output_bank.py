"""The outputs of a Modbus board: commands, repetition, read-back, pulses and watchdog. Sans-I/O.

An output that must not stay closed on its own is driven as a pulse that is renewed, or is closed only while the board's
watchdog is known to be set: the board opens it by itself when the requests stop, whether this process, the computer or
the line has died.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from drivers.inputs_outputs.bits import bits_of, count_of
from drivers.inputs_outputs.board_model import ModbusOutputs, Watchdog
from drivers.inputs_outputs.wires import OutputWire
from drivers.line.device import PollBlock
from drivers.line.owner import Result
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Reading

_READ_BACK_INTERVAL_S = 1.0
_WATCHDOG_INTERVAL_S = 1.0
_REPEAT_FIRST_S = 0.1
_REPEAT_LONGEST_S = 1.0
_COMMAND_LIFETIME_S = 0.5
# A plain "on" that was not confirmed is repeated after this time; own, as half a renewal of the reference board.
_ON_REPEAT_S = 0.15
_READ_BACK = "read-back"
_WATCHDOG = "watchdog"
_SET_WATCHDOG = "set watchdog"
_OUTPUT = "output:"


@dataclass(slots=True)
class _OutputState:
    wire: OutputWire
    wanted: bool | None = False
    """None: never commanded, so left as it was found."""
    acknowledged: bool = False
    failures: int = 0
    outstanding: Request | None = None
    due_s: float = float("-inf")


class OutputBank:
    """Outputs, keyed by name, on the board at ``address``.

    At start every output is off, and that is written to the board, except those in ``held``: these stay as they are
    found until they are commanded (a lock must not open because a program starts). ``read_back`` holds the last known
    state of each output, keyed by name, taken once a second. With a watchdog, timed outputs close only while the board
    shows that its watchdog is set (``is_guarded``).
    """

    def __init__(
        self, model: ModbusOutputs, wires: Mapping[str, OutputWire], address: int, held: Collection[str]
    ) -> None:
        self.read_back: dict[str, Reading] = {}
        self.is_guarded = model.watchdog is None
        self._model = model
        self._address = address
        self._outputs = {name: _OutputState(wire) for name, wire in wires.items()}
        for name in held:
            if name in self._outputs:
                self._outputs[name].wanted = None
                self._outputs[name].acknowledged = True
        self._repeat_pause_s = _REPEAT_FIRST_S
        self._repeat_at_s = float("-inf")
        read = model.read_back
        count = count_of(read, model.channels)
        read_states = Request(address, read.function, read.start, count, priority=3, tag=_READ_BACK)
        self._blocks = {_READ_BACK: PollBlock(read_states, _READ_BACK_INTERVAL_S)}
        if model.watchdog is not None:
            read_watchdog = Request(
                address, codec.READ_HOLDING_REGISTERS, model.watchdog.register, 1, priority=1, tag=_WATCHDOG
            )
            self._blocks[_WATCHDOG] = PollBlock(read_watchdog, _WATCHDOG_INTERVAL_S)
        self._watchdog_wrong = False

    @property
    def wanted(self) -> dict[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""
        return {name: state.wanted for name, state in self._outputs.items()}

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name."""
        state = self._outputs[name]
        if state.wanted is on:
            return
        state.wanted = on
        state.acknowledged = False
        state.failures = 0
        state.outstanding = None
        state.due_s = now_s

    def requests(self, now_s: float) -> list[Request]:
        """Switching off first, then renewals and switching on, then what is polled."""
        due: list[Request] = []
        repeating = any(s.outstanding is not None and s.failures for s in self._outputs.values() if not s.wanted)
        for name, state in self._outputs.items():
            if self._closes(state) or state.acknowledged or state.outstanding is not None:
                continue
            if state.failures:
                # The board does not answer: one repetition at a time finds out when it does again.
                if repeating or now_s < self._repeat_at_s:
                    continue
                repeating = True
            due.append(self._write(name, state, now_s))
        for name, state in self._outputs.items():
            if not self._closes(state) or state.outstanding is not None or now_s < state.due_s:
                continue
            if self._is_pulsed(state) or not state.acknowledged:
                due.append(self._write(name, state, now_s))
        watchdog = self._model.watchdog
        if self._watchdog_wrong and watchdog is not None:
            self._watchdog_wrong = False
            due.append(self._set_watchdog(watchdog))
        for block in self._blocks.values():
            request = block.take(now_s)
            if request is not None:
                due.append(request)
        return due

    def accept(self, result: Result) -> bool:
        """Take a result; false if it belongs to something else."""
        tag = result.request.tag
        if tag.startswith(_OUTPUT):
            self._written(tag.removeprefix(_OUTPUT), result)
        elif tag == _READ_BACK:
            self._blocks[tag].done()
            if result.ok:
                self._compare(result)
        elif tag == _WATCHDOG:
            self._blocks[tag].done()
            self._watch(result)
        elif tag != _SET_WATCHDOG:
            return False
        return True

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        due_s = now_s if self._watchdog_wrong else min(block.next_due() for block in self._blocks.values())
        for state in self._outputs.values():
            if state.outstanding is not None:
                continue
            closes = self._closes(state)
            if not closes and not state.acknowledged:
                due_s = min(due_s, self._repeat_at_s if state.failures else now_s)
            elif closes and (self._is_pulsed(state) or not state.acknowledged):
                due_s = min(due_s, state.due_s)
        return max(now_s, due_s)

    def _is_pulsed(self, state: _OutputState) -> bool:
        return state.wire.timed and self._model.pulse is not None

    def _closes(self, state: _OutputState) -> bool:
        """Whether the output is to be closed now: commanded, and, if timed, something opens it without us."""
        return bool(state.wanted) and (self.is_guarded or not state.wire.timed)

    def _write(self, name: str, state: _OutputState, now_s: float) -> Request:
        model, channel = self._model, state.wire.channel
        lifetime_s = _COMMAND_LIFETIME_S
        function, register, value = model.function, model.first_register + channel, model.off_value
        closes = self._closes(state)
        if closes:
            value = model.on_value
            pulse = model.pulse if state.wire.timed else None
            if pulse is not None:
                function, register = pulse.function, pulse.first_register + channel
                value = pulse.value_base + pulse.units
                # Never sent late: the next renewal carries the state that is wanted by then.
                lifetime_s = pulse.renew_interval_ms / 1000.0
                state.due_s = now_s + lifetime_s
        request = Request(
            self._address,
            function,
            register,
            values=(value,),
            priority=1 if closes else 0,
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
            pulse = self._model.pulse
            pause_s = _ON_REPEAT_S if pulse is None else pulse.renew_interval_ms / 2000.0
            state.due_s = max(state.due_s, result.at_s + pause_s)
        if not self._closes(state) and state.failures > 1:
            # The first repetition goes at once, the further ones at growing distance.
            self._repeat_at_s = result.at_s + self._repeat_pause_s
            self._repeat_pause_s = min(2 * self._repeat_pause_s, _REPEAT_LONGEST_S)

    def _compare(self, result: Result) -> None:
        """Write again what the board lost (a restart drops its relays) or closed although it is to be open."""
        states = bits_of(self._model.read_back, result, self._model.channels)
        for name, state in self._outputs.items():
            closed = states[state.wire.channel]
            self.read_back[name] = Reading(closed, "bool", result.at_s)
            if state.wanted is None:
                continue
            closes = self._closes(state)
            if closed is not closes and not (self._is_pulsed(state) and closes):
                state.acknowledged = False

    def _set_watchdog(self, watchdog: Watchdog) -> Request:
        return Request(
            self._address,
            codec.WRITE_REGISTER,
            watchdog.register,
            values=(watchdog.units,),
            priority=1,
            tag=_SET_WATCHDOG,
            lifetime_s=_COMMAND_LIFETIME_S,
        )

    def _watch(self, result: Result) -> None:
        """Only a value that was read counts; a board that was restarted has forgotten it, and its outputs are open."""
        watchdog = self._model.watchdog
        if watchdog is None or not result.ok:
            return
        is_set = result.registers[0] == watchdog.units
        self._watchdog_wrong = not is_set
        if is_set is self.is_guarded:
            return
        self.is_guarded = is_set
        for state in self._outputs.values():
            if state.wire.timed and state.wanted:
                state.acknowledged = False
                state.outstanding = None
                state.due_s = result.at_s
