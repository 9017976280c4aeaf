"""What an observer makes of the dialogue of two others: sessions, stages, limits, time-outs, content."""

from typing import Any

import pytest
from observed_bus import CHARGE, VALUES, Bus

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.phases import Phase
from drivers.gbt27930.messages.table import MESSAGES, Sender, encode
from drivers.gbt27930.observer.model import Extremes
from drivers.gbt27930.observer.observer import RULES, Outcome, Severity, Stage
from drivers.gbt27930.observer.rules import PERIOD_TOLERANCE_MS, PLACES


def test_a_whole_charge() -> None:
    bus = Bus()
    assert bus.stage() is Stage.IDLE
    assert bus.observer.session is None
    assert bus.observer.next_due() is None
    bus.until("CCS")
    assert bus.stage() is Stage.CHARGING
    bus.wait(5.0, *CHARGE)
    bus.say("BST", "CST")
    bus.wait(0.2, "BST", "CST")
    bus.say("BSD", "CSD")
    bus.wait(0.5, "BSD", "CSD")
    assert bus.session.outcome is Outcome.RUNNING
    bus.wait(2.1)
    assert bus.codes("violation") == []
    session = bus.session
    assert bus.observer.session is None
    assert session.outcome is Outcome.COMPLETE
    assert session.from_start
    assert session.attempts == 1
    assert session.vin == "V" * 17
    assert session.values("BCP")["maximum_voltage_v"] == 420.0
    assert session.values("CML")["maximum_current_a"] == 150.0
    assert session.soc_percent == 80
    assert session.permitted is True
    assert session.stop_side is Sender.VEHICLE
    assert session.bst_reasons == ("soc_target_reached",)
    assert session.cst_reasons == ("stopped_by_vehicle",)
    assert session.values("CSD")["energy_kwh"] == 12.5
    assert session.energy_estimate_wh == pytest.approx(345 * 79.5 * 5.0 / 3600, rel=0.02)
    assert session.charging_s == pytest.approx(5.0, abs=0.1)
    assert session.extreme("CCS.current_a").greatest == 79.5
    assert session.extreme("nothing") == Extremes()
    assert session.counts["CCS"].interval_mean_s == pytest.approx(0.05, abs=0.001)
    assert session.counts["BRM"].interval_mean_s is None
    assert [change.stage for change in session.timeline] == [
        Stage.HANDSHAKE, Stage.INSULATION, Stage.RECOGNITION, Stage.RECOGNISED, Stage.PARAMETERS, Stage.WAIT_READY,
        Stage.READY, Stage.CHARGING, Stage.STOPPING, Stage.ENDING, Stage.ENDED,
    ]  # fmt: skip


def test_every_stage_is_a_phase_of_the_charger() -> None:
    assert {stage.phase for stage in Stage} == set(Phase)
    assert Stage.INSULATION.phase is Phase.HANDSHAKE


def test_the_rules_name_every_message_and_period() -> None:
    assert PLACES.keys() == MESSAGES.keys()
    assert PERIOD_TOLERANCE_MS.keys() == {message.period_ms for message in MESSAGES.values()}
    for code, rule in RULES.items():
        assert rule.code == code
        assert rule.en
        assert rule.zh
        assert rule.source or rule.severity is Severity.NOTE


def test_what_the_last_frame_completed_is_shown() -> None:
    bus = Bus()
    bus.say("CHM")
    (heard,) = bus.observer.heard
    assert (heard.name, heard.sender, heard.values) == ("CHM", Sender.CHARGER, {"version": "1.1"})
    bus.frame(CanFrame(0x123, b"", extended=False))
    assert bus.observer.heard == []
    assert bus.observer.last_heard(Sender.CHARGER) == 0.0
    assert bus.observer.last_heard(Sender.VEHICLE) is None


# ----------------------------------------------------------------------------------------------------- who stopped


