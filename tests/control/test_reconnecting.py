"""Time-outs of the dialogue: the output goes off, the session and its bill go on, three new handshakes and no more."""

from typing import Any

import pytest
from control_world import FAULTS, World, texts

from agent.control.safety.gate import OFF, Asked
from agent.vocabulary.reasons import REPLUG_STOPS
from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Charger, Phase
from drivers.gbt27930.charger.timers import LONGEST_RECONNECTS
from drivers.gbt27930.messages.table import encode, identifier_of


def charging_world(**changes: Any) -> World:
    world = World(**changes).until("charging")
    world.run(3.0)
    assert world.plant.circuit.current_a > 20
    return world


def say(world: World, *commands: str) -> None:
    for command in commands:
        assert world.vehicle.command(command, world.now_s).ok


def until_state(world: World, state: str, longest_s: float) -> float:
    """Step finely until ``state``; returns when that was."""
    end_s = world.now_s + longest_s
    while world.core.state != state:
        assert world.now_s < end_s, f"{world.core.state}/{world.core.point.memory.sub_step} and not {state}"
        world.step()
    return world.now_s


def heard(world: World, name: str) -> int:
    return world.vehicle.heard.get(name, 0)


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_a_vehicle_that_falls_silent_and_comes_back_charges_on_in_the_same_session(edition: str) -> None:
    world = charging_world(edition=edition)
    session = world.core.session
    assert session is not None
    say(world, "silence BCL")
    lost_s = until_state(world, "reconnecting", 1.2)
    say(world, "speak BCL")
    opened_s = None
    while world.core.state == "reconnecting":
        outputs = world.step()
        assert outputs.relays["electronic_lock"]
        assert outputs.relays["auxiliary_supply"]
        assert not outputs.relays["insulation_monitor"]
        assert outputs.set_point.current_a == 0.0
        assert world.core.permission.close is False
        if opened_s is None and not outputs.relays["contactor_k1"]:
            opened_s = world.now_s
    assert opened_s is not None
    assert opened_s - lost_s < 5.0  # 2023; 2015 gives 10 s
    assert world.currents_at_opening_a[-1] < 5.0
    assert world.plant.circuit.outside_voltage_v < 60.0
    assert world.core.state == "recognition"
    assert heard(world, "CEM") >= 4
    until_state(world, "charging", 30.0)
    world.run(5.0)
    assert world.plant.circuit.current_a > 20
    assert world.core.session is session
    assert world.log.alarms() == ["bms_timeout_bcl"]
    assert world.log.cleared() == ["bms_timeout_bcl"]
    (raised,) = world.log.kind("alarm_raised")
    assert (raised.body["level"], raised.body["action"]) == (3, "log")
    (lost,) = world.log.events("contact_lost")
    assert (lost["cause"], lost["reconnects_left"]) == ("bms_timeout_bcl", 3)
    (again,) = world.log.events("reconnect")
    assert again == {"event": "reconnect", "number": 1, "cause": "bms_timeout_bcl"}
    world.command("stop")
    body = world.run_to_end()
    assert (body["result"], body["stop_reason"], body["faults"]) == ("settled", "local", [])
    assert body["reconnects"] == 1
    assert body["register_end_wh"] == world.plant.meter.register_wh
    assert len(world.log.kind("session_started")) == len(world.log.kind("session_ended")) == 1
    # An end in order bars nothing.
    world.run(1.0)
    assert world.core.permission.start


def test_what_is_forgotten_for_a_new_handshake_and_what_not() -> None:
    world = charging_world()
    say(world, "silence BCS")
    until_state(world, "reconnecting", 6.0)
    until_state(world, "recognition", 5.0)
    memory, charger = world.core.point.memory, world.core.point.charger
    assert memory.seen == frozenset()
    assert (memory.setpoint_a, memory.setpoint_at_s, world.core.point.held.ceiling_v) == (0.0, None, None)
    assert (memory.lost_fault, memory.paused_since_s, memory.current_expected_since_s) == (None, None, None)
    assert memory.contactors_used
    assert memory.lock_confirmed
    assert world.core.point.envelope.highest_a(world.now_s) is None
    assert charger.vehicle.bcp is None
    assert charger.vehicle.bhm is not None


def test_three_new_handshakes_then_the_fault_ends_the_session_until_the_plug_is_pulled() -> None:
    world = charging_world()
    say(world, "silence BCL")
    with world._coarse():
        body = world.run_to_end(120.0)
    assert (body["result"], body["stop_reason"], body["faults"]) == ("failed", "bms_timeout_bcl", ["bms_timeout_bcl"])
    assert body["reconnects"] == LONGEST_RECONNECTS == 3
    assert [event["number"] for event in world.log.events("reconnect")] == [1, 2, 3]
    assert [event["reconnects_left"] for event in world.log.events("contact_lost")] == [3, 2, 1]
    actions = [record.body["action"] for record in world.log.kind("alarm_raised")]
    assert actions == ["log", "log", "log", "stop"]
    say(world, "speak BCL")
    world.run(2.0)
    assert world.core.state == "faulted"
    assert "bms_timeout_bcl" in texts(world.core.permission.start_reasons)
    refused = world.start()
    world.run(0.1)
    assert world.log.answers(refused) == ["rejected"]
    world.plant.unplug()
    world.run(1.0)
    assert world.core.point.reconnects_since_plug == 0
    world.plant.plug()
    world.run_until("plugged", 3.0)
    world.start()
    world.run_until("charging", 20.0)


