"""What the documents name must exist: files, make targets, modules, subcommands, links."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
DOCUMENTS = [*READMES, *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

# A path as the documents write it: a top-level name of this repository, then anything below it.
TOP_LEVEL = "agent|drivers|config|systemd|hil_tests|tests|docs|scripts"
PATH = re.compile(rf"`((?:{TOP_LEVEL})(?:/[\w.*-]+)*/?|[A-Z][\w.-]*\.(?:md|txt)|pyproject\.toml|Makefile|LICENSE)`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)\)")
MAKE = re.compile(r"\bmake ([a-z][a-z0-9]*)\b")
MODULE = re.compile(r"python -m ([a-z_][\w.]*)")
SUBCOMMAND = re.compile(r"\bpile-agent(?: --config \S+)? ([a-z][a-z-]+)\b")

FORMER_NAMES = ("control", "agent")
"""Subcommands of earlier releases, still accepted and named in the history."""

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def code_of(document: Path) -> str:
    """Only what stands as code: prose may say "make sure"."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return "\n".join([*blocks, *inline])


@pytest.fixture(scope="module")
def subcommands() -> set[str]:
    answer = subprocess.run(
        [sys.executable, "-m", "agent.cli.main", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    listed = answer.stdout.partition("Commands:")[2]
    return set(re.findall(r"^  ([a-z][a-z-]+)", listed, re.MULTILINE))


@each_document
def test_named_files_exist(document: Path) -> None:
    for name in PATH.findall(document.read_text(encoding="utf-8")):
        assert list(ROOT.glob(name.rstrip("/"))), f"{document.name} names {name}, which does not exist"


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


@each_document
def test_named_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for names in re.findall(r"^([a-z0-9 ]+):", makefile, re.MULTILINE) for name in names.split()}
    for name in MAKE.findall(code_of(document)):
        assert name in targets, f"{document.name} says 'make {name}'"


@each_document
def test_named_modules_can_be_run(document: Path) -> None:
    for name in MODULE.findall(document.read_text(encoding="utf-8")):
        found = importlib.util.find_spec(name)
        assert found is not None, f"{document.name} names the module {name}"
        if found.submodule_search_locations:
            assert importlib.util.find_spec(f"{name}.__main__") is not None, f"{name} cannot be run"


@each_document
def test_named_subcommands_exist(document: Path, subcommands: set[str]) -> None:
    former = set(FORMER_NAMES) if document.name == "CHANGELOG.md" else set()
    for name in set(SUBCOMMAND.findall(code_of(document))) - former:
        assert name in subcommands, f"{document.name} says 'pile-agent {name}'"


def test_the_makefile_runs_modules_that_exist() -> None:
    for name in re.findall(r"\$\(PY\) -m ([\w.]+)", (ROOT / "Makefile").read_text(encoding="utf-8")):
        assert importlib.util.find_spec(name) is not None, f"the Makefile runs {name}"


def test_every_make_target_with_a_help_text_is_listed_by_make() -> None:
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for name in ("run", "test", "bench", "install", "uninstall", "clean", "lock", "unit", "e2e", "lint", "floors"):
        assert f"make {name} " in listed


def test_both_readmes_show_the_same_commands() -> None:
    def commands(path: Path) -> list[str]:
        blocks = re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        return [line.partition("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]

    english, chinese = (commands(path) for path in READMES)
    assert english == chinese
    assert "make run" in english
