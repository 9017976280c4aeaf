"""Every fault of the catalogue, brought about once in a living charge, and its action watched."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from control_world import BEGIN_WALL_MS, FAULTS, World, supply_parameters

from agent.control.dc.steps import STEPS
from agent.control.dc.view import View
from agent.control.dc.wants import Wants
from agent.control.power.allocation import FAULT_IDS as ALLOCATION_FAULTS
from agent.control.power.manager import INCOMER_OVERLOAD, SHARE_EXPIRED
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.gbt27930.charger.timers import LONGEST_RECONNECTS
from drivers.gbt27930.judge.limits import LIMITS
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, encode, identifier_of
from drivers.gbt27930.transport.transport import Transport
from drivers.meters.register_form import RegisterForm
from drivers.reading import Reading


@dataclass(frozen=True)
class Scene:
    """How a fault comes about: in this state, this happens, and within so many seconds the fault is there."""

    state: str
    spoil: Callable[[World], object]
    within_s: float = 1.0
    world: dict[str, Any] = field(default_factory=dict)
    settle_s: float = 2.0
    no_reconnect: bool = False
    """New handshakes are used up: the fault acts as the catalogue says."""
    limits: dict[str, Any] = field(default_factory=dict)
    """Limits of the judge that are shortened so that a test can wait for them."""


def override(**readings: Any) -> Callable[[World], object]:
    return lambda world: world.override.update(readings)


def missing(*names: str) -> Callable[[World], object]:
    return lambda world: world.missing.update(names)


def tell_vehicle(*commands: str) -> Callable[[World], object]:
    def spoil(world: World) -> None:
        for command in commands:
            assert world.vehicle.command(command, world.now_s).ok

    return spoil


def attribute(**values: Any) -> Callable[[World], object]:
    def spoil(world: World) -> None:
        for name, value in values.items():
            setattr(world, name, value)

    return spoil


def _leak(kohm: float) -> Callable[[World], object]:
    return lambda world: setattr(world.plant.inputs, "leak_kohm", kohm)


def _jam(world: World) -> None:
    world.plant.contactor_k1.jammed = True


def _weld_and_stop(world: World) -> None:
    world.plant.contactor_k2.welded = True
    world.command("stop")


def _silent_and_stop(*names: str) -> Callable[[World], object]:
    def spoil(world: World) -> None:
        tell_vehicle(*(f"silence {name}" for name in names))(world)
        world.command("stop")

    return spoil


def _heat(celsius: float) -> Callable[[World], object]:
    return lambda world: setattr(world.plant, "forced_contact_c", celsius)


def _cool_limits(world: World) -> None:
    bcp = world.core.point.charger.vehicle.bcp
    assert bcp is not None
    bcp.values["maximum_temperature_c"] = -30


def _not_ready(world: World) -> None:
    world.vehicle_mute = True
    world.core.on_frame(CanFrame(identifier_of("BRO"), encode("BRO", {"ready": False})), world.now_s)


def _inrush(world: World) -> None:
    """The readings of the moment of closing, by hand: the model of the plant does not show its peak."""
    while not world.core.point.held.contactors:
        world.step()
    world.override["module_current_a"] = 20.5


def _brm_of_2011(world: World) -> None:
    world.vehicle_mute = True
    brm = MESSAGES["BRM"]
    talker = Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS, packet_interval_s=0.0)
    payload = encode("BRM", {"version": "1.0", "battery_type": 3, "rated_capacity_ah": 50.0, "rated_voltage_v": 320.0})
    talker.send(brm.pgn, brm.priority, payload[:41], world.now_s)
    for frame in talker.poll(world.now_s):
        world.core.on_frame(frame, world.now_s)
    for frame in world.step().frames:
        talker.receive(frame, world.now_s)
    for frame in talker.poll(world.now_s):
        world.core.on_frame(frame, world.now_s)


def _freeze_bcs(world: World, **changed: Any) -> None:
    bcs = world.core.point.charger.vehicle.bcs
    assert bcs is not None
    values = {**bcs.values, **changed}
    world.vehicle.bms._values["BCS"] = lambda _: values


def _freeze_register(world: World) -> None:
    world.override["meter_energy_wh"] = world.plant.meter.register_wh


TODAY = datetime.fromtimestamp(BEGIN_WALL_MS / 1000, timezone(timedelta(hours=8))).toordinal()


def _tomorrow(world: World) -> None:
    world.wall_ms += 86_400_000


SUPPLY = supply_parameters()


def _supply(**readings: float) -> Callable[[World], object]:
    """Ten whole minutes of these readings; the catalogue's faults come at their end."""

    def spoil(world: World) -> None:
        for _ in range(2):
            world.wall_ms += 600_000
            world.step()
        for name, value in readings.items():
            world.core.on_reading(name, Reading(value, "1", world.now_s))
        world.wall_ms += 600_000

    return spoil