def test_new_handshakes_count_per_plug_and_not_per_session() -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    say(world, "speak BCL")
    world.run_until("charging", 30.0)
    world.run(2.0)
    world.command("stop")
    world.run_to_end()
    world.run(1.0)
    world.start()
    world.run_until("charging", 30.0)
    assert world.core.point.reconnects_since_plug == 1
    say(world, "silence BCL")
    until_state(world, "reconnecting", 5.0)
    assert world.log.events("contact_lost")[-1]["reconnects_left"] == 2


@pytest.mark.parametrize(
    ("state", "commands", "fault"),
    [("locked", ("silence BRM",), "bms_timeout_brm"), ("locked", ("silence BCP", "silence BEM"), "bms_timeout_bcp"),
     ("locked", ("silence BRO",), "bms_timeout_bro"), ("charging", ("silence BCS",), "bms_timeout_bcs")],
)  # fmt: skip
def test_every_time_out_of_the_dialogue_may_begin_anew(state: str, commands: tuple[str, ...], fault: str) -> None:
    world = World(step_s=0.05).until(state)
    say(world, *commands)
    until_state(world, "reconnecting", 30.0)
    assert world.core.point.memory.lost_fault == fault
    say(world, "normal")
    world.run_until("charging", 40.0)
    world.run(2.0)
    assert world.log.alarms() == [fault]


def test_bem_of_the_vehicle_has_the_same_effect_and_no_cem_is_sent() -> None:
    world = charging_world()
    world.vehicle_deaf = True
    until_state(world, "reconnecting", 3.0)
    world.vehicle_deaf = False
    world.run_until("charging", 30.0)
    world.run(2.0)
    assert world.log.alarms() == ["bms_error_message"]
    assert heard(world, "CEM") == 0


def test_bem_while_the_new_handshake_is_prepared_is_nothing_new() -> None:
    world = charging_world()
    say(world, "silence BCL", "freeze")
    until_state(world, "reconnecting", 1.2)
    world.core.on_frame(CanFrame(identifier_of("BEM"), encode("BEM", {"ccs_timeout": 1})), world.now_s)
    world.run(0.5)
    assert world.core.state == "reconnecting"
    assert world.log.alarms() == ["bms_timeout_bcl"]


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_no_new_handshake_while_the_vehicle_keeps_its_battery_on_the_output(edition: str) -> None:
    world = charging_world(edition=edition)
    say(world, "freeze")
    lost_s = until_state(world, "reconnecting", 1.2)
    stopped_s = until_state(world, "stopping", 11.0)
    assert 10.0 <= stopped_s - lost_s < 10.2
    assert not world.core.point.held.contactors
    body = world.run_to_end(40.0)
    assert body["stop_reason"] == "bms_timeout_bcl"
    assert "reconnects" not in body
    actions = [
        record.body["action"] for record in world.log.kind("alarm_raised") if record.body["fault"] == "bms_timeout_bcl"
    ]
    assert actions == ["log", "stop"]
    # A vehicle that hangs lets go of its battery when its supply goes; only then does the lock open.
    world.run(1.0)
    assert world.plant.circuit.outside_voltage_v < 60.0
    assert not world.plant.lock_locked


@pytest.mark.parametrize(("voltage_v", "goes_on"), [(59.9, True), (60.0, False)])
@pytest.mark.parametrize("name", ["outside_voltage_v", "inside_voltage_v"])
def test_the_new_handshake_needs_less_than_60_v_on_both_sides(name: str, voltage_v: float, goes_on: bool) -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    while world.core.point.memory.sub_step != "bleed":
        world.step()
    world.override[name] = voltage_v
    world.run(4.0)
    assert (world.core.state != "reconnecting") is goes_on


def test_no_new_handshake_without_a_reading_of_the_voltage() -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    while world.core.point.memory.sub_step != "bleed":
        world.step()
    world.missing.add("inside_voltage_v")
    world.run(1.2)
    assert world.core.state == "stopping"
    assert world.run_to_end()["stop_reason"] == "inputs_lost"


@pytest.mark.parametrize("name", ["contactor_k1_closed", "contactor_k2_closed"])
def test_a_contactor_that_stays_closed_ends_the_session(name: str) -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    world.override[name] = True
    until_state(world, "stopping", 2.0)
    assert world.core.point.memory.sub_step != "bleed"
    assert world.run_to_end(40.0)["stop_reason"] == "contactor_welded"
    assert world.log.events("reconnect") == []


