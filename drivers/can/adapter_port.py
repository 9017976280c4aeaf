"""USB adapters with libraries that wait in their calls: two threads behind bounded queues, a ``CanPort`` before them.

The threads of one adapter are the only ones that call its library. The reader opens it, reads, and closes it at the
end; the writer sends, because a library that waits for a frame must not hold up the next one to be sent. The loop only
appends to and takes from queues and an eventfd, none of which waits. A library that does not return from a call for
``STUCK_S`` is an error; its threads cannot be ended, so the adapter is not opened again until they have.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import can
import msgspec

from drivers.can import messages
from drivers.can.error_frames import is_overrun, state_in
from drivers.can.frame import CanFrame
from drivers.can.limits import LATEST_SEND_S
from drivers.can.stamps import DeviceStamps
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError

STUCK_S = 1.0
"""Own: a call that takes longer than this, above the time it may wait, does not return."""
OPEN_S = 5.0
"""Own: opening resets USB devices and takes up to some seconds."""
_STATE_INTERVAL_S = 0.5
_LARGEST_INPUT = 2000
"""Frames that wait for the loop: a second of a saturated bus at 250 kbit/s."""
_LARGEST_OUTPUT = 64
"""The frames that a transport session may put out at once."""
_MOST_FAILED = 16
"""Own: so many refused frames one after the other, and the adapter has gone."""

_running: dict[str, threading.Thread] = {}
"""Readers that have not ended, by interface and channel. Only the loop's thread uses it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An open bus of python-can, and what is particular about its library."""

    bus: can.BusABC
    wait_s: float = 0.1
    """How long a read may wait for a frame."""
    pause_s: float = 0.0
    """Pause after a read without a frame, for a library that cannot wait."""
    send_timeout_s: float | None = None
    """Handed to the library's send."""
    read_state: Callable[[], BusState | None] | None = None
    """Asks the adapter for the state of its controller."""
    has_stamps: bool = True
    """Whether messages carry the time of the adapter's clock."""


