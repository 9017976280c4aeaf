"""Record messages for the tests of the record."""

from typing import Any

from agent.link.messages import RecordMessage

WALL_MS = 1_800_000_000_000
"""15 January 2027, 08:00 UTC."""


def message(
    number: int,
    kind: str = "telemetry",
    *,
    session: str | None = None,
    body: dict[str, Any] | None = None,
    boot_id: str = "boot-a",
    wall_ms: int | None = None,
) -> RecordMessage:
    """One record as the field process sends it."""
    return RecordMessage(
        boot_id,
        number,
        kind,
        10.0 + number,
        WALL_MS + number * 1000 if wall_ms is None else wall_ms,
        "synced",
        1,
        session,
        {"n": number} if body is None else body,
    )
