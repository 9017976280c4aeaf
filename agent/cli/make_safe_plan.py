"""Where the boards with outputs are, from as much of a site file as can be read, of this layout or the one before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.settings.files import data_folder, find_data_file, read_toml
from agent.settings.problems import Problem, SettingsError
from agent.settings.tree import at, entries, kind_of
from agent.settings.wiring import load_board_model, load_wiring
from drivers.inputs_outputs.board_model import BoardModel, GpioBoardModel
from drivers.text import Text

LEFT_ALONE = "electronic_lock"
_FIRST = ("contactor_k1", "contactor_k2")
_CHANNELS = 8
"""Channels to switch off on a board of which nothing is known (own; the common relay boards have eight)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A board with outputs on a Modbus line and its channels to switch off, most important first."""

    name: str
    port: str
    baud: int
    parity: str
    stop_bits: int
    address: int
    channels: tuple[tuple[str, int], ...]
    function: int = 5
    first_register: int = 0
    off_value: int = 0
    """How a channel is switched off; without a model as coils are (Modbus application protocol V1.1b3, 6.5)."""


@dataclass(frozen=True, slots=True)
class PinsTarget:
    """A board of pins and its channels to switch off."""

    name: str
    model: GpioBoardModel
    channels: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The boards that can be reached, and what the file lacks."""

    targets: tuple[Target | PinsTarget, ...]
    problems: tuple[Problem, ...]


class NothingToOpenError(Exception):
    """The role is listener: there is no output, and nothing may be written to a board on its lines."""


def find_targets(config: Path) -> Plan:
    """Every board with outputs.

    Raises SettingsError if the file cannot be read, NothingToOpenError if the role is listener. What is wrong with one
    board does not hide the others.
    """
    tree = read_toml(config)
    if isinstance(tree.get("connector"), Mapping):
        return _layout_1(config, tree)
    connectors = list(entries(tree, "connector"))
    if connectors and all(kind_of(connector) == "listener" for _, connector in connectors):
        raise NothingToOpenError
    targets: list[Target | PinsTarget] = []
    problems: list[Problem] = []
    for place, board in entries(tree, "board"):
        if not _has_outputs(config, board):
            continue
        target = _target(config, tree, place, board)
        if isinstance(target, Problem):
            problems.append(target)
        else:
            targets.append(target)
    if not targets and not problems:
        problems.append(Problem("board", *_NO_BOARD))
    return Plan(tuple(targets), tuple(problems))


_NO_BOARD = (
    Text("没有说明继电器板在哪里", "has no place for the relay board"),
    Text("写 [[board]]", "add a [[board]] section"),
)


def _has_outputs(config: Path, board: Mapping[str, Any]) -> bool:
    """Whether a board can switch anything; a board of which nothing is known might."""
    model = _model(config, board)
    return model is None or model.outputs is not None


def _model(config: Path, board: Mapping[str, Any]) -> BoardModel | None:
    """What the board is, None if that cannot be had."""
    path, _ = find_data_file("boards", str(board.get("model")), _folders(config))
    try:
        return None if path is None else load_board_model(path)
    except SettingsError:
        return None


def _target(
    config: Path, tree: Mapping[str, Any], place: str, board: Mapping[str, Any]
) -> Target | PinsTarget | Problem:
    name, model = str(board.get("name")), _model(config, board)
    channels = _channels(config, tree, board, name)
    if isinstance(model, GpioBoardModel):
        return PinsTarget(name, model, channels)
    line, address = _line(tree, board.get("bus")), board.get("address")
    if line is None or type(address) is not int or not 1 <= address <= 247:
        return Problem(f"{place}.{'address' if line is not None else 'bus'}", *_NO_BOARD)
    outputs = None if model is None else model.outputs
    if outputs is None:
        return Target(name, *line, address, channels)
    return Target(name, *line, address, channels, outputs.function, outputs.first_register, outputs.off_value)


