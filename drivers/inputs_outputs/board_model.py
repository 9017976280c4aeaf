"""A board with inputs or outputs as data: what the device is, a TOML file in config/boards.

What is connected to it: see ``drivers.inputs_outputs.wiring``. ``bus = "modbus"`` is a device on a line,
``bus = "gpio"`` are pins of the computer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.data_file import SCHEMA, DataFileError, Form, Mistake, name_mistakes, read_data, to_form

Channels = Annotated[int, Meta(ge=1, le=32)]
Register = Annotated[int, Meta(ge=0, le=0xFFFF, description="register or coil as sent on the wire")]
Word = Annotated[int, Meta(ge=0, le=0xFFFF)]
Raw = Annotated[int, Meta(ge=-0x8000, le=0xFFFF)]


class SerialLine(Form, frozen=True, kw_only=True):
    """How the board leaves the factory."""

    baud: Annotated[int, Meta(ge=1200, le=115200)]
    parity: Literal["N", "E", "O"]
    stop_bits: Literal[1, 2]
    address: Annotated[int, Meta(ge=1, le=247)]


class BitRead(Form, frozen=True, kw_only=True):
    """How the state of channels is read.

    ``layout``: ``bit`` for coils, discrete inputs, or bits packed in registers from the lowest; ``register`` for one
    register a channel, of which ``mask`` counts.
    """

    function: Literal[1, 2, 3, 4]
    start: Register = 0
    layout: Literal["bit", "register"] = "bit"
    mask: Annotated[int, Meta(ge=1, le=0xFFFF)] = 0xFFFF


class Pulse(Form, frozen=True, kw_only=True):
    """A command after which the board itself opens the relay again: it covers the death of everything before it.

    The value sent is ``value_base`` + ``units``; the pulse lasts ``units`` x ``unit_ms`` and is renewed.
    """

    function: Literal[5, 6]
    first_register: Register
    value_base: Word = 0
    units: Annotated[int, Meta(ge=1, le=255)]
    unit_ms: Annotated[int, Meta(ge=10, le=10000)]
    renew_interval_ms: Annotated[int, Meta(ge=50, le=1000)]


class Watchdog(Form, frozen=True, kw_only=True):
    """A register that makes the board open its outputs when no request has come for ``units`` x ``unit_ms``.

    The driver writes it (function 6) if it reads otherwise (function 3), and closes nothing before it reads right.
    """

    register: Register
    units: Annotated[int, Meta(ge=1, le=0xFFFF)]
    unit_ms: Annotated[int, Meta(ge=1, le=10000)]


class ModbusOutputs(Form, frozen=True, kw_only=True):
    """Relays: how one is switched, whether the board opens it by itself, and how its state is read back."""

    channels: Channels
    function: Literal[5, 6]
    first_register: Register = 0
    on_value: Word = 0xFF00
    off_value: Word = 0
    pulse: Pulse | None = None
    watchdog: Watchdog | None = None
    read_back: BitRead


class ModbusInputs(Form, frozen=True, kw_only=True):
    """Discrete inputs."""

    channels: Channels
    read: BitRead


class ModbusAnalog(Form, frozen=True, kw_only=True):
    """Analogue inputs, one register a channel.

    ``lowest_raw`` and ``highest_raw`` bound what can be a measurement; ``failed_raw`` are codes of an open or shorted
    sensor.
    """

    channels: Channels
    function: Literal[3, 4]
    start: Register = 0
    type: Literal["u16", "i16"] = "u16"
    raw_unit: Annotated[str, Meta(min_length=1, description="what one digit is, such as mV, uA or 0.1 degC")]
    lowest_raw: Raw
    highest_raw: Raw
    failed_raw: list[Raw] = msgspec.field(default_factory=list)


class _Model(Form, frozen=True, kw_only=True):
    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    description: Annotated[str, Meta(min_length=1)]
    description_zh: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]


class ModbusBoardModel(_Model, frozen=True, kw_only=True):
    """A board on a Modbus line."""

    bus: Literal["modbus"]
    interval_ms: Annotated[int, Meta(ge=10, le=1000, description="usual time between two readings")]
    latency_ms: Annotated[int, Meta(ge=5, le=1000, description="longest time until it answers")]
    minimum_gap_ms: Annotated[int, Meta(ge=0, le=100)] = 0
    serial: SerialLine
    outputs: ModbusOutputs | None = None
    inputs: ModbusInputs | None = None
    analog: ModbusAnalog | None = None


class GpioOutputs(Form, frozen=True, kw_only=True):
    """Output lines by offset on the chip; a channel is a position in the list. Nothing opens them but this program."""

    lines: Annotated[list[Annotated[int, Meta(ge=0, le=511)]], Meta(min_length=1, max_length=32)]
    active_low: bool = False
    drive: Literal["push-pull", "open-drain", "open-source"] = "push-pull"

    @property
    def channels(self) -> int:
        """Number of outputs."""
        return len(self.lines)


class GpioInputs(Form, frozen=True, kw_only=True):
    """Input lines by offset on the chip."""

    lines: Annotated[list[Annotated[int, Meta(ge=0, le=511)]], Meta(min_length=1, max_length=32)]
    active_low: bool = False
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    debounce_ms: Annotated[int, Meta(ge=0, le=50)] = 5

    @property
    def channels(self) -> int:
        """Number of inputs."""
        return len(self.lines)


class GpioBoardModel(_Model, frozen=True, kw_only=True):
    """Pins of the computer. ``chip_label`` finds the chip: its number differs between boards and kernels."""

    bus: Literal["gpio"]
    interval_ms: Annotated[int, Meta(ge=5, le=100, description="usual time between two readings")]
    chip_label: Annotated[str, Meta(min_length=1)]
    outputs: GpioOutputs | None = None
    inputs: GpioInputs | None = None

    @property
    def analog(self) -> None:
        """There are no analogue pins."""
        return


BoardModel = ModbusBoardModel | GpioBoardModel
_FORMS: dict[str, type[ModbusBoardModel] | type[GpioBoardModel]] = {"modbus": ModbusBoardModel, "gpio": GpioBoardModel}


def board_form(data: dict[str, object]) -> type[ModbusBoardModel] | type[GpioBoardModel]:
    """The form of a board file by its ``bus``. Raises KeyError if there is none."""
    return _FORMS[str(data.get("bus"))]


def load_board_model(path: Path) -> BoardModel:
    """The board in a file. Raises DataFileError with every error."""
    data = read_data(path)
    try:
        form = board_form(data)
    except KeyError:
        hint = ("写 modbus 或 gpio", "write modbus or gpio")
        raise DataFileError(path, [Mistake("bus", "缺少或未知", "is missing or unknown", *hint)]) from None
    model: BoardModel = to_form(data, form, path)
    mistakes = [*name_mistakes(model.id, path.stem), *board_model_mistakes(model)]
    if mistakes:
        raise DataFileError(path, mistakes)
    return model


def board_model_mistakes(model: BoardModel) -> list[Mistake]:
    """What types and ranges do not show."""
    found = [] if model.outputs or model.inputs or getattr(model, "analog", None) else [_NOTHING]
    if isinstance(model, GpioBoardModel):
        lines = [line for part in (model.outputs, model.inputs) if part is not None for line in part.lines]
        twice = sorted({line for line in lines if lines.count(line) > 1})
        return [*found, *(Mistake("lines", f"引脚 {line} 重复", f"line {line} is used twice") for line in twice)]
    return [*found, *_output_mistakes(model), *_read_mistakes(model)]


_NOTHING = Mistake("outputs", "既无输入也无输出", "has neither inputs nor outputs")


def _output_mistakes(model: ModbusBoardModel) -> Iterator[Mistake]:
    outputs = model.outputs
    if outputs is None:
        return
    if outputs.on_value == outputs.off_value:
        yield Mistake("outputs.on_value", "与 off_value 相同", "equals off_value")
    if outputs.pulse is not None and outputs.watchdog is not None:
        yield Mistake("outputs.watchdog", "与 pulse 只能有其一", "is one way, pulse the other", "删去其一", "drop one")
    pulse = outputs.pulse
    if pulse is not None and 2 * pulse.renew_interval_ms >= pulse.units * pulse.unit_ms:
        yield Mistake(
            "outputs.pulse.renew_interval_ms",
            "脉冲须长于两次刷新间隔",
            "two renewals must fit into one pulse, so that one lost frame opens nothing",
        )
    if outputs.watchdog is not None and outputs.watchdog.units * outputs.watchdog.unit_ms < 4 * model.interval_ms:
        yield Mistake("outputs.watchdog.units", "短于四个读取周期", "is shorter than four readings of the board")


def _read_mistakes(model: ModbusBoardModel) -> Iterator[Mistake]:
    reads = {
        "inputs.read": None if model.inputs is None else model.inputs.read,
        "outputs.read_back": None if model.outputs is None else model.outputs.read_back,
    }
    for place, read in reads.items():
        if read is not None and read.layout == "register" and read.function in (1, 2):
            yield Mistake(f"{place}.layout", "功能 1、2 只有位", "functions 1 and 2 read bits only")
    analog = model.analog
    if analog is not None and not analog.lowest_raw < analog.highest_raw:
        yield Mistake("analog.highest_raw", "不大于 lowest_raw", "is not above lowest_raw")
