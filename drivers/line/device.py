"""What the owner of a line needs from a device on it, and the timetable of its polled blocks."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from drivers.line.exchange import Address, LineRequest, Result
from drivers.line.owner import DeviceTiming
from drivers.reading import Reading

# A request gets its result within its lifetime plus one time-out; after this much more the result is lost.
_RESULT_LOST_S = 10.0


class Device(Protocol):
    """A device on a line, sans-I/O, with any protocol."""

    @property
    def name(self) -> str:
        """Name for people."""

    @property
    def address(self) -> Address:
        """Its address: a number with Modbus, twelve digits with DL/T 645."""

    @property
    def timing(self) -> DeviceTiming:
        """How patient the owner of the line has to be."""

    def requests(self, now_s: float) -> Sequence[LineRequest]:
        """The requests that are due, never a second one for a block with an outstanding result."""

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """Take the result of one of its requests; returns signals that it delivers."""

    def next_due(self, now_s: float) -> float:
        """Earliest time at which ``requests`` may return something."""


R = TypeVar("R", bound=LineRequest)


class PollBlock(Generic[R]):
    """One read that repeats every ``interval_s`` seconds."""

    def __init__(self, request: R, interval_s: float) -> None:
        if interval_s <= 0:
            raise ValueError("interval_s must be positive")
        self.request = request
        self.interval_s = interval_s
        self._due_s: float | None = None
        self._lost_at_s: float | None = None

    def take(self, now_s: float) -> R | None:
        """The request if it is due and not outstanding."""
        if now_s < self.next_due():
            return None
        # Keeps its period while in time; after a pause it restarts instead of catching up.
        previous_s = self._due_s
        on_beat = previous_s is not None and now_s - previous_s < self.interval_s
        self._due_s = (previous_s if previous_s is not None and on_beat else now_s) + self.interval_s
        self._lost_at_s = now_s + self.request.lifetime_s + _RESULT_LOST_S
        return self.request

    def done(self) -> None:
        """The result is here."""
        self._lost_at_s = None

    def next_due(self) -> float:
        """Earliest time at which ``take`` returns the request."""
        if self._lost_at_s is not None:
            return self._lost_at_s
        return self._due_s if self._due_s is not None else float("-inf")
