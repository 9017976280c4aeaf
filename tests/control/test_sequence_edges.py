"""The DC sequence at its edges: CC1, lock, first CHM, rates of the current, openings, and what CST says."""

import itertools
from typing import Any

import pytest
from control_world import FAULTS, World

from agent.control.chassis.image import ProcessImage
from agent.control.dc.applying import view_of
from agent.control.dc.steps import closing
from agent.control.dc.steps.precharge import precharge
from agent.control.dc.stop_causes import stop_cause
from agent.vocabulary.reasons import NORMAL_STOPS, STOP_REASONS
from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.phases import StopCause
from drivers.gbt27930.messages.table import decode, encode, identifier_of


def charging_world(**changes: Any) -> World:
    world = World(**changes).until("charging")
    world.run(4.0)
    assert world.plant.circuit.current_a > 20
    return world


# Openings: the command leaves in the evaluation that sees the cause.

AT_ONCE: list[tuple[str, float | bool, str]] = [
    ("emergency_stop_pressed", True, "emergency_stop"),
    ("cc1_voltage_v", 0.0, "connector_unplugged"),
    ("cc1_voltage_v", 3.2, "connector_unplugged"),
    ("cc1_voltage_v", 4.81, "connector_unplugged"),
    ("cc1_voltage_v", 6.0, "connector_unplugged"),
    ("cc1_voltage_v", 12.0, "connector_unplugged"),
    ("meter_voltage_v", -20.0, "reverse_polarity"),
    ("contactor_k1_closed", float("nan"), "inputs_lost"),
]


@pytest.mark.parametrize(("signal", "value", "fault"), AT_ONCE)
@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_the_open_command_leaves_in_the_same_evaluation(
    edition: str, signal: str, value: float | bool, fault: str
) -> None:
    world = charging_world(edition=edition)
    assert world.outputs is not None
    assert world.outputs.relays["contactor_k1"]
    # The reading comes in between two steps of time: the very next evaluation answers, with no time passing.
    world.put(signal, value)
    outputs = world.decide()
    assert not outputs.relays["contactor_k1"]
    assert not outputs.relays["contactor_k2"]
    assert not outputs.set_point.on
    assert fault in world.log.alarms()
    if fault != "inputs_lost":
        assert [frame for frame in outputs.frames if frame.identifier == identifier_of("CST")], "CST with the opening"


@pytest.mark.parametrize("voltage_v", [3.4, 3.65, 4.0, 4.37, 4.6])
def test_levels_of_cc1_that_are_a_plug_charge(voltage_v: float) -> None:
    world = World()
    world.override["cc1_voltage_v"] = voltage_v
    world.until("charging")


@pytest.mark.parametrize("fault_id", [each.id for each in FAULTS.values() if each.action == "open"])
def test_no_fault_that_opens_waits_longer_than_its_debounce_allows(fault_id: str) -> None:
    """100 ms are left for reading and evaluation by every fault that GB/T 18487.1 gives 100 ms."""
    in_100_ms = {"emergency_stop", "connector_unplugged", "door_open", "insulation_fault", "inputs_lost"}
    limit_s = 0.01 if fault_id in in_100_ms else 1.0
    assert FAULTS[fault_id].debounce_s <= limit_s


# The lock.


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_an_abnormal_lock_has_the_contactors_open_within_a_second_whatever_flows(edition: str) -> None:
    world = charging_world(edition=edition)
    world.override.update(lock_locked=False, module_current_a=100.0)
    began_s = world.now_s
    while world.core.point.held.contactors:
        world.step()
    assert world.now_s - began_s <= 1.0
    assert world.run_to_end()["stop_reason"] == "lock_lost"


# The first CHM.


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_the_first_chm_comes_within_a_second_of_the_auxiliary_supply(edition: str) -> None:
    world = World(edition=edition).until("locked")
    while not (world.outputs is not None and world.outputs.relays["auxiliary_supply"]):
        assert not world.step().frames
    closed_s = world.now_s
    while not any(frame.identifier == identifier_of("CHM") for frame in world.step().frames):
        assert world.now_s - closed_s < 1.0
    assert world.core.state == "handshake"


# Rates of the current.


def test_a_rise_of_more_than_20_a_goes_at_20_a_per_s_or_faster_and_one_of_less_within_a_second() -> None:
    world = charging_world(step_s=0.05)
    assert world.vehicle.command("demand 430 40", world.now_s).ok
    world.run(2.0)
    began_s = world.now_s
    assert world.vehicle.command("demand 430 58", world.now_s).ok
    while world.core.point.held.set_point.current_a < 58.0:
        world.step()
    assert world.now_s - began_s < 1.0
    began_s = world.now_s
    assert world.vehicle.command("demand 430 110", world.now_s).ok
    while world.core.point.held.set_point.current_a < 110.0:
        world.step()
    assert world.now_s - began_s < (110.0 - 58.0) / 20.0


