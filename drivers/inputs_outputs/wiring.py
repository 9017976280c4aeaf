"""What is connected where, as data: a TOML file in config/wiring.

An entry gives a name (an output or a signal) a board role, a channel and what it means there. The site file gives which
board takes each role. Which names there are and which of them a pile must have is the caller's knowledge.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from drivers.data_file import SCHEMA, Form, Mistake, load_form, unknown
from drivers.inputs_outputs.analogue import AnalogWire, Divider, Table
from drivers.inputs_outputs.board_model import BoardModel, GpioBoardModel, ModbusBoardModel
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires

UNIT_SUFFIXES = {
    "_v": "V",
    "_a": "A",
    "_c": "degC",
    "_w": "W",
    "_kohm": "kohm",
    "_kpa": "kPa",
    "_percent": "%",
    "_hz": "Hz",
}
"""Unit of an analogue signal by the end of its name; another needs ``unit`` in its entry."""

Channel = Annotated[int, Meta(ge=0, le=31)]
Role = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,15}$")]


class Output(Form, frozen=True, kw_only=True):
    """One output.

    ``timed``: the board opens it by itself when it is not renewed. ``hardware_opens``: a circuit outside the board
    opens it when this program dies (a safety relay with its own watchdog, for instance).
    """

    board: str
    channel: Channel
    timed: bool
    hardware_opens: bool = False


class Input(Form, frozen=True, kw_only=True):
    """One discrete input. ``active_low``: the signal is true while the input is off."""

    board: str
    channel: Channel
    active_low: bool


class DividerForm(Form, frozen=True, kw_only=True):
    """The sensor is the lower resistor of a divider; raw * scale + offset is the voltage across it in V."""

    series_ohm: Annotated[float, Meta(gt=0, le=10_000_000)]
    supply_v: Annotated[float, Meta(gt=0, le=60)]


class Analog(Form, frozen=True, kw_only=True):
    """One analogue input: value = raw * scale + offset, then divider and table if there are any.

    ``lowest_raw``, ``highest_raw``: what can be a measurement, in raw digits, where the board's own span is too wide;
    with a live zero (4-20 mA, 1-5 V) ``lowest_raw`` is just below it.
    """

    board: str
    channel: Channel
    scale: float = 1.0
    offset: float = 0.0
    lowest_raw: float | None = None
    highest_raw: float | None = None
    divider: DividerForm | None = None
    table: str | None = None
    unit: str | None = None


class TableForm(Form, frozen=True, kw_only=True):
    """The characteristic of a sensor: rising x (ohm behind a divider), value. Linear between points, nothing beyond."""

    source: Annotated[str, Meta(min_length=1)]
    points: Annotated[list[Annotated[list[float], Meta(min_length=2, max_length=2)]], Meta(min_length=2)]


class Wiring(Form, frozen=True, kw_only=True):
    """The whole file. ``boards``: each role with what it is for."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
    description: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    boards: dict[Role, str]
    outputs: dict[str, Output] = msgspec.field(default_factory=dict)
    inputs: dict[str, Input] = msgspec.field(default_factory=dict)
    analog: dict[str, Analog] = msgspec.field(default_factory=dict)
    tables: dict[str, TableForm] = msgspec.field(default_factory=dict)

    def sensors(self) -> frozenset[str]:
        """Names of all signals that the wiring delivers."""
        return frozenset(self.inputs) | frozenset(self.analog)

    def entries(self) -> Iterator[tuple[str, str, Output | Input | Analog]]:
        """Every entry with its section and its name."""
        for section, wires in (("outputs", self.outputs), ("inputs", self.inputs), ("analog", self.analog)):
            for name, wire in wires.items():
                yield section, name, wire


def load_wiring(path: Path) -> Wiring:
    """The wiring in a file. Raises DataFileError with every error."""
    return load_form(path, Wiring, wiring_mistakes)


def unit_of(name: str) -> str | None:
    """Unit of an analogue signal by its name, None if the name has none."""
    return next((unit for suffix, unit in UNIT_SUFFIXES.items() if name.endswith(suffix)), None)


def wiring_mistakes(wiring: Wiring) -> list[Mistake]:
    """What types and ranges do not show, without knowing the boards."""
    found: list[Mistake] = []
    taken: dict[tuple[str, str, int], str] = {}
    for section, name, wire in wiring.entries():
        place = f"{section}.{name}"
        if wire.board not in wiring.boards:
            found.append(unknown(f"{place}.board", wire.board, wiring.boards))
        former = taken.setdefault((section, wire.board, wire.channel), name)
        if former != name:
            what = (f"通道 {wire.channel} 已用于 {former}", f"channel {wire.channel} is taken by {former}")
            found.append(Mistake(f"{place}.channel", *what))
    for name, analog in wiring.analog.items():
        found += _analog_mistakes(f"analog.{name}", name, analog, wiring.tables)
    for name, table in wiring.tables.items():
        if any(a[0] >= b[0] for a, b in pairwise(table.points)):
            found.append(Mistake(f"tables.{name}.points", "x 未递增", "x does not rise from point to point"))
    return found


