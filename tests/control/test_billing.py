"""Bills: slices at changes of rate, midnight, offset, rounding, a register that goes back, and the record of it all."""

from datetime import UTC, datetime, timedelta

import pytest
from control_world import TARIFF
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.control.metering.billing import ROUNDING_RULE, Bill, Billing, BillingTariff, Slice
from agent.records.recovery import recovered_end
from agent.vocabulary.record import Record


def wall_ms(hour: int, minute: int = 0, second: int = 0, millisecond: int = 0, day: int = 9) -> int:
    """Local time (UTC+8) of a day in March 2026."""
    moment = datetime(2026, 3, day, hour, minute, second, tzinfo=UTC) - timedelta(hours=8)
    return int(moment.timestamp()) * 1000 + millisecond


@pytest.mark.parametrize(
    ("at_ms", "rate"),
    [
        (wall_ms(0), "valley"),
        (wall_ms(6, 59, 59, 999), "valley"),
        (wall_ms(7), "flat"),
        (wall_ms(7, 59, 59, 999), "flat"),
        (wall_ms(8), "peak"),
        (wall_ms(10, 59, 59, 999), "peak"),
        (wall_ms(11), "flat"),
        (wall_ms(18), "sharp"),
        (wall_ms(22, 59, 59, 999), "peak"),
        (wall_ms(23), "flat"),
        (wall_ms(23, 59, 59, 999), "flat"),
        (wall_ms(0, day=10), "valley"),
        (-1, "flat"),
    ],
)
def test_the_rate_of_a_moment(at_ms: int, rate: str) -> None:
    assert TARIFF.rate_at(at_ms) == rate


def test_the_offset_moves_the_slots() -> None:
    record = TARIFF.as_record()
    for offset, rate in ((480, "peak"), (0, "valley"), (-60, "valley"), (510, "peak"), (300, "flat")):
        tariff = BillingTariff.from_record({**record, "utc_offset_minutes": offset})
        assert tariff.rate_at(wall_ms(10)) == rate


def test_a_tariff_survives_the_record() -> None:
    assert BillingTariff.from_record(TARIFF.as_record()) == TARIFF
    with pytest.raises(KeyError):
        BillingTariff.from_record({"id": "x"})


def billing(register_wh: int = 1000, at_ms: int = wall_ms(10)) -> Billing:
    made = Billing(TARIFF)
    made.start(register_wh, at_ms)
    return made


def test_a_session_within_one_rate() -> None:
    made = billing()
    assert made.rate == "peak"
    assert made.sample(1500, wall_ms(10, 30)) is False
    bill = made.finish(2000, wall_ms(10, 45))
    assert (bill.register_start_wh, bill.register_end_wh, bill.energy_wh) == (1000, 2000, 1000)
    (only,) = bill.slices
    assert only == Slice(wall_ms(10), wall_ms(10, 45), "peak", 94_000, 40_000, 1000)
    assert (only.electricity_e4, only.service_e4) == (9400, 4000)
    assert bill.amount_e4 == 13_400


def test_a_change_of_rate_cuts_the_session_at_the_first_reading_after_it() -> None:
    made = billing()
    made.sample(1500, wall_ms(10, 59, 59, 999))
    assert made.sample(1600, wall_ms(11)) is True
    assert made.rate == "flat"
    assert made.sample(1600, wall_ms(11, 0, 1)) is False
    bill = made.finish(2600, wall_ms(11, 30))
    assert [(part.rate, part.energy_wh) for part in bill.slices] == [("peak", 600), ("flat", 1000)]
    assert bill.slices[0].end_wall_ms == bill.slices[1].start_wall_ms == wall_ms(11)
    assert bill.slices[1].end_wall_ms == wall_ms(11, 30)