@pytest.mark.parametrize(
    ("first", "values", "side"),
    [
        ("BST", {}, Sender.VEHICLE),
        ("CST", {"stopped_by_vehicle": 0, "manual_stop": 1}, Sender.CHARGER),
        ("CST", {"stopped_by_vehicle": 1}, Sender.VEHICLE),
    ],
)
def test_the_side_that_stops(first: str, values: dict[str, Any], side: Sender) -> None:
    bus = Bus().charging()
    bus.say(first, **values)
    assert bus.stage() is Stage.STOPPING
    assert bus.session.stop_side is side
    assert bus.session.stopped_at_s == bus.now_s
    assert bus.only("stop").message == first


def test_stop_reasons_that_come_later_are_added() -> None:
    bus = Bus().charging()
    bus.say("BST")
    bus.say("BST")
    bus.say("BST", soc_target_reached=0, insulation_fault=1)
    assert bus.session.bst_reasons == ("soc_target_reached", "insulation_fault")
    assert bus.codes().count("stop") == 2


def test_after_a_stop_without_statistics() -> None:
    bus = Bus().charging()
    bus.say("CST")
    bus.wait(11.0)
    assert bus.session.outcome is Outcome.STOPPED


def test_statistics_of_the_charger_alone_do_not_make_it_complete() -> None:
    bus = Bus().charging()
    bus.say("CST", "CSD")
    assert bus.only("order.early").expected == "BSD"
    bus.wait(11.0)
    assert bus.session.outcome is Outcome.STOPPED


# ------------------------------------------------------------------------------------------- time-outs and attempts


def test_a_time_out_and_a_new_attempt() -> None:
    bus = Bus().charging()
    bus.wait(1.2, "CCS", "BCS", "BSM")
    missing = bus.only("missing")
    assert missing.message == "BCL"
    assert missing.at_s == pytest.approx(0.5 + 1.0, abs=0.3)
    bus.say("CEM")
    assert bus.stage() is Stage.TIMED_OUT
    assert bus.session.cem_reasons == ("bcl_timeout",)
    bus.wait(1.0, "CEM")
    assert bus.codes().count("timeout") == 1
    for name in ("CRM", "BRM", "CRM AA", "BCP", "CML", "BRO", "CRO", "BCL", "BCS", "CCS"):
        bus.say(name)
        bus.wait(0.05)
    assert bus.stage() is Stage.CHARGING
    assert bus.session.attempts == 2
    assert len(bus.observer.sessions) == 1
    assert bus.session.timeline[-1].attempt == 2
    assert bus.codes("violation") == ["missing"]
    assert bus.codes("variant") == ["ready.direct"]


def test_more_than_three_new_attempts() -> None:
    bus = Bus().until("CRM")
    for _ in range(4):
        bus.say("CEM", brm_timeout=1, bcl_timeout=0)
        bus.wait(0.1)
        bus.say("CRM")
    assert bus.session.attempts == 5
    assert bus.only("attempts").seen == "4"


def test_a_new_attempt_may_begin_with_the_handshake_while_the_vehicle_is_heard() -> None:
    bus = Bus().charging()
    bus.say("BEM")
    assert bus.session.bem_reasons == ("ccs_timeout",)
    bus.wait(3.0, "BEM")
    bus.say("CHM")
    assert bus.session.attempts == 2
    assert bus.stage() is Stage.HANDSHAKE


def test_a_handshake_after_the_vehicle_has_gone_is_a_new_session() -> None:
    bus = Bus().charging()
    bus.say("CEM")
    bus.wait(12.0, "CEM")
    bus.say("CHM")
    assert [session.outcome for session in bus.observer.sessions] == [Outcome.TIMED_OUT, Outcome.RUNNING]


def test_an_error_during_the_statistics_changes_nothing() -> None:
    bus = Bus().charging()
    bus.say("BST", "CST", "BSD", "CSD", "CEM")
    assert bus.stage() is Stage.ENDING
    assert "timeout" in bus.codes()


