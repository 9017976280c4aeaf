"""Connection to the running field process over its local socket, as an operator."""

import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from agent.link.framing import Decoder, FramingError, encode
from agent.link.messages import (
    OPERATOR,
    SOCKET_NAME,
    Attach,
    Command,
    CommandReply,
    FromField,
    Message,
    StatusMessage,
    StatusRequest,
)

T = TypeVar("T")


class NotRunningError(Exception):
    """The socket does not answer. ``denied``: the process is there, but this user may not connect."""

    def __init__(self, path: Path, reason: str, *, denied: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.denied = denied


class FieldClient:
    """A blocking client with a deadline around every call. Use it as a context manager.

    Every method raises NotRunningError when the field process does not answer in time.
    """

    def __init__(self, runtime: Path, timeout_s: float = 3.0) -> None:
        self._path = runtime / SOCKET_NAME
        self._timeout_s = timeout_s
        self._decoder: Decoder[FromField] = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec
        self._waiting: list[FromField] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(self._path))
        except OSError as error:
            self._socket.close()
            denied = isinstance(error, PermissionError)
            raise NotRunningError(self._path, error.strerror or str(error), denied=denied) from error
        self._send(Attach(role=OPERATOR))

    def __enter__(self) -> "FieldClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def status(self) -> dict[str, Any]:
        """The status snapshot of now: the pile, with a list of ``connectors``."""
        self._send(StatusRequest())
        return self._await(lambda message: message.status if isinstance(message, StatusMessage) else None)

    def command(
        self, name: str, arguments: Mapping[str, Any] | None = None, connector: int | None = None
    ) -> CommandReply:
        """Give a local command and return the first answer: accepted or rejected.

        Without a number the only connector of the pile is meant.
        """
        command_id = f"local-{uuid.uuid4().hex[:12]}"
        self._send(Command(id=command_id, name=name, connector=connector or 0, arguments=dict(arguments or {})))
        return self.reply(command_id)

    def reply(self, command_id: str, timeout_s: float | None = None) -> CommandReply:
        """The next answer to a command."""
        return self._await(
            lambda message: message if isinstance(message, CommandReply) and message.id == command_id else None,
            timeout_s,
        )

    def _send(self, message: Message) -> None:
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise NotRunningError(self._path, str(error)) from error

    def _await(self, wanted: Callable[[FromField], T | None], timeout_s: float | None = None) -> T:
        deadline_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while True:
            while self._waiting:
                found = wanted(self._waiting.pop(0))
                if found is not None:
                    return found
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise NotRunningError(self._path, "no reply within the time-out")
            self._socket.settimeout(left_s)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise NotRunningError(self._path, str(error)) from error
            if not data:
                raise NotRunningError(self._path, "the field process closed the connection")
            try:
                self._waiting += self._decoder.feed(data)
            except FramingError as error:
                raise NotRunningError(self._path, f"unreadable reply ({error})") from error
