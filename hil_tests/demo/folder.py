"""The folder of one run: record, logs, sockets and device links are below it."""

import shutil
import tempfile
from datetime import datetime
from pathlib import Path

SOCKET_PATH_LIMIT_BYTES = 107
"""Longest path of a unix socket on Linux: ``sun_path`` has 108 bytes, the last one is a zero (unix(7))."""

LONGEST_NAME_BELOW_BYTES = 40
"""What parts may append to the run folder for their sockets, with room to spare."""

KEPT_RUNS = 5
"""Older runs that stay for a look back."""


class FolderError(Exception):
    """The folder of a run cannot be made."""


def make_run_folder(checkout: Path, now: datetime, *, kept: int = KEPT_RUNS) -> Path:
    """A fresh folder ``build/run/<day-time>`` below the checkout; runs older than the last ``kept`` are removed.

    When the checkout path is so long that the sockets' paths would be too long, the folder is made in the system's
    folder for temporary files. Raises FolderError with the cause when neither can be written.
    """
    runs = checkout / "build" / "run"
    name = now.strftime("%m%d-%H%M%S")
    if len(str(runs / name).encode()) + 2 + LONGEST_NAME_BELOW_BYTES > SOCKET_PATH_LIMIT_BYTES:
        try:
            return Path(tempfile.mkdtemp(prefix="pile-agent-run-"))
        except OSError as error:
            raise FolderError(f"cannot make a folder for the run: {error}") from error
    try:
        runs.mkdir(parents=True, exist_ok=True)
        prune(runs, kept)
        folder = runs / name
        count = 1
        while True:
            try:
                folder.mkdir()
            except FileExistsError:
                count += 1
                folder = runs / f"{name}-{count}"
            else:
                break
    except OSError as error:
        raise FolderError(f"cannot make a folder for the run below {runs}: {error.strerror}") from error
    return folder


def use_folder(folder: Path) -> Path:
    """A folder given by the user. Raises FolderError when it cannot be used."""
    folder = folder.resolve()
    if len(str(folder).encode()) + 1 + LONGEST_NAME_BELOW_BYTES > SOCKET_PATH_LIMIT_BYTES:
        raise FolderError(f"{folder} is too long for the sockets below it; choose a shorter one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderError(f"{folder} is not empty; a run needs a fresh folder")
    except OSError as error:
        raise FolderError(f"{folder} cannot be used: {error.strerror}") from error
    return folder


def prune(runs: Path, kept: int) -> None:
    """Remove all but the newest ``kept`` folders below ``runs``; links and plain files are not touched."""
    folders = [path for path in runs.iterdir() if path.is_dir() and not path.is_symlink()]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in folders[kept:]:
        shutil.rmtree(path, ignore_errors=True)