@pytest.mark.parametrize(
    ("name", "field", "missing"),
    [("CEM", "bcl_timeout", "BCL"), ("CEM", "bcs_timeout", "BCS"), ("BEM", "ccs_timeout", "CCS")],
)
def test_a_time_out_of_what_was_heard(name: str, field: str, missing: str) -> None:
    bus = Bus().charging()
    bus.wait(1.0, *CHARGE)
    bus.say(name, **{**dict.fromkeys(VALUES[name], 0), field: 1})
    assert bus.only("timeout.unfounded").expected.startswith(missing)


def test_a_time_out_of_what_cannot_be_judged_is_only_told() -> None:
    bus = Bus().until("CML")
    bus.say("CEM", bcl_timeout=0, bro_timeout=1)
    assert "timeout.unfounded" not in bus.codes()
    assert bus.only("timeout").seen == "bro_timeout"


@pytest.mark.parametrize(
    ("last", "cyclic", "seconds", "name"),
    [
        ("CHM", ("CHM",), 5.2, None),  # no vehicle at all is nobody's fault
        ("BHM", ("CHM", "BHM"), 30.2, "CRM"),
        ("CRM", ("CRM", "BHM"), 5.2, "BRM"),
        ("BRM", ("CRM", "BHM"), 5.2, "CRM"),
        ("CRM AA", ("CRM AA",), 5.2, "BCP"),
        ("CML", ("CML",), 5.2, "BRO"),
        ("BRO", ("CML", "BRO"), 5.2, "CRO"),
        ("CRO 00", ("CRO 00",), 5.2, "BRO"),
        ("CRO 00", ("CRO 00", "BRO"), 60.3, "CRO"),
        ("CRO", ("CRO",), 1.2, "BCL"),
    ],
)
def test_what_does_not_come_in_time(last: str, cyclic: tuple[str, ...], seconds: float, name: str | None) -> None:
    bus = Bus().until(last)
    bus.wait(seconds, *cyclic)
    found = [each.message for each in bus.told if each.code == "missing"]
    assert found == ([] if name is None else [name])


def test_bro_that_never_gets_ready() -> None:
    bus = Bus().until("CML")
    bus.say("BRO", ready=False)
    bus.wait(60.2, "CML", "BRO", ready=False)
    assert bus.only("missing").expected == "≤ 60 s"
    assert "DN.2005" in bus.only("missing").source


@pytest.mark.parametrize(("absent", "seconds", "limit"), [("BCL", 1.2, 1), ("BCS", 5.4, 5), ("CCS", 1.2, 1)])
def test_what_is_missing_while_charging(absent: str, seconds: float, limit: int) -> None:
    bus = Bus().charging()
    bus.wait(0.5, *CHARGE)
    bus.wait(seconds, *(name for name in CHARGE if name != absent))
    assert bus.only("missing").message == absent
    assert bus.only("missing").expected == f"≤ {limit} s"
    bus.say(absent)
    bus.wait(0.5, *CHARGE)
    bus.wait(seconds, *(name for name in CHARGE if name != absent))
    assert bus.codes().count("missing") == 2


@pytest.mark.parametrize(("edition", "expected"), [("2015", []), ("2023", ["BSM"])])
def test_bsm_is_awaited_since_2023(edition: str, expected: list[str]) -> None:
    bus = Bus(edition).charging()
    bus.wait(1.0, *CHARGE)
    bus.wait(5.4, "BCL", "BCS", "CCS")
    assert [each.message for each in bus.told if each.code == "missing"] == expected


def test_after_the_stop() -> None:
    bus = Bus().charging()
    bus.say("CST", stopped_by_vehicle=0, manual_stop=1)
    bus.wait(10.2, "CST", "BSM")
    assert [(each.message, each.expected) for each in bus.told if each.code == "missing"] == [
        ("BST", "≤ 5 s"), ("BSD", "≤ 10 s"),
    ]  # fmt: skip
    bus = Bus().charging()
    bus.say("BST")
    bus.wait(10.2, "BST")
    assert [each.message for each in bus.told if each.code == "missing"] == ["CST", "CSD"]


