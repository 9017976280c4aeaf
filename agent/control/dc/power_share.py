"""A connector's part of the power of the pile, as the power sharing grants it: with an expiry, and zero after it."""

from dataclasses import dataclass

from agent.vocabulary.reasons import Reason

EXPIRED = "expired"
"""Who limits when a share has not been renewed in time."""


@dataclass(frozen=True, slots=True)
class PowerShare:
    """Ceilings of one connector. ``power_w`` and ``current_a`` are >= 0; ``by`` names who limits.

    Raises ValueError for a negative value or one that is no number: what makes no sense is refused.
    """

    power_w: float
    current_a: float
    by: str
    expires_at_s: float
    """Monotonic time after which the share counts as zero."""

    def __post_init__(self) -> None:
        """See the class."""
        for name, value in (("power_w", self.power_w), ("current_a", self.current_a)):
            if not value >= 0.0:
                raise ValueError(f"{name} of a power share must be at least 0, not {value}")

    def at(self, now_s: float) -> tuple[float, float, str]:
        """Power (W), current (A) and who limits, at ``now_s``."""
        if not now_s <= self.expires_at_s:
            # Also when the time is no number: such a share is in force at no time.
            return 0.0, 0.0, EXPIRED
        return self.power_w, self.current_a, self.by


@dataclass(frozen=True, slots=True)
class Sharing:
    """What power sharing says of a connector besides its share. The default is that of a pile that shares nothing."""

    findings: frozenset[str] = frozenset()
    """Faults of ``POWER_FINDINGS`` that act on this connector now."""
    reasons: tuple[Reason, ...] = ()
    """Why its contactors must not close now."""
    modules_away: bool = False
    """No group of modules is joined to it."""


ALONE = Sharing()
