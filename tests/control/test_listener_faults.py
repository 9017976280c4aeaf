"""Every alarm of a listener: raised by the data that show it, and not by data just short of it."""

from pathlib import Path
from typing import Any

import pytest
from control_world import FAULTS
from listener_world import Bus, frames_with

from agent.control.listener.faults import FAULT_IDS, NOT_AN_ALARM
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.gbt27930.messages.table import MESSAGES, identifier_of
from drivers.gbt27930.observer.model import Severity
from drivers.gbt27930.observer.rules import RULES


def test_every_fault_is_in_the_catalogue() -> None:
    assert set(FAULTS) >= FAULT_IDS


def test_the_codes_are_the_observer_s() -> None:
    assert set(RULES) >= NOT_AN_ALARM
    assert all(RULES[code].severity is Severity.VIOLATION for code in NOT_AN_ALARM)
    assert {"length", "transferred", "soc.jump"} <= set(RULES)


def charging(**changes: Any) -> Bus:
    bus = Bus(**changes).charge(2.0)
    assert bus.active() == [], bus.log.events("protocol_violation")
    return bus


def test_a_charge_without_anything_wrong_raises_nothing() -> None:
    bus = charging()
    bus.say("CST", manual_stop=1)
    bus.finish()
    assert bus.log.alarms() == []


def test_an_alarm_is_only_told() -> None:
    bus = charging()
    bus.values["BSM"]["insulation_state"] = 1
    bus.run(1.0)
    (record,) = bus.log.kind("alarm_raised")
    assert record.body["fault"] == "bms_fault"
    assert (record.body["action"], record.body["role"], record.body["level"]) == ("log", "monitor", 1)
    assert record.body["snapshot"]["ccs_current_a"] == 80.0
    assert record.body["snapshot"]["soc_percent"] == 20
    assert record.session is not None


# What the vehicle says.

BSM_STATES = (
    "cell_voltage_state",
    "soc_state",
    "over_current_state",
    "over_temperature_state",
    "insulation_state",
    "connector_state",
)


@pytest.mark.parametrize("state", BSM_STATES)
@pytest.mark.parametrize("value", [1, 2])
def test_the_states_of_bsm(state: str, value: int) -> None:
    bus = charging()
    bus.values["BSM"][state] = value
    bus.run(1.0)
    # 10 of the first two is "too low"; of the others it is "untrusted", which stops no charge (DP.3004).
    told = value == 1 or state in ("cell_voltage_state", "soc_state")
    assert bus.active() == (["bms_fault"] if told else [])


def test_a_fault_of_bst() -> None:
    bus = charging()
    bus.say("BST", high_voltage_relay_fault=1)
    bus.run(0.2)
    assert "bms_fault" in bus.active()


def test_a_wish_of_bst_is_no_fault() -> None:
    bus = charging()
    bus.say("BST", soc_target_reached=1)
    bus.run(0.2)
    assert "bms_fault" not in bus.active()


@pytest.mark.parametrize(
    ("message", "changes", "told"),
    [
        ("BCS", {"maximum_cell_voltage_v": 3.65}, False),
        ("BCS", {"maximum_cell_voltage_v": 3.66}, True),
        ("BSM", {"highest_temperature_c": 55}, False),
        ("BSM", {"highest_temperature_c": 56}, True),
        ("BMV", {"cell_voltages_v": [3.3, 3.65] * 8}, False),
        ("BMV", {"cell_voltages_v": [3.3, 3.66] * 8}, True),
        ("BMT", {"temperatures_c": [20, 55] * 8}, False),
        ("BMT", {"temperatures_c": [20, 56] * 8}, True),
    ],
)
def test_the_battery_above_its_own_limits(message: str, changes: dict[str, Any], told: bool) -> None:
    bus = charging()
    bus.values[message].update(changes)
    for _ in range(4):
        bus.say(message)
        bus.run(0.25)
    assert ("bms_limits_violated" in bus.active()) is told


