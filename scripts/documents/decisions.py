"""docs/decisions/README.md: the index of all decisions with number, date, state and title."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "decisions"
INDEX = FOLDER / "README.md"

FILE_NAME = re.compile(r"(\d{4})-[a-z0-9-]+\.md")
HEAD = re.compile(
    r"# (?P<number>\d{4}) (?P<title>\S.*)\n\n"
    r"Date: (?P<date>\d{4}-\d{2}-\d{2})\n"
    r"State: (?P<state>accepted|superseded by \d{4}(?:, \d{4})*)\n"
)

OPENING = """# Decisions

Each file records one decision: context, decision, limits, and the alternatives that were rejected. A decision is never
deleted: a new one supersedes it, and the `State:` line of the old one gives the number of the new one. The number
ranges follow the subject: 00 process and safety, 01 vehicle bus and line owner, 02 record and uplink, 03 charging and
GB/T 27930, 04 meters. A new decision starts with three lines:

```text
# NNNN Title, complete enough to be read in this index without the file

Date: YYYY-MM-DD
State: accepted
```

This index is written by `make docs`.

| number | date | state | decision |
|---|---|---|---|
"""


def row(path: Path) -> str:
    """Index row of one decision file. Raises ValueError if name or head do not have the required form."""
    name = FILE_NAME.fullmatch(path.name)
    if name is None:
        raise ValueError(f"{path.name}: file name must be NNNN-words-in-lower-case.md")
    head = HEAD.match(path.read_text(encoding="utf-8"))
    if head is None:
        raise ValueError(f"{path.name}: must begin with '# NNNN title', empty line, 'Date: YYYY-MM-DD', 'State: ...'")
    if head["number"] != name[1]:
        raise ValueError(f"{path.name}: title has number {head['number']}")
    return f"| [{head['number']}]({path.name}) | {head['date']} | {head['state']} | {head['title']} |\n"


def index(folder: Path = FOLDER) -> str:
    """Whole text of the index: one row for each decision file in `folder`, sorted by number."""
    files = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    return OPENING + "".join(row(path) for path in files)


def documents() -> dict[Path, str]:
    """The index, keyed by its path in the checkout. Raises ValueError for a decision without the required head."""
    return {INDEX: index()}
