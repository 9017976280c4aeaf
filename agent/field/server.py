"""The local socket of the field process: one recorder, some operators, none of whom can make it wait."""

import contextlib
import logging
import os
import selectors
import socket
from pathlib import Path

from agent.link.framing import Decoder, FramingError, encode
from agent.link.messages import RECORDER, Attach, Hello, Message, ToField
from agent.vocabulary.record import Record

_LOG = logging.getLogger(__name__)

_RECORDER_BUFFER_BYTES = 4 << 20
_OPERATOR_BUFFER_BYTES = 256 << 10
_MAXIMUM_CLIENTS = 16


class Client:
    """One connection. Bytes that the peer does not take wait in a bounded buffer; past it the peer is dropped."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.role = ""
        self.decoder: Decoder[ToField] = Decoder(ToField)  # type: ignore[arg-type]  # a union is a type to msgspec
        self.outgoing = bytearray()

    @property
    def buffer_limit(self) -> int:
        """How many bytes may wait for this peer."""
        return _RECORDER_BUFFER_BYTES if self.role == RECORDER else _OPERATOR_BUFFER_BYTES


class FieldServer:
    """Non-blocking server on a unix stream socket, registered with the loop's selector."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, hello: Hello) -> None:
        self._path = path
        self._selector = selector
        self._hello = hello
        self._clients: list[Client] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(str(path))
        # Whoever may open the socket may stop a charge: the service's own user and group only.
        path.chmod(0o660)
        self._listener.listen(_MAXIMUM_CLIENTS)
        selector.register(self._listener, selectors.EVENT_READ, self)

    @property
    def recorder(self) -> Client | None:
        """The recorder, if one is attached."""
        return next((client for client in self._clients if client.role == RECORDER), None)

    def accept(self) -> None:
        """A client knocks."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        if len(self._clients) >= _MAXIMUM_CLIENTS:
            # The newcomer may be the recorder, without which nothing charges: the oldest of the others makes room.
            _LOG.warning("too many local clients, the oldest is dropped")
            self.drop(next(former for former in self._clients if former.role != RECORDER))
        client = Client(connection)
        self._clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, client)
        self.send(client, self._hello)

    def receive(self, client: Client) -> list[ToField]:
        """Messages that a readable client has sent; drops it when it is gone or talks nonsense."""
        try:
            data = client.connection.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.drop(client)
            return []
        try:
            messages = client.decoder.feed(data)
        except FramingError as error:
            _LOG.warning("a local client was dropped: %s", error)
            self.drop(client)
            return []
        for message in messages:
            if isinstance(message, Attach):
                former = self.recorder
                client.role = message.role
                if message.role == RECORDER and former is not None and former is not client:
                    _LOG.warning("a new recorder has attached, the former one is dropped")
                    self.drop(former)
        return messages

    def send(self, client: Client, message: Message | Record) -> None:
        """Queue a message and write what the peer takes; nothing for a peer that is gone."""
        if client not in self._clients:
            return
        client.outgoing += encode(message)
        self.flush(client)

    def flush(self, client: Client) -> None:
        """Write what the peer takes; watch for room when something is left."""
        if client not in self._clients:
            return
        try:
            while client.outgoing:
                sent = client.connection.send(client.outgoing)
                del client.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.drop(client)
            return
        if len(client.outgoing) > client.buffer_limit:
            _LOG.warning("a local client (%s) does not read, dropped", client.role or "unnamed")
            self.drop(client)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outgoing else 0)
        self._selector.modify(client.connection, events, client)

    def drop(self, client: Client) -> None:
        """Close a connection."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.connection)
        client.connection.close()

    def close(self) -> None:
        """Close everything and remove the socket."""
        for client in list(self._clients):
            self.drop(client)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self._listener)
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)
