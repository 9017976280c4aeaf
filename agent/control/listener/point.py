"""The state of a connector that is only followed, and the primitive moves on it."""

from typing import Any

from agent.control.chassis.chassis import Chassis
from agent.control.listener.faults import StatusWatch, Surroundings
from agent.control.listener.parameters import ListenerParameters
from agent.control.listener.session import FollowedSession
from agent.vocabulary import kinds, states
from drivers.gbt27930.observer.observer import Observer
from drivers.gbt27930.observer.observer import Session as Observed


class FollowedPoint:
    """See the module."""

    def __init__(self, parameters: ListenerParameters, chassis: Chassis) -> None:
        now_s = chassis.now_s
        self.parameters = parameters
        self.chassis = chassis
        self.observer = Observer(sessions_at_most=1, limits=parameters.judge_limits)
        self.around = Surroundings(started_at_s=now_s, status=StatusWatch(parameters.judge_limits))
        self.session: FollowedSession | None = None
        self.state = states.IDLE
        self.state_since_s = now_s
        self.last_register_wh: int | None = None
        self.ready_for_sessions = False
        """The recorder has taken records, or was waited for long enough."""
        self.followed: Observed | None = None
        """The last session of the observer that was taken up or left out; each is taken up at most once."""
        self.heard_at_s: dict[str, float] = {}
        """When the newest value of each signal and message was heard that has been taken in."""
        self.bcs_at_s = float("-inf")
        self._holds: dict[str, float] = {}

    def hold(self, fault: str, more_s: float = 0.0) -> None:
        """What was seen once counts as present for a while."""
        self._holds[fault] = self.chassis.now_s + self.parameters.listener.hold_s + more_s

    def held(self) -> set[str]:
        """Faults that are held at this moment."""
        now_s = self.chassis.now_s
        self._holds = {fault: until_s for fault, until_s in self._holds.items() if now_s < until_s}
        return set(self._holds)

    def event(self, name: str, **body: Any) -> None:
        """An event for the record."""
        self.chassis.record(kinds.EVENT, {"event": name, **body})

    def move(self, state: str) -> None:
        """The connector is now in ``state``."""
        if state != self.state:
            previous, self.state, self.state_since_s = self.state, state, self.chassis.now_s
            self.chassis.record(kinds.STATE, {"state": state, "previous": previous, "reasons": []})
