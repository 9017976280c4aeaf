"""The lines of a GPIO chip through libgpiod 2 (PyPI ``gpiod``), opened for one board. The thin shell of GpioBoard.

``gpiod`` is an optional dependency and is imported here only.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from drivers.errors import PortError
from drivers.inputs_outputs.board_model import GpioBoardModel

CONSUMER = "pile-agent"
_DEVICES = "/dev/gpiochip*"


def load_gpiod() -> Any:
    """The library, version 2. Raises PortError with the way to install it."""
    try:
        import gpiod
    except ImportError as error:
        hint = "Install it: pip install 'pile-agent[gpio]'."
        raise PortError("the Python package gpiod is missing", "gpio", hint) from error
    if not hasattr(gpiod, "request_lines"):
        raise PortError(
            "the Python package gpiod is of version 1", "gpio", "Install version 2: pip install 'gpiod>=2'."
        )
    return gpiod


def find_chip(gpiod: Any, label: str, folder: Path = Path("/dev")) -> str:
    """The device of the chip with ``label``. Raises PortError that names the chips there are."""
    seen: list[str] = []
    for path in sorted(folder.glob(_DEVICES.removeprefix("/dev/"))):
        if not gpiod.is_gpiochip_device(str(path)):
            continue
        try:
            with gpiod.Chip(str(path)) as chip:
                name = chip.get_info().label
        except PermissionError as error:
            hint = "Add the user of the service to the group gpio."
            raise PortError("permission denied", str(path), hint) from error
        except OSError:
            continue
        if name == label:
            return str(path)
        seen.append(f"{path.name} ({name})")
    what = f"there is no GPIO chip labelled {label}"
    hint = (
        f"There are: {', '.join(seen)}." if seen else "This machine shows no GPIO chip at all: check the kernel driver."
    )
    raise PortError(what, str(folder), hint)


class GpioPort:
    """The used lines of one board. ``outputs``: used channels with their first level, None to leave one as found.

    Raises PortError if the library, the chip or a line cannot be had.
    """

    def __init__(
        self,
        model: GpioBoardModel,
        outputs: Mapping[int, bool | None],
        inputs: tuple[int, ...],
        *,
        gpiod: Any = None,
        folder: Path = Path("/dev"),
    ) -> None:
        self._gpiod = load_gpiod() if gpiod is None else gpiod
        self._model = model
        self._inputs = inputs
        self._levels: dict[int, bool | None] = dict(outputs)
        self.where = find_chip(self._gpiod, model.chip_label, folder)
        config = self._config()
        try:
            self._request = self._gpiod.request_lines(self.where, config=config, consumer=CONSUMER)
        except OSError as error:
            hint = "Another program holds one of them (gpioinfo shows which), or the chip has no such line."
            raise PortError(f"lines {sorted(config)} cannot be had: {error.strerror}", self.where, hint) from error

    def fileno(self) -> int:
        """File descriptor on which edges of the contacts show."""
        return int(self._request.fd)

    def set_levels(self, levels: Mapping[int, bool | None]) -> None:
        """Set the outputs that have changed. Raises PortError."""
        for channel, level in levels.items():
            former = self._levels.get(channel)
            if level is None or level is former:
                continue
            self._levels[channel] = level
            if former is None:
                # Left as it was found until now: from here on it is an output. All lines are stated again, because
                # what happens to those that are left out differs between versions of the library.
                self._call("reconfigure_lines", self._config())
            else:
                self._call("set_value", self._line(channel), self._value(level))

    def read(self) -> tuple[list[bool], dict[int, bool]]:
        """Levels of the contacts in the order of ``inputs``, and of the outputs by channel. Raises PortError."""
        model = self._model
        in_lines = [] if model.inputs is None else [model.inputs.lines[channel] for channel in self._inputs]
        out_lines = [self._line(channel) for channel in self._levels]
        active = self._gpiod.line.Value.ACTIVE
        values = [value == active for value in self._call("get_values", [*in_lines, *out_lines])]
        return values[: len(in_lines)], dict(zip(self._levels, values[len(in_lines) :], strict=True))

    def drop_edges(self) -> None:
        """Take the edges that have gathered: they only wake the reader. Raises PortError."""
        while self._call("wait_edge_events", timedelta(0)):
            self._call("read_edge_events")

    def close(self) -> None:
        """Release the lines; what their outputs do then is the hardware's."""
        self._request.release()

    def _config(self) -> dict[int, Any]:
        config = {self._line(channel): self._output_settings(level) for channel, level in self._levels.items()}
        inputs = self._model.inputs
        return (
            config if inputs is None else config | {inputs.lines[each]: self._input_settings() for each in self._inputs}
        )

    def _line(self, channel: int) -> int:
        outputs = self._model.outputs
        if outputs is None:
            raise ValueError(f"{self._model.id} has no outputs")
        return outputs.lines[channel]

    def _value(self, level: bool) -> Any:
        value = self._gpiod.line.Value
        return value.ACTIVE if level else value.INACTIVE

    def _output_settings(self, level: bool | None) -> Any:
        line, outputs = self._gpiod.line, self._model.outputs
        if level is None or outputs is None:
            return self._gpiod.LineSettings(direction=line.Direction.AS_IS)
        return self._gpiod.LineSettings(
            direction=line.Direction.OUTPUT,
            drive=getattr(line.Drive, outputs.drive.replace("-", "_").upper()),
            active_low=outputs.active_low,
            output_value=self._value(level),
        )

    def _input_settings(self) -> Any:
        line, inputs = self._gpiod.line, self._model.inputs
        if inputs is None:
            raise ValueError(f"{self._model.id} has no inputs")
        return self._gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.BOTH,
            bias=getattr(line.Bias, inputs.bias.replace("-", "_").upper()),
            active_low=inputs.active_low,
            debounce_period=timedelta(milliseconds=inputs.debounce_ms),
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._request, name)(*arguments)
        except OSError as error:
            hint = "The chip has gone or the line was taken away."
            raise PortError(f"{name} failed: {error.strerror}", self.where, hint) from error
