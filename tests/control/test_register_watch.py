"""Which readings of the energy register may enter a bill."""

from typing import Any

import pytest
from control_world import World
from hypothesis import given
from hypothesis import strategies as st

from agent.control.metering.register_watch import Judgement, RegisterWatch, Verdict, flowed_wh, judge, lag_wh
from agent.vocabulary.record import MeterInLedger
from drivers.meters.register_form import RegisterForm

POWER_W = 60_000.0
PLAIN = RegisterForm(step_mwh=1000)
ROUND = RegisterForm(step_mwh=10_000, modulus_wh=1_000_000_000)
LAG_WH = 102
"""60 kW * 1.2 for 5 s, and two digits of 1 Wh."""


def test_the_verdicts_in_the_words_of_the_record() -> None:
    assert [str(each) for each in Verdict] == ["advanced", "rolled_over", "lower", "jumped"]


def test_what_can_flow_and_what_can_lag() -> None:
    assert flowed_wh(POWER_W, 50.0) == pytest.approx(1000.0)
    assert flowed_wh(POWER_W, -1.0) == 0.0
    assert lag_wh(POWER_W, PLAIN) == pytest.approx(LAG_WH)
    assert lag_wh(POWER_W, ROUND) == pytest.approx(120.0)
    assert lag_wh(POWER_W, RegisterForm()) == pytest.approx(LAG_WH)


@pytest.mark.parametrize(
    ("register_wh", "judgement"),
    [
        (999, Judgement(Verdict.LOWER)),
        (1000, Judgement(Verdict.ADVANCED, 0)),
        (1049, Judgement(Verdict.ADVANCED, 49)),
        (1050, Judgement(Verdict.ADVANCED, 50)),
        (1051, Judgement(Verdict.JUMPED)),
    ],
)
def test_a_register_may_stand_or_rise_by_what_has_flowed(register_wh: int, judgement: Judgement) -> None:
    assert judge(1000, register_wh, 50.0, PLAIN) == judgement
    assert judgement.good is (judgement.verdict is Verdict.ADVANCED)


@pytest.mark.parametrize(
    ("former_wh", "register_wh", "judgement"),
    [
        (999_999_990, 0, Judgement(Verdict.ROLLED_OVER, 10)),
        (999_999_990, 40, Judgement(Verdict.ROLLED_OVER, 50)),
        (999_999_990, 50, Judgement(Verdict.LOWER)),
        (999_999_940, 0, Judgement(Verdict.LOWER)),
        # Beyond its own modulus no register can stand: whatever the map says, it is wrong here.
        (1_000_000_000, 10, Judgement(Verdict.LOWER)),
    ],
)
def test_a_roll_over_is_told_from_going_back(former_wh: int, register_wh: int, judgement: Judgement) -> None:
    assert judge(former_wh, register_wh, 50.0, ROUND) == judgement
    assert judge(former_wh, register_wh, 50.0, PLAIN) == Judgement(Verdict.LOWER)
    if judgement.verdict is Verdict.ROLLED_OVER:
        assert judgement.good


def watch(form: RegisterForm = PLAIN, begin_wh: int = 1000) -> RegisterWatch:
    made = RegisterWatch(form, POWER_W)
    assert made.total_wh is None
    assert made.take(begin_wh, 100.0, in_session=False).accepted
    made.begin_session()
    return made


@pytest.mark.parametrize(("over_wh", "accepted"), [(-1, True), (0, True), (1, False)])
def test_a_jump_is_known_at_its_limit(over_wh: int, accepted: bool) -> None:
    made = watch()
    # In 1 s 20 Wh flow at most; what may lag behind comes on top.
    taken = made.take(1000 + LAG_WH + 20 + over_wh, 101.0, in_session=True)
    assert taken.accepted is accepted
    assert taken.abnormal is not accepted
    assert not taken.moved
    assert made.held is not accepted


def test_many_small_jumps_are_no_way_around_the_limit() -> None:
    made = watch()
    register_wh, at_s = 1000, 100.0
    taken = 0
    while made.take(register_wh + 40, at_s + 1.0, in_session=True).accepted:
        register_wh, at_s, taken = register_wh + 40, at_s + 1.0, taken + 1
        assert taken < 100
    # 40 Wh a second are twice what the pile can deliver: the reserve for lag is used up and no more.
    assert register_wh - 1000 <= LAG_WH + 20 * (taken + 1)


def test_the_reserve_for_lag_fills_again_and_no_further() -> None:
    made = watch()
    assert made.take(1000 + LAG_WH, 100.0, in_session=True).accepted
    assert not RegisterWatchCopy(made).take(1000 + LAG_WH + 1, 100.0)
    assert made.take(1000 + LAG_WH, 10_000.0, in_session=True).accepted
    assert RegisterWatchCopy(made).take(1000 + 2 * LAG_WH, 10_000.0)
    assert not RegisterWatchCopy(made).take(1000 + 2 * LAG_WH + 1, 10_000.0)


