#!/usr/bin/env python3
"""Writes what is drawn from the program between its markers: the state diagram and the numbers of the sequence."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from agent.control.dc.diagram import mermaid  # noqa: E402  # only found after the line above
from agent.control.safety.numbers import table  # noqa: E402

DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- state-diagram -->\n", "<!-- /state-diagram -->\n"
NUMBERS_DOCUMENT = ROOT / "docs" / "dc-sequence.md"
NUMBERS_BEGIN, NUMBERS_END = "<!-- numbers -->\n", "<!-- /numbers -->\n"


def with_diagram(document: str, diagram: str) -> str:
    """The document with ``diagram`` between its markers. Raises ValueError when a marker is missing."""
    return _between(document, BEGIN, f"```mermaid\n{diagram}```\n", END)


def with_numbers(document: str, numbers: str) -> str:
    """The document with the table ``numbers`` between its markers. Raises ValueError when a marker is missing."""
    return _between(document, NUMBERS_BEGIN, numbers, NUMBERS_END)


def _between(document: str, begin_marker: str, text: str, end_marker: str) -> str:
    before, begin, rest = document.partition(begin_marker)
    _, end, after = rest.partition(end_marker)
    if not begin or not end:
        raise ValueError(f"the markers {begin_marker.strip()} and {end_marker.strip()} are not both there")
    return f"{before}{begin}{text}{end}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_diagram(DOCUMENT.read_text(encoding="utf-8"), mermaid()), encoding="utf-8")
    NUMBERS_DOCUMENT.write_text(with_numbers(NUMBERS_DOCUMENT.read_text(encoding="utf-8"), table()), encoding="utf-8")
