"""Listens to the dialogue of a charger and a vehicle and reports its course and its errors. Sends nothing.

Every frame of the bus, of either side, and the time go in; observations come out, and a view of the session. No I/O, no
clock, no exception whatever the frames are, bounded memory. Used by the decoder for people and by the monitor role.
"""

import math
from collections import deque
from dataclasses import dataclass

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.judge.limits import JudgeLimits
from drivers.gbt27930.messages.fields import CHARGER_ADDRESS, VEHICLE_ADDRESS, Sender
from drivers.gbt27930.messages.table import message_of
from drivers.gbt27930.observer import rules
from drivers.gbt27930.observer.dialogue import Dialogue
from drivers.gbt27930.observer.model import Heard, Observation, Outcome, Session, Severity, Stage
from drivers.gbt27930.observer.rules import RULES, Rule
from drivers.gbt27930.observer.transfers import CONTROL_BYTES, HeardTransfers
from drivers.gbt27930.transport import segments

__all__ = [
    "RULES",
    "Foreign",
    "Heard",
    "Observation",
    "Observer",
    "Outcome",
    "Rule",
    "Session",
    "Severity",
    "Stage",
]

SESSIONS_AT_MOST = 32
"""Sessions kept; the oldest go first."""

BACKWARDS_S = 1.0
"""Time that runs back by more is a new recording; by less it is taken as no progress."""

_DIRECTION = 0xE300FFFF
"""Addresses, data page, reserved bit, and what no identifier has. The priority is judged, but it identifies nothing."""

_SENDERS = {
    VEHICLE_ADDRESS << 8 | CHARGER_ADDRESS: Sender.CHARGER,
    CHARGER_ADDRESS << 8 | VEHICLE_ADDRESS: Sender.VEHICLE,
}


@dataclass(slots=True)
class Foreign:
    """Frames of one identifier that is no message of the dialogue; ``name`` is empty when it is not known."""

    name: str
    first_s: float
    last_s: float
    count: int = 1


