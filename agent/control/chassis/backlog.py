"""Records that the recorder has not yet confirmed, in memory, bounded and without gaps."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from agent.vocabulary.record import Record


class Backlog:
    """Numbers records from 1 without gaps and holds them until they are durable. All cores of a process share one.

    Nothing is ever dropped here. Instead ``crowded`` makes the core leave out what can be left out
    (telemetry), and ``full`` makes the core end the session: no record, no charge.
    """

    def __init__(self, maximum: int, boot_id: str = "") -> None:
        self._maximum = maximum
        self._boot_id = boot_id
        self._pending: deque[Record] = deque()
        self._last_number = 0
        self._acknowledged = 0

    @property
    def last_number(self) -> int:
        """Number of the newest record."""
        return self._last_number

    @property
    def acknowledged(self) -> int:
        """All records up to this number are durable."""
        return self._acknowledged

    @property
    def crowded(self) -> bool:
        """A quarter of the room is taken."""
        return len(self._pending) >= self._maximum // 4

    @property
    def full(self) -> bool:
        """Only the room for an orderly end is left."""
        return len(self._pending) >= self._maximum * 3 // 4

    @property
    def room(self) -> int:
        """How many more records may be kept at all; only a core that cannot end a session ever comes to 0."""
        return self._maximum - len(self._pending)

    def add(
        self,
        kind: str,
        at_s: float,
        wall_ms: int,
        wall_quality: str,
        session: str | None,
        body: Mapping[str, Any],
        *,
        connector: int = 1,
    ) -> Record:
        """Number a record of a connector and keep it."""
        self._last_number += 1
        record = Record(self._boot_id, self._last_number, kind, at_s, wall_ms, wall_quality, connector, session, body)
        self._pending.append(record)
        return record

    def acknowledge(self, number: int) -> None:
        """All records up to ``number`` are durable. A number never given out is ignored: a confused recorder."""
        if not self._acknowledged < number <= self._last_number:
            return
        self._acknowledged = number
        while self._pending and self._pending[0].number <= number:
            self._pending.popleft()

    def pending(self) -> list[Record]:
        """All records not yet durable, oldest first, to be sent (again) to a recorder that has just come."""
        return list(self._pending)
