"""The north process's end of the local socket: connects for ever, never waits."""

import logging
import selectors
import socket
from pathlib import Path

from agent.link.framing import Decoder, FramingError, encode
from agent.link.messages import RECORDER, Attach, FromField, Message

_LOG = logging.getLogger(__name__)

_RETRY_S = 0.25
_LONGEST_RETRY_S = 2.0
_READ_BYTES = 1 << 18
_OUTGOING_LIMIT_BYTES = 1 << 20


class FieldLink:
    """Client of the field process. ``receive`` gives messages; a lost connection shows as ``attached`` false."""

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self._path = path
        self._selector = selector
        self._socket: socket.socket | None = None
        self._decoder: Decoder[FromField] = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec
        self._outgoing = bytearray()
        self._retry_at_s = float("-inf")
        self._pause_s = _RETRY_S
        self._told = ""

    @property
    def attached(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    def next_due(self, now_s: float) -> float:
        """When ``turn`` wants to be called at the latest."""
        return float("inf") if self._socket is not None else max(self._retry_at_s, now_s)

    def turn(self, now_s: float) -> bool:
        """Connect if it is time. Returns whether a connection has just begun."""
        if self._socket is not None or now_s < self._retry_at_s:
            return False
        candidate = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        candidate.setblocking(False)
        try:
            candidate.connect(str(self._path))
        except OSError as error:
            candidate.close()
            self._tell(f"the field process is not there ({error.strerror or error})")
            self._retry_at_s = now_s + self._pause_s
            self._pause_s = min(self._pause_s * 1.5, _LONGEST_RETRY_S)
            return False
        self._tell("")
        self._pause_s = _RETRY_S
        self._socket = candidate
        self._decoder = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec
        self._outgoing.clear()
        self._selector.register(candidate, selectors.EVENT_READ, self)
        self.send(Attach(role=RECORDER), now_s)
        return self._socket is not None

    def _tell(self, trouble: str) -> None:
        if trouble == self._told:
            return
        self._told = trouble
        if trouble:
            _LOG.warning("%s", trouble)
        else:
            _LOG.info("attached to the field process")

    def receive(self, now_s: float) -> list[FromField]:
        """Everything that has arrived whole."""
        messages: list[FromField] = []
        while self._socket is not None:
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                self.close(now_s, f"the link to the field process broke ({error.strerror or error})")
                break
            if not data:
                self.close(now_s, "the field process has closed the link")
                break
            try:
                messages.extend(self._decoder.feed(data))
            except FramingError as error:
                self.close(now_s, f"the field process sends what is no message: {error}")
                break
            if len(data) < _READ_BYTES:
                break
        return messages

    def send(self, message: Message, now_s: float) -> None:
        """Queue a message and write what the peer takes; dropped if there is no connection."""
        if self._socket is None:
            return
        self._outgoing += encode(message)
        self.flush(now_s)

    def flush(self, now_s: float) -> None:
        """Write what waits, as far as the peer takes it."""
        if self._socket is None:
            return
        try:
            while self._outgoing:
                sent = self._socket.send(self._outgoing)
                del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            # The peer is gone, but what it sent last may still wait here: reading finds the end, after the records.
            self._outgoing.clear()
        if len(self._outgoing) > _OUTGOING_LIMIT_BYTES:
            self.close(now_s, "the field process does not read")
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events, self)

    def close(self, now_s: float, trouble: str = "") -> None:
        """Let go; a later ``turn`` connects again."""
        if self._socket is None:
            return
        self._selector.unregister(self._socket)
        self._socket.close()
        self._socket = None
        self._retry_at_s = now_s + self._pause_s
        if trouble:
            self._tell(trouble)
