"""The core of a connector that is only followed: readings, frames and the time in; records and replies out.

It has no output: neither relay nor frame leaves it, there is no field in which one could. Like the control core it
reads no clock, touches no wire and draws no random number, so the same inputs always give the same records.
"""

from typing import Any

import msgspec

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.chassis import Chassis
from agent.control.chassis.commands import CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.control.listener import faults as listener_faults
from agent.control.listener import following, recording
from agent.control.listener.parameters import ListenerParameters
from agent.control.listener.point import FollowedPoint
from agent.control.listener.session import FollowedSession, reported_timeouts, side_of
from agent.control.safety.fault_register import ActiveFault
from agent.settings.catalogue import Fault
from agent.vocabulary import events, kinds, reasons, states
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.gbt27930.judge.states import CHARGER_STOP_FAULTS
from drivers.gbt27930.observer.observer import Observation, Severity
from drivers.gbt27930.observer.observer import Session as Observed
from drivers.reading import Reading

_OBSERVATIONS_AT_MOST = 512
"""Observations kept between two evaluations; a cycle of 100 ms at a full bus brings fewer than 200 frames."""
_PASSED_ON = {
    "attempt": events.VEHICLE_ATTEMPT,
    "pause": events.VEHICLE_PAUSE,
    "resume": events.VEHICLE_RESUME,
}
"""Observations that are recorded as they are."""


class ListenerOutputs(msgspec.Struct):
    """What the shell must do after an evaluation: keep and answer. Nothing can be switched or sent with it."""

    records: list[Record] = msgspec.field(default_factory=list)
    replies: list[Reply] = msgspec.field(default_factory=list)


