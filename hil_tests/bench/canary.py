"""Measures the delay of bytes through a pseudo-terminal, of which the wires of the bench are made.

The kernel hands such bytes on from a worker of ordinary priority. On a busy machine that worker waits while a bench
with real-time priority runs on time, so the bench itself notices nothing and every frame comes late all the same.
"""

import asyncio
import os
import struct
import tty
from collections.abc import Callable

_STAMP = struct.Struct("<d")
_LONGEST_READ = 4096


class Canary:
    """Sends the time through a pseudo-terminal of its own; ``arrived`` gets the time of arrival and the delay in s."""

    def __init__(self, clock: Callable[[], float], arrived: Callable[[float, float], None]) -> None:
        self._clock = clock
        self._arrived = arrived
        self._ends: tuple[int, int] | None = None
        self._rest = b""

    def start(self) -> None:
        """Open the pseudo-terminal. Needs a running event loop. Harmless when open already."""
        if self._ends is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        os.set_blocking(slave, False)
        self._ends, self._rest = (master, slave), b""
        asyncio.get_running_loop().add_reader(master, self._read)

    def sing(self) -> None:
        """Send the present time; does nothing while closed or while the line is full."""
        if self._ends is None:
            return
        try:
            os.write(self._ends[1], _STAMP.pack(self._clock()))
        except BlockingIOError:
            return

    def stop(self) -> None:
        """Close the pseudo-terminal; harmless when closed already."""
        if self._ends is None:
            return
        ends, self._ends = self._ends, None
        asyncio.get_running_loop().remove_reader(ends[0])
        for end in ends:
            os.close(end)

    def _read(self) -> None:
        if self._ends is None:
            return
        try:
            data = self._rest + os.read(self._ends[0], _LONGEST_READ)
        except BlockingIOError:
            return
        now_s = self._clock()
        whole = len(data) // _STAMP.size * _STAMP.size
        self._rest = data[whole:]
        if whole:
            # Of several that come together the first has waited longest.
            (sent_s,) = _STAMP.unpack(data[: _STAMP.size])
            self._arrived(now_s, now_s - sent_s)
