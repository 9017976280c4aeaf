"""What the output may be: the least of everything, and who binds."""

import math

import pytest
from control_world import parameters_with
from hypothesis import given
from hypothesis import strategies as st

from agent.control.chassis.envelope import CurrentEnvelope
from agent.control.dc.limits import OutputLimit, combine, derate_share, pile_limit

BASE = OutputLimit(voltage_v=750.0, current_a=150.0, power_w=60_000.0, by="pile")


def test_the_ratings_and_their_derating() -> None:
    parameters = parameters_with()
    assert pile_limit(parameters, 1.0) == BASE
    assert pile_limit(parameters, 0.5) == OutputLimit(750.0, 75.0, 60_000.0, "temperature")
    assert pile_limit(parameters, 0.999).by == "temperature"


@pytest.mark.parametrize(
    ("voltage_v", "currents", "modules_a", "expected"),
    [
        (400.0, [("vehicle", 120.0)], None, (400.0, 120.0, "vehicle")),
        (400.0, [("vehicle", 200.0)], None, (400.0, 150.0, "pile")),
        (400.0, [("vehicle", 200.0), ("battery", 90.0)], None, (400.0, 90.0, "battery")),
        (500.0, [("vehicle", 200.0)], None, (500.0, 120.0, "power")),
        (400.0, [("vehicle", 120.0)], 80.0, (400.0, 80.0, "modules")),
        (800.0, [("vehicle", 20.0)], None, (750.0, 20.0, "vehicle")),
        (400.0, [], None, (400.0, 150.0, "pile")),
        (400.0, [("vehicle", 0.5)], None, (400.0, 0.5, "vehicle")),
        (400.0, [("vehicle", 0.0), ("battery", -1.0)], None, (400.0, 0.0, "battery")),
        (400.0, [("vehicle", -1.0)], None, (400.0, 0.0, "vehicle")),
        (400.0, [("vehicle", math.nan)], None, (400.0, 0.0, "vehicle")),
        (400.0, [("vehicle", math.inf)], None, (400.0, 0.0, "vehicle")),
        (400.0, [("vehicle", 10.0)], math.nan, (400.0, 0.0, "modules")),
        (400.0, [("vehicle", 0.0)], None, (400.0, 0.0, "vehicle")),
        (0.0, [("vehicle", 10.0)], None, (0.0, 10.0, "vehicle")),
        (-5.0, [("vehicle", 10.0)], None, (0.0, 10.0, "vehicle")),
        (0.5, [("vehicle", 10.0)], None, (0.5, 10.0, "vehicle")),
    ],
)
def test_the_least_counts_and_is_named(
    voltage_v: float, currents: list[tuple[str, float]], modules_a: float | None, expected: tuple[float, float, str]
) -> None:
    limit = combine(BASE, voltage_v, currents, modules_a)
    assert (limit.voltage_v, limit.current_a, limit.by) == expected
    assert limit.power_w == 60_000.0


@given(st.floats(), st.floats(), st.floats() | st.none())
def test_no_input_makes_more_than_the_ratings(voltage_v: float, current_a: float, modules_a: float | None) -> None:
    limit = combine(BASE, voltage_v, [("vehicle", current_a)], modules_a)
    assert 0.0 <= limit.current_a <= 150.0
    assert 0.0 <= limit.voltage_v <= 750.0
    assert limit.voltage_v * limit.current_a <= 60_000.0 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("temperature_c", "share"),
    [(None, 0.0), (-40.0, 1.0), (85.0, 1.0), (86.0, 0.93), (90.0, 0.65), (94.0, 0.37), (95.0, 0.3), (200.0, 0.3)],
)
def test_derating_between_its_two_temperatures(temperature_c: float | None, share: float) -> None:
    assert derate_share(temperature_c, 85.0, 95.0) == pytest.approx(share)


def test_the_power_limit_counts_at_every_voltage() -> None:
    weak = OutputLimit(voltage_v=750.0, current_a=150.0, power_w=50.0, by="pile")
    assert combine(weak, 0.5, [], None).current_a == 100.0
    assert combine(weak, 1.0, [], None).by == "power"


def test_derating_with_both_temperatures_equal() -> None:
    assert [derate_share(at_c, 90.0, 90.0) for at_c in (89.9, 90.0, 90.1)] == [1.0, 1.0, 0.3]


def test_a_set_point_counts_for_4_s_after_it_was_last_in_force() -> None:
    envelope = CurrentEnvelope()
    assert envelope.highest_a(0.0) is None
    envelope.add(0.0, 100.0)
    envelope.add(1.0, 100.0)
    envelope.add(1.5, 20.0)
    assert envelope.highest_a(5.0) == 100.0
    assert envelope.highest_a(5.01) == 20.0
    assert envelope.highest_a(500.0) == 20.0
    envelope.clear()
    assert envelope.highest_a(500.0) is None


def test_a_rising_set_point_does_not_grow_the_envelope() -> None:
    envelope = CurrentEnvelope()
    for step in range(2000):
        envelope.add(step * 0.001, 2000.0 - step)
    assert len(envelope._entries) <= 257
    assert envelope.highest_a(2.0) == 2000.0
    assert envelope.highest_a(1000.0) == 1.0


def test_the_largest_of_the_oldest_half_stands_for_all_of_it() -> None:
    envelope = CurrentEnvelope()
    envelope.add(0.0, 1000.0)
    envelope.add(0.0, 1000.0)
    assert len(envelope._entries) == 1
    for step in range(1, 256):
        envelope.add(step * 0.01, 1000.0 - step)
    assert len(envelope._entries) == 256
    envelope.add(2.56, 744.0)
    assert len(envelope._entries) == 130
    # Half of it is 128 set points, the last of them at 1.27 s.
    assert envelope.highest_a(5.265) == 1000.0
    assert envelope.highest_a(5.275) == 872.0
