from pathlib import Path

import pytest

from agent.control.dc.machine import STATES
from scripts.documents import sequence as tool
from scripts.documents.sequence import mermaid, table

ROOT = Path(__file__).parents[2]


def test_the_diagram_in_the_document_is_the_machine_s() -> None:
    document = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert tool.with_diagram(document, mermaid()) == document, "out of date: run `make docs`"


def test_the_diagram_knows_every_state() -> None:
    drawn = set(mermaid().split())
    assert set(STATES) <= {word.rstrip(":") for word in drawn}


def test_a_former_diagram_is_replaced() -> None:
    document = f"above\n{tool.BEGIN}old\n{tool.END}below\n"
    assert tool.with_diagram(document, "new\n") == f"above\n{tool.BEGIN}```mermaid\nnew\n```\n{tool.END}below\n"


@pytest.mark.parametrize("document", ["", "<!-- state-diagram -->\n", "<!-- /state-diagram -->\n"])
def test_a_document_without_markers_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        tool.with_diagram(document, "new\n")


def test_the_numbers_in_the_document_are_the_program_s() -> None:
    document = (ROOT / "docs" / "dc-sequence.md").read_text(encoding="utf-8")
    assert tool.with_numbers(document, table()) == document, "out of date: run `make docs`"
    with pytest.raises(ValueError, match="markers"):
        tool.with_numbers("nothing", "table")
