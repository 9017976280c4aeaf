"""The energy register of the billing meter: which readings may enter a bill, and what to call the others.

The register is the truth and counts in steps of the meter's own resolution. It goes up by no more than the pile can
deliver, or begins again at 0 where the map allows it; every other reading is held off with its reason. Nothing is
estimated.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.vocabulary import events
from drivers.meters.register_form import RegisterForm

_POWER_MARGIN = 1.2
"""Over the rated power: 10 % over-current (GB 44263-2024), the error of the meter, and reserve (own)."""
_LAG_S = 5.0
"""A register may show this much energy late and all at once: it is updated and polled in steps of time (own)."""
_UNSEEN_S = 120.0
"""So long energy may have flowed after the last register of a session (own): a lost meter ends it within seconds."""
_LAG_STEPS = 2
"""Digits that resolution alone may add (own)."""


class Verdict(StrEnum):
    """What a reading of the register is, seen from the one before."""

    ADVANCED = "advanced"
    """As high or higher, by no more than could have flowed."""
    ROLLED_OVER = "rolled_over"
    """Lower, because the counter began again at 0."""
    LOWER = "lower"
    """It went back."""
    JUMPED = "jumped"
    """Higher by more than the pile could deliver."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``advance_wh`` is the energy between the two readings; 0 unless the reading is good."""

    verdict: Verdict
    advance_wh: int = 0

    @property
    def good(self) -> bool:
        """The reading may enter a bill."""
        return self.verdict in (Verdict.ADVANCED, Verdict.ROLLED_OVER)


def lag_wh(maximum_power_w: float, form: RegisterForm) -> float:
    """Energy that may show up late, Wh: ``_LAG_S`` of the highest power and ``_LAG_STEPS`` digits."""
    return maximum_power_w * _POWER_MARGIN * _LAG_S / 3600.0 + _LAG_STEPS * form.step_wh


def flowed_wh(maximum_power_w: float, elapsed_s: float) -> float:
    """Most energy that can flow in a time, Wh."""
    return maximum_power_w * _POWER_MARGIN * max(0.0, elapsed_s) / 3600.0