def test_a_fall_goes_at_once() -> None:
    world = charging_world()
    assert world.vehicle.command("demand 430 30", world.now_s).ok
    seen = [world.core.point.held.set_point.current_a, *(world.step().set_point.current_a for _ in range(20))]
    (change,) = [(former, later) for former, later in itertools.pairwise(seen) if former != later][:1]
    assert change[1] == 30.0


def test_a_normal_stop_asks_for_nothing_at_once_and_opens_below_5_a() -> None:
    world = charging_world()
    world.command("stop")
    outputs = world.step()
    assert outputs.set_point.current_a == 0.0
    began_s = world.now_s
    while world.core.point.held.contactors:
        world.step()
    assert world.now_s - began_s < 1.0
    assert world.currents_at_opening_a[-1] < 5.0


# Precharge clamps.


def test_the_output_is_never_raised_above_the_battery_s_own_limit() -> None:
    world = World().until("precharge")
    while world.core.point.memory.sub_step != "raise":
        world.step()
    bcp = world.core.point.charger.vehicle.bcp
    assert bcp is not None
    announced_v = bcp.values["battery_voltage_v"]
    bcp.values["maximum_voltage_v"] = announced_v - 50.0
    world.step()
    assert world.core.point.held.set_point.voltage_v <= announced_v - 50.0
    for _ in range(100):
        assert not world.step().relays["contactor_k1"]


@pytest.mark.parametrize("signal", ["inside_voltage_v", "outside_voltage_v"])
def test_a_missing_voltage_closes_nothing(signal: str) -> None:
    world = World().until("precharge")
    while world.core.point.memory.sub_step != "raise":
        world.step()
    bcp = world.core.point.charger.vehicle.bcp
    assert bcp is not None
    battery_v = bcp.values["battery_voltage_v"]
    # The step itself, behind the interlock of lost inputs that would end the session first.
    world.core.chassis.image = ProcessImage()
    for name, value in {"inside_voltage_v": battery_v - 5.0, "outside_voltage_v": battery_v}.items():
        if name != signal:
            world.put(name, value)
    view = view_of(world.core.point, True)
    wants = precharge(view)
    assert wants.memory.sub_step == "raise"
    assert wants.contactors is None
    assert not closing.separated(view)


# CST.


@pytest.mark.parametrize(
    ("reason", "state", "cause"),
    [
        ("local", "charging", StopCause.MANUAL),
        ("platform", "charging", StopCause.MANUAL),
        ("energy_limit", "charging", StopCause.CONDITION_REACHED),
        ("pause_too_long", "charging", StopCause.PAUSE_TOO_LONG),
        ("vehicle", "charging", StopCause.BY_VEHICLE),
        ("vehicle_fault", "charging", StopCause.BY_VEHICLE),
        ("emergency_stop", "insulation", StopCause.EMERGENCY_STOP),
        ("over_temperature", "charging", StopCause.OVER_TEMPERATURE),
        ("smoke", "charging", StopCause.INTERNAL_OVER_TEMPERATURE),
        ("connector_unplugged", "charging", StopCause.CONNECTOR_FAULT),
        ("lock_lost", "charging", StopCause.CONNECTOR_FAULT),
        ("current_absent", "charging", StopCause.ENERGY_TRANSFER_IMPOSSIBLE),
        ("demand_below_minimum", "charging", StopCause.ENERGY_TRANSFER_IMPOSSIBLE),
        ("power_stage_lost", "charging", StopCause.ENERGY_TRANSFER_IMPOSSIBLE),
        ("output_over_current", "charging", StopCause.CURRENT_MISMATCH),
        ("inrush_excessive", "charging", StopCause.CURRENT_MISMATCH),
        ("inrush_excessive", "precharge", StopCause.PRECHARGE),
        ("output_over_voltage", "charging", StopCause.VOLTAGE_ABNORMAL),
        ("reverse_polarity", "charging", StopCause.VOLTAGE_ABNORMAL),
        ("bms_fault", "charging", StopCause.FAULT),
        ("parameter_mismatch", "recognition", StopCause.PARAMETER_MISMATCH),
        ("precharge_failed", "precharge", StopCause.PRECHARGE),
        ("precharge_failed", "insulation", StopCause.SELF_TEST),
        ("contactor_refuses", "precharge", StopCause.PRECHARGE),
        ("contactor_refuses", "insulation", StopCause.SELF_TEST),
        ("contactor_welded", "handshake", StopCause.SELF_TEST),
        ("contactor_welded", "charging", StopCause.OTHER_FAULT),
        ("insulation_monitor_lost", "insulation", StopCause.SELF_TEST),
        ("insulation_monitor_lost", "charging", StopCause.OTHER_FAULT),
        ("insulation_fault", "insulation", StopCause.SELF_TEST),
        ("outside_voltage_present", "handshake", StopCause.SELF_TEST),
        ("bms_not_ready", "precharge", StopCause.PRECHARGE),
        ("meter_lost", "charging", StopCause.OTHER_FAULT),
        ("door_open", "insulation", StopCause.OTHER_FAULT),
    ],
)  # fmt: skip
def test_what_cst_says_about_a_stop(reason: str, state: str, cause: StopCause) -> None:
    assert reason in FAULTS or reason in STOP_REASONS
    assert stop_cause(reason, state) is cause