class RegisterWatchCopy:
    """Asks what would come of a reading without taking it."""

    def __init__(self, made: RegisterWatch) -> None:
        self.copy = RegisterWatch(made.form, POWER_W)
        self.copy.__dict__.update(made.__dict__)

    def take(self, register_wh: int, at_s: float) -> bool:
        return self.copy.take(register_wh, at_s, in_session=True).accepted


def test_a_bad_reading_holds_the_register_for_the_rest_of_the_session() -> None:
    made = watch()
    taken = made.take(500_000, 101.0, in_session=True)
    assert taken.event == {"event": "register_jumped", "former_wh": 1000, "register_wh": 500_000}
    assert made.rejected == {"why": "jumped", "register_wh": 500_000, "plausible_wh": 1000}
    # Neither the same jump much later, when so much might have flowed, nor a good one is taken any more.
    for register_wh in (500_000, 1001):
        assert made.take(register_wh, 90_000.0, in_session=True) == type(taken)(False)
    assert made.total_wh == 1000
    # After the session a good one goes on where the bill ended, and the record says that something was held off.
    after = made.take(1001, 90_001.0, in_session=False)
    assert after.accepted
    assert after.event == {"event": "register_resumed", "former_wh": 1000, "register_wh": 1001}
    assert not made.held


def test_without_a_session_an_impossible_register_is_where_the_next_bill_begins() -> None:
    made = watch()
    lower = made.take(7, 101.0, in_session=False)
    assert lower.accepted
    assert lower.moved
    assert not lower.abnormal
    assert lower.event == {"event": "register_lower", "former_wh": 1000, "register_wh": 7}
    jumped = made.take(70_000, 102.0, in_session=False)
    assert jumped.event == {"event": "register_jumped", "former_wh": 7, "register_wh": 70_000}
    # The end of the meter that was there before is what an exchange must not contradict.
    assert made.before_move_wh == 1000
    made.exchanged()
    later = RegisterWatchCopy(made).copy.before_move_wh
    assert later is None
    made.begin_session()
    assert made.total_wh == 70_000
    assert made.take(70_000 + LAG_WH, 102.0, in_session=True).accepted


def test_the_register_of_another_meter_may_lag_in_full_again() -> None:
    made = watch()
    assert made.take(1000 + LAG_WH, 100.0, in_session=True).accepted  # the reserve is used up
    assert made.take(7, 100.0, in_session=False).moved
    assert made.total_wh == 7
    made.begin_session()
    assert made.take(7 + LAG_WH, 100.0, in_session=True).accepted


def test_the_register_is_known_before_the_first_session() -> None:
    made = RegisterWatch(PLAIN, POWER_W)
    made.take(1000, 100.0, in_session=False)
    assert made.total_wh == 1000


def test_a_roll_over_goes_on_counting_within_the_session() -> None:
    made = watch(ROUND, 999_999_990)
    taken = made.take(20, 101.0, in_session=True)
    assert taken.event == {
        "event": "register_rolled_over",
        "modulus_wh": 1_000_000_000,
        "former_wh": 999_999_990,
        "register_wh": 20,
    }
    assert (made.last_wh, made.total_wh) == (20, 1_000_000_020)
    made.begin_session()
    assert made.total_wh == 20


def test_when_the_register_last_changed() -> None:
    made = watch()
    made.take(1000, 150.0, in_session=True)
    assert (made.changed_at_s, made.at_s) == (100.0, 150.0)
    made.take(1001, 151.0, in_session=True)
    assert made.changed_at_s == 151.0


@given(
    begin_wh=st.integers(0, 999_999_990),
    advances=st.lists(st.integers(0, 2), max_size=60),
    spoilt=st.dictionaries(st.integers(0, 59), st.integers(0, 2_000_000_000), max_size=3),
)
def test_no_reading_bills_more_than_has_flowed(begin_wh: int, advances: list[int], spoilt: dict[int, int]) -> None:
    begin_wh -= begin_wh % 10
    made = watch(ROUND, begin_wh)
    true_wh, at_s = begin_wh, 100.0
    for index, advance in enumerate(advances):
        true_wh, at_s = true_wh + 10 * advance, at_s + 1.0
        shown_wh = spoilt.get(index, true_wh % 1_000_000_000)
        made.take(shown_wh, at_s, in_session=True)
        assert made.total_wh is not None
        assert 0 <= made.total_wh - begin_wh <= lag_wh(POWER_W, ROUND) + flowed_wh(POWER_W, at_s - 100.0)
        if not set(range(index + 1)) & set(spoilt):
            assert made.total_wh == true_wh


# In a living charge.


def charging(**changes: Any) -> World:
    world = World(**changes).until("charging")
    world.run(3.0)
    return world