def judge(former_wh: int, register_wh: int, allowance_wh: float, form: RegisterForm) -> Judgement:
    """Compare two readings of one register; ``allowance_wh`` is the most that can have flowed between them."""
    advance_wh = register_wh - former_wh
    if advance_wh >= 0:
        if advance_wh > allowance_wh:
            return Judgement(Verdict.JUMPED)
        return Judgement(Verdict.ADVANCED, advance_wh)
    if form.modulus_wh is not None and former_wh < form.modulus_wh:
        advance_wh += form.modulus_wh
        if advance_wh <= allowance_wh:
            return Judgement(Verdict.ROLLED_OVER, advance_wh)
    return Judgement(Verdict.LOWER)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a reading: whether it counts, an event for the record, and whether it is a fault."""

    accepted: bool
    event: dict[str, Any] | None = None
    abnormal: bool = False
    """Within a session: the bill can no longer trust the register."""
    moved: bool = False
    """Without a session: the register is where no charge has brought it."""


_ACCEPTED = Taken(True)
_HELD = Taken(False)
_EVENT_NAMES = {Verdict.LOWER: events.REGISTER_LOWER, Verdict.JUMPED: events.REGISTER_JUMPED}


class RegisterWatch:
    """Memory of one register.

    Within a session the first bad reading holds the register for the rest of it: what follows after a wrong value is no
    better, and the customer never pays for it.

    The energy that may show up late is a reserve that fills only as fast as the pile could deliver, so that many small
    jumps are no way around the limit.
    """

    def __init__(self, form: RegisterForm, maximum_power_w: float) -> None:
        self.form = form
        self.last_wh: int | None = None
        """Newest good reading, as the meter shows it."""
        self.at_s = 0.0
        self.changed_at_s = 0.0
        """When the register was last seen at another value."""
        self.rejected: dict[str, Any] | None = None
        """The reading of this session that was held off, and why; None while there is none."""
        self.before_move_wh: int | None = None
        """Last good reading before the register moved without a session, until an exchange explains it."""
        self.compared = False
        """The register was compared with the ledger, or a session has made that pointless."""
        self._maximum_power_w = maximum_power_w
        self._full_wh = lag_wh(maximum_power_w, form)
        self._reserve_wh = self._full_wh
        self._rolled_wh = 0

    @property
    def held(self) -> bool:
        """A bad reading has come in this session; no further one is taken."""
        return self.rejected is not None

    @property
    def total_wh(self) -> int | None:
        """The newest good reading, counted on over the roll-overs of this session."""
        return None if self.last_wh is None else self.last_wh + self._rolled_wh

    def compare(self, end_wh: int) -> dict[str, Any] | None:
        """Compare with the end of the last session in the ledger, once in a run of the program.

        A meter is mostly exchanged while everything is off: then the register is not seen to move. Returns the event
        for the record if it is where it cannot be, else None. Energy that flowed after a meter was lost may be missing.
        """
        if self.compared or self.last_wh is None:
            return None
        self.compared = True
        allowance_wh = self._full_wh + flowed_wh(self._maximum_power_w, _UNSEEN_S)
        judgement = judge(end_wh, self.last_wh, allowance_wh, self.form)
        if judgement.good:
            return None
        if self.before_move_wh is None:
            self.before_move_wh = end_wh
        name = _EVENT_NAMES[judgement.verdict]
        return {"event": name, "former_wh": end_wh, "register_wh": self.last_wh, "since": "last_session"}

    def begin_session(self) -> None:
        """A session begins at the present register."""
        self.compared = True
        self._rolled_wh = 0
        self.rejected = None

    def take(self, register_wh: int, at_s: float, *, in_session: bool) -> Taken:
        """A sound reading of ``register_wh`` taken at ``at_s`` (monotonic, not older than the one before)."""
        former_wh = self.last_wh
        if former_wh is None:
            self._accept(register_wh, at_s)
            return _ACCEPTED
        if in_session and self.held:
            return _HELD
        allowance_wh = self._reserve_wh + flowed_wh(self._maximum_power_w, at_s - self.at_s)
        judgement = judge(former_wh, register_wh, allowance_wh, self.form)
        if judgement.good:
            event = None
            if judgement.verdict is Verdict.ROLLED_OVER:
                self._rolled_wh += self.form.modulus_wh or 0
                event = {"event": events.REGISTER_ROLLED_OVER, "modulus_wh": self.form.modulus_wh}
            elif self.held:
                event = {"event": events.REGISTER_RESUMED}
            self.rejected = None
            self._reserve_wh = min(self._full_wh, allowance_wh - judgement.advance_wh)
            self._accept(register_wh, at_s)
            return Taken(True, None if event is None else {**event, "former_wh": former_wh, "register_wh": register_wh})
        event = {"event": _EVENT_NAMES[judgement.verdict], "former_wh": former_wh, "register_wh": register_wh}
        if in_session:
            self.rejected = {"why": str(judgement.verdict), "register_wh": register_wh, "plausible_wh": former_wh}
            return Taken(False, event, abnormal=True)
        # Without a session the meter was exchanged, or is wrong; either way this is where the next bill begins.
        if self.before_move_wh is None:
            self.before_move_wh = former_wh
        self.rejected = None
        self._reserve_wh = self._full_wh
        self._accept(register_wh, at_s)
        return Taken(True, event, moved=True)

    def exchanged(self) -> None:
        """An exchange of the meter explains the register."""
        self.before_move_wh = None

    def _accept(self, register_wh: int, at_s: float) -> None:
        if register_wh != self.last_wh:
            self.changed_at_s = at_s
        self.last_wh, self.at_s = register_wh, at_s
