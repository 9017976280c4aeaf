"""Compares a file with the schema and collects every error, where msgspec stops at the first.

What is right comes back as a tree of plain values with the defaults filled in; what is wrong is left out of it,
so that the checks between keys can still look at the rest.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from agent.settings.problems import Problem, did_you_mean
from drivers.text import Text

_TYPE_NAMES: dict[Any, Text] = {
    inspect.StrType: Text("文本(加引号)", "text in quotes"),
    inspect.IntType: Text("整数", "a whole number"),
    inspect.FloatType: Text("数字", "a number"),
    inspect.BoolType: Text("true 或 false", "true or false"),
    inspect.DateType: Text("日期(年-月-日,不加引号)", "a date (year-month-day, without quotes)"),
    inspect.ListType: Text("列表", "a list"),
    inspect.TupleType: Text("列表", "a list"),
    inspect.DictType: Text("表", "a table"),
    inspect.StructType: Text("一节(表)", "a section (table)"),
}

_PATTERN_WORDS = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$": Text(
        "1 至 32 个字母、数字、点、减号或下划线,以字母或数字开头",
        "1 to 32 letters, digits, dots, hyphens or underscores, the first a letter or digit",
    ),
    r"^[a-z][a-z0-9_-]{0,15}$": Text(
        "1 至 16 个小写字母、数字、减号或下划线,以字母开头",
        "1 to 16 lower-case letters, digits, hyphens or underscores, the first a letter",
    ),
    r"^[a-z0-9][a-z0-9.-]{0,31}$": Text(
        "1 至 32 个小写字母、数字、点或减号,以字母或数字开头",
        "1 to 32 lower-case letters, digits, dots or hyphens, the first a letter or digit",
    ),
    r"^[a-z][a-z0-9_]{0,15}$": Text(
        "1 至 16 个小写字母、数字或下划线,以字母开头",
        "1 to 16 lower-case letters, digits or underscores, the first a letter",
    ),
    r"^[0-9A-F]{8}$": Text("8 位大写十六进制数字", "eight hexadecimal digits, letters in upper case"),
    r"^([0-9]{12}|A{12})$": Text("12 位数字,或 12 个 A", "twelve digits, or twelve times A"),
    r"^([0-9]{12})?$": Text("空,或恰好 12 位数字", "nothing, or exactly twelve digits"),
    r"^[A-Za-z0-9]{9}$": Text("恰好 9 个字母或数字", "exactly nine letters or digits"),
}


@cache
def type_of(section: type) -> Any:
    """The inspected form of a section class."""
    return inspect.type_info(section)


def bare(kind: Any) -> tuple[Any, bool, str]:
    """A type without its wrappers: (type, may be left out as None, description)."""
    description = ""
    optional = False
    while True:
        if isinstance(kind, inspect.Metadata):
            description = description or str((kind.extra_json_schema or {}).get("description", ""))
            kind = kind.type
        elif isinstance(kind, inspect.UnionType) and any(isinstance(part, inspect.NoneType) for part in kind.types):
            optional = True
            (kind,) = (part for part in kind.types if not isinstance(part, inspect.NoneType))
        else:
            return kind, optional, description


def limits_of(kind: Any) -> Text | None:
    """The legal values of a bare type in words; None if everything of the type is legal."""
    if isinstance(kind, inspect.LiteralType):
        values = [_shown(value) for value in _ordered(kind.values)]
        if len(values) == 1:
            return Text(f"只能是 {values[0]}", f"must be {values[0]}")
        return Text(f"只能是 {'、'.join(values)} 之一", f"must be one of {', '.join(values)}")
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _range(kind)
    if isinstance(kind, inspect.StrType):
        if kind.pattern is not None:
            words = _PATTERN_WORDS.get(
                kind.pattern, Text(f"须符合 {kind.pattern}", f"text that matches {kind.pattern}")
            )
            return Text(f"须为{words.zh}", f"must be {words.en}")
        if kind.max_length is not None:
            return Text(f"最多 {kind.max_length} 个字符", f"must have at most {kind.max_length} characters")
        if kind.min_length:
            return Text("不能为空", "must not be empty")
    if isinstance(kind, inspect.ListType) and (kind.min_length is not None or kind.max_length is not None):
        low, high = kind.min_length or 0, kind.max_length
        if low == high:
            return Text(f"须有 {low} 项", f"must have {low} entries")
        ends = (
            Text(f"至少 {low} 项", f"at least {low}")
            if high is None
            else Text(f"{low} 至 {high} 项", f"{low} to {high}")
        )
        return Text(f"须有{ends.zh}", f"must have {ends.en} entries")
    return None


def _range(kind: Any) -> Text | None:
    low = kind.ge if kind.ge is not None else kind.gt
    high = kind.le if kind.le is not None else kind.lt
    if low is None and high is None:
        return None
    if low == high:
        return Text(f"只能是 {low:g}", f"must be {low:g}")
    over = Text(f"大于 {low}", f"above {low}") if kind.gt is not None else Text(f"不小于 {low}", f"at least {low}")
    under = Text(f"小于 {high}", f"below {high}") if kind.lt is not None else Text(f"不大于 {high}", f"at most {high}")
    if high is None:
        return Text(f"须{over.zh}", f"must be {over.en}")
    if low is None:
        return Text(f"须{under.zh}", f"must be {under.en}")
    if kind.gt is None and kind.lt is None:
        return Text(f"须在 {low} 至 {high} 之间", f"must be from {low} to {high}")
    return Text(f"须{over.zh} 且{under.zh}", f"must be {over.en} and {under.en}")


class Walk:
    """One comparison. ``problems`` grows while ``value`` descends."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def value(self, given: Any, kind: Any, place: str) -> Any:
        """The checked form of ``given``; None when it is wrong."""
        kind, _, _ = bare(kind)
        if isinstance(kind, inspect.StructType):
            return self._section(given, kind, place)
        if isinstance(kind, inspect.ListType):
            return self._list(given, kind, place)
        if isinstance(kind, inspect.DictType):
            return self._table(given, kind, place)
        if isinstance(kind, inspect.TupleType):
            return self._tuple(given, kind, place)
        if isinstance(kind, inspect.AnyType):
            # Settings that only a driver knows; it checks them itself.
            return given
        if isinstance(kind, inspect.LiteralType):
            if type(given) in {type(legal) for legal in kind.values} and given in kind.values:
                return given
            return self._illegal(given, kind, place)
        if not _has_type(given, kind):
            return self._wrong_type(given, kind, place)
        if not _within(given, kind):
            return self._illegal(given, kind, place)
        return given

    def _section(self, given: Any, kind: Any, place: str) -> dict[str, Any] | None:
        if not isinstance(given, Mapping):
            self._wrong_type(given, kind, place)
            return None
        fields = {field.encode_name: field for field in kind.fields}
        tree: dict[str, Any] = {}
        unknown = [key for key in given if key not in fields]
        missing = [name for name, field in fields.items() if field.required and name not in given]
        for name, field in fields.items():
            if name in given:
                tree[name] = self.value(given[name], field.type, _below(place, name))
            elif not field.required:
                default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
                tree[name] = msgspec.to_builtins(default)
        for key in unknown:
            # A missing key is the likeliest meaning of a misspelt one; then one message covers both.
            hint = did_you_mean(key, missing)
            if hint.en.startswith("did you mean"):
                missing = [name for name in missing if not hint.en.endswith(f" {name}?")]
            else:
                hint = did_you_mean(key, list(fields))
            self.problems.append(Problem(_below(place, key), Text("没有这个键", "there is no such key"), hint))
        for name in missing:
            inner, _, description = bare(fields[name].type)
            what = limits_of(inner) or _type_name(inner)
            hint = Text(description or what.zh, description or what.en)
            self.problems.append(Problem(_below(place, name), Text("缺少", "is missing"), hint))
        return tree

    def _list(self, given: Any, kind: Any, place: str) -> list[Any] | None:
        if not isinstance(given, list):
            self._wrong_type(given, kind, place)
            return None
        if not (kind.min_length or 0) <= len(given) <= (len(given) if kind.max_length is None else kind.max_length):
            limits = limits_of(kind) or Text("", "")
            what = Text(f"{limits.zh},现有 {len(given)} 项", f"{limits.en}, there are {len(given)}")
            self.problems.append(Problem(place, what))
        return [self.value(item, kind.item_type, f"{place}[{index}]") for index, item in enumerate(given)]

    def _tuple(self, given: Any, kind: Any, place: str) -> list[Any] | None:
        if not isinstance(given, list):
            self._wrong_type(given, kind, place)
            return None
        count = len(kind.item_types)
        if len(given) != count:
            what = Text(f"须有 {count} 项,现有 {len(given)} 项", f"must have {count} entries, there are {len(given)}")
            self.problems.append(Problem(place, what))
        parts = enumerate(zip(given, kind.item_types, strict=False))
        return [self.value(item, part, f"{place}[{index}]") for index, (item, part) in parts]

    def _table(self, given: Any, kind: Any, place: str) -> dict[str, Any] | None:
        if not isinstance(given, Mapping):
            self._wrong_type(given, kind, place)
            return None
        keys, _, _ = bare(kind.key_type)
        tree = {}
        for name, value in given.items():
            if isinstance(keys, inspect.LiteralType) and name not in keys.values:
                hint = did_you_mean(name, list(_ordered(keys.values)))
                self.problems.append(Problem(_below(place, name), Text("没有这个键", "there is no such key"), hint))
            else:
                tree[name] = self.value(value, kind.value_type, _below(place, name))
        return tree

    def _wrong_type(self, given: Any, kind: Any, place: str) -> None:
        wanted, found = _type_name(kind), _found(given)
        self.problems.append(
            Problem(place, Text(f"须为{wanted.zh},现为{found.zh}", f"must be {wanted.en}, is {found.en}"))
        )

    def _illegal(self, given: Any, kind: Any, place: str) -> None:
        limits = limits_of(kind) or _type_name(kind)
        hint = Text("", "")
        if isinstance(kind, inspect.LiteralType) and isinstance(given, str):
            guess = did_you_mean(given, [value for value in _ordered(kind.values) if isinstance(value, str)])
            hint = guess if guess.en.startswith("did you mean") else hint
        shown = _shown(given)
        self.problems.append(Problem(place, Text(f"{limits.zh},现为 {shown}", f"{limits.en}, is {shown}"), hint))


