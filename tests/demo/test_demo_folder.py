import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from hil_tests.demo.folder import (
    LONGEST_NAME_BELOW_BYTES,
    SOCKET_PATH_LIMIT_BYTES,
    FolderError,
    make_run_folder,
    prune,
    use_folder,
)

NOON = datetime(2026, 5, 4, 12, 0, 0)


def short_checkout() -> Path:
    # pytest's own folders are too long for a unix socket below them.
    path = Path("/tmp") / f"pa-{os.getpid()}"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def checkout() -> Iterator[Path]:
    path = short_checkout()
    yield path
    shutil.rmtree(path)


def test_two_runs_in_one_second_get_two_folders(checkout: Path) -> None:
    first = make_run_folder(checkout, NOON)
    second = make_run_folder(checkout, NOON)
    assert first != second
    assert first.parent == second.parent == checkout / "build" / "run"


def test_a_deep_checkout_runs_in_the_folder_for_temporary_files(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    folder = make_run_folder(deep, NOON)
    try:
        assert deep not in folder.parents
        assert len(str(folder).encode()) + 1 + LONGEST_NAME_BELOW_BYTES <= SOCKET_PATH_LIMIT_BYTES
    finally:
        folder.rmdir()


def test_only_the_newest_runs_stay(tmp_path: Path) -> None:
    for age in range(8):
        run = tmp_path / f"run-{age}"
        run.mkdir()
        (run / "agent.log").write_text("x")
        os.utime(run, (1000 - age, 1000 - age))
    (tmp_path / "note").write_text("not a run")
    prune(tmp_path, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note", "run-0", "run-1", "run-2"]


def test_a_checkout_that_cannot_be_written_says_so(checkout: Path) -> None:
    (checkout / "build").write_text("a file where a folder must be")
    with pytest.raises(FolderError, match="cannot make a folder for the run"):
        make_run_folder(checkout, NOON)


def test_a_chosen_folder_must_be_fresh_and_short(checkout: Path, tmp_path: Path) -> None:
    chosen = checkout / "mine"
    assert use_folder(chosen) == chosen
    assert use_folder(chosen) == chosen
    (chosen / "pile.toml").write_text("")
    with pytest.raises(FolderError, match="not empty"):
        use_folder(chosen)
    with pytest.raises(FolderError, match="too long"):
        use_folder(tmp_path / ("d" * 100))
    with pytest.raises(FolderError, match="cannot be used"):
        use_folder(chosen / "pile.toml" / "below")
