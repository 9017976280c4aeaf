"""Everything physical around the agent in one place: plug, door, contactors, circuit, meter, heat. Pure.

Time comes in through ``advance``; nothing here reads a clock. Between calls the plant does not change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hil_tests.bench.circuit import Battery, Circuit, Contactor, Source
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.wiring import Wiring

LONGEST_STEP_S = 0.01
# A process that slept longer than this (a suspended laptop) does not live through the time it missed.
LONGEST_CATCH_UP_S = 2.0

_LOCK_TRAVEL_S = 0.1
_AUXILIARY_V = 12.0
_CLEAN_INSULATION_KOHM = 5000.0
# What the insulation monitor shows while its relay disconnects it: the top of its range.
_UNCONNECTED_KOHM = 10000.0

# GB/T 18487.1 static values of CC1: (plugged, switch S pressed) to V.
_CC1_V = {(False, False): 6.0, (False, True): 12.0, (True, False): 4.0, (True, True): 6.0}

_AMBIENT_C = 25.0
# Contacts: 50 K above ambient at 250 A, with a thermal time of five minutes (choice of this bench).
_HEATING_C_PER_A2 = 50.0 / 250.0**2
_CONTACT_TIME_S = 300.0


@dataclass(slots=True)
class Inputs:
    """What a person at the pile can touch."""

    plugged: bool = False
    button_pressed: bool = False
    emergency_stop_pressed: bool = False
    door_open: bool = False
    smoke_detected: bool = False
    leak_kohm: float | None = None


@dataclass(slots=True)
class MeterValues:
    """What flows past the meter; energy is exact here and becomes a register value in the meter."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    energy_wh: float = 1_234_567.0

    @property
    def register_wh(self) -> int:
        """The energy register: whole watt-hours that have been completed."""
        return int(self.energy_wh)


class Feeding(Protocol):
    """Power modules as the circuit of one gun needs them."""

    def sources(self, dt_s: float, now_s: float) -> list[Source]:
        """Sources of the modules that deliver, for the next ``dt_s`` seconds."""

    def feed_back(self, output_voltage_v: float, currents_a: Sequence[float]) -> None:
        """What the circuit made of the last ``sources``: voltage in V, and the current of each source in A."""


