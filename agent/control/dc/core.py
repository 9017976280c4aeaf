"""The control core of one DC connector: readings, frames, commands and the time in; outputs, frames, records out.

It joins the chassis, the state of the connector, the rules and the steps. It reads no clock, touches no wire and draws
no random number, so the same inputs always give the same outputs.
"""

from typing import Any

import msgspec

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.chassis import Chassis
from agent.control.chassis.commands import CommandInput, Reply
from agent.control.chassis.image import ProcessImage
from agent.control.dc import applying, recording, requests, vehicle_events
from agent.control.dc.parameters import ControlParameters
from agent.control.dc.point import ChargePoint
from agent.control.dc.power_share import PowerShare, Sharing
from agent.control.dc.reactions import react, situation_of
from agent.control.dc.session import ChargeSession
from agent.control.dc.steps import STEPS
from agent.control.power_quality.watch import SIGNALS as GRID_SIGNALS
from agent.control.safety import gate, rules
from agent.control.safety.fault_register import ActiveFault
from agent.control.safety.gate import SetPoint
from agent.control.safety.permission import Permission, permission
from agent.settings.catalogue import Fault
from agent.vocabulary import kinds
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.reading import Reading

_MOVES_PER_EVALUATION = 4


class Outputs(msgspec.Struct, gc=False):
    """What the shell must do after an evaluation."""

    relays: dict[str, bool]
    set_point: SetPoint
    frames: list[CanFrame] = []
    records: list[Record] = []
    replies: list[Reply] = []


