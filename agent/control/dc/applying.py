"""One step: the view that it is given, and what becomes of what it wants. The outputs go through the last gate."""

import copy
from collections.abc import Callable

from agent.control.dc import sessions
from agent.control.dc.actions import Reconnect, do
from agent.control.dc.plausibility import VehicleWatch
from agent.control.dc.point import ChargePoint
from agent.control.dc.reactions import record_durable
from agent.control.dc.view import RegisterView, View
from agent.control.dc.wants import Wants
from agent.vocabulary import reasons

Step = Callable[[View], Wants]


def view_of(point: ChargePoint, plugged: bool | None) -> View:
    """What a step sees now."""
    chassis, register = point.chassis, point.metering.register
    return View(
        now_s=chassis.now_s,
        wall_ms=chassis.wall_ms,
        wall_quality=chassis.wall_quality,
        inputs=chassis.image.inputs(chassis.now_s),
        dialogue=point.dialogue,
        charge=point.charge,
        memory=copy.copy(point.memory),
        held=point.held,
        parameters=point.parameters,
        plugged=plugged,
        record_durable=record_durable(point),
        blocked=bool(point.blocking_faults()),
        register=RegisterView(register.total_wh, register.held),
        reconnects_since_plug=point.reconnects_since_plug,
        share=point.share,
    )


def apply(point: ChargePoint, wants: Wants) -> None:
    """Do what a step wants, as far as it is permitted."""
    point.memory = wants.memory
    point.release(wants)
    if wants.limit is not None:
        point.limit = wants.limit
    _take_facts(point, wants)
    if wants.judge_vehicle is not None:
        _judge_vehicle(point, wants.judge_vehicle)
    for action in wants.tell:
        do(point.charger, action, point.chassis.now_s)
        if type(action) is Reconnect:
            point.reconnects_since_plug += 1
            point.envelope.clear()
    for kind, body in wants.records:
        point.record(kind, body)
    for fault_id in wants.faults:
        point.fail(fault_id)
    if wants.final_register:
        _end(point, take_register=wants.take_register)
    if wants.halt is not None:
        point.halt(wants.halt)
    if wants.move is not None:
        point.move(wants.move)


def _take_facts(point: ChargePoint, wants: Wants) -> None:
    session, facts = point.session, wants.facts
    if session is None or facts is None:
        return
    if facts.reached_charging and not session.facts.reached_charging:
        point.chassis.reply(session.command_id, reasons.DONE, "", session.id)
    session.facts = facts


def _judge_vehicle(point: ChargePoint, look: bool) -> None:
    """Compare the vehicle's data with its limits and with the measurement, or forget what was compared."""
    if not look:
        point.watch = VehicleWatch()
        return
    image, now_s = point.chassis.image, point.chassis.now_s
    point.watch.look(
        now_s,
        point.charger.vehicle,
        point.parameters,
        image.value("outside_voltage_v", now_s),
        image.value("module_current_a", now_s),
    )


def _end(point: ChargePoint, *, take_register: bool) -> None:
    """The last register enters the bill, and the session ends."""
    session, register_wh = point.session, point.metering.register.total_wh
    if session is not None and take_register and register_wh is not None:
        session.billing.sample(register_wh, point.chassis.wall_ms)
    sessions.end(point)
