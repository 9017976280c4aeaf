"""Every time-out of the table: silent until just before it, over at it, and reported in the right field of CEM."""

import re
from typing import Any

import pytest
from bms_dialogue import STEP_S, Dialogue

from drivers.gbt27930.charger.dialogue import EventKind, Phase, StopCause
from drivers.gbt27930.charger.timers import BY_WATCH, LONGEST_RECONNECTS, TIME_LIMITS, Cycle, Watch
from drivers.gbt27930.messages.table import MESSAGES


def test_table_is_complete_and_every_row_has_a_source() -> None:
    assert {limit.watch for limit in TIME_LIMITS} == set(Watch)
    assert len(TIME_LIMITS) == len(Watch)
    fields = {field.name for field in MESSAGES["CEM"].fields}
    for limit in TIME_LIMITS:
        assert limit.source
        assert limit.missing in MESSAGES
        assert limit.cem_field is None or limit.cem_field in fields
        for part in limit.source.split("; "):
            assert re.fullmatch(r"D[NP]\.\d{4}(-\d{4})?(, D[NP]\.\d{4})*", part) or not re.search(r"D[NP]\.", part)


def test_what_only_2023_watches_and_what_bars_a_new_start() -> None:
    assert {limit.watch for limit in TIME_LIMITS if not limit.applies("2015")} == {Watch.BSM}
    assert all(limit.applies("2023") for limit in TIME_LIMITS)
    final = {Watch.BHM, Watch.BSM, Watch.BST, Watch.BSD, Watch.PAUSE}
    assert {limit.watch for limit in TIME_LIMITS if not limit.reconnect} == final
    assert LONGEST_RECONNECTS == 3


WAITS = [
    # phase, messages the vehicle keeps sending, seconds, missing, CEM in 2015
    (Phase.RECOGNITION, ("BHM",), 5.0, "BRM", "fdf0c0fc"),
    (Phase.RECOGNISED, ("BRM",), 5.0, "BCP", "fcf1c0fc"),
    (Phase.PARAMETERS, ("BCP",), 5.0, "BRO", "fcf4c0fc"),
    (Phase.WAIT_READY, (), 5.0, "BRO", "fcf4c0fc"),
    (Phase.READY, ("BRO",), 1.0, "BCL", "fcf0c4fc"),
    (Phase.READY, ("BCS",), 1.0, "BCL", "fcf0c4fc"),
    (Phase.READY, ("BCL",), 5.0, "BCS", "fcf0c1fc"),
]


@pytest.mark.parametrize(("phase", "cyclic", "limit_s", "missing", "cem"), WAITS)
def test_message_that_does_not_come(phase: Any, cyclic: Any, limit_s: Any, missing: Any, cem: Any) -> None:
    talk = Dialogue().until(phase)
    began_s = talk.now_s
    talk.run(limit_s - STEP_S, *cyclic)
    talk.expect(phase)
    assert EventKind.TIMEOUT not in talk.kinds()
    talk.run(STEP_S, *cyclic)
    talk.expect(Phase.TIMED_OUT)
    event = talk.last(EventKind.TIMEOUT)
    assert event.message == missing
    assert event.detail["limit_s"] == limit_s
    assert event.detail["phase"] == phase.value
    assert event.at_s == pytest.approx(began_s + limit_s)
    talk.run(1.0, *cyclic)
    assert talk.payloads("CEM") == [cem] * 5  # at once and every 250 ms
    assert talk.charger.status()["missing"] == missing
    assert talk.kinds().count(EventKind.TIMEOUT) == 1


@pytest.mark.parametrize(
    ("lost", "kept", "limit_s", "cem"),
    [("BCL", "BCS", 1.0, "fcf0c4fc"), ("BCS", "BCL", 5.0, "fcf0c1fc")],
)
def test_message_lost_while_charging(lost: Any, kept: Any, limit_s: Any, cem: Any) -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.run(2.0, "BCL", "BCS", "BSM")
    last_s = getattr(talk.charger.vehicle, lost.lower()).at_s
    assert last_s == talk.now_s
    talk.run(limit_s - STEP_S, kept)
    talk.expect(Phase.CHARGING)
    talk.run(STEP_S, kept)
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == [cem]
    assert talk.last(EventKind.TIMEOUT).message == lost


def test_demands_that_cannot_be_used_do_not_count() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    for _ in range(20):
        talk.raw("BCL", bytes.fromhex("0410ffff02"))
        talk.run(0.05, "BCS")
    talk.expect(Phase.TIMED_OUT)
    assert talk.last(EventKind.TIMEOUT).message == "BCL"


def test_demand_that_grew_old_while_bcs_was_awaited_ends_the_charge_at_once() -> None:
    talk = Dialogue().until(Phase.READY)
    talk.say("BCL")
    talk.run(3.0)
    talk.say("BCS")
    assert EventKind.CHARGING in talk.kinds()
    talk.expect(Phase.TIMED_OUT)
    assert talk.last(EventKind.TIMEOUT).message == "BCL"


@pytest.mark.parametrize(("edition", "limit_s"), [("2015", 5.0), ("2023", 10.0)])
def test_vehicle_that_never_answers_the_handshake_has_no_cem(edition: Any, limit_s: Any) -> None:
    talk = Dialogue(edition).until(Phase.HANDSHAKE)
    talk.run(limit_s - STEP_S)
    talk.expect(Phase.HANDSHAKE)
    talk.run(2 * STEP_S)
    talk.expect(Phase.ENDED)
    assert talk.payloads("CEM") == []
    assert talk.last(EventKind.TIMEOUT).detail["cem_field"] is None
    assert not talk.charger.reconnect(talk.now_s)


