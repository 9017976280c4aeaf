"""The supply: statistics of ten minutes, limits, sags and swells, and what a meter can and cannot tell."""

from typing import Any

import pytest
from control_world import BEGIN_WALL_MS, SUPPLY_LIMITS, World, supply_parameters
from hypothesis import given
from hypothesis import strategies as st

from agent.control.power_quality.events import VoltageEvent, VoltageWatch
from agent.control.power_quality.limits import GRID_FINDINGS, EventLimits, Limit
from agent.control.power_quality.statistics import Window, statistics, unbalance_percent
from agent.control.power_quality.watch import SIGNALS, PowerQuality
from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS
from drivers.reading import Quality, Reading

T = BEGIN_WALL_MS
TEN_MINUTES_MS = 600_000
Record = tuple[str, dict[str, Any]]


def test_statistics() -> None:
    assert statistics([3.0]) == {"minimum": 3.0, "mean": 3.0, "maximum": 3.0, "p95": 3.0}
    hundred = [float(value) for value in range(100, 0, -1)]
    assert statistics(hundred) == {"minimum": 1.0, "mean": 50.5, "maximum": 100.0, "p95": 95.0}
    assert statistics(hundred[:20])["p95"] == 99.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_statistics_are_in_order(samples: list[float]) -> None:
    found = statistics(samples)
    assert found["minimum"] <= found["p95"] <= found["maximum"]
    assert found["minimum"] - 1e-6 <= found["mean"] <= found["maximum"] + 1e-6
    assert sum(value <= found["p95"] for value in samples) >= 0.95 * len(samples)


def test_unbalance_of_magnitudes() -> None:
    assert unbalance_percent([220.0, 220.0, 220.0]) == 0.0
    assert unbalance_percent([210.0, 220.0, 230.0]) == pytest.approx(100 * 10 / 220)
    assert unbalance_percent([0.0, 0.0, 0.0]) is None


def test_a_window_keeps_a_bounded_number_of_readings() -> None:
    window = Window()
    for value in range(7000):
        window.add("a", float(value))
    assert window.close()["a"][0] == 6200
    assert window.close() == {}


LIMIT = Limit("l", "f", "q", "mean", 7.0, -10.0)


@pytest.mark.parametrize(("mean", "exceeded"), [(-10.1, True), (-10.0, False), (0.0, False), (7.0, False), (7.1, True)])
def test_a_limit_itself_is_still_good(mean: float, exceeded: bool) -> None:
    # Only the statistic that the limit names counts.
    assert LIMIT.exceeded({"mean": mean, "maximum": 99.0, "minimum": -99.0}) is exceeded
    assert Limit("l", "f", "q", "mean", 7.0).exceeded({"mean": mean}) is (mean > 7.0)


# Events: nominal 200 V, so that a sag is below 180, a swell above 220, an interruption below 20, hysteresis 4.


def events_of(*voltages: float) -> tuple[list[VoltageEvent], str]:
    watch = VoltageWatch(200.0, 1.0, EventLimits())
    found = [event for second, voltage in enumerate(voltages) if (event := watch.take(voltage, 10.0 + second))]
    return found, watch.running


@pytest.mark.parametrize(
    ("voltages", "found", "running"),
    [
        ((180.0, 220.0), [], ""),
        ((179.9,), [], "sag"),
        ((220.1,), [], "swell"),
        ((20.0,), [], "sag"),
        ((19.9,), [], "interruption"),
        # Over only with the hysteresis.
        ((200.0, 170.0, 160.0, 183.9, 184.0), [VoltageEvent("sag", 11.0, 3.0, 160.0)], ""),
        ((230.0, 240.0, 216.1, 216.0), [VoltageEvent("swell", 10.0, 3.0, 240.0)], ""),
        # A sag that goes down to nothing is one interruption from its beginning.
        ((170.0, 10.0, 150.0, 200.0), [VoltageEvent("interruption", 10.0, 3.0, 10.0)], ""),
        # From one into the other without a good reading between.
        ((170.0, 230.0), [VoltageEvent("sag", 10.0, 1.0, 170.0)], "swell"),
        ((230.0, 170.0), [VoltageEvent("swell", 10.0, 1.0, 230.0)], "sag"),
    ],
)
def test_sags_swells_and_interruptions(voltages: tuple[float, ...], found: list[VoltageEvent], running: str) -> None:
    assert events_of(*voltages) == (found, running)


