"""Follows the dialogue of a charger and a vehicle from what both have sent: sessions, attempts, stages, content."""

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from drivers.gbt27930.charger.expectations import raised
from drivers.gbt27930.charger.phases import Edition, Latest
from drivers.gbt27930.charger.timers import BY_WATCH, LONGEST_RECONNECTS, Watch
from drivers.gbt27930.judge.limits import LIMITS, JudgeLimits
from drivers.gbt27930.judge.states import faults_of
from drivers.gbt27930.messages.fields import MessageError, Sender
from drivers.gbt27930.messages.table import CODECS, Message
from drivers.gbt27930.observer import rules
from drivers.gbt27930.observer.checks import Checks
from drivers.gbt27930.observer.model import (
    TIMELINE_AT_MOST,
    Extremes,
    Group,
    Heard,
    MessageCount,
    Observation,
    Outcome,
    Pause,
    Session,
    Stage,
    StageChange,
)
from drivers.gbt27930.observer.timing import VEHICLE_LIMITS, Timing

GROUPS_AT_MOST = 256
"""Kinds of observations kept per session; further kinds are reported, but not kept."""

LARGEST_GAP_COUNTED_S = 1.0
"""CCS frames further apart do not count for the energy estimate."""

_RANK: Mapping[Stage, int] = MappingProxyType({stage: rank for rank, stage in enumerate(Stage)})

_OUTCOMES: Mapping[Stage, Outcome] = MappingProxyType(
    {Stage.ENDING: Outcome.COMPLETE, Stage.STOPPING: Outcome.STOPPED, Stage.TIMED_OUT: Outcome.TIMED_OUT}
)

_YES_SHOWS: Mapping[str, Stage] = MappingProxyType({"CRM": Stage.RECOGNISED, "CRO": Stage.READY})

_VEHICLE_MOVES = frozenset({"BHM", "BST"})
"""Messages of the vehicle that show a stage of their own; all others follow the charger."""

_EXTREMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "BCL": ("voltage_v", "current_a"),
        "BCS": ("voltage_v", "current_a", "soc_percent", "maximum_cell_voltage_v"),
        "CCS": ("voltage_v", "current_a"),
        "BSM": ("highest_temperature_c", "lowest_temperature_c"),
    }
)

_REPORTED_MISSING: Mapping[str, Watch] = MappingProxyType(
    {"bcl_timeout": Watch.BCL, "bcs_timeout": Watch.BCS, "bsm_timeout": Watch.BSM}
)


