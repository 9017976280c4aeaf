"""When a connector's vehicle line is fetched: frame by frame, or at an interval while the bus is dense."""

from typing import Any, cast

from agent.field.vehicle_side import DENSE_S, NEVER_S, VehicleSide


def side() -> VehicleSide:
    return VehicleSide(2, cast("Any", object()))


def test_in_silence_it_never_needs_the_loop() -> None:
    made = side()
    assert (made.number, made.due_s) == (2, NEVER_S)
    assert not made.was_read(0.0), "one frame is no dense bus, also at time zero"
    assert made.due_s == NEVER_S


def test_the_earlier_of_fetch_and_reply_is_due() -> None:
    made = side()
    made.next_reply_s = 5.0
    assert made.due_s == 5.0
    made.next_fetch_s = 4.0
    assert made.due_s == 4.0
    made.next_reply_s = 3.0
    assert made.due_s == 3.0


def test_frames_closer_than_the_limit_are_fetched_and_it_is_seen_once() -> None:
    made = side()
    assert not made.was_read(10.0)
    assert not made.was_read(10.0 + 1.01 * DENSE_S)
    assert made.next_fetch_s == NEVER_S
    last_s = 10.0 + 1.5 * DENSE_S
    assert made.was_read(last_s)
    assert made.next_fetch_s == last_s + DENSE_S
    assert not made.was_read(last_s + 0.1 * DENSE_S), "it is fetched already"
    assert made.next_fetch_s == last_s + DENSE_S


def test_after_a_pause_frames_wake_the_loop_again() -> None:
    made = side()
    made.was_read(10.0)
    assert made.was_read(10.0001)
    made.next_fetch_s = NEVER_S
    assert not made.was_read(11.0)
    assert made.was_read(11.0001)
