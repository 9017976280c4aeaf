"""A selector for code that owns its loop, driven by asyncio: it never waits, and its owner is called when it is due."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any


class AsyncioSelector(selectors.BaseSelector):
    """``select`` returns what asyncio has found ready and remembers for how long the caller would have waited.

    ``drive`` runs a turn of the caller whenever something is ready or that time is over. To be made inside a running
    asyncio loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ready: list[tuple[selectors.SelectorKey, int]] = []
        self._wait_s: float | None = 0.0
        self._turn: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    def drive(self, turn: Callable[[], None]) -> None:
        """Call ``turn`` now and whenever it is due from now on."""
        self._turn = turn
        self._run()

    def _run(self) -> None:
        if self._turn is None or self._running:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._running = True
        try:
            while True:
                self._turn()
                # A turn that was handed events has asked for its wait before it worked them off: ask again.
                if not self._ready and (self._wait_s is None or self._wait_s > 0.0):
                    break
        finally:
            self._running = False
        self._timer = None if self._wait_s is None else self._loop.call_later(self._wait_s, self._run)

    def _on_ready(self, fd: int, events: int) -> None:
        key = self._keys.get(fd)
        if key is not None and key.events & events:
            self._ready.append((key, events))
            self._run()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See selectors."""
        fd = fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._keys[fd] = key
        self._watch(fd, events)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See selectors."""
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        self._watch(key.fd, 0)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See selectors."""
        key = self.get_key(fileobj)._replace(events=events, data=data)
        self._keys[key.fd] = key
        self._watch(key.fd, events)
        return key

    def _watch(self, fd: int, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._loop.add_reader(fd, self._on_ready, fd, selectors.EVENT_READ)
        else:
            self._loop.remove_reader(fd)
        if events & selectors.EVENT_WRITE:
            self._loop.add_writer(fd, self._on_ready, fd, selectors.EVENT_WRITE)
        else:
            self._loop.remove_writer(fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; never waits."""
        ready, self._ready = self._ready, []
        self._wait_s = 0.0 if ready else timeout
        return ready

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """See selectors."""
        for key in self._keys.values():
            if key.fileobj is fileobj or key.fileobj == fileobj:
                return key
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See selectors."""
        return {key.fileobj: key for key in self._keys.values()}

    def close(self) -> None:
        """Forget everything."""
        for key in list(self._keys.values()):
            self._watch(key.fd, 0)
        self._keys.clear()
