#!/usr/bin/env python3
"""Writes the state diagram, drawn from the machine, between its markers in docs/architecture.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from agent.control.diagram import mermaid  # noqa: E402  # only found after the line above

DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- state-diagram -->\n", "<!-- /state-diagram -->\n"


def with_diagram(document: str, diagram: str) -> str:
    """The document with ``diagram`` between its markers. Raises ValueError when a marker is missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the markers {BEGIN.strip()} and {END.strip()} are not both there")
    return f"{before}{begin}```mermaid\n{diagram}```\n{end}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_diagram(DOCUMENT.read_text(encoding="utf-8"), mermaid()), encoding="utf-8")
