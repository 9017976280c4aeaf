#!/usr/bin/env python3
"""Writes docs/meters.md and config/schemas/meter-map.schema.json from the meter maps and their types."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent.cli.meter.document import documents  # only found after the line above

if __name__ == "__main__":
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
