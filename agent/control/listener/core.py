"""The core of a connector that is only followed: readings, frames and the time in; records and replies out.

It has no output: neither relay nor frame leaves it, there is no field in which one could. Like the control core it
reads no clock, touches no wire and draws no random number, so the same inputs always give the same records.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import Answers, CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.control.dc.recording import Pace
from agent.control.listener import faults as monitor_faults
from agent.control.listener import recording as monitor_recording
from agent.control.listener.faults import StatusWatch, Surroundings
from agent.control.listener.parameters import MonitorParameters
from agent.control.listener.session import (
    STATE_OF,
    MonitorSession,
    ended_body,
    reason_of,
    reported_timeouts,
    side_of,
    started_body,
)
from agent.control.metering.billing import Billing
from agent.control.safety.fault_register import ActiveFault, FaultRegister
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.gbt27930.judge.states import CHARGER_STOP_FAULTS
from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.observer.observer import Observation, Observer, Severity, Stage
from drivers.gbt27930.observer.observer import Session as Observed
from drivers.reading import Quality, Reading

_ERRORS_IN_A_ROW = 3
"""As in the control core: after so many steps in a row that ended in an error the process must end."""
_OBSERVATIONS_AT_MOST = 512
"""Observations kept between two steps; a cycle of 100 ms at a full bus brings fewer than 200 frames."""
_RESERVED_RECORDS = 8
"""Room kept for the ends of sessions."""
_TOLD_ON_THE_BUS = (
    ("CCS", "voltage_v", "ccs_voltage_v", "V"),
    ("CCS", "current_a", "ccs_current_a", "A"),
    ("BCS", "voltage_v", "bcs_voltage_v", "V"),
    ("BCS", "current_a", "bcs_current_a", "A"),
)


@dataclass(slots=True)
class MonitorOutputs:
    """What the shell must do after a step: keep and answer. Nothing can be switched or sent with it."""

    records: list[Record] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


class MonitorCore:
    """See the module. All public methods are cheap and never block; only ``step`` decides anything.

    Raises ValueError if the catalogue lacks a fault that the monitor may raise.
    """

    def __init__(self, parameters: MonitorParameters, now_s: float, *, restarted: bool = False) -> None:
        missing = monitor_faults.FAULT_IDS.difference(parameters.faults)
        if missing:
            raise ValueError(f"the fault catalogue lacks {', '.join(sorted(missing))}")
        self.parameters = parameters
        self.image = ProcessImage()
        self.observer = Observer(sessions_at_most=1, limits=parameters.judge_limits)
        self.faults = FaultRegister(parameters.faults)
        self.backlog = Backlog(parameters.maximum_backlog, parameters.boot_id)
        self.answers = Answers()
        self.around = Surroundings(started_at_s=now_s, status=StatusWatch(parameters.judge_limits))
        self.events: set[str] = {"control_restarted"} if restarted else set()
        """Faults of the session that is open, and what is told once."""
        self.session: MonitorSession | None = None
        self.state = "idle"
        self.state_since_s = now_s
        self.now_s = now_s
        self.wall_ms = 0
        self.wall_quality = "unset"
        self.shutting_down = False
        self.last_register_wh: int | None = None
        self.telemetry_pace = Pace()
        self._ready_for_sessions = False
        self._holds: dict[str, float] = {}
        self._heard_at_s: dict[str, float] = {}
        self._bcs_at_s = float("-inf")
        self._observations: list[Observation] = []
        self._followed: Observed | None = None
        """The last session of the observer that was taken up or left out; each is taken up at most once."""
        self._reset_until_s = float("-inf")
        self._commands: list[CommandInput] = []
        self._active: list[ActiveFault] = []
        self._sessions_begun = 0
        self._records: list[Record] = []
        self._records_omitted = 0
        self._replies: list[Reply] = []
        self._errors_in_a_row = 0

    # What comes in.

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value. Raises KeyError for an unknown signal."""
        if name == "meter_energy_wh" and self.image.usable(name, reading):
            register_wh, former_wh = int(reading.value), self.last_register_wh
            if former_wh is not None and register_wh < former_wh:
                if self.session is not None and self.session.billing is not None:
                    self._hold("meter_abnormal")
                    return
                self.record("event", {"event": "register_lower", "former_wh": former_wh, "register_wh": register_wh})
            self.last_register_wh = register_wh
        self.image.put(name, reading)

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame passed on the vehicle bus, whoever sent it."""
        self._observe(self.observer.receive(frame, now_s))

    def on_command(self, command: CommandInput) -> None:
        """Somebody asks for something; answered by the next step."""
        self._commands.append(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""
        self.backlog.acknowledge(number)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health. A listener makes no bill and asks for no proof."""
        self.image.put("recorder_ready", Reading(ready, "bool", at_s))
        self._ready_for_sessions = self._ready_for_sessions or ready
        self.around.uplink_lost = uplink not in ("off", "connected")

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""
        self.around.vehicle_port_open = is_open

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""
        self.around.vehicle_bus_state = state

    def on_acknowledging(self, acknowledging: bool) -> None:
        """Whether the CAN interface is known to acknowledge frames although it should only listen."""
        self.around.acknowledging = acknowledging

    def request_shutdown(self) -> None:
        """Close the session that is followed and begin none; see ``safe_to_exit``."""
        self.shutting_down = True

    @property
    def safe_to_exit(self) -> bool:
        """No session is open; the charge itself is not ours."""
        return self.session is None

    @property
    def active_faults(self) -> list[ActiveFault]:
        """Faults in force at the last step."""
        return self._active

    # The step.

    def step(self, now_s: float, wall_ms: int, wall_quality: str) -> MonitorOutputs:
        """Evaluate everything once. ``wall_ms`` is UTC in milliseconds, only for records and tariff slots.

        An error of the program is a fault; the third in a row is raised.
        """
        self.now_s, self.wall_ms, self.wall_quality = now_s, wall_ms, wall_quality
        try:
            self._decide()
        except Exception as error:
            self._errors_in_a_row += 1
            if self._errors_in_a_row >= _ERRORS_IN_A_ROW:
                raise
            self._after_error(error)
        else:
            self._errors_in_a_row = 0
        records, self._records = self._records, []
        replies, self._replies = self._replies, []
        return MonitorOutputs(records, replies)

    def _decide(self) -> None:
        self._observe(self.observer.poll(self.now_s))
        self._take_values()
        self._follow()
        observations, self._observations = self._observations, []
        for observation in observations:
            self._on_observation(observation)
        self._evaluate()
        commands, self._commands = self._commands, []
        for command in commands:
            self._on_command(command)
        if self._records_omitted and not self.backlog.crowded:
            omitted, self._records_omitted = self._records_omitted, 0
            self.record("event", {"event": "records_omitted", "count": omitted})
        monitor_recording.record_periodically(self)

    def _observe(self, observations: list[Observation]) -> None:
        room = _OBSERVATIONS_AT_MOST - len(self._observations)
        self._observations += observations[:room]

    def _after_error(self, error: Exception) -> None:
        self.events.add("internal_error")
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.name}:{where.lineno}"
        self.record("event", {"event": "internal_error", "error": f"{type(error).__name__}: {error}", "place": place})

    # The dialogue.

    def _take_values(self) -> None:
        """What the two sides tell each other about the output becomes readings; the demand is remembered."""
        observed = self.observer.session
        if observed is None:
            return
        for name, key, signal, unit in _TOLD_ON_THE_BUS:
            latest = observed.latest.get(name)
            if latest is not None and self._heard_at_s.get(signal) != latest.at_s:
                self._heard_at_s[signal] = latest.at_s
                value = latest.values.get(key)
                if value is not None:
                    self.image.put(signal, Reading(value, unit, latest.at_s, Quality.SUBSTITUTED))
        demand = observed.latest.get("BCL")
        if demand is not None and self._heard_at_s.get("BCL") != demand.at_s:
            self._heard_at_s["BCL"] = demand.at_s
            if demand.values["current_a"] is not None:
                self.around.demands.add(demand.at_s, demand.values["current_a"])
        self._judge_status(observed)

    def _judge_status(self, observed: Observed) -> None:
        """Each new BCS against what is measured: our meter, or without one what the charger says (CCS)."""
        bcs = observed.latest.get("BCS")
        if bcs is None or bcs.at_s == self._bcs_at_s:
            return
        self._bcs_at_s = bcs.at_s
        charging = observed.stage is Stage.CHARGING
        self.around.status.take(bcs, self._measured("voltage_v"), self._measured("current_a"), charging=charging)

    def _measured(self, quantity: str) -> float | None:
        measured = self.image.value(f"meter_{quantity}", self.now_s)
        return self.image.value(f"ccs_{quantity}", self.now_s) if measured is None else measured

    def _follow(self) -> None:
        session, present = self.session, self.observer.session
        if session is not None:
            session.follow()
            if session.observed.ended_s is not None or self.shutting_down:
                self._close(session, another=present is not None)
        if self.session is None and present is not None and present is not self._followed and not self.shutting_down:
            self._open(present)
        self._move(self.session)

    def _open(self, observed: Observed) -> None:
        """Take up a dialogue once the charger has been heard in it."""
        parameters, now_s = self.parameters, self.now_s
        if Sender.CHARGER not in observed.heard_from:
            return
        waited_s = now_s - self.around.started_at_s
        if not self._ready_for_sessions and waited_s < parameters.monitor.recovery_wait_s:
            return
        self._ready_for_sessions = True
        self._followed = observed
        if self.backlog.room <= _RESERVED_RECORDS:
            self._records_omitted += 1
            return
        began_ms = self.wall_ms - round((now_s - observed.started_s) * 1000)
        billing = self._billing()
        self._sessions_begun += 1
        session = MonitorSession(
            id=(
                f"{parameters.pile_id}-{parameters.connector}-{self.wall_ms:013d}"
                f"-{parameters.boot_id[:4]}{self._sessions_begun:03d}"
            ),
            observed=observed,
            started_at_s=observed.started_s,
            started_wall_ms=began_ms,
            billing=billing,
        )
        self.session = session
        body = started_body(session, parameters.tariff.as_record(), parameters.meter)
        self._add("session_started", body, session.id)

    def _billing(self) -> Billing | None:
        """A bill that begins at a fresh reading of the register; without one the energy is what the bus tells."""
        register_wh = None if self.parameters.meter is None else self.image.value("meter_energy_wh", self.now_s)
        if register_wh is None:
            return None
        billing = Billing(self.parameters.tariff)
        billing.start(int(register_wh), self.wall_ms)
        return billing

    def _close(self, session: MonitorSession, *, another: bool) -> None:
        """End the session once the register has been read after the end, or the time for that is over."""
        now_s = self.now_s
        if session.stop_reason is None:
            session.stop_reason = reason = self._end_reason(session)
            session.closing_since_s = now_s
            if reason in monitor_faults.EVENT_FAULTS and reason not in session.faults:
                # Told by nobody on the bus: only the silence shows it.
                session.faults.append(reason)
                self._hold(reason)
        billing, register_wh = session.billing, self.image.value("meter_energy_wh", now_s)
        if billing is not None and register_wh is None:
            waited_s = now_s - (session.closing_since_s or now_s)
            if not another and not self.shutting_down and waited_s < self.parameters.monitor.final_reading_s:
                return
            session.register_source = "last_reading"
        elif billing is not None and register_wh is not None:
            billing.sample(int(register_wh), self.wall_ms)
        ended_ms = self.wall_ms - round((now_s - session.observed.last_frame_s) * 1000)
        body = ended_body(session, session.stop_reason, max(session.started_wall_ms, ended_ms), now_s)
        self._compare_energy(session)
        self._add("session_ended", body, session.id)
        self.session = None
        self.events.clear()
        self.around.demands.clear()
        self.around.status.clear()

    def _end_reason(self, session: MonitorSession) -> str:
        if session.observed.ended_s is None:
            return "monitor_stopped"
        reason = reason_of(session.observed)
        return "vehicle_bus_lost" if reason == "bus_silent" and not self.around.vehicle_port_open else reason

    def _compare_energy(self, session: MonitorSession) -> None:
        """The register against what the charger told the vehicle in CSD."""
        own = self.parameters.monitor
        if session.billing is None or session.csd_energy_wh is None or not session.observed.from_start:
            return
        measured_wh = session.energy_wh
        if abs(measured_wh - session.csd_energy_wh) > max(own.energy_floor_wh, own.energy_share * measured_wh):
            self._hold("measurements_disagree", 2 * self.parameters.faults["measurements_disagree"].debounce_s)
            body = {"event": "energy_disagrees", "register_wh": measured_wh, "csd_wh": session.csd_energy_wh}
            self.record("event", body)

    def _move(self, session: MonitorSession | None) -> None:
        state = "idle" if session is None or session.closing_since_s is not None else STATE_OF[session.observed.stage]
        if state != self.state:
            previous, self.state, self.state_since_s = self.state, state, self.now_s
            self.record("state", {"state": state, "previous": previous, "reasons": []})

    def _on_observation(self, observation: Observation) -> None:
        if observation.severity is Severity.VIOLATION:
            fault = monitor_faults.fault_of(observation)
            if fault is not None:
                self._hold(fault, self.parameters.faults[fault].debounce_s)
                if observation.first:
                    self.record("event", monitor_recording.violation_body(observation))
        session = self.session
        if session is None:
            return
        observed = session.observed
        if observation.code == "stop":
            self._on_stop(observed, observation)
        elif observation.code == "timeout":
            self.events.update(reported_timeouts(observed))
        elif observation.code == "vehicle.fault":
            self.record("event", {"event": "vehicle_fault", "message": observation.message, "states": observation.seen})
        elif observation.code in ("attempt", "pause", "resume"):
            self.record("event", {"event": f"vehicle_{observation.code}", "attempt": observed.attempts})

    def _on_stop(self, observed: Observed, observation: Observation) -> None:
        """A side asks for the end, or gives a further cause; ``seen`` names the causes of this message."""
        causes = set(observed.cst_reasons)
        if "emergency_stop" in causes:
            self.events.add("emergency_stop")
        if causes & CHARGER_STOP_FAULTS:
            self.events.add("charger_fault")
        body = {"event": "stop_asked", "message": observation.message, "causes": observation.seen}
        self.record("event", {**body, "first_side": side_of(observed)})

    # Faults.

    def _hold(self, fault: str, more_s: float = 0.0) -> None:
        self._holds[fault] = self.now_s + self.parameters.monitor.hold_s + more_s

    def _evaluate(self) -> None:
        now_s, session = self.now_s, self.session
        self.around.clock_unset = self.wall_quality == "unset"
        observed = None if session is None else session.observed
        present = monitor_faults.conditions(self.image, observed, self.around, self.parameters, now_s)
        self._holds = {fault: until_s for fault, until_s in self._holds.items() if now_s < until_s}
        present += sorted({*self.events, *self._holds}.difference(present))
        # The end of the dialogue is the nearest to a pulled plug that a listener can see.
        raised, cleared = self.faults.update(
            now_s, present, unplugged=session is None, reset=now_s < self._reset_until_s
        )
        if raised or cleared or self._active:
            self._active = self.faults.active()
        for fault in raised:
            snapshot = {**self.image.snapshot(now_s), **monitor_recording.vehicle_values(self)}
            self.record("alarm_raised", {**_alarm(fault.id, fault.level), "snapshot": snapshot})
            if session is not None and fault.level < 3 and fault.id not in session.faults:
                session.faults.append(fault.id)
        for fault in cleared:
            self.record("alarm_cleared", _alarm(fault.id, fault.level))
        self.events.difference_update(("control_restarted", "internal_error"))
        if session is None:
            self.events.clear()

    # Commands: what a listener can do is nothing.

    def _on_command(self, command: CommandInput) -> None:
        former = self.answers.former(command.id)
        if former is not None:
            self._replies.append(former)
            return
        result, reason = "rejected", "monitor_only"
        if command.name == "reset":
            if command.origin == "local":
                result, reason = "accepted", ""
                self._reset_until_s = self.now_s + monitor_recording.RESET_WINDOW_S
            else:
                reason = "only_at_the_pile"
        elif command.name not in ("start", "stop"):
            reason = "unknown_command"
        self.record(
            "command",
            {"id": command.id, "name": command.name, "origin": command.origin, "result": result, "reason": reason},
        )
        reply = Reply(command.id, result, reason, None if self.session is None else self.session.id)
        self.answers.keep(reply)
        self._replies.append(reply)

    # Records.

    def record(self, kind: str, body: Mapping[str, Any]) -> None:
        """Number a record and hand it to the shell.

        A charge goes on whether or not this agent can record it: when the recorder is away for so long that only the
        room for starts and ends of sessions is left, everything else is counted instead.
        """
        if self.backlog.full:
            self._records_omitted += 1
            return
        self._add(kind, body, None if self.session is None else self.session.id)

    def _add(self, kind: str, body: Mapping[str, Any], session_id: str | None) -> None:
        connector = self.parameters.connector
        self._records.append(
            self.backlog.add(kind, self.now_s, self.wall_ms, self.wall_quality, session_id, body, connector=connector)
        )

    @property
    def stage(self) -> Stage:
        """Where the dialogue on the bus stands."""
        return self.observer.stage


def _alarm(fault: str, level: int) -> dict[str, Any]:
    """A monitor only tells: whatever a charger would do, the action here is to record."""
    return {"fault": fault, "level": level, "action": "log", "role": "monitor"}
