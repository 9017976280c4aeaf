"""The control core of one connector: readings, frames, commands and the time in; outputs, frames and records out.

It owns the process image, the fault register, the sequence and the charger side of the vehicle protocol. It
reads no clock, touches no wire and draws no random number, so the same inputs always give the same outputs.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import Answers, CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.control.dc import recording, requests, vehicle
from agent.control.dc.envelope import CurrentEnvelope
from agent.control.dc.limits import pile_limit
from agent.control.dc.machine import Sequence
from agent.control.dc.parameters import ControlParameters
from agent.control.dc.reactions import fill_situation, react
from agent.control.dc.session import REPLUG_STOPS, Session
from agent.control.dc.steps import STEPS
from agent.control.dc.steps.context import Demand, StepMemory
from agent.control.metering.meter import new_metering
from agent.control.metering.quarter_hours import QuarterHours
from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.control.power_quality.watch import PowerQuality
from agent.control.safety import permission as permit
from agent.control.safety import rules
from agent.control.safety.fault_register import ActiveFault, FaultRegister
from agent.control.safety.permission import Permission
from agent.control.safety.situation import Situation
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits
from drivers.reading import Reading

_ERRORS_IN_A_ROW = 3
"""After so many steps in a row that ended in an error the process must end: outputs fall off without it (own)."""
_MOVES_PER_STEP = 4


@dataclass(slots=True)
class Outputs:
    """What the shell must do after a step."""

    relays: dict[str, bool]
    demand: Demand
    frames: list[CanFrame] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


class ControlCore:
    """See the module. All public methods are cheap and never block; only ``step`` decides anything.

    Raises ValueError if the catalogue lacks a fault that the core may raise.
    """

    def __init__(self, parameters: ControlParameters, now_s: float, *, restarted: bool = False) -> None:
        missing = rules.FAULT_IDS.difference(parameters.faults)
        if missing:
            raise ValueError(f"the fault catalogue lacks {', '.join(sorted(missing))}")
        self.parameters = parameters
        self.image = ProcessImage()
        self.sequence = Sequence()
        self.faults = FaultRegister(parameters.faults)
        self.backlog = Backlog(parameters.maximum_backlog, parameters.boot_id)
        self.answers = Answers()
        self.charger = self._new_charger()
        self.situation = Situation(now_s=now_s, started_at_s=now_s, output_idle_since_s=now_s)
        if restarted:
            self.situation.events.add("control_restarted")
        self.permission = Permission.denied("start-up")
        self.memory = StepMemory(entered_at_s=now_s)
        self.session: Session | None = None
        self.demand = Demand()
        self.limit = pile_limit(parameters, 1.0)
        self.relays_wanted = {
            "contactors": False,
            "auxiliary_supply": False,
            # The lock is missing until it is decided: after a restart live pins may be behind it.
            "discharge": False,
            "insulation_monitor": False,
        }
        self.now_s = now_s
        self.wall_ms = 0
        self.wall_quality = "unset"
        self.shutting_down = False
        self.uplink_state = "off"
        self.reset_until_s = float("-inf")
        """Until when a person's reset clears latches."""
        self.metering = new_metering(parameters)
        self.power_quality = None if parameters.power_quality is None else PowerQuality(parameters.power_quality)
        self.quarter_hours = QuarterHours(parameters.tariff.utc_offset_minutes)
        self.telemetry_pace = recording.Pace()
        self._commands: list[CommandInput] = []
        self._active: list[ActiveFault] = []
        self.envelope = CurrentEnvelope()
        self._sessions_begun = 0
        self.reconnects_since_plug = 0
        """New handshakes after time-outs since the plug was put in."""
        self._records: list[Record] = []
        self._records_omitted = 0
        self._replies: list[Reply] = []
        self._errors_in_a_row = 0
        self._error: Exception | None = None
        """Met between two steps; the next step acts on it."""

    # What comes in.

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value. Raises KeyError for an unknown signal."""
        if name == "meter_energy_wh" and self.image.usable(name, reading):
            taken = self.metering.register.take(int(reading.value), reading.at_s, in_session=self.session is not None)
            if taken.event is not None:
                self.record("event", dict(taken.event))
            if taken.abnormal:
                self.situation.events.add("meter_abnormal")
            if taken.moved:
                self.situation.events.add("meter_register_moved")
            if not taken.accepted:
                return
        if self.power_quality is not None and name in GRID_SIGNALS:
            self.power_quality.take(name, reading)
            return
        self.image.put(name, reading)

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame came from the vehicle bus. An error of the program is one of the next step."""
        try:
            self.charger.receive(frame, now_s)
        except Exception as error:
            self._error = error

    def on_command(self, command: CommandInput) -> None:
        """Somebody asks for something; answered by the next step."""
        self._commands.append(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""
        self.backlog.acknowledge(number)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health, and what the ledger knows of the meter."""
        self.image.put("recorder_ready", Reading(ready, "bool", at_s))
        if meter.proof:
            self.metering.proof = meter.proof
        if ready and self.session is None and meter.register_end_wh is not None:
            moved = self.metering.register.compare(meter.register_end_wh)
            if moved is not None:
                self.record("event", moved)
                self.situation.events.add("meter_register_moved")
        if ready:
            self.situation.recorder_ready_at_s = at_s
        self.uplink_state = uplink

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""
        self.situation.vehicle_port_open = is_open

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""
        self.situation.vehicle_bus_state = state

    def on_module_bus_state(self, state: BusState) -> None:
        """The error state of the module bus' controller, as last reported."""
        self.situation.module_bus_state = state

    @property
    def last_register_wh(self) -> int | None:
        """Newest reading of the meter's register that may enter a bill, as the meter shows it."""
        return self.metering.register.last_wh

    def request_shutdown(self) -> None:
        """End a running session in order and begin none; see ``safe_to_exit``."""
        self.shutting_down = True

    @property
    def safe_to_exit(self) -> bool:
        """No session is open and nothing is energised."""
        return self.session is None and not self.relays_wanted["contactors"]

    @property
    def stoppable(self) -> bool:
        """A session runs whose end has not begun."""
        return self.session is not None and self.sequence.state != "stopping"

    @property
    def state(self) -> str:
        """State of the sequence."""
        return self.sequence.state

    @property
    def active_faults(self) -> list[ActiveFault]:
        """Faults in force at the last step."""
        return self._active

    # Between two steps: the vehicle's protocol waits for no cycle, and needs no decision for most of what it says.

    def replies(self, now_s: float) -> list[CanFrame]:
        """Frames for the vehicle that are due now; nothing is decided. An error is one of the next step."""
        due_s = self.charger.next_due()
        if due_s is None or now_s < due_s:
            return []
        try:
            return self.charger.poll(now_s)
        except Exception as error:
            self._error = error
            return []

    def reply_due_s(self) -> float:
        """When ``replies`` has something next; infinite in silence."""
        due_s = self.charger.next_due()
        return float("inf") if due_s is None else due_s

    @property
    def wants_step(self) -> bool:
        """The vehicle's protocol has something that is to be decided at once, not in the next cycle."""
        return self.charger.has_events or self._error is not None

    # The step.

    def step(self, now_s: float, wall_ms: int, wall_quality: str) -> Outputs:
        """Evaluate everything once. ``wall_ms`` is UTC in milliseconds, only for records and tariff slots.

        An error of the program opens the outputs in the same step and is a fault; the third in a row is raised.
        """
        self.now_s = self.situation.now_s = now_s
        self.wall_ms = wall_ms
        self.wall_quality = wall_quality
        try:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            self._decide()
            frames = self.charger.poll(now_s)
        except Exception as error:
            self._errors_in_a_row += 1
            if self._errors_in_a_row >= _ERRORS_IN_A_ROW:
                raise
            self._after_error(error)
            frames = []
        else:
            self._errors_in_a_row = 0
        return self._outputs(frames)

    def _decide(self) -> None:
        for event in self.charger.events():
            vehicle.on_event(self, event)
        self._evaluate()
        commands, self._commands = self._commands, []
        for command in commands:
            requests.take(self, command)
        react(self)
        for _ in range(_MOVES_PER_STEP):
            before = self.sequence.state
            STEPS[before](self)
            if self.sequence.state == before:
                break
            fill_situation(self)
        if self._records_omitted and not self.backlog.crowded:
            omitted, self._records_omitted = self._records_omitted, 0
            self.record("event", {"event": "records_omitted", "count": omitted})
        recording.record_periodically(self)

    def _evaluate(self) -> None:
        fill_situation(self)
        situation = self.situation
        present = rules.conditions(self.image, situation, self.parameters)
        plugged = rules.is_plugged(self.image, self.now_s, self.parameters)
        raised, cleared = self.faults.update(
            self.now_s,
            present,
            unplugged=plugged is False,
            reset=self.now_s < self.reset_until_s,
            mild=rules.told_only(situation),
        )
        if plugged is False and self.session is None:
            self.reconnects_since_plug = 0
            situation.replug_after = None
        if raised or cleared or self._active:
            self._active = self.faults.active()
        for fault in raised:
            snapshot = self.image.snapshot(self.now_s)
            self.record(
                "alarm_raised",
                {"fault": fault.id, "level": fault.level, "action": fault.action, "snapshot": snapshot},
            )
            if self.session is not None and fault.action != "log" and fault.id not in self.session.faults:
                self.session.faults.append(fault.id)
        for fault in cleared:
            self.record("alarm_cleared", {"fault": fault.id, "level": fault.level, "action": fault.action})
        situation.events.difference_update(("control_restarted", "internal_error"))
        if self.session is None:
            situation.events.clear()
        self.permission = permit.permission(self.image, situation, present, self._active, self.parameters)

    def output_off(self) -> None:
        """Contactors and power stage off, whatever they were for."""
        self.want_contactors(False)
        self.no_demand()

    def _after_error(self, error: Exception) -> None:
        """The program found an error in itself: outputs off now, and a fault that ends the session."""
        self.output_off()
        self.permission = Permission.denied("internal_error")
        self.situation.events.add("internal_error")
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.name}:{where.lineno}"
        self.record("event", {"event": "internal_error", "error": f"{type(error).__name__}: {error}", "place": place})

    def blocking_faults(self) -> list[str]:
        """Faults in force that refuse a start."""
        return [item.fault.id for item in self._active if item.fault.action in permit.BLOCKING_ACTIONS]

    # What the steps and the requests use.

    def move(self, trigger: str) -> None:
        """Move the sequence and record the new state. Raises MachineError on a move the table does not have."""
        previous = self.sequence.move(trigger)
        self.memory.enter(self.now_s)
        self.record(
            "state",
            {"state": self.sequence.state, "previous": previous, "reasons": self.blocking_faults()},
        )

    def record(self, kind: str, body: Mapping[str, Any], session_id: str | None = None) -> None:
        """Number a record and hand it to the shell; ``session_id`` if it is not that of the running session.

        While the recorder is away for so long that only the room for an end of session is left, what happens
        outside sessions is counted instead.
        """
        if self.session is None and self.backlog.full:
            self._records_omitted += 1
            return
        if session_id is None and self.session is not None:
            session_id = self.session.id
        connector = self.parameters.connector
        self._records.append(
            self.backlog.add(kind, self.now_s, self.wall_ms, self.wall_quality, session_id, body, connector=connector)
        )

    def reply(self, command_id: str, result: str, reason: str = "", session: str | None = None) -> None:
        """Answer a command; the answer is kept for a repeated id."""
        reply = Reply(command_id, result, reason, session)
        self.answers.keep(reply)
        self._replies.append(reply)

    def repeat(self, reply: Reply) -> None:
        """Give a former answer once more."""
        self._replies.append(reply)

    def fail(self, fault_id: str) -> None:
        """The sequence itself found a fault of ``rules.EVENT_FAULTS``; it acts from the next evaluation on."""
        if fault_id not in rules.EVENT_FAULTS:
            raise ValueError(f"{fault_id} is not a fault that the sequence may report")
        self.situation.events.add(fault_id)

    def want_contactors(self, closed: bool) -> None:
        """Command the output contactors. Closing is refused here and again at the output unless it is permitted."""
        if closed == self.relays_wanted["contactors"]:
            return
        if closed and not self.permission.close:
            return
        self.memory.contactors_used = self.memory.contactors_used or closed
        self.relays_wanted["contactors"] = closed
        self.situation.contactors_wanted = closed
        self.situation.contactors_wanted_since_s = self.now_s

    def want_auxiliary(self, on: bool) -> None:
        """Command the 12 V supply of the vehicle."""
        if on != self.relays_wanted["auxiliary_supply"]:
            self.relays_wanted["auxiliary_supply"] = on
            self.situation.auxiliary_wanted_since_s = self.now_s if on else None

    def set_demand(self, voltage_v: float, current_a: float, ceiling_v: float) -> None:
        """Ask the power stage for an output; ``ceiling_v`` is the voltage above which it is a fault."""
        self.demand = Demand(voltage_v=voltage_v, current_a=current_a, on=True)
        self.situation.output_idle_since_s = None
        if self.memory.voltage_ceiling_v is None:
            self.memory.voltage_ceiling_since_s = self.now_s
        self.memory.voltage_ceiling_v = ceiling_v
        self.envelope.add(self.now_s, current_a)

    def no_demand(self) -> None:
        """Ask the power stage for nothing."""
        if self.situation.output_idle_since_s is None:
            self.situation.output_idle_since_s = self.now_s
        self.demand = Demand()
        self.memory.voltage_ceiling_v = None
        self.envelope.clear()

    def new_session_id(self) -> str:
        """A session id that no other boot, connector or pile gives out."""
        self._sessions_begun += 1
        return (
            f"{self.parameters.pile_id}-{self.parameters.connector}-{self.wall_ms:013d}"
            f"-{self.parameters.boot_id[:4]}{self._sessions_begun:03d}"
        )

    def open_session(self, session: Session, body: Mapping[str, Any]) -> None:
        """Begin: a fresh dialogue and memory, and the start on its way to the record."""
        self.charger = self._new_charger()
        self.situation.events.clear()
        self.memory.new_session()
        self.session = session
        self.record("session_started", body)

    def halt(self, reason: str, *, immediate: bool = False) -> None:
        """End the session. ``immediate`` opens the contactors at once instead of after the current has fallen."""
        session = self.session
        if session is None:
            return
        if session.stop_reason is None:
            session.stop_reason = reason
            self.charger.stop(self.now_s, vehicle.stop_cause(reason, self.sequence.state))
        if self.sequence.state != "stopping":
            self.move("halt")
        if immediate and not self.memory.opened:
            self.memory.opened = True
            self.output_off()

    def end_session(self) -> None:
        """Record the end of the session and answer who asked for it."""
        session = self.session
        if session is None:
            return
        reason = session.stop_reason or "internal_error"
        if reason in REPLUG_STOPS:
            self.situation.replug_after = reason
        self.record("session_ended", recording.ended_body(self, session, reason))
        for command_id in session.stop_command_ids:
            self.reply(command_id, "done", reason, session.id)
        if not session.reached_charging:
            self.reply(session.command_id, "failed", reason, session.id)
        self.session = None
        self.situation.events.clear()

    def vehicle_values(self) -> dict[str, Any]:
        """Latest values of the vehicle for the status page."""
        return vehicle.vehicle_values(self)

    def _new_charger(self) -> Charger:
        parameters = self.parameters
        return Charger(
            charger_number=parameters.charger_number,
            limits=ChargerLimits(
                maximum_voltage_v=parameters.maximum_voltage_v,
                minimum_voltage_v=parameters.minimum_voltage_v,
                maximum_current_a=parameters.maximum_current_a,
                minimum_current_a=parameters.minimum_current_a,
            ),
            edition=parameters.edition,
        )

    def _outputs(self, frames: list[CanFrame]) -> Outputs:
        """The last gate: no step, no request and no error gets a contactor closed without the permission."""
        wanted = self.relays_wanted
        energise = wanted["contactors"] and self.permission.energise
        if self.demand.on and not self.permission.energise:
            self.no_demand()
        relays = {
            "contactor_k1": energise,
            "contactor_k2": energise,
            "auxiliary_supply": wanted["auxiliary_supply"],
            "discharge": wanted["discharge"],
            "insulation_monitor": wanted["insulation_monitor"],
            "fan": self.demand.on,
            "fault_lamp": bool(self.blocking_faults()),
        }
        if "electronic_lock" in wanted:
            relays["electronic_lock"] = wanted["electronic_lock"]
        records, self._records = self._records, []
        replies, self._replies = self._replies, []
        return Outputs(relays=relays, demand=self.demand, frames=frames, records=records, replies=replies)
