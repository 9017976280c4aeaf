"""Sequence numbers that are never used twice, even if the ledger file is lost.

A small file beside the ledger holds up to which number each stream's numbers may have been given out. It is
moved forward in blocks before the numbers are used, so it costs one write in a thousand records. A new ledger
begins past it: consumers that drop what they have already seen never take a new record for an old one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

BLOCK = 1000


def read_reserved(path: Path) -> dict[str, int]:
    """Reserved numbers by stream; empty if there is no file or it cannot be read as one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if type(value) is int and value >= 0}


def write_reserved(path: Path, reserved: Mapping[str, int]) -> None:
    """Replace the file durably. Raises OSError."""
    temporary = path.with_suffix(".new")
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(dict(reserved), stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
