"""A few numbers in memory that two processes share: the progress of a measurement, without any call between them."""

import mmap
import struct
from enum import IntEnum
from pathlib import Path

_SLOT = struct.Struct("<q")


class Slot(IntEnum):
    """What each number means."""

    READY = 0
    """The agent is in the state charging, its outputs are confirmed: edges may begin."""
    MEASURED = 1
    """Edges that the board has sent and seen answered (or given up)."""
    RESTORED = 2
    """Edges after which the agent has been brought back to charging."""
    DECIDED_NS = 3
    """Monotonic time in ns at which the core last decided to open the contactors."""


class Flags:
    """The numbers of ``Slot`` in a small file that both processes map. Reading and writing one of them is atomic."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        size = _SLOT.size * len(Slot)
        if create:
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)

    def get(self, slot: Slot) -> int:
        """Read a number."""
        return int(_SLOT.unpack_from(self._memory, slot * _SLOT.size)[0])

    def put(self, slot: Slot, value: int) -> None:
        """Write a number."""
        _SLOT.pack_into(self._memory, slot * _SLOT.size, value)

    def close(self) -> None:
        """Unmap."""
        self._memory.close()