class Observer:
    """Follows everything on one vehicle bus.

    ``edition`` chooses the rules where 2015 and 2023 differ, ``limits`` those for the content if they are to be others
    than those of the edition. ``heard`` holds the messages the last ``receive`` made
    complete, ``session`` the session under way or None, ``sessions`` all that are kept, the present one last.
    ``foreign`` counts frames by identifier, ``foreign_others`` those of identifiers beyond the first 64.
    """

    def __init__(
        self,
        edition: Edition = "2015",
        *,
        sessions_at_most: int = SESSIONS_AT_MOST,
        limits: JudgeLimits | None = None,
    ) -> None:
        self.edition: Edition = edition
        self.heard: list[Heard] = []
        self.foreign: dict[int, Foreign] = {}
        self.foreign_others = 0
        self.frames = 0
        self._out: list[Observation] = []
        self._dialogue = Dialogue(edition, sessions_at_most, self._out.append, self._forget_transfers, limits)
        self._transfers = {sender: HeardTransfers(sender, self._dialogue.tell, self._answered) for sender in Sender}
        self._now_s = -math.inf

    # -------------------------------------------------------------------------------------------------- view

    @property
    def session(self) -> Session | None:
        """The session under way."""
        return self._dialogue.session

    @property
    def sessions(self) -> deque[Session]:
        """All sessions kept, oldest first."""
        return self._dialogue.sessions

    @property
    def stage(self) -> Stage:
        """Stage of the dialogue; IDLE between sessions."""
        session = self._dialogue.session
        return Stage.IDLE if session is None else session.stage

    def last_heard(self, sender: Sender) -> float | None:
        """When the last frame of ``sender`` passed, or None."""
        return self._dialogue.last_heard.get(sender)

    # ----------------------------------------------------------------------------------------------- feeding

    def receive(self, frame: CanFrame, now_s: float) -> list[Observation]:
        """Takes a frame from the bus; returns the observations, oldest first. Never raises."""
        now_s = self._advance(now_s)
        self.heard.clear()
        self.frames += 1
        identifier = frame.identifier
        sender = _SENDERS.get(identifier & _DIRECTION) if frame.extended else None
        if sender is None or not self._take(sender, frame, now_s):
            self._take_foreign(frame, now_s)
        return self._told()

    def poll(self, now_s: float) -> list[Observation]:
        """Lets time pass: what is missing, transfers that stopped, sessions that ended in silence."""
        self._advance(now_s)
        return self._told()

    def finish(self) -> list[Observation]:
        """The listening ends; a session under way is closed as cut off."""
        self._close()
        return self._told()

    def next_due(self) -> float | None:
        """When ``poll`` has something to do, or None."""
        dues = [self._dialogue.next_due(), *(transfers.next_due() for transfers in self._transfers.values())]
        return min((due for due in dues if due is not None), default=None)

    # ------------------------------------------------------------------------------------------------ inside

    def _take(self, sender: Sender, frame: CanFrame, now_s: float) -> bool:
        """Takes a frame between the two; False if it is no message of the dialogue."""
        pdu_format = frame.identifier >> 16 & 0xFF
        if pdu_format == segments.DATA:
            self._dialogue.frame_of(sender, now_s)
            self._check_priority("TP.DT", frame.identifier, segments.PRIORITY, now_s)
            complete = self._transfers[sender].data(frame.data, now_s)
            if complete is not None:
                self._complete(sender, complete.pgn, complete.payload, complete.started_s, now_s)
            return True
        if pdu_format == segments.CONTROL:
            self._dialogue.frame_of(sender, now_s)
            self._check_priority("TP.CM", frame.identifier, segments.PRIORITY, now_s)
            self._take_control(sender, frame.data, now_s)
            return True
        message = message_of(sender.value, pdu_format << 8)
        if message is None:
            return False
        self._dialogue.frame_of(sender, now_s)
        self.heard.append(self._dialogue.take(message, frame.data, now_s, now_s, False))
        self._check_priority(message.name, frame.identifier, message.priority, now_s)
        return True

    def _complete(self, sender: Sender, pgn: int, payload: bytes, started_s: float, now_s: float) -> None:
        message = message_of(sender.value, pgn)
        if message is None:
            self._dialogue.tell("foreign", f"PGN {pgn:06X}", now_s, seen=f"{len(payload)} bytes")
        else:
            self.heard.append(self._dialogue.take(message, payload, started_s, now_s, True))

    def _take_control(self, sender: Sender, data: bytes, now_s: float) -> None:
        if len(data) != CONTROL_BYTES:
            self._dialogue.tell("transfer.frame", "TP.CM", now_s, f"{CONTROL_BYTES} bytes", f"{len(data)} bytes")
            return
        kind, pgn = data[0], int.from_bytes(data[5:8], "little")
        other = self._transfers[Sender.VEHICLE if sender is Sender.CHARGER else Sender.CHARGER]
        if kind == segments.REQUEST_TO_SEND:
            self._transfers[sender].request(pgn, data, now_s)
        elif kind == segments.CLEAR_TO_SEND:
            other.clearance(pgn, data, now_s)
        elif kind == segments.END_OF_MESSAGE:
            other.end(pgn, now_s)
        elif kind == segments.ABORT:
            own = self._transfers[sender].abort(pgn, data[1], sender, now_s)
            theirs = other.abort(pgn, data[1], sender, now_s)
            if not own and not theirs:
                self._dialogue.tell("transfer.answer", "", now_s, seen=f"abort {pgn:06X}")
        else:
            self._dialogue.tell("transfer.control", "", now_s, seen=f"{kind:02X}")

    def _take_foreign(self, frame: CanFrame, now_s: float) -> None:
        identifier = frame.identifier
        known = self.foreign.get(identifier)
        if known is not None:
            known.count += 1
            known.last_s = now_s
        elif len(self.foreign) >= rules.FOREIGN_AT_MOST:
            self.foreign_others += 1
        else:
            name = rules.foreign_name(identifier, frame.extended)
            self.foreign[identifier] = Foreign(name, now_s, now_s)
            self._dialogue.tell(
                "foreign", f"{identifier:08X}" if frame.extended else f"{identifier:03X}", now_s, seen=name
            )

    def _check_priority(self, name: str, identifier: int, priority: int, now_s: float) -> None:
        seen = identifier >> 26 & 0b111
        if seen != priority:
            self._dialogue.tell("priority", name, now_s, str(priority), str(seen))

    def _advance(self, now_s: float) -> float:
        """Moves to ``now_s``, never backwards within a recording, and does what was due before."""
        if not math.isfinite(now_s):
            now_s = self._now_s if math.isfinite(self._now_s) else 0.0
        if now_s < self._now_s - BACKWARDS_S:
            self._dialogue.tell("capture.time", "", self._now_s, seen=f"{now_s - self._now_s:.3f} s")
            self._close()
            self._dialogue.last_heard.clear()
            self._now_s = now_s
        self._now_s = max(self._now_s, now_s)
        for transfers in self._transfers.values():
            transfers.expire(self._now_s)
        self._dialogue.expire(self._now_s)
        return self._now_s

    def _close(self) -> None:
        """Closes the session under way: nothing more is heard of it."""
        session = self._dialogue.session
        if session is not None:
            self._dialogue.end(session, session.last_frame_s, cut_off=True)
        self._forget_transfers()

    def _forget_transfers(self) -> None:
        for transfers in self._transfers.values():
            transfers.clear()

    def _answered(self, receiver: Sender, seconds: float) -> None:
        session = self._dialogue.session
        if session is not None:
            session.slowest_answer_s[receiver] = max(session.slowest_answer_s.get(receiver, 0.0), seconds)

    def _told(self) -> list[Observation]:
        told = list(self._out)
        self._out.clear()
        return told
