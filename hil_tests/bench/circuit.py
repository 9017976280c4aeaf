"""The power circuit of pile and vehicle as a small electrical model: pure, stepped with the time that is handed in.

    modules - C_inside -> diode - K1/K2 - cable - C_outside - [K5/K6] - battery
                                                  | discharge resistor, passive bleed

The modules carry an output diode (as power modules with a "voltage behind the diode" reading do), so the battery never
feeds back into their capacitors. Each step solves the two node voltages implicitly: stable at any step length.
Component values are this project's choice for a plausible 60 kW pile; no standard gives them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CircuitParameters:
    """Component values in ohm, farad, henry."""

    inside_capacitance_f: float = 470e-6
    inside_bleed_on_ohm: float = 100e3
    # Modules that are off discharge their output actively: 1000 V to 60 V in about 1.3 s.
    inside_bleed_off_ohm: float = 1e3
    # Capacitance between diode and contactors: what a battery charges when K1/K2 close onto a lower inside voltage.
    terminal_capacitance_f: float = 1e-6
    link_resistance_ohm: float = 0.03
    link_inductance_h: float = 5e-6
    outside_capacitance_f: float = 10e-6
    # Slow on purpose: without the discharge resistor the outside stays charged for tens of seconds.
    outside_bleed_ohm: float = 2e6
    # 1000 V to 60 V (GB/T 18487.1: residual voltage within 1 s) with both capacitances on it takes 0.68 s.
    discharge_ohm: float = 500.0
    source_resistance_ohm: float = 0.005


@dataclass(frozen=True, slots=True)
class Source:
    """One power module as the circuit sees it: a voltage source with a current limit and no way back."""

    voltage_v: float
    current_limit_a: float


@dataclass(slots=True)
class Battery:
    """The vehicle behind K5/K6."""

    open_circuit_voltage_v: float = 0.0
    resistance_ohm: float = 0.1
    connected: bool = False


@dataclass(slots=True)
class Contactor:
    """One pole: follows its coil with the delays of a real contactor, unless welded or jammed."""

    name: str
    close_delay_s: float = 0.025
    open_delay_s: float = 0.010
    closed: bool = False
    welded: bool = False
    jammed: bool = False
    _target: bool = False
    _moves_at_s: float = 0.0

    def step(self, coil_on: bool, now_s: float) -> None:
        """Follow the coil; the contact moves after its delay."""
        if coil_on != self._target:
            self._target = coil_on
            self._moves_at_s = now_s + (self.close_delay_s if coil_on else self.open_delay_s)
        if self.welded:
            self.closed = True
        elif now_s >= self._moves_at_s and self.closed != self._target and not (self._target and self.jammed):
            self.closed = self._target


@dataclass(slots=True)
class Circuit:
    """Node voltages in V, currents in A (positive into the vehicle)."""

    parameters: CircuitParameters = field(default_factory=CircuitParameters)
    module_voltage_v: float = 0.0
    outside_voltage_v: float = 0.0
    current_a: float = 0.0
    battery_current_a: float = 0.0
    source_currents_a: list[float] = field(default_factory=list)
    inrush_peak_a: float = 0.0
    _link_closed: bool = False

    @property
    def inside_voltage_v(self) -> float:
        """Voltage between diode and contactors: with the contactors closed the higher side shows."""
        if self._link_closed:
            return max(self.module_voltage_v, self.outside_voltage_v)
        return self.module_voltage_v

    def step(
        self, dt_s: float, sources: Sequence[Source], contactors_closed: bool, discharge: bool, battery: Battery
    ) -> None:
        """Advance by ``dt_s`` seconds (0 < dt_s, about 10 ms at most for accurate ramps)."""
        parts = self.parameters
        if contactors_closed and not self._link_closed:
            self._track_inrush(battery)
        self._link_closed = contactors_closed

        # Outside node alone, link not conducting: voltage and stiffness.
        outside_g = parts.outside_capacitance_f / dt_s + 1.0 / parts.outside_bleed_ohm
        outside_in_a = parts.outside_capacitance_f / dt_s * self.outside_voltage_v
        if discharge:
            outside_g += 1.0 / parts.discharge_ohm
        if battery.connected:
            outside_g += 1.0 / battery.resistance_ohm
            outside_in_a += battery.open_circuit_voltage_v / battery.resistance_ohm
        outside_alone_v = outside_in_a / outside_g
        link_g = 1.0 / (parts.link_resistance_ohm + 1.0 / outside_g) if contactors_closed else 0.0

        bleed_ohm = parts.inside_bleed_on_ohm if sources else parts.inside_bleed_off_ohm
        inside_g = parts.inside_capacitance_f / dt_s + 1.0 / bleed_ohm
        inside_in_a = parts.inside_capacitance_f / dt_s * self.module_voltage_v
        inside_v = self._solve_inside(sources, inside_g, inside_in_a, link_g, outside_alone_v)

        link_a = max(0.0, (inside_v - outside_alone_v) * link_g)
        self.source_currents_a = [_source_current_a(source, inside_v, parts) for source in sources]
        self.module_voltage_v = inside_v
        self.outside_voltage_v = outside_alone_v + link_a / outside_g
        self.current_a = link_a
        self.battery_current_a = (
            (self.outside_voltage_v - battery.open_circuit_voltage_v) / battery.resistance_ohm
            if battery.connected
            else 0.0
        )

    def _solve_inside(
        self, sources: Sequence[Source], inside_g: float, inside_in_a: float, link_g: float, outside_alone_v: float
    ) -> float:
        """Inside voltage at which all currents balance.

        The balance rises steadily with the voltage and is made of straight pieces: Newton steps inside a bracket.
        """
        low_v = 0.0
        high_v = max([inside_in_a / inside_g, *(source.voltage_v for source in sources)]) + 1.0
        voltage_v = min(max(self.module_voltage_v, low_v), high_v)
        for _ in range(60):
            balance_a = voltage_v * inside_g - inside_in_a
            slope = inside_g
            if voltage_v > outside_alone_v:
                balance_a += (voltage_v - outside_alone_v) * link_g
                slope += link_g
            for source in sources:
                current_a = _source_current_a(source, voltage_v, self.parameters)
                balance_a -= current_a
                if 0.0 < current_a < source.current_limit_a:
                    slope += 1.0 / self.parameters.source_resistance_ohm
            if abs(balance_a) < 1e-6:
                break
            if balance_a > 0.0:
                high_v = voltage_v
            else:
                low_v = voltage_v
            voltage_v -= balance_a / slope
            if not low_v < voltage_v < high_v:
                voltage_v = (low_v + high_v) / 2.0
        return voltage_v

    def _track_inrush(self, battery: Battery) -> None:
        """Peak current at the instant of closing: voltage difference over resistance plus surge impedance.

        The step length of this model is far longer than the surge, so the peak is computed, not stepped.
        """
        parts = self.parameters
        difference_v = self.module_voltage_v - self.outside_voltage_v
        resistance_ohm = parts.link_resistance_ohm
        if battery.connected:
            resistance_ohm += battery.resistance_ohm
        if difference_v < 0.0:
            charged_f = parts.terminal_capacitance_f
        elif battery.connected:
            charged_f = parts.inside_capacitance_f
        else:
            charged_f = parts.outside_capacitance_f
        surge_ohm = math.sqrt(parts.link_inductance_h / charged_f)
        self.inrush_peak_a = max(self.inrush_peak_a, abs(difference_v) / (resistance_ohm + surge_ohm))


def _source_current_a(source: Source, inside_voltage_v: float, parts: CircuitParameters) -> float:
    wanted_a = (source.voltage_v - inside_voltage_v) / parts.source_resistance_ohm
    return min(max(wanted_a, 0.0), source.current_limit_a)
