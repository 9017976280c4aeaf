"""Waiting for something to become true: the only way in which these tests let time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_S = 0.02


class WaitError(AssertionError):
    """A time-out of a wait; the text gives the condition, the time waited, and the actual state."""


def wait_until(look: Callable[[], Value], what: str, timeout_s: float, poll_s: float = POLL_S) -> Value:
    """Look again and again until ``look`` returns something true, and return that.

    ``timeout_s`` only bounds a failing test, no assertion is made about it. Raises WaitError.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = look()
        if value:
            return value
        if time.monotonic() >= deadline_s:
            raise WaitError(f"not within {timeout_s:g} s: {what}")
        time.sleep(poll_s)
