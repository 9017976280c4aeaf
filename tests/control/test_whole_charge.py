"""A whole charge in virtual time, its order of things, and the limits of insulation test and precharge."""

import itertools
from typing import Any

import pytest
from control_world import BEGIN_WALL_MS, World

from agent.control.dc.vehicle import local_time
from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import EventKind
from drivers.gbt27930.messages.table import decode, encode, identifier_of


def test_a_whole_charge() -> None:
    world = World(soc_percent=95.0).until("charging")
    began_wh = world.core.point.last_register_wh
    body = world.run_to_end(200.0)
    assert (body["result"], body["stop_reason"], body["faults"]) == ("settled", "vehicle", [])
    assert world.log.alarms() == []
    assert world.log.states == [
        "plugged", "locked", "handshake", "insulation", "recognition", "parameters", "precharge", "charging",
        "stopping", "settled",
    ]  # fmt: skip
    assert body["register_start_wh"] == began_wh
    assert body["register_end_wh"] == world.plant.meter.register_wh
    assert (body["soc_start_percent"], body["soc_end_percent"]) == (95, 98)
    assert body["register_source"] == "meter"
    assert body["started_wall_ms"] < body["ended_wall_ms"]
    (vehicle,) = world.log.kind("session_vehicle")
    assert vehicle.body["vin"] == body["vin"]
    assert world.highest_current_a <= 150.0
    assert all(current_a < 5.0 for current_a in world.currents_at_opening_a)
    assert world.plant.circuit.inrush_peak_a < 200.0
    numbers = [record.number for record in world.log.records]
    assert numbers == list(range(1, len(numbers) + 1))
    world.run(0.5)
    assert not world.plant.lock_locked
    assert world.outputs is not None
    assert not any(world.outputs.relays.values())


def test_the_record_is_durable_before_any_contactor_closes() -> None:
    world = World().ready()
    world.recorder_ok, kept = True, world.core.on_acknowledged
    world.core.on_acknowledged = lambda number: None  # type: ignore[method-assign]  # the ledger takes its time
    world.start()
    world.run(3.0)
    assert world.core.state == "locked"
    assert world.outputs is not None
    assert not world.outputs.relays["auxiliary_supply"]
    world.core.on_acknowledged = kept  # type: ignore[method-assign]
    world.core.on_acknowledged(world.core.backlog.last_number)
    world.run_until("charging", 20.0)


def test_a_start_that_never_becomes_durable_fails_after_5_s() -> None:
    world = World().ready()
    world.core.on_acknowledged = lambda number: None  # type: ignore[method-assign]  # the ledger never answers
    world.start()
    world.run(5.3)
    assert world.log.end()["stop_reason"] == "record_not_durable"


def test_a_second_charge_of_the_same_vehicle_and_nothing_left_of_the_first() -> None:
    world = World(soc_percent=97.0).until("charging")
    world.run_to_end(60.0)
    world.log.records.clear()
    world.vehicle.command("soc 97", world.now_s)
    world.run(1.0)
    assert world.core.state == "settled"
    world.start()
    world.run_until("charging", 20.0)
    assert world.core.session is not None
    assert world.core.session.faults == []
    body = world.run_to_end(60.0)
    assert (body["result"], body["faults"]) == ("settled", [])


def test_telemetry_keeps_its_short_interval_from_the_first_moment_of_charging() -> None:
    world = World().until("charging")
    world.run(31.0)
    times = [record.at_s for record in world.log.kind("telemetry") if record.body["state"] == "charging"]
    assert len(times) in (2, 3)
    assert times[0] - world.core.point.memory.entered_at_s < 15.1
    assert all(later - former == pytest.approx(15.0, abs=0.05) for former, later in itertools.pairwise(times))
    assert all(isinstance(value, int | str) for record in world.log.kind("telemetry") for value in record.body.values())


