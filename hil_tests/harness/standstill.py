"""Handling of a failure on a stalled machine."""

from collections.abc import Generator

import pytest

from hil_tests.bench.steadiness import TOO_LONG_STANDSTILL_S
from hil_tests.harness.pile import Pile

RERUNS = 2


class StoodStillError(AssertionError):
    """The test failed while the machine stalled: no verdict on the agent. It is run again."""


def mark(items: list[pytest.Item]) -> None:
    """Run tests again that failed while the machine stalled, and only those."""
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=RERUNS, only_rerun=[StoodStillError.__name__]))


def judge(item: pytest.Item) -> Generator[None, object, object]:
    """Body of a ``pytest_pyfunc_call`` wrapper: turns a failure into StoodStillError if it must."""
    try:
        return (yield)
    except Exception as error:
        pile = getattr(item, "funcargs", {}).get("pile")
        length_s = pile.longest_standstill_s() if isinstance(pile, Pile) else 0.0
        if length_s < TOO_LONG_STANDSTILL_S:
            raise
        raise StoodStillError(f"the machine stalled for {length_s:.2f} s: {error}") from error
