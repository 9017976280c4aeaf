"""One end of a simulated wire: a pseudo-terminal that another process opens as its serial port."""

import asyncio
import contextlib
import dataclasses
import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path

_BAUD_OF_CODE = {getattr(termios, f"B{baud}"): baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}

# How soon a closed port detects that it was opened.
_REOPEN_POLL_S = 0.02
_READ_SIZE = 4096


def _do_nothing() -> None:
    """Default for callers that do not care whether the port is open."""


@dataclasses.dataclass(frozen=True, slots=True)
class LineSettings:
    """How a port is set.

    The kernel takes the parity bit itself out of the settings of a pseudo-terminal: what is left of it is whether
    parity is checked (input) and whether it is odd. An opener that does not check parity seems to have none.
    """

    baud: int
    parity: str
    stop_bits: int


class PtyPort:
    """A pseudo-terminal with a slave side (``path``, and ``link`` if given) as the port to open.

    Bytes written by whoever opened it arrive at ``on_data``; ``on_hangup`` is called when the last
    opener closes it. While it is not open, ``write`` drops the bytes, as a cable without a listener does.
    """

    def __init__(
        self,
        on_data: Callable[[bytes], None],
        on_hangup: Callable[[], None] = _do_nothing,
        link: Path | None = None,
    ) -> None:
        self._on_data = on_data
        self._on_hangup = on_hangup
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._master, slave = os.openpty()
        self.path = os.ttyname(slave)
        # Raw from the start: a cooked terminal would echo the first bytes back onto the wire.
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self._forget_settings()
        self.is_open = False
        self._closed = False
        self._watch: asyncio.TimerHandle | None = None
        os.close(slave)
        if link is not None:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
        self._wait_for_opener()

    def settings(self) -> LineSettings:
        """What the opener has set."""
        attributes = termios.tcgetattr(self._master)
        checks_input, flags = attributes[0] & termios.INPCK, attributes[2]
        parity = "O" if flags & termios.PARODD else "E" if checks_input else "N"
        return LineSettings(_BAUD_OF_CODE.get(attributes[5], 0), parity, 2 if flags & termios.CSTOPB else 1)

    def _forget_settings(self) -> None:
        """Leave no settings behind.

        The C library calls it an error if an opener changes nothing but the parity: the kernel takes that out again.
        """
        attributes = termios.tcgetattr(self._master)
        attributes[4] = attributes[5] = termios.B50
        termios.tcsetattr(self._master, termios.TCSANOW, attributes)

    def write(self, data: bytes) -> None:
        """Hand bytes to whoever has the port open; what does not fit in the terminal's buffer is lost."""
        if self._closed or not (self.is_open or self._opened()):
            return
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._master, data)

    def close(self) -> None:
        """Remove the port; an opener sees a hang-up."""
        if self._closed:
            return
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        self._loop.remove_reader(self._master)
        os.close(self._master)
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def _wait_for_opener(self) -> None:
        """Poll until the slave side is open: a hung-up terminal would keep an event loop spinning."""
        if not self._closed and not self._opened():
            self._watch = self._loop.call_later(_REOPEN_POLL_S, self._wait_for_opener)

    def _opened(self) -> bool:
        """Whether the port has been opened; remembers it."""
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        if any(events & select.POLLHUP for _, events in poller.poll(0)):
            return False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.is_open = True
        self._loop.add_reader(self._master, self._read)
        return True

    def _read(self) -> None:
        try:
            data = os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_data(data)
            return
        self.is_open = False
        self._loop.remove_reader(self._master)
        self._forget_settings()
        self._on_hangup()
        self._wait_for_opener()