def _line(tree: Mapping[str, Any], bus: Any) -> tuple[str, int, str, int] | None:
    """Port, bit rate, parity and stop bits of a Modbus bus; None if the file has none."""
    for _, entry in entries(tree, "bus.modbus"):
        if entry.get("name") == bus and isinstance(entry.get("port"), str):
            baud, stop_bits = entry.get("baud", 9600), entry.get("stop_bits", 1)
            if type(baud) is not int or type(stop_bits) is not int:
                return None
            return entry["port"], baud, str(entry.get("parity", "N")), stop_bits
    return None


def _channels(
    config: Path, tree: Mapping[str, Any], board: Mapping[str, Any], name: str
) -> tuple[tuple[str, int], ...]:
    """The channels of a board by the wiring of every connector on it; the lock is left out where it is known."""
    wired: dict[int, str] = {}
    several = sum(1 for _ in entries(tree, "connector")) > 1
    for _, connector in entries(tree, "connector"):
        boards = connector.get("boards")
        roles = {role for role, there in boards.items() if there == name} if isinstance(boards, Mapping) else set()
        path, _ = find_data_file("wiring", str(connector.get("wiring")), _folders(config))
        try:
            outputs = {} if path is None else load_wiring(path).outputs
        except SettingsError:
            outputs = {}
        if roles and not outputs:
            # Without its wiring all relays go off, the lock too: open contactors matter more.
            return _every_channel(config, board)
        for output, wire in outputs.items():
            if wire.board in roles:
                wired[wire.channel] = f"{output} ({connector.get('number')})" if several else output
    if not wired:
        return _every_channel(config, board)
    return _ordered(wired)


def _ordered(wired: Mapping[int, str]) -> tuple[tuple[str, int], ...]:
    channels = sorted(wired, key=lambda channel: (not wired[channel].startswith(_FIRST), channel))
    return tuple((wired[channel], channel) for channel in channels if not wired[channel].startswith(LEFT_ALONE))


def _every_channel(config: Path, board: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    model = _model(config, board)
    count = _CHANNELS if model is None or model.outputs is None else model.outputs.channels
    return tuple((f"channel {channel}", channel) for channel in range(count))


def _folders(config: Path) -> Sequence[Path]:
    return (config.resolve().parent, data_folder())


def _layout_1(config: Path, tree: Mapping[str, Any]) -> Plan:
    """The relay board of a site file of layout 1, which a program of this version must still make safe."""
    if at(tree, "connector.role") == "monitor":
        raise NothingToOpenError
    line = _line(tree, at(tree, "connector.inputs_outputs.bus"))
    address = at(tree, "connector.inputs_outputs.relay_address")
    if line is None or type(address) not in (int, type(None)):
        return Plan((), (Problem("connector.inputs_outputs.bus", *_NO_BOARD),))
    name = at(tree, "connector.inputs_outputs.board") or "waveshare-rs485"
    return Plan((Target("relay board", *line, address or 1, _channels_1(config, str(name))),), ())


def _channels_1(config: Path, name: str) -> tuple[tuple[str, int], ...]:
    path, _ = find_data_file("boards", name, (config.resolve().parent,))
    wired: dict[int, str] = {}
    if path is None and name == "waveshare-rs485":
        # The one that was shipped with layout 1 is the reference wiring of today.
        shipped, _ = find_data_file("wiring", "reference-dc", (data_folder(),))
        if shipped is not None:
            wired = {wire.channel: output for output, wire in load_wiring(shipped).outputs.items()}
    elif path is not None:
        try:
            outputs = read_toml(path).get("outputs")
        except SettingsError:
            outputs = None
        for output, wire in outputs.items() if isinstance(outputs, Mapping) else ():
            channel = wire.get("channel") if isinstance(wire, Mapping) else None
            if type(channel) is int:
                wired[channel] = output
    return _ordered(wired) if wired else tuple((f"channel {channel}", channel) for channel in range(_CHANNELS))
