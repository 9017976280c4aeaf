"""Vehicle and charger side, both pure, back to back in virtual time with a small electrical model between them."""

from collections import Counter

import pytest

from drivers.bms.charger import Charger, ChargerLimits, Event, EventKind, StopCause
from drivers.bms.charger import Phase as ChargerPhase
from hil_tests.bench.vehicle.bms import Inlet, Phase
from hil_tests.bench.vehicle.profile import load_profile, profile_names
from hil_tests.bench.vehicle.vehicle import Vehicle

LIMITS = ChargerLimits(1000.0, 200.0, 150.0, 1.0)
PILE_POWER_W = 60_000.0
CABLE_OHM = 0.01
RISE_A_PER_S, FALL_A_PER_S = 20.0, 100.0
INSULATION_TEST_S = 3.0
PRECHARGE_S = 1.5
LONGEST_STEP_S = 0.01


class Pile:
    """A pile that does what the charger's side asks of it, as simply as it can, and a cable to the vehicle."""

    def __init__(self, profile: str, soc_percent: float | None = None) -> None:
        self.vehicle = Vehicle(load_profile(profile), soc_percent=soc_percent)
        self.charger = Charger(charger_number=7, limits=LIMITS)
        self.now_s = 0.0
        self.auxiliary_on = True
        self.output_closed = False
        self.current_a = 0.0
        self.events: list[Event] = []
        self.modes: list[int] = []
        self.course: list[tuple[float, float]] = []
        self.current_at_opening_a: float | None = None
        self.deaf = False
        self._insulation_s: float | None = None
        self._precharge_s: float | None = None
        self._off_s: float | None = None
        self.charger.begin(self.now_s)

    def run_until(self, done: ChargerPhase | Phase, longest_s: float) -> None:
        """Let time pass until charger or vehicle is in this phase."""
        end_s = self.now_s + longest_s
        while done not in (self.charger.phase, self.vehicle.bms.phase):
            assert self.now_s < end_s, f"{self.charger.status()} {self.vehicle.report(self.now_s)}"
            self._step()

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self._step()

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    def _step(self) -> None:
        due_s = self.vehicle.next_due(self.now_s)
        charger_due_s = self.charger.next_due()
        if charger_due_s is not None:
            due_s = min(due_s, charger_due_s)
        elapsed_s = min(LONGEST_STEP_S, max(0.001, due_s - self.now_s))
        self.now_s += elapsed_s
        self._flow(elapsed_s)
        self._talk()
        self._control()

    def _flow(self, elapsed_s: float) -> None:
        source = self.vehicle.source
        connected = self.output_closed and source.contactors_closed
        wanted_a = 0.0
        bcl = self.charger.vehicle.bcl
        if connected and bcl is not None and self.charger.phase is ChargerPhase.CHARGING and not self.charger.paused:
            demand_v, demand_a = bcl.values["voltage_v"], bcl.values["current_a"]
            held_a = (demand_v - source.open_circuit_voltage_v) / (source.resistance_ohm + CABLE_OHM)
            wanted_a = max(0.0, min(demand_a, held_a, LIMITS.maximum_current_a, PILE_POWER_W / demand_v))
        if not connected:
            if self.current_a > 0 and self.output_closed:
                self.current_at_opening_a = self.current_a
            self.current_a = 0.0
        elif wanted_a > self.current_a:
            self.current_a = min(wanted_a, self.current_a + RISE_A_PER_S * elapsed_s)
        else:
            self.current_a = max(wanted_a, self.current_a - FALL_A_PER_S * elapsed_s)
        voltage_v = source.open_circuit_voltage_v + self.current_a * source.resistance_ohm
        self.terminal_v = voltage_v if source.contactors_closed else 0.0
        auxiliary_v = 12.0 if self.auxiliary_on else 0.0
        self.vehicle.sense(Inlet(True, auxiliary_v, self.terminal_v, self.current_a), self.now_s)

    def _talk(self) -> None:
        for _ in range(20):
            from_vehicle = self.vehicle.poll(self.now_s)
            from_charger = [] if self.deaf else self.charger.poll(self.now_s)
            if not from_vehicle and not from_charger:
                return
            for frame in from_vehicle:
                if not self.deaf:
                    self.charger.receive(frame, self.now_s)
            for frame in from_charger:
                self.vehicle.receive(frame, self.now_s)
        raise AssertionError("the two sides never fall silent")

    def _control(self) -> None:
        charger = self.charger
        for event in charger.events():
            self.events.append(event)
            if event.kind is EventKind.VEHICLE_VOLTAGE:
                self._insulation_s = self.now_s + INSULATION_TEST_S
            elif event.kind is EventKind.READY:
                self._precharge_s = self.now_s + PRECHARGE_S
        if self._insulation_s is not None and self.now_s >= self._insulation_s:
            self._insulation_s = None
            charger.insulation_passed(self.now_s)
        if self._precharge_s is not None and self.now_s >= self._precharge_s:
            self._precharge_s = None
            assert charger.vehicle.bcp is not None
            told_v = charger.vehicle.bcp.values["battery_voltage_v"]
            assert self.terminal_v == pytest.approx(told_v, rel=0.05), "the battery must be seen before precharge"
            self.output_closed = True
            charger.output_ready(self.now_s)
        if charger.phase is ChargerPhase.CHARGING:
            charger.set_output(self.terminal_v, self.current_a, True, int(self.now_s / 60))
            self.course.append((self.now_s, self.current_a))
            assert charger.vehicle.bcl is not None
            self.modes.append(charger.vehicle.bcl.values["mode"])
        elif self.current_a < 1.0:
            self.output_closed = self.output_closed and charger.phase is ChargerPhase.READY
        if charger.phase is ChargerPhase.ENDING:
            self._off_s = self._off_s or self.now_s + 0.5
            if self.now_s >= self._off_s:
                charger.finish(self.now_s)
                self.auxiliary_on = False


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
    expected_a = min(pile.vehicle.battery.current_limit_a, PILE_POWER_W / pile.vehicle.battery.demand().voltage_v)
    assert pile.current_a == pytest.approx(expected_a, rel=0.02)


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
