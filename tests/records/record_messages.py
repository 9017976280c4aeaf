"""Record messages for the tests of the record."""

from typing import Any

from agent.vocabulary.record import Record

WALL_MS = 1_800_000_000_000
"""15 January 2027, 08:00 UTC."""


def body_of(kind: str, number: int) -> dict[str, Any]:
    """A body that tells one record from the next."""
    return {"state": f"n{number}"} if kind in ("telemetry", "state") else {}


def message(
    number: int,
    kind: str = "telemetry",
    *,
    session: str | None = None,
    body: dict[str, Any] | None = None,
    boot_id: str = "boot-a",
    wall_ms: int | None = None,
) -> Record:
    """One record as the field process sends it."""
    return Record(
        boot_id,
        number,
        kind,
        10.0 + number,
        WALL_MS + number * 1000 if wall_ms is None else wall_ms,
        "synced",
        1,
        session,
        body_of(kind, number) if body is None else body,
    )
