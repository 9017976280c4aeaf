"""The wiring sheet of the pile's boards, as the bench needs it: channel of each name, and value to raw millivolt."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CONFIG = Path(__file__).resolve().parents[2] / "config"
WIRING_FILE = _CONFIG / "wiring" / "reference-dc.toml"
RELAY_BOARD_FILE = _CONFIG / "boards" / "waveshare-relay-8ch-d.toml"

_FULL_SCALE_MV = 10_000


@dataclass(frozen=True, slots=True)
class AnalogChannel:
    """One analogue input: value = raw * scale + offset, raw in mV."""

    channel: int
    scale: float
    offset: float

    def raw_mv(self, value: float) -> int:
        """The register value that stands for ``value``, held within the 0 to 10 V range of the input."""
        return min(max(round((value - self.offset) / self.scale), 0), _FULL_SCALE_MV)


@dataclass(frozen=True, slots=True)
class Wiring:
    """Channels, keyed by name. ``inputs`` maps a name to (channel, active_low)."""

    relay_channels: int
    outputs: Mapping[str, int]
    inputs: Mapping[str, tuple[int, bool]]
    analog: Mapping[str, AnalogChannel]

    def input_levels(self, values: Mapping[str, bool]) -> list[bool]:
        """Levels at the discrete inputs, in channel order; an unused channel reads low."""
        levels = [False] * self.relay_channels
        for name, (channel, active_low) in self.inputs.items():
            levels[channel] = values[name] != active_low
        return levels


def load_wiring(path: Path = WIRING_FILE) -> Wiring:
    """Read a wiring sheet (``config/wiring``) of one relay board with inputs and one analogue board."""
    sheet = tomllib.loads(path.read_text(encoding="utf-8"))
    board = tomllib.loads(RELAY_BOARD_FILE.read_text(encoding="utf-8"))
    return Wiring(
        relay_channels=board["outputs"]["channels"],
        outputs={name: entry["channel"] for name, entry in sheet["outputs"].items()},
        inputs={name: (entry["channel"], entry["active_low"]) for name, entry in sheet["inputs"].items()},
        analog={
            name: AnalogChannel(entry["channel"], entry["scale"], entry["offset"])
            for name, entry in sheet["analog"].items()
        },
    )
