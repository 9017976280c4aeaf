"""Vehicle and charger side, both pure, back to back in virtual time with a small electrical model between them."""

from collections import Counter

import pytest
from vehicle_pile import LONGEST_STEP_S, PILE_POWER_W, Pile

from drivers.gbt27930.charger.dialogue import EventKind, StopCause
from drivers.gbt27930.charger.dialogue import Phase as ChargerPhase
from hil_tests.bench.vehicle.battery import EndReason
from hil_tests.bench.vehicle.bms import Phase
from hil_tests.bench.vehicle.profile import load_profile, profile_names


def test_the_demo_car_from_handshake_to_its_own_end() -> None:
    pile = Pile("demo-car")
    pile.run_until(ChargerPhase.ENDED, 150)
    assert 60 <= pile.now_s <= 120
    assert pile.charger.missing is None
    assert pile.charger.counters["refused"] == 0
    assert [kind for kind in pile.kinds() if kind is not EventKind.LATE] == [
        EventKind.VEHICLE_VOLTAGE,
        EventKind.IDENTIFIED,
        EventKind.PARAMETERS,
        EventKind.READY,
        EventKind.CHARGING,
        EventKind.STOP_REQUESTED,
        EventKind.STATISTICS,
    ]
    (stop,) = [event for event in pile.events if event.kind is EventKind.STOP_REQUESTED]
    assert "soc_target_reached" in str(stop.detail)
    modes = Counter(pile.modes)
    assert pile.modes == sorted(pile.modes, reverse=True), "constant current (2), then constant voltage (1)"
    assert modes[1] * LONGEST_STEP_S > 10
    assert max(current_a for _, current_a in pile.course) == pytest.approx(120)
    assert pile.course[-1][1] < 60
    assert pile.vehicle.battery.soc_percent == pytest.approx(98.0, abs=0.2)
    assert not pile.vehicle.source.contactors_closed
    assert pile.current_at_opening_a is None or pile.current_at_opening_a < 5.0
    assert pile.vehicle.unreadable == 0
    pile.run(0.1)
    assert pile.vehicle.bms.phase is Phase.ASLEEP


def test_a_second_charge_with_the_same_vehicle_begins_anew() -> None:
    pile = Pile("demo-car", soc_percent=96.5)
    pile.run_until(ChargerPhase.ENDED, 60)
    pile.run(1.0)
    pile.vehicle.command("soc 96.5", pile.now_s)
    pile.auxiliary_on, pile.events = True, []
    pile._off_s = None
    pile.charger.begin(pile.now_s)
    pile.run_until(ChargerPhase.ENDED, 60)
    assert EventKind.STATISTICS in pile.kinds()


@pytest.mark.parametrize("name", [name for name in profile_names() if name != "low-speed-48v"])
def test_every_vehicle_comes_to_charging_current(name: str) -> None:
    pile = Pile(name)
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(8.0)
    assert pile.charger.phase is ChargerPhase.CHARGING
    assert pile.charger.missing is None
    expected_a = min(pile.vehicle.battery.current_limit_a, PILE_POWER_W / pile.vehicle.battery.demand().voltage_v)
    assert pile.current_a == pytest.approx(expected_a, rel=0.02)


@pytest.mark.parametrize("name", [name for name in profile_names() if name != "low-speed-48v"])
def test_every_vehicle_charges_to_its_own_end(name: str) -> None:
    target_percent = load_profile(name).pack.target_soc_percent
    pile = Pile(name, soc_percent=target_percent - 0.1)
    pile.run_until(ChargerPhase.ENDED, 180)
    assert pile.charger.missing is None
    kinds = pile.kinds()
    assert kinds.index(EventKind.CHARGING) < kinds.index(EventKind.STOP_REQUESTED) < kinds.index(EventKind.STATISTICS)
    assert pile.vehicle.bms.stop_reason in {reason.value for reason in EndReason}
    assert not pile.vehicle.source.contactors_closed


def test_a_48_v_vehicle_never_gets_ready_on_a_200_v_pile() -> None:
    pile = Pile("low-speed-48v")
    pile.run_until(ChargerPhase.TIMED_OUT, 90)
    assert pile.charger.missing == "BRO"
    assert not pile.output_closed
    assert pile.vehicle.bms.phase is not Phase.READY


def test_the_cold_pack_pauses_and_resumes() -> None:
    pile = Pile("cold-pack")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(30.0)
    kinds = pile.kinds()
    assert kinds.index(EventKind.PAUSED) < kinds.index(EventKind.RESUMED)
    currents = [round(current_a) for _, current_a in pile.course]
    paused = currents.index(0, 500)
    assert currents[paused - 500] > 20
    assert currents[-1] > 20


