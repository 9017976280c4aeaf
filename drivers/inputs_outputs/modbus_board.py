"""A board on a Modbus line that is described by a file in config/boards. Sans-I/O.

One driver for every such board: relays, discrete inputs and analogue inputs, whichever the device has. It writes
outputs and, if there is one, the watchdog; it writes no other setting. A board without wired outputs is only read.
"""

from collections.abc import Collection

from drivers.inputs_outputs.bits import bits_of, count_of
from drivers.inputs_outputs.board_model import ModbusBoardModel
from drivers.inputs_outputs.output_bank import OutputBank
from drivers.inputs_outputs.wires import Wires, check_channels
from drivers.line.device import PollBlock
from drivers.line.owner import DeviceTiming, Result
from drivers.modbus.codec import Request
from drivers.reading import Reading

# A read that waited long still brings a fresh value, and giving it up would send it to the end of the queue again.
_READ_LIFETIME_S = 1.0
_INPUTS = "inputs"
_ANALOG = "analog"


class ModbusBoard:
    """The board at ``address``, read every ``interval_s`` seconds.

    ``held`` are outputs that stay as they are found until they are commanded. Raises ValueError if a channel is used
    twice or the board does not have it, or if an output is timed and the board cannot open it by itself.
    """

    def __init__(
        self,
        model: ModbusBoardModel,
        wires: Wires,
        address: int,
        interval_s: float,
        *,
        name: str = "board",
        held: Collection[str] = (),
    ) -> None:
        self.name = name
        self.address = address
        self.timing = DeviceTiming(
            latency_s=model.latency_ms / 1000.0, minimum_gap_s=model.minimum_gap_ms / 1000.0, period_s=interval_s
        )
        self._model = model
        self._wires = wires
        self._codes = frozenset() if model.analog is None else frozenset(model.analog.failed_raw)
        for kind, wired, part in (
            ("output", wires.outputs, model.outputs),
            ("input", wires.inputs, model.inputs),
            ("analogue", wires.analog, model.analog),
        ):
            check_channels(kind, [wire.channel for wire in wired.values()], 0 if part is None else part.channels)
        self._bank: OutputBank | None = None
        if wires.outputs and model.outputs is not None:
            can_open = model.outputs.pulse is not None or model.outputs.watchdog is not None
            if not can_open and any(wire.timed for wire in wires.outputs.values()):
                raise ValueError(f"{model.id} cannot open an output by itself: no output on it can be timed")
            self._bank = OutputBank(model.outputs, wires.outputs, address, held)
        self._blocks = self._read_blocks(interval_s)

    @property
    def wanted(self) -> dict[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""
        return {} if self._bank is None else self._bank.wanted

    @property
    def read_back(self) -> dict[str, Reading]:
        """Last known state of each output, taken once a second."""
        return {} if self._bank is None else self._bank.read_back

    @property
    def is_guarded(self) -> bool:
        """Whether the board would open its timed outputs by itself as far as it has shown."""
        return self._bank is not None and self._bank.is_guarded

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name.

        The next ``requests`` carries the write; a write of the old state that still waits for the line is replaced.
        """
        if self._bank is None:
            raise KeyError(name)
        self._bank.set_output(name, on, now_s)

    def all_off(self, now_s: float, *, keep: Collection[str] = ()) -> None:
        """Command every output off but those in ``keep``."""
        for name in self.wanted:
            if name not in keep:
                self.set_output(name, False, now_s)

    def requests(self, now_s: float) -> list[Request]:
        """Outputs first, then what is polled."""
        due = [] if self._bank is None else self._bank.requests(now_s)
        for block in self._blocks.values():
            request = block.take(now_s)
            if request is not None:
                due.append(request)
        return due

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take a result; contacts come out as bool signals, analogue inputs in their units."""
        if self._bank is not None and self._bank.accept(result):
            return []
        block = self._blocks.get(result.request.tag)
        if block is None:
            return []
        block.done()
        if not result.ok:
            return []
        return self._contacts(result) if result.request.tag == _INPUTS else self._quantities(result)

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""
        due_s = min((block.next_due() for block in self._blocks.values()), default=float("inf"))
        if self._bank is not None:
            due_s = min(due_s, self._bank.next_due(now_s))
        return max(now_s, due_s)

    def _read_blocks(self, interval_s: float) -> dict[str, PollBlock[Request]]:
        lifetime_s = max(2 * interval_s, _READ_LIFETIME_S)
        blocks: dict[str, PollBlock[Request]] = {}
        inputs, analog = self._model.inputs, self._model.analog
        if self._wires.inputs and inputs is not None:
            count = count_of(inputs.read, inputs.channels)
            request = Request(
                self.address, inputs.read.function, inputs.read.start, count, tag=_INPUTS, lifetime_s=lifetime_s
            )
            blocks[_INPUTS] = PollBlock(request, interval_s)
        if self._wires.analog and analog is not None:
            request = Request(
                self.address,
                analog.function,
                analog.start,
                analog.channels,
                priority=2,
                tag=_ANALOG,
                lifetime_s=lifetime_s,
            )
            blocks[_ANALOG] = PollBlock(request, interval_s)
        return blocks

    def _contacts(self, result: Result) -> list[tuple[str, Reading]]:
        inputs = self._model.inputs
        if inputs is None:
            return []
        states = bits_of(inputs.read, result, inputs.channels)
        return [
            (name, Reading(states[wire.channel] is not wire.active_low, "bool", result.at_s))
            for name, wire in self._wires.inputs.items()
        ]

    def _quantities(self, result: Result) -> list[tuple[str, Reading]]:
        analog = self._model.analog
        signed = analog is not None and analog.type == "i16"
        readings = []
        for name, wire in self._wires.analog.items():
            raw = result.registers[wire.channel]
            if signed and raw > 0x7FFF:
                raw -= 0x10000
            readings.append((name, wire.reading(raw, result.at_s, is_code=raw in self._codes)))
        return readings