def test_progress_is_recorded_every_15_s_and_at_the_edge_of_a_rate() -> None:
    world = World()
    world.wall_ms = BEGIN_WALL_MS + 3_600_000 - 20_000
    world.until("charging")
    body = world.run_to_end(200.0)
    assert [part["rate"] for part in body["slices"]] == ["peak", "flat"]
    rates = [record.body["rate"] for record in world.log.kind("session_progress")]
    assert set(rates) == {"peak", "flat"}
    edge = next(record for record in world.log.kind("session_progress") if record.body["rate"] == "flat")
    assert 0 <= edge.wall_ms - (BEGIN_WALL_MS + 3_600_000) <= 1000


def test_the_vehicle_is_told_the_local_time() -> None:
    world = World().until("parameters")
    world.run(0.6)
    frames = list(world.outputs.frames if world.outputs else [])
    for _ in range(60):
        frames += world.step().frames
    (cts, *_) = [frame for frame in frames if frame.identifier == identifier_of("CTS")]
    told = decode("CTS", cts.data)
    assert (told["year"], told["month"], told["day"], told["hour"]) == (2026, 3, 9, 10)


@pytest.mark.parametrize(
    ("wall_ms", "quality", "expected"),
    [
        (BEGIN_WALL_MS, "synced", (2026, 3, 9, 10, 0, 0)),
        (BEGIN_WALL_MS + 59_999, "holdover", (2026, 3, 9, 10, 0, 59)),
        (BEGIN_WALL_MS + 14 * 3_600_000, "synced", (2026, 3, 10, 0, 0, 0)),
        (BEGIN_WALL_MS, "unset", None),
    ],
)
def test_local_time(wall_ms: int, quality: str, expected: tuple[int, ...] | None) -> None:
    assert local_time(wall_ms, quality, 480) == expected


# Insulation test.


def insulation_world(step_s: float = 0.02) -> tuple[World, float]:
    """In the middle of the measurement, with the voltage held exactly at the test voltage."""
    world = World(step_s=step_s).until("insulation")
    while world.core.point.memory.sub_step != "measure":
        world.step()
    test_v = world.core.point.memory.test_voltage_v
    world.override["outside_voltage_v"] = test_v
    return world, test_v


@pytest.mark.parametrize("pole", ["plus", "minus"])
@pytest.mark.parametrize(
    ("ohm_per_v", "fault"),
    [(99.9, "insulation_fault"), (100.0, "insulation_fault"), (100.1, "insulation_warning"),
     (499.9, "insulation_warning"), (500.0, "insulation_warning"), (500.1, "")],
)  # fmt: skip
def test_insulation_at_its_limits(pole: str, ohm_per_v: float, fault: str) -> None:
    world, test_v = insulation_world()
    world.override[f"insulation_{pole}_kohm"] = ohm_per_v * test_v / 1000.0
    while not world.log.events("insulation"):
        world.step()
    if fault == "insulation_fault":
        world.run(0.1)
        assert world.core.state == "stopping"
        assert world.outputs is not None
        assert not world.outputs.relays["contactor_k1"]
    else:
        del world.override["outside_voltage_v"]
        world.run(1.2)
        assert world.core.state not in ("stopping", "settled")
    assert [name for name in world.log.alarms() if name.startswith("insulation")] == ([fault] if fault else [])


def test_insulation_counts_only_readings_taken_well_after_the_voltage_stood() -> None:
    world, _ = insulation_world()
    reached_s = world.core.point.memory.test_voltage_reached_at_s
    while not world.log.events("insulation"):
        world.step()
    assert world.now_s - reached_s >= 1.2


@pytest.mark.parametrize(("share", "stays"), [(0.949, False), (0.951, True), (1.049, True), (1.051, False)])
def test_a_resistance_counts_only_while_the_test_voltage_stands(share: float, stays: bool) -> None:
    world, test_v = insulation_world()
    world.override["outside_voltage_v"] = test_v * share
    world.step()
    assert (world.core.point.memory.sub_step == "measure") is stays


def test_a_monitor_that_never_measures_fails_the_test_after_30_s() -> None:
    world, _ = insulation_world(0.05)
    world.override.update(insulation_plus_kohm=5000.0)
    world.missing.add("insulation_minus_kohm")
    world.vehicle.command("silence BEM", world.now_s)
    body = world.run_to_end(60.0)
    assert body["stop_reason"] == "insulation_fault"


