"""Compares a real body with the table. For tests and the bench: in operation an unknown key never stops a charge."""

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agent.vocabulary.record import Record
from agent.vocabulary.table import variant_of

_WRAPPERS = (typing.Annotated, typing.NotRequired, typing.Required)


def problems(kind: str, body: Mapping[str, Any], *, partial: bool = False) -> list[str]:
    """What is wrong with a body: unknown kind or event, unknown or missing key, wrong type or range. Empty: nothing.

    ``partial``: keys may be missing, and only names are looked at.
    """
    variant = variant_of(kind, body)
    if variant is None:
        return [f"{kind}: not in the table ({body.get('event') or body.get('audit') or 'kind'})"]
    found = [f"{kind}: unknown key {place}" for place in _unknown(variant.body, body, "")]
    if partial:
        return found
    try:
        msgspec.convert(_plain(body), variant.body)
    except msgspec.ValidationError as error:
        found.append(f"{kind}: {error}")
    return found


def check(record: Record) -> Record:
    """The record itself. Raises ValueError with every problem if its body does not fit the table."""
    found = problems(record.kind, record.body)
    if found:
        raise ValueError(f"{'; '.join(found)} in {dict(record.body)}")
    return record


def _plain(value: Any) -> Any:
    """Tuples and other sequences as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


@functools.cache
def keys_of(body: Any) -> dict[str, Any]:
    """The keys of a body class with their types, units and meanings."""
    return typing.get_type_hints(body, include_extras=True)


def _unknown(form: Any, value: Any, place: str) -> Iterator[str]:
    """Places of keys that the form does not have, all levels deep."""
    while typing.get_origin(form) in _WRAPPERS:
        form = typing.get_args(form)[0]
    origin = typing.get_origin(form)
    if typing.is_typeddict(form) and isinstance(value, Mapping):
        known = keys_of(form)
        for key, item in value.items():
            if key not in known:
                yield f"{place}{key}"
            else:
                yield from _unknown(known[key], item, f"{place}{key}.")
    elif origin is list and isinstance(value, list | tuple):
        for item in value:
            yield from _unknown(typing.get_args(form)[0], item, place)
    elif origin is dict and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _unknown(typing.get_args(form)[1], item, f"{place}{key}.")
    elif origin in (typing.Union, types.UnionType):
        inner = [each for each in typing.get_args(form) if typing.is_typeddict(each)]
        if inner:
            yield from _unknown(inner[0], value, place)
