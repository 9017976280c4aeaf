"""Messages between the two processes, and from the command line to the field process.

The field process listens on a local stream socket. Each message is a MessagePack map with a
``type`` tag, preceded by its length as four bytes, high byte first.
"""

from typing import Any, Final

import msgspec

from agent.vocabulary.reasons import ORIGIN_LOCAL, Reason, joined
from agent.vocabulary.record import MeterInLedger, Record

SOCKET_NAME = "field.sock"
"""Name of the socket of the field process in the runtime folder."""
MAXIMUM_MESSAGE_BYTES = 1 << 20

RECORDER: Final = "recorder"
"""Role of the north process on the link."""
OPERATOR: Final = "operator"
"""Role of a command line on the link."""


class Message(msgspec.Struct, tag_field="type", gc=False, omit_defaults=True):
    """Base of all messages on the link."""


class Hello(Message, tag="hello"):
    """First message of the field process to every client."""

    boot_id: str
    pile_id: str
    version: str
    started_wall_ms: int


class ReadingsMessage(Message, tag="readings"):
    """A snapshot of the process image for the readings file. Not acknowledged, may be dropped.

    A value that is stale or unknown is absent. ``session`` is set while a session is open.
    """

    at_s: float
    wall_ms: int
    wall_quality: str
    connector: int
    session: str | None
    values: dict[str, float | int | bool]


class StatusMessage(Message, tag="status"):
    """Answer to a StatusRequest."""

    status: dict[str, Any]


class CommandReply(Message, tag="reply"):
    """Answer to a Command: first accepted or rejected, later done or failed."""

    id: str
    result: str
    reasons: tuple[Reason, ...] = ()
    session: str | None = None

    @property
    def reason(self) -> str:
        """All reasons as one text."""
        return joined(self.reasons)


class Attach(Message, tag="attach"):
    """First message of a client. ``role`` is ``recorder`` (the north process) or ``operator``."""

    role: str


class Acknowledge(Message, tag="acknowledge"):
    """All records of ``boot_id`` up to and including ``number`` are durable in the ledger."""

    boot_id: str
    number: int


class RecorderHealth(Message, tag="health"):
    """Sent by the recorder every second; without it the record counts as lost."""

    ok: bool
    reason: str = ""
    free_bytes: int = 0
    uplink: str = "off"
    uplink_pending: int = 0
    open_sessions: dict[int, str] = {}
    """By connector: the session that an earlier field process left open and that the recorder has still to close."""
    meters: dict[int, MeterInLedger] = {}
    """By connector: what the ledger knows of its meter."""


class Command(Message, tag="command"):
    """A request from outside. Stop and lower limits are always granted, the rest is guarded.

    ``connector`` 0 means the only connector of the pile; with several the command is rejected. ``expires_wall_ms`` is
    UTC milliseconds; 0 means no expiry (local commands).
    """

    id: str
    name: str
    connector: int = 0
    arguments: dict[str, Any] = {}
    origin: str = ORIGIN_LOCAL
    expires_wall_ms: int = 0


class StatusRequest(Message, tag="status_request"):
    """Asks for one StatusMessage."""


FromField = Hello | Record | ReadingsMessage | StatusMessage | CommandReply
ToField = Attach | Acknowledge | RecorderHealth | Command | StatusRequest
