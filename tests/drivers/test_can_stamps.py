"""Time stamps of other clocks on the monotonic clock: never later than now, never backwards, never much too old."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.can.stamps import LONGEST_AGE_S, DeviceStamps, WallStamps

WALL_S = 1_800_000_000.0


def settled() -> WallStamps:
    stamps = WallStamps()
    stamps.begin(WALL_S, 100.0)
    return stamps


def test_a_frame_is_as_old_as_the_wall_clock_says() -> None:
    stamps = settled()
    stamps.begin(WALL_S + 1.0, 101.0)
    assert stamps.convert(WALL_S + 0.99, 101.001) == pytest.approx(100.99, abs=1e-5)
    assert stamps.convert(WALL_S + 0.995, 101.001) == pytest.approx(100.995, abs=1e-5)


def test_the_first_batch_has_the_time_of_reading() -> None:
    assert settled().convert(WALL_S - 0.01, 100.5) == 100.5


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 0.05, -0.05])
def test_a_step_of_the_wall_clock_gives_one_batch_the_time_of_reading(step_s: float) -> None:
    stamps = settled()
    stamps.begin(WALL_S + 1.0 + step_s, 101.0)
    assert stamps.convert(WALL_S + 0.99, 101.0) == 101.0
    stamps.begin(WALL_S + 2.0 + step_s, 102.0)
    assert stamps.convert(WALL_S + 1.99 + step_s, 102.0) == pytest.approx(101.99, abs=1e-5)


def test_a_stamp_that_is_doubtfully_old_is_replaced() -> None:
    stamps = settled()
    stamps.begin(WALL_S + 1.0, 101.0)
    assert stamps.convert(WALL_S + 1.0 - LONGEST_AGE_S + 0.001, 101.0) == pytest.approx(100.901, abs=1e-5)
    assert stamps.convert(WALL_S + 1.0 - LONGEST_AGE_S - 0.001, 101.0) == 101.0


def test_a_slewed_wall_clock_is_followed() -> None:
    stamps = settled()
    for second in range(1, 100):
        wall_s = WALL_S + second * 1.0005
        stamps.begin(wall_s, 100.0 + second)
        assert stamps.convert(wall_s - 0.01, 100.0 + second) == pytest.approx(100.0 + second - 0.01, abs=1e-5)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-1e4, 1e4), st.floats(-5, 5)), min_size=1))
def test_wall_stamps_are_never_later_than_now_nor_backwards_nor_too_old(
    batches: list[tuple[float, float, float]],
) -> None:
    stamps, now_s, last_s = WallStamps(), 10.0, float("-inf")
    for pause_s, offset_s, age_s in batches:
        now_s += pause_s
        stamps.begin(WALL_S + now_s + offset_s, now_s)
        at_s = stamps.convert(WALL_S + now_s + offset_s - age_s, now_s)
        assert last_s <= at_s <= now_s
        assert now_s - at_s <= LONGEST_AGE_S + 1e-5
        last_s = at_s


def test_an_adapters_clock_is_followed_from_the_frame_that_came_fastest() -> None:
    stamps = DeviceStamps()
    assert stamps.convert(5.0, 100.020) == 100.020
    assert stamps.convert(6.0, 101.005) == pytest.approx(101.005)
    assert stamps.convert(7.0, 102.030) == pytest.approx(102.006), "the smallest delay, and a millisecond of drift"


def test_a_slow_clock_is_followed() -> None:
    stamps = DeviceStamps()
    for second in range(1, 1000):
        arrived_s = 100.0 + second
        at_s = stamps.convert(second * 0.9999, arrived_s)
        assert arrived_s - 0.001 <= at_s <= arrived_s


@pytest.mark.parametrize("stamp_s", [0.0, 1e6, -1e6])
def test_a_clock_that_wraps_or_restarts_is_taken_up_again(stamp_s: float) -> None:
    stamps = DeviceStamps()
    stamps.convert(4294.9, 100.0)
    assert stamps.convert(stamp_s, 100.5) == pytest.approx(100.5)
    assert stamps.convert(stamp_s + 1.0, 101.5) == pytest.approx(101.5)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-1e4, 1e4)), min_size=1))
def test_device_stamps_are_never_later_than_arrival_nor_backwards_nor_too_old(
    frames: list[tuple[float, float]],
) -> None:
    stamps, arrived_s, last_s = DeviceStamps(), 10.0, float("-inf")
    for pause_s, stamp_s in frames:
        arrived_s += pause_s
        at_s = stamps.convert(stamp_s, arrived_s)
        assert last_s <= at_s <= arrived_s
        assert arrived_s - at_s <= LONGEST_AGE_S + 1e-5
        last_s = at_s
