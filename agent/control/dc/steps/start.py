"""From the granted start to the vehicle that is ready: lock, auxiliary supply, handshake, recognition, parameters."""

import msgspec

from agent.control.dc.actions import Begin, SetTime
from agent.control.dc.vehicle import local_time
from agent.control.dc.view import EventKind, View
from agent.control.dc.wants import Wants
from agent.vocabulary import events, kinds, reasons


def locked(view: View) -> Wants:
    """Lock the connector, then close the auxiliary supply (GB/T 18487.1: never before the lock), record first."""
    wants = view.wants()
    wants.lock = True
    times, elapsed_s = view.parameters.times, view.elapsed_s()
    if view.value("lock_locked") is not True:
        if elapsed_s > times.lock_s:
            wants.fail("lock_lost")
        return wants
    wants.memory.lock_confirmed = True
    if not view.record_durable:
        if elapsed_s > times.record_s:
            wants.halt = reasons.STOP_RECORD_NOT_DURABLE
        return wants
    wants.auxiliary_supply = True
    if _supplied(view):
        wants.tell.append(Begin())
        wants.move = "powered"
    return wants


def _supplied(view: View) -> bool:
    """The auxiliary supply is up: by its voltage, or after its rise time where the pile does not measure it."""
    numbers = view.parameters.numbers
    if not view.has("auxiliary_voltage_v"):
        since_s = view.held.auxiliary_since_s
        return since_s is not None and view.now_s - since_s >= numbers.auxiliary_rise_s
    voltage_v = view.value("auxiliary_voltage_v")
    return voltage_v is not None and numbers.auxiliary_minimum_v <= voltage_v <= numbers.auxiliary_maximum_v


def handshake(view: View) -> Wants:
    """CHM goes out until BHM gives the voltage that the vehicle withstands during the insulation test."""
    wants, bhm, parameters = view.wants(), view.dialogue.bhm, view.parameters
    if EventKind.VEHICLE_VOLTAGE in wants.memory.seen and bhm is not None:
        maximum_v = bhm.values["maximum_voltage_v"]
        if maximum_v < parameters.minimum_voltage_v:
            wants.fail("parameter_mismatch")
            return wants
        wants.memory.test_voltage_v = min(maximum_v, parameters.maximum_voltage_v)
        wants.move = "greeted"
    elif view.elapsed_s() > parameters.times.handshake_s:
        wants.fail("bms_timeout_bhm")
    return wants


def recognition(view: View) -> Wants:
    """CRM until BRM and BCP have come and the battery fits the pile."""
    wants, charge = view.wants(), view.charge
    if charge is None:
        return wants
    facts, memory, brm, bcp = charge.facts, wants.memory, view.dialogue.brm, view.dialogue.bcp
    if EventKind.IDENTIFIED in memory.seen and brm is not None and memory.sub_step != "identified":
        memory.go("identified", view.now_s)
        facts = msgspec.structs.replace(facts, vin=brm.values.get("vin") or None)
        known = {name: value for name, value in brm.values.items() if value is not None}
        wants.records.append((kinds.SESSION_VEHICLE, known))
    if EventKind.PARAMETERS in memory.seen and bcp is not None:
        values, parameters = bcp.values, view.parameters
        battery_v = values["battery_voltage_v"]
        if values["soc_percent"] is not None:
            soc_percent = int(values["soc_percent"])
            facts = msgspec.structs.replace(facts, soc_start_percent=soc_percent, soc_end_percent=soc_percent)
        wants.event(events.BATTERY, **{key: value for key, value in values.items() if value is not None})
        if (
            not parameters.minimum_voltage_v <= battery_v <= parameters.maximum_voltage_v
            or values["maximum_voltage_v"] < parameters.minimum_voltage_v
            or values["maximum_voltage_v"] < battery_v * (1.0 - parameters.numbers.precharge_battery_tolerance)
        ):
            wants.fail("parameter_mismatch")
        else:
            wants.move = "described"
    elif view.elapsed_s() > view.parameters.times.recognition_s:
        wants.fail("bms_timeout_bcp")
    wants.facts = facts
    return wants


def parameters(view: View) -> Wants:
    """CML and the time of day go out until the vehicle reports that it is ready (BRO = AA)."""
    wants = view.wants()
    offset_minutes = view.parameters.tariff.utc_offset_minutes
    wants.tell.append(SetTime(local_time(view.wall_ms, view.wall_quality, offset_minutes)))
    if EventKind.READY in wants.memory.seen:
        wants.move = "vehicle_ready"
    elif view.elapsed_s() > view.parameters.times.parameters_s:
        wants.fail("bms_timeout_bro")
    return wants
