"""Of every kind of number that a meter's map can hold, one of the shipped maps is changed and behaves otherwise.

The kinds come from the schema: the types of the map, walked. A kind that no shipped map uses has nothing to change.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_probes import CONFIG
from meter_probes import load, probe_of
from msgspec import inspect
from number_walk import FixedError, Number, blind, numbers_of, with_number

from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.modbus_map import RegisterMap

TREES = {path: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((CONFIG / "meters").glob("*.toml"))}
FIXED = {"schema", "writable"}
"""Kinds with one legal value: any other is refused."""


def kinds_in(kind: Any, name: str = "") -> Iterator[str]:
    """Every kind of number below a type of the schema; ``[]`` is any place of a list, ``*`` any key."""
    if isinstance(kind, inspect.Metadata):
        yield from kinds_in(kind.type, name)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from kinds_in(each, name)
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from kinds_in(field.type, f"{name}.{field.encode_name}" if name else field.encode_name)
    elif isinstance(kind, inspect.ListType):
        yield from kinds_in(kind.item_type, f"{name}.[]")
    elif isinstance(kind, inspect.DictType):
        yield from kinds_in(kind.value_type, f"{name}.*")
    elif isinstance(kind, inspect.IntType | inspect.FloatType | inspect.BoolType) or (
        isinstance(kind, inspect.LiteralType) and not isinstance(kind.values[0], str)
    ):
        yield name


KINDS = {
    protocol: tuple(dict.fromkeys(kinds_in(inspect.type_info(section))))
    for protocol, section in (("modbus", RegisterMap), ("dlt645-2007", IdentifierMap))
}


def kind_of(number: Number) -> str:
    words = ["[]" if isinstance(key, int) else key for key in number.place]
    if "codes" in words:
        words[-1] = "*"
    return ".".join(words)


def _used() -> dict[tuple[str, str], list[tuple[Path, Number]]]:
    """The numbers of each kind that the shipped maps have, at most the first of each map."""
    found: dict[tuple[str, str], dict[Path, Number]] = {}
    for path, tree in TREES.items():
        for number in numbers_of(tree):
            found.setdefault((tree["protocol"], kind_of(number)), {}).setdefault(path, number)
    return {key: list(numbers.items()) for key, numbers in found.items()}


USED = _used()


def test_every_number_of_the_maps_is_of_a_kind_of_the_schema() -> None:
    for tree in TREES.values():
        assert {kind_of(number) for number in numbers_of(tree)} <= set(KINDS[tree["protocol"]])


def _acts(tree: Any, number: Number, kind: str) -> bool:
    """Whether a change of the number is seen, or refused because no other value is legal."""
    probe = probe_of(kind, load(tree))
    if kind.startswith("readable."):
        # One register more or less at the end of a span matters to no request: without the span requests fall apart.
        span = tree["readable"][number.place[1]]
        other = span["last" if kind.endswith("first") else "first"]
        return bool(probe(load(with_number(tree, number.place, other)), number) != probe(load(tree), number))
    changes = 1 if isinstance(number.value, bool) else 2
    try:
        return len(blind(tree, number, probe, load)) < changes
    except FixedError:
        return True


@pytest.mark.parametrize(("protocol", "kind"), list(USED))
def test_a_kind_of_number_acts(protocol: str, kind: str) -> None:
    """One map shows it: in another the same number may bind nothing, such as a request longer than any it needs."""
    if kind in FIXED:
        path, number = USED[protocol, kind][0]
        with pytest.raises(ValueError, match=kind):
            load(with_number(TREES[path], number.place, number.value + 1 if kind == "schema" else True))
        return
    assert any(_acts(TREES[path], number, kind) for path, number in USED[protocol, kind]), f"{kind} acts in no map"
