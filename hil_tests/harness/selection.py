"""The short form of the tests, which every change runs, and the full one (PILE_E2E=full)."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

OPENING_TIME = "contactors_opened_after_s"
"""Name of the property under which a test reports what it has measured."""

IS_FULL = os.environ.get("PILE_E2E") == "full"


def full_only(cases: Iterable[Any], in_short_form: Sequence[Any]) -> list[Any]:
    """All cases as parameters; outside the full form those not named are deselected, and the report counts them."""
    return [case if case in in_short_form else _marked(case, pytest.mark.full_form) for case in cases]


def _marked(case: Any, mark: pytest.MarkDecorator) -> Any:
    return pytest.param(*case, marks=mark) if isinstance(case, tuple) else pytest.param(case, marks=mark)