@pytest.mark.parametrize(("voltage_v", "told"), [(435.0, False), (435.1, True)])
def test_the_battery_voltage_above_its_own_limit(voltage_v: float, told: bool) -> None:
    bus = charging()
    bus.values["BCS"]["voltage_v"] = voltage_v
    bus.run(1.5)
    assert ("bms_limits_violated" in bus.active()) is told


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("current_a", 100.0, False),
        ("current_a", 100.1, True),
        ("voltage_v", 420.0, False),
        ("voltage_v", 420.1, True),
    ],
)
def test_a_demand_above_the_limits(key: str, value: float, told: bool) -> None:
    bus = charging()
    bus.values["BCL"][key] = value
    bus.run(0.9)
    assert "bms_demand_beyond_limits" not in bus.active()
    bus.run(0.5)
    assert ("bms_demand_beyond_limits" in bus.active()) is told


@pytest.mark.parametrize(("limits", "value", "told"), [("CML", 70.0, True), ("CML", 80.0, False)])
def test_a_demand_above_what_the_charger_can_deliver(limits: str, value: float, told: bool) -> None:
    bus = Bus()
    bus.values[limits]["maximum_current_a"] = value
    bus.charge(3.0)
    assert ("bms_demand_beyond_limits" in bus.active()) is told


@pytest.mark.parametrize(("soc", "told"), [(25, False), (26, True)])
def test_a_jump_of_the_state_of_charge(soc: int, told: bool) -> None:
    bus = charging()
    bus.values["BCS"]["soc_percent"] = soc
    bus.run(1.0)
    assert bus.active() == (["bms_soc_jump"] if told else [])
    bus.say("CST", manual_stop=1)
    bus.finish()
    assert bus.log.end()["violations"].get("soc.jump BCS", 0) == int(told), "a smaller one is none"


def test_data_that_never_change() -> None:
    bus = charging()
    bus.run(296.0)
    assert bus.log.alarms() == []
    bus.run(5.0)
    assert bus.log.alarms() == ["bms_data_stuck"]


@pytest.mark.parametrize("moving", ["soc_percent", "voltage_v"])
def test_data_that_change_now_and_then(moving: str) -> None:
    bus = charging()
    for _ in range(4):
        bus.run(100.0)
        bus.values["BCS"][moving] += 1
    assert bus.log.alarms() == []


def test_without_current_data_may_stand_still() -> None:
    bus = Bus()
    for message in ("BCL", "BCS", "CCS"):
        bus.values[message]["current_a"] = 19.9
    bus.readings["meter_current_a"] = 19.9
    bus.charge(310.0)
    assert bus.log.alarms() == []


@pytest.mark.parametrize("bad", ["length", "transferred"])
def test_a_message_of_the_vehicle_that_cannot_be_used(bad: str) -> None:
    bus = charging()
    name = "BSM" if bad == "length" else "BCS"
    bus.core.on_frame(CanFrame(identifier_of(name), b"\x00\x00\x00"), bus.now_s)
    bus.run(0.2)
    assert bus.active() == ["bms_message_unusable"]


def test_a_message_of_the_charger_that_cannot_be_used() -> None:
    bus = charging()
    bus.core.on_frame(CanFrame(identifier_of("CST"), b"\x00"), bus.now_s)
    bus.run(0.2)
    assert "protocol_violation" in bus.active()
    assert "bms_message_unusable" not in bus.active()


# What the charger does.


def measure(bus: Bus, source: str, key: str, value: float) -> None:
    """What our meter measures, or what the charger says."""
    if source == "meter":
        bus.readings[f"meter_{key}"] = value
    else:
        bus.values["CCS"][key] = value


@pytest.mark.parametrize("source", ["meter", "ccs"])
@pytest.mark.parametrize(("voltage_v", "told"), [(435.0, False), (435.2, True)])
def test_an_over_voltage_against_bcp(source: str, voltage_v: float, told: bool) -> None:
    bus = charging()
    measure(bus, source, "voltage_v", voltage_v)
    bus.run(0.9)
    assert ("output_over_voltage" in bus.active()) is told


@pytest.mark.parametrize(("cml_v", "told"), [(320.0, True), (335.0, False)])
def test_an_over_voltage_against_cml(cml_v: float, told: bool) -> None:
    bus = Bus()
    bus.values["CML"]["maximum_voltage_v"] = cml_v
    bus.charge(2.0)
    assert ("output_over_voltage" in bus.active()) is told


@pytest.mark.parametrize("source", ["meter", "ccs"])
@pytest.mark.parametrize(("current_a", "told"), [(88.0, False), (88.2, True)])
def test_an_over_current_against_the_demand(source: str, current_a: float, told: bool) -> None:
    bus = charging()
    measure(bus, source, "current_a", current_a)
    bus.run(1.5)
    assert ("output_over_current" in bus.active()) is told


