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
from collections.abc import Mapping, Sequence
from typing import Any

from agent.vocabulary.record import LedgerEntry, Record, parsed

FORM_VERSION = 1
GENESIS = bytes(32)
"""Stands for the hash before the first record."""


COLUMNS = (
    "id",
    "stream",
    "seq",
    "boot_id",
    "number",
    "kind",
    "at_s",
    "wall_ms",
    "wall_quality",
    "connector",
    "session",
    "body",
    "previous_hash",
    "hash",
)
"""Columns of a row of the ledger."""

_Row = Sequence[Any]


def entry_of(row: _Row) -> LedgerEntry:
    """The entry of a row with all ``COLUMNS``. Never raises: a damaged row may hold a value of any type."""
    id_, stream, seq, boot_id, number, kind, at_s, wall_ms, wall_quality, connector, session, text, previous, hash_ = (
        row
    )
    record = Record(boot_id, number, kind, at_s, wall_ms, wall_quality, connector, session, parsed(text))
    return LedgerEntry(id_, stream, seq, record, text, previous, hash_)


def row_of(entry: LedgerEntry) -> tuple[Any, ...]:
    """The reverse of ``entry_of``."""
    record = entry.record
    return (
        entry.id,
        entry.stream,
        entry.seq,
        record.boot_id,
        record.number,
        record.kind,
        record.at_s,
        record.wall_ms,
        record.wall_quality,
        record.connector,
        record.session,
        entry.text,
        entry.previous_hash,
        entry.hash,
    )


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


def canonical_json(body: Mapping[str, Any]) -> str:
    """The stored text of a body. Never raises: a record that cannot be written down must not stop the others."""
    try:
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_plain(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def header_of(entry: LedgerEntry) -> list[Any]:
    """The fields that enter the hash beside the body."""
    record = entry.record
    return [
        FORM_VERSION,
        entry.id,
        entry.stream,
        entry.seq,
        record.boot_id,
        record.number,
        record.kind,
        round(record.at_s * 1_000_000),
        record.wall_ms,
        record.wall_quality,
        record.connector,
        record.session,
    ]


def entry_hash(entry: LedgerEntry) -> bytes:
    """SHA-256 of the canonical form; the entry's own ``hash`` field is not read."""
    header = json.dumps(header_of(entry), separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(entry.previous_hash + f"{header}\n{entry.text}".encode("utf-8", "surrogatepass")).digest()


def follows(entry: LedgerEntry, previous_hash: bytes) -> bool:
    """Whether the entry is whole and comes right after the one with ``previous_hash``. Never raises."""
    try:
        return entry.previous_hash == previous_hash and entry_hash(entry) == entry.hash
    except (TypeError, ValueError, OverflowError):
        # A damaged row may hold a value of another type in any column.
        return False
