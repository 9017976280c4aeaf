"""Commands as they reach the core, and the memory that keeps a repeated id from acting twice."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CommandInput:
    """A request from the platform or from the pile itself."""

    id: str
    name: str
    origin: str = "local"
    arguments: dict[str, Any] = field(default_factory=dict)
    expires_wall_ms: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """``accepted`` or ``rejected`` at once, later ``done`` or ``failed``."""

    id: str
    result: str
    reason: str = ""
    session: str | None = None


class Answers:
    """The last answers by command id; the oldest is forgotten when there are too many."""

    def __init__(self, maximum: int = 64) -> None:
        self._maximum = maximum
        self._kept: OrderedDict[str, Reply] = OrderedDict()

    def keep(self, reply: Reply) -> None:
        """Remember the newest answer to a command."""
        self._kept[reply.id] = reply
        self._kept.move_to_end(reply.id)
        while len(self._kept) > self._maximum:
            self._kept.popitem(last=False)

    def former(self, command_id: str) -> Reply | None:
        """The last answer that this id has already had."""
        return self._kept.get(command_id)