@pytest.mark.parametrize(("voltage_v", "closes"), [(10.0, True), (10.1, False), (400.0, False)])
def test_nothing_is_closed_onto_a_voltage_that_stands_outside(voltage_v: float, closes: bool) -> None:
    """A vehicle whose own contactors are welded: the voltage comes after the start, before the insulation test."""
    world = World().until("handshake")
    world.override["outside_voltage_v"] = voltage_v
    world.run(2.5)
    assert (world.core.point.memory.contactors_used) is closes
    if not closes:
        body = world.run_to_end(30.0)
        assert body["stop_reason"] == "outside_voltage_present"
        assert world.currents_at_opening_a == []


# Precharge.


def precharge_world() -> tuple[World, float]:
    world = World().until("precharge")
    while world.core.point.memory.sub_step != "raise":
        world.step()
    bcp = world.core.point.charger.vehicle.bcp
    assert bcp is not None
    return world, float(bcp.values["battery_voltage_v"])


@pytest.mark.parametrize(
    ("below_v", "closes"),
    [(-5.0, False), (0.0, False), (0.9, False), (1.0, True), (5.0, True), (10.0, True), (10.1, False), (300.0, False)],
)
def test_the_window_below_the_battery(below_v: float, closes: bool) -> None:
    world, announced_v = precharge_world()
    battery_v = float(round(announced_v))
    world.override.update(outside_voltage_v=battery_v, inside_voltage_v=battery_v - below_v, module_voltage_v=battery_v)
    world.step()
    assert world.outputs is not None
    assert world.outputs.relays["contactor_k1"] is closes


@pytest.mark.parametrize(("share", "stays"), [(0.94, False), (0.951, True), (1.0, True), (1.049, True), (1.06, False)])
def test_the_battery_must_be_what_it_said(share: float, stays: bool) -> None:
    world, announced_v = precharge_world()
    world.override.update(outside_voltage_v=announced_v * share, inside_voltage_v=0.0)
    world.step()
    assert (world.core.point.memory.sub_step == "raise") is stays
    assert world.core.point.held.set_point.on is stays


def test_a_vehicle_that_opens_again_during_precharge_is_not_closed_onto() -> None:
    world, _ = precharge_world()
    world.override.update(outside_voltage_v=8.0, inside_voltage_v=3.0)
    for _ in range(50):
        assert not world.step().relays["contactor_k1"]
    assert world.core.point.held.set_point.voltage_v == 0.0


def test_a_battery_that_never_shows_fails_after_30_s() -> None:
    world = World(step_s=0.05).until("precharge")
    world.override["outside_voltage_v"] = 0.0
    assert world.run_to_end(60.0)["stop_reason"] == "precharge_failed"


@pytest.mark.parametrize(
    ("voltage_v", "goes_on"), [(10.7, False), (10.8, True), (12.0, True), (13.2, True), (13.3, False)]
)
def test_the_window_of_the_auxiliary_supply(voltage_v: float, goes_on: bool) -> None:
    world = World().until("locked")
    world.override["auxiliary_voltage_v"] = voltage_v
    world.run(2.5)
    assert (world.core.state not in ("stopping", "settled", "faulted")) is goes_on
    if not goes_on:
        assert world.run_to_end(30.0)["stop_reason"] == "auxiliary_supply_fault" if world.core.session else True
        assert world.log.end()["stop_reason"] == "auxiliary_supply_fault"


def test_a_lock_that_never_locks_fails_the_start() -> None:
    world = World().ready()
    world.override["lock_locked"] = False
    world.start()
    world.run(6.0)
    assert world.log.end()["stop_reason"] == "lock_lost"
    assert world.log.kind("session_vehicle") == []


# Stopping.


@pytest.mark.parametrize("current_a", [4.9, 5.0])
def test_the_contactors_open_in_order_below_5_a_or_after_3_s(current_a: float) -> None:
    world = World().until("charging")
    world.run(3.0)
    world.override["module_current_a"] = current_a
    world.command("stop")
    began_s = world.now_s
    while world.core.point.held.contactors:
        world.step()
    waited_s = world.now_s - began_s
    assert (waited_s < 0.1) if current_a < 5.0 else (3.0 <= waited_s < 3.2)