class ListenerCore:
    """See the module. All public methods are cheap and never block; only ``evaluate`` decides anything.

    ``backlog`` is shared by all cores of a process; without one the core has its own. Raises ValueError if the
    catalogue lacks a fault that the listener may raise.
    """

    def __init__(
        self,
        parameters: ListenerParameters,
        now_s: float,
        *,
        restarted: bool = False,
        backlog: Backlog | None = None,
    ) -> None:
        self.parameters = parameters
        self.chassis = Chassis(
            parameters,
            now_s,
            raisable=listener_faults.FAULT_IDS,
            backlog=backlog,
            restarted=restarted,
            # A charge goes on whether or not this agent can record it: room is kept for starts and ends of sessions.
            session_essential=False,
        )
        self.chassis.vehicle_port_open = False
        self.point = FollowedPoint(parameters, self.chassis)
        self._observations: list[Observation] = []

    # What comes in.

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value. Raises KeyError for an unknown signal."""
        self.chassis.put(name, reading, self._take_register)

    def _take_register(self, register_wh: int, at_s: float) -> bool:
        """A register that went back is a fault in a session and a new beginning without one."""
        point = self.point
        session, former_wh = point.session, point.last_register_wh
        if former_wh is not None and register_wh < former_wh:
            if session is not None and session.billing is not None:
                point.hold("meter_abnormal")
                return False
            point.event(events.REGISTER_LOWER, former_wh=former_wh, register_wh=register_wh)
        point.last_register_wh = register_wh
        return True

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame passed on the vehicle bus, whoever sent it."""
        self._observe(self.point.observer.receive(frame, now_s))

    def on_command(self, command: CommandInput) -> None:
        """A command came in; answered by the next evaluation."""
        self.chassis.on_command(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""
        self.chassis.backlog.acknowledge(number)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health. A listener makes no bill and asks for no proof."""
        self.chassis.on_recorder(ready=ready, uplink=uplink, at_s=at_s)
        self.point.ready_for_sessions = self.point.ready_for_sessions or ready

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""
        self.chassis.vehicle_port_open = is_open

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""
        self.chassis.vehicle_bus_state = state

    def on_acknowledging(self, acknowledging: bool) -> None:
        """Whether the CAN interface is known to acknowledge frames although it should only listen."""
        self.point.around.acknowledging = acknowledging

    def request_shutdown(self) -> None:
        """Close the session that is followed and begin none; see ``safe_to_exit``."""
        self.chassis.shutting_down = True

    # What can be seen.

    @property
    def safe_to_exit(self) -> bool:
        """No session is open; the charge itself is not ours."""
        return self.session is None

    @property
    def state(self) -> str:
        """State of the connector as its charger would call it."""
        return self.point.state

    @property
    def session(self) -> FollowedSession | None:
        """The session that is followed."""
        return self.point.session

    @property
    def image(self) -> ProcessImage:
        """The process image."""
        return self.chassis.image

    @property
    def backlog(self) -> Backlog:
        """Records that are not yet durable."""
        return self.chassis.backlog

    @property
    def active_faults(self) -> list[ActiveFault]:
        """Faults in force at the last evaluation."""
        return self.chassis.active

    # The evaluation.

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> ListenerOutputs:
        """Evaluate everything once. ``wall_ms`` is UTC in milliseconds, only for records and tariff slots.

        An error of the program is a fault; the third in a row is raised.
        """
        self.chassis.begin(now_s, wall_ms, wall_quality)
        self.chassis.guard.run(self._work, self.chassis.record_error)
        return ListenerOutputs(*self.chassis.take_out())

    def _work(self) -> None:
        point, chassis = self.point, self.chassis
        self._observe(point.observer.poll(chassis.now_s))
        following.take_values(point)
        following.follow(point)
        observations, self._observations = self._observations, []
        for observation in observations:
            self._on_observation(observation)
        self._judge()
        for command in chassis.take_commands():
            self._on_command(command)
        chassis.record_omitted()
        recording.record_periodically(point)

    def _observe(self, observations: list[Observation]) -> None:
        room = _OBSERVATIONS_AT_MOST - len(self._observations)
        self._observations += observations[:room]

    def _on_observation(self, observation: Observation) -> None:
        point, parameters = self.point, self.parameters
        if observation.severity is Severity.VIOLATION:
            fault = listener_faults.fault_of(observation)
            if fault is not None:
                point.hold(fault, parameters.faults[fault].debounce_s)
                if observation.first:
                    self.chassis.record(kinds.EVENT, recording.violation_body(observation))
        session = point.session
        if session is None:
            return
        observed = session.observed
        if observation.code == "stop":
            self._on_stop(observed, observation)
        elif observation.code == "timeout":
            self.chassis.events.update(reported_timeouts(observed))
        elif observation.code == "vehicle.fault":
            point.event(events.VEHICLE_FAULT_STATE, message=observation.message, states=observation.seen)
        elif observation.code in _PASSED_ON:
            point.event(_PASSED_ON[observation.code], attempt=observed.attempts)

    def _on_stop(self, observed: Observed, observation: Observation) -> None:
        """A side asks for the end, or gives a further cause; ``seen`` names the causes of this message."""
        causes = set(observed.cst_reasons)
        if "emergency_stop" in causes:
            self.chassis.events.add("emergency_stop")
        if causes & CHARGER_STOP_FAULTS:
            self.chassis.events.add("charger_fault")
        self.point.event(
            events.STOP_ASKED,
            message=observation.message,
            causes=observation.seen,
            first_side=side_of(observed),
        )

    def _judge(self) -> None:
        """Find causes, and let faults be debounced, latched and recorded."""
        point, chassis = self.point, self.chassis
        around, session, now_s = point.around, point.session, chassis.now_s
        around.clock_unset = chassis.wall_quality == states.CLOCK_UNSET
        around.uplink_lost = chassis.uplink_lost
        around.vehicle_port_open = chassis.vehicle_port_open
        around.vehicle_bus_state = chassis.vehicle_bus_state
        observed = None if session is None else session.observed
        present = listener_faults.conditions(chassis.image, observed, around, self.parameters, now_s)
        present += sorted({*chassis.events, *point.held()}.difference(present))
        raised = chassis.update_faults(
            present,
            # The end of the dialogue is the nearest to a pulled plug that a listener can see.
            unplugged=session is None,
            suppressed=(),
            head=_alarm,
            snapshot=self._snapshot,
        )
        if session is not None:
            session.faults += [fault.id for fault in raised if fault.level < 3 and fault.id not in session.faults]
        chassis.pass_events()

    def _snapshot(self) -> dict[str, Any]:
        """Readings and the latest values of the dialogue."""
        return {**self.chassis.image.snapshot(self.chassis.now_s), **recording.vehicle_values(self.point)}

    def _on_command(self, command: CommandInput) -> None:
        """Clear latches at the pile; everything else a listener cannot do."""
        chassis = self.chassis
        former = chassis.answers.former(command.id)
        if former is not None:
            chassis.repeat(former)
            return
        if command.name == reasons.RESET:
            reason = chassis.reset(command)
        else:
            known = command.name in (reasons.START, reasons.STOP)
            reason = reasons.LISTENER_ONLY if known else reasons.UNKNOWN_COMMAND
        chassis.decide(command, reasons.REJECTED if reason else reasons.ACCEPTED, reason, chassis.session_id)


def _alarm(fault: Fault) -> dict[str, Any]:
    """A listener only reports: whatever a charger would do, the action here is to record."""
    return {"fault": fault.id, "level": fault.level, "action": "log", "role": states.ROLE_LISTENER}