def _analog_mistakes(place: str, name: str, wire: Analog, tables: Collection[str]) -> Iterator[Mistake]:
    if wire.unit is None and unit_of(name) is None:
        hint = ("写明 unit", "give it a `unit`")
        yield Mistake(f"{place}.unit", "缺少,名称中也没有", "is missing, and the name has none", *hint)
    if wire.scale == 0:
        yield Mistake(f"{place}.scale", "为 0", "is 0")
    if wire.lowest_raw is not None and wire.highest_raw is not None and wire.lowest_raw >= wire.highest_raw:
        yield Mistake(f"{place}.highest_raw", "不大于 lowest_raw", "is not above lowest_raw")
    if wire.table is not None and wire.table not in tables:
        yield unknown(f"{place}.table", wire.table, tables)


def board_mistakes(wiring: Wiring, boards: Mapping[str, BoardModel]) -> list[Mistake]:
    """Whether each board (by role) has what the wiring uses; a role without a board is left to the caller."""
    found = []
    for section, name, wire in wiring.entries():
        model = boards.get(wire.board)
        if model is None:
            continue
        place = f"{section}.{name}"
        part = getattr(model, section, None)
        if part is None:
            what = (f"{model.id} 没有此类通道", f"{model.id} has no channel of this kind")
            found.append(Mistake(f"{place}.board", *what))
        elif wire.channel >= part.channels:
            last = part.channels - 1
            what = (f"{wire.channel} 超出 0 至 {last}", f"{wire.channel} is not within 0 to {last} of {model.id}")
            found.append(Mistake(f"{place}.channel", *what))
        elif isinstance(wire, Output) and wire.timed and not opens_by_itself(model):
            found.append(
                Mistake(
                    f"{place}.timed",
                    f"{model.id} 不能自行断开输出",
                    f"{model.id} cannot open an output by itself",
                    "换用带脉冲或看门狗的板,或写 timed = false",
                    "use a board with pulse or watchdog, or write timed = false",
                )
            )
    return found


def opens_by_itself(model: BoardModel) -> bool:
    """Whether the board opens its outputs when this program dies."""
    return opens_after_s(model) is not None


def opens_after_s(model: BoardModel) -> float | None:
    """Longest time until the board opens its timed outputs after the last request, in s; None if it never does."""
    outputs = model.outputs if isinstance(model, ModbusBoardModel) else None
    timer = None if outputs is None else outputs.pulse or outputs.watchdog
    return None if timer is None else timer.units * timer.unit_ms / 1000.0


def outputs_to_open(wiring: Wiring, names: Iterable[str]) -> list[Mistake]:
    """Those of ``names`` that nothing would open if this program died (the caller names the contactors)."""
    return [
        Mistake(
            f"outputs.{name}.timed",
            "须为 true",
            "must be true",
            "接触器须由板子自己断开,即使程序已停;若由外部硬件断开,写 hardware_opens = true",
            "the board itself must open a contactor when the program has died; if other hardware does, write "
            "hardware_opens = true",
        )
        for name in names
        if name in wiring.outputs and not (wiring.outputs[name].timed or wiring.outputs[name].hardware_opens)
    ]


def missing_sensors(wiring: Wiring, required: Iterable[str]) -> list[str]:
    """Signals that are required and not wired, in the order of ``required``."""
    wired = wiring.sensors()
    return [name for name in required if name not in wired]


def unknown_names(
    wiring: Wiring, outputs: Collection[str], inputs: Collection[str], analog: Collection[str]
) -> list[Mistake]:
    """Names in the wiring that are none of the legal ones, each with the nearest legal one that is still free."""
    found = []
    for section, wires, legal in (
        ("outputs", wiring.outputs, outputs),
        ("inputs", wiring.inputs, inputs),
        ("analog", wiring.analog, analog),
    ):
        free = [name for name in legal if name not in wires]
        found += [unknown(f"{section}.{name}", name, free or legal) for name in wires if name not in legal]
    return found


def wires_of(wiring: Wiring, role: str, model: BoardModel, *, key: str = "{}") -> Wires:
    """What is on the board of ``role``, as its driver takes it. ``key`` makes the driver's name of each entry."""
    return Wires(
        outputs={
            key.format(name): OutputWire(wire.channel, wire.timed)
            for name, wire in wiring.outputs.items()
            if wire.board == role
        },
        inputs={
            key.format(name): InputWire(wire.channel, wire.active_low)
            for name, wire in wiring.inputs.items()
            if wire.board == role
        },
        analog={
            key.format(name): _analog_wire(name, wire, wiring, model)
            for name, wire in wiring.analog.items()
            if wire.board == role
        },
    )


def _analog_wire(name: str, wire: Analog, wiring: Wiring, model: BoardModel) -> AnalogWire:
    span = None if isinstance(model, GpioBoardModel) else model.analog
    lowest, highest = (float("-inf"), float("inf")) if span is None else (span.lowest_raw, span.highest_raw)
    table = None if wire.table is None else Table(tuple((x, value) for x, value in wiring.tables[wire.table].points))
    return AnalogWire(
        wire.channel,
        wire.unit or unit_of(name) or "",
        wire.scale,
        wire.offset,
        max(lowest, lowest if wire.lowest_raw is None else wire.lowest_raw),
        min(highest, highest if wire.highest_raw is None else wire.highest_raw),
        None if wire.divider is None else Divider(wire.divider.series_ohm, wire.divider.supply_v),
        table,
    )
