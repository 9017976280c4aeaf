"""The control core of one connector: readings, frames, commands and the time in; outputs, frames and records out.

It owns the process image, the fault register, the sequence and the charger side of the vehicle protocol. It
reads no clock, touches no wire and draws no random number, so the same inputs always give the same outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.control import interlocks
from agent.control.backlog import Backlog, RecordDraft
from agent.control.billing import Billing
from agent.control.commands import Answers, CommandInput, Reply
from agent.control.fault_register import ActiveFault, FaultRegister
from agent.control.image import ProcessImage
from agent.control.interlocks import Permission, Situation
from agent.control.limits import OutputLimit, derate_share, pile_limit
from agent.control.machine import SESSION_STATES, Sequence
from agent.control.parameters import ControlParameters
from agent.control.session import NORMAL_STOPS, Session, SessionLimits
from agent.control.steps import STEPS
from agent.control.steps.context import Demand, StepMemory
from drivers.bms.charger import Charger, ChargerLimits, Event, EventKind, StopCause
from drivers.can.frame import CanFrame
from drivers.reading import Reading

_NOT_PERMITTED = Permission(
    energise=False, close=False, start=False, energise_reasons=("start-up",), close_reasons=(), start_reasons=()
)
_ENVELOPE_WINDOW_S = 4.0
"""A set point counts for the over-current rule this long: the slowest current reading may be 3 s old."""


@dataclass(slots=True)
class Outputs:
    """What the shell must do after a step."""

    relays: dict[str, bool]
    demand: Demand
    frames: list[CanFrame] = field(default_factory=list)
    records: list[RecordDraft] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)


class ControlCore:
    """See the module. All public methods are cheap and never block; only ``step`` decides anything."""

    def __init__(self, parameters: ControlParameters, now_s: float, *, restarted: bool = False) -> None:
        self.parameters = parameters
        self.image = ProcessImage()
        self.sequence = Sequence()
        self.faults = FaultRegister(parameters.faults)
        self.backlog = Backlog(parameters.maximum_backlog)
        self.answers = Answers()
        self.charger = self._new_charger()
        self.situation = Situation(now_s=now_s, started_at_s=now_s)
        if restarted:
            self.situation.events.add("control_restarted")
        self.permission = _NOT_PERMITTED
        self.memory = StepMemory(entered_at_s=now_s)
        self.session: Session | None = None
        self.demand = Demand()
        self.limit = pile_limit(parameters, 1.0)
        self.relays_wanted = {
            "contactors": False,
            "auxiliary_supply": False,
            "electronic_lock": False,
            "discharge": False,
            "insulation_monitor": False,
        }
        self.now_s = now_s
        self.wall_ms = 0
        self.wall_quality = "unset"
        self.shutting_down = False
        self.uplink_state = "off"
        self._commands: list[CommandInput] = []
        self._reset_until_s = -1.0
        self._active: list[ActiveFault] = []
        self._envelope: list[tuple[float, float]] = []
        self._sessions_begun = 0
        self._next_telemetry_s = now_s
        self._records: list[RecordDraft] = []
        self._replies: list[Reply] = []
        self._last_register_wh: int | None = None

    # What comes in.

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value. Raises KeyError for an unknown signal."""
        if name == "meter_energy_wh":
            register_wh = int(reading.value)
            if self._last_register_wh is not None and register_wh < self._last_register_wh:
                if self.session is not None:
                    self.situation.events.add("meter_abnormal")
                    return
                # Without a session a lower register is a changed meter: recorded, then the new truth.
                self.record(
                    "event",
                    {"event": "register_lower", "former_wh": self._last_register_wh, "register_wh": register_wh},
                )
            self._last_register_wh = register_wh
        self.image.put(name, reading)

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame came from the vehicle bus."""
        self.charger.receive(frame, now_s)

    def on_command(self, command: CommandInput) -> None:
        """Somebody asks for something; answered by the next step."""
        self._commands.append(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""
        self.backlog.acknowledge(number)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float) -> None:
        """The recorder reported its health."""
        self.image.put("recorder_ready", Reading(ready, "bool", at_s))
        self.uplink_state = uplink

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""
        self.situation.vehicle_port_open = is_open

    def request_shutdown(self) -> None:
        """End a running session in order and begin none; see ``safe_to_exit``."""
        self.shutting_down = True

    @property
    def safe_to_exit(self) -> bool:
        """No session is open and nothing is energised."""
        return self.session is None and not self.relays_wanted["contactors"]

    @property
    def state(self) -> str:
        """State of the sequence."""
        return self.sequence.state

    @property
    def active_faults(self) -> list[ActiveFault]:
        """Faults in force at the last step."""
        return self._active

    # The step.

    def step(self, now_s: float, wall_ms: int, wall_quality: str) -> Outputs:
        """Evaluate everything once. ``wall_ms`` is UTC in milliseconds, only for records and tariff slots."""
        self.now_s = self.situation.now_s = now_s
        self.wall_ms = wall_ms
        self.wall_quality = wall_quality
        for event in self.charger.events():
            self._on_charger_event(event)
        self._evaluate()
        self._take_commands()
        self._react_to_faults()
        for _ in range(4):
            before = self.sequence.state
            STEPS[before](self)
            if self.sequence.state == before:
                break
            self._fill_situation()
        self._record_periodically()
        return self._outputs()

    def _evaluate(self) -> None:
        self._fill_situation()
        situation = self.situation
        present = interlocks.conditions(self.image, situation, self.parameters)
        plugged = interlocks.is_plugged(self.image, self.now_s, self.parameters)
        raised, cleared = self.faults.update(
            self.now_s, present, unplugged=plugged is False, reset=self.now_s < self._reset_until_s
        )
        if raised or cleared or self._active:
            self._active = self.faults.active()
        for fault in raised:
            self.record(
                "alarm_raised",
                {
                    "fault": fault.id,
                    "level": fault.level,
                    "action": fault.action,
                    "snapshot": self.image.snapshot(self.now_s),
                },
            )
            if self.session is not None and fault.action != "log":
                self.session.faults.append(fault.id)
        for fault in cleared:
            self.record("alarm_cleared", {"fault": fault.id, "level": fault.level, "action": fault.action})
        situation.events.discard("control_restarted")
        if self.session is None:
            situation.events.clear()
        self.permission = interlocks.permission(self.image, situation, present, self._active, self.parameters)

    def _fill_situation(self) -> None:
        situation = self.situation
        state = self.sequence.state
        session = self.session
        situation.in_session = session is not None
        situation.record_durable = session is not None and self.backlog.acknowledged >= session.start_record
        situation.lock_required = session is not None and self.memory.lock_confirmed
        situation.vehicle_expected = state in SESSION_STATES and not self.memory.output_safe
        situation.before_insulation_test = state in ("plugged", "settled", "locked", "handshake")
        situation.discharged_side = state in ("idle", "plugged", "settled", "faulted", "stopping")
        situation.clock_unset = self.wall_quality == "unset"
        situation.uplink_lost = self.uplink_state not in ("off", "connected")
        if self._envelope:
            horizon_s = self.now_s - _ENVELOPE_WINDOW_S
            while len(self._envelope) > 1 and self._envelope[0][0] < horizon_s:
                del self._envelope[0]
            situation.current_envelope_a = max(current_a for _, current_a in self._envelope)
        else:
            situation.current_envelope_a = None
        situation.voltage_ceiling_v = self.memory.voltage_ceiling_v
        situation.battery_limits_violated = state == "charging" and self._battery_limits_violated()

    def _battery_limits_violated(self) -> bool:
        """The battery is measured above its own BCP limits. A value the vehicle does not send judges nothing."""
        vehicle = self.charger.vehicle
        if vehicle.bcp is None:
            return False
        bcp = vehicle.bcp.values
        pairs: list[tuple[float | None, float | None]] = []
        if vehicle.bcs is not None:
            bcs = vehicle.bcs.values
            pairs.append((bcs["maximum_cell_voltage_v"], bcp["maximum_cell_voltage_v"]))
            pairs.append((bcs["voltage_v"], bcp["maximum_voltage_v"] + self.parameters.numbers.over_voltage_margin_v))
        if vehicle.bsm is not None:
            pairs.append((vehicle.bsm.values["highest_temperature_c"], bcp["maximum_temperature_c"]))
        return any(value is not None and limit is not None and value > limit for value, limit in pairs)

    def _react_to_faults(self) -> None:
        opening = [item.fault.id for item in self._active if item.fault.action == "open"]
        stopping = [item.fault.id for item in self._active if item.fault.action == "stop"]
        if self.session is None:
            if self.sequence.state in ("idle", "plugged", "settled") and self.blocking_faults():
                self.move("trip")
            return
        if opening:
            self.halt(opening[0], immediate=True)
        elif stopping and self.sequence.state != "stopping":
            self.halt(stopping[0])
        if self.shutting_down and self.sequence.state != "stopping":
            self.halt("shutdown")
        if self.backlog.full and self.sequence.state != "stopping":
            self.halt("recorder_lost")

    def blocking_faults(self) -> list[str]:
        """Faults in force that refuse a start."""
        return [item.fault.id for item in self._active if item.fault.action in ("open", "stop", "inhibit")]

    # What the steps use.

    def move(self, trigger: str) -> None:
        """Move the sequence and record the new state. Raises MachineError on a move the table does not have."""
        previous = self.sequence.move(trigger)
        self.memory.enter(self.now_s)
        self.record(
            "state",
            {"state": self.sequence.state, "previous": previous, "reasons": self.blocking_faults()},
        )

    def record(self, kind: str, body: dict[str, Any]) -> RecordDraft:
        """Number a record and hand it to the shell."""
        session = None if self.session is None else self.session.id
        draft = self.backlog.add(kind, self.now_s, self.wall_ms, self.wall_quality, session, body)
        self._records.append(draft)
        return draft

    def reply(self, command_id: str, result: str, reason: str = "", session: str | None = None) -> None:
        """Answer a command; the answer is kept for a repeated id."""
        reply = Reply(command_id, result, reason, session)
        self.answers.keep(reply)
        self._replies.append(reply)

    def fail(self, fault_id: str) -> None:
        """The sequence itself found a fault of ``interlocks.EVENT_FAULTS``; it acts from the next evaluation on."""
        if fault_id not in interlocks.EVENT_FAULTS:
            raise ValueError(f"{fault_id} is not a fault that the sequence may report")
        self.situation.events.add(fault_id)

    def want_contactors(self, closed: bool) -> None:
        """Command the output contactors. Closing is refused here and again at the output unless it is permitted."""
        if closed == self.relays_wanted["contactors"]:
            return
        if closed and not self.permission.close:
            return
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
        self.memory.voltage_ceiling_v = ceiling_v
        if not self._envelope or self._envelope[-1][1] != current_a:
            self._envelope.append((self.now_s, current_a))
        else:
            self._envelope[-1] = (self.now_s, current_a)
        if len(self._envelope) > 256:
            # Keep the largest of the oldest half: the window stays right, the list stays short.
            half = self._envelope[:128]
            self._envelope[:128] = [(half[-1][0], max(current for _, current in half))]

    def no_demand(self) -> None:
        """Ask the power stage for nothing."""
        self.demand = Demand()
        if self.memory.voltage_ceiling_v is not None:
            self.memory.voltage_ceiling_v = None
            self._envelope.clear()

    def derated_limit(self) -> OutputLimit:
        """Ratings of the pile, lowered by the temperature of the connector."""
        temperatures = [
            self.image.value(name, self.now_s)
            for name in ("connector_temperature_plus_c", "connector_temperature_minus_c")
        ]
        known = [value for value in temperatures if value is not None]
        hottest = max(known) if len(known) == len(temperatures) else None
        share = derate_share(hottest, self.parameters.temperature_derate_c, self.parameters.over_temperature_c)
        return pile_limit(self.parameters, share)

    def halt(self, reason: str, *, immediate: bool = False, cause: StopCause | None = None) -> None:
        """End the session. ``immediate`` opens the contactors at once instead of after the current has fallen."""
        session = self.session
        if session is None:
            return
        if session.stop_reason is None:
            session.stop_reason = reason
            self.charger.stop(self.now_s, cause or _stop_cause(reason))
        if self.sequence.state != "stopping":
            self.move("halt")
        if immediate and not self.memory.opened:
            self.memory.opened = True
            self.want_contactors(False)
            self.no_demand()

    def new_charger(self) -> None:
        """Forget the last vehicle."""
        self.charger = self._new_charger()

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

    # Vehicle protocol.

    def _on_charger_event(self, event: Event) -> None:
        kind = event.kind
        memory = self.memory
        memory.seen.add(kind)
        if kind is EventKind.TIMEOUT:
            fault_id = f"bms_timeout_{event.message.lower()}"
            self.fail(fault_id)
        elif kind is EventKind.VEHICLE_TIMEOUT:
            self.fail("bms_error_message")
        elif kind is EventKind.VEHICLE_FAULT:
            self.fail("bms_fault")
        elif kind is EventKind.NOT_READY:
            self.fail("bms_not_ready")
        elif kind is EventKind.STOP_REQUESTED and self.session is not None:
            faults = VEHICLE_STOP_FAULTS.intersection(event.detail.get("reasons", ()))
            self.halt("vehicle_fault" if faults else "vehicle", cause=StopCause.BY_VEHICLE)
            self.record("event", {"event": "vehicle_stop", "detail": dict(event.detail)})

    # Commands.

    def _take_commands(self) -> None:
        commands, self._commands = self._commands, []
        for command in commands:
            former = self.answers.former(command.id)
            if former is not None:
                self._replies.append(former)
                continue
            handler = {"start": self._on_start, "stop": self._on_stop, "reset": self._on_reset}.get(command.name)
            if handler is None:
                self._decide(command, "rejected", "unknown_command")
            else:
                handler(command)

    def _decide(self, command: CommandInput, result: str, reason: str = "", session: str | None = None) -> None:
        self.record(
            "command",
            {"id": command.id, "name": command.name, "origin": command.origin, "result": result, "reason": reason},
        )
        self.reply(command.id, result, reason, session)

    def _on_stop(self, command: CommandInput) -> None:
        session = self.session
        if session is None:
            self._decide(command, "rejected", "no_session")
            return
        session.stop_command_id = command.id
        self._decide(command, "accepted", session=session.id)
        self.halt("platform" if command.origin == "platform" else "local")

    def _on_reset(self, command: CommandInput) -> None:
        if command.origin != "local":
            self._decide(command, "rejected", "only_at_the_pile")
            return
        self._reset_until_s = self.now_s + 2.0
        self._decide(command, "accepted")

    def _on_start(self, command: CommandInput) -> None:
        if command.expires_wall_ms and self.wall_ms > command.expires_wall_ms:
            self._refuse(command, "expired")
            return
        if self.session is not None:
            self._refuse(command, "session_running")
            return
        if self.shutting_down:
            self._refuse(command, "shutting_down")
            return
        try:
            limits = SessionLimits.from_arguments(dict(command.arguments))
        except ValueError as error:
            self._refuse(command, f"bad_arguments: {error}")
            return
        if not self.permission.start or self.sequence.state not in ("plugged", "settled"):
            self._refuse(command, ", ".join(self.permission.start_reasons) or f"state {self.sequence.state}")
            return
        self._begin(command, limits)

    def _session_id(self) -> str:
        self._sessions_begun += 1
        return (
            f"{self.parameters.pile_id}-{self.parameters.connector}-{self.wall_ms:013d}"
            f"-{self.parameters.boot_id[:4]}{self._sessions_begun:03d}"
        )

    def _refuse(self, command: CommandInput, reason: str) -> None:
        """A start attempt that is refused is a session too: one record, no energy."""
        session_id = self._session_id()
        register_wh = int(self._last_register_wh or 0)
        draft_session = self.session
        body = {
            "result": "refused",
            "stop_reason": reason,
            "faults": self.blocking_faults(),
            "origin": command.origin,
            "command_id": command.id,
            "register_start_wh": register_wh,
            "register_end_wh": register_wh,
            "energy_wh": 0,
            "slices": [],
            "amount_e4": 0,
            "duration_s": 0,
            "started_wall_ms": self.wall_ms,
            "ended_wall_ms": self.wall_ms,
            "closed_by": "control",
        }
        self._records.append(
            self.backlog.add("session_ended", self.now_s, self.wall_ms, self.wall_quality, session_id, body)
        )
        self._decide(command, "rejected", reason, draft_session.id if draft_session else session_id)

    def _begin(self, command: CommandInput, limits: SessionLimits) -> None:
        parameters = self.parameters
        register_wh = int(self.image.value("meter_energy_wh", self.now_s) or 0)
        billing = Billing(parameters.tariff)
        billing.start(register_wh, self.wall_ms)
        self.session = session = Session(
            id=self._session_id(),
            origin=command.origin,
            command_id=command.id,
            user=str(command.arguments.get("user", "")),
            limits=limits,
            billing=billing,
            started_at_s=self.now_s,
            started_wall_ms=self.wall_ms,
            start_record=0,
        )
        self.new_charger()
        self.situation.events.clear()
        self.memory.new_session()
        tariff = parameters.tariff
        draft = self.record(
            "session_started",
            {
                "origin": session.origin,
                "command_id": session.command_id,
                "user": session.user,
                "limits": limits.as_record(),
                "register_wh": register_wh,
                "tariff": tariff.as_record(),
                "meter": dict(parameters.meter),
                "started_wall_ms": self.wall_ms,
            },
        )
        session.start_record = draft.number
        self._decide(command, "accepted", session=session.id)
        self.move("begin")

    # Records and outputs.

    def _record_periodically(self) -> None:
        session = self.session
        charging = self.sequence.state == "charging"
        if session is not None and charging:
            register = self.image.value("meter_energy_wh", self.now_s)
            edge = register is not None and session.billing.sample(int(register), self.wall_ms)
            if edge or self.now_s >= session.next_progress_s:
                session.next_progress_s = self.now_s + self.parameters.telemetry_interval_s
                self.record("session_progress", {**self._measured(), "rate": session.billing.rate})
        if self.now_s >= self._next_telemetry_s and not self.backlog.crowded:
            interval_s = self.parameters.telemetry_interval_s if charging else self.parameters.telemetry_idle_interval_s
            self._next_telemetry_s = self.now_s + interval_s
            self.record("telemetry", {"state": self.sequence.state, **self._measured()})

    def _measured(self) -> dict[str, int]:
        """Scaled integers of what is valid now; what is stale is absent."""
        image, now_s = self.image, self.now_s
        body: dict[str, int] = {}
        for key, name, scale in (
            ("register_wh", "meter_energy_wh", 1),
            ("voltage_dv", "meter_voltage_v", 10),
            ("current_da", "meter_current_a", 10),
            ("power_w", "meter_power_w", 1),
            ("temperature_dc", "connector_temperature_plus_c", 10),
        ):
            value = image.value(name, now_s)
            if value is not None:
                body[key] = round(value * scale)
        session = self.session
        if session is not None:
            body["energy_wh"] = session.billing.bill().energy_wh
            if session.soc_end_percent is not None:
                body["soc_percent"] = session.soc_end_percent
        bcl = self.charger.vehicle.bcl
        if bcl is not None and self.sequence.state == "charging":
            body["demand_voltage_dv"] = round(bcl.values["voltage_v"] * 10)
            body["demand_current_da"] = round(bcl.values["current_a"] * 10)
            body["limit_w"] = round(self.limit.power_w)
        return body

    def end_session(self) -> None:
        """Record the end of the session: the bill from the register, never from an integral."""
        session = self.session
        if session is None:
            return
        bill = session.billing.bill()
        reason = session.stop_reason or "internal_error"
        settled = reason in NORMAL_STOPS and session.reached_charging
        body: dict[str, Any] = {
            "result": "settled" if settled else "failed",
            "stop_reason": reason,
            "faults": session.faults,
            "origin": session.origin,
            "command_id": session.command_id,
            **bill.as_record(),
            "register_source": self.memory.register_source,
            "duration_s": session.duration_s(self.now_s),
            "started_wall_ms": session.started_wall_ms,
            "ended_wall_ms": self.wall_ms,
            "closed_by": "control",
        }
        optional = {
            "soc_start_percent": session.soc_start_percent,
            "soc_end_percent": session.soc_end_percent,
            "vin": session.vin,
        }
        body.update((key, value) for key, value in optional.items() if value is not None)
        self.record("session_ended", body)
        if session.stop_command_id is not None:
            self.reply(session.stop_command_id, "done", reason, session.id)
        if not session.reached_charging:
            self.reply(session.command_id, "failed", reason, session.id)
        self.session = None
        self.situation.events.clear()

    def _outputs(self) -> Outputs:
        wanted = self.relays_wanted
        energise = wanted["contactors"] and self.permission.energise
        if wanted["contactors"] and not energise:
            # The permission is gone: the sequence hears of it as a fault, the output follows at once.
            self.want_contactors(False)
            self.no_demand()
            self.halt(self.permission.energise_reasons[0].removeprefix("no value: "), immediate=True)
        if self.demand.on and not self.permission.energise:
            self.no_demand()
        relays = {
            "contactor_k1": energise,
            "contactor_k2": energise,
            "auxiliary_supply": wanted["auxiliary_supply"],
            "electronic_lock": wanted["electronic_lock"],
            "discharge": wanted["discharge"],
            "insulation_monitor": wanted["insulation_monitor"],
            "fan": self.demand.on,
            "fault_lamp": bool(self.blocking_faults()),
        }
        records, self._records = self._records, []
        replies, self._replies = self._replies, []
        return Outputs(
            relays=relays,
            demand=self.demand,
            frames=self.charger.poll(self.now_s),
            records=records,
            replies=replies,
        )

    def vehicle_values(self) -> Mapping[str, Any]:
        """Latest values of the vehicle for the status page."""
        vehicle = self.charger.vehicle
        values: dict[str, Any] = {"phase": self.charger.phase.name.lower()}
        if vehicle.brm is not None and vehicle.brm.values.get("vin"):
            values["vin"] = vehicle.brm.values["vin"]
        if vehicle.bcp is not None:
            values["bcp_maximum_voltage_v"] = vehicle.bcp.values["maximum_voltage_v"]
            values["bcp_maximum_current_a"] = vehicle.bcp.values["maximum_current_a"]
            values["bcp_battery_voltage_v"] = vehicle.bcp.values["battery_voltage_v"]
        if vehicle.bcl is not None:
            values["demand_voltage_v"] = vehicle.bcl.values["voltage_v"]
            values["demand_current_a"] = vehicle.bcl.values["current_a"]
            values["mode"] = vehicle.bcl.values["mode"]
        if vehicle.bcs is not None:
            for name in ("soc_percent", "remaining_min", "maximum_cell_voltage_v"):
                values[name] = vehicle.bcs.values[name]
        if vehicle.bsm is not None:
            values["highest_temperature_c"] = vehicle.bsm.values["highest_temperature_c"]
        return values


VEHICLE_STOP_FAULTS = frozenset(
    {
        "insulation_fault",
        "output_connector_over_temperature",
        "bms_over_temperature",
        "charging_connector_fault",
        "battery_over_temperature",
        "high_voltage_relay_fault",
        "detection_point_2_fault",
        "other_fault",
        "over_current",
        "voltage_abnormal",
        "parameter_mismatch",
    }
)
"""BST fields (SPN 3512 and 3513) that make the vehicle's stop a fault."""


def _stop_cause(reason: str) -> StopCause:
    """What CST tells the vehicle about a stop reason."""
    if reason in ("local", "platform", "shutdown"):
        return StopCause.MANUAL
    if reason in ("energy_limit", "time_limit", "amount_limit", "soc_limit"):
        return StopCause.CONDITION_REACHED
    return {
        "vehicle": StopCause.BY_VEHICLE,
        "vehicle_fault": StopCause.BY_VEHICLE,
        "emergency_stop": StopCause.EMERGENCY_STOP,
        "over_temperature": StopCause.OVER_TEMPERATURE,
        "connector_unplugged": StopCause.CONNECTOR_FAULT,
        "lock_lost": StopCause.CONNECTOR_FAULT,
        "current_absent": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
        "output_over_current": StopCause.CURRENT_MISMATCH,
        "output_over_voltage": StopCause.VOLTAGE_ABNORMAL,
    }.get(reason, StopCause.OTHER_FAULT)
