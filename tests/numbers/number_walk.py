"""Every number of a data file, and the same file with one of them changed.

A number is a leaf of the file's tree that is an integer, a fraction or a truth value. Its changes are a little up and a
little down; where only some values are legal, one of the others.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Place = tuple[str | int, ...]
Tree = Any


class Number(NamedTuple):
    """A number and where it is in its file."""

    place: Place
    value: float

    @property
    def name(self) -> str:
        """The place as a dotted path."""
        return ".".join(map(str, self.place))


def numbers_of(tree: Tree, place: Place = ()) -> Iterator[Number]:
    """Every number in ``tree``, in the order of the file."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from numbers_of(value, (*place, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from numbers_of(value, (*place, index))
    elif isinstance(tree, bool | int | float):
        yield Number(place, tree)


def with_number(tree: Tree, place: Place, value: float) -> Tree:
    """A copy of ``tree`` with ``value`` at ``place``."""
    changed = copy.deepcopy(tree)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return changed


def step_of(value: float) -> float:
    """How far a fraction is changed: 2 % of it. A probe that looks at half of it beside the limit sees the change."""
    return abs(value) * 0.02 or 0.02


def changes_of(value: float) -> list[float]:
    """Up, down, and what to try when neither is legal."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    return [value + step_of(value), value - step_of(value)]


class FixedError(Exception):
    """A number has one legal value in its file: any other is refused when it is loaded."""


OTHERS: tuple[float, ...] = (0, 1, 2, 3, 4, 16)


def legal_changes(number: Number, is_legal: Callable[[float], bool]) -> list[float]:
    """The changes of a number that its file may hold; never empty unless no other value is legal at all."""
    legal = [value for value in changes_of(number.value) if is_legal(value)]
    return legal or [value for value in OTHERS if value != number.value and is_legal(value)][:1]


def around(limit: float) -> tuple[float, float, float]:
    """Just below, at and just above a limit, by half of what a change moves it."""
    half = step_of(limit) / 2
    return limit - half, limit, limit + half


def blind(
    tree: Tree,
    number: Number,
    probe: Callable[[Tree, Number], Any],
    load: Callable[[Tree], Any],
    *,
    whole: bool = False,
) -> list[float]:
    """The changes of ``number`` that ``probe`` does not see. Raises FixedError when nothing can be changed.

    ``whole``: it is a count although the file writes it as a fraction.
    """

    def is_legal(value: float) -> bool:
        try:
            load(with_number(tree, number.place, value))
        except ValueError:
            return False
        return True

    changes = legal_changes(Number(number.place, int(number.value)) if whole else number, is_legal)
    if not changes:
        raise FixedError(f"no other value of {number.name} is legal")
    before = probe(load(tree), number)
    return [value for value in changes if probe(load(with_number(tree, number.place, value)), number) == before]