SCENES: dict[str, Scene] = {
    "emergency_stop": Scene("charging", override(emergency_stop_pressed=True), 0.1),
    "door_open": Scene("charging", override(door_open=True), 0.1),
    "smoke": Scene("charging", override(smoke_detected=True), 1.1),
    "inputs_lost": Scene("charging", missing("door_open"), 0.7),
    "insulation_fault": Scene("handshake", _leak(20.0), 10.0),
    "insulation_warning": Scene("handshake", _leak(150.0), 10.0),
    "insulation_monitor_lost": Scene("charging", missing("insulation_plus_kohm"), 6.1),
    "contactor_refuses": Scene("handshake", _jam, 10.0),
    "inrush_excessive": Scene("precharge", _inrush, 10.0),
    "contactor_welded": Scene("charging", _weld_and_stop, 5.0),
    "output_over_voltage": Scene("charging", override(module_voltage_v=740.0), 0.6),
    "output_over_current": Scene("charging", override(meter_current_a=180.0), 1.2),
    "over_temperature": Scene("charging", _heat(96.0), 3.2),
    "temperature_high": Scene("charging", _heat(94.0), 1.2),
    "outside_voltage_present": Scene("plugged", override(outside_voltage_v=30.0), 3.2),
    "residual_voltage": Scene("idle", override(outside_voltage_v=100.0), 1.2),
    "precharge_failed": Scene("parameters", override(outside_voltage_v=200.0), 40.0),
    "reverse_polarity": Scene("charging", override(meter_voltage_v=-20.0), 0.1),
    "current_absent": Scene("charging", attribute(modules_work=False), 35.0),
    "lock_lost": Scene("charging", override(lock_locked=False), 0.5),
    "connector_unplugged": Scene("charging", lambda world: world.plant.unplug(), 0.1),
    "parameter_mismatch": Scene("locked", lambda world: None, 10.0, {"profile": "low-speed-48v"}),
    "bms_timeout_bhm": Scene("locked", tell_vehicle("silence BHM"), 10.0),
    "bms_timeout_brm": Scene("locked", tell_vehicle("silence BRM"), 20.0, no_reconnect=True),
    "bms_timeout_bcp": Scene("locked", tell_vehicle("silence BCP", "silence BEM"), 20.0, no_reconnect=True),
    "bms_timeout_bro": Scene("locked", tell_vehicle("silence BRO"), 20.0, no_reconnect=True),
    "bms_timeout_bcs": Scene("charging", tell_vehicle("silence BCS"), 5.5, no_reconnect=True),
    "bms_timeout_bcl": Scene("charging", tell_vehicle("silence BCL"), 1.5, no_reconnect=True),
    "bms_timeout_bsm": Scene("charging", tell_vehicle("silence BSM"), 6.0, {"edition": "2023"}),
    "bms_timeout_bst": Scene("charging", _silent_and_stop("BST", "BSD"), 6.0),
    "bms_timeout_bsd": Scene("charging", _silent_and_stop("BSD", "BEM"), 12.0),
    "vehicle_protocol_2011": Scene("handshake", _brm_of_2011, 1.0),
    "bms_message_unusable": Scene("charging", tell_vehicle("length BSM 6"), 1.0),
    "bms_demand_beyond_limits": Scene("charging", tell_vehicle("demand 800 300"), 1.2),
    "demand_below_minimum": Scene("charging", tell_vehicle("demand 400 0.5"), 5.2),
    "bms_data_stuck": Scene("charging", _freeze_bcs, 6.0, limits={"stuck_s": 5.0}),
    "bms_measurement_differs": Scene(
        "charging",
        lambda world: _freeze_bcs(world, voltage_v=250.0),
        1.0,
        limits={"difference_lasting_s": 0.5},
    ),
    "bms_soc_jump": Scene("charging", tell_vehicle("soc 70"), 1.0),
    "bms_error_message": Scene("charging", attribute(vehicle_deaf=True), 3.0, no_reconnect=True),
    "bms_fault": Scene("charging", tell_vehicle("fault over_temperature"), 1.0),
    "bms_not_ready": Scene("precharge", _not_ready, 0.2),
    "bms_limits_violated": Scene("charging", _cool_limits, 1.0),
    "vehicle_bus_lost": Scene("charging", lambda world: world.core.on_vehicle_port(is_open=False), 1.2),
    "vehicle_bus_off": Scene("charging", lambda world: world.core.on_vehicle_bus_state(BusState.OFF), 0.7),
    "vehicle_bus_error_passive": Scene(
        "charging", lambda world: world.core.on_vehicle_bus_state(BusState.PASSIVE), 5.2
    ),
    "module_bus_off": Scene("charging", lambda world: world.core.on_module_bus_state(BusState.OFF), 0.7),
    "auxiliary_supply_fault": Scene("charging", override(auxiliary_voltage_v=10.7), 0.7),
    "meter_lost": Scene("charging", missing("meter_energy_wh"), 10.2),
    "meter_abnormal": Scene("charging", override(meter_energy_wh=1000), 0.1),
    "meter_register_stuck": Scene("charging", _freeze_register, 40.0),
    "meter_register_moved": Scene("idle", override(meter_energy_wh=7), 0.1),
    "meter_unit_unproven": Scene(
        "charging", lambda world: None, 0.0, {"register_form": RegisterForm(unit_disputed=True)}
    ),
    "meter_verification_due": Scene("charging", lambda world: None, 0.0, {"verification_due_day": TODAY + 60}),
    "meter_verification_near": Scene("charging", lambda world: None, 0.0, {"verification_due_day": TODAY + 30}),
    "meter_verification_expired": Scene("charging", _tomorrow, 0.1, {"verification_due_day": TODAY}),
    "meter_verification_refused": Scene(
        "plugged", _tomorrow, 0.1, {"verification_due_day": TODAY, "refuse_after_verification_due": True}
    ),
    "power_quality_voltage": Scene("charging", _supply(voltage_l1_v=235.5), 0.1, {"power_quality": SUPPLY}),
    "power_quality_frequency": Scene("charging", _supply(frequency_hz=50.21), 0.1, {"power_quality": SUPPLY}),
    "power_quality_unbalance": Scene(
        "charging", _supply(voltage_unbalance_percent=2.1), 0.1, {"power_quality": SUPPLY}
    ),
    "power_quality_harmonics": Scene("charging", _supply(thd_voltage_l2_percent=5.1), 0.1, {"power_quality": SUPPLY}),
    "power_stage_lost": Scene("charging", missing("module_voltage_v"), 3.1),
    "power_stage_fault": Scene("charging", override(module_fault=True), 1.1),
    "recorder_lost": Scene("charging", attribute(recorder_ok=False), 60.2),
    "recorder_absent": Scene("plugged", attribute(recorder_ok=False), 3.2),
    "start_timeout": Scene("recognition", lambda world: None, 3.0, {"start_time_limit_s": 4.0}),
    "uplink_lost": Scene("charging", attribute(uplink="connecting"), 60.2),
    "clock_unset": Scene("charging", attribute(wall_quality="unset"), 0.1),
    "control_restarted": Scene("idle", lambda world: None, 0.0, {"restarted": True}),
    "internal_error": Scene("charging", lambda world: None, 0.1),
}
USED_LIMITS = "agent.control.dc.parameters.LIMITS"
USED_STEPS = "agent.control.dc.core.STEPS"
RAISED_BY_THE_RECORDER = {"record_damaged"}
RAISED_BY_POWER_SHARING = {*ALLOCATION_FAULTS, INCOMER_OVERLOAD, SHARE_EXPIRED}
"""Their scenes are in tests/control/power."""
RAISED_BY_A_MONITOR = {"charger_fault", "measurements_disagree", "protocol_violation", "listen_only_off"}


