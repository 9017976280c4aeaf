"""Loading a device data file: TOML into a form, with every error found, each with place and cure.

Forms are msgspec structs; what types and ranges cannot express is checked by functions that return ``Mistake`` entries.
A caller that reports all wrong keys at once (the settings check) applies the form itself and calls only the check.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

SCHEMA = 2
"""Version of the forms in this package. 1 was a board and its wiring in one file."""

_UNKNOWN_KEY = re.compile(r"unknown field `([^`]*)`")
_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections of a device data file."""


class Mistake(NamedTuple):
    """One error in a file: dotted key, what is wrong, what to do (may be empty), in Chinese and English."""

    place: str
    zh: str
    en: str
    hint_zh: str = ""
    hint_en: str = ""


class DataFileError(Exception):
    """A device data file cannot be used. ``mistakes`` holds every error that was found, at least one."""

    def __init__(self, path: Path, found: Sequence[Mistake]) -> None:
        super().__init__(f"{path}: " + " | ".join(line_of(mistake) for mistake in found))
        self.path = path
        self.mistakes = list(found)


F = TypeVar("F", bound=Form)


def line_of(mistake: Mistake) -> str:
    """An error in one line of English: place, what, cure."""
    text = f"{mistake.place}: {mistake.en}" if mistake.place else mistake.en
    return f"{text}; {mistake.hint_en}" if mistake.hint_en else text


def near(name: str, legal: Collection[str]) -> tuple[str, str]:
    """A hint (zh, en) with the legal name that is nearest to ``name``; without one, the list of legal names."""
    # Needed only when something is wrong.
    import difflib

    found = difflib.get_close_matches(name, legal, 1)
    if found:
        return f"是否应为 {found[0]}?", f"did you mean {found[0]}?"
    names = ", ".join(sorted(legal))
    return (f"可用:{names}", f"available: {names}") if names else ("", "")


def unknown(place: str, name: str, legal: Collection[str]) -> Mistake:
    """The error of a name that is not in ``legal``, with the nearest legal one."""
    return Mistake(place, f"未知名称 {name}", f"unknown name {name}", *near(name, legal))


def read_data(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises DataFileError."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise DataFileError(
            path, [Mistake("", f"无法读取:{error.strerror}", f"cannot be read: {error.strerror}")]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataFileError(path, [Mistake("", f"不是 TOML:{error}", f"is not TOML: {error}")]) from error


def to_form(data: dict[str, Any], form: type[F], path: Path) -> F:
    """``data`` as ``form``. Raises DataFileError with the first wrong key, type or range and its place."""
    try:
        return msgspec.convert(data, form)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PLACE.search(text)
        place = found.group(1) if found else ""
        what = _PLACE.sub("", text)
        key = _UNKNOWN_KEY.search(text)
        hint = near(key.group(1), keys_of(form)) if key else ("", "")
        raise DataFileError(path, [Mistake(place, what, what, *hint)]) from error


def load_form(path: Path, form: type[F], check: Callable[[F], Sequence[Mistake]]) -> F:
    """The file as ``form``, checked. Raises DataFileError with every error of the check, the file name among them."""
    loaded = to_form(read_data(path), form, path)
    mistakes = [*name_mistakes(getattr(loaded, "id", path.stem), path.stem), *check(loaded)]
    if mistakes:
        raise DataFileError(path, mistakes)
    return loaded


def name_mistakes(identifier: str, stem: str) -> list[Mistake]:
    """Whether the id of a file is its name."""
    if identifier == stem:
        return []
    what_zh, what_en = f"{identifier} 不是文件名", f"{identifier} is not the name of the file"
    return [Mistake("id", what_zh, what_en, f"写 {stem}", f"write {stem}")]


def keys_of(form: type[msgspec.Struct]) -> list[str]:
    """All keys of a form and of the forms inside it, for hints."""
    keys: list[str] = []
    waiting, seen = [form], {form}
    while waiting:
        part = waiting.pop()
        for field in msgspec.structs.fields(part):
            keys.append(field.encode_name)
            for inner in _forms_in(field.type):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
    return keys


def _forms_in(kind: Any) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [form for inner in getattr(kind, "__args__", ()) for form in _forms_in(inner)]
