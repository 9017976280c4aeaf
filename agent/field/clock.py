"""Wall time and how far it can be trusted. Only records and tariff slots use it, never a decision."""

import ctypes
import time

from agent.vocabulary.states import CLOCK_HOLDOVER, CLOCK_SYNCED, CLOCK_UNSET, OLDEST_CREDIBLE_WALL_MS

_STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("padding", ctypes.c_byte * 256),
    )


class WallClock:
    """Reads the wall clock; asks the kernel at most once in ten seconds whether it is synchronised."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._synced = False
        self._asked_at_s = -1e9

    def read(self, now_s: float) -> tuple[int, str]:
        """UTC in milliseconds and its quality: ``synced``, ``holdover`` or ``unset``."""
        if now_s - self._asked_at_s > 10.0:
            self._asked_at_s = now_s
            buffer = _Timex()
            result = self._library.adjtimex(ctypes.byref(buffer))
            self._synced = result >= 0 and not buffer.status & _STA_UNSYNC
        wall_ms = time.time_ns() // 1_000_000
        if wall_ms < OLDEST_CREDIBLE_WALL_MS:
            return wall_ms, CLOCK_UNSET
        return wall_ms, CLOCK_SYNCED if self._synced else CLOCK_HOLDOVER
