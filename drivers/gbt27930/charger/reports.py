"""Events of the dialogue, bounded in number and rate."""

from collections import deque
from typing import Any

from drivers.gbt27930.charger.phases import Event, EventKind

EVENTS_AT_MOST = 256
"""Events kept until they are fetched; beyond that the oldest go, and are counted."""

REPORT_INTERVAL_S = 10.0
"""A late or refused message is reported at most this often, per message; the counters count every one."""


class Reports:
    """Collects events until they are fetched."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[Event] = deque(maxlen=EVENTS_AT_MOST)
        self._reported: dict[tuple[EventKind, str], float] = {}

    def tell(self, kind: EventKind, name: str, detail: dict[str, Any], now_s: float) -> None:
        """Adds an event about message ``name``."""
        self.dropped += len(self._events) == EVENTS_AT_MOST
        self._events.append(Event(kind, now_s, name, detail))

    def tell_seldom(self, kind: EventKind, name: str, detail: dict[str, Any], now_s: float) -> None:
        """Adds an event unless one of its kind about ``name`` was added in the last 10 s."""
        last_s = self._reported.get((kind, name))
        if last_s is None or now_s - last_s >= REPORT_INTERVAL_S:
            self._reported[kind, name] = now_s
            self.tell(kind, name, detail, now_s)

    @property
    def waiting(self) -> bool:
        """Whether there are events that have not been fetched."""
        return bool(self._events)

    def drain(self) -> list[Event]:
        """All events since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events