def test_a_meter_that_falls_silent_cuts_the_event_short() -> None:
    watch = VoltageWatch(200.0, 1.0, EventLimits())
    assert watch.silent(10.0) is None
    watch.take(100.0, 10.0)
    watch.take(90.0, 11.0)
    assert watch.silent(14.0) is None
    assert watch.silent(14.1) == VoltageEvent("sag", 10.0, 1.0, 90.0, cut_short=True)
    assert watch.silent(20.0) is None
    # The same when the next reading is the first to tell.
    watch.take(100.0, 30.0)
    assert watch.take(200.0, 40.0) == VoltageEvent("sag", 30.0, 0.0, 100.0, cut_short=True)
    assert watch.running == ""


# The watch.


class Supply:
    """A watch with its clock in hand."""

    def __init__(self, **changes: Any) -> None:
        self.watch = PowerQuality(supply_parameters(**changes))
        self.now_s, self.wall_ms, self.quality = 100.0, T, "synced"

    def take(self, quality: Quality = Quality.GOOD, /, **readings: float) -> None:
        for name, value in readings.items():
            self.watch.take(name, Reading(value, "1", self.now_s, quality))

    def turn(self, seconds: float = 0.0) -> list[Record]:
        self.now_s += seconds
        self.wall_ms += round(seconds * 1000)
        return self.watch.turn(self.now_s, self.wall_ms, self.quality)

    def to_whole_window(self) -> "Supply":
        self.turn()
        self.turn(600.0)
        return self

    def window(self, **readings: float) -> dict[str, Any]:
        """A whole window of one reading each."""
        self.to_whole_window()
        self.take(**readings)
        return self.closed(600.0)

    def closed(self, seconds: float) -> dict[str, Any]:
        """The only window that ends now, whatever events there are."""
        [body] = [body for kind, body in self.turn(seconds) if kind == "power_quality"]
        return body


def test_ten_minutes_are_recorded_at_their_end_aligned_to_the_clock() -> None:
    supply = Supply().to_whole_window()
    for second in range(599):
        supply.take(voltage_l1_v=218.0 + second % 5, frequency_hz=50.0)
        assert supply.turn(1.0) == []
    [(kind, body)] = supply.turn(1.0)
    assert kind == "power_quality"
    assert body == {
        "meter": "m",
        "begin_wall_ms": T + TEN_MINUTES_MS,
        "indicative": True,
        "values": {
            "frequency_deviation_hz": {
                "count": 599, "scale": 1000, "minimum": 0, "mean": 0, "maximum": 0, "p95": 0
            },
            "frequency_hz": {
                "count": 599, "scale": 1000, "minimum": 50000, "mean": 50000, "maximum": 50000, "p95": 50000
            },
            "voltage_deviation_l1_percent": {
                "count": 599, "scale": 100, "minimum": -91, "mean": 0, "maximum": 91, "p95": 91
            },
            "voltage_l1_v": {
                "count": 599, "scale": 100, "minimum": 21800, "mean": 22000, "maximum": 22200, "p95": 22200
            },
        },
        "exceeded": [],
    }  # fmt: skip


def test_a_window_that_began_unseen_is_partial_and_judges_nothing() -> None:
    supply = Supply()
    supply.turn()
    supply.take(voltage_l1_v=300.0)
    body = supply.closed(600.0)
    assert body["partial"] is True
    assert body["exceeded"] == []
    assert supply.watch.findings == frozenset()


def test_no_readings_are_missing_and_not_invented() -> None:
    supply = Supply().to_whole_window()
    body = supply.closed(600.0)
    assert body["missing"] is True
    assert body["values"] == {}


