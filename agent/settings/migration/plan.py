"""What has to be written so that a pile of layout 1 is one of layout 2, and the writing of it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from agent.settings.files import data_folder, layout_problem, read_toml
from agent.settings.load import site_of
from agent.settings.migration import beside, layout1
from agent.settings.migration.site import migrated, migrated_text, old_problems
from agent.settings.problems import Problem, SettingsError
from agent.settings.schema import SCHEMA
from agent.settings.tree import at, kind_of
from agent.settings.wiring import load_wiring
from drivers.text import Text

BACKUP = ".schema1"
"""Added to the name of a file that is kept as it was."""
_REFERENCE, _CONTACTS = "reference-dc", "listener-contacts"


@dataclass(slots=True)
class Plan:
    """Files to write, by path, the site file last; files that are only kept under another name; notes."""

    site_file: Path
    files: dict[Path, str] = field(default_factory=dict)
    retired: list[Path] = field(default_factory=list)
    comments_kept: bool = True


def make_plan(path: Path) -> Plan:
    """What to do for the site file at ``path``; an empty plan if it is of layout 2 already.

    Nothing is written. Raises SettingsError if the file is wrong, or if what would be written is.
    """
    data = read_toml(path)
    plan = Plan(path)
    _profile(plan, data)
    if data.get("schema") == SCHEMA - 1:
        problems = old_problems(data)
        if problems:
            raise SettingsError(str(path), problems)
        new = migrated(data, *_wiring(plan, data))
        text, plan.comments_kept = migrated_text(_text(path), new)
        plan.files[path] = text
        _try(plan, new)
    elif data.get("schema") != SCHEMA:
        what = Text("缺少或不合法", "is missing or not legal")
        raise SettingsError(str(path), [layout_problem(data, path) or Problem("schema", what)])
    elif plan.files:
        _try(plan, data)
    return plan


def _text(path: Path) -> str:
    # Line ends stay as they are in the file.
    return path.read_bytes().decode("utf-8-sig")


def _profile(plan: Plan, data: Mapping[str, Any]) -> None:
    """A profile of the site's own."""
    path = plan.site_file.resolve().parent / "piles" / f"{at(data, 'pile.profile')}.toml"
    if path.is_file() and read_toml(path).get("schema") == SCHEMA - 1:
        plan.files[path] = beside.profile_text(path)


def _wiring(plan: Plan, data: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The wiring to name and the boards by role; own files go into the plan."""
    connector = data["connector"]
    models = dict(beside.MODELS)
    if kind_of(connector) == "listener":
        return _contacts(plan, connector, models), models
    name = connector["inputs_outputs"].get("board", layout1.BOARD)
    folder = plan.site_file.resolve().parent
    own = folder / "boards" / f"{name}.toml"
    if not own.is_file():
        if name == layout1.BOARD:
            return _REFERENCE, models
        what = Text(f"没有文件 boards/{name}.toml", f"there is no file boards/{name}.toml")
        hint = Text("把该文件放在现场文件旁的 boards/ 中", "put it into boards/ beside the site file")
        raise SettingsError(str(plan.site_file), [Problem("connector.inputs_outputs.board", what, hint)])
    plan.files[folder / "wiring" / f"{name}.toml"] = beside.wiring_text(own)
    board = beside.own_relay_board(own, name)
    if board is not None:
        models["io"] = board[0]
        plan.files[folder / "boards" / f"{board[0]}.toml"] = board[1]
    plan.retired.append(own)
    return str(name), models


def _contacts(plan: Plan, connector: Mapping[str, Any], models: dict[str, str]) -> str:
    if "inputs" not in connector:
        return ""
    inputs = msgspec.convert(connector["inputs"], layout1.Inputs)
    folder = plan.site_file.resolve().parent
    board = beside.own_input_board(inputs.channels)
    if board is not None:
        models["inputs"] = board[0]
        plan.files[folder / "boards" / f"{board[0]}.toml"] = board[1]
    pairs = {name: getattr(inputs, name) for name in layout1.LISTENER_CONTACTS}
    contacts: dict[str, layout1.Contact] = {name: contact for name, contact in pairs.items() if contact is not None}
    shipped = load_wiring(data_folder() / "wiring" / f"{_CONTACTS}.toml").inputs
    if {name: (wire.channel, wire.active_low) for name, wire in shipped.items()} == {
        name: (contact.channel, contact.active_low) for name, contact in contacts.items()
    }:
        return _CONTACTS
    plan.files[folder / "wiring" / "own-contacts.toml"] = beside.contacts_text("own-contacts", contacts)
    return "own-contacts"


def _try(plan: Plan, data: Mapping[str, Any]) -> None:
    """Load what would be written, from a folder of its own. Raises SettingsError with the places of layout 1."""
    with tempfile.TemporaryDirectory(prefix="pile-agent-") as name:
        trial, folder = Path(name), plan.site_file.resolve().parent
        for path, text in plan.files.items():
            there = trial / path.relative_to(folder) if path != plan.site_file else trial / path.name
            there.parent.mkdir(exist_ok=True)
            there.write_text(text, encoding="utf-8")
        try:
            site_of(data, plan.site_file, (trial, folder, data_folder()))
        except SettingsError as error:
            raise SettingsError(error.path, [_old_place(problem) for problem in error.problems]) from error


_OLD_PLACES = (
    ("connector[0]", "connector"),
    ("module_group[0]", "connector.power_stage"),
    ("board[0].address", "connector.inputs_outputs.relay_address"),
    ("board[1].address", "connector.inputs_outputs.analog_address"),
    ("board[0]", "connector.inputs_outputs"),
    ("board[1]", "connector.inputs_outputs"),
)


def _old_place(problem: Problem) -> Problem:
    """A message about the file that is there, not about the one that would be."""
    place = problem.place
    for new, old in _OLD_PLACES:
        if place.startswith(new):
            place = old + place.removeprefix(new)
            break
    return Problem(place, problem.what, problem.hint)


def write_plan(plan: Plan) -> list[Path]:
    """Write the files; each that is replaced or retired stays under a name with ``.schema1``.

    The site file comes last and in one step: until then the pile is one of layout 1. Returns the backups. Raises
    OSError.
    """
    backups = []
    for path, text in plan.files.items():
        path.parent.mkdir(exist_ok=True)
        if path.exists():
            backups.append(_backup(path))
        _replace(path, text)
    for path in plan.retired:
        backups.append(_backup(path))
        path.unlink()
    return backups


def _backup(path: Path) -> Path:
    """A copy beside the file; an earlier one with other content is never overwritten."""
    number = 1
    while True:
        backup = path.with_name(path.name + BACKUP + (f".{number}" if number > 1 else ""))
        if not backup.exists():
            shutil.copy2(path, backup)
            return backup
        if backup.read_bytes() == path.read_bytes():
            return backup
        number += 1


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, with mode and owner of the one that it replaces."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        like = path if path.exists() else path.parent
        status = like.stat()
        temporary.chmod(status.st_mode & 0o777 if like is path else 0o644)
        with contextlib.suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