@dataclass(slots=True)
class Plant:
    """The physical world of the bench.

    ``relays`` is None when the inputs-and-outputs board is left out: then every output counts as off.
    ``stage`` is None when the power stage is left out: then ``foreign_source`` feeds the circuit, if set.
    """

    wiring: Wiring
    relays: RelayBoard | None = None
    stage: Feeding | None = None
    inputs: Inputs = field(default_factory=Inputs)
    battery: Battery = field(default_factory=Battery)
    circuit: Circuit = field(default_factory=Circuit)
    meter: MeterValues = field(default_factory=MeterValues)
    foreign_source: Source | None = None
    contactor_k1: Contactor = field(default_factory=lambda: Contactor("K1"))
    contactor_k2: Contactor = field(default_factory=lambda: Contactor("K2"))
    lock_locked: bool = False
    contact_plus_c: float = _AMBIENT_C
    contact_minus_c: float = _AMBIENT_C
    forced_contact_c: float | None = None
    now_s: float | None = None
    contactors_opened_at_s: float | None = None
    contactors_closed_at_s: float | None = None
    _coils: tuple[bool, ...] = ()
    _lock_moves_at_s: float | None = None

    def advance(self, now_s: float) -> None:
        """Live from the last call to ``now_s`` (monotonic seconds) in equal steps of at most 10 ms."""
        if self.now_s is None:
            self.now_s = now_s
        start_s = max(self.now_s, now_s - LONGEST_CATCH_UP_S)
        elapsed_s = now_s - start_s
        if elapsed_s <= 0.0:
            return
        steps = math.ceil(elapsed_s / LONGEST_STEP_S)
        for step in range(1, steps + 1):
            self._step(elapsed_s / steps, start_s + elapsed_s * step / steps)
        self.now_s = now_s

    def output(self, name: str) -> bool:
        """Whether the relay of that name is closed."""
        return bool(self._coils) and self._coils[self.wiring.outputs[name]]

    @property
    def coils(self) -> dict[str, bool]:
        """All relays, keyed by name."""
        return {name: self.output(name) for name in self.wiring.outputs}

    @property
    def contactors_closed(self) -> bool:
        """Whether current can flow: both poles closed."""
        return self.contactor_k1.closed and self.contactor_k2.closed

    @property
    def cc1_voltage_v(self) -> float:
        """Voltage at detection point 1."""
        return _CC1_V[self.inputs.plugged, self.inputs.button_pressed]

    @property
    def auxiliary_voltage_v(self) -> float:
        """Low-voltage supply towards the vehicle."""
        return _AUXILIARY_V if self.output("auxiliary_supply") else 0.0

    @property
    def terminal_voltage_v(self) -> float:
        """Voltage at the vehicle's inlet: the outside voltage while plugged."""
        return self.circuit.outside_voltage_v if self.inputs.plugged else 0.0

    @property
    def discrete_inputs(self) -> dict[str, bool]:
        """The meaning of each discrete input, keyed by name in the wiring file."""
        return {
            "emergency_stop_pressed": self.inputs.emergency_stop_pressed,
            "door_open": self.inputs.door_open,
            "smoke_detected": self.inputs.smoke_detected,
            "contactor_k1_closed": self.contactor_k1.closed,
            "contactor_k2_closed": self.contactor_k2.closed,
            "lock_locked": self.lock_locked,
        }

    @property
    def analog_inputs(self) -> dict[str, float]:
        """The value at each analogue input, keyed by name in the wiring file."""
        return {
            "cc1_voltage_v": self.cc1_voltage_v,
            "outside_voltage_v": self.circuit.outside_voltage_v,
            "inside_voltage_v": self.circuit.inside_voltage_v,
            "connector_temperature_plus_c": self.contact_plus_c,
            "connector_temperature_minus_c": self.contact_minus_c,
            "auxiliary_voltage_v": self.auxiliary_voltage_v,
        }

    @property
    def insulation_kohm(self) -> float:
        """Resistance of each pole to earth as the insulation monitor sees it, kilo-ohm."""
        if not self.output("insulation_monitor"):
            return _UNCONNECTED_KOHM
        if self.inputs.leak_kohm is None:
            return _CLEAN_INSULATION_KOHM
        return min(self.inputs.leak_kohm, _CLEAN_INSULATION_KOHM)

    @property
    def insulation_voltage_v(self) -> float:
        """System voltage as the insulation monitor sees it."""
        return self.circuit.outside_voltage_v if self.output("insulation_monitor") else 0.0

    def plug(self) -> None:
        """Put the connector into the vehicle; the inrush record is reset."""
        self.inputs.plugged = True
        self.circuit.inrush_peak_a = 0.0

    def unplug(self) -> None:
        """Pull the connector out; the vehicle is gone at once, locked or not."""
        self.inputs.plugged = False
        self.lock_locked = False

    def cool_contacts(self) -> None:
        """Contacts at ambient temperature; from here on only the current heats them."""
        self.forced_contact_c = None
        self.contact_plus_c = self.contact_minus_c = _AMBIENT_C

    def _step(self, dt_s: float, now_s: float) -> None:
        if self.relays is not None:
            self._coils = self.relays.closed(now_s)
        was_closed = self.contactors_closed
        self.contactor_k1.step(self.output("contactor_k1"), now_s)
        self.contactor_k2.step(self.output("contactor_k2"), now_s)
        if self.contactors_closed and not was_closed:
            self.contactors_closed_at_s = now_s
        elif was_closed and not self.contactors_closed:
            self.contactors_opened_at_s = now_s
        self._move_lock(now_s)
        self._step_circuit(dt_s, now_s)
        self._warm_contacts(dt_s)

    def _step_circuit(self, dt_s: float, now_s: float) -> None:
        if self.stage is not None:
            sources = self.stage.sources(dt_s, now_s)
        else:
            sources = [self.foreign_source] if self.foreign_source is not None else []
        battery = Battery(
            self.battery.open_circuit_voltage_v,
            self.battery.resistance_ohm,
            self.battery.connected and self.inputs.plugged,
        )
        circuit = self.circuit
        circuit.step(dt_s, sources, self.contactors_closed, self.output("discharge"), battery)
        if self.stage is not None:
            self.stage.feed_back(circuit.module_voltage_v, circuit.source_currents_a)
        self.meter.voltage_v, self.meter.current_a = circuit.outside_voltage_v, circuit.current_a
        self.meter.energy_wh += circuit.outside_voltage_v * circuit.current_a * dt_s / 3600.0

    def _move_lock(self, now_s: float) -> None:
        wanted = self.output("electronic_lock") and self.inputs.plugged
        if wanted == self.lock_locked:
            self._lock_moves_at_s = None
        elif self._lock_moves_at_s is None:
            self._lock_moves_at_s = now_s + _LOCK_TRAVEL_S
        elif now_s >= self._lock_moves_at_s:
            self.lock_locked = wanted
            self._lock_moves_at_s = None

    def _warm_contacts(self, dt_s: float) -> None:
        if self.forced_contact_c is not None:
            self.contact_plus_c = self.contact_minus_c = self.forced_contact_c
            return
        goal_c = _AMBIENT_C + _HEATING_C_PER_A2 * self.circuit.current_a**2
        share = min(dt_s / _CONTACT_TIME_S, 1.0)
        self.contact_plus_c += (goal_c - self.contact_plus_c) * share
        # The second contact sits better in the air: a little cooler, as real pairs differ.
        self.contact_minus_c += (_AMBIENT_C + 0.95 * (goal_c - _AMBIENT_C) - self.contact_minus_c) * share
