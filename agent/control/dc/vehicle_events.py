"""Events of the dialogue with the vehicle, and what the control makes of them."""

from collections.abc import Mapping

from agent.control.dc.machine import RECONNECT_FROM_STATES
from agent.control.dc.point import ChargePoint
from agent.vocabulary import events, kinds, reasons, states
from drivers.gbt27930.charger.dialogue import Event, EventKind
from drivers.gbt27930.charger.timers import LONGEST_RECONNECTS, Watch
from drivers.gbt27930.judge.states import VEHICLE_STOP_FAULTS

_ONLY_RECORDED: Mapping[EventKind, str] = {
    EventKind.PAUSED: events.PAUSED,
    EventKind.RESUMED: events.RESUMED,
    EventKind.VERSION_NEGOTIATION: events.VERSION_NEGOTIATION,
}
_FAULTS: Mapping[EventKind, str] = {
    EventKind.VEHICLE_FAULT: "bms_fault",
    EventKind.NOT_READY: "bms_not_ready",
    EventKind.PROTOCOL_2011: "vehicle_protocol_2011",
}


def on_event(point: ChargePoint, event: Event) -> None:
    """Take one event of the dialogue in: faults are reported, a stop that the vehicle wants ends the session."""
    kind = event.kind
    point.memory.seen |= {kind}
    if kind is EventKind.TIMEOUT:
        if event.detail["waited_for"] == Watch.PAUSE.value:
            point.halt(reasons.STOP_PAUSE_TOO_LONG)
        else:
            lose_contact(point, f"bms_timeout_{event.message.lower()}", event)
    elif kind is EventKind.VEHICLE_TIMEOUT:
        lose_contact(point, "bms_error_message", event)
    elif kind in _FAULTS:
        point.fail(_FAULTS[kind])
    elif kind is EventKind.REFUSED:
        _on_refused(point, event)
    elif kind in _ONLY_RECORDED:
        point.record(kinds.EVENT, {"event": _ONLY_RECORDED[kind], "detail": dict(event.detail)})
    elif kind is EventKind.STOP_REQUESTED and point.session is not None:
        faults = VEHICLE_STOP_FAULTS.intersection(event.detail["reasons"])
        point.halt(reasons.STOP_VEHICLE_FAULT if faults else reasons.STOP_VEHICLE)
        point.record(kinds.EVENT, {"event": events.VEHICLE_STOP, "detail": dict(event.detail)})


def _on_refused(point: ChargePoint, event: Event) -> None:
    """A message that could not be used: a fault, and in the record once a session."""
    point.fail("bms_message_unusable")
    if event.message not in point.memory.refused_messages:
        point.memory.refused_messages |= {event.message}
        body = {"event": events.MESSAGE_REFUSED, "message": event.message, "detail": dict(event.detail)}
        point.record(kinds.EVENT, body)


def lose_contact(point: ChargePoint, fault_id: str, event: Event) -> None:
    """A message is missing on one side: prepare a new handshake if one is open, else ``fault_id`` ends the session."""
    if point.state == states.RECONNECTING:
        # The other side notices too, as it must: nothing new.
        return
    memory = point.memory
    memory.lost_at_s = point.chassis.now_s
    if point.session is None or not _may_reconnect(point):
        point.fail(fault_id)
        return
    memory.lost_fault = fault_id
    point.record(
        kinds.EVENT,
        {
            "event": events.CONTACT_LOST,
            "cause": fault_id,
            "reconnects_left": LONGEST_RECONNECTS - point.reconnects_since_plug,
            "detail": dict(event.detail),
        },
    )
    point.move("lose_contact")


def _may_reconnect(point: ChargePoint) -> bool:
    """A lost dialogue may begin again from the handshake."""
    return (
        point.state in RECONNECT_FROM_STATES
        and not point.chassis.shutting_down
        and point.reconnects_since_plug < LONGEST_RECONNECTS
        and point.charger.may_reconnect
    )
