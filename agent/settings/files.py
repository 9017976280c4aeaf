"""Reads the TOML files that the agent lives on, each checked whole, and finds the shipped ones."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agent.settings.catalogue import (
    ANALOG_INPUTS,
    DISCRETE_INPUTS,
    OPTIONAL_OUTPUTS,
    REQUIRED_OUTPUTS,
    TIMED_OUTPUTS,
    Board,
    Fault,
    FaultCatalogue,
    PileProfile,
    TariffTable,
)
from agent.settings.problems import Problem, SettingsError, did_you_mean
from agent.settings.walk import Walk, type_of
from drivers.text import NO_TEXT, Text

S = TypeVar("S", bound=msgspec.Struct)

DATA_VARIABLE = "PILE_AGENT_DATA"
_LINE = re.compile(r"\s*\(at (line \d+, column \d+|end of document)\)$")


def data_folder() -> Path:
    """Where profiles, boards, register maps, tariffs and the fault catalogue lie.

    ``$PILE_AGENT_DATA`` if set, else what is installed with the package, else the checkout's ``config``.
    """
    given = os.environ.get(DATA_VARIABLE)
    if given:
        return Path(given)
    package = Path(__file__).resolve().parents[1]
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "config"


def find_data_file(kind: str, name: str, folders: Iterable[Path]) -> tuple[Path | None, list[str]]:
    """The file ``kind/name.toml`` in the first folder that has it, and all names that there are."""
    names: list[str] = []
    found: Path | None = None
    for folder in folders:
        for path in sorted((folder / kind).glob("*.toml")):
            names.append(path.stem)
            if path.stem == name and found is None:
                found = path
    return found, sorted(set(names))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises SettingsError with the line of a syntax error."""
    try:
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(str(path), [_unreadable(path, error)]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        what = Text("不是 UTF-8 文本", "is not UTF-8 text")
        raise SettingsError(
            str(path), [Problem(f"line {line}", what, Text("另存为 UTF-8", "save it as UTF-8"))]
        ) from error
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        where = _LINE.search(message)
        place = where.group(1) if where else "file"
        message = _LINE.sub("", message)
        what = Text(f"TOML 语法错误({message})", f"TOML syntax error ({message})")
        raise SettingsError(str(path), [Problem(place, what)]) from error


def _unreadable(path: Path, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        what = Text("没有这个文件", "there is no such file")
        hint = Text(
            "用 --config 指定现场文件,或复制示例 pile.toml.example 并填写",
            "name the site file with --config, or copy the example pile.toml.example and fill it in",
        )
    elif isinstance(error, PermissionError):
        what = Text("没有读取权限", "permission denied")
        hint = Text("让运行服务的用户可以读取", "make it readable for the user of the service")
    else:
        what, hint = Text(f"无法读取({error.strerror})", f"cannot be read ({error.strerror})"), NO_TEXT
    return Problem(str(path), what, hint)


def convert(data: Any, section: type[S], path: Path, more: Sequence[Problem] = ()) -> S:
    """``data`` as a section. Raises SettingsError with all mistakes, ``more`` among them."""
    walk = Walk()
    walk.value(data, type_of(section), "")
    problems = [*walk.problems, *more]
    if not problems:
        try:
            return msgspec.convert(data, section)
        except msgspec.ValidationError as error:
            problems = [Problem("file", Text(str(error), str(error)))]
    raise SettingsError(str(path), problems)


def _load(path: Path, section: type[S]) -> S:
    loaded = convert(read_toml(path), section, path)
    identifier = getattr(loaded, "id", path.stem)
    if identifier != path.stem:
        what = Text(f"{identifier} 不是文件名", f"{identifier} is not the name of the file")
        raise SettingsError(str(path), [Problem("id", what, Text(f"写 {path.stem}", f"write {path.stem}"))])
    return loaded


def load_profile(path: Path) -> PileProfile:
    """Ratings of a pile. Raises SettingsError."""
    profile = _load(path, PileProfile)
    problems = [
        Problem(f"minimum_{name}", Text(f"不低于 maximum_{name}", f"is not below maximum_{name}"))
        for name in ("voltage_v", "current_a")
        if getattr(profile, f"minimum_{name}") >= getattr(profile, f"maximum_{name}")
    ]
    if problems:
        raise SettingsError(str(path), problems)
    return profile


def load_tariff(path: Path) -> TariffTable:
    """A tariff. Raises SettingsError."""
    tariff = _load(path, TariffTable)
    unpriced = sorted({str(rate) for rate in tariff.slots} - set(tariff.rates))
    if unpriced:
        raise SettingsError(
            str(path),
            [
                Problem(f"rates.{rate}", Text("缺少:slots 中用到该费率", "is missing, but used in slots"))
                for rate in unpriced
            ],
        )
    return tariff


def load_board(path: Path) -> Board:
    """A wiring. Raises SettingsError."""
    board = _load(path, Board)
    problems = [
        *_wire_problems("outputs", board.outputs, REQUIRED_OUTPUTS, OPTIONAL_OUTPUTS, board.relay_board.channels),
        *_wire_problems("inputs", board.inputs, DISCRETE_INPUTS, (), board.relay_board.channels),
        *_wire_problems("analog", board.analog, ANALOG_INPUTS, (), 8),
    ]
    for name in TIMED_OUTPUTS:
        output = board.outputs.get(name)
        if output is not None and not output.timed:
            what = Text("须为 true", "must be true")
            hint = Text(
                "接触器须由板子自己断开,即使程序已停",
                "the board itself must open a contactor when the program has died",
            )
            problems.append(Problem(f"outputs.{name}.timed", what, hint))
    relay_board = board.relay_board
    if 2 * relay_board.renew_interval_ms >= relay_board.pulse_100ms * 100:
        what = Text(
            "脉冲须长于两次刷新间隔", "two renewals must fit into one pulse, so that one lost frame opens nothing"
        )
        problems.append(Problem("relay_board.renew_interval_ms", what))
    if problems:
        raise SettingsError(str(path), problems)
    return board


def _wire_problems(
    section: str, wires: Mapping[str, Any], required: Sequence[str], optional: Sequence[str], channels: int
) -> list[Problem]:
    legal = [*required, *optional]
    missing = [name for name in required if name not in wires]
    problems = []
    for name in wires:
        if name not in legal:
            hint = did_you_mean(name, missing or legal)
            problems.append(Problem(f"{section}.{name}", Text("没有这个信号", "there is no such signal"), hint))
    problems += [Problem(f"{section}.{name}", Text("缺少", "is missing")) for name in missing]
    first: dict[int, str] = {}
    for name, wire in wires.items():
        place = f"{section}.{name}.channel"
        if wire.channel >= channels:
            what = Text(f"{wire.channel} 超出 0 至 {channels - 1}", f"{wire.channel} is not within 0 to {channels - 1}")
            problems.append(Problem(place, what))
        elif wire.channel in first:
            former = first[wire.channel]
            what = Text(f"通道 {wire.channel} 已用于 {former}", f"channel {wire.channel} is taken by {former}")
            problems.append(Problem(place, what))
        first.setdefault(wire.channel, name)
    return problems


def load_fault_catalogue(path: Path) -> dict[str, Fault]:
    """The fault catalogue by fault id, in the order of the file. Raises SettingsError."""
    catalogue = convert(read_toml(path), FaultCatalogue, path)
    table: dict[str, Fault] = {}
    problems = []
    for index, fault in enumerate(catalogue.fault):
        if fault.id in table:
            what = Text(f"故障 {fault.id} 出现两次", f"fault {fault.id} stands twice")
            problems.append(Problem(f"fault[{index}].id", what))
        table[fault.id] = fault
    if problems:
        raise SettingsError(str(path), problems)
    return table
