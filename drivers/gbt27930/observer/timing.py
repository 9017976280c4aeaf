"""Periods and time limits of a dialogue between two others, watched from outside.

Both sides' limits are kept: those of the charger are in ``timers``, those of the vehicle here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.charger.timers import BY_WATCH, TIME_LIMITS, Watch
from drivers.gbt27930.messages.fields import Message, Sender
from drivers.gbt27930.observer import rules
from drivers.gbt27930.observer.model import MessageCount, Session, Stage
from drivers.gbt27930.observer.transfers import Tell

_PAUSE = "BSM"


@dataclass(frozen=True, slots=True)
class _Limit:
    """Message ``name`` must come within ``limit_s``."""

    name: str
    limit_s: float
    source: str


VEHICLE_LIMITS: Mapping[str, _Limit] = MappingProxyType(
    {
        "CRM": _Limit("CRM", 30.0, "2015, vehicle: CRM within 30 s"),
        "CRM AA": _Limit("CRM", 5.0, "2015, vehicle: CRM AA"),
        "CML": _Limit("CML", 5.0, "2015, vehicle: CTS and CML"),
        "CRO": _Limit("CRO", 5.0, "2015, vehicle: CRO within 5 s"),
        "CRO AA": _Limit("CRO", 60.0, "2015, vehicle: CRO AA within 60 s"),
        "CCS": _Limit("CCS", 1.0, "2015, vehicle: CCS"),
        "CST": _Limit("CST", 5.0, "2015, vehicle: CST after BST"),
        "CSD": _Limit("CSD", 10.0, "2015, vehicle: CSD after BST"),
    }
)
"""How long the vehicle waits, by what it waits for."""

_WATCHED_WHILE_CHARGING: Mapping[str, Watch] = MappingProxyType({"BCL": Watch.BCL, "BCS": Watch.BCS, "BSM": Watch.BSM})

_FIRST: Mapping[str, Watch] = MappingProxyType({"BCL": Watch.BCL_FIRST, "BCS": Watch.BCS_FIRST})

_OUTLIVES: Mapping[Stage, tuple[str, ...]] = MappingProxyType(
    {
        Stage.WAIT_READY: ("CRO AA",),
        Stage.READY: (Watch.PAUSE.value,),
        Stage.CHARGING: (Watch.PAUSE.value,),
        Stage.ENDING: (Watch.BST.value, Watch.BSD.value),
    }
)
"""What stays awaited when a stage begins; everything else is over with the stage before."""

_ROUNDING_MS = 0.01

LARGEST_DOUBT_S = 0.6
"""The side that waits must have been heard this shortly before the limit. Own choice."""


class Timing:
    """Watches the clock for one session after the other."""

    def __init__(self, edition: Edition, tell: Tell) -> None:
        self._edition = edition
        self._tell = tell
        self._watches: dict[str, tuple[float, _Limit, Sender]] = {}
        self._starts: dict[str, float] = {}
        self._bst_seen = False
        self._cst_seen = False

    def clear(self) -> None:
        """A session or an attempt begins: nothing is awaited, no interval is running."""
        self._watches.clear()
        self._starts.clear()
        self._bst_seen = self._cst_seen = False

    def forget(self, name: str) -> None:
        """The interval of ``name`` that runs now is not judged."""
        self._starts.pop(name, None)

    def next_due(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        return min((due_s for due_s, _, _ in self._watches.values()), default=None)

    # ---------------------------------------------------------------------------------------------- periods

    def interval(self, message: Message, started_s: float, count: MessageCount) -> None:
        """Judges the time since the last sending of ``message``, both counted at their first frame."""
        last_s = self._starts.get(message.name)
        self._starts[message.name] = started_s
        if last_s is None:
            return
        seen_s = started_s - last_s
        count.intervals += 1
        count.interval_sum_s += seen_s
        count.interval_least_s = min(count.interval_least_s, seen_s)
        count.interval_most_s = max(count.interval_most_s, seen_s)
        quiet_ms, jitter_ms = rules.PERIOD_TOLERANCE_MS[message.period_ms]
        off_ms = seen_s * 1000 - message.period_ms
        if abs(off_ms) <= quiet_ms + _ROUNDING_MS:
            return
        code = (
            "period.jitter"
            if abs(off_ms) <= jitter_ms + _ROUNDING_MS
            else "period.late"
            if off_ms > 0
            else "period.early"
        )
        expected = f"{message.period_ms} ms ± {quiet_ms if code == 'period.jitter' else jitter_ms:g} ms"
        self._tell(code, message.name, started_s, expected, f"{seen_s * 1000:.0f} ms", abs(off_ms) / 1000)

    # ------------------------------------------------------------------------------------------------ limits

    def entered(self, stage: Stage, now_s: float) -> None:
        """A stage has begun: what it waits for is awaited from now on."""
        outlives = _OUTLIVES.get(stage, ())
        self._watches = {key: watch for key, watch in self._watches.items() if key in outlives}
        if stage is not Stage.INSULATION:  # the handshake has begun before
            for limit in TIME_LIMITS:
                if limit.starts_in is not None and limit.starts_in.value == stage.value:
                    self._await_vehicle(limit.watch, now_s)
        if stage is Stage.INSULATION:
            self._await_charger("CRM", now_s)
        elif stage is Stage.CHARGING:
            self._await_vehicle(Watch.BCL, now_s)
            self._await_vehicle(Watch.BCS, now_s)
            self._await_charger("CCS", now_s)

    def heard(self, name: str, ready: bool | None, session: Session, now_s: float) -> None:
        """Message ``name`` is complete; ``ready`` is its yes or no where it has one."""
        stage = session.stage
        watched = _WATCHED_WHILE_CHARGING.get(name)
        if watched is not None and stage is Stage.CHARGING:
            if BY_WATCH[watched].applies(self._edition):
                self._await_vehicle(watched, now_s)
        elif name == "CCS" and stage is Stage.CHARGING:
            self._await_charger("CCS", now_s)
        elif name == "BRO":
            self._heard_bro(bool(ready), stage, now_s)
        elif name == "CRO":
            self._drop("CRO", *(["CRO AA"] if ready else []))
        elif name in ("BCL", "BCS"):
            self._drop(_FIRST[name].value)
            both = session.values("BCL") and session.values("BCS")
            if stage is Stage.READY and both and "CCS" not in self._watches:
                self._await_charger("CCS", now_s)
        else:
            self._heard_once(name, ready, session, now_s)

    def pause(self, now_s: float) -> None:
        """The vehicle has asked for a pause."""
        self._await_vehicle(Watch.PAUSE, now_s)

    def resume(self) -> None:
        """The pause is over."""
        self._drop(Watch.PAUSE.value)

    def expire(self, session: Session, last_heard: Mapping[Sender, float], now_s: float) -> None:
        """Reports what did not come in time, if the other side was there to wait for it."""
        for key, (due_s, limit, sender) in list(self._watches.items()):
            if now_s < due_s:
                continue
            del self._watches[key]
            if key == Watch.PAUSE.value:
                self._tell("pause.long", _PAUSE, due_s, f"≤ {limit.limit_s:g} s")
                continue
            waiting = Sender.VEHICLE if sender is Sender.CHARGER else Sender.CHARGER
            # Of two silent sides neither misses the other; and who was never heard is not part of this recording.
            if sender in session.heard_from and last_heard.get(waiting, 0.0) >= due_s - LARGEST_DOUBT_S:
                self._tell("missing", limit.name, due_s, f"≤ {limit.limit_s:g} s", source=limit.source)

    # ------------------------------------------------------------------------------------------------ inside

    def _heard_bro(self, ready: bool, stage: Stage, now_s: float) -> None:
        self._drop(Watch.BRO.value)
        if not ready:
            return
        if Watch.BRO_READY.value in self._watches and stage is Stage.PARAMETERS:
            self._await_charger("CRO", now_s)
            self._await_charger("CRO AA", now_s)
        self._drop(Watch.BRO_READY.value)
        if stage is Stage.WAIT_READY:
            self._await_vehicle(Watch.BRO_AGAIN, now_s)

    def _heard_once(self, name: str, ready: bool | None, session: Session, now_s: float) -> None:
        if name == "BHM":
            self._drop(Watch.BHM.value)
        elif name == "BRM" and session.stage is Stage.RECOGNITION and "CRM AA" not in self._watches:
            self._drop(Watch.BRM.value)
            self._await_charger("CRM AA", now_s)
        elif name == "BCP" and session.stage is Stage.RECOGNISED and "CML" not in self._watches:
            self._drop(Watch.BCP.value)
            self._await_charger("CML", now_s)
        elif name == "CRM":
            self._drop("CRM", *(["CRM AA"] if ready else []))
        elif name == "BST":
            self._heard_bst(now_s)
        elif name == "CST":
            self._heard_cst(session.stage, now_s)
        elif name == "BSD":
            self._drop(Watch.BSD.value)
        elif name in ("CML", "CSD"):
            self._drop(name)

    def _heard_bst(self, now_s: float) -> None:
        self._drop(Watch.BST.value)
        if self._bst_seen:
            return
        self._bst_seen = True
        self._await_charger("CSD", now_s)
        if not self._cst_seen:
            self._await_charger("CST", now_s)

    def _heard_cst(self, stage: Stage, now_s: float) -> None:
        self._drop("CST")
        if not self._cst_seen and stage is Stage.STOPPING:
            self._await_vehicle(Watch.BSD, now_s)  # runs from the first CST, wherever the stop began
        self._cst_seen = True

    def _await_vehicle(self, watch: Watch, now_s: float) -> None:
        limit = BY_WATCH[watch]
        limit_s = limit.limit(self._edition)
        self._watches[watch.value] = (now_s + limit_s, _Limit(limit.missing, limit_s, limit.source), Sender.VEHICLE)

    def _await_charger(self, key: str, now_s: float) -> None:
        limit = VEHICLE_LIMITS[key]
        self._watches[key] = (now_s + limit.limit_s, limit, Sender.CHARGER)

    def _drop(self, *keys: str) -> None:
        for key in keys:
            self._watches.pop(key, None)
