"""Each recipe of CONTRIBUTING.md, applied to a copy of the tree as the text shows it, and its check."""

import shutil
from pathlib import Path

import pytest
from recipe_book import COPIED, ROOT, Recipe, apply, copy_tree, recipes, run

BOOK = recipes((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
MOST_FILES = {
    "a meter": 1,
    "a fault on an existing input": 3,
    "an interlock with a new input": 4,
    "an insulation monitor": 2,
    "a board": 2,
    "a family of power modules": 3,
    "a BMS message": 3,
    "a configuration key": 3,
    "a record kind or an event": 3,
}
"""Recipes that must exist, with the files of code, data and test that one may need at most; documents are generated."""
GENERATED = ("docs/", "config/schemas/")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes") / "tree"
    folder.mkdir()
    copy_tree(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for name in COPIED for path in (folder / name).rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if "__pycache__" not in path.parts and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def test_the_recipes_are_those_that_must_exist() -> None:
    assert {recipe.title: len(recipe.files) for recipe in BOOK} == MOST_FILES
    assert all(recipe.commands for recipe in BOOK)


@pytest.mark.parametrize("recipe", BOOK, ids=lambda recipe: recipe.title.replace(" ", "-"))
def test_a_recipe_needs_its_files_and_no_other(recipe: Recipe, tree: Path) -> None:
    before = contents(tree)
    try:
        assert apply(recipe, tree) == set(recipe.files)
        for command in recipe.commands:
            answer = run(command, tree)
            assert answer.returncode == 0, f"{command}\n{answer.stdout[-4000:]}{answer.stderr[-2000:]}"
        after = contents(tree)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert {name for name in changed if not name.startswith(GENERATED)} == set(recipe.files)
    finally:
        for name, data in contents(tree).items():
            if name not in before:
                (tree / name).unlink()
            elif before[name] != data:
                (tree / name).write_bytes(before[name])


def test_the_copy_runs_its_own_code(tree: Path) -> None:
    answer = run("python -c 'import agent; print(agent.__file__)'", tree)
    assert answer.stdout.strip() == str(tree / "agent" / "__init__.py")


def test_a_check_fails_without_its_edit(tree: Path) -> None:
    """The checks can fail: without its blocks a recipe's last command or first one does."""
    (meter,) = [recipe for recipe in BOOK if recipe.title == "a meter"]
    assert run(meter.commands[0], tree).returncode != 0


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (("toml", "# file: pyproject.toml\n"), "is there already"),
        (("diff", "--- a/Makefile\n+++ b/Makefile\n@@\n no such line\n+x\n"), "context is there 0 times"),
        (("diff", "--- a/Makefile\n+++ b/README.md\n@@\n x\n"), "differ"),
        (("diff", "@@\n x\n"), "begins with"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(block: tuple[str, str], problem: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "Makefile"):
        shutil.copy2(ROOT / name, tmp_path / name)
    with pytest.raises(ValueError, match=problem):
        apply(Recipe("x", (), (block,)), tmp_path)
