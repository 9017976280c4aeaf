"""From the granted start to the vehicle that is ready: lock, auxiliary supply, handshake, recognition, parameters."""

from typing import TYPE_CHECKING

from agent.control.dc.vehicle import local_time
from drivers.gbt27930.charger.dialogue import EventKind

if TYPE_CHECKING:
    from agent.control.dc.core import ControlCore


def overdue(core: "ControlCore", limit_s: float) -> bool:
    """The step has lasted longer than ``limit_s``."""
    return core.now_s - core.memory.entered_at_s > limit_s


def locked(core: "ControlCore") -> None:
    """Lock the connector, then close the auxiliary supply (GB/T 18487.1: never before the lock), record first."""
    core.relays_wanted["electronic_lock"] = True
    now_s, times = core.now_s, core.parameters.times
    if core.image.value("lock_locked", now_s) is not True:
        if overdue(core, times.lock_s):
            core.fail("lock_lost")
        return
    core.memory.lock_confirmed = True
    if not core.situation.record_durable:
        if overdue(core, times.record_s):
            core.halt("record_not_durable")
        return
    core.want_auxiliary(True)
    numbers = core.parameters.numbers
    voltage_v = core.image.value("auxiliary_voltage_v", now_s)
    if voltage_v is not None and numbers.auxiliary_minimum_v <= voltage_v <= numbers.auxiliary_maximum_v:
        core.charger.begin(now_s)
        core.move("powered")


def handshake(core: "ControlCore") -> None:
    """CHM goes out until BHM tells the voltage that the vehicle stands during the insulation test."""
    if EventKind.VEHICLE_VOLTAGE in core.memory.seen and core.charger.vehicle.bhm is not None:
        maximum_v = core.charger.vehicle.bhm.values["maximum_voltage_v"]
        if maximum_v < core.parameters.minimum_voltage_v:
            core.fail("parameter_mismatch")
            return
        core.memory.test_voltage_v = min(maximum_v, core.parameters.maximum_voltage_v)
        core.move("greeted")
    elif overdue(core, core.parameters.times.handshake_s):
        core.fail("bms_timeout_bhm")


def recognition(core: "ControlCore") -> None:
    """CRM until BRM and BCP have come and the battery fits the pile."""
    session = core.session
    if session is None:
        return
    brm = core.charger.vehicle.brm
    if EventKind.IDENTIFIED in core.memory.seen and brm is not None and core.memory.stage != "identified":
        core.memory.go("identified", core.now_s)
        session.vin = brm.values.get("vin") or None
        core.record("session_vehicle", {name: value for name, value in brm.values.items() if value is not None})
    bcp = core.charger.vehicle.bcp
    if EventKind.PARAMETERS in core.memory.seen and bcp is not None:
        values, parameters = bcp.values, core.parameters
        battery_v = values["battery_voltage_v"]
        if values["soc_percent"] is not None:
            session.soc_start_percent = session.soc_end_percent = int(values["soc_percent"])
        core.record("event", {"event": "battery", **{k: v for k, v in values.items() if v is not None}})
        if (
            not parameters.minimum_voltage_v <= battery_v <= parameters.maximum_voltage_v
            or values["maximum_voltage_v"] < parameters.minimum_voltage_v
            or values["maximum_voltage_v"] < battery_v * (1.0 - parameters.numbers.precharge_battery_tolerance)
        ):
            core.fail("parameter_mismatch")
            return
        core.move("described")
    elif overdue(core, core.parameters.times.recognition_s):
        core.fail("bms_timeout_bcp")


def parameters(core: "ControlCore") -> None:
    """CML and the time of day go out until the vehicle says that it is ready (BRO = AA)."""
    core.charger.local_time = local_time(core.wall_ms, core.wall_quality, core.parameters.tariff.utc_offset_minutes)
    if EventKind.READY in core.memory.seen:
        core.move("vehicle_ready")
    elif overdue(core, core.parameters.times.parameters_s):
        core.fail("bms_timeout_bro")