def test_ccs_is_awaited_once_both_demand_and_status_are_there() -> None:
    bus = Bus().until("CRO")
    bus.say("BCL", "BCS")
    bus.wait(1.2, "BCL", "BCS", "CRO")
    assert bus.only("missing").message == "CCS"


def test_a_dead_bus_is_silence_and_not_a_missing_message() -> None:
    bus = Bus().charging()
    bus.wait(0.5, *CHARGE)
    bus.wait(9.0)
    assert bus.codes() == ["bus.silent"]
    assert bus.observer.session is not None
    bus.wait(1.2)
    assert bus.codes() == ["bus.silent", "session.end"]
    assert bus.session.outcome is Outcome.BROKEN_OFF
    assert bus.session.ended_s == pytest.approx(bus.now_s - 10.2, abs=0.05)


def test_the_next_due_time_is_when_something_is_told() -> None:
    bus = Bus().charging()
    bus.wait(0.5, *CHARGE)
    due_s = bus.observer.next_due()
    assert due_s is not None
    assert due_s == pytest.approx(bus.now_s + 1.0, abs=0.06)
    bus.wait(2.1)
    assert "bus.silent" in bus.codes()
    due_s = bus.observer.next_due()
    assert due_s is not None
    assert due_s > bus.now_s


# --------------------------------------------------------------------------------------------------- pause, permit


def test_a_pause_and_its_end() -> None:
    bus = Bus().charging()
    bus.say("BSM", charging_permitted=False)
    assert bus.paused() is True
    bus.say("CCS", permitted=False, current_a=0.0)
    assert bus.session.permitted is False
    bus.wait(2.0, *CHARGE, charging_permitted=False, permitted=False, current_a=0.0)
    bus.say("BSM")
    assert bus.paused() is False
    (pause,) = bus.session.pauses
    assert pause.until_s == pytest.approx(pause.from_s + 2.0)
    assert [each.seen for each in bus.told if each.code == "permit"] == ["pause"]
    assert "pause" in bus.codes()
    assert "resume" in bus.codes()


def test_a_pause_that_ends_with_the_session() -> None:
    bus = Bus().charging()
    bus.say("BSM", charging_permitted=False)
    bus.say("CEM")
    bus.observer.finish()
    assert bus.session.pauses[0].until_s is not None


def test_a_pause_of_more_than_ten_minutes() -> None:
    bus = Bus().charging()
    cyclic = {"charging_permitted": False, "permitted": False, "current_a": 0.0}
    bus.say("BSM", charging_permitted=False)
    bus.wait(599.0, *CHARGE, **cyclic)
    assert "pause.long" not in bus.codes()
    bus.wait(2.0, *CHARGE, **cyclic)
    assert bus.only("pause.long").message == "BSM"


def test_many_pauses_are_counted_but_not_all_kept() -> None:
    bus = Bus().charging()
    for _ in range(300):
        bus.say("BSM", charging_permitted=False)
        bus.say("BSM")
    assert len(bus.session.pauses) == 256
    assert bus.codes().count("pause") == 300


def test_a_fault_state_of_the_vehicle() -> None:
    bus = Bus().charging()
    bus.say("BSM", insulation_state=1)
    bus.say("BSM", insulation_state=1, highest_temperature_c=32)
    assert bus.only("vehicle.fault").seen == "insulation_state"


# ---------------------------------------------------------------------------------------------------------- order


def test_a_message_in_a_phase_where_it_may_not_come() -> None:
    bus = Bus().until("CRM AA")
    bus.say("BCL")
    order = bus.only("order")
    assert (order.message, order.expected, order.seen) == ("BCL", "ready, charging", "recognised")
    assert bus.stage() is Stage.RECOGNISED


def test_a_charger_that_skips_a_step_is_followed() -> None:
    bus = Bus().until("CRM AA")
    bus.say("CCS")
    assert bus.only("order").message == "CCS"
    assert bus.stage() is Stage.CHARGING