def test_midnight_is_a_change_like_any_other() -> None:
    made = billing(0, wall_ms(23, 50))
    made.sample(100, wall_ms(23, 59, 59))
    assert made.sample(110, wall_ms(0, 0, 1, day=10)) is True
    bill = made.finish(200, wall_ms(0, 10, day=10))
    assert [(part.rate, part.energy_wh) for part in bill.slices] == [("flat", 110), ("valley", 90)]


def test_a_whole_day_meets_every_rate_and_adds_up() -> None:
    made = billing(0, wall_ms(0))
    for minute in range(1, 24 * 60):
        made.sample(minute * 10, wall_ms(0) + minute * 60_000)
    bill = made.bill()
    assert [part.rate for part in bill.slices] == ["valley", "flat", "peak", "flat", "peak", "sharp", "peak", "flat"]
    assert sum(part.energy_wh for part in bill.slices) == bill.energy_wh == 14_390


def test_a_session_without_energy_has_one_empty_slice() -> None:
    bill = billing().finish(1000, wall_ms(10, 1))
    assert [(part.rate, part.energy_wh) for part in bill.slices] == [("peak", 0)]
    assert bill.amount_e4 == 0


def test_an_empty_end_after_a_change_adds_no_slice() -> None:
    made = billing()
    bill = made.finish(1100, wall_ms(11))
    assert [(part.rate, part.energy_wh) for part in bill.slices] == [("peak", 100)]


def test_the_register_never_goes_back() -> None:
    made = billing()
    made.sample(1500, wall_ms(10, 10))
    with pytest.raises(ValueError, match="went back from 1500 Wh to 1499 Wh"):
        made.sample(1499, wall_ms(10, 11))
    with pytest.raises(ValueError, match="went back"):
        made.finish(1499, wall_ms(10, 11))
    assert made.register_wh == 1500
    assert made.bill().energy_wh == 500


def test_a_wall_clock_that_goes_back_never_makes_a_slice_end_before_it_began() -> None:
    made = billing()
    made.sample(1100, wall_ms(11, 0, 5))
    made.sample(1200, wall_ms(10, 59, 0))
    bill = made.finish(1300, wall_ms(10, 59, 30))
    assert [(part.rate, part.energy_wh) for part in bill.slices] == [("peak", 100), ("flat", 100), ("peak", 100)]
    assert all(part.start_wall_ms <= part.end_wall_ms for part in bill.slices)


def test_a_session_started_again_forgets_the_former() -> None:
    made = billing()
    made.sample(2000, wall_ms(11))
    made.start(5000, wall_ms(12))
    assert made.bill() == Bill(5000, 5000, (Slice(wall_ms(12), wall_ms(12), "flat", 64_000, 35_000, 0),))


@pytest.mark.parametrize(
    ("energy_wh", "price_e5", "amount_e4"),
    [
        (1, 4_999, 0),
        (1, 5_000, 1),
        (1, 14_999, 1),
        (1, 15_000, 2),
        (3, 5_000, 2),
        (0, 94_000, 0),
        (1000, 1, 0),
        (1000, 5, 1),
    ],
)
def test_a_slice_is_rounded_half_up_to_a_hundredth_of_a_fen(energy_wh: int, price_e5: int, amount_e4: int) -> None:
    part = Slice(0, 1, "flat", price_e5, price_e5, energy_wh)
    assert part.electricity_e4 == part.service_e4 == amount_e4


@pytest.mark.parametrize(("total_e4", "amount_e4"), [(0, 0), (49, 0), (50, 100), (149, 100), (150, 200), (199, 200)])
def test_the_amount_is_rounded_half_up_to_a_fen_once(total_e4: int, amount_e4: int) -> None:
    part = Slice(0, 1, "flat", 10, 0, total_e4 * 1000)
    assert part.electricity_e4 == total_e4
    assert Bill(0, total_e4 * 1000, (part,)).amount_e4 == amount_e4


