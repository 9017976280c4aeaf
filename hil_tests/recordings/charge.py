"""One charge on paper: charger side and vehicle, both pure, with a wire between them that can be tampered with.

Virtual time, so an hour of charging takes seconds; every frame that passed the wire is kept with its time.
"""

from collections.abc import Callable

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits, EventKind, Phase, StopCause
from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.profile import load_profile
from hil_tests.bench.vehicle.vehicle import Vehicle

LIMITS = ChargerLimits(maximum_voltage_v=750.0, minimum_voltage_v=200.0, maximum_current_a=200.0, minimum_current_a=1.0)
POWER_W = 60_000.0
CABLE_OHM = 0.01
RISE_A_PER_S, FALL_A_PER_S = 20.0, 100.0
INSULATION_TEST_S = 3.0
PRECHARGE_S = 1.5
RECONNECT_AFTER_S = 2.0
LONGEST_STEP_S = 0.01

Tamper = Callable[[float, CanFrame], list[CanFrame]]
"""What becomes of a frame on the wire at this time: nothing, itself, another one, several."""


def untouched(_now_s: float, frame: CanFrame) -> list[CanFrame]:
    """A good wire."""
    return [frame]


class Charge:
    """A pile and a vehicle that charges. ``frames`` is what passed the wire: time in s and frame, oldest first."""

    def __init__(
        self, profile: str, *, soc_percent: float | None = None, seed: int = 0, tamper: Tamper = untouched
    ) -> None:
        self.vehicle = Vehicle(load_profile(profile), soc_percent=soc_percent, seed=seed)
        self.charger = Charger(charger_number=4711, limits=LIMITS)
        self.charger.local_time = (2026, 3, 19, 10, 30, 0)
        self.frames: list[tuple[float, CanFrame]] = []
        self.now_s = 0.0
        self._tamper = tamper
        self._auxiliary_on = True
        self._closed = False
        self._current_a = 0.0
        self._terminal_v = 0.0
        self._energy_wh = 0.0
        self._due: dict[str, float] = {}
        self.charger.begin(self.now_s)

    def run(self, seconds: float) -> "Charge":
        """Let so much time pass."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self._step()
        return self

    def run_until(self, phase: Phase, longest_s: float) -> "Charge":
        """Let time pass until the charger is in ``phase``. Raises TimeoutError when it does not get there."""
        end_s = self.now_s + longest_s
        while self.charger.phase is not phase:
            if self.now_s >= end_s:
                raise TimeoutError(
                    f"the charger is {self.charger.phase.value} after {longest_s:g} s, not {phase.value}"
                )
            self._step()
        return self

    def stop(self, cause: StopCause) -> None:
        """The pile ends the charge."""
        self.charger.stop(self.now_s, cause)

    def tell(self, command: str) -> None:
        """Give the vehicle a command. Raises ValueError when it does not take it."""
        reply = self.vehicle.command(command, self.now_s)
        if not reply.ok:
            raise ValueError(reply.reply)

    # ----------------------------------------------------------------------------------------------------- internals

    def _step(self) -> None:
        dues = (self.vehicle.next_due(self.now_s), self.charger.next_due(), self.now_s + LONGEST_STEP_S)
        elapsed_s = max(0.001, min(due for due in dues if due is not None) - self.now_s)
        self.now_s += elapsed_s
        self._flow(elapsed_s)
        self._talk()
        self._control()

    def _flow(self, elapsed_s: float) -> None:
        source, bcl = self.vehicle.source, self.charger.vehicle.bcl
        connected = self._closed and source.contactors_closed
        wanted_a = 0.0
        if connected and bcl is not None and self.charger.phase is Phase.CHARGING and not self.charger.paused:
            demand_v, demand_a = bcl.values["voltage_v"], bcl.values["current_a"]
            held_a = (demand_v - source.open_circuit_voltage_v) / (source.resistance_ohm + CABLE_OHM)
            wanted_a = max(0.0, min(demand_a, held_a, LIMITS.maximum_current_a, POWER_W / demand_v))
        if not connected:
            self._current_a = 0.0
        elif wanted_a > self._current_a:
            self._current_a = min(wanted_a, self._current_a + RISE_A_PER_S * elapsed_s)
        else:
            self._current_a = max(wanted_a, self._current_a - FALL_A_PER_S * elapsed_s)
        self._energy_wh += self._terminal_v * self._current_a * elapsed_s / 3600
        voltage_v = source.open_circuit_voltage_v + self._current_a * source.resistance_ohm
        self._terminal_v = voltage_v if source.contactors_closed else 0.0
        auxiliary_v = 12.0 if self._auxiliary_on else 0.0
        self.vehicle.sense(Inlet(True, auxiliary_v, self._terminal_v, self._current_a), self.now_s)

    def _talk(self) -> None:
        """Carry frames to and fro until both sides are quiet; each takes its time on the wire."""
        at_s = self.now_s
        while True:
            from_vehicle, from_charger = self.vehicle.poll(self.now_s), self.charger.poll(self.now_s)
            if not from_vehicle and not from_charger:
                return
            for frame, receive in (
                *((frame, self.charger.receive) for frame in from_vehicle),
                *((frame, self.vehicle.receive) for frame in from_charger),
            ):
                for passed in self._tamper(self.now_s, frame):
                    self.frames.append((at_s, passed))
                    receive(passed, self.now_s)
                    at_s += 0.0005  # a full frame at 250 kbit/s

    def _control(self) -> None:
        charger = self.charger
        for event in charger.events():
            if event.kind is EventKind.VEHICLE_VOLTAGE:
                self._due["insulation"] = self.now_s + INSULATION_TEST_S
            elif event.kind is EventKind.READY:
                self._due["precharge"] = self.now_s + PRECHARGE_S
            elif event.kind in (EventKind.TIMEOUT, EventKind.VEHICLE_TIMEOUT):
                self._due["reconnect"] = self.now_s + RECONNECT_AFTER_S
            elif event.kind is EventKind.STATISTICS:
                self._due["off"] = self.now_s + 0.8
                charger.set_totals(int(self.now_s / 60), round(self._energy_wh))
        if self._is_due("insulation"):
            charger.insulation_passed(self.now_s)
        if self._is_due("precharge"):
            self._closed = True
            charger.output_ready(self.now_s)
        if self._is_due("reconnect"):
            charger.reconnect(self.now_s)
        if self._is_due("off"):
            charger.finish(self.now_s)
            self._auxiliary_on = False
        charger.set_output(self._terminal_v, self._current_a, True, int(self.now_s / 60))
        if charger.phase is Phase.CHARGING:
            return
        if self._current_a < 1.0 and charger.phase is not Phase.READY:
            self._closed = False

    def _is_due(self, name: str) -> bool:
        due_s = self._due.get(name)
        if due_s is None or self.now_s < due_s:
            return False
        del self._due[name]
        return True
