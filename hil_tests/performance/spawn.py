"""Child processes of a measurement: they never outlive it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from hil_tests.bench.children import die_with_parent

PROJECT = Path(__file__).resolve().parents[2]


def spawn(command: Sequence[str], *, errors: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a process with the project as its folder; ``errors`` is where its standard error goes."""
    return subprocess.Popen(
        list(command),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        # It only makes one system call, and the measuring process has no threads.
        preexec_fn=die_with_parent(),  # noqa: PLW1509  # see above
    )
