"""The register at every quarter of an hour: in time, late, missing, and with a clock that nobody set."""

from typing import Any

import pytest
from control_world import BEGIN_WALL_MS, World

from agent.control.metering.quarter_hours import QuarterHours

QUARTER_MS = 900_000
T = BEGIN_WALL_MS
"""A full hour."""


def begun(offset_minutes: int = 480, at_ms: int = T + 1000) -> QuarterHours:
    quarters = QuarterHours(offset_minutes)
    assert quarters.due(at_ms, "synced", 5, 0.1) is None
    return quarters


def test_nothing_within_a_quarter_and_the_register_with_its_age_at_its_end() -> None:
    quarters = begun()
    assert quarters.due(T + QUARTER_MS - 1, "synced", 6, 0.1) is None
    assert quarters.due(T + QUARTER_MS, "synced", 7, 0.3456) == {
        "quarter_wall_ms": T + QUARTER_MS, "delay_ms": 0, "register_wh": 7, "age_ms": 346
    }  # fmt: skip
    assert quarters.due(T + QUARTER_MS + 10, "synced", 7, 0.4) is None
    assert quarters.due(T + 2 * QUARTER_MS - 1, "holdover", 8, 0.4) is None
    second = quarters.due(T + 2 * QUARTER_MS + 2000, "holdover", 9, 0.0)
    assert second == {"quarter_wall_ms": T + 2 * QUARTER_MS, "delay_ms": 2000, "register_wh": 9, "age_ms": 0}


def test_a_late_one_says_so() -> None:
    body = begun().due(T + QUARTER_MS + 2001, "synced", 7, 0.0)
    assert body is not None
    assert body["late"] is True
    assert body["delay_ms"] == 2001


@pytest.mark.parametrize(("register_wh", "age_s"), [(None, None), (None, 0.1), (5, None)])
def test_a_register_that_is_not_known_is_missing_and_not_invented(register_wh: int | None, age_s: float | None) -> None:
    body = begun().due(T + QUARTER_MS, "synced", register_wh, age_s)
    assert body == {"quarter_wall_ms": T + QUARTER_MS, "delay_ms": 0, "missing": True}


def test_quarters_that_nobody_saw_are_counted() -> None:
    quarters = begun()
    body = quarters.due(T + 4 * QUARTER_MS, "synced", 7, 0.0)
    assert body is not None
    assert body["missing_quarters"] == 3
    following = quarters.due(T + 5 * QUARTER_MS, "synced", 8, 0.0)
    assert following is not None
    assert "missing_quarters" not in following


def test_the_first_moment_of_a_quarter_is_seen_even_at_the_start() -> None:
    assert QuarterHours(480).due(T, "synced", 5, 0.0) == {
        "quarter_wall_ms": T, "delay_ms": 0, "register_wh": 5, "age_ms": 0
    }  # fmt: skip


def test_an_unset_clock_has_no_quarters_and_begins_anew() -> None:
    quarters = begun()
    for wall_ms in (T + QUARTER_MS, T + 2 * QUARTER_MS):
        assert quarters.due(wall_ms, "unset", 5, 0.0) is None
    # The clock has been set meanwhile: what lies between is no gap that anybody could name.
    assert quarters.due(T + 9 * QUARTER_MS + 1, "synced", 5, 0.0) is None
    body = quarters.due(T + 10 * QUARTER_MS, "synced", 5, 0.0)
    assert body is not None
    assert "missing_quarters" not in body


def test_seconds_back_across_a_quarter_make_no_second_record() -> None:
    quarters = begun()
    assert quarters.due(T + QUARTER_MS, "synced", 7, 0.0) is not None
    assert quarters.due(T + QUARTER_MS - 3000, "synced", 7, 0.0) is None
    assert quarters.due(T + QUARTER_MS, "synced", 7, 0.0) is None
    assert quarters.due(T + 2 * QUARTER_MS, "synced", 7, 0.0) is not None


def test_a_clock_that_was_far_ahead_does_not_silence_the_quarters_for_years() -> None:
    quarters = begun(at_ms=T + 1000 * QUARTER_MS + 5)
    body = quarters.due(T + 1500, "synced", 7, 0.0)
    assert body == {
        "quarter_wall_ms": T, "delay_ms": 1500, "clock_set_back": True, "register_wh": 7, "age_ms": 0
    }  # fmt: skip
    assert quarters.due(T + QUARTER_MS, "synced", 7, 0.0) is not None


def test_quarters_are_those_of_local_time() -> None:
    # Nepal: UTC+5:45 has the quarters of UTC, UTC+0:07 (nowhere) does not.
    assert begun(345).due(T + QUARTER_MS, "synced", 7, 0.0) is not None
    odd = begun(7, at_ms=T)
    assert odd.due(T + QUARTER_MS, "synced", 7, 0.0) is not None
    at_ms = T + QUARTER_MS + QUARTER_MS - 7 * 60_000
    assert odd.due(at_ms - 1, "synced", 7, 0.0) is None
    body = odd.due(at_ms, "synced", 7, 0.0)
    assert body is not None
    assert body["quarter_wall_ms"] == at_ms


def quarters_of(world: World) -> list[dict[str, Any]]:
    return [dict(record.body) for record in world.log.kind("register_snapshot")]


def test_the_core_records_the_register_at_the_quarter() -> None:
    world = World()
    world.wall_ms = T + QUARTER_MS - 1000
    world.run(2.0)
    (body,) = quarters_of(world)
    assert body["register_wh"] == world.core.point.last_register_wh
    assert body["age_ms"] == 0
    assert body["delay_ms"] < 20


def test_the_core_records_that_the_meter_did_not_answer() -> None:
    world = World()
    world.wall_ms = T + QUARTER_MS - 5000
    world.run(1.0)
    world.missing.add("meter_energy_wh")
    world.run(5.0)
    (body,) = quarters_of(world)
    assert body["missing"] is True
    assert "register_wh" not in body
