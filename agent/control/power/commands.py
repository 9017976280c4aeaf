"""Power limits by command 功率限值指令: who set them, until when, and what holds when they run out."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Origin = Literal["platform", "site", "local"]
"""Platform (ordered charging 有序充电), controller of a group of piles (群充群控), person at the pile."""
ORIGINS: tuple[Origin, ...] = get_args(Origin)

LONGEST_VALIDITY_S = 86_400.0
"""A limit that raises is renewed at least once a day (own)."""

Answer = Literal["granted", "value_invalid", "expired", "expiry_missing", "expiry_too_far"]


@dataclass(frozen=True, slots=True)
class LimitCommand:
    """A limit of the whole pile, DC side.

    ``expires_at_s`` is monotonic time, worked out from the command's own expiry when it came in; None when that is
    missing or the clock is unset, so that it means nothing.
    """

    value_w: float
    origin: Origin
    expires_at_s: float | None


class LimitBook:
    """The last limit of every origin.

    The least of them holds. An origin with an expired limit counts with the default until it sends another one
    (R-45: a silent controller leaves the fail-safe share). Less power is always granted; more needs an expiry.
    """

    def __init__(self, default_w: float) -> None:
        self._default_w = default_w
        self._limits: dict[Origin, LimitCommand] = {}

    def take(self, command: LimitCommand, now_s: float) -> Answer:
        """Judge a command and keep it if it is granted.

        A command that has run out is answered and changes nothing. One without expiry is granted only if it lowers
        what its origin has now; it holds until the origin sends another one.
        """
        if not math.isfinite(command.value_w) or command.value_w < 0 or command.origin not in ORIGINS:
            return "value_invalid"
        expires_at_s = command.expires_at_s
        if expires_at_s is not None and not math.isfinite(expires_at_s):
            expires_at_s = None
        if expires_at_s is not None and expires_at_s <= now_s:
            return "expired"
        if command.value_w > self._of(command.origin, now_s):
            if expires_at_s is None:
                return "expiry_missing"
            if expires_at_s - now_s > LONGEST_VALIDITY_S:
                return "expiry_too_far"
        self._limits[command.origin] = LimitCommand(command.value_w, command.origin, expires_at_s)
        return "granted"

    def end(self, origin: Origin) -> None:
        """An origin takes its limit back: those of the others, or the default, hold."""
        self._limits.pop(origin, None)

    def in_force(self, now_s: float) -> tuple[float, str]:
        """The limit now, in W, and who set it: ``command:<origin>`` or ``default``."""
        found = [(self._of(origin, now_s), self._by(origin, now_s)) for origin in self._limits]
        return min(found, default=(self._default_w, "default"))

    def expired(self, now_s: float) -> tuple[Origin, ...]:
        """Origins with a limit that has expired and was not renewed."""
        return tuple(origin for origin in self._limits if self._by(origin, now_s) == "default")

    def _by(self, origin: Origin, now_s: float) -> str:
        held = self._limits.get(origin)
        if held is None or (held.expires_at_s is not None and held.expires_at_s <= now_s):
            return "default"
        return f"command:{origin}"

    def _of(self, origin: Origin, now_s: float) -> float:
        return self._limits[origin].value_w if self._by(origin, now_s) != "default" else self._default_w