def test_a_falling_demand_leaves_the_current_its_time() -> None:
    bus = charging()
    bus.values["BCL"]["current_a"] = 20.0
    bus.run(3.0)
    assert "output_over_current" not in bus.active()
    bus.run(3.0)
    assert "output_over_current" in bus.active()


@pytest.mark.parametrize(("current_a", "told"), [(23.0, False), (23.2, True)])
def test_small_currents_have_a_margin_in_ampere(current_a: float, told: bool) -> None:
    bus = Bus()
    bus.values["BCL"]["current_a"] = bus.values["CCS"]["current_a"] = bus.values["BCS"]["current_a"] = 20.0
    bus.readings["meter_current_a"] = 20.0
    bus.charge(2.0)
    bus.readings["meter_current_a"] = current_a
    bus.run(1.5)
    assert ("output_over_current" in bus.active()) is told


def test_the_rating_of_the_pile_is_a_limit_too() -> None:
    bus = Bus(maximum_current_a=70.0)
    bus.charge(2.0)
    assert "output_over_current" in bus.active()


def test_before_the_parameters_are_known_nothing_is_too_high() -> None:
    bus = Bus()
    bus.readings["meter_voltage_v"] = 500.0
    bus.start()
    assert bus.active() == []


def test_a_fault_of_the_charger() -> None:
    bus = charging()
    bus.say("CST", fault_stop=1, other_fault=1)
    bus.run(0.2)
    assert bus.active() == ["charger_fault"]
    (told,) = bus.log.events("stop_asked")
    assert told == {
        "event": "stop_asked",
        "message": "CST",
        "causes": "fault_stop, other_fault",
        "first_side": "charger",
    }
    bus.finish()
    bus.run(1.0)
    assert bus.active() == [], "it is over with the session"
    assert "charger_fault" in bus.log.end()["faults"]


def test_an_emergency_stop_told_in_cst() -> None:
    bus = charging()
    bus.say("CST", fault_stop=1, emergency_stop=1)
    bus.run(0.2)
    assert bus.active() == ["charger_fault", "emergency_stop"]


def test_an_ordered_stop_is_no_fault() -> None:
    bus = charging()
    bus.say("CST", manual_stop=1)
    bus.run(0.2)
    assert bus.active() == []


@pytest.mark.parametrize("name", ["brm", "bcp", "bro", "bcs", "bcl", "bsm", "bst", "bsd"])
def test_every_time_out_that_the_charger_can_report(name: str) -> None:
    bus = charging()
    bus.talking = ()
    bus.values["CEM"] = {f"{name}_timeout": 1}
    bus.say("CEM")
    bus.run(0.2)
    assert f"bms_timeout_{name}" in bus.active()


def test_every_fault_of_a_listener_is_raised_by_a_test() -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_listener*.py")]
    named = {fault for fault in FAULT_IDS if any(f'"{fault}"' in text for text in texts)}
    assert {fault for fault in FAULT_IDS - named if not fault.startswith("bms_timeout_")} == set()


# Rules of the protocol.


def test_a_broken_rule_is_one_alarm_and_one_event_a_session() -> None:
    bus = charging()
    for _ in range(10):
        bus.say("CRO")
        bus.run(0.5)
    assert bus.active() == ["protocol_violation"]
    (told,) = bus.log.events("protocol_violation")
    assert (told["code"], told["message"]) == ("order", "CRO")
    assert told["text_zh"]
    bus.run(70.0)
    assert bus.log.cleared() == ["protocol_violation"]
    bus.say("CST", manual_stop=1)
    bus.finish()
    assert bus.log.end()["violations"]["order CRO"] >= 5
    assert bus.log.end()["faults"] == [], "a notice is no fault of the session"


@pytest.mark.parametrize("name", ["BCL", "BCS"])
def test_a_message_that_stops_coming(name: str) -> None:
    bus = charging()
    bus.talking = tuple(each for each in bus.talking if each != name)
    bus.run(7.0)
    assert "protocol_violation" in bus.active()


def test_uneven_periods_are_counted_and_raise_nothing() -> None:
    bus = charging()
    bus.talking = ("CCS", "BCL", "BCS")
    for _ in range(20):
        bus.say("BSM")
        bus.run(0.6)
    assert bus.log.alarms() == []
    bus.say("CST", manual_stop=1)
    bus.finish()
    assert any(key.startswith("period.") for key in bus.log.end()["violations"])


