"""What to send next, and how far each stream has got: pure bookkeeping over the ledger's numbers.

The outbox is the ledger itself. Here are only, per stream, the number up to which everything was taken by the
broker (the cursor, moved without gaps), what is on its way, and what was taken ahead of the cursor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.vocabulary import kinds

_SHARES = {
    kinds.STREAM_ALARM: 1.0,
    kinds.STREAM_SESSION: 1.0,
    kinds.STREAM_STATE: 0.9,
    kinds.STREAM_EVENT: 0.8,
    kinds.STREAM_TELEMETRY: 0.7,
}
"""Share of the window that a stream and those less urgent may fill: an alarm never waits for a backlog."""
_REFUSED_PAUSE_S = 30.0
_LONGEST_REFUSED_PAUSE_S = 600.0


@dataclass(slots=True)
class _Stream:
    cursor: int
    sent: int
    repeated_until: int
    """Numbers up to this one existed or were sent before this connection."""
    ahead: set[int] = field(default_factory=set)
    paused_until_s: float = float("-inf")
    pause_s: float = _REFUSED_PAUSE_S


@dataclass(frozen=True, slots=True)
class Wanted:
    """Read this from the ledger and send it: up to ``count`` records of ``stream`` after number ``after``."""

    stream: str
    after: int
    count: int


class Outbox:
    """See the module. ``window`` is the number of messages that may be unacknowledged at once."""

    def __init__(self, cursors: Mapping[str, int], window: int) -> None:
        self._streams = {name: _Stream(cursor, cursor, cursor) for name, cursor in cursors.items()}
        self._configured = self._window = window
        self._in_flight: dict[int, tuple[str, int]] = {}

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged."""
        return len(self._in_flight)

    def connected(self, last: Mapping[str, int], receive_maximum: int | None = None) -> None:
        """A connection has begun: everything past the cursors is sent, as repeated.

        ``receive_maximum`` is what the broker allows in flight (MQTT 5, 3.2.2.3.3).
        """
        self._window = min(self._configured, receive_maximum or self._configured)
        self._in_flight.clear()
        for name, stream in self._streams.items():
            stream.repeated_until = max(last.get(name, 0), stream.sent)
            stream.sent = stream.cursor
            stream.ahead.clear()

    def room(self, others: int) -> int:
        """How many more messages may be in flight when ``others``, not from here, are as well."""
        return self._window - len(self._in_flight) - others

    def wanted(self, last: Mapping[str, int], now_s: float, others: int = 0) -> Wanted | None:
        """The next records to send, or None if there are none or the window is full.

        ``others`` is the number of messages in flight that are not from the outbox.
        """
        for name in kinds.STREAMS:
            stream = self._streams.get(name)
            if stream is None or now_s < stream.paused_until_s:
                continue
            room = max(1, int(self._window * _SHARES[name])) - len(self._in_flight) - others
            waiting = last.get(name, 0) - stream.sent
            # Read the ledger in portions, not once for each acknowledgement that makes room for one.
            if waiting > 0 and room >= min(waiting, max(1, self._window // 4)):
                return Wanted(name, stream.sent, min(room, waiting))
        return None

    def is_repeated(self, stream: str, seq: int) -> bool:
        """Whether the record is marked as sent again or late."""
        return seq <= self._streams[stream].repeated_until

    def sent(self, stream: str, seq: int, message_id: int) -> None:
        """The record was handed to the connection under this id."""
        self._in_flight[message_id] = (stream, seq)
        self._streams[stream].sent = seq

    def acknowledged(self, message_id: int) -> tuple[str, int] | None:
        """The broker took the message. Returns the stream and its new cursor if that moved."""
        place = self._in_flight.pop(message_id, None)
        if place is None:
            return None
        name, seq = place
        stream = self._streams[name]
        if seq <= stream.cursor:
            return None
        stream.ahead.add(seq)
        before = stream.cursor
        while stream.cursor + 1 in stream.ahead:
            stream.cursor += 1
            stream.ahead.discard(stream.cursor)
            stream.pause_s = _REFUSED_PAUSE_S
        return (name, stream.cursor) if stream.cursor != before else None

    def refused(self, message_id: int, now_s: float) -> str | None:
        """The broker did not take the message. It is never skipped: the stream waits and is sent again.

        The pause outlasts the connection: some brokers end it at such a message, and the other streams must not
        starve behind this one. Returns the stream, None if the id is unknown.
        """
        place = self._in_flight.pop(message_id, None)
        if place is None:
            return None
        name, seq = place
        stream = self._streams[name]
        stream.repeated_until = max(stream.repeated_until, stream.sent)
        stream.sent = min(stream.sent, max(stream.cursor, seq - 1))
        if now_s >= stream.paused_until_s:
            stream.paused_until_s = now_s + stream.pause_s
            stream.pause_s = min(stream.pause_s * 2.0, _LONGEST_REFUSED_PAUSE_S)
        return name

    def pending(self, last: Mapping[str, int]) -> int:
        """Records that the broker has not yet acknowledged."""
        return sum(max(0, last.get(name, 0) - stream.cursor) for name, stream in self._streams.items())
