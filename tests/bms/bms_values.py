"""Random values of any message, drawn from the table."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from drivers.gbt27930.messages.fields import Field, Kind, Message


def values_of(message: Message) -> st.SearchStrategy[dict[str, Any]]:
    """Everything the message can say, lists with any number of items."""
    if not message.item_bytes:
        return st.fixed_dictionaries({field.name: value_of(field) for field in message.fields})
    item = st.fixed_dictionaries({field.name: value_of(field) for field in message.fields})
    items = st.lists(item, min_size=1, max_size=message.maximum_items)
    return items.map(lambda rows: {field.name: [row[field.name] for row in rows] for field in message.fields})


def value_of(field: Field) -> st.SearchStrategy[Any]:
    some = _STRATEGIES[field.kind](field)
    return st.none() | some if field.optional else some


def _number(field: Field) -> st.SearchStrategy[Any]:
    low, high = raw_range(field)
    return st.integers(low, high).map(lambda raw: value_at(field, raw))


def raw_range(field: Field) -> tuple[int, int]:
    """Raw values of the ends of the range, worked out without the codec."""
    if field.minimum is None or field.maximum is None:
        return 0, field.ones - field.optional
    ends = [round(field.direction * end * field.per_unit) + field.zero for end in (field.minimum, field.maximum)]
    return max(0, min(ends)), min(field.ones - field.optional, max(ends))


def value_at(field: Field, raw: int) -> float:
    value = field.direction * (raw - field.zero)
    return value if field.per_unit == 1 else value / field.per_unit


def _code(field: Field) -> st.SearchStrategy[Any]:
    return st.integers(0, field.ones - field.optional)


def _flag(_: Field) -> st.SearchStrategy[Any]:
    return st.booleans()


def _version(_: Field) -> st.SearchStrategy[Any]:
    return st.tuples(st.integers(0, 65535), st.integers(0, 255)).map(lambda parts: f"{parts[0]}.{parts[1]}")


def _text(field: Field) -> st.SearchStrategy[Any]:
    letters = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    return st.text(letters, min_size=1, max_size=field.bits // 8)


def _raw(field: Field) -> st.SearchStrategy[Any]:
    return st.binary(min_size=field.bits // 8, max_size=field.bits // 8)


def _bcd(field: Field) -> st.SearchStrategy[Any]:
    assert field.minimum is not None
    assert field.maximum is not None
    return st.integers(int(field.minimum), int(field.maximum))


def _software(_: Field) -> st.SearchStrategy[Any]:
    parts = st.tuples(st.integers(1000, 9999), st.integers(1, 12), st.integers(1, 31), st.integers(0, 255))
    return parts.map(lambda part: f"{part[0]}-{part[1]:02}-{part[2]:02}.{part[3]}")


_STRATEGIES: Mapping[Kind, Callable[[Field], st.SearchStrategy[Any]]] = {
    Kind.NUMBER: _number,
    Kind.CODE: _code,
    Kind.FLAG: _flag,
    Kind.VERSION: _version,
    Kind.TEXT: _text,
    Kind.RAW: _raw,
    Kind.BCD: _bcd,
    Kind.SOFTWARE_DATE: _software,
}
