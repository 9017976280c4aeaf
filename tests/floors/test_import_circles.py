"""No import circle anywhere in the agent and the drivers: neither for type checking nor inside a function."""

from pathlib import Path

import pytest
from import_graph import cycles, graph, imports_of, modules

ROOT = Path(__file__).parents[2]
SYNTHETIC = {
    "a/__init__.py": "",
    "a/one.py": "from a import two\n",
    "a/two.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.deep.three import Thing\n",
    "a/deep/__init__.py": "",
    "a/deep/three.py": "class Thing:\n    def call(self):\n        from .. import one\n",
    "a/deep/four.py": "import a.one\nfrom .three import Thing\nimport json\n",
}


def test_there_is_no_circle() -> None:
    found = cycles(graph(ROOT, ("agent", "drivers")))
    assert found == [], "\n".join(" -> ".join(circle) for circle in found)


def _written(folder: Path, **changes: str) -> Path:
    for name, text in {**SYNTHETIC, **{key.replace("__", "/") + ".py": text for key, text in changes.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_a_circle_over_type_checking_and_a_function_is_found_and_named(tmp_path: Path) -> None:
    assert cycles(graph(_written(tmp_path), ("a",))) == [("a.deep.three", "a.one", "a.two", "a.deep.three")]


def test_without_its_last_arrow_it_is_none(tmp_path: Path) -> None:
    root = _written(tmp_path)
    (root / "a/deep/three.py").write_text("class Thing:\n    pass\n", encoding="utf-8")
    assert cycles(graph(root, ("a",))) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.one", {"a.two"}),
        ("a.two", {"a.deep.three"}),
        ("a.deep.three", {"a.one"}),
        ("a.deep.four", {"a.one", "a.deep.three"}),
    ],
)
def test_every_form_of_import_is_read(tmp_path: Path, name: str, expected: set[str]) -> None:
    known = modules(_written(tmp_path), ("a",))
    assert imports_of(name, known[name], known) == expected


def test_two_knots_are_two_circles() -> None:
    knots = {"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"e"}, "e": {"c"}, "f": {"a"}}
    found = cycles({name: frozenset(targets) for name, targets in knots.items()})
    assert sorted(found) == [("a", "b", "a"), ("c", "d", "e", "c")]