def test_handshake_waits_without_limit_once_the_vehicle_has_answered() -> None:
    talk = Dialogue().until(Phase.HANDSHAKE)
    talk.run(4.9)
    talk.say("BHM")
    talk.run(30.0)
    talk.expect(Phase.HANDSHAKE)


def test_vehicle_that_never_gets_ready() -> None:
    talk = Dialogue().until(Phase.PARAMETERS)
    began_s = talk.now_s
    talk.raw("BRO", b"\x00")
    talk.run(60.0 - STEP_S)
    talk.expect(Phase.PARAMETERS)
    talk.run(STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == ["fcf4c0fc"]
    assert talk.last(EventKind.TIMEOUT).at_s == pytest.approx(began_s + 60)


def test_readiness_is_watched_from_its_last_message() -> None:
    talk = Dialogue().until(Phase.WAIT_READY)
    talk.run(12.0, "BRO")
    talk.run(5.0 - STEP_S)
    talk.expect(Phase.WAIT_READY)
    talk.run(STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == ["fcf4c0fc"]


def test_charger_that_gets_ready_in_time_goes_on() -> None:
    talk = Dialogue().until(Phase.WAIT_READY)
    talk.run(4.9)
    talk.charger.output_ready(talk.now_s)
    talk.run(0.5)
    talk.expect(Phase.READY)


# ------------------------------------------------------------------------------------------------ BSM


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_missing_bsm_is_no_matter_before_the_first_one(edition: Any) -> None:
    talk = Dialogue(edition).until(Phase.CHARGING)
    talk.run(20.0, "BCL", "BCS")
    talk.expect(Phase.CHARGING)


def test_2015_has_no_time_out_for_bsm() -> None:
    talk = Dialogue("2015").until(Phase.CHARGING)
    talk.say("BSM")
    talk.run(20.0, "BCL", "BCS")
    talk.expect(Phase.CHARGING)


@pytest.mark.parametrize("early", [True, False])
def test_2023_watches_bsm_after_the_first_one_and_bars_the_reconnection(early: Any) -> None:
    talk = Dialogue("2023").until(Phase.READY)
    if early:
        talk.say("BSM")
    talk.say("BCL", "BCS")
    if not early:
        talk.run(3.0, "BCL", "BCS", "BSM")
    talk.run(5.0 - STEP_S, "BCL", "BCS")
    talk.expect(Phase.CHARGING)
    talk.run(STEP_S, "BCL", "BCS")
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == ["fcf0c0f4"]
    assert not talk.charger.reconnect(talk.now_s)


def test_2023_says_normal_for_the_bsm_when_another_message_is_missing() -> None:
    talk = Dialogue("2023").until(Phase.RECOGNITION)
    talk.run(5.0)
    assert talk.payloads("CEM") == ["fdf0c0f0"]


# ------------------------------------------------------------------------------------------------ stopping


def test_no_bst_after_cst() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.stop(talk.now_s, StopCause.MANUAL)
    talk.run(5.0 - STEP_S, "BCL", "BSM")
    talk.expect(Phase.STOPPING)
    talk.run(STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == ["fcf0d0fc"]
    assert not talk.charger.reconnect(talk.now_s)


def test_no_bsd_after_cst() -> None:
    talk = Dialogue().until(Phase.STOPPING)
    talk.run(10.0 - STEP_S, "BST")
    talk.expect(Phase.STOPPING)
    talk.run(STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert talk.payloads("CEM") == ["fcf0c0fd"]
    assert not talk.charger.reconnect(talk.now_s)


# ------------------------------------------------------------------------------------------------ starting again


def test_recognition_may_start_again_three_times() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.run(1.0)
    for attempt in range(1, LONGEST_RECONNECTS + 1):
        talk.expect(Phase.TIMED_OUT)
        assert talk.charger.reconnect(talk.now_s)
        assert talk.charger.reconnects == attempt
        assert talk.charger.vehicle.brm is None
        talk.expect(Phase.RECOGNITION)
        assert not talk.charger.reconnect(talk.now_s)
        talk.run(5.0 + STEP_S)
    talk.expect(Phase.TIMED_OUT)
    assert not talk.charger.reconnect(talk.now_s)
    talk.charger.finish(talk.now_s)
    talk.charger.begin(talk.now_s)
    assert talk.charger.reconnects == 0


def test_charge_after_a_reconnection_is_an_ordinary_one() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.run(1.0)
    assert talk.charger.reconnect(talk.now_s)
    talk.say("BRM")
    talk.say("BCP")
    talk.say("BRO")
    talk.charger.output_ready(talk.now_s)
    talk.say("BCL", "BCS")
    talk.expect(Phase.CHARGING)


# ------------------------------------------------------------------------------------------------ waking up in time


def test_next_due_names_the_time_out_to_come() -> None:
    talk = Dialogue().until(Phase.CHARGING)
    talk.charger.poll(talk.now_s)
    assert talk.charger.next_due() == pytest.approx(talk.now_s + 0.05)
    quiet = Dialogue().until(Phase.WAIT_READY)
    dues = []
    for step in range(1, 100_000):
        due = quiet.charger.next_due() or 0.0
        quiet.charger.poll(due)
        dues.append(due)
        if quiet.phase is Phase.TIMED_OUT:
            assert due == BY_WATCH[Watch.BRO_AGAIN].limit_s
            assert step == 20  # 19 CRO on the grid, then the time-out
            break
    assert dues == sorted(dues)


def test_cycle_is_not_due_before_its_time() -> None:
    cycle = Cycle(1, 0.25, bytes, 1.0)
    assert not cycle.take(0.99)
    assert cycle.take(1.0)
    assert cycle.due_s == 1.25
    assert cycle.take(7.3)
    assert cycle.due_s == 7.5
