"""The parts of docs/architecture.md and docs/dc-sequence.md that come from the program: state diagram and numbers."""

import dataclasses
from pathlib import Path

from agent.control.dc.machine import TRANSITIONS
from agent.control.safety.numbers import SequenceNumbers, StepTimes
from drivers.gbt27930.judge.limits import JudgeLimits

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- state-diagram -->\n", "<!-- /state-diagram -->\n"
NUMBERS_DOCUMENT = ROOT / "docs" / "dc-sequence.md"
NUMBERS_BEGIN, NUMBERS_END = "<!-- numbers -->\n", "<!-- /numbers -->\n"


def mermaid() -> str:
    """The state diagram of a connector in mermaid's notation."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for row in TRANSITIONS:
        sources = row["source"] if isinstance(row["source"], list) else [row["source"]]
        lines += [f"    {source} --> {row['dest']}: {row['trigger']}" for source in sources]
    return "\n".join(lines) + "\n"


def table() -> str:
    """All numbers of the sequence with both editions and the source; the unit is the end of the name."""
    lines = ["| number | 2015 | 2023 | source |", "|---|---|---|---|"]
    for kind in (SequenceNumbers, StepTimes, JudgeLimits):
        for field in dataclasses.fields(kind):
            old, new = field.metadata["2015"], field.metadata["2023"]
            newer = "same" if old == new else _text(new)
            lines.append(f"| `{field.name}` | {_text(old)} | {newer} | {field.metadata['source']} |")
    return "\n".join(lines) + "\n"


def _text(value: float | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:g}"


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


def documents() -> dict[Path, str]:
    """Both documents with their parts replaced, keyed by their paths in the checkout."""
    return {
        DOCUMENT: with_diagram(DOCUMENT.read_text(encoding="utf-8"), mermaid()),
        NUMBERS_DOCUMENT: with_numbers(NUMBERS_DOCUMENT.read_text(encoding="utf-8"), table()),
    }
