"""Functions of at most 60 lines and classes of at most 300; every exception has its reason here and is still needed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION, LONGEST_CLASS = 60, 300
ROOMS = ("agent", "drivers", "hil_tests", "scripts")

EXCEPTIONS: dict[str, str] = {
    "hil_tests/harness/pile.py:Pile": "the whole pile as one object of the tests; every method is short",
    "hil_tests/bench/vehicle/bms.py:Bms": "one state machine with its mischief; to cut it would hide its order",
    "drivers/gbt27930/charger/dialogue.py:Charger": "one dialogue: the phases share every field, every method is short",
    "drivers/gbt27930/observer/dialogue.py:Dialogue": "one dialogue: the stages share every field",
    "drivers/line/owner.py:LineOwner": "one line and its queue; every method is short",
}
"""File and name of what is longer, and why."""


def too_long(path: str, source: str) -> Iterator[tuple[str, int]]:
    """Place and length in lines of every function and class that is longer than allowed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            limit = LONGEST_FUNCTION
        elif isinstance(node, ast.ClassDef):
            limit = LONGEST_CLASS
        else:
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > limit:
            yield f"{path}:{node.name}", length


def found() -> dict[str, int]:
    """Everything in the tree that is too long."""
    places: dict[str, int] = {}
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            places.update(too_long(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")))
    return places


def test_nothing_is_longer_than_allowed_without_a_reason() -> None:
    surplus = {place: length for place, length in found().items() if place not in EXCEPTIONS}
    assert not surplus, "cut these, or give a reason in EXCEPTIONS"


def test_every_exception_is_still_needed() -> None:
    assert not sorted(set(EXCEPTIONS) - set(found()))


@pytest.mark.parametrize(("lines", "long"), [(LONGEST_FUNCTION - 1, False), (LONGEST_FUNCTION, True)])
def test_a_function_is_measured_with_its_head(lines: int, long: bool) -> None:
    source = "def f():\n" + "    x = 1\n" * lines
    assert bool(list(too_long("a.py", source))) is long


@pytest.mark.parametrize(("lines", "long"), [(LONGEST_CLASS - 1, False), (LONGEST_CLASS, True)])
def test_a_class_is_measured_with_its_head(lines: int, long: bool) -> None:
    source = "class C:\n" + "    x = 1\n" * lines
    assert [place for place, _ in too_long("a.py", source)] == (["a.py:C"] if long else [])
