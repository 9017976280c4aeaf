"""The messages of the uplink as bytes: pure functions over ``agent.vocabulary.messages``."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from agent.vocabulary.messages import (
    MAXIMUM_BYTES,
    SCHEME,
    Birth,
    Envelope,
    Farewell,
    Oversize,
    ReasonPart,
    Response,
    Versions,
)
from agent.vocabulary.reasons import Reason, joined
from agent.vocabulary.record import LedgerEntry

_encoder = msgspec.json.Encoder()


def envelope(entry: LedgerEntry, *, resent: bool, maximum_bytes: int = MAXIMUM_BYTES) -> bytes:
    """The message of a record, UTF-8 JSON of at most ``maximum_bytes``.

    A body that does not fit is replaced by ``{"oversize_bytes": n}``: the stream goes on, the whole record is on the
    pile.
    """
    record = entry.record
    body = entry.text.encode()
    content = Envelope(
        v=SCHEME,
        s=entry.stream,
        q=entry.seq,
        b=record.boot_id,
        t=record.wall_ms,
        tq=record.wall_quality,
        h=int(resent),
        c=record.connector,
        k=record.kind,
        sid=UNSET if record.session is None else record.session,
        d=msgspec.Raw(body),
    )
    message = _encoder.encode(content)
    if len(message) > maximum_bytes:
        content.d = Oversize(len(body))
        message = _encoder.encode(content)
    return message


def response(
    command_id: str, result: str, reasons: Sequence[Reason], *, session: str | None, wall_ms: int, boot_id: str
) -> bytes:
    """Answer to a command. Without a reason neither ``code`` nor ``reasons`` is there."""
    content = Response(v=SCHEME, id=command_id, result=result, t=wall_ms, b=boot_id)
    if reasons:
        content.code = joined(reasons)
        content.reasons = [ReasonPart(reason.code, reason.detail) for reason in reasons]
    if session is not None:
        content.sid = session
    return _encoder.encode(content)


def birth(
    *,
    boot_id: str,
    ledger_id: str,
    version: str,
    connectors: Mapping[int, str],
    wall_ms: int,
    unacknowledged: Mapping[str, tuple[int, int]],
    watermarks: Mapping[str, int],
) -> bytes:
    """What the pile sends about itself on every connection: who it is and which numbers are still to come.

    ``connectors`` are the roles by number, at least one; the pile has the role of the first.
    """
    return _encoder.encode(
        Birth(
            v=SCHEME,
            online=True,
            b=boot_id,
            ledger=ledger_id,
            t=wall_ms,
            role=connectors[min(connectors)],
            versions=Versions(version, SCHEME),
            unacknowledged=dict(unacknowledged),
            watermarks=dict(watermarks),
            connectors={str(number): connectors[number] for number in sorted(connectors)},
        )
    )


def farewell(*, boot_id: str, graceful: bool) -> bytes:
    """The will (not graceful) or the last message of a service that is being stopped."""
    return _encoder.encode(Farewell(v=SCHEME, online=False, b=boot_id, graceful=graceful))
