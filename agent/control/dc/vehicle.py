"""What the vehicle says and what the control makes of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.control.dc.reconnect import lose_contact
from drivers.gbt27930.charger.dialogue import Event, EventKind, StopCause
from drivers.gbt27930.charger.timers import Watch
from drivers.gbt27930.judge.states import VEHICLE_STOP_FAULTS

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STOP_CAUSES: Mapping[str, StopCause] = {
    "local": StopCause.MANUAL,
    "platform": StopCause.MANUAL,
    "shutdown": StopCause.MANUAL,
    "energy_limit": StopCause.CONDITION_REACHED,
    "time_limit": StopCause.CONDITION_REACHED,
    "amount_limit": StopCause.CONDITION_REACHED,
    "soc_limit": StopCause.CONDITION_REACHED,
    "pause_too_long": StopCause.PAUSE_TOO_LONG,
    "vehicle": StopCause.BY_VEHICLE,
    "vehicle_fault": StopCause.BY_VEHICLE,
    "emergency_stop": StopCause.EMERGENCY_STOP,
    "over_temperature": StopCause.OVER_TEMPERATURE,
    "smoke": StopCause.INTERNAL_OVER_TEMPERATURE,
    "connector_unplugged": StopCause.CONNECTOR_FAULT,
    "lock_lost": StopCause.CONNECTOR_FAULT,
    "current_absent": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "demand_below_minimum": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "power_stage_lost": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "output_over_current": StopCause.CURRENT_MISMATCH,
    "inrush_excessive": StopCause.CURRENT_MISMATCH,
    "output_over_voltage": StopCause.VOLTAGE_ABNORMAL,
    "reverse_polarity": StopCause.VOLTAGE_ABNORMAL,
    "bms_fault": StopCause.FAULT,
    "parameter_mismatch": StopCause.PARAMETER_MISMATCH,
    "precharge_failed": StopCause.PRECHARGE,
    "bms_not_ready": StopCause.PRECHARGE,
    "insulation_fault": StopCause.SELF_TEST,
    "outside_voltage_present": StopCause.SELF_TEST,
}

_SELF_TEST_STATES = ("handshake", "insulation")
_OF_THE_SELF_TEST = frozenset({"contactor_refuses", "contactor_welded", "insulation_monitor_lost", "precharge_failed"})
_OF_THE_PRECHARGE = frozenset({"contactor_refuses", "contactor_welded", "inrush_excessive"})

_ONLY_RECORDED: Mapping[EventKind, str] = {
    EventKind.PAUSED: "paused",
    EventKind.RESUMED: "resumed",
    EventKind.VERSION_NEGOTIATION: "version_negotiation",
}


def stop_cause(reason: str, state: str) -> StopCause:
    """What CST tells the vehicle about a stop reason that came up in ``state`` of the sequence."""
    if state in _SELF_TEST_STATES and reason in _OF_THE_SELF_TEST:
        return StopCause.SELF_TEST
    if state == "precharge" and reason in _OF_THE_PRECHARGE:
        return StopCause.PRECHARGE
    return _STOP_CAUSES.get(reason, StopCause.OTHER_FAULT)


def on_event(core: "ControlCore", event: Event) -> None:
    """Take one event of the dialogue in: faults are reported, a stop that the vehicle wants ends the session."""
    kind = event.kind
    core.memory.seen.add(kind)
    if kind is EventKind.TIMEOUT:
        if event.detail["waited_for"] == Watch.PAUSE.value:
            core.halt("pause_too_long")
        else:
            lose_contact(core, f"bms_timeout_{event.message.lower()}", event)
    elif kind is EventKind.VEHICLE_TIMEOUT:
        lose_contact(core, "bms_error_message", event)
    elif kind is EventKind.VEHICLE_FAULT:
        core.fail("bms_fault")
    elif kind is EventKind.NOT_READY:
        core.fail("bms_not_ready")
    elif kind is EventKind.REFUSED:
        core.fail("bms_message_unusable")
        if event.message not in core.memory.refused_messages:
            core.memory.refused_messages.add(event.message)
            core.record("event", {"event": "message_refused", "message": event.message, "detail": dict(event.detail)})
    elif kind is EventKind.PROTOCOL_2011:
        core.fail("vehicle_protocol_2011")
    elif kind in _ONLY_RECORDED:
        core.record("event", {"event": _ONLY_RECORDED[kind], "detail": dict(event.detail)})
    elif kind is EventKind.STOP_REQUESTED and core.session is not None:
        faults = VEHICLE_STOP_FAULTS.intersection(event.detail["reasons"])
        core.halt("vehicle_fault" if faults else "vehicle")
        core.record("event", {"event": "vehicle_stop", "detail": dict(event.detail)})


def local_time(wall_ms: int, wall_quality: str, utc_offset_minutes: int) -> tuple[int, int, int, int, int, int] | None:
    """Year, month, day, hour, minute, second for CTS; None while the clock was never set."""
    if wall_quality == "unset":
        return None
    local = _EPOCH + timedelta(milliseconds=wall_ms, minutes=utc_offset_minutes)
    return local.year, local.month, local.day, local.hour, local.minute, local.second


def vehicle_values(core: "ControlCore") -> dict[str, Any]:
    """Latest values of the vehicle for the status page."""
    vehicle = core.charger.vehicle
    values: dict[str, Any] = {"phase": core.charger.phase.name.lower()}
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
