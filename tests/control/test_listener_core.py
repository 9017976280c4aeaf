"""The monitor beside the project's own charger: the same session, and no output that could be one."""

import dataclasses
from typing import Any

import pytest
from listener_world import VALUES, Bus, ListeningWorld, frames_of

from agent.control.listener import faults as monitor_faults
from agent.control.listener.core import ListenerCore, ListenerOutputs
from agent.control.listener.parameters import ListenerParameters
from agent.control.listener.point import FollowedPoint
from agent.vocabulary.reasons import STOP_REASONS
from drivers.can.frame import CanFrame


def charging(**changes: Any) -> ListeningWorld:
    """A charge that runs, with its listener."""
    world = ListeningWorld(**changes)
    world.until("charging")
    return world


def followed(world: ListeningWorld) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the charger has recorded of its only session, and what the monitor has."""
    charger = world.run_to_end()
    world.run(15.0)
    assert [record.kind for record in world.heard.records].count("session_started") == 1
    return charger, world.heard.end()


def same(charger: dict[str, Any], heard: dict[str, Any]) -> None:
    """What both sides of the wire must agree about."""
    for name in ("vin", "soc_start_percent", "soc_end_percent", "result"):
        assert heard[name] == charger[name], name
    assert heard["energy_wh"] == charger["energy_wh"]
    assert heard["register_end_wh"] == charger["register_end_wh"]
    assert (heard["role"], heard["origin"], heard["closed_by"]) == ("monitor", "observed", "control")
    assert heard["complete"] is True
    assert heard["from_start"] is True
    assert abs(heard["csd_energy_wh"] - charger["energy_wh"]) <= 100


def test_a_charge_that_somebody_stops_at_the_charger() -> None:
    world = charging()
    world.run(20.0)
    world.command("stop")
    charger, heard = followed(world)
    same(charger, heard)
    assert (heard["stop_side"], heard["stop_reason"]) == ("charger", "charger_manual")
    assert heard["faults"] == []
    assert world.heard.alarms() == []
    states = world.heard.states
    # What the bus does not show is the plug, the lock and the settling.
    assert [state for state in world.log.states if state in states] == states[:-1]
    assert states[-1] == "idle"
    (vehicle,) = world.heard.kind("session_vehicle")
    assert vehicle.body["vin"] == charger["vin"]


def test_a_charge_that_the_vehicle_ends() -> None:
    world = charging(soc_percent=79.0)
    world.vehicle.battery.target_soc_percent = 79.5
    charger, heard = followed(world)
    same(charger, heard)
    assert charger["stop_reason"] == "vehicle"
    assert (heard["stop_side"], heard["stop_reason"]) == ("vehicle", "vehicle")


def test_the_bill_follows_our_meter() -> None:
    world = charging()
    world.run(20.0)
    world.command("stop")
    charger, heard = followed(world)
    assert heard["energy_source"] == "meter"
    assert heard["amount_e4"] == charger["amount_e4"]
    assert sum(part["energy_wh"] for part in heard["slices"]) == heard["energy_wh"] > 0
    assert heard["register_source"] == "meter"


def test_without_a_meter_energy_is_what_the_bus_tells_and_nothing_is_billed() -> None:
    world = charging(monitor={"meter": None})
    world.run(40.0)
    world.command("stop")
    charger, heard = followed(world)
    assert (heard["energy_source"], heard["energy_quality"], heard["billing_grade"]) == (
        "vehicle_bus",
        "charger_total",
        False,
    )
    assert abs(heard["energy_wh"] - charger["energy_wh"]) <= 100
    assert "amount_e4" not in heard
    assert "slices" not in heard
    (started,) = world.heard.kind("session_started")
    assert "register_wh" not in started.body
    progress = world.heard.kind("session_progress")[-1].body
    assert progress["source"] == "ccs"
    assert progress["energy_source"] == "vehicle_bus"
    assert "rate" not in progress


def test_an_output_that_the_charger_does_not_tell_is_no_reading() -> None:
    bus = Bus()
    bus.start()
    for frame in frames_of("CCS", VALUES["CCS"]):
        # All ones is no voltage.
        bus.core.on_frame(CanFrame(frame.identifier, b"\xff\xff" + frame.data[2:]), bus.now_s)
    bus.step()
    assert bus.core.image.value("ccs_voltage_v", bus.now_s) is None
    assert bus.core.image.value("ccs_current_a", bus.now_s) == 80.0


def test_telemetry_names_whose_measurement_it_is() -> None:
    world = charging()
    world.run(20.0)
    assert world.heard.kind("session_progress")[-1].body["source"] == "meter"
    world.monitor_meter_missing = True
    world.run(20.0)
    assert world.heard.kind("session_progress")[-1].body["source"] == "ccs"


def test_a_meter_that_is_silent_at_the_end_gives_its_last_reading() -> None:
    bus = Bus().charge()
    bus.readings.clear()
    bus.run(4.0)
    bus.say("CST", manual_stop=1)
    bus.finish()
    assert bus.core.session is not None, "the last reading is waited for"
    bus.run(4.0)
    assert bus.log.end()["register_source"] == "last_reading"


def test_a_meter_that_is_silent_at_the_start_cannot_be_billed() -> None:
    bus = Bus()
    bus.readings.clear()
    bus.charge()
    assert bus.core.session is not None
    assert bus.core.session.energy_source == "vehicle_bus"


@pytest.mark.parametrize(
    ("said", "values", "side", "reason"),
    [
        ("BST", {"soc_target_reached": 1}, "vehicle", "vehicle"),
        ("BST", {"battery_over_temperature": 1}, "vehicle", "vehicle_fault"),
        ("CST", {"manual_stop": 1}, "charger", "charger_manual"),
        ("CST", {"condition_reached": 1}, "charger", "charger_condition"),
        ("CST", {"fault_stop": 1, "other_fault": 1}, "charger", "charger_fault"),
        ("CST", {"fault_stop": 1, "emergency_stop": 1}, "charger", "emergency_stop"),
        ("CST", {"stopped_by_vehicle": 1}, "vehicle", "vehicle"),
    ],
)
def test_who_stopped_and_why(said: str, values: dict[str, int], side: str, reason: str) -> None:
    bus = Bus().charge()
    bus.talking = ()
    bus.say(said, **values)
    bus.step()
    bus.finish()
    ended = bus.log.end()
    assert (ended["stop_side"], ended["stop_reason"]) == (side, reason)
    normal = reason in ("vehicle", "charger_manual", "charger_condition")
    assert ended["result"] == ("settled" if normal else "failed")


@pytest.mark.parametrize(
    ("said", "values", "reason"),
    [
        ("CEM", {"bcl_timeout": 1}, "bms_timeout_bcl"),
        ("CEM", {"bcs_timeout": 1}, "bms_timeout_bcs"),
        ("BEM", {"ccs_timeout": 1}, "bms_error_message"),
    ],
)
def test_a_time_out_is_reported_by_either_side(said: str, values: dict[str, int], reason: str) -> None:
    bus = Bus().charge()
    bus.talking = ()
    bus.values[said] = dict(values)
    bus.say(said)
    bus.run(1.0)
    assert reason in bus.active()
    bus.run(11.0)
    ended = bus.log.end()
    assert ended["stop_reason"] == reason
    assert reason in ended["faults"]
    bus.run(1.0)
    assert reason in bus.log.cleared()


def test_silence_ends_a_session() -> None:
    bus = Bus().charge()
    bus.talking = ()
    bus.run(12.0)
    ended = bus.log.end()
    assert (ended["stop_reason"], ended["result"]) == ("bus_silent", "failed")
    assert "stop_side" not in ended
    assert ended["duration_s"] < 5


def test_a_lost_port_is_not_the_silence_of_the_two() -> None:
    bus = Bus().charge()
    bus.talking = ()
    bus.core.on_vehicle_port(is_open=False)
    bus.run(12.0)
    assert bus.log.end()["stop_reason"] == "vehicle_bus_lost"


def test_a_charger_that_nobody_answers() -> None:
    bus = Bus().run(0.2)
    for _ in range(8):
        bus.say("CHM")
        bus.run(0.25)
    bus.run(11.0)
    ended = bus.log.end()
    assert (ended["stop_reason"], ended["faults"]) == ("bms_timeout_bhm", ["bms_timeout_bhm"])
    assert bus.log.alarms() == ["bms_timeout_bhm"]
    bus.run(7.0)
    assert bus.log.cleared() == ["bms_timeout_bhm"]


def test_a_vehicle_alone_on_the_bus_begins_no_session() -> None:
    bus = Bus()
    for _ in range(20):
        bus.say("BEM")
        bus.run(0.25)
    bus.run(12.0)
    assert bus.log.kind("session_started") == []
    assert bus.core.state == "idle"


def test_the_next_dialogue_ends_the_one_before() -> None:
    bus = Bus().charge()
    bus.say("CST", manual_stop=1)
    bus.talking = ()
    bus.step()
    bus.say("BSD")
    bus.step()
    bus.say("CSD")
    bus.run(1.5)
    bus.readings.clear()
    bus.run(3.5)
    bus.start()
    bus.run(5.0)
    kinds = [record.kind for record in bus.log.records if record.kind in ("session_started", "session_ended")]
    assert kinds == ["session_started", "session_ended", "session_started"]
    ids = [record.session for record in bus.log.kind("session_started")]
    assert len(set(ids)) == 2


def test_reconnections_are_one_session() -> None:
    bus = Bus().charge()
    bus.talking = ()
    bus.say("CEM", bcl_timeout=1)
    bus.run(1.0)
    bus.say("CRM")
    bus.run(1.0)
    assert bus.log.events("vehicle_attempt")
    bus.run(12.0)
    assert bus.log.end()["attempts"] == 2
    assert bus.log.end()["vin"] == "V" * 17


def test_listening_that_begins_in_the_middle_says_so() -> None:
    bus = Bus().run(0.2)
    bus.say("BCP", "CML")
    bus.talking = ("CCS", "BCL", "BCS", "BSM")
    bus.run(2.0)
    (started,) = bus.log.kind("session_started")
    assert started.body["from_start"] is False
    assert bus.core.state == "charging"


def test_pause_and_resume_are_told() -> None:
    bus = Bus().charge()
    bus.values["BSM"]["charging_permitted"] = False
    bus.run(1.0)
    bus.values["BSM"]["charging_permitted"] = True
    bus.run(1.0)
    assert len(bus.log.events("vehicle_pause")) == len(bus.log.events("vehicle_resume")) == 1


# Commands.


@pytest.mark.parametrize("name", ["start", "stop"])
@pytest.mark.parametrize("origin", ["local", "platform"])
def test_a_listener_controls_nothing(name: str, origin: str) -> None:
    bus = Bus().charge()
    command_id = bus.command(name, origin)
    (reply,) = [reply for reply in bus.log.replies if reply.id == command_id]
    assert (reply.result, reply.reason) == ("rejected", "monitor_only")
    (record,) = bus.log.kind("command")
    assert record.body["reason"] == "monitor_only"
    bus.core.on_command(bus_command(command_id, name))
    bus.step()
    assert len(bus.log.kind("command")) == 1, "a repeated id acts no second time"
    assert [reply.result for reply in bus.log.replies] == ["rejected", "rejected"]


def bus_command(command_id: str, name: str) -> Any:
    from agent.control.chassis.commands import CommandInput

    return CommandInput(command_id, name)


def test_only_a_person_at_the_pile_resets() -> None:
    bus = Bus(inputs=("emergency_stop_pressed",))
    bus.readings["emergency_stop_pressed"] = True
    bus.run(1.0)
    bus.readings["emergency_stop_pressed"] = False
    bus.run(2.0)
    assert bus.active() == ["emergency_stop"], "it waits for a person"
    bus.command("reset", "platform")
    bus.run(1.0)
    assert bus.active() == ["emergency_stop"]
    bus.command("reset")
    bus.run(1.0)
    assert bus.active() == []


def test_an_unknown_command_is_named() -> None:
    bus = Bus()
    bus.command("unlock")
    assert bus.log.replies[-1].reason == "unknown_command"


# Life.


def test_the_end_of_the_agent_closes_the_session_and_not_the_charge() -> None:
    bus = Bus().charge()
    before = bus.core.safe_to_exit
    bus.core.request_shutdown()
    bus.step()
    assert (before, bus.core.safe_to_exit) == (False, True)
    assert bus.log.end()["stop_reason"] == "monitor_stopped"
    bus.run(1.0)
    assert bus.core.session is None, "what still runs is not taken up again"


@pytest.mark.parametrize("restarted", [True, False])
def test_after_a_start_the_recorder_closes_first_what_was_left_open(restarted: bool) -> None:
    # After a power cut nothing tells that a session was left open but the record itself.
    bus = Bus(restarted=restarted)
    bus.recorder_ready = False
    bus.say("BCP")
    bus.talking = ("CCS", "BCL", "BCS", "BSM")
    bus.run(10.0)
    assert bus.log.kind("session_started") == []
    assert ("control_restarted" in bus.log.alarms()) is restarted
    bus.recorder_ready = True
    bus.run(0.2)
    assert len(bus.log.kind("session_started")) == 1


def test_after_a_restart_a_recorder_that_never_comes_is_not_waited_for_for_ever() -> None:
    bus = Bus(restarted=True)
    bus.recorder_ready = None
    bus.talking = ("CCS", "BCL", "BCS", "BSM")
    bus.run(39.0)
    assert bus.log.kind("session_started") == []
    bus.run(2.0)
    assert len(bus.log.kind("session_started")) == 1


def test_without_a_recorder_memory_stays_bounded_and_the_ends_are_kept() -> None:
    bus = Bus(maximum_backlog=160, telemetry_interval_s=1.0)
    bus.acknowledges = False
    for _ in range(12):
        bus.charge(20.0)
        bus.say("CST", manual_stop=1)
        bus.finish()
        assert len(bus.core.backlog.pending()) <= 160
    kinds = [draft.kind for draft in bus.core.backlog.pending()]
    assert kinds.count("session_started") == kinds.count("session_ended") == 12
    bus.core.on_acknowledged(bus.core.backlog.last_number)
    bus.run(1.0)
    assert bus.log.events("records_omitted")[0]["count"] > 0


def test_a_full_memory_begins_no_session() -> None:
    bus = Bus(maximum_backlog=24, telemetry_interval_s=1.0)
    bus.acknowledges = False
    for _ in range(12):
        bus.charge(2.0)
        bus.say("CST", manual_stop=1)
        bus.finish()
        assert len(bus.core.backlog.pending()) <= 24
    kinds = [record.kind for record in bus.log.records]
    assert kinds.count("session_started") == kinds.count("session_ended") < 12


def test_a_lower_register_between_charges_is_a_new_meter() -> None:
    bus = Bus().run(1.0)
    bus.readings["meter_energy_wh"] = 5
    bus.run(0.1)
    assert bus.log.events("register_lower")[0] == {
        "event": "register_lower",
        "former_wh": 1_000_000,
        "register_wh": 5,
    }


def test_a_lower_register_in_a_charge_never_enters_the_bill() -> None:
    bus = Bus().charge()
    bus.readings["meter_energy_wh"] = 999_999
    bus.run(1.0)
    assert "meter_abnormal" in bus.active()
    assert bus.core.session is not None
    assert bus.core.session.energy_wh == 0


def test_an_error_of_the_program_is_a_fault_and_the_third_in_a_row_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus().run(1.0)

    def broken(*_: Any) -> list[str]:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(monitor_faults, "conditions", broken)
    bus.step()
    bus.step()
    assert [body["error"] for body in bus.log.events("internal_error")] == ["ZeroDivisionError: broken on purpose"] * 2
    with pytest.raises(ZeroDivisionError):
        bus.step()
    monkeypatch.undo()
    bus.step()
    assert "internal_error" in bus.active()


def test_a_catalogue_that_lacks_a_fault_is_refused() -> None:
    whole = Bus().parameters
    faults = {name: fault for name, fault in whole.faults.items() if name != "charger_fault"}
    with pytest.raises(ValueError, match="charger_fault"):
        ListenerCore(dataclasses.replace(whole, faults=faults), 0.0)


def test_every_reason_has_words() -> None:
    words = {"charger_manual", "charger_condition", "bus_silent", "monitor_stopped", "listener_lost"}
    assert words <= set(STOP_REASONS)
    assert "charger_fault" in Bus().parameters.faults


def test_there_is_nothing_to_drive_with() -> None:
    assert ListenerOutputs.__struct_fields__ == ("records", "replies")
    names = {field.name for field in dataclasses.fields(ListenerParameters)}
    assert not names & {"charger_number", "minimum_current_a", "times"}
    assert not hasattr(ListenerCore, "want_contactors")
    assert not hasattr(ListenerCore, "charger")
    assert not hasattr(FollowedPoint, "release")
