"""A line of bench meters in a thread of its own, for tests that are not asynchronous."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from hil_tests.bench.meters.line import MeterLine, MeterSpec

T = TypeVar("T")
_DEADLINE_S = 30.0
"""Only a broken part takes so long; then the test fails instead of waiting for ever."""


class RunningLine:
    """A line that is being served. ``do`` runs something in its thread, as everything that touches it must."""

    def __init__(self, line: MeterLine, loop: asyncio.AbstractEventLoop) -> None:
        self.line = line
        self._loop = loop

    def do(self, action: Callable[[], T]) -> T:
        async def run() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_DEADLINE_S)


@contextlib.contextmanager
def serving(
    specs: list[MeterSpec],
    pty: Path | None,
    *,
    tcp: bool = False,
    settings: tuple[int | None, str | None, int | None] = (None, None, None),
    checks_settings: bool = False,
) -> Iterator[RunningLine]:
    """Serve meters until the block is left."""
    started = threading.Event()
    running: list[RunningLine] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        end = asyncio.Event()
        line = MeterLine(specs, pty, *settings, checks_settings=checks_settings)
        if tcp:
            await line.start_tcp()
        running.append(RunningLine(line, asyncio.get_running_loop()))
        ends.append((asyncio.get_running_loop(), end))
        started.set()
        await end.wait()
        await line.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(_DEADLINE_S), "the line was not served"
    try:
        yield running[0]
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join(_DEADLINE_S)
        assert not thread.is_alive()