def test_every_fault_of_the_catalogue_has_a_scene() -> None:
    assert set(SCENES) == set(FAULTS) - RAISED_BY_THE_RECORDER - RAISED_BY_A_MONITOR - RAISED_BY_POWER_SHARING


@pytest.mark.parametrize("fault_id", SCENES)
def test_a_fault_comes_about_and_does_what_the_catalogue_says(fault_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, fault = SCENES[fault_id], FAULTS[fault_id]
    monkeypatch.setattr(
        USED_LIMITS, {"2015": dataclasses.replace(LIMITS["2015"], **scene.limits), "2023": LIMITS["2023"]}
    )
    world = World(**scene.world).until(scene.state)
    if scene.state == "charging":
        world.run(scene.settle_s)
        assert world.plant.circuit.current_a > 20
    if fault_id == "internal_error":
        monkeypatch.setattr(USED_STEPS, {**STEPS, "charging": _raise_once(STEPS["charging"])})
    if scene.no_reconnect:
        world.core.point.reconnects_since_plug = LONGEST_RECONNECTS
    scene.spoil(world)
    end_s = world.now_s + scene.within_s
    while fault_id not in world.log.alarms():
        assert world.now_s < end_s, f"{fault_id} does not come: {world.log.alarms()}"
        world.step()
    assert world.outputs is not None
    relays, demand = world.outputs.relays, world.outputs.set_point
    raised = next(record for record in world.log.kind("alarm_raised") if record.body["fault"] == fault_id)
    assert (raised.body["level"], raised.body["action"]) == (fault.level, fault.action)
    if fault.action == "open":
        assert raised.at_s == world.now_s
        assert not relays["contactor_k1"]
        assert not relays["contactor_k2"]
        assert not demand.on
        assert relays["fault_lamp"]
        assert not world.core.permission.energise
    if fault.action in ("open", "stop"):
        assert world.core.session is not None
        assert world.core.state == "stopping"
        body = world.run_to_end(40.0)
        assert fault_id in body["faults"]
        asked = scene.spoil.__name__ == "_weld_and_stop" or fault_id in ("bms_timeout_bst", "bms_timeout_bsd")
        assert body["stop_reason"] == ("local" if asked else fault_id)
        assert body["result"] == ("settled" if asked else "failed")
    elif fault.action == "inhibit":
        assert world.core.state == "faulted"
        command_id = world.start()
        world.step()
        assert world.log.answers(command_id) == ["rejected"]
        assert fault_id in world.log.end()["stop_reason"]
    elif fault.action == "derate":
        world.run(0.1)
        assert world.core.state == "charging"
        assert world.core.point.limit.by == "temperature"
        assert demand.on
    elif scene.state != "idle":
        world.run(0.5)
        assert world.core.state not in ("stopping", "faulted")
        assert world.core.session is not None


def _raise_once(step: Callable[[View], Wants]) -> Callable[[View], Wants]:
    left = [RuntimeError("broken on purpose")]

    def broken(view: View) -> Wants:
        if left:
            raise left.pop()
        return step(view)

    return broken


@pytest.mark.parametrize("state", ["idle", "plugged", "locked", "handshake", "insulation", "recognition", "parameters",
                                   "precharge", "charging", "stopping", "settled"])  # fmt: skip
def test_the_emergency_stop_in_every_state(state: str) -> None:
    world = World()
    if state == "stopping":
        world.until("charging")
        world.run(2.0)
        world.command("stop")
        world.step()
        assert world.core.state == "stopping"
    elif state == "settled":
        world.until("charging")
        world.command("stop")
        world.run_to_end()
    else:
        world.until(state)
    had_session = world.core.session is not None
    world.override["emergency_stop_pressed"] = True
    world.run(0.06)
    assert world.outputs is not None
    assert not world.outputs.relays["contactor_k1"]
    assert not world.outputs.set_point.on
    assert "emergency_stop" in world.log.alarms()
    if had_session:
        body = world.run_to_end(30.0)
        assert body["stop_reason"] == ("local" if state == "stopping" else "emergency_stop")
    world.run(0.1)
    assert world.core.state == "faulted"
    # The latch needs a person, and the button released.
    world.override["emergency_stop_pressed"] = False
    world.run(3.0)
    assert world.core.state == "faulted"
    world.command("reset", origin="platform")
    world.run(1.0)
    assert world.core.state == "faulted"
    world.command("reset")
    world.run(0.2)
    assert world.core.state == ("idle" if state == "idle" else "plugged")
    assert "emergency_stop" in world.log.cleared()


def test_an_unplug_latch_goes_with_the_plug_and_a_new_charge_is_possible() -> None:
    world = World().until("charging")
    world.override["lock_locked"] = False
    world.run(0.5)
    world.run_to_end(30.0)
    del world.override["lock_locked"]
    world.run(5.0)
    assert world.core.state == "faulted"
    world.plant.unplug()
    world.run(1.0)
    assert world.core.state == "idle"
    assert "lock_lost" in world.log.cleared()
    world.plant.plug()
    world.run_until("plugged", 2.0)
    world.log.records.clear()
    world.start()
    world.run_until("charging", 20.0)


def test_a_self_clearing_fault_goes_by_itself() -> None:
    world = World().until("charging")
    world.override["door_open"] = True
    world.run(0.1)
    world.run_to_end(30.0)
    world.override["door_open"] = False
    world.run(0.9)
    assert world.core.state == "faulted"
    world.run(0.2)
    assert world.core.state == "plugged"


def test_a_flapping_fault_stands_once_in_the_session() -> None:
    world = World().until("charging")
    for _ in range(3):
        world.override["meter_voltage_v"] = 350.0
        world.plant.forced_contact_c = 86.0
        world.run(1.2)
        world.plant.forced_contact_c = 30.0
        world.run(10.2)
    assert world.log.alarms().count("temperature_high") == 3
    world.command("stop")
    assert world.run_to_end()["faults"] == ["temperature_high"]
