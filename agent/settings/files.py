"""Reads the TOML files that the agent lives on, each checked whole, and finds the shipped ones."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agent.settings.catalogue import Fault, FaultCatalogue, PileProfile, TariffTable
from agent.settings.problems import Problem, SettingsError
from agent.settings.profile import profile_problems
from agent.settings.schema import SCHEMA
from agent.settings.walk import Walk, bare, type_of
from agent.vocabulary.former import fault_of_today
from drivers.text import NO_TEXT, Text

S = TypeVar("S", bound=msgspec.Struct)

DATA_VARIABLE = "PILE_AGENT_DATA"
_LINE = re.compile(r"\s*\(at (line \d+, column \d+|end of document)\)$")


def data_folder() -> Path:
    """Where profiles, boards, register maps, tariffs and the fault catalogue are.

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
        # Editors of Windows put a byte order mark in front; TOML has none.
        text = path.read_bytes().decode("utf-8-sig")
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
    """``data`` as a section. Raises SettingsError with all errors, ``more`` among them."""
    walk = Walk()
    walk.value(data, type_of(section), "")
    problems = [*walk.problems, *more]
    if not problems:
        try:
            return msgspec.convert(data, section)
        except msgspec.ValidationError as error:
            problems = [Problem("file", Text(str(error), str(error)))]
    raise SettingsError(str(path), problems)


def load_named(path: Path, section: type[S]) -> S:
    """A file with its name as ``id``. Raises SettingsError."""
    data = read_toml(path)
    layout = layout_problem(data) if schema_of(section) > 1 else None
    if layout is not None:
        raise SettingsError(str(path), [layout])
    return named(convert(data, section, path), path)


def named(loaded: S, path: Path) -> S:
    """What was loaded, if its ``id`` is the name of its file. Raises SettingsError."""
    identifier = getattr(loaded, "id", path.stem)
    if identifier != path.stem:
        what = Text(f"{identifier} 不是文件名", f"{identifier} is not the name of the file")
        raise SettingsError(str(path), [Problem("id", what, Text(f"写 {path.stem}", f"write {path.stem}"))])
    return loaded


def schema_of(section: type[msgspec.Struct]) -> int:
    """The version of its layout that a section of a file asks for."""
    kind = next(field.type for field in type_of(section).fields if field.encode_name == "schema")
    return int(bare(kind)[0].ge)


def layout_problem(data: Mapping[str, Any], site_file: Path | None = None) -> Problem | None:
    """What to do with a file of an earlier or later layout; None if it is of this one, or has no legal one.

    ``site_file`` is the file itself if it is one; other files are converted together with the site file beside them.
    """
    given = data.get("schema")
    if type(given) is not int or given == SCHEMA:
        return None
    if given == SCHEMA - 1:
        which = "FILE" if site_file is None else str(site_file)
        return Problem(
            "schema",
            Text(f"文件为旧格式 {given}", f"the file has the old layout {given}"),
            Text(
                f"运行 pile-agent migrate {which}(现场文件)查看新格式,加 --write 写入",
                f"`pile-agent migrate {which}` (the site file) shows layout {SCHEMA}; with --write it converts it",
            ),
        )
    if given > SCHEMA:
        return Problem(
            "schema",
            Text(
                f"文件格式 {given} 比本程序的 {SCHEMA} 新", f"layout {given} is newer than the {SCHEMA} of this program"
            ),
            Text("更新本程序,或使用旧文件", "update the program, or use the file of this version"),
        )
    return None


def load_profile(path: Path) -> PileProfile:
    """Ratings of a pile. Raises SettingsError."""
    profile = load_named(path, PileProfile)
    problems = [
        Problem(f"minimum_{name}", Text(f"不低于 maximum_{name}", f"is not below maximum_{name}"))
        for name in ("voltage_v", "current_a")
        if getattr(profile, f"minimum_{name}") >= getattr(profile, f"maximum_{name}")
    ]
    problems += profile_problems(profile)
    if problems:
        raise SettingsError(str(path), problems)
    return profile


def load_tariff(path: Path) -> TariffTable:
    """A tariff. Raises SettingsError."""
    tariff = load_named(path, TariffTable)
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


def load_fault_catalogue(path: Path) -> dict[str, Fault]:
    """The fault catalogue by fault id, in the order of the file. Raises SettingsError."""
    catalogue = convert(read_toml(path), FaultCatalogue, path)
    table: dict[str, Fault] = {}
    problems = []
    for index, row in enumerate(catalogue.fault):
        fault = msgspec.structs.replace(row, id=fault_of_today(row.id))
        if fault.id in table:
            what = Text(f"故障 {fault.id} 出现两次", f"fault {fault.id} is there twice")
            problems.append(Problem(f"fault[{index}].id", what))
        table[fault.id] = fault
    if problems:
        raise SettingsError(str(path), problems)
    return table
