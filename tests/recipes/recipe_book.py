"""Reads the recipes of CONTRIBUTING.md and applies their code blocks to a copy of the tree.

A recipe is a section "### Add ..." with three kinds of blocks:

- a block that begins with ``# file: PATH`` is a new file;
- a ``diff`` block changes files: each hunk is found by its context lines, which must be there exactly once;
- a ``sh`` block is the check; every command must succeed.
"""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("agent", "drivers", "config", "scripts", "tests", "hil_tests", "docs")
FILES = ("pyproject.toml", "CONTRIBUTING.md", "Makefile", "CHANGELOG.md", "README.md", "README.zh-CN.md")
NEW_FILE = re.compile(r"# file: (\S+)\n")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HUNK = re.compile(r"^@@.*\n", re.MULTILINE)
HEAD = re.compile(r"^--- a/(\S+)\n\+\+\+ b/(\S+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """One section: what it adds, the paths it names as needed, its blocks as (language, text)."""

    title: str
    files: tuple[str, ...]
    blocks: tuple[tuple[str, str], ...]

    @property
    def commands(self) -> list[str]:
        """The lines of the ``sh`` blocks without comments."""
        lines = [line for language, text in self.blocks if language == "sh" for line in text.splitlines()]
        return [line.partition("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def recipes(text: str) -> list[Recipe]:
    """All recipes of the document, in its sequence."""
    part = text.partition("\n## How to add\n")[2].partition("\n## ")[0]
    found = []
    for section in part.split("\n### Add ")[1:]:
        title, _, body = section.partition("\n")
        files = re.findall(r"^- `([^`]+)`", body.partition("Files:\n")[2].partition("\n\n```")[0], re.MULTILINE)
        found.append(Recipe(title, tuple(files), tuple(BLOCK.findall(body))))
    return found


def copy_tree(target: Path) -> None:
    """A copy of the tree without caches."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in FILES:
        shutil.copy2(ROOT / name, target / name)


def apply(recipe: Recipe, target: Path) -> set[str]:
    """Applies all blocks below ``target`` and returns the paths that were made or changed.

    Raises ValueError for a new file that is there already and for context that is not there exactly once.
    """
    changed = set()
    for language, text in recipe.blocks:
        name = NEW_FILE.match(text)
        if name is not None:
            path = target / name[1]
            if path.exists():
                raise ValueError(f"{name[1]} is there already")
            path.write_text(text[name.end() :], encoding="utf-8")
            changed.add(name[1])
        elif language == "diff":
            changed |= _apply_diff(text, target)
    return changed


def _apply_diff(text: str, target: Path) -> set[str]:
    parts = HEAD.split(text)
    if parts[0] or len(parts) < 4:
        raise ValueError("a diff begins with '--- a/PATH' and '+++ b/PATH'")
    changed = set()
    for old_name, new_name, hunks in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if old_name != new_name:
            raise ValueError(f"{old_name} and {new_name} differ")
        path = target / old_name
        content = path.read_text(encoding="utf-8")
        for hunk in HUNK.split(hunks)[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] if line != "\n" else line for line in lines if not line.startswith("+"))
            after = "".join(line[1:] if line != "\n" else line for line in lines if not line.startswith("-"))
            if content.count(before) != 1:
                raise ValueError(f"{old_name}: context is there {content.count(before)} times, not once:\n{before}")
            content = content.replace(before, after)
        path.write_text(content, encoding="utf-8")
        changed.add(old_name)
    return changed


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command of a recipe in the copy, with this interpreter; ``pile-agent`` is the program of the copy."""
    words = shlex.split(command)
    programs = {
        "python": [sys.executable],
        "pile-agent": [sys.executable, "-m", "agent.cli.main"],
    }
    if command == "make docs":
        words = ["python", "-m", "scripts.documents"]
    arguments = [*programs[words[0]], *words[1:]]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
