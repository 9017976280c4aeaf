"""The battery model: energy that adds up, a taper, an end, and the shipped profiles."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gbt27930.messages.table import CONSTANT_CURRENT, CONSTANT_VOLTAGE
from hil_tests.bench.vehicle.battery import Battery, EndReason
from hil_tests.bench.vehicle.profile import (
    CHEMISTRIES,
    ProfileError,
    interpolate,
    load_profile,
    profile_names,
)

PILE_VOLTAGE_V, PILE_CURRENT_A, PILE_POWER_W = 1000.0, 150.0, 60_000.0
CABLE_OHM = 0.01


def flowing_a(battery: Battery) -> float:
    """Current from an ideal pile that obeys the demand."""
    demand = battery.demand()
    held_a = (demand.voltage_v - battery.source_voltage_v) / (battery.resistance_ohm + CABLE_OHM)
    return max(0.0, min(demand.current_a, held_a, PILE_POWER_W / battery.terminal_voltage_v))


def charge(battery: Battery, longest_s: float, step_s: float = 0.1) -> list[tuple[float, float, int]]:
    """Charge to the end: (seconds, amperes, mode) of every step."""
    battery.respect(PILE_VOLTAGE_V, PILE_CURRENT_A)
    course = []
    at_s = 0.0
    while battery.end_reason() is None:
        current_a = flowing_a(battery)
        course.append((at_s, current_a, battery.demand().mode))
        battery.step(step_s, current_a)
        at_s += step_s
        assert at_s < longest_s, "the charge does not end"
    return course


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_plausible(name: str) -> None:
    profile = load_profile(name)
    battery = Battery(profile)
    pack = profile.pack
    full_v = pack.cells_in_series * interpolate(profile.chemistry.open_circuit_voltage, 100)
    assert battery.source_voltage_v < profile.charge_voltage_v < profile.maximum_voltage_v
    assert full_v <= profile.charge_voltage_v + 1e-6, "held at the charge voltage the pack must get full"
    assert battery.current_limit_a > 0
    assert not battery.over_temperature
    assert not battery.insulation_fault
    # Twice the resistive drop at full current stays below a tenth of the pack's voltage: no pack charges worse.
    drop_v = pack.maximum_current_a * pack.cells_in_series * (pack.cell_resistance_ohm + pack.cell_polarisation_ohm)
    assert drop_v < 0.15 * profile.rated_voltage_v
    assert len(set(battery.cell_voltages_v())) == pack.cells_in_series
    assert max(battery.cell_voltages_v()) == pytest.approx(battery.highest_cell_v)
    assert min(battery.cell_voltages_v()) == pytest.approx(battery.lowest_cell_v)


def test_demo_car_shows_constant_current_then_taper_then_its_own_end_in_about_a_minute() -> None:
    battery = Battery(load_profile("demo-car"))
    course = charge(battery, longest_s=130)
    constant_current = [row for row in course if row[2] == CONSTANT_CURRENT]
    constant_voltage = [row for row in course if row[2] == CONSTANT_VOLTAGE]
    assert 50 <= course[-1][0] <= 110
    assert len(constant_current) * 0.1 >= 20
    assert len(constant_voltage) * 0.1 >= 20
    assert constant_current[-1][0] < constant_voltage[0][0], "the mode changes once"
    assert constant_current[0][1] == 120.0
    assert min(current_a for _, current_a, _ in constant_current) > 0.9 * 120.0  # the cable drop bends the end of it
    currents = [current_a for _, current_a, _ in constant_voltage]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(currents))
    assert currents[-1] < 0.5 * currents[0]
    assert battery.end_reason() is EndReason.SOC
    assert battery.highest_cell_v < battery.profile.pack.maximum_cell_voltage_v


def test_without_a_soc_target_in_reach_the_tail_current_ends_the_charge() -> None:
    battery = Battery(load_profile("demo-car"), soc_percent=97.0, target_soc_percent=105.0)
    course = charge(battery, longest_s=600)
    assert battery.end_reason() is EndReason.VOLTAGE
    assert course[-1][1] < battery.profile.pack.tail_current_a
    assert 100.0 < battery.soc_percent < 103.0
    assert battery.shown_soc_percent == 100.0


def test_a_cell_above_its_limit_ends_the_charge() -> None:
    battery = Battery(load_profile("nmc-car"), soc_percent=90)
    battery.step(5.0, 600.0)
    assert battery.cell_voltage_too_high
    assert battery.end_reason() is EndReason.CELL_VOLTAGE
    battery.rest()
    battery.step(0.1, 0.0)
    assert battery.end_reason() is None


def test_the_demand_stays_within_what_the_charger_can_give() -> None:
    battery = Battery(load_profile("nmc-car"))
    battery.respect(380.0, 60.0)
    demand = battery.demand()
    assert demand.voltage_v == 380.0
    assert demand.current_a == 60.0


@pytest.mark.parametrize(("temperature_c", "fraction"), [(-20.0, 0.0), (24.0, 1.0), (48.5, 0.5), (70.0, 0.0)])
def test_cold_and_heat_take_current_away(temperature_c: float, fraction: float) -> None:
    profile = load_profile("nmc-car")
    battery = Battery(profile)
    battery.temperature_c = temperature_c
    assert battery.current_limit_a == pytest.approx(profile.pack.maximum_current_a * fraction)


def test_a_pack_that_may_take_nothing_demands_nothing() -> None:
    battery = Battery(load_profile("nmc-car"))
    battery.temperature_c = -30.0
    assert battery.demand().current_a == 0.0


def test_it_warms_while_charging_and_cools_at_rest() -> None:
    battery = Battery(load_profile("demo-car"))
    start_c = battery.temperature_c
    battery.step(40.0, 120.0)
    warm_c = battery.temperature_c
    assert start_c + 1 < warm_c < start_c + 10
    battery.step(36_000.0, 0.0)
    assert battery.temperature_c == pytest.approx(battery.profile.thermal.ambient_c, abs=0.1)


def test_insulation_is_judged_in_ohm_per_volt() -> None:
    battery = Battery(load_profile("nmc-car"))
    battery.insulation_kohm = 0.1 * battery.source_voltage_v + 0.1
    assert not battery.insulation_fault
    battery.insulation_kohm = 0.1 * battery.source_voltage_v - 0.1
    assert battery.insulation_fault


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(profile_names()),
    st.lists(st.tuples(st.floats(0.001, 20.0), st.floats(-50.0, 150.0)), max_size=12),
)
def test_charge_is_neither_made_nor_lost(name: str, moves: list[tuple[float, float]]) -> None:
    battery = Battery(load_profile(name), soc_percent=50.0)
    for elapsed_s, current_a in moves:
        battery.step(elapsed_s, current_a)
    moved_ah = sum(elapsed_s * current_a for elapsed_s, current_a in moves) / 3600
    assert battery.charged_ah == pytest.approx(moved_ah, abs=1e-9)
    assert battery.soc_percent == pytest.approx(50.0 + moved_ah / battery.profile.pack.capacity_ah * 100, abs=1e-6)
    assert battery.lowest_cell_v <= battery.highest_cell_v
    assert battery.demand().current_a <= battery.current_limit_a + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 10.0), st.floats(0.0, 150.0), st.integers(2, 20))
def test_how_finely_time_is_cut_does_not_matter(elapsed_s: float, current_a: float, parts: int) -> None:
    coarse, fine = Battery(load_profile("nmc-car")), Battery(load_profile("nmc-car"))
    coarse.step(elapsed_s, current_a)
    for _ in range(parts):
        fine.step(elapsed_s / parts, current_a)
    assert fine.soc_percent == pytest.approx(coarse.soc_percent)
    assert fine.polarisation_v == pytest.approx(coarse.polarisation_v, abs=1e-9)
    assert fine.temperature_c == pytest.approx(coarse.temperature_c, abs=0.01)


@given(st.sampled_from(sorted(CHEMISTRIES)), st.floats(0, 100), st.floats(0, 100))
def test_more_charge_means_more_voltage(name: str, one: float, other: float) -> None:
    curve = CHEMISTRIES[name].open_circuit_voltage
    low, high = sorted((one, other))
    assert interpolate(curve, low) <= interpolate(curve, high)
    assert interpolate(curve, -5) == curve[0][1]
    assert interpolate(curve, 105) == curve[-1][1]


def test_remaining_time_falls_to_nothing_at_the_target() -> None:
    battery = Battery(load_profile("nmc-car"))
    early = battery.remaining_min()
    battery.soc_percent = battery.target_soc_percent - 1
    late = battery.remaining_min()
    battery.soc_percent = battery.target_soc_percent
    assert early > late >= 1
    assert battery.remaining_min() == 0


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    with pytest.raises(ProfileError, match="demo-car"):
        load_profile("tank")
