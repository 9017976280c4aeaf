"""One request and its one reply on a line: what the owner of a line needs to know of a protocol, and nothing more.

The owner (``drivers.line.owner``) decides which request is sent and when; a request knows its own bytes and can
distinguish its reply from any other bytes. So requests of several protocols can share one line.
"""

import enum
from collections.abc import Set
from typing import Protocol, Self

import msgspec

Address = int | str
"""Modbus: 1 to 247. DL/T 645: twelve digits."""

ERROR_TIMEOUT = "timeout"
ERROR_CHECKSUM = "crc"
ERROR_MISMATCHED = "mismatched"
ERROR_EXCEPTION = "exception"
ERROR_EXPIRED = "expired"
ERROR_REPLACED = "replaced"
ERROR_PORT_LOST = "port lost"


class Match(enum.Enum):
    """What the bytes received so far hold."""

    NOTHING = "nothing"
    REPLY = "reply"
    BAD_CHECKSUM = "bad checksum"
    FOREIGN = "foreign"


class Found(msgspec.Struct, frozen=True, gc=False):
    """Outcome of a search. ``frame`` and ``end`` are set for ``Match.REPLY`` only.

    ``foreign_frames`` counts sound frames that do not answer the request; ``late_bytes`` is the length of those that
    are marked as answers to an earlier one.
    """

    match: Match
    frame: bytes = b""
    end: int = 0
    foreign_frames: int = 0
    late_bytes: int = 0


class LineRequest(Protocol):
    """One request to one device. Equal requests have equal bytes."""

    @property
    def address(self) -> Address:
        """The device."""

    @property
    def priority(self) -> int:
        """0 switches an output off, 1 fast inputs and renewals, 2 the meter, 3 the rest."""

    @property
    def tag(self) -> str:
        """For the sender of the request; a write replaces a queued write with the same address and tag."""

    @property
    def lifetime_s(self) -> float:
        """A request that could not be sent so soon after it was submitted is dropped."""

    @property
    def is_read(self) -> bool:
        """Whether the request only reads."""

    def encode(self) -> bytes:
        """Its frame. Raises ValueError if the protocol does not allow the request."""

    def reply_bytes(self) -> int:
        """Longest normal reply, in bytes."""

    def find_reply(self, data: bytes) -> Found:
        """Look for the reply in everything that was received since the request was sent. Never raises."""

    def reply_shape(self) -> bytes:
        """What distinguishes its normal reply from others of the device: equal shapes can be confused."""

    def exception_shape(self) -> bytes:
        """The same for a reply that refuses."""

    def exception_code(self, frame: bytes) -> int | None:
        """The code of a reply that refuses, None for a normal one."""

    def probe(self, outstanding: Set[bytes]) -> Self | None:
        """A harmless read of the same device with a reply of none of the ``outstanding`` shapes, or None."""

    def result(self, frame: bytes, at_s: float) -> "Result":
        """The outcome that a normal reply frame carries."""


class Framing(Protocol):
    """How a frame travels where it does not go out as it is: Modbus TCP puts a number before it."""

    def wrap(self, request: LineRequest) -> bytes:
        """The bytes to send for ``request``."""

    def find_reply(self, data: bytes, request: LineRequest) -> Found:
        """Look for the reply to the request that was wrapped last."""


class Result(msgspec.Struct, frozen=True, gc=False):
    """Outcome of one request; every submitted request gets exactly one.

    ``error`` is None when the request succeeded, else one of the ERROR_ words. ``at_s`` is the time at which the reply
    arrived, or at which the request was given up. Modbus reads give ``registers`` or ``bits``, DL/T 645 reads ``data``
    (the value without identifier, as on the wire) and whether ``more`` frames of it are to be requested.
    """

    request: LineRequest
    registers: tuple[int, ...] = ()
    bits: tuple[bool, ...] = ()
    error: str | None = None
    at_s: float = 0.0
    exception_code: int | None = None
    data: bytes = b""
    more: bool = False

    @property
    def ok(self) -> bool:
        """Whether the device did what was asked."""
        return self.error is None