class ControlCore:
    """See the module. All public methods are cheap and never block; only ``evaluate`` decides anything.

    ``backlog`` is shared by all cores of a process; without one the core has its own. Raises ValueError if the
    catalogue lacks a fault that the core may raise.
    """

    def __init__(
        self,
        parameters: ControlParameters,
        now_s: float,
        *,
        restarted: bool = False,
        backlog: Backlog | None = None,
    ) -> None:
        self.parameters = parameters
        self.chassis = Chassis(
            parameters,
            now_s,
            raisable=rules.FAULT_IDS,
            backlog=backlog,
            restarted=restarted,
            session_essential=True,
        )
        self.point = ChargePoint(parameters, self.chassis)

    # What comes in.

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value. Raises KeyError for an unknown signal."""
        power_quality = self.point.power_quality
        if power_quality is not None and name in GRID_SIGNALS:
            power_quality.take(name, reading)
        else:
            self.chassis.put(name, reading, self._take_register)

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame came from the vehicle bus. An error of the program is one of the next evaluation."""
        try:
            self.point.charger.receive(frame, now_s)
        except Exception as error:
            self.chassis.guard.note(error)

    def on_command(self, command: CommandInput) -> None:
        """A command came in; answered by the next evaluation."""
        self.chassis.on_command(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable."""
        self.chassis.backlog.acknowledge(number)

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health, and what the ledger knows of the meter."""
        chassis, metering = self.chassis, self.point.metering
        if meter.proof:
            metering.proof = meter.proof
        if ready and self.session is None and meter.register_end_wh is not None:
            moved = metering.register.compare(meter.register_end_wh)
            if moved is not None:
                chassis.record(kinds.EVENT, moved)
                chassis.events.add("meter_register_moved")
        chassis.on_recorder(ready=ready, uplink=uplink, at_s=at_s)

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""
        self.chassis.vehicle_port_open = is_open

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""
        self.chassis.vehicle_bus_state = state

    def on_module_bus_state(self, state: BusState) -> None:
        """The error state of the module bus' controller, as last reported."""
        self.point.module_bus_state = state

    def set_power_share(self, share: PowerShare | None) -> None:
        """The connector's part of the power of the pile from now on; None: no limit but its own."""
        self.point.share = share

    def on_power_sharing(self, sharing: Sharing) -> None:
        """What power sharing has found, and whether the groups of modules let the contactors close."""
        self.point.sharing = sharing

    def request_shutdown(self) -> None:
        """End a running session as after a stop command and begin none; see ``safe_to_exit``."""
        self.chassis.shutting_down = True

    # What can be seen.

    @property
    def safe_to_exit(self) -> bool:
        """No session is open and nothing is energised."""
        return self.session is None and not self.point.held.contactors

    @property
    def state(self) -> str:
        """State of the sequence."""
        return self.point.state

    @property
    def session(self) -> ChargeSession | None:
        """The session that is open."""
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
    def permission(self) -> Permission:
        """The verdict of the last evaluation."""
        return self.point.permission

    @property
    def active_faults(self) -> list[ActiveFault]:
        """Faults in force at the last evaluation."""
        return self.chassis.active

    # Between two evaluations: the vehicle's protocol waits for no cycle, and needs no decision for most messages.

    def replies(self, now_s: float) -> list[CanFrame]:
        """Frames for the vehicle that are due now; nothing is decided. An error is one of the next evaluation."""
        due_s = self.point.charger.next_due()
        if due_s is None or now_s < due_s:
            return []
        try:
            return self.point.charger.poll(now_s)
        except Exception as error:
            self.chassis.guard.note(error)
            return []

    def reply_due_s(self) -> float:
        """When ``replies`` has something next; infinite in silence."""
        due_s = self.point.charger.next_due()
        return float("inf") if due_s is None else due_s

    @property
    def wants_evaluation(self) -> bool:
        """The vehicle's protocol has something that is to be decided at once, not in the next cycle."""
        return self.point.charger.has_events or self.chassis.guard.waiting

    # The evaluation.

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> Outputs:
        """Evaluate everything once. ``wall_ms`` is UTC in milliseconds, only for records and tariff slots.

        An error of the program opens the outputs in the same evaluation and is a fault; the third in a row is raised.
        """
        self.chassis.begin(now_s, wall_ms, wall_quality)
        frames = self.chassis.guard.run(self._work, self._after_error)
        point = self.point
        # The last gate once more: whatever the evaluation left behind, nothing leaves without the permission.
        point.release(gate.NOTHING)
        records, replies = self.chassis.take_out()
        relays = gate.relays(point.held, fault_lamp=bool(point.blocking_faults()))
        return Outputs(relays, point.held.set_point, frames, records, replies)

    def _work(self) -> list[CanFrame]:
        point, chassis = self.point, self.chassis
        for event in point.charger.events():
            vehicle_events.on_event(point, event)
        plugged = self._judge()
        for command in chassis.take_commands():
            requests.take(point, command)
        react(point)
        for _ in range(_MOVES_PER_EVALUATION):
            before = point.state
            applying.apply(point, STEPS[before](applying.view_of(point, plugged)))
            if point.state == before:
                break
        chassis.record_omitted()
        recording.record_periodically(point)
        return point.charger.poll(chassis.now_s)

    def _judge(self) -> bool | None:
        """Rules, faults and the permission of this moment. Returns whether a vehicle is plugged in."""
        point, chassis, parameters = self.point, self.chassis, self.parameters
        image, now_s = chassis.image, chassis.now_s
        situation = point.situation = situation_of(point)
        present = rules.conditions(image, situation, parameters)
        plugged = rules.is_plugged(image, now_s, parameters)
        raised = chassis.update_faults(
            present,
            unplugged=plugged is False,
            suppressed=rules.suppressed(situation),
            head=_alarm,
            snapshot=self._snapshot,
        )
        session = point.session
        if session is None:
            if plugged is False:
                point.reconnects_since_plug = 0
                if point.replug_after is not None:
                    point.replug_after = None
                    situation = point.situation = msgspec.structs.replace(situation, replug_after=None)
        else:
            session.faults += [fault.id for fault in raised if fault.action != "log" and fault.id not in session.faults]
        chassis.pass_events()
        point.permission = permission(image, situation, present, chassis.active, parameters)
        return plugged

    def _snapshot(self) -> dict[str, Any]:
        return self.chassis.image.snapshot(self.chassis.now_s)

    def _take_register(self, register_wh: int, at_s: float) -> bool:
        """Let the watch over the register judge a reading. Returns whether it may be believed."""
        chassis = self.chassis
        taken = self.point.metering.register.take(register_wh, at_s, in_session=self.session is not None)
        if taken.event is not None:
            chassis.record(kinds.EVENT, dict(taken.event))
        if taken.abnormal:
            chassis.events.add("meter_abnormal")
        if taken.moved:
            chassis.events.add("meter_register_moved")
        return taken.accepted

    def _after_error(self, error: Exception) -> list[CanFrame]:
        """The program found an error in itself: outputs off now, and a fault that ends the session."""
        self.point.output_off()
        self.point.permission = Permission.denied("internal_error")
        self.chassis.record_error(error)
        return []


def _alarm(fault: Fault) -> dict[str, Any]:
    return {"fault": fault.id, "level": fault.level, "action": fault.action}
