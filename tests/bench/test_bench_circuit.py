"""The power circuit: closed-form checks of what the model must reproduce."""

import math

import pytest

from hil_tests.bench.circuit import Battery, Circuit, Contactor, Source

NO_BATTERY = Battery()
STEP_S = 0.005


def run(
    circuit: Circuit,
    seconds: float,
    sources: list[Source],
    *,
    closed: bool = False,
    discharge: bool = False,
    battery: Battery = NO_BATTERY,
    step_s: float = STEP_S,
) -> None:
    for _ in range(round(seconds / step_s)):
        circuit.step(step_s, sources, closed, discharge, battery)


def test_constant_current_charges_the_module_capacitor_linearly() -> None:
    circuit = Circuit()
    run(circuit, 0.1, [Source(500.0, 1.0)])
    assert circuit.module_voltage_v == pytest.approx(0.1 * 1.0 / 470e-6, rel=0.01)
    assert circuit.outside_voltage_v == 0.0


def test_a_source_holds_its_voltage_within_the_accuracy_of_a_charger() -> None:
    circuit = Circuit()
    battery = Battery(400.0, 1.0, connected=True)
    run(circuit, 1.0, [Source(450.0, 100.0)], closed=True, battery=battery)
    assert circuit.inside_voltage_v == pytest.approx(450.0, rel=0.005)
    assert circuit.current_a == pytest.approx((450.0 - 400.0) / 1.035, rel=0.01)


def test_the_current_limit_decides_when_the_voltage_would_ask_for_more() -> None:
    circuit = Circuit()
    battery = Battery(400.0, 0.1, connected=True)
    run(circuit, 1.0, [Source(450.0, 30.0), Source(450.0, 20.0)], closed=True, battery=battery)
    assert circuit.current_a == pytest.approx(50.0, abs=0.05)
    assert circuit.outside_voltage_v == pytest.approx(405.0, abs=0.05)
    assert circuit.source_currents_a == pytest.approx([30.0, 20.0], abs=0.01)


def test_the_stronger_of_two_sources_carries_the_load() -> None:
    circuit = Circuit()
    battery = Battery(400.0, 0.1, connected=True)
    run(circuit, 1.0, [Source(450.0, 10.0), Source(390.0, 100.0)], closed=True, battery=battery)
    assert circuit.source_currents_a == pytest.approx([10.0, 0.0], abs=0.01)


def test_the_battery_never_feeds_back_through_the_diode() -> None:
    circuit = Circuit()
    battery = Battery(400.0, 0.1, connected=True)
    run(circuit, 0.5, [], closed=True, battery=battery)
    assert circuit.current_a == 0.0
    assert circuit.module_voltage_v == 0.0
    assert circuit.inside_voltage_v == pytest.approx(400.0, abs=0.1), "closed contacts show the battery inside"


def test_open_contactors_keep_the_sides_apart() -> None:
    circuit = Circuit()
    run(circuit, 0.5, [Source(500.0, 50.0)], battery=Battery(350.0, 0.1, connected=True))
    assert circuit.inside_voltage_v == pytest.approx(500.0, abs=0.5)
    assert circuit.outside_voltage_v == pytest.approx(350.0, abs=0.1)
    assert circuit.current_a == 0.0


def test_discharge_brings_1000_v_below_60_v_within_a_second() -> None:
    circuit = Circuit(module_voltage_v=1000.0, outside_voltage_v=1000.0)
    run(circuit, 1.0, [], closed=True, discharge=True)
    assert circuit.outside_voltage_v < 60.0
    assert circuit.inside_voltage_v < 60.0


def test_without_discharge_the_outside_stays_charged() -> None:
    circuit = Circuit(outside_voltage_v=500.0)
    run(circuit, 1.0, [])
    assert circuit.outside_voltage_v == pytest.approx(500.0 * math.exp(-1.0 / 20.0), rel=0.01)


@pytest.mark.parametrize("step_s", [0.0005, 0.005, 0.01, 0.2])
def test_any_step_length_reaches_the_same_steady_state(step_s: float) -> None:
    circuit = Circuit()
    battery = Battery(400.0, 0.1, connected=True)
    run(circuit, 2.0, [Source(450.0, 60.0)], closed=True, battery=battery, step_s=step_s)
    assert circuit.current_a == pytest.approx(60.0, abs=0.1)
    assert circuit.outside_voltage_v == pytest.approx(406.0, abs=0.1)


@pytest.mark.parametrize(
    ("inside_v", "within_limit"),
    [(399.0, True), (395.0, True), (390.0, True), (0.0, False), (410.0, False)],
)
def test_inrush_stays_below_20_a_only_after_a_precharge_of_1_to_10_v_below(inside_v: float, within_limit: bool) -> None:
    circuit = Circuit(module_voltage_v=inside_v, outside_voltage_v=400.0)
    circuit.step(STEP_S, [], True, False, Battery(400.0, 0.1, connected=True))
    assert (circuit.inrush_peak_a <= 20.0) is within_limit
    assert circuit.inrush_peak_a > 0.0


def test_inrush_is_the_highest_closing_and_not_the_load_current() -> None:
    circuit = Circuit(module_voltage_v=395.0, outside_voltage_v=400.0)
    battery = Battery(400.0, 0.1, connected=True)
    run(circuit, 1.0, [Source(450.0, 100.0)], closed=True, battery=battery)
    assert circuit.current_a == pytest.approx(100.0, abs=0.1)
    assert circuit.inrush_peak_a < 20.0


def is_closed(contactor: Contactor) -> bool:
    return contactor.closed


def test_contactor_moves_after_its_delay() -> None:
    contactor = Contactor("K1")
    contactor.step(True, 0.0)
    contactor.step(True, 0.020)
    assert not is_closed(contactor)
    contactor.step(True, 0.025)
    assert is_closed(contactor)
    contactor.step(False, 1.0)
    contactor.step(False, 1.005)
    assert is_closed(contactor)
    contactor.step(False, 1.010)
    assert not is_closed(contactor)


def test_welded_contactor_stays_closed_and_opens_after_repair() -> None:
    contactor = Contactor("K1", welded=True)
    contactor.step(False, 0.0)
    assert is_closed(contactor)
    contactor.welded = False
    contactor.step(False, 0.1)
    assert not is_closed(contactor)


def test_jammed_contactor_refuses_to_close_but_opens() -> None:
    contactor = Contactor("K2", closed=True, jammed=True, _target=True)
    contactor.step(True, 0.0)
    assert is_closed(contactor), "a jam does not open what is closed"
    contactor.step(False, 1.0)
    contactor.step(False, 1.1)
    assert not is_closed(contactor)
    contactor.step(True, 2.0)
    contactor.step(True, 3.0)
    assert not is_closed(contactor)
