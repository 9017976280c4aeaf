"""`make docs`: every generated document is up to date, and each document is either generated or written by hand."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.documents.__main__ import WRITERS, main

ROOT = Path(__file__).parents[2]
GENERATED = {path: text for writer in WRITERS.values() for path, text in writer().items()}
PARTLY = {"architecture.md", "dc-sequence.md"}
"""Written by hand around a generated part."""

BY_HAND = {
    "billing-grade.md",
    "bms-decode.md",
    "can.md",
    "conformance.md",
    "drivers.md",
    "install.md",
    "meter-commissioning.md",
    "monitor.md",
    "mutation.md",
    "performance.md",
    "power-sharing.md",
    "walk.md",
}
"""Their paths, links and commands are checked by test_documents.py."""


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "make docs"


def test_each_document_is_generated_or_listed_as_written_by_hand() -> None:
    found = {path.name for path in (ROOT / "docs").iterdir() if path.is_file()}
    generated = {path.name for path in GENERATED if path.parent == ROOT / "docs"}
    assert found == generated | BY_HAND
    assert generated & BY_HAND == set()
    assert generated >= PARTLY
    for name in generated - PARTLY - {"gbt27930.dbc"}:
        head = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()[:5])
        assert "`make docs`" in head, f"{name} does not give its writer"


def test_every_schema_is_generated() -> None:
    assert set((ROOT / "config" / "schemas").iterdir()) == {path for path in GENERATED if path.parent.name == "schemas"}


def test_make_docs_runs_all_writers_and_the_old_targets_their_part() -> None:
    def recipe(target: str) -> str:
        answer = subprocess.run(["make", "-n", "-C", str(ROOT), target], capture_output=True, text=True, check=True)
        (line,) = [line for line in answer.stdout.splitlines() if "-m scripts.documents" in line]
        return line.partition("-m ")[2]

    assert recipe("docs") == "scripts.documents"
    for target in ("messages", "uplink", "meters"):
        assert recipe(target) == f"scripts.documents {target}"
    assert recipe("diagram") == "scripts.documents diagram faults"


def test_check_lists_what_is_out_of_date_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.md"
    monkeypatch.setattr("scripts.documents.__main__.WRITERS", {"a": lambda: {path: "new\n"}})
    assert main(["--check"]) == 1
    assert not path.exists()
    assert capsys.readouterr().out == f"out of date: {path}\n"
    assert main([]) == 0
    assert path.read_text(encoding="utf-8") == "new\n"
    assert capsys.readouterr().out == f"written: {path}\n"
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_an_unknown_writer_and_a_wrong_decision_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metres"]) == 2
    assert "unknown writer metres; there are commands, " in capsys.readouterr().err

    def wrong() -> dict[Path, str]:
        raise ValueError("0001-title.md: file name")

    monkeypatch.setattr("scripts.documents.__main__.WRITERS", {"a": wrong})
    assert main([]) == 1
    assert capsys.readouterr().err == "a: 0001-title.md: file name; not written\n"


def test_no_document_writer_is_in_the_wheel(tmp_path: Path) -> None:
    """The wheel is built as `make install` builds it: nothing of scripts or tests, no module that writes documents."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
        cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("pile_agent-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.split("/")[0] for name in names} <= {"agent", "drivers", wheel.name.split("-py3")[0] + ".dist-info"}
    assert len(sources) > 200
    assert "agent/data/faults.toml" in names
    for name, source in sources.items():
        assert '"docs"' not in source, f"{name} writes below docs"
        assert "import scripts" not in source, name
        assert "from scripts" not in source, name
