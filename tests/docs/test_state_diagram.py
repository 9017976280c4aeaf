import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from agent.control.dc.diagram import mermaid
from agent.control.dc.machine import STATES
from agent.control.safety.numbers import table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("state_diagram", ROOT / "scripts" / "state_diagram.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_diagram_in_the_document_is_the_machine_s(tool: ModuleType) -> None:
    document = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert tool.with_diagram(document, mermaid()) == document, "out of date: run `make diagram`"


def test_the_diagram_knows_every_state() -> None:
    drawn = set(mermaid().split())
    assert set(STATES) <= {word.rstrip(":") for word in drawn}


def test_a_former_diagram_is_replaced(tool: ModuleType) -> None:
    document = f"above\n{tool.BEGIN}old\n{tool.END}below\n"
    assert tool.with_diagram(document, "new\n") == f"above\n{tool.BEGIN}```mermaid\nnew\n```\n{tool.END}below\n"


@pytest.mark.parametrize("document", ["", "<!-- state-diagram -->\n", "<!-- /state-diagram -->\n"])
def test_a_document_without_markers_is_refused(tool: ModuleType, document: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        tool.with_diagram(document, "new\n")


def test_the_numbers_in_the_document_are_the_program_s(tool: ModuleType) -> None:
    document = (ROOT / "docs" / "dc-sequence.md").read_text(encoding="utf-8")
    assert tool.with_numbers(document, table()) == document, "out of date: run `make diagram`"
    with pytest.raises(ValueError, match="markers"):
        tool.with_numbers("nothing", "table")
