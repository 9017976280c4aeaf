#!/usr/bin/env python3
"""Writes the message table as a document and as a CAN database: docs/gbt27930-messages.md and docs/gbt27930.dbc."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from drivers.gbt27930.messages.dbc import dbc_text  # noqa: E402  # only found after the line above
from drivers.gbt27930.messages.message_document import message_document  # noqa: E402

WRITTEN = {
    ROOT / "docs" / "gbt27930-messages.md": message_document,
    ROOT / "docs" / "gbt27930.dbc": dbc_text,
}

if __name__ == "__main__":
    for path, text in WRITTEN.items():
        path.write_text(text(), encoding="utf-8")