def test_a_jump_ends_the_session_with_the_last_plausible_register_and_the_record_says_so() -> None:
    world = charging()
    before_wh = world.core.point.last_register_wh
    world.override["meter_energy_wh"] = before_wh + 50_000 if before_wh is not None else None
    world.run(0.1)
    assert world.core.state == "stopping"
    del world.override["meter_energy_wh"]
    body = world.run_to_end(40.0)
    assert body["stop_reason"] == "meter_abnormal"
    assert body["register_source"] == "last_plausible"
    assert body["register_end_wh"] == before_wh
    assert body["register_rejected"] == {
        "why": "jumped",
        "register_wh": world.log.events("register_jumped")[0]["register_wh"],
        "plausible_wh": before_wh,
    }
    world.run(1.0)
    (resumed,) = world.log.events("register_resumed")
    assert resumed["former_wh"] == before_wh
    assert resumed["register_wh"] >= before_wh
    assert "meter_register_moved" not in world.log.alarms()


def test_a_good_charge_says_nothing_of_rejected_readings() -> None:
    world = charging(register_form=RegisterForm(step_mwh=10_000))
    world.command("stop")
    body = world.run_to_end()
    assert "register_rejected" not in body
    assert body["register_source"] == "meter"
    assert body["register_step_mwh"] == 10_000
    (started,) = world.log.kind("session_started")
    assert started.body["meter"]["register_step_mwh"] == 10_000
    assert "register_modulus_wh" not in started.body["meter"]
    assert started.body["maximum_power_w"] == 60_000


def test_a_charge_across_a_roll_over_is_billed_whole() -> None:
    form = RegisterForm(step_mwh=1000, modulus_wh=1_000_000)
    world = World(register_form=form)
    offset_wh = 999_990 - world.plant.meter.register_wh

    def shown() -> None:
        world.override["meter_energy_wh"] = (world.plant.meter.register_wh + offset_wh) % 1_000_000

    shown()
    world.until("charging")
    while world.core.point.last_register_wh is None or world.core.point.last_register_wh > 900_000:
        shown()
        world.step()
    for _ in range(100):
        shown()
        world.step()
    begun_wh = world.log.kind("session_started")[0].body["register_wh"]
    assert world.core.point.metering.register.total_wh == world.plant.meter.register_wh + offset_wh
    world.command("stop")
    while world.core.session is not None:
        shown()
        world.step()
    body = world.log.end()
    assert body["register_rollovers"] == 1
    assert body["register_modulus_wh"] == 1_000_000
    assert body["register_end_wh"] < 1000
    assert body["energy_wh"] == body["register_end_wh"] + 1_000_000 - begun_wh > 0
    assert "meter_abnormal" not in world.log.alarms()


# 60 kW * 1.2 for 120 s that nobody saw, besides the lag.
_UNSEEN_WH = 2400 + LAG_WH


@pytest.mark.parametrize(
    ("end_wh", "name"),
    [
        (1001, "register_lower"),
        (1000, None),
        (-1400 - LAG_WH, None),
        (-1401 - LAG_WH, "register_jumped"),
    ],
)
def test_where_the_last_session_ended_by_the_ledger(end_wh: int, name: str | None) -> None:
    made = RegisterWatch(PLAIN, POWER_W)
    assert made.compare(end_wh) is None
    made.take(1000, 100.0, in_session=False)
    event = made.compare(end_wh)
    if name is None:
        assert event is None
        assert made.before_move_wh is None
    else:
        assert event == {"event": name, "former_wh": end_wh, "register_wh": 1000, "since": "last_session"}
        assert made.before_move_wh == end_wh
    # Once in a run of the program.
    assert made.compare(9_999_999) is None


def test_a_session_makes_the_comparison_pointless_and_an_earlier_move_is_not_forgotten() -> None:
    assert watch().compare(9_999_999) is None
    made = RegisterWatch(PLAIN, POWER_W)
    made.take(1000, 100.0, in_session=False)
    made.take(7, 101.0, in_session=False)
    assert made.compare(1000) is not None
    assert made.before_move_wh == 1000
    made.exchanged()
    assert made.before_move_wh is None


def test_a_meter_that_was_exchanged_while_everything_was_off_is_noticed() -> None:
    world = World()
    world.override["meter_energy_wh"] = 5
    ledger = MeterInLedger(register_end_wh=8_000_000)
    world.recorder_there = False
    world.step()
    # Not while a former session is still to be closed.
    world.core.on_recorder(ready=False, uplink="off", at_s=world.now_s, meter=ledger)
    world.step()
    assert world.log.alarms() == []
    world.core.on_recorder(ready=True, uplink="off", at_s=world.now_s, meter=ledger)
    world.run(1.0)
    assert world.log.alarms() == ["meter_register_moved"]
    assert world.log.events("register_lower") == [
        {"event": "register_lower", "former_wh": 8_000_000, "register_wh": 5, "since": "last_session"}
    ]
    world.core.on_recorder(ready=True, uplink="off", at_s=world.now_s, meter=ledger)
    world.step()
    assert len(world.log.events("register_lower")) == 1


def test_a_meter_that_stands_where_it_stood_says_nothing() -> None:
    world = World()
    world.run(0.1)
    assert world.core.point.last_register_wh is not None
    ledger = MeterInLedger(register_end_wh=world.core.point.last_register_wh)
    world.core.on_recorder(ready=True, uplink="off", at_s=world.now_s, meter=ledger)
    world.run(0.5)
    assert world.log.alarms() == []
    assert world.core.point.metering.register.compared