# Our own devices.


def test_the_meter_is_lost() -> None:
    bus = charging()
    bus.readings.clear()
    bus.run(9.5)
    assert "meter_lost" not in bus.active()
    bus.run(1.0)
    assert bus.active() == ["meter_lost"]
    assert bus.core.session is not None, "the charge is not ours to end"


def test_a_meter_that_never_answered_is_lost() -> None:
    bus = Bus()
    bus.readings.clear()
    bus.run(11.0)
    assert bus.active() == ["meter_lost"]


def test_who_has_no_meter_loses_none() -> None:
    bus = Bus(meter=None)
    bus.run(20.0)
    assert bus.active() == []


@pytest.mark.parametrize(
    ("signal", "near", "far"),
    [("meter_current_a", 72.8, 72.5), ("meter_current_a", 88.8, 89.0), ("meter_voltage_v", 328.7, 328.3)],
)
def test_meter_and_charger_disagree(signal: str, near: float, far: float) -> None:
    bus = charging()
    bus.readings[signal] = near
    bus.run(12.0)
    assert "measurements_disagree" not in bus.active()
    bus.readings[signal] = far
    bus.run(9.5)
    assert "measurements_disagree" not in bus.active(), "a ramp is no disagreement"
    bus.run(1.0)
    assert "measurements_disagree" in bus.active()


@pytest.mark.parametrize("metered", [True, False])
@pytest.mark.parametrize(
    ("key", "near", "far"), [("current_a", 62.0, 61.9), ("current_a", 98.0, 98.1), ("voltage_v", 310.5, 310.4)]
)
def test_the_vehicle_measures_differently(metered: bool, key: str, near: float, far: float) -> None:
    bus = charging() if metered else charging(meter=None)
    bus.values["BCS"][key] = near
    bus.run(35.0)
    assert bus.active() == []
    bus.values["BCS"][key] = far
    bus.run(29.0)
    assert bus.active() == []
    bus.run(2.0)
    assert bus.active() == ["bms_measurement_differs"]


def test_a_vehicle_that_tells_nothing_is_not_compared() -> None:
    bus = charging()
    bus.talking = ("CCS", "BCL", "BSM")
    bus.run(60.0)
    assert "bms_measurement_differs" not in bus.log.alarms()


@pytest.mark.parametrize("name", ["BCL", "BCS", "BSM", "CCS"])
def test_a_message_without_usable_values_judges_nothing(name: str) -> None:
    bus = charging()
    bus.talking = tuple(other for other in bus.talking if other != name)
    for _ in range(200):
        for frame in frames_with(name, b"\xff" * (MESSAGES[name].length or 9)):
            bus.core.on_frame(frame, bus.now_s)
        bus.run(0.2)
    assert "internal_error" not in bus.log.alarms()
    assert not {"bms_measurement_differs", "bms_demand_beyond_limits"} & set(bus.log.alarms())


@pytest.mark.parametrize(("added_wh", "told"), [(1500, False), (1501, True), (900, False), (899, True)])
def test_register_and_csd_disagree(added_wh: int, told: bool) -> None:
    bus = charging()
    bus.readings["meter_energy_wh"] = 1_000_000 + added_wh
    bus.run(0.2)
    bus.say("CST", manual_stop=1)
    bus.finish()
    bus.run(20.0)
    assert ("measurements_disagree" in bus.log.alarms()) is told
    assert bool(bus.log.events("energy_disagrees")) is told


def test_the_polarity_of_the_meter() -> None:
    bus = Bus()
    bus.readings["meter_voltage_v"] = -10.0
    bus.run(1.0)
    assert bus.active() == []
    bus.readings["meter_voltage_v"] = -10.1
    bus.run(0.2)
    assert bus.active() == ["reverse_polarity"]


@pytest.mark.parametrize(
    ("kohm", "told"),
    [(173, []), (172, ["insulation_warning"]), (35, ["insulation_warning"]), (34, ["insulation_fault"])],
)
def test_the_insulation_that_our_monitor_measures(kohm: int, told: list[str]) -> None:
    bus = Bus(insulation_monitor=True)
    bus.readings |= {"insulation_plus_kohm": kohm, "insulation_minus_kohm": 2000}
    bus.charge(3.0)
    assert bus.active() == told


