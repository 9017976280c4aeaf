"""Decisions: each file has number, date and state, the index lists each one, and a superseding decision exists."""

import re
from pathlib import Path

import pytest

from scripts.documents import decisions

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "decisions"
FILES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")

each_decision = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@each_decision
def test_a_decision_has_number_date_and_state(path: Path) -> None:
    head = path.read_text(encoding="utf-8").split("\n")[:4]
    assert re.fullmatch(rf"# {path.name[:4]} \S.*", head[0]), head[0]
    assert head[1] == ""
    assert re.fullmatch(r"Date: 20\d\d-[01]\d-[0-3]\d", head[2]), head[2]
    assert re.fullmatch(r"State: (accepted|superseded by \d{4}(, \d{4})*)", head[3]), head[3]


@each_decision
def test_a_superseding_decision_exists(path: Path) -> None:
    numbers = {other.name[:4] for other in FILES}
    state = re.search(r"^State: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert state is not None
    named = re.findall(r"\d{4}", state[1])
    assert set(named) <= numbers - {path.name[:4]}


def test_numbers_are_unique() -> None:
    numbers = [path.name[:4] for path in FILES]
    assert len(numbers) == len(set(numbers))


def test_the_index_lists_each_decision_once() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (\S+) \| (.+?) \| \S.* \|$", text, re.MULTILINE)
    assert [name for _, name, _, _ in rows] == [path.name for path in FILES]
    for number, name, date, state in rows:
        file_text = (FOLDER / name).read_text(encoding="utf-8")
        assert name.startswith(number)
        assert f"\nDate: {date}\nState: {state}\n" in file_text


def test_the_index_is_as_generated() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == decisions.index(), "make docs"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("0001-title.md", "# 0001 Title\n\nState: accepted\n", "must begin with"),
        ("0001-title.md", "# 0001 Title\n\nDate: 2026-01-01\nState: maybe\n", "must begin with"),
        ("0001-title.md", "# 0002 Title\n\nDate: 2026-01-01\nState: accepted\n", "has number 0002"),
        ("Title.md", "# 0001 Title\n\nDate: 2026-01-01\nState: accepted\n", "file name"),
    ],
)
def test_a_decision_of_another_form_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        decisions.index(tmp_path)
