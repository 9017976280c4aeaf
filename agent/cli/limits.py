"""What the command ``limit`` asks of the field process."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import click

from agent.cli.context import Context


def limit_arguments(
    context: Context, off: bool, power_kw: float | None, until: datetime | None, minutes: int | None, wall_s: float
) -> dict[str, Any]:
    """Arguments of the command; ``wall_s`` is UTC in seconds. Raises click.UsageError for options that do not fit."""
    if off is (power_kw is not None) or (off and (until is not None or minutes is not None)):
        raise click.UsageError("give either --power-kw with an end if it raises the power, or off")
    if until is not None and minutes is not None:
        raise click.UsageError("give --until or --for, not both")
    if power_kw is None:
        return {"off": True}
    if not math.isfinite(power_kw):
        raise click.UsageError(f"--power-kw: {power_kw} is no number; give kW, 0 to 4000")
    arguments: dict[str, Any] = {"power_w": round(power_kw * 1000)}
    if minutes is not None:
        end = datetime.fromtimestamp(wall_s, UTC) + timedelta(minutes=minutes)
    elif until is not None:
        end = until.replace(tzinfo=timezone(timedelta(minutes=context.utc_offset_minutes)))
    else:
        return arguments
    arguments["until_ms"] = round(end.timestamp() * 1000)
    return arguments
