"""docs/walk.md: every file and function that is named exists, so that the walks can be followed."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "walk.md").read_text(encoding="utf-8")
REFERENCES = sorted(set(re.findall(r"`((?:agent|drivers|hil_tests)/[\w/]+\.py)(?::([\w.]+))?`", TEXT)))


def names_in(path: Path) -> set[str]:
    """Functions and classes of a module; methods with the name of their class before them."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("path", "name"), REFERENCES)
def test_a_reference_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file(), path
    if name:
        assert name in names_in(ROOT / path), f"{path} has no {name}"


def test_there_are_three_walks_that_pass_both_processes_and_the_gate() -> None:
    walks = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert len(walks) == 3
    files = {path for path, _ in REFERENCES}
    assert {"agent/control/safety/gate.py", "agent/control/pile.py", "agent/records/ledger.py"} <= files
    assert len(files) >= 25


def test_a_name_that_is_not_there_is_found() -> None:
    assert "no_such_function" not in names_in(ROOT / "agent" / "control" / "safety" / "gate.py")
    assert "release" in names_in(ROOT / "agent" / "control" / "safety" / "gate.py")