class Dialogue:
    """The sessions on one bus. ``emit`` takes every observation; ``on_attempt`` is called when all begins again."""

    def __init__(
        self,
        edition: Edition,
        sessions_at_most: int,
        emit: Callable[[Observation], None],
        on_attempt: Callable[[], None],
        limits: JudgeLimits | None = None,
    ) -> None:
        self.session: Session | None = None
        self.sessions: deque[Session] = deque(maxlen=sessions_at_most)
        self.last_heard: dict[Sender, float] = {}
        self._emit = emit
        self._on_attempt = on_attempt
        self._edition = edition
        self._number = 0
        self._timing = Timing(edition, self.tell)
        self._checks = Checks(self.tell, LIMITS[edition] if limits is None else limits)
        self._silence_told = False
        self._decoded: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self._last_ccs_s = 0.0

    # ---------------------------------------------------------------------------------------------- reports

    def tell(
        self, code: str, message: str, at_s: float, expected: str = "", seen: str = "", amount: float = 0.0,
        source: str = "",
    ) -> None:  # fmt: skip
        """Makes an observation and keeps it in its group of the session."""
        rule = rules.RULES[code]
        groups: dict[tuple[str, str], Group] = {} if self.session is None else self.session.groups
        group = groups.get((code, message))
        observation = Observation(
            code, rule.severity, at_s, message, expected, seen, amount, source or rule.source, first=group is None
        )
        if group is not None:
            group.count += 1
            group.last_s = at_s
            if amount > group.worst.amount:
                group.worst = observation
        elif len(groups) < GROUPS_AT_MOST:
            groups[code, message] = Group(observation, observation, at_s)
        self._emit(observation)

    # ------------------------------------------------------------------------------------------------- time

    def frame_of(self, sender: Sender, now_s: float) -> None:
        """Any frame of either side has passed."""
        self.last_heard[sender] = now_s
        self._silence_told = False
        if self.session is not None:
            self.session.last_frame_s = now_s

    def next_due(self) -> float | None:
        """When ``expire`` has something to do, or None."""
        session = self.session
        if session is None:
            return None
        dues = [session.last_frame_s + self._silence_s(session)]
        if not self._silence_told:
            dues.append(session.last_frame_s + rules.BUS_SILENT_S)
        watched = self._timing.next_due()
        if watched is not None:
            dues.append(watched)
        return min(dues)

    def expire(self, now_s: float) -> None:
        """Does what time demands."""
        session = self.session
        if session is None:
            return
        self._timing.expire(session, self.last_heard, now_s)
        silent_s = now_s - session.last_frame_s
        if silent_s >= self._silence_s(session):
            self.end(session, session.last_frame_s)
        elif silent_s >= rules.BUS_SILENT_S and not self._silence_told:
            self._silence_told = True
            self.tell("bus.silent", "", session.last_frame_s, f"{rules.BUS_SILENT_S:g} s")

    def end(self, session: Session, at_s: float, *, cut_off: bool = False) -> None:
        """The present session is over; ``cut_off`` when only the listening ends."""
        outcome = _OUTCOMES.get(session.stage, Outcome.CUT_OFF if cut_off else Outcome.BROKEN_OFF)
        if outcome is Outcome.COMPLETE and "BSD" not in session.latest:
            outcome = Outcome.STOPPED
        self.tell("session.end", "", at_s, seen=outcome.value)
        if session.paused and session.pauses:
            session.pauses[-1].until_s = at_s
        session.outcome = outcome
        session.ended_s = at_s
        self._enter(session, Stage.ENDED, at_s, told=False)
        self.session = None
        self._clear()

    # --------------------------------------------------------------------------------------------- messages

    def take(self, message: Message, payload: bytes, started_s: float, now_s: float, multi_packet: bool) -> Heard:
        """A complete message has passed."""
        name = message.name
        values = self._read(message, payload)
        heard = Heard(name, message.sender, payload, values, started_s, now_s, multi_packet)
        session = self._session_for(heard)
        one_sided = session.heard_from <= {message.sender}
        session.heard_from.add(message.sender)
        self._follow(session, heard, one_sided)
        before = session.values(name)
        self._count(session, message, heard, before)
        if not self._length_is_right(message, heard):
            return heard
        if values is None:
            return heard
        session.latest[name] = Latest(values, now_s)
        self._timing.heard(name, _yes(values), session, now_s)
        self._checks.values(message, payload, values, now_s)
        self._content(session, heard, before)
        return heard

    def _session_for(self, heard: Heard) -> Session:
        """The session a message belongs to: the present one, or a new one."""
        session = self.session
        if session is not None and self._begins_anew(session, heard):
            self.end(session, heard.started_s)
            session = None
        if session is None:
            session = self._begin(heard)
        return session

    def _begins_anew(self, session: Session, heard: Heard) -> bool:
        """Whether a message of the charger belongs to a new session rather than to the present one."""
        stage, at_s = session.stage, heard.started_s
        if heard.name == "CHM":
            if stage is Stage.TIMED_OUT:
                return at_s - self.last_heard.get(Sender.VEHICLE, at_s) > rules.SILENCE_S
            return _RANK[stage] > _RANK[Stage.INSULATION] and not self._trails(session, "CHM", at_s)
        return (
            heard.name == "CRM" and stage in (Stage.STOPPING, Stage.ENDING) and not self._trails(session, "CRM", at_s)
        )

    def _begin(self, heard: Heard) -> Session:
        self._number += 1
        home = self._shown(heard)
        from_start = home in (Stage.HANDSHAKE, Stage.RECOGNITION) and heard.sender is Sender.CHARGER
        session = Session(self._number, heard.started_s, from_start, last_frame_s=heard.at_s)
        self.session = session
        self.sessions.append(session)
        self._clear()
        self.tell("session.begin", heard.name, heard.started_s)
        if not from_start:
            self.tell("capture.middle", heard.name, heard.started_s, seen=home.value)
        return session

    def _clear(self) -> None:
        self._timing.clear()
        self._checks.clear()
        self._decoded.clear()

    # ----------------------------------------------------------------------------------------------- stages

    def _follow(self, session: Session, heard: Heard, one_sided: bool) -> None:
        """Moves to the stage the message shows, and reports a message that has no place here."""
        name, now_s, stage = heard.name, heard.at_s, session.stage
        shown = self._shown(heard)
        if stage is Stage.IDLE:
            self._enter(session, shown, now_s, awaiting=session.from_start or shown is Stage.CHARGING)
        elif name in ("CEM", "BEM"):
            if stage not in (Stage.TIMED_OUT, Stage.ENDING):
                self._enter(session, Stage.TIMED_OUT, now_s)
        elif stage is Stage.TIMED_OUT and name in ("CHM", "CRM"):
            self._attempt(session, shown, now_s)
        elif one_sided and heard.sender is Sender.VEHICLE:
            if _RANK[shown] > _RANK[stage]:
                self._enter(session, shown, now_s, awaiting=False)
        elif stage not in self._allowed(name):
            self._out_of_place(session, heard, shown)
        elif _RANK[shown] > _RANK[stage] and (heard.sender is Sender.CHARGER or name in _VEHICLE_MOVES):
            self._check_needs(session, heard, shown)
            self._enter(session, shown, now_s)

    def _out_of_place(self, session: Session, heard: Heard, shown: Stage) -> None:
        name, stage = heard.name, session.stage
        if self._trails(session, name, heard.at_s):
            return
        allowed = ", ".join(each.value for each in Stage if each in self._allowed(name))
        self.tell("order", name, heard.at_s, allowed, stage.value)
        if heard.sender is not Sender.CHARGER:
            return
        if _RANK[shown] > _RANK[stage] and stage is not Stage.TIMED_OUT:
            self._enter(session, shown, heard.at_s)
        elif name == "CRM" and shown is Stage.RECOGNITION and _RANK[stage] > _RANK[Stage.RECOGNISED]:
            self._attempt(session, shown, heard.at_s)

    def _trails(self, session: Session, name: str, at_s: float) -> bool:
        """Whether a message may still come from a former stage."""
        if at_s - session.stage_since_s > rules.TRAILING_S:
            return False
        place = rules.PLACES[name]
        former = session.timeline[-2].stage if len(session.timeline) > 1 else Stage.IDLE
        return session.stage is Stage.TIMED_OUT or session.stage in place.trailing or former in self._allowed(name)

    def _allowed(self, name: str) -> frozenset[Stage]:
        place = rules.PLACES[name]
        return place.allowed if self._edition == "2015" else place.allowed | place.allowed_2023

    def _check_needs(self, session: Session, heard: Heard, shown: Stage) -> None:
        """Reports when what must come before a message of the charger has not come."""
        if len(session.timeline) < 2 and not session.from_start:
            return  # it may have come before the listening began
        name = heard.name
        needs = ("BRM",) if name == "CRM" and shown is Stage.RECOGNISED else rules.PLACES[name].needs
        open_needs = [need for need in needs if need not in session.latest or _yes(session.values(need)) is False]
        if open_needs and Sender.VEHICLE in session.heard_from:
            self.tell("order.early", name, heard.at_s, ", ".join(open_needs))
        if shown is Stage.READY and session.stage is Stage.PARAMETERS:
            self.tell("ready.direct", name, heard.at_s)

    def _shown(self, heard: Heard) -> Stage:
        """The stage a message shows by itself."""
        yes = _yes(heard.values or {})
        return _YES_SHOWS[heard.name] if heard.name in _YES_SHOWS and yes else rules.PLACES[heard.name].home

    def _attempt(self, session: Session, stage: Stage, now_s: float) -> None:
        session.attempts += 1
        self.tell("attempt", "", now_s, seen=str(session.attempts))
        if session.attempts > 1 + LONGEST_RECONNECTS:
            self.tell("attempts", "", now_s, f"{LONGEST_RECONNECTS}", f"{session.attempts - 1}", session.attempts - 1)
        session.latest = {name: latest for name, latest in session.latest.items() if name in ("CHM", "BHM")}
        self._set_paused(session, False, now_s)
        self._clear()
        self._on_attempt()
        self._enter(session, stage, now_s)

    def _enter(self, session: Session, stage: Stage, now_s: float, *, awaiting: bool = True, told: bool = True) -> None:
        session.stage = stage
        session.stage_since_s = now_s
        if len(session.timeline) < TIMELINE_AT_MOST:
            session.timeline.append(StageChange(now_s, stage, session.attempts))
        else:
            session.timeline_dropped += 1
        if told:
            self.tell("stage", "", now_s, seen=stage.value)
        if awaiting:
            self._timing.entered(stage, now_s)

    # ---------------------------------------------------------------------------------------------- content

    def _read(self, message: Message, payload: bytes) -> dict[str, Any] | None:
        """The values, or None when the length is wrong. The same content again costs nothing."""
        known = self._decoded.get(message.name)
        if known is not None and known[0] == payload:
            return known[1]
        try:
            values = CODECS[message.name].decode(payload)
        except MessageError:
            return None
        self._decoded[message.name] = (payload, values)
        return values

    def _length_is_right(self, message: Message, heard: Heard) -> bool:
        """Reports a wrong or other length; False when the content must not be used."""
        size, name, at_s = len(heard.payload), message.name, heard.at_s
        if message.length > 8 and not heard.multi_packet:
            self.tell("transferred", name, at_s, f"{message.length} bytes", f"{size} bytes")
            return False
        if heard.values is not None and size == (message.length or size):
            return True
        known = rules.KNOWN_LENGTHS.get(name, {}).get(size)
        expected = (
            f"{message.length} bytes" if message.length else f"1-{message.maximum_items} x {message.item_bytes} bytes"
        )
        if known is None:
            self.tell("length", name, at_s, expected, f"{size} bytes", abs(size - message.length))
            return False
        self.tell("length.variant", name, at_s, expected, f"{size} bytes, {known}")
        return True

    def _count(self, session: Session, message: Message, heard: Heard, before: Mapping[str, Any]) -> None:
        name = message.name
        count = session.counts.setdefault(name, MessageCount(first_s=heard.started_s))
        count.count += 1
        count.last_s = heard.at_s
        if name in rules.VARIABLE_CONTENT and _yes(before) is not _yes(heard.values or {}):
            self._timing.forget(name)
        self._timing.interval(message, heard.started_s, count)

    def _content(self, session: Session, heard: Heard, before: Mapping[str, Any]) -> None:
        name, values, now_s = heard.name, heard.values or {}, heard.at_s
        for field in _EXTREMES.get(name, ()):
            if values[field] is not None:
                session.extremes.setdefault(f"{name}.{field}", Extremes()).take(values[field])
        if name == "CCS":
            self._take_ccs(session, heard, values, before)
        elif name == "BCL":
            self._checks.demand(session, now_s)
        elif name == "BCS":
            self._checks.measured(session, now_s)
        elif name == "BSM":
            self._take_bsm(session, values, before, now_s)
            self._checks.battery(session, "BSM", now_s)
        elif name == "BRM":
            self._take_brm(session, values, before, now_s)
        elif name in ("BST", "CST"):
            self._take_stop(session, heard, values)
        elif name in ("BEM", "CEM"):
            self._take_error(session, heard, values, before)

    def _take_ccs(self, session: Session, heard: Heard, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        now_s = heard.at_s
        if before.get("permitted") is not values["permitted"] and values["permitted"] is not None:
            self.tell("permit", "CCS", now_s, seen="permitted" if values["permitted"] else "pause")
        voltage_v, current_a = before.get("voltage_v"), before.get("current_a")
        gap_s = now_s - self._last_ccs_s
        self._last_ccs_s = now_s
        if before and voltage_v and current_a and 0 < gap_s <= LARGEST_GAP_COUNTED_S:
            session.energy_estimate_wh += voltage_v * current_a * gap_s / 3600
            session.charging_s += gap_s
        self._checks.output(session, values, now_s)

    def _take_bsm(self, session: Session, values: Mapping[str, Any], before: Mapping[str, Any], now_s: float) -> None:
        faults = faults_of(values)
        if faults and faults != (faults_of(before) if before else {}):
            self.tell("vehicle.fault", "BSM", now_s, seen=", ".join(faults))
        permitted = values["charging_permitted"]
        if permitted is not None and session.stage in (Stage.READY, Stage.CHARGING):
            self._set_paused(session, not permitted, now_s)

    def _set_paused(self, session: Session, paused: bool, now_s: float) -> None:
        if session.paused is paused:
            return
        session.paused = paused
        self.tell("pause" if paused else "resume", "BSM", now_s)
        if paused:
            self._timing.pause(now_s)
            if len(session.pauses) < TIMELINE_AT_MOST:
                session.pauses.append(Pause(now_s))
            return
        self._timing.resume()
        session.pauses[-1].until_s = now_s

    def _take_brm(self, session: Session, values: Mapping[str, Any], before: Mapping[str, Any], now_s: float) -> None:
        if values != before:
            self.tell("identified", "BRM", now_s, seen=values["vin"] or "")
        if values["version"] == "1.0" and not session.vehicle_2011:
            session.vehicle_2011 = True
            self.tell("vehicle.2011", "BRM", now_s, "1.1", "1.0")

    def _take_stop(self, session: Session, heard: Heard, values: Mapping[str, Any]) -> None:
        by_vehicle = heard.name == "BST"
        reasons = tuple(raised(values))
        known = session.bst_reasons if by_vehicle else session.cst_reasons
        first = session.counts[heard.name].count == 1
        if session.stop_side is None:
            asked = by_vehicle or values.get("stopped_by_vehicle") == 1
            session.stop_side = Sender.VEHICLE if asked else Sender.CHARGER
            session.stopped_at_s = heard.at_s
        merged = (*known, *(reason for reason in reasons if reason not in known))
        if by_vehicle:
            session.bst_reasons = merged
        else:
            session.cst_reasons = merged
        if first or merged != known:
            self.tell("stop", heard.name, heard.at_s, seen=", ".join(reasons))

    def _take_error(self, session: Session, heard: Heard, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        if values == before:
            return
        by_vehicle = heard.name == "BEM"
        reasons = raised(values)
        known = session.bem_reasons if by_vehicle else session.cem_reasons
        merged = (*known, *(reason for reason in reasons if reason not in known))
        if by_vehicle:
            session.bem_reasons = merged
        else:
            session.cem_reasons = merged
        self.tell("timeout", heard.name, heard.at_s, seen=", ".join(reasons))
        for reason in reasons:
            self._check_founded(session, heard, reason)

    def _check_founded(self, session: Session, heard: Heard, reason: str) -> None:
        """A message reported as missing must really have been missing."""
        watch = _REPORTED_MISSING.get(reason)
        if watch is not None:
            missing, limit_s = BY_WATCH[watch].missing, BY_WATCH[watch].limit_s
        elif reason == "ccs_timeout":
            missing, limit_s = "CCS", VEHICLE_LIMITS["CCS"].limit_s
        else:
            return
        latest = session.latest.get(missing)
        if latest is not None and heard.at_s - latest.at_s < limit_s / 2:
            ago = f"{missing} {heard.at_s - latest.at_s:.2f} s before"
            self.tell("timeout.unfounded", heard.name, heard.at_s, f"{missing} missing for {limit_s:g} s", ago)

    # ----------------------------------------------------------------------------------------------- inside

    def _silence_s(self, session: Session) -> float:
        both = "BSD" in session.latest and "CSD" in session.latest
        return rules.SILENCE_AFTER_END_S if session.stage is Stage.ENDING and both else rules.SILENCE_S


def _yes(values: Mapping[str, Any]) -> bool | None:
    """The yes or no of CRM, CRO and BRO; None for every other message and when there is neither."""
    yes: bool | None = values.get("recognised", values.get("ready"))
    return yes