def _has_type(given: Any, kind: Any) -> bool:
    if isinstance(kind, inspect.BoolType):
        return isinstance(given, bool)
    if isinstance(kind, inspect.IntType):
        return type(given) is int
    if isinstance(kind, inspect.FloatType):
        return type(given) in (int, float)
    if isinstance(kind, inspect.StrType):
        return isinstance(given, str)
    if isinstance(kind, inspect.DateType):
        # A date and time is a date to Python, and the time is never meant.
        return type(given) is date
    return False


def _within(given: Any, kind: Any) -> bool:
    if isinstance(kind, inspect.StrType):
        return (
            len(given) >= (kind.min_length or 0)
            and (kind.max_length is None or len(given) <= kind.max_length)
            and (kind.pattern is None or re.search(kind.pattern, given) is not None)
        )
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return (
            math.isfinite(given)
            and (kind.ge is None or given >= kind.ge)
            and (kind.gt is None or given > kind.gt)
            and (kind.le is None or given <= kind.le)
            and (kind.lt is None or given < kind.lt)
        )
    return True


def _below(place: str, key: str) -> str:
    name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else msgspec.json.encode(key).decode()
    return f"{place}.{name}" if place else name


def _ordered(values: Sequence[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (isinstance(value, str), value))


def _shown(value: Any) -> str:
    """A value as it would be written in the file, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = msgspec.json.encode(value).decode()
        return text if len(text) <= 50 else text[:46] + '..."'
    return str(value)


def _type_name(kind: Any) -> Text:
    if isinstance(kind, inspect.LiteralType):
        return limits_of(kind) or Text("", "")
    return _TYPE_NAMES.get(type(kind), Text("另一种值", "another kind of value"))


def _found(value: Any) -> Text:
    if isinstance(value, bool | int | float):
        return Text(f" {_shown(value)}", _shown(value))
    if isinstance(value, str):
        return Text(f"文本 {_shown(value)}", f"the text {_shown(value)}")
    if isinstance(value, Mapping):
        return Text("表", "a table")
    if isinstance(value, list):
        return Text("列表", "a list")
    return Text("日期或时间", "a date or time")
