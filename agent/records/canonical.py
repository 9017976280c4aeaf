r"""The canonical form of a record and its hash: what the chain is made of.

``hash = SHA-256(previous_hash + header + "\n" + body)`` where

- ``previous_hash`` is the 32-byte hash of the record with the next lower id, 32 zero bytes for the first,
- ``header`` is the UTF-8 JSON array, without spaces, of
  ``[1, id, stream, seq, boot_id, number, kind, at_us, wall_ms, wall_quality, connector, session]``
  with ``at_us`` the monotonic time in whole microseconds and 1 the version of this form,
- ``body`` is the UTF-8 text of the body exactly as stored: JSON, keys sorted, without spaces.
"""

import hashlib
import json
import math
from typing import Any, NamedTuple

FORM_VERSION = 1
GENESIS = bytes(32)
"""Stands for the hash before the first record."""


class Record(NamedTuple):
    """One row of the ledger, in the order of its columns. ``at_s`` monotonic seconds, ``wall_ms`` UTC."""

    id: int
    stream: str
    seq: int
    boot_id: str
    number: int
    kind: str
    at_s: float
    wall_ms: int
    wall_quality: str
    connector: int
    session: str | None
    body: str
    previous_hash: bytes
    hash: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The body, parsed."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def _plain(value: Any) -> Any:
    """The nearest thing that JSON can carry: what is not a finite number is absent, what is foreign is its text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def canonical_json(body: dict[str, Any]) -> str:
    """The stored text of a body. Never raises: a record that cannot be written down must not stop the others."""
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_plain(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def header_of(record: Record) -> list[Any]:
    """The fields that enter the hash beside the body."""
    return [
        FORM_VERSION,
        record.id,
        record.stream,
        record.seq,
        record.boot_id,
        record.number,
        record.kind,
        round(record.at_s * 1_000_000),
        record.wall_ms,
        record.wall_quality,
        record.connector,
        record.session,
    ]


def record_hash(record: Record) -> bytes:
    """SHA-256 of the canonical form; the record's own ``hash`` field is not read."""
    header = json.dumps(header_of(record), separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(record.previous_hash + f"{header}\n{record.body}".encode("utf-8", "surrogatepass")).digest()


def follows(record: Record, previous_hash: bytes) -> bool:
    """Whether the record is whole and comes right after the one with ``previous_hash``. Never raises."""
    try:
        return record.previous_hash == previous_hash and record_hash(record) == record.hash
    except (TypeError, ValueError):
        # A damaged row may hold a value of another type in any column.
        return False