@pytest.mark.parametrize("step_ms", [-TEN_MINUTES_MS, 5 * TEN_MINUTES_MS])
def test_a_step_of_the_clock_makes_no_ten_minutes(step_ms: int) -> None:
    supply = Supply().to_whole_window()
    supply.take(voltage_l1_v=300.0)
    supply.wall_ms += step_ms
    cut = supply.closed(0.0)
    assert cut["partial"] is True
    supply.take(voltage_l1_v=300.0)
    joined = supply.closed(600.0)
    assert joined["partial"] is True
    supply.take(voltage_l1_v=300.0)
    whole = supply.closed(600.0)
    assert "partial" not in whole
    assert supply.watch.findings == {"power_quality_voltage"}


def test_without_a_set_clock_there_are_no_windows_and_still_events() -> None:
    supply = Supply(poll_interval_s=10.0)
    supply.quality = "unset"
    supply.take(voltage_l1_v=100.0)
    assert supply.turn(5.0) == []
    supply.take(voltage_l1_v=220.0)
    [(kind, body)] = supply.turn(2.0)
    assert kind == "power_quality_event"
    assert body["duration_ms"] == 5000
    supply.quality = "synced"
    assert supply.turn(600.0) == []
    body = supply.closed(600.0)
    assert body["partial"] is True
    assert body["values"] == {}


@pytest.mark.parametrize(
    ("readings", "exceeded"),
    [
        ({"voltage_l1_v": 235.4}, []),
        ({"voltage_l1_v": 235.5}, ["voltage_deviation_three_phase"]),
        ({"voltage_l3_v": 204.6}, []),
        ({"voltage_l3_v": 204.5}, ["voltage_deviation_three_phase"]),
        ({"frequency_hz": 50.19}, []),
        ({"frequency_hz": 50.21}, ["frequency"]),
        ({"frequency_hz": 49.79}, ["frequency"]),
        ({"voltage_unbalance_percent": 2.0}, []),
        ({"voltage_unbalance_percent": 2.1}, ["voltage_unbalance"]),
        ({"voltage_unbalance_percent": 4.1}, ["voltage_unbalance", "voltage_unbalance_short"]),
        ({"thd_voltage_percent": 5.0}, []),
        ({"thd_voltage_percent": 5.1}, ["voltage_harmonics"]),
        ({"thd_voltage_l2_percent": 5.1}, ["voltage_harmonics"]),
        ({"thd_current_l1_percent": 50.0, "current_l1_a": 500.0}, []),
    ],
)
def test_the_shipped_limits_at_below_and_above(readings: dict[str, float], exceeded: list[str]) -> None:
    supply = Supply()
    assert supply.window(**readings)["exceeded"] == exceeded
    faults = {limit.fault for limit in supply.watch.parameters.limits if limit.id in exceeded}
    assert supply.watch.findings == faults
    # The next good ten minutes clear it.
    supply.take(voltage_l1_v=220.0)
    supply.turn(600.0)
    assert supply.watch.findings == frozenset()


@pytest.mark.parametrize(("voltage_v", "good"), [(198.0, True), (197.9, False), (235.4, True), (235.5, False)])
def test_a_single_phase_has_limits_of_its_own(voltage_v: float, good: bool) -> None:
    body = Supply(phases=1).window(voltage_l1_v=voltage_v)
    assert (body["exceeded"] == []) is good
    assert "voltage_unbalance_percent" not in body["values"]


def test_unbalance_is_computed_from_three_voltages_of_one_poll_only() -> None:
    supply = Supply().to_whole_window()
    supply.take(voltage_l1_v=210.0, voltage_l2_v=220.0)
    supply.turn(1.0)
    # Too late for the two before: of a new poll.
    supply.take(voltage_l3_v=230.0)
    supply.take(voltage_l1_v=220.0, voltage_l2_v=230.0)
    body = supply.closed(599.0)
    assert body["unbalance"] == "from_magnitudes"
    assert body["values"]["voltage_unbalance_percent"]["count"] == 1
    assert body["values"]["voltage_unbalance_percent"]["maximum"] == round(100 * 100 * (680 / 3 - 220) / (680 / 3))


