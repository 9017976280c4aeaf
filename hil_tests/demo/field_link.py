"""Asks the field process for its status over its local socket, as an operator does."""

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.link.framing import Decoder, FramingError, encode
from agent.link.messages import Attach, Command, CommandReply, FromField, Hello, StatusMessage, StatusRequest, ToField


class LinkLostError(Exception):
    """The field process does not answer."""


def connector_status(status: Mapping[str, Any], connector: int) -> dict[str, Any]:
    """What holds for the whole pile, and beside it what holds for one connector; its own only if it is listed."""
    listed: Sequence[Mapping[str, Any]] = status.get("connectors", ())
    flat = {key: value for key, value in status.items() if key != "connectors"}
    for each in listed:
        if each.get("connector") == connector:
            return flat | dict(each)
    return flat


class FieldLink:
    """A blocking client with a deadline around every call."""

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        """Connect. Raises LinkLostError when no process listens at ``path``."""
        self._timeout_s = timeout_s
        self._decoder: Decoder[FromField] = Decoder(FromField)  # type: ignore[arg-type]  # a union is no class
        self._waiting: list[FromField] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise LinkLostError(f"{path}: {error.strerror}") from error
        self._send(Attach(role="operator"))

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def status(self) -> dict[str, Any]:
        """The status snapshot of now. Raises LinkLostError."""
        self._send(StatusRequest())
        while True:
            message = self._next()
            if isinstance(message, StatusMessage):
                return message.status

    def command(self, name: str, command_id: str, connector: int = 0) -> CommandReply:
        """Give a local command (connector 0: the only one); returns the first answer. Raises LinkLostError."""
        self._send(Command(id=command_id, name=name, connector=connector, origin="local"))
        while True:
            message = self._next()
            if isinstance(message, CommandReply) and message.id == command_id:
                return message

    def _send(self, message: ToField) -> None:
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise LinkLostError(str(error)) from error

    def _next(self) -> FromField:
        deadline_s = time.monotonic() + self._timeout_s
        while not self._waiting:
            if time.monotonic() > deadline_s:
                raise LinkLostError("no answer in time")
            try:
                data = self._socket.recv(65536)
                if not data:
                    raise LinkLostError("the field process closed the connection")
                self._waiting += [message for message in self._decoder.feed(data) if not isinstance(message, Hello)]
            except TimeoutError as error:
                raise LinkLostError("no answer in time") from error
            except (OSError, FramingError) as error:
                raise LinkLostError(str(error)) from error
        return self._waiting.pop(0)
