"""Log lines on standard error, without ever waiting for the reader."""

import logging
import os
import select
import sys

_LONGEST_LINE_BYTES = 4096
"""A pipe that is ready takes this much without blocking (PIPE_BUF)."""
_CHATTY = ("transitions", "pymodbus", "can", "paho")
"""Libraries with routine messages that are of no use to an operator."""
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


class StderrHandler(logging.Handler):
    """Writes to a descriptor if it is ready; otherwise the line is dropped and counted.

    The field process must not stop because the journal does. With ``priorities`` each line begins with ``<n>``, which
    the journal takes as its level (sd-daemon(3)).
    """

    def __init__(self, fd: int, *, priorities: bool) -> None:
        super().__init__()
        self._fd = fd
        self._priorities = priorities
        self._poller = select.poll()
        self._poller.register(fd, select.POLLOUT)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises, never waits."""
        try:
            line = self.format(record)
            if self._priorities:
                level = _PRIORITIES.get(record.levelno, 6)
                line = "\n".join(f"<{level}>{part}" for part in line.splitlines())
            if self.dropped:
                line = f"({self.dropped} lines lost)\n{line}"
            data = line.encode(errors="replace")[: _LONGEST_LINE_BYTES - 1] + b"\n"
            if not any(event & select.POLLOUT for _, event in self._poller.poll(0)):
                self.dropped += 1
                return
            os.write(self._fd, data)
            self.dropped = 0
        except OSError:
            self.dropped += 1


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send all log records to standard error, in the journal's form if it listens."""
    journal = "JOURNAL_STREAM" in os.environ
    handler = StderrHandler(sys.stderr.fileno(), priorities=journal)
    pattern = "%(name)s: %(message)s" if journal else "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    handler.setFormatter(logging.Formatter(pattern))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