def test_insulation_without_voltage_says_nothing() -> None:
    bus = Bus(insulation_monitor=True)
    bus.readings |= {"insulation_plus_kohm": 1, "insulation_minus_kohm": 1, "meter_voltage_v": 59.0}
    bus.run(3.0)
    assert bus.active() == []


def test_the_insulation_monitor_is_lost() -> None:
    bus = Bus(insulation_monitor=True)
    bus.run(5.5)
    assert bus.active() == []
    bus.run(1.0)
    assert bus.active() == ["insulation_monitor_lost"]


CONTACTS = {"emergency_stop_pressed": "emergency_stop", "door_open": "door_open", "smoke_detected": "smoke"}


@pytest.mark.parametrize(("signal", "fault"), CONTACTS.items())
def test_the_contacts(signal: str, fault: str) -> None:
    bus = Bus(inputs=(signal,))
    bus.readings[signal] = False
    bus.run(1.0)
    assert bus.active() == []
    bus.readings[signal] = True
    bus.run(1.5)
    assert bus.active() == [fault]


def test_contacts_that_are_not_wired_are_not_missed() -> None:
    assert Bus(inputs=()).run(10.0).active() == []


def test_contacts_that_are_wired_are_missed() -> None:
    bus = Bus(inputs=("door_open", "smoke_detected"))
    bus.readings["door_open"] = False
    bus.run(2.9)
    assert bus.active() == []
    bus.run(0.3)
    assert bus.active() == ["inputs_lost"]


def test_a_contact_that_goes_is_missed_at_once() -> None:
    bus = Bus(inputs=("door_open",))
    bus.readings["door_open"] = False
    bus.run(0.5)
    del bus.readings["door_open"]
    bus.run(1.1)
    assert bus.active() == ["inputs_lost"]


# The agent itself.


def test_the_port_is_lost() -> None:
    bus = Bus().run(1.0)
    bus.core.on_vehicle_port(is_open=False)
    bus.run(0.9)
    assert bus.active() == []
    bus.run(0.3)
    assert bus.active() == ["vehicle_bus_lost"]


@pytest.mark.parametrize(
    ("state", "fault", "debounce_s"),
    [(BusState.OFF, "vehicle_bus_off", 0.5), (BusState.PASSIVE, "vehicle_bus_error_passive", 5.0)],
)
def test_the_state_of_the_bus(state: BusState, fault: str, debounce_s: float) -> None:
    bus = Bus().run(1.0)
    bus.core.on_vehicle_bus_state(BusState.WARNING)
    bus.run(debounce_s + 1.0)
    assert bus.active() == [], "a warning level alone is no fault"
    bus.core.on_vehicle_bus_state(state)
    bus.run(debounce_s - 0.1)
    assert bus.active() == []
    bus.run(0.3)
    assert bus.active() == [fault]
    bus.core.on_vehicle_bus_state(BusState.ACTIVE)
    bus.run(4.8)
    assert bus.active() == [fault]
    bus.run(0.4)
    assert bus.active() == []


def test_an_interface_that_acknowledges_is_named() -> None:
    bus = Bus()
    bus.core.on_acknowledging(True)
    bus.run(0.2)
    assert bus.active() == ["listen_only_off"]
    bus.core.on_acknowledging(False)
    bus.run(1.0)
    assert bus.active() == []


@pytest.mark.parametrize("ready", [None, False])
def test_no_recorder(ready: bool | None) -> None:
    bus = Bus()
    bus.recorder_ready = ready
    bus.run(2.9)
    assert bus.active() == []
    bus.run(0.3)
    assert bus.active() == ["recorder_absent"]


def test_no_platform() -> None:
    bus = Bus()
    bus.uplink = "connecting"
    bus.run(59.0)
    assert bus.active() == []
    bus.run(2.0)
    assert bus.active() == ["uplink_lost"]
    bus.uplink = "off"
    bus.run(1.0)
    assert bus.active() == []


def test_no_time() -> None:
    bus = Bus()
    bus.wall_quality = "unset"
    bus.run(0.2)
    assert bus.active() == ["clock_unset"]


def test_a_restart_is_told_once() -> None:
    bus = Bus(restarted=True).run(2.0)
    assert bus.log.alarms() == bus.log.cleared() == ["control_restarted"]
