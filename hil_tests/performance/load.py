"""Work that disturbs: a busy loop on each core and a loop that writes and synchronises a file."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from hil_tests.performance.spawn import spawn

_BUSY = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True:\n    pass\n"
_SYNC = """
import os, sys
block = bytes(256 * 1024)
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
while True:
    os.pwrite(file, block, 0)
    os.fsync(file)
"""


@contextlib.contextmanager
def disturbance(folder: Path) -> Iterator[None]:
    """Run one busy loop on each core of this process and the file loop in ``folder``, all at normal priority."""
    commands = [[_BUSY, str(core)] for core in sorted(os.sched_getaffinity(0))]
    commands.append([_SYNC, str(folder / "disturbance")])
    running = [spawn([sys.executable, "-c", *command]) for command in commands]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
