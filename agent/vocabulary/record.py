"""A record from the control core to the broker: one class, and what the ledger adds when it takes it in."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec


class Record(msgspec.Struct, tag_field="type", tag="record", frozen=True, gc=False, omit_defaults=True):
    """One thing that must be kept. ``number`` counts from 1 without gaps within one ``boot_id``.

    ``boot_id`` names the run of the process that made the record, ``at_s`` is monotonic seconds of that process,
    ``wall_ms`` UTC milliseconds with their quality (``CLOCK_QUALITIES``), ``session`` the session it belongs to. The
    body of each kind is in ``agent.vocabulary.bodies``.
    """

    boot_id: str
    number: int
    kind: str
    at_s: float
    wall_ms: int
    wall_quality: str
    connector: int
    session: str | None
    body: Mapping[str, Any]


class LedgerEntry(NamedTuple):
    """A record in the ledger: its place in the chain and in its stream, and the hash that binds it there."""

    id: int
    """Place in the chain, from 1."""
    stream: str
    seq: int
    """Number within the stream."""
    record: Record
    text: str
    """The body exactly as stored, hashed and sent: JSON, keys sorted, without spaces."""
    previous_hash: bytes
    hash: bytes


class MeterInLedger(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger knows of the meter of one connector."""

    proof: str = ""
    """What the last proof of the energy unit was made for; empty if there is none."""
    register_end_wh: int | None = None
    """Register at the end of the last session or after the exchange of the meter; None if neither is known."""


NO_METER = MeterInLedger()
"""The ledger knows nothing of the meter."""


def parsed(text: str) -> dict[str, Any]:
    """The body of a stored text; empty if it is no JSON object (a damaged row: its hash does not fit either)."""
    try:
        body = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