@pytest.mark.parametrize(
    ("last", "name", "expected"),
    [
        ("CRM", "CRM AA", "BRM"),
        ("CRM AA", "CML", "BCP"),
        ("CML", "CRO 00", "BRO"),
        ("CRO", "CCS", "BCL, BCS"),
    ],
)
def test_a_charger_that_is_too_early(last: str, name: str, expected: str) -> None:
    bus = Bus().until(last)
    bus.say(name)
    assert bus.only("order.early").expected == expected


def test_cro_after_a_bro_that_says_no() -> None:
    bus = Bus().until("CML")
    bus.say("BRO 00", "CRO 00")
    assert bus.only("order.early").expected == "BRO"


def test_frames_of_a_former_phase_may_trail_for_a_while() -> None:
    bus = Bus().charging()
    bus.say("CST")
    bus.wait(1.5, "BSM", "CST")
    assert "order" not in bus.codes()
    bus.wait(1.0, "BSM", "CST")
    assert {each.message for each in bus.told if each.code == "order"} == {"BSM"}


def test_a_new_recognition_in_the_middle_is_a_new_attempt_out_of_order() -> None:
    bus = Bus().charging()
    bus.wait(3.0, *CHARGE)
    bus.say("CRM")
    assert bus.only("order").message == "CRM"
    assert bus.session.attempts == 2
    bus.wait(3.0, "CRM")
    bus.say("CRO")
    assert bus.stage() is Stage.READY


def test_late_frames_of_the_charger_do_not_move_it_back() -> None:
    bus = Bus().charging()
    bus.wait(3.0, *CHARGE)
    bus.say("CML")
    assert bus.only("order").message == "CML"
    assert bus.stage() is Stage.CHARGING


@pytest.mark.parametrize("name", ["CHM", "CRM"])
def test_a_new_session_follows_a_finished_one(name: str) -> None:
    bus = Bus().charging()
    bus.say("BST", "CST", "BSD", "CSD")
    bus.wait(3.0, "CSD")
    bus.say(name)
    assert [session.outcome for session in bus.observer.sessions] == [Outcome.COMPLETE, Outcome.RUNNING]
    assert [session.number for session in bus.observer.sessions] == [1, 2]


def test_a_handshake_in_the_middle_of_a_charge_ends_it() -> None:
    bus = Bus().charging()
    bus.wait(3.0, *CHARGE)
    bus.say("CHM")
    assert bus.observer.sessions[0].outcome is Outcome.BROKEN_OFF
    assert bus.stage() is Stage.HANDSHAKE


def test_only_so_many_sessions_and_stages_are_kept() -> None:
    bus = Bus(sessions_at_most=3)
    for _ in range(5):
        bus.say("CHM")
        bus.wait(11.0)
    assert [session.number for session in bus.observer.sessions] == [3, 4, 5]
    bus.say("CRM")
    for _ in range(300):
        bus.say("CEM", "CRM")
    assert len(bus.session.timeline) == 256
    assert bus.session.timeline_dropped == 601 - 256


def test_the_state_of_charge_is_the_latest_that_was_told() -> None:
    bus = Bus().until("CRM AA")
    told = [bus.session.soc_percent]
    for name in ("BCP", "CML", "BRO", "CRO", "BCL", "BCS"):
        bus.say(name)
        told.append(bus.session.soc_percent)
    bus.payload("BCS", encode("BCS", VALUES["BCS"])[:6] + b"\xff" + b"\x00\x00")
    told.append(bus.session.soc_percent)
    assert told == [None, 20.5, 20.5, 20.5, 20.5, 20.5, 21, 20.5]


@pytest.mark.parametrize(("edition", "codes"), [("2015", ["order"]), ("2023", [])])
def test_a_stop_after_a_failed_self_test_exists_since_2023(edition: str, codes: list[str]) -> None:
    bus = Bus(edition).until("BHM")
    bus.say("CST", stopped_by_vehicle=0, fault_stop=1, self_test_fault=1)
    assert bus.codes("violation") == codes
    assert bus.stage() is Stage.STOPPING
    assert bus.session.cst_reasons == ("fault_stop", "self_test_fault")
