"""All cases, in the order of the standard."""

from hil_tests.conformance import cases_charging, cases_more, cases_start
from hil_tests.conformance.case import Case

CASES: tuple[Case, ...] = (*cases_start.CASES, *cases_charging.CASES, *cases_more.CASES)


def _numbers(kind: str, block: int, count: int) -> list[str]:
    return [f"{kind}.{block * 1000 + number}" for number in range(1, count + 1)]


ITEMS_2017: tuple[str, ...] = (
    *_numbers("DP", 1, 3), *_numbers("DN", 1, 4),
    *_numbers("DP", 2, 3), *_numbers("DN", 2, 10),
    *_numbers("DP", 3, 7), *_numbers("DN", 3, 10),
    *_numbers("DP", 4, 2), *_numbers("DN", 4, 4),
)  # fmt: skip
"""Every item of GB/T 34658-2017 for a charger."""


def select(words: tuple[str, ...], cases: tuple[Case, ...] = CASES) -> list[Case]:
    """Cases with an id or item that begins with one of the words. Raises ValueError for a word without a match."""
    chosen: list[Case] = []
    for word in words:
        found = [case for case in cases if word.upper() in (case.id.upper(), case.item.upper())]
        found = found or [case for case in cases if case.id.upper().startswith(word.upper())]
        if not found:
            raise ValueError(f"no case {word!r}; `--list` shows all")
        chosen += [case for case in found if case not in chosen]
    return chosen