def test_a_dead_supply_has_no_unbalance() -> None:
    body = Supply().window(voltage_l1_v=0.0, voltage_l2_v=0.0, voltage_l3_v=0.0)
    assert "voltage_unbalance_percent" not in body["values"]


def test_a_meter_that_gives_the_unbalance_is_believed() -> None:
    body = Supply().window(voltage_unbalance_percent=1.0, voltage_l1_v=200.0, voltage_l2_v=220.0, voltage_l3_v=240.0)
    assert body["values"]["voltage_unbalance_percent"]["maximum"] == 100
    assert "unbalance" not in body


@pytest.mark.parametrize(("value", "quality"), [(float("nan"), Quality.GOOD), (999.0, Quality.SUSPECT)])
def test_what_is_no_reading_counts_nowhere(value: float, quality: Quality) -> None:
    supply = Supply().to_whole_window()
    supply.take(quality, voltage_l1_v=value)
    body = supply.closed(600.0)
    assert body["values"] == {}


@pytest.mark.parametrize("indicative", [True, False])
def test_an_event_says_when_how_long_how_deep_and_how_sure(indicative: bool) -> None:
    supply = Supply(indicative=indicative).to_whole_window()
    supply.take(voltage_l2_v=150.0)
    supply.turn(1.0)
    supply.take(voltage_l2_v=140.0)
    supply.turn(1.0)
    supply.take(voltage_l2_v=220.0)
    [(kind, body)] = supply.turn(0.5)
    assert kind == "power_quality_event"
    assert body == {
        "meter": "m", "what": "sag", "signal": "voltage_l2_v", "begin_wall_ms": T + TEN_MINUTES_MS,
        "duration_ms": 2000, "extreme_cv": 14000, "nominal_cv": 22000, "resolution_ms": 1000, "indicative": indicative,
    }  # fmt: skip


def test_an_event_that_the_meter_did_not_survive_is_cut_short() -> None:
    supply = Supply().to_whole_window()
    supply.take(voltage_l1_v=5.0)
    assert supply.turn(3.0) == []
    [(_, body)] = supply.turn(0.1)
    assert (body["what"], body["cut_short"], body["duration_ms"]) == ("interruption", True, 0)


def test_the_signals_are_those_of_ac_meters_and_every_one_has_a_scale() -> None:
    assert set(AC_SIGNALS) > SIGNALS
    assert not SIGNALS & set(DC_SIGNALS)
    values = Supply().window(**dict.fromkeys(SIGNALS, 1.0))["values"]
    assert set(values) > SIGNALS


def test_the_shipped_limits_name_faults_and_quantities_that_there_are() -> None:
    assert {limit.fault for limit in SUPPLY_LIMITS.limit} == GRID_FINDINGS
    assert len({limit.id for limit in SUPPLY_LIMITS.limit}) == len(SUPPLY_LIMITS.limit)
    events = SUPPLY_LIMITS.events
    assert EventLimits() == EventLimits(
        events.sag_below_percent, events.swell_above_percent, events.interruption_below_percent,
        events.hysteresis_percent,
    )  # fmt: skip


def test_a_core_without_a_grid_side_meter_knows_none_of_its_signals() -> None:
    world = World()
    with pytest.raises(KeyError, match="no such signal: voltage_l1_v"):
        world.core.on_reading("voltage_l1_v", Reading(220.0, "V", world.now_s))


def test_the_core_records_the_supply_and_charges_on() -> None:
    world = World(power_quality=supply_parameters()).until("charging")
    world.wall_ms += TEN_MINUTES_MS
    world.step()
    world.core.on_reading("voltage_l1_v", Reading(150.0, "V", world.now_s))
    world.wall_ms += TEN_MINUTES_MS
    world.step()
    assert world.log.kind("power_quality")[-1].body["values"]["voltage_l1_v"]["mean"] == 15000
    world.run(4.0)
    assert world.log.kind("power_quality_event")[0].body["cut_short"]
    assert world.core.state == "charging"
    with pytest.raises(KeyError):
        world.core.image.put("voltage_l1_v", Reading(220.0, "V", world.now_s))
