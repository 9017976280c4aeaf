"""An operator at the local socket of the field process."""

import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from agent.link.framing import Decoder, encode
from agent.link.messages import Attach, Command, CommandReply, FromField, Message, StatusMessage, StatusRequest

_ANSWER_S = 10.0
_Kind = TypeVar("_Kind", bound=Message)


def flat(status: Mapping[str, Any], connector: int | None = None) -> dict[str, Any]:
    """A status snapshot with the keys of one connector (the first without a number) beside those of the pile.

    Raises KeyError for a connector that the pile does not have.
    """
    connectors = {entry["connector"]: entry for entry in status["connectors"]}
    number = min(connectors) if connector is None else connector
    return {**{key: value for key, value in status.items() if key != "connectors"}, **connectors[number]}


class FieldAwayError(Exception):
    """The socket does not answer: the field process is not running, or has ended."""


class FieldClient:
    """One connection. Raises FieldAwayError from every method when the field process is not there."""

    def __init__(self, path: Path) -> None:
        self._decoder: Decoder[Any] = Decoder(FromField)  # type: ignore[arg-type]  # a union is a type to msgspec
        self._waiting: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
            self._socket.sendall(encode(Attach("operator")))
        except OSError as error:
            self._socket.close()
            raise FieldAwayError(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def status(self, connector: int | None = None) -> dict[str, Any]:
        """What the pile and one connector are now, in one table; without a number the first connector.

        Raises KeyError for a connector that the pile does not have.
        """
        return flat(self.pile_status(), connector)

    def pile_status(self) -> dict[str, Any]:
        """The status snapshot of now as the field process gives it, with a list of connectors."""
        self._waiting = [message for message in self._waiting if not isinstance(message, StatusMessage)]
        self._send(StatusRequest())
        return self._next(StatusMessage).status

    def command(self, name: str, connector: int = 0, **arguments: Any) -> CommandReply:
        """Send a command and return its first answer: accepted or rejected. Connector 0 is the only one."""
        command = Command(id=uuid.uuid4().hex, name=name, connector=connector, arguments=arguments)
        self._send(command)
        return self.answer(command.id)

    def answer(self, command_id: str) -> CommandReply:
        """The next answer to a command."""
        while True:
            reply = self._next(CommandReply)
            if reply.id == command_id:
                return reply

    def _send(self, message: Message) -> None:
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise FieldAwayError(str(error)) from error

    def _next(self, kind: type[_Kind]) -> _Kind:
        deadline_s = time.monotonic() + _ANSWER_S
        while True:
            for message in self._waiting:
                if isinstance(message, kind):
                    self._waiting.remove(message)
                    return message
            try:
                self._socket.settimeout(max(0.01, deadline_s - time.monotonic()))
                data = self._socket.recv(65536)
            except OSError as error:
                raise FieldAwayError(str(error) or "no answer") from error
            if not data:
                raise FieldAwayError("the field process has hung up")
            self._waiting += self._decoder.feed(data)
