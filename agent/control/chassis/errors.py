"""The guard around one evaluation: an error of the program is met once, and the third in a row ends the process."""

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from agent.vocabulary import events

_ERRORS_IN_A_ROW = 3
"""After so many evaluations in a row that ended in an error the process must end: outputs fall off without it (own)."""

T = TypeVar("T")


class ErrorGuard:
    """Counts errors in a row. What an error does to the outputs is up to the core (``after``)."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._met: Exception | None = None

    @property
    def waiting(self) -> bool:
        """An error was met between two evaluations; the next one acts on it."""
        return self._met is not None

    def note(self, error: Exception) -> None:
        """An error was met outside an evaluation: the next one counts as its own."""
        self._met = error

    def run(self, work: Callable[[], T], after: Callable[[Exception], T]) -> T:
        """Result of ``work``, or of ``after`` if it ends in an error. Raises the third error in a row."""
        try:
            if self._met is not None:
                error, self._met = self._met, None
                raise error
            result = work()
        except Exception as error:
            self._in_a_row += 1
            if self._in_a_row >= _ERRORS_IN_A_ROW:
                raise
            return after(error)
        self._in_a_row = 0
        return result


def error_body(error: Exception) -> dict[str, Any]:
    """Body of the event record of an error: what and where."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "event": events.INTERNAL_ERROR,
        "error": f"{type(error).__name__}: {error}",
        "place": f"{where.name}:{where.lineno}",
    }
