"""What is connected to one board, as its driver takes it: outputs, discrete and analogue inputs, keyed by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.inputs_outputs.analogue import AnalogWire


@dataclass(frozen=True, slots=True)
class OutputWire:
    """One output. ``timed``: the board must open it by itself when this program dies."""

    channel: int
    timed: bool


@dataclass(frozen=True, slots=True)
class InputWire:
    """One discrete input. ``active_low``: the signal is true while the input is off."""

    channel: int
    active_low: bool


@dataclass(frozen=True, slots=True)
class Wires:
    """Everything on one board."""

    outputs: Mapping[str, OutputWire] = field(default_factory=dict)
    inputs: Mapping[str, InputWire] = field(default_factory=dict)
    analog: Mapping[str, AnalogWire] = field(default_factory=dict)


def check_channels(kind: str, channels: list[int], count: int) -> None:
    """Raise ValueError if a channel is used twice or is not one of ``count``."""
    if len(set(channels)) != len(channels):
        raise ValueError(f"an {kind} channel is used twice")
    if any(not 0 <= channel < count for channel in channels):
        raise ValueError(f"an {kind} channel is not within 0..{count - 1}")
