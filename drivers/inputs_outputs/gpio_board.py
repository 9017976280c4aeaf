"""Pins of the computer as a board of outputs and contacts. Sans-I/O: levels and the time in, levels to set out.

Nothing opens an output on such a board but this program: a hung process holds it, and one that ends leaves it to the
hardware. So no output on it can be timed.
"""

from collections.abc import Collection, Sequence

from drivers.inputs_outputs.board_model import GpioBoardModel
from drivers.inputs_outputs.wires import Wires, check_channels
from drivers.reading import Reading


class GpioBoard:
    """Outputs and contacts, keyed by name.

    At start every output is off, except those in ``held``, which stay as they are found until they are commanded.
    Raises ValueError if a channel is used twice or the model does not have it, if an output is timed, or if an
    analogue input is wired.
    """

    def __init__(
        self, model: GpioBoardModel, wires: Wires, interval_s: float, *, name: str = "gpio", held: Collection[str] = ()
    ) -> None:
        for kind, channels, part in (
            ("output", [wire.channel for wire in wires.outputs.values()], model.outputs),
            ("input", [wire.channel for wire in wires.inputs.values()], model.inputs),
            ("analogue", [wire.channel for wire in wires.analog.values()], None),
        ):
            check_channels(kind, channels, 0 if part is None else part.channels)
        if any(wire.timed for wire in wires.outputs.values()):
            raise ValueError(f"{model.id} cannot open an output by itself: no output on it can be timed")
        self.name = name
        self.model = model
        self.interval_s = interval_s
        self.read_back: dict[str, Reading] = {}
        self._wires = wires
        self._wanted: dict[str, bool | None] = dict.fromkeys(wires.outputs, False)
        for output in held:
            if output in self._wanted:
                self._wanted[output] = None
        self._read_at_s: float | None = None

    @property
    def wanted(self) -> dict[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""
        return dict(self._wanted)

    @property
    def input_channels(self) -> tuple[int, ...]:
        """The channels of the contacts, in the order in which ``take`` wants their levels."""
        return tuple(wire.channel for wire in self._wires.inputs.values())

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name."""
        if name not in self._wanted:
            raise KeyError(name)
        self._wanted[name] = on

    def all_off(self, now_s: float, *, keep: Collection[str] = ()) -> None:
        """Command every output off but those in ``keep``."""
        for name in self._wanted:
            if name not in keep:
                self.set_output(name, False, now_s)

    def levels(self) -> dict[int, bool | None]:
        """What each used output channel is to be; None: as it was found."""
        return {self._wires.outputs[name].channel: wanted for name, wanted in self._wanted.items()}

    def is_due(self, now_s: float) -> bool:
        """Whether the contacts are to be read."""
        return self._read_at_s is None or now_s >= self._read_at_s + self.interval_s

    def next_due(self, now_s: float) -> float:
        """When they are to be read next."""
        return now_s if self._read_at_s is None else max(now_s, self._read_at_s + self.interval_s)

    def take(self, inputs: Sequence[bool], outputs: dict[int, bool], now_s: float) -> list[tuple[str, Reading]]:
        """Levels of ``input_channels`` and of the output channels, read at ``now_s``; the contacts come out."""
        self._read_at_s = now_s
        for name, wire in self._wires.outputs.items():
            if wire.channel in outputs:
                self.read_back[name] = Reading(outputs[wire.channel], "bool", now_s)
        return [
            (name, Reading(level is not wire.active_low, "bool", now_s))
            for (name, wire), level in zip(self._wires.inputs.items(), inputs, strict=True)
        ]