@pytest.mark.parametrize("name", ["contactor_k1_closed", "contactor_k2_closed"])
def test_an_unseen_or_welded_contactor_does_not_hold_up_the_end(name: str) -> None:
    world = World().until("charging")
    world.run(2.0)
    world.override[name] = True
    world.command("stop")
    world.run_to_end(30.0)
    assert "contactor_welded" in world.log.alarms()
    world.run(1.0)
    assert world.core.state == "faulted"


@pytest.mark.parametrize(("voltage_v", "safe"), [(59.9, True), (60.0, False)])
def test_the_lock_opens_only_below_60_v(voltage_v: float, safe: bool) -> None:
    world = World().until("charging")
    world.command("stop")
    world.step()
    while world.core.point.memory.sub_step != "discharge":
        world.step()
    world.override["outside_voltage_v"] = voltage_v
    world.run_to_end(40.0)
    world.run(1.0)
    assert world.plant.lock_locked is not safe
    assert world.core.point.held.lock is not safe


def test_a_vehicle_that_pauses_for_more_than_10_minutes_is_stopped() -> None:
    world = World(step_s=0.05).until("charging")
    world.run(1.0)
    world.vehicle.command("permit off", world.now_s)
    while not world.core.point.charger.paused:
        world.step()
    world.step()
    world.core.point.memory.paused_since_s = world.now_s - 599.0
    world.run(0.5)
    assert world.core.state == "charging"
    assert world.core.point.held.set_point.current_a == 0.0
    world.run(1.0)
    body = world.run_to_end(30.0)
    assert (body["stop_reason"], body["result"]) == ("pause_too_long", "failed")


def test_a_pause_that_ends_lets_the_current_rise_again() -> None:
    world = World("cold-pack").until("charging")
    seen: list[float] = []
    for _ in range(2500):
        world.step()
        seen.append(world.core.point.held.set_point.current_a)
    assert EventKind.PAUSED in world.core.point.memory.seen
    assert EventKind.RESUMED in world.core.point.memory.seen
    first = next(index for index, current_a in enumerate(seen) if current_a > 20)
    assert 0.0 in seen[first:]
    assert seen[-1] > 20
    assert world.core.point.memory.paused_since_s is None


def test_the_set_point_rises_by_50_a_per_second() -> None:
    world = World(step_s=0.1).until("charging")
    seen = [world.step().set_point.current_a for _ in range(60)]
    rises = [later - former for former, later in itertools.pairwise(seen)]
    assert max(rises) == pytest.approx(5.0)
    assert max(seen) == pytest.approx(120.0)


@pytest.mark.parametrize("name", ["nmc-car", "lfp-car", "bus", "nmc-car-800v"])
def test_every_vehicle_charges_and_stops(name: str) -> None:
    world = World(name, maximum_voltage_v=1000.0).until("charging")
    world.run(6.0)
    assert world.plant.circuit.current_a > 5
    world.command("stop")
    body: dict[str, Any] = world.run_to_end(30.0)
    assert body["result"] == "settled"
    assert world.log.alarms() == []


@pytest.mark.parametrize(("below_v", "ends"), [(-0.1, False), (0.0, False), (0.1, True)])
@pytest.mark.parametrize("stage", ["close", "raise", "measure"])
def test_a_vehicle_that_bears_less_than_the_test_voltage_ends_the_test(stage: str, below_v: float, ends: bool) -> None:
    """BHM is repeated; the first one chose the test voltage."""
    world = World().until("insulation")
    while world.core.point.memory.sub_step != stage:
        world.step()
    world.vehicle_mute = True
    test_v = world.core.point.memory.test_voltage_v
    payload = encode("BHM", {"maximum_voltage_v": round(test_v - below_v, 1)})
    world.core.on_frame(CanFrame(identifier_of("BHM"), payload), world.now_s)
    outputs = world.step()
    assert not (ends and outputs.set_point.on)
    world.run(0.1)
    assert ("parameter_mismatch" in world.log.alarms()) is ends
    assert (world.core.state == "insulation") is not ends
