"""A broker for one measurement."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from hil_tests.bench.broker import find_mosquitto, free_port
from hil_tests.performance.spawn import spawn

_START_S = 10.0


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Run mosquitto on loopback and yield its port. Raises OSError if it does not come up."""
    port = free_port()
    user = "user root\n" if os.geteuid() == 0 else ""
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nlog_dest none\n{user}",
        encoding="utf-8",
    )
    process = spawn([find_mosquitto(), "-c", str(config)])
    try:
        deadline_s = time.monotonic() + _START_S
        while not _accepts(port):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise OSError(f"the broker does not serve port {port}")
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()
