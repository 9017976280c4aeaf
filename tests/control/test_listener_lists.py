"""The lists of the listener's rules, item by item: a table is only as good as each of its rows."""

import pytest
from control_world import BEGIN_S
from listener_world import Bus, parameters_with

from agent.control.listener.core import ListenerCore
from agent.control.listener.faults import FAULT_IDS, NOT_AN_ALARM, fault_of
from drivers.gbt27930.judge.states import CHARGER_STOP_FAULTS
from drivers.gbt27930.messages.table import MESSAGES
from drivers.gbt27930.observer.observer import Observation, Severity
from drivers.gbt27930.observer.rules import RULES

TIMEOUTS = {f"bms_timeout_{name}" for name in ("bhm", "brm", "bcp", "bro", "bcs", "bcl", "bsm", "bst", "bsd")}
WISHES = {"condition_reached", "manual_stop", "stopped_by_vehicle"}
COUNTED = {
    *("period.late", "period.early", "value", "frozen"),
    *("battery.voltage", "battery.cell_voltage", "battery.temperature"),
    *("output.voltage", "output.voltage_bcp", "output.current", "output.differs"),
    *("demand.voltage_bcp", "demand.current_bcp", "demand.voltage_cml", "demand.current_cml"),
}


def test_the_faults_are_pinned() -> None:
    assert {
        *("emergency_stop", "door_open", "smoke", "inputs_lost"),
        *("insulation_monitor_lost", "insulation_fault", "insulation_warning"),
        *("meter_lost", "meter_abnormal", "measurements_disagree", "reverse_polarity"),
        *("output_over_voltage", "output_over_current", "charger_fault"),
        *("bms_fault", "bms_limits_violated", "bms_demand_beyond_limits", "bms_measurement_differs"),
        *("bms_data_stuck", "bms_soc_jump", "bms_message_unusable", "bms_error_message", "protocol_violation"),
        *("vehicle_bus_off", "vehicle_bus_error_passive"),
        *("vehicle_bus_lost", "listen_only_off", "recorder_absent", "uplink_lost", "clock_unset"),
        *("control_restarted", "internal_error"),
    } == FAULT_IDS - TIMEOUTS
    assert FAULT_IDS >= TIMEOUTS


@pytest.mark.parametrize("cause", sorted({field.name for field in MESSAGES["CST"].fields} - WISHES))
def test_every_cause_of_cst_that_is_no_wish_is_a_fault(cause: str) -> None:
    assert (cause in CHARGER_STOP_FAULTS) == (cause != "emergency_stop")
    bus = Bus().charge()
    bus.say("CST", **{cause: 1})
    bus.run(0.2)
    assert bus.active() == ["emergency_stop" if cause == "emergency_stop" else "charger_fault"]


@pytest.mark.parametrize("cause", sorted(WISHES))
def test_a_wish_is_no_fault(cause: str) -> None:
    bus = Bus().charge()
    bus.say("CST", **{cause: 1})
    bus.run(0.2)
    assert bus.active() == []


@pytest.mark.parametrize("code", sorted(code for code, rule in RULES.items() if rule.severity is Severity.VIOLATION))
def test_what_every_broken_rule_stands_for(code: str) -> None:
    message = "BCS" if code in ("length", "transferred", "soc.jump") else "CCS"
    fault = fault_of(Observation(code, Severity.VIOLATION, 0.0, message, amount=6.0))
    if code in COUNTED:
        assert code in NOT_AN_ALARM
        assert fault is None
    else:
        special = {"soc.jump": "bms_soc_jump", "length": "bms_message_unusable", "transferred": "bms_message_unusable"}
        assert fault == special.get(code, "protocol_violation")


def test_a_port_that_was_never_opened_is_lost() -> None:
    core = ListenerCore(parameters_with(), BEGIN_S)
    core.on_recorder(ready=True, uplink="off", at_s=BEGIN_S)
    for step in range(30):
        core.evaluate(BEGIN_S + 0.05 * step, 0, "synced")
    assert [item.fault.id for item in core.active_faults] == ["vehicle_bus_lost"]


@pytest.mark.parametrize(("limits", "key"), [("CML", "maximum_current_a"), ("BCP", "maximum_current_a")])
def test_an_over_current_against_what_both_sides_can_stand(limits: str, key: str) -> None:
    bus = Bus()
    # The vehicle asks for more than it or the charger can stand, and gets it.
    bus.values[limits][key] = 60.0
    bus.charge(4.0)
    assert "output_over_current" in bus.active()


def test_before_the_charge_vehicle_and_charger_need_not_agree() -> None:
    bus = Bus()
    bus.values["BCS"]["current_a"] = 0.0
    bus.start()
    bus.say("BRM", "BCP", "CML", "BRO", "CRO")
    bus.talking = ("BCS", "BCL")
    bus.run(40.0)
    assert "bms_measurement_differs" not in bus.log.alarms()