def test_current_that_does_not_fall_is_cut_after_3_s() -> None:
    world = charging_world()
    world.override["module_current_a"] = 80.0
    say(world, "silence BCL")
    lost_s = until_state(world, "reconnecting", 1.2)
    while world.core.point.held.contactors:
        world.step()
    assert 3.0 <= world.now_s - lost_s < 3.1


def test_cem_goes_out_for_a_second_at_least() -> None:
    world = World().until("locked")
    say(world, "silence BRM")
    lost_s = until_state(world, "reconnecting", 20.0)
    again_s = until_state(world, "recognition", 5.0)
    assert 1.0 <= again_s - lost_s < 1.1


def test_cem_goes_out_for_a_second_at_the_end_too() -> None:
    world = charging_world()
    say(world, "silence BST", "silence BSD")
    world.command("stop")
    world.run_to_end(20.0)
    assert "bms_timeout_bst" in world.log.alarms()
    assert heard(world, "CEM") >= 4


@pytest.mark.parametrize(
    ("command", "reason"), [("stop", "local"), ("shutdown", "shutdown"), ("estop", "emergency_stop")]
)
def test_an_end_that_is_asked_for_meanwhile_ends_the_session(command: str, reason: str) -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    if command == "shutdown":
        world.core.request_shutdown()
    elif command == "estop":
        world.override["emergency_stop_pressed"] = True
    else:
        world.command("stop")
    outputs = world.step()
    assert command != "estop" or not outputs.relays["contactor_k1"]
    body = world.run_to_end(30.0)
    assert body["stop_reason"] == reason
    assert "bms_timeout_bcl" not in body["faults"]
    world.run(1.0)
    assert "bms_timeout_bcl" not in texts(world.core.permission.start_reasons)


def test_nothing_begins_anew_while_the_agent_shuts_down_or_the_self_test_has_not_passed() -> None:
    world = World().until("insulation")
    world.core.on_frame(CanFrame(identifier_of("BEM"), encode("BEM", {"crm_not_recognised_timeout": 1})), world.now_s)
    world.run(0.1)
    assert world.core.state == "stopping"
    assert world.run_to_end(30.0)["stop_reason"] == "bms_error_message"


def test_a_charger_that_refuses_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    monkeypatch.setattr(Charger, "may_reconnect", False)
    body = world.run_to_end(30.0)
    assert body["stop_reason"] == "bms_timeout_bcl"
    assert world.core.point.reconnects_since_plug == 0


def test_the_bsm_time_out_of_2023_bars_the_new_handshake() -> None:
    world = charging_world(edition="2023")
    say(world, "silence BSM")
    until_state(world, "stopping", 6.0)
    assert world.core.point.charger.phase is Phase.TIMED_OUT
    assert world.run_to_end(30.0)["stop_reason"] == "bms_timeout_bsm"
    assert world.log.events("contact_lost") == []


@pytest.mark.parametrize("reason", ["insulation_fault", "other_fault", "voltage_abnormal"])
def test_a_vehicle_that_ends_with_a_fault_bars_the_start_until_the_plug_is_pulled(reason: str) -> None:
    world = charging_world()
    say(world, f"stop {reason}")
    assert world.run_to_end(30.0)["stop_reason"] == "vehicle_fault"
    world.run(1.0)
    assert world.core.state == "settled"
    assert texts(world.core.permission.start_reasons) == ("replug: vehicle_fault",)
    refused = world.start()
    world.run(0.1)
    (reply,) = [reply for reply in world.log.replies if reply.id == refused]
    assert (reply.result, reply.reason) == ("rejected", "replug: vehicle_fault")
    world.plant.unplug()
    world.run(1.0)
    world.plant.plug()
    world.run_until("plugged", 3.0)
    assert world.core.permission.start


def test_which_ends_bar_a_new_start() -> None:
    """Besides the faults that clear with the plug: decision 0331."""
    assert {"vehicle_fault"} == REPLUG_STOPS
    barring = {fault_id for fault_id, fault in FAULTS.items() if fault.clear == "unplug"}
    assert {fault_id for fault_id in FAULTS if fault_id.startswith("bms_timeout_")} <= barring
    assert {"bms_error_message", "bms_fault", "bms_not_ready", "precharge_failed", "parameter_mismatch"} <= barring


def test_an_ordered_end_is_kept_meanwhile() -> None:
    world = charging_world()
    say(world, "silence BCL")
    until_state(world, "reconnecting", 1.2)
    session = world.core.session
    assert session is not None
    object.__setattr__(session.limits, "duration_s", 1)
    world.step()
    assert world.core.state == "stopping"
    assert world.run_to_end(30.0)["stop_reason"] == "time_limit"


def test_a_ramp_without_a_demand_asks_for_none() -> None:
    world = charging_world()
    say(world, "silence BCL")
    world.override["module_current_a"] = 50.0
    until_state(world, "reconnecting", 1.2)
    world.core.point.release(Asked(set_point=OFF))
    world.step()
    assert world.core.point.memory.sub_step == "ramp"
    assert not world.core.point.held.set_point.on
