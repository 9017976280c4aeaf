"""The messages of the uplink as JSON: pure functions from records to bytes, and the topics they go to."""

from typing import Any, Protocol

import msgspec

SCHEME = 1
"""Version of topics and envelope."""
MAXIMUM_BYTES = 64 * 1024 - 1


class Stored(Protocol):
    """What the uplink needs to know of a record."""

    @property
    def stream(self) -> str:
        """Topic class."""

    @property
    def seq(self) -> int:
        """Number within the stream."""

    @property
    def boot_id(self) -> str:
        """Run of the process that wrote it."""

    @property
    def kind(self) -> str:
        """Kind of the record."""

    @property
    def wall_ms(self) -> int:
        """UTC, milliseconds."""

    @property
    def wall_quality(self) -> str:
        """Quality of the clock: synced, holdover, unset."""

    @property
    def connector(self) -> int:
        """Number of the connector."""

    @property
    def session(self) -> str | None:
        """Session it belongs to."""

    @property
    def body(self) -> str:
        """JSON text."""


class Topics:
    """Topics of one pile: ``ev/1/{operator}/{pile}/up|down/{class}``."""

    def __init__(self, operator_id: str, pile_id: str) -> None:
        self.operator_root = f"ev/{SCHEME}/{operator_id}/"
        root = f"{self.operator_root}{pile_id}"
        self._up = f"{root}/up/"
        self.birth = f"{root}/up/birth"
        self.response = f"{root}/up/rsp"
        self.command = f"{root}/down/cmd"
        self.watermark = f"{root}/down/wm"

    def up(self, stream: str) -> str:
        """Topic of a stream."""
        return self._up + stream

    def response_topic(self, wanted: str | None) -> str:
        """Where the answer to a command goes: where the command wants it, as long as that is the operator's tree."""
        if (
            wanted is None
            or len(wanted) > 256
            or not wanted.startswith(self.operator_root)
            or any(mark in wanted for mark in "+#\0")
        ):
            return self.response
        return wanted


_encoder = msgspec.json.Encoder()


def envelope(record: Stored, *, resent: bool, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """The message of a record, UTF-8 JSON of at most ``maximum_bytes``.

    Keys: v scheme, s stream, q number within the stream, b boot id, t UTC ms, tq clock quality, h 1 if it is
    sent again or later than it happened, c connector, k kind, sid session (absent if none), d body. A body that
    does not fit is replaced by ``{"oversize_bytes": n}``: the stream goes on, the whole record is on the pile.
    """
    content: dict[str, Any] = {
        "v": SCHEME,
        "s": record.stream,
        "q": record.seq,
        "b": record.boot_id,
        "t": record.wall_ms,
        "tq": record.wall_quality,
        "h": int(resent),
        "c": record.connector,
        "k": record.kind,
    }
    if record.session is not None:
        content["sid"] = record.session
    body = record.body.encode()
    content["d"] = msgspec.Raw(body)
    message = _encoder.encode(content)
    if len(message) > maximum_bytes:
        content["d"] = {"oversize_bytes": len(body)}
        message = _encoder.encode(content)
    return message


def response(command_id: str, result: str, code: str, *, session: str | None, wall_ms: int, boot_id: str) -> bytes:
    """Answer to a command: result is accepted or rejected, later done or failed; code says why."""
    content: dict[str, Any] = {"v": SCHEME, "id": command_id, "result": result, "t": wall_ms, "b": boot_id}
    if code:
        content["code"] = code
    if session is not None:
        content["sid"] = session
    return _encoder.encode(content)


def birth(
    *,
    boot_id: str,
    ledger_id: str,
    version: str,
    role: str,
    wall_ms: int,
    unacknowledged: dict[str, tuple[int, int]],
    watermarks: dict[str, int],
) -> bytes:
    """What the pile says of itself on every connection: who it is and which numbers are still to come.

    ``role`` is ``charger``, or ``monitor`` for one that only listens and takes no command.
    """
    return _encoder.encode(
        {
            "v": SCHEME,
            "online": True,
            "b": boot_id,
            "ledger": ledger_id,
            "t": wall_ms,
            "role": role,
            "versions": {"agent": version, "scheme": SCHEME},
            "unacknowledged": {stream: list(pair) for stream, pair in unacknowledged.items()},
            "watermarks": watermarks,
        }
    )


def farewell(*, boot_id: str, graceful: bool) -> bytes:
    """The will (not graceful) or the goodbye of a service that is being stopped."""
    return _encoder.encode({"v": SCHEME, "online": False, "b": boot_id, "graceful": graceful})
