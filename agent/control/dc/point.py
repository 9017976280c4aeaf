"""The state of one DC connector and the primitive moves on it: what the core, commands and reactions work with.

Steps never see it; they get a ``View`` and return ``Wants``. Outputs change only through ``release``.
"""

from collections.abc import Mapping
from typing import Any

from agent.control.chassis.chassis import Chassis
from agent.control.chassis.envelope import CurrentEnvelope
from agent.control.dc.limits import pile_limit
from agent.control.dc.machine import Sequence
from agent.control.dc.memory import StepMemory
from agent.control.dc.parameters import ControlParameters
from agent.control.dc.plausibility import VehicleWatch
from agent.control.dc.power_share import ALONE, PowerShare
from agent.control.dc.session import ChargeSession
from agent.control.dc.stop_causes import stop_cause
from agent.control.dc.view import ChargeView, DialogueView
from agent.control.metering.meter import Metering
from agent.control.metering.quarter_hours import QuarterHours
from agent.control.power_quality.watch import PowerQuality
from agent.control.safety import gate
from agent.control.safety.permission import BLOCKING_ACTIONS, Permission
from agent.control.safety.rules import EVENT_FAULTS
from agent.control.safety.situation import Situation
from agent.vocabulary import kinds, reasons, states
from drivers.can.state import BusState
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits

_ALL_OFF = gate.Asked(contactors=False, set_point=gate.OFF)


class ChargePoint:
    """See the module."""

    def __init__(self, parameters: ControlParameters, chassis: Chassis) -> None:
        now_s = chassis.now_s
        self.parameters = parameters
        self.chassis = chassis
        self.sequence = Sequence()
        self.memory = StepMemory(entered_at_s=now_s)
        self.held = gate.at_rest(now_s)
        self.permission = Permission.denied(reasons.START_UP)
        self.situation = Situation(now_s=now_s, started_at_s=now_s, output_idle_since_s=now_s)
        """What the rules were given at the last evaluation."""
        self.session: ChargeSession | None = None
        self.charge: ChargeView | None = None
        self.limit = pile_limit(parameters, 1.0)
        self.share: PowerShare | None = None
        self.sharing = ALONE
        self.envelope = CurrentEnvelope()
        self.watch = VehicleWatch()
        """Findings about the vehicle's data."""
        self.replug_after: str | None = None
        """Stop reason after which no session starts until the plug has been pulled."""
        self.reconnects_since_plug = 0
        """New handshakes after time-outs since the plug was put in."""
        self.metering = Metering(parameters)
        self.quarter_hours = QuarterHours(parameters.tariff.utc_offset_minutes)
        self.power_quality = None if parameters.power_quality is None else PowerQuality(parameters.power_quality)
        self.module_bus_state = BusState.UNKNOWN
        self.renew_dialogue()

    @property
    def state(self) -> str:
        """State of the sequence."""
        return self.sequence.state

    @property
    def stoppable(self) -> bool:
        """A session runs and its end has not begun."""
        return self.session is not None and self.sequence.state != states.STOPPING

    @property
    def last_register_wh(self) -> int | None:
        """Newest reading of the meter's register that may enter a bill, as the meter shows it."""
        return self.metering.register.last_wh

    def renew_dialogue(self) -> None:
        """A fresh dialogue with the vehicle."""
        parameters = self.parameters
        self.charger = Charger(
            charger_number=parameters.charger_number,
            limits=ChargerLimits(
                maximum_voltage_v=parameters.maximum_voltage_v,
                minimum_voltage_v=parameters.minimum_voltage_v,
                maximum_current_a=parameters.maximum_current_a,
                minimum_current_a=parameters.minimum_current_a,
            ),
            edition=parameters.edition,
        )
        self.dialogue = DialogueView(self.charger)

    def release(self, asked: gate.Asked) -> None:
        """Let through what the last gate lets through of ``asked``, and remember what is commanded."""
        former, now_s = self.held, self.chassis.now_s
        self.held = held = gate.release(asked, self.permission, former, now_s)
        if held.contactors:
            self.memory.contactors_used = True
        if not held.set_point.on:
            self.envelope.clear()
        elif asked.set_point is not None:
            self.envelope.add(now_s, held.set_point.current_a)

    def output_off(self) -> None:
        """Contactors and power modules off, whatever they were for."""
        self.release(_ALL_OFF)

    def blocking_faults(self) -> list[str]:
        """Faults in force that refuse a start."""
        return [item.fault.id for item in self.chassis.active if item.fault.action in BLOCKING_ACTIONS]

    def record(self, kind: str, body: Mapping[str, Any]) -> None:
        """Number a record of this connector."""
        self.chassis.record(kind, body)

    def move(self, trigger: str) -> None:
        """Move the sequence and record the new state. Raises MachineError on a move the table does not have."""
        previous = self.sequence.move(trigger)
        self.memory.enter(self.chassis.now_s)
        self.record(
            kinds.STATE, {"state": self.sequence.state, "previous": previous, "reasons": self.blocking_faults()}
        )

    def fail(self, fault_id: str) -> None:
        """The sequence itself found a fault of ``EVENT_FAULTS``; it acts from the next evaluation on."""
        if fault_id not in EVENT_FAULTS:
            raise ValueError(f"{fault_id} is not a fault that the sequence may report")
        self.chassis.events.add(fault_id)

    def halt(self, reason: str, *, immediate: bool = False) -> None:
        """End the session. ``immediate`` opens the contactors at once instead of after the current has fallen."""
        session = self.session
        if session is None:
            return
        if session.stop_reason is None:
            session.stop_reason = reason
            self.charger.stop(self.chassis.now_s, stop_cause(reason, self.sequence.state))
        if self.sequence.state != states.STOPPING:
            self.move("halt")
        if immediate and not self.memory.opened:
            self.memory.opened = True
            self.output_off()
