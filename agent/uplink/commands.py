"""Commands from the platform: checked one rule after the other, answered always, executed once. Pure; time comes in.

The rules: size, form, repeated id, known name, connector, clock and expiry. A stop passes with any clock and any age:
less energy is always granted. A limit of power is judged by the field process; ``off`` needs an expiry. Nothing a
sender can write raises an exception here.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from agent.vocabulary import reasons
from agent.vocabulary.messages import LONGEST_VALIDITY_MS, MAXIMUM_COMMAND_BYTES, CommandId, CommandMessage, Watermarks
from agent.vocabulary.reasons import Reason

_REMEMBERED = 256


class _OnlyId(msgspec.Struct):
    id: CommandId


_decoder = msgspec.json.Decoder(CommandMessage)
_id_decoder = msgspec.json.Decoder(_OnlyId)
# What a decoder may raise on foreign bytes: not JSON, wrong types, not UTF-8, nested too deep.
_HOSTILE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: result is accepted, rejected, done or failed; with the reasons."""

    id: str
    result: str
    reasons: tuple[Reason, ...] = ()
    session: str | None = None

    @property
    def code(self) -> str:
        """Code of the first reason; empty if there is none."""
        return self.reasons[0].code if self.reasons else ""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that may go to the field process. ``expires_wall_ms`` is 0 if it never expires."""

    id: str
    name: str
    connector: int
    expires_wall_ms: int
    arguments: dict[str, Any] = field(default_factory=dict)


def rejected(command_id: str, code: str) -> Answer:
    """A command that goes no further."""
    return Answer(command_id, reasons.REJECTED, (Reason(code),))


def _id_of(payload: bytes) -> str:
    """The id in a command that is otherwise unusable, so that its sender can know the answer; may be empty."""
    if len(payload) > MAXIMUM_COMMAND_BYTES:
        return ""
    try:
        return _id_decoder.decode(payload).id
    except _HOSTILE:
        return ""


class CommandGate:
    """Takes payloads in, lets orders through, remembers answers.

    ``former`` looks an id up in the record (it outlives this process) and gives the answer found there or None.
    ``connectors`` are the numbers of the connectors of the pile.
    """

    def __init__(self, former: Callable[[str], Answer | None], connectors: Collection[int]) -> None:
        self._former = former
        self._connectors = connectors
        self._answers: OrderedDict[str, Answer | None] = OrderedDict()

    def take(self, payload: bytes, wall_ms: int, *, clock_set: bool) -> Order | Answer:
        """What a payload comes to at ``wall_ms`` (UTC): an order to carry out, or the answer to give at once.

        ``clock_set`` is whether ``wall_ms`` can be believed at all.
        """
        if len(payload) > MAXIMUM_COMMAND_BYTES:
            return rejected("", reasons.TOO_LARGE)
        try:
            document = _decoder.decode(payload)
        except _HOSTILE:
            return rejected(_id_of(payload), reasons.MALFORMED)
        if document.id in self._answers:
            # The first answer is still to come: it goes to whoever asks, once it is there.
            pending = Answer(document.id, reasons.ACCEPTED, (Reason(reasons.IN_PROGRESS),))
            return self._answers[document.id] or pending
        former = self._former(document.id)
        if former is not None:
            self.remember(former)
            return former
        code = self._refusal(document, wall_ms, clock_set)
        if code:
            answer = rejected(document.id, code)
            self.remember(answer)
            return answer
        self._keep(document.id, None)
        connector = min(self._connectors) if document.c is None else document.c
        return Order(document.id, document.name, connector, document.exp or 0, dict(document.args))

    def _refusal(self, document: CommandMessage, wall_ms: int, clock_set: bool) -> str:
        """Code of why a command goes no further; empty if it does."""
        if document.name not in (reasons.START, reasons.STOP, reasons.LIMIT):
            return reasons.UNKNOWN_COMMAND
        if document.c is None:
            if len(self._connectors) > 1 and document.name != reasons.LIMIT:
                return reasons.CONNECTOR_MISSING
        elif document.c not in self._connectors:
            return reasons.NO_SUCH_CONNECTOR
        if document.name == reasons.STOP or (document.name == reasons.LIMIT and "off" not in document.args):
            # A limit is of the whole pile; the field process grants a lower one and asks a higher one for its end.
            return ""
        return self._refused_permission(document.exp, wall_ms, clock_set)

    @staticmethod
    def _refused_permission(expires_wall_ms: int | None, wall_ms: int, clock_set: bool) -> str:
        """Code of why a permission for more energy is none; empty if it is one."""
        if expires_wall_ms is None:
            return reasons.NO_EXPIRY
        if not clock_set:
            return reasons.CLOCK_UNSET
        if expires_wall_ms <= wall_ms:
            return reasons.EXPIRED
        return reasons.EXPIRY_TOO_FAR if expires_wall_ms - wall_ms > LONGEST_VALIDITY_MS else ""

    def remember(self, answer: Answer) -> None:
        """Keep the newest answer to a command; a final one is not replaced by ``accepted``."""
        former = self._answers.get(answer.id)
        if former is not None and former.result in reasons.FINAL_RESULTS and answer.result == reasons.ACCEPTED:
            return
        self._keep(answer.id, answer)

    def _keep(self, command_id: str, answer: Answer | None) -> None:
        self._answers[command_id] = answer
        self._answers.move_to_end(command_id)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


_watermark_decoder = msgspec.json.Decoder(Watermarks)


def read_watermarks(payload: bytes, last: Mapping[str, int]) -> dict[str, int] | None:
    """The platform's watermarks by stream, None if the payload is none.

    Unknown streams and numbers that were never given out are left out: they belong to another pile or ledger.
    """
    if len(payload) > MAXIMUM_COMMAND_BYTES:
        return None
    try:
        content: dict[str, int] = _watermark_decoder.decode(payload)
    except _HOSTILE:
        return None
    return {stream: seq for stream, seq in content.items() if seq <= last.get(stream, -1)}
