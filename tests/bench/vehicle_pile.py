"""A pile that does what the charger's side asks of it, in virtual time, with a small electrical model and a vehicle."""

import pytest

from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits, Event, EventKind
from drivers.gbt27930.charger.dialogue import Phase as ChargerPhase
from hil_tests.bench.vehicle.bms import Inlet, Phase
from hil_tests.bench.vehicle.profile import load_profile
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
            if self.terminal_v != pytest.approx(told_v, rel=0.05):
                self._precharge_s = self.now_s + 0.1  # the battery must be seen before precharge
            else:
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