def test_the_form_of_the_record() -> None:
    body = billing().finish(2000, wall_ms(10, 45)).as_record()
    assert body["rounding"] == ROUNDING_RULE == "half-up-per-slice"
    assert body["slices"] == [
        {
            "start_wall_ms": wall_ms(10), "end_wall_ms": wall_ms(10, 45), "rate": "peak", "energy_wh": 1000,
            "price_electricity_e5": 94_000, "price_service_e5": 40_000, "electricity_e4": 9400, "service_e4": 4000,
        }
    ]  # fmt: skip
    assert (body["energy_wh"], body["amount_e4"]) == (1000, 13_400)
    assert (body["register_start_wh"], body["register_end_wh"]) == (1000, 2000)


_COURSES = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7_200_000)), min_size=1, max_size=30)


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 2 * 10**12), _COURSES)
def test_slices_add_up_and_follow_each_other(register_wh: int, at_ms: int, course: list[tuple[int, int]]) -> None:
    made = billing(register_wh, at_ms)
    for energy_wh, elapsed_ms in course:
        register_wh, at_ms = register_wh + energy_wh, at_ms + elapsed_ms
        made.sample(register_wh, at_ms)
    bill = made.bill()
    assert sum(part.energy_wh for part in bill.slices) == bill.energy_wh
    for former, later in zip(bill.slices, bill.slices[1:], strict=False):
        assert former.end_wall_ms == later.start_wall_ms
    for part in bill.slices:
        assert part.start_wall_ms <= part.end_wall_ms
        assert part.price_electricity_e5 == TARIFF.electricity_e5[part.rate]
    total_e4 = sum(part.electricity_e4 + part.service_e4 for part in bill.slices)
    assert abs(bill.amount_e4 - total_e4) <= 50
    assert bill.amount_e4 % 100 == 0


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(10**12, 2 * 10**12), _COURSES)
def test_a_bill_closed_from_the_record_is_the_bill_of_the_control(
    register_wh: int, at_ms: int, course: list[tuple[int, int]]
) -> None:
    """Progress is recorded at every change of rate, so that the record knows every slice."""
    made = billing(register_wh, at_ms)
    started = {"register_wh": register_wh, "started_wall_ms": at_ms, "tariff": TARIFF.as_record()}
    records = [_record(1, "session_started", at_ms, started)]
    for energy_wh, elapsed_ms in course:
        register_wh, at_ms = register_wh + energy_wh, at_ms + elapsed_ms
        if made.sample(register_wh, at_ms):
            records.append(_record(len(records) + 1, "session_progress", at_ms, {"register_wh": register_wh}))
    end = recovered_end(records, register_wh=register_wh, last_wall_ms=at_ms, stop_reason="power_lost")
    body: dict[str, object] = {**end.body}
    bill: dict[str, object] = {**made.bill().as_record()}
    assert {name: body[name] for name in bill} == bill


def _record(number: int, kind: str, at_ms: int, data: dict[str, object]) -> Record:
    return Record("b", number, kind, 0.0, at_ms, "synced", 1, "s", data)


@pytest.mark.parametrize(
    ("end_wh", "shown_wh", "rollovers"),
    [(999, 999, None), (1000, 0, 1), (1001, 1, 1), (1999, 999, 1), (2005, 5, 2)],
)
def test_beyond_the_end_of_the_register_the_record_says_what_the_meter_shows(
    end_wh: int, shown_wh: int, rollovers: int | None
) -> None:
    billing = Billing(TARIFF, 1000)
    billing.start(900, wall_ms(10))
    body = billing.finish(end_wh, wall_ms(10, 30)).as_record()
    assert (body["register_start_wh"], body["register_end_wh"]) == (900, shown_wh)
    assert body["energy_wh"] == end_wh - 900
    assert body.get("register_rollovers") == rollovers
    assert body.get("register_modulus_wh") == (None if rollovers is None else 1000)
    # A register whose end nobody knows never begins again.
    assert Bill(900, end_wh, ()).as_record()["register_end_wh"] == end_wh
    assert "register_rollovers" not in Bill(900, end_wh, ()).as_record()