def test_the_bus_sends_its_cells_and_the_charge_goes_on() -> None:
    pile = Pile("bus")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(12.0)
    data = pile.charger.vehicle
    assert data.bmv is not None
    assert data.bmt is not None
    assert len(data.bmv.values["cell_voltages_v"]) == 126
    assert len(data.bmt.values["temperatures_c"]) == 24
    assert pile.charger.phase is ChargerPhase.CHARGING


def test_the_charger_stops_the_charge() -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(5.0)
    pile.charger.stop(pile.now_s, StopCause.MANUAL)
    pile.run_until(ChargerPhase.ENDED, 10)
    assert pile.vehicle.bms.last_heard["CST"]["manual_stop"] == 1
    assert pile.vehicle.bms.stop_reason == "stopped_by_charger"
    assert pile.charger.missing is None


@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("BHM", ChargerPhase.HANDSHAKE),
        ("BRM", ChargerPhase.RECOGNITION),
        ("BCP", ChargerPhase.RECOGNISED),
        ("BRO", ChargerPhase.PARAMETERS),
        ("BCL", ChargerPhase.READY),
        ("BCS", ChargerPhase.READY),
    ],
)
def test_a_message_never_sent_is_named_by_the_charger(name: str, reached: ChargerPhase) -> None:
    pile = Pile("nmc-car")
    pile.vehicle.command(f"silence {name}", pile.now_s)
    pile.run_until(reached, 30)
    pile.run(7.0)
    assert pile.charger.missing == name
    assert not pile.vehicle.source.contactors_closed


@pytest.mark.parametrize("name", ["BCL", "BCS"])
def test_a_message_lost_while_charging_is_named_by_the_charger(name: str) -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(5.0)
    pile.vehicle.command(f"silence {name}", pile.now_s)
    pile.run_until(ChargerPhase.TIMED_OUT, 6)
    pile.run(3.0)
    assert pile.charger.missing == name
    assert pile.vehicle.bms.phase is Phase.TIMED_OUT
    assert not pile.vehicle.source.contactors_closed


@pytest.mark.parametrize(("silent", "name"), [(("BST", "BSD"), "BST"), (("BSD",), "BSD")])
def test_a_message_missing_at_the_end_is_named_by_the_charger(silent: tuple[str, ...], name: str) -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    for each in silent:
        pile.vehicle.command(f"silence {each}", pile.now_s)
    pile.charger.stop(pile.now_s, StopCause.MANUAL)
    pile.run_until(ChargerPhase.TIMED_OUT, 11)
    assert pile.charger.missing == name


@pytest.mark.parametrize(("command", "missing"), [("length BCL 4", "BCL"), ("length BCS 8", "BCS"), ("freeze", "BCL")])
def test_what_cannot_be_read_counts_as_missing(command: str, missing: str) -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.vehicle.command(command, pile.now_s)
    pile.run_until(ChargerPhase.TIMED_OUT, 7)
    assert pile.charger.missing == missing


def test_a_fault_in_bsm_makes_the_charger_stop_before_the_vehicle_has_to() -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.vehicle.command("fault over_temperature", pile.now_s)
    pile.run_until(ChargerPhase.STOPPING, 1)
    assert EventKind.VEHICLE_FAULT in pile.kinds()
    pile.run_until(ChargerPhase.ENDED, 10)
    assert pile.vehicle.bms.stop_reason == "stopped_by_charger"


def test_a_charger_that_falls_silent_is_reported_by_bem_and_the_contactors_open() -> None:
    pile = Pile("nmc-car")
    pile.run_until(ChargerPhase.CHARGING, 30)
    pile.run(3.0)
    pile.deaf = True
    pile.run(1.2)
    assert pile.vehicle.bms.timed_out == "ccs_timeout"
    pile.deaf = False
    pile.run(0.6)
    assert EventKind.VEHICLE_TIMEOUT in pile.kinds() or pile.charger.missing is not None


def test_after_a_time_out_the_dialogue_can_begin_again_and_charge() -> None:
    pile = Pile("nmc-car")
    pile.vehicle.command("silence BRM", pile.now_s)
    pile.run_until(ChargerPhase.TIMED_OUT, 30)
    pile.vehicle.command("speak BRM", pile.now_s)
    pile.run(2.0)
    assert pile.charger.reconnect(pile.now_s)
    pile.run_until(ChargerPhase.CHARGING, 20)
    assert pile.vehicle.bms.attempts == 2
