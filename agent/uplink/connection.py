"""What the uplink needs of a connection: hand messages in, drain what has happened. No library in it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted the connection and what it allows."""

    receive_maximum: int | None
    maximum_bytes: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no connection any more, or an attempt has failed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker has answered a message. ``refusal`` is empty if it took it."""

    message_id: int
    refusal: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message for this pile."""

    topic: str
    payload: bytes
    response_topic: str | None
    correlation: bytes | None


ConnectionEvent = Connected | Lost | Taken | Arrived


class Connection(Protocol):
    """Connects, and connects again for ever. Nothing blocks, nothing is raised; times are monotonic seconds."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this connection."""

    def next_due(self, now_s: float) -> float:
        """When ``turn`` wants to be called at the latest."""

    def turn(self, now_s: float) -> None:
        """Connect if it is time; look after the connection."""

    def events(self) -> list[ConnectionEvent]:
        """What has happened since the last call, oldest first."""

    def subscribe(self, now_s: float) -> None:
        """Ask for the topics of this pile."""

    def publish(self, topic: str, payload: bytes, now_s: float, *, correlation: bytes | None = None) -> int | None:
        """Hand a message with acknowledgement over. Returns its id, None if there is no room or no connection."""

    def drop(self, reason: str, now_s: float) -> None:
        """Give this connection up and try again later."""

    def close(self, now_s: float) -> None:
        """Disconnect in such a way that the broker does not publish the will."""
