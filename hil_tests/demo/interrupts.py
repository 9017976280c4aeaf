"""Ctrl-C and other signals, counted instead of raised: the run checks them when it can stop orderly."""

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """``asked`` after the first SIGINT, SIGTERM or SIGHUP; ``hurry`` after the second."""

    def __init__(self) -> None:
        self.count = 0

    def install(self) -> None:
        """Take over the signals; main thread only."""
        for number in _SIGNALS:
            signal.signal(number, self._count)

    @property
    def asked(self) -> bool:
        """A stop was requested."""
        return self.count >= 1

    @property
    def hurry(self) -> bool:
        """An immediate stop was requested."""
        return self.count >= 2

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
