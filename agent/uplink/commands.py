"""Commands from the platform: checked in order, answered always, executed once. Pure; time comes in.

Order: size, form, known name, repeated id, clock and expiry. A stop passes with any clock and any age: less
energy is always granted. Nothing a sender can write raises an exception here.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAXIMUM_BYTES = 4096
LONGEST_VALIDITY_MS = 300_000
"""A start that is to act at once is valid for at most this long (own; platforms use 60 s)."""
_REMEMBERED = 256
_FINAL = ("rejected", "done", "failed")

_Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
_WallMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""Up to the year 9999."""
_Name = Annotated[str, Meta(min_length=1, max_length=32)]
_Text = Annotated[str, Meta(max_length=64)]
_Number = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    id: _Id
    name: _Name
    c: Annotated[int, Meta(ge=1, le=64)] = 1
    args: Annotated[dict[_Name, _Number | _Text], Meta(max_length=16)] = {}
    iat: _WallMs | None = None
    exp: _WallMs | None = None


class _OnlyId(msgspec.Struct):
    id: _Id


_decoder = msgspec.json.Decoder(_Document)
_id_decoder = msgspec.json.Decoder(_OnlyId)
# What a decoder may raise on foreign bytes: not JSON, wrong types, not UTF-8, nested too deep.
_HOSTILE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said about a command: result is accepted, rejected, done or failed; code says why."""

    id: str
    result: str
    code: str = ""
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A command that may go to the field process. ``expires_wall_ms`` is 0 if it never expires."""

    id: str
    name: str
    connector: int
    expires_wall_ms: int
    arguments: dict[str, Any] = field(default_factory=dict)


def _id_of(payload: bytes) -> str:
    """The id in a command that is otherwise unusable, so that its sender can know the answer; may be empty."""
    if len(payload) > MAXIMUM_BYTES:
        return ""
    try:
        return _id_decoder.decode(payload).id
    except _HOSTILE:
        return ""


class CommandGate:
    """Takes payloads in, lets orders through, remembers answers.

    ``former`` looks an id up in the record (it outlives this process) and gives the answer found there or None.
    """

    def __init__(self, former: Callable[[str], Answer | None]) -> None:
        self._former = former
        self._answers: OrderedDict[str, Answer | None] = OrderedDict()

    def take(self, payload: bytes, wall_ms: int, *, clock_set: bool) -> Order | Answer:
        """What a payload comes to at ``wall_ms`` (UTC): an order to carry out, or the answer to give at once.

        ``clock_set`` says whether ``wall_ms`` can be believed at all.
        """
        if len(payload) > MAXIMUM_BYTES:
            return Answer("", "rejected", "too_large")
        try:
            document = _decoder.decode(payload)
        except _HOSTILE:
            return Answer(_id_of(payload), "rejected", "malformed")
        if document.id in self._answers:
            # The first answer is still to come: it goes to whoever asks, once it is there.
            return self._answers[document.id] or Answer(document.id, "accepted", "in_progress")
        former = self._former(document.id)
        if former is not None:
            self.remember(former)
            return former
        answer = self._check(document, wall_ms, clock_set)
        if answer is not None:
            self.remember(answer)
            return answer
        self._keep(document.id, None)
        return Order(document.id, document.name, document.c, document.exp or 0, dict(document.args))

    @staticmethod
    def _check(document: _Document, wall_ms: int, clock_set: bool) -> Answer | None:
        def reject(code: str) -> Answer:
            return Answer(document.id, "rejected", code)

        if document.name not in ("start", "stop"):
            return reject("unknown_command")
        if document.c != 1:
            return reject("unknown_connector")
        if document.name == "stop":
            return None
        if document.exp is None:
            return reject("no_expiry")
        if not clock_set:
            return reject("clock_unset")
        if document.exp <= wall_ms:
            return reject("expired")
        if document.exp - wall_ms > LONGEST_VALIDITY_MS:
            return reject("expiry_too_far")
        return None

    def remember(self, answer: Answer) -> None:
        """Keep the newest answer to a command; a final one is not replaced by ``accepted``."""
        former = self._answers.get(answer.id)
        if former is not None and former.result in _FINAL and answer.result == "accepted":
            return
        self._keep(answer.id, answer)

    def _keep(self, command_id: str, answer: Answer | None) -> None:
        self._answers[command_id] = answer
        self._answers.move_to_end(command_id)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


_Stream = Annotated[str, Meta(max_length=16)]
_watermark_decoder = msgspec.json.Decoder(
    Annotated[dict[_Stream, Annotated[int, Meta(ge=0, le=2**53)]], Meta(max_length=16)]
)


def read_watermarks(payload: bytes, last: dict[str, int]) -> dict[str, int] | None:
    """The platform's watermarks by stream, None if the payload is none.

    Unknown streams and numbers that were never given out are left out: they belong to another pile or ledger.
    """
    if len(payload) > MAXIMUM_BYTES:
        return None
    try:
        content = _watermark_decoder.decode(payload)
    except _HOSTILE:
        return None
    return {stream: seq for stream, seq in content.items() if seq <= last.get(stream, -1)}