class AdapterPort:
    """An adapter behind two threads as a ``CanPort``.

    ``open_adapter`` runs in a thread and may take its time; until it has returned, ``is_ready`` is False and nothing
    is sent. Raises PortError if an earlier call to the same adapter has not returned yet.
    """

    restarts_by_opening = True

    def __init__(self, where: str, open_bus: Callable[[], Adapter], *, listen_only: bool = False) -> None:
        earlier = _running.get(where)
        if earlier is not None and earlier.is_alive():
            raise PortError(
                "the adapter still hangs in an earlier call", where, "Unplug the adapter and plug it in again."
            )
        self.counters = CanCounters()
        self._where = where
        self._listen_only = listen_only
        self._input: deque[CanFrame] = deque()
        self._output: deque[tuple[CanFrame, float]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._work = os.eventfd(0, os.EFD_CLOEXEC)
        self._stopping = False
        self._closed = False
        self._opened = False
        self._error: PortError | None = None
        self._state = BusState.UNKNOWN
        self._read_until_s = time.monotonic() + OPEN_S
        self._write_until_s = float("inf")
        self._adapter: Adapter | None = None
        self._open_bus = open_bus
        reader = threading.Thread(target=self._run, name=f"can {where}", daemon=True)
        _running[where] = reader
        reader.start()

    @property
    def state(self) -> BusState:
        """See CanPort."""
        return self._state

    def is_ready(self, now_s: float) -> bool:
        """See CanPort."""
        self.tick(now_s)
        return self._opened

    def fileno(self) -> int:
        """See CanPort."""
        return -1 if self._closed else self._wake

    def receive(self, now_s: float) -> list[CanFrame]:
        """See CanPort."""
        if self._closed:
            return []
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        frames: list[CanFrame] = []
        while self._input:
            frame = self._input.popleft()
            frames.append(frame if frame.at_s <= now_s else msgspec.structs.replace(frame, at_s=now_s))
        if not frames:
            self.tick(now_s)
        return frames

    def send(self, frame: CanFrame) -> bool:
        """See CanPort."""
        if self._listen_only or self._closed:
            return False
        self.tick(time.monotonic())
        if not self._opened or len(self._output) >= _LARGEST_OUTPUT:
            self.counters.refused += 1
            return False
        self._output.append((frame, time.monotonic()))
        os.eventfd_write(self._work, 1)
        return True

    def tick(self, now_s: float) -> None:
        """Raises PortError when a thread has failed or a call to the library does not return."""
        if self._closed:
            return
        if self._error is not None:
            raise self._error
        if now_s > min(self._read_until_s, self._write_until_s):
            raise PortError("the adapter does not answer", self._where, "Unplug the adapter and plug it in again.")

    def close(self) -> None:
        """See CanPort. The threads end by themselves, the bus with them."""
        if not self._closed:
            self._stopping = True
            self._output.clear()
            os.eventfd_write(self._work, 1)
            # Last: from here on the reader may close both descriptors.
            self._closed = True

    # The reader.

    def _run(self) -> None:
        """Open, read until closed, close."""
        writer = threading.Thread(target=self._write, name=f"{threading.current_thread().name} out", daemon=True)
        try:
            self._adapter = adapter = self._open_bus()
            writer.start()
            self._opened = True
            self._read(adapter)
        except Exception as error:
            self._fail(error)
        finally:
            if writer.is_alive():
                os.eventfd_write(self._work, 1)
                writer.join()
            self._shut_down()
            # The loop may still hold the descriptor in its selector: it is closed only when the loop has let it go.
            while not self._closed:
                time.sleep(0.05)
            os.close(self._wake)
            os.close(self._work)

    def _read(self, adapter: Adapter) -> None:
        stamps = DeviceStamps()
        next_state_s = 0.0
        while not self._stopping and self._error is None:
            now_s = time.monotonic()
            self._read_until_s = now_s + adapter.wait_s + STUCK_S
            if adapter.read_state is not None and now_s >= next_state_s:
                next_state_s = now_s + _STATE_INTERVAL_S
                self._take_state(adapter.read_state())
            message = adapter.bus.recv(adapter.wait_s)
            if message is None:
                if adapter.pause_s:
                    time.sleep(adapter.pause_s)
                continue
            arrived_s = time.monotonic()
            at_s = stamps.convert(message.timestamp, arrived_s) if adapter.has_stamps else arrived_s
            self._take(message, at_s)
        self._read_until_s = float("inf")

    def _take(self, message: can.Message, at_s: float) -> None:
        if message.is_error_frame:
            self.counters.error_frames += 1
            data = bytes(message.data)
            self.counters.overruns += is_overrun(message.arbitration_id, data)
            self._take_state(state_in(message.arbitration_id, data))
            return
        frame = messages.frame_of(message, at_s)
        if frame is None:
            self.counters.junk += message.is_rx and not message.is_remote_frame
            return
        if len(self._input) >= _LARGEST_INPUT:
            self.counters.overruns += 1
            return
        self._input.append(frame)
        os.eventfd_write(self._wake, 1)

    def _take_state(self, state: BusState | None) -> None:
        if state is not None and state is not self._state:
            self._state = state
            os.eventfd_write(self._wake, 1)

    def _shut_down(self) -> None:
        if self._adapter is not None:
            try:
                self._adapter.bus.shutdown()
            except Exception as error:
                self._fail(error)

    # The writer.

    def _write(self) -> None:
        """Send what is queued until closed."""
        failed = 0
        while not self._stopping and self._error is None:
            os.eventfd_read(self._work)
            while self._output and self._error is None:
                frame, queued_s = self._output.popleft()
                failed = 0 if self._send_one(frame, queued_s) else failed + 1
                if failed >= _MOST_FAILED:
                    self._fail(OSError(f"{failed} frames refused one after the other"))

    def _send_one(self, frame: CanFrame, queued_s: float) -> bool:
        adapter = self._adapter
        now_s = time.monotonic()
        if adapter is None or self._stopping or now_s - queued_s > LATEST_SEND_S:
            self.counters.expired += 1
            return True
        self._write_until_s = now_s + STUCK_S
        try:
            adapter.bus.send(messages.message_of(frame), adapter.send_timeout_s)
        except Exception:
            # A full queue and a lost adapter look alike here: the number of failures decides.
            self.counters.refused += 1
            return False
        finally:
            self._write_until_s = float("inf")
        return True

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = (
                error
                if isinstance(error, PortError)
                else PortError(
                    f"the adapter failed ({str(error) or type(error).__name__})",
                    self._where,
                    "Check that it is plugged in, is not used by another program, and has its driver.",
                )
            )
        self._read_until_s = self._write_until_s = float("inf")
        os.eventfd_write(self._wake, 1)