def test_every_cause_of_cst_has_a_reason_that_leads_to_it() -> None:
    reasons = (*FAULTS, *STOP_REASONS)
    states = ("insulation", "recognition", "precharge", "charging")
    assert {stop_cause(reason, state) for reason in reasons for state in states} == set(StopCause)
    normal = {StopCause.MANUAL, StopCause.CONDITION_REACHED, StopCause.BY_VEHICLE}
    for reason in NORMAL_STOPS:
        assert stop_cause(reason, "charging") in normal


@pytest.mark.parametrize(("edition", "bits"), [("2015", None), ("2023", {"fault_stop", "self_test_fault"})])
def test_an_insulation_fault_is_told_in_2023_and_ends_in_silence_in_2015(edition: str, bits: set[str] | None) -> None:
    world = World(edition=edition).until("handshake")
    world.plant.inputs.leak_kohm = 20.0
    sent = []
    end_s = world.now_s + 40.0
    while world.core.session is not None:
        assert world.now_s < end_s
        sent += [frame for frame in world.step().frames if frame.identifier == identifier_of("CST")]
    assert world.log.end()["stop_reason"] == "insulation_fault"
    assert world.log.end()["faults"] == ["insulation_fault"]
    if bits is None:
        assert sent == []
    else:
        assert {name for name, state in decode("CST", sent[0].data).items() if state == 1} == bits


# Other editions of the vehicle.


def test_an_offer_of_a_newer_protocol_stands_in_the_record_and_the_charge_goes_on() -> None:
    world = World().until("handshake")
    assert world.vehicle.command("raw 0C3956F4 0000020000FFFFFF", world.now_s).ok
    world.run_until("charging", 30.0)
    (event,) = world.log.events("version_negotiation")
    assert event["detail"]["version"] == "2.0.0"
    assert world.log.alarms() == []


# A vehicle that names a lower voltage during the insulation test.


@pytest.mark.parametrize("below_v", [0.1, 300.0])
def test_a_vehicle_that_bears_less_than_it_said_ends_the_insulation_test(below_v: float) -> None:
    world = World().until("insulation")
    while world.core.point.memory.sub_step != "raise":
        world.step()
    bhm = world.core.point.charger.vehicle.bhm
    assert bhm is not None
    world.vehicle.command("silence BHM", world.now_s)
    bhm.values["maximum_voltage_v"] = world.core.point.memory.test_voltage_v
    assert world.step().set_point.on
    bhm.values["maximum_voltage_v"] -= below_v
    assert not world.step().set_point.on
    assert world.run_to_end(30.0)["stop_reason"] == "parameter_mismatch"


# The end of a dialogue that has broken off.


def test_bro_that_falls_back_ends_with_the_supply_off_within_a_second_and_bars_a_new_start() -> None:
    """DN.2009 and DP.4002. The vehicle keeps its side closed for as long as it is supplied."""
    world = World().until("precharge")
    world.vehicle_mute = True
    world.core.on_frame(CanFrame(identifier_of("BRO"), encode("BRO", {"ready": False})), world.now_s)
    began_s = world.now_s
    supplied = True
    while supplied:
        outputs = world.step()
        supplied = outputs.relays["auxiliary_supply"]
        assert not [frame for frame in outputs.frames if frame.identifier == identifier_of("CST")]
    assert world.now_s - began_s < 1.0
    assert world.core.point.held.lock
    body = world.run_to_end(15.0)
    assert body["stop_reason"] == "bms_not_ready"
    world.run(1.0)
    assert not world.plant.lock_locked
    world.vehicle_mute = False
    command = world.start()
    world.run(0.1)
    (reply,) = [reply for reply in world.log.replies if reply.id == command]
    assert (reply.result, "bms_not_ready" in reply.reason) == ("rejected", True)


def test_cem_for_a_missing_bsd_is_seen_before_the_supply_goes() -> None:
    """DN.4001: CST for 10 s from the first one, then CEM."""
    world = charging_world()
    assert world.vehicle.command("silence BSD", world.now_s).ok
    assert world.vehicle.command("timers off", world.now_s).ok
    world.command("stop")
    sent: dict[str, list[float]] = {"CST": [], "CEM": []}
    end_s = world.now_s + 20.0
    while world.core.session is not None:
        assert world.now_s < end_s
        for frame in world.step().frames:
            for name, times in sent.items():
                if frame.identifier == identifier_of(name):
                    assert world.outputs is not None
                    assert world.outputs.relays["auxiliary_supply"]
                    times.append(world.now_s)
    assert sent["CST"][-1] - sent["CST"][0] == pytest.approx(10.0, abs=0.05)
    assert len(sent["CEM"]) >= 4
    assert sent["CEM"][0] - sent["CST"][0] == pytest.approx(10.0, abs=0.05)
