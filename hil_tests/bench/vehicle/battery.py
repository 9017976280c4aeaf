"""A traction battery as the charger meets it: a voltage behind a resistance that fills, warms and tapers.

Pure: the caller passes the elapsed time and the current. Current into the battery is positive. The
equivalent circuit is an open-circuit voltage over SoC, one resistor-capacitor pair for the slow polarisation, and a
series resistance; to the outside it is ``source_voltage_v`` behind ``resistance_ohm``.
"""

import enum
import math
from dataclasses import dataclass

from drivers.gbt27930.messages.table import CONSTANT_CURRENT, CONSTANT_VOLTAGE
from hil_tests.bench.vehicle.profile import Profile, interpolate

_LARGEST_STEP_S = 0.5
_TAIL_TIME_S = 5.0
_CELL_LIMIT_TIME_S = 0.5
_BACK_TO_CONSTANT_CURRENT = 1.15
"""Constant current is taken up again only when the pack would accept this much more than the limit."""

_DEMAND_ABOVE_ACCEPTED = 0.03
"""In the constant-voltage part the demand stays this fraction of the maximum current above what the pack accepts, so
that it is the voltage and not the current that the charger regulates to."""

_FULLEST_PERCENT = 110.0
"""Cells take some more than their nominal capacity; nothing in this model is true beyond this."""

_SMALLEST_DEMAND_A = 1.0


class EndReason(enum.Enum):
    """Why the battery ends the charge; the value is the field of BST for it."""

    SOC = "soc_target_reached"
    VOLTAGE = "voltage_target_reached"
    CELL_VOLTAGE = "cell_voltage_target_reached"


@dataclass(frozen=True, slots=True)
class Demand:
    """What the battery asks for: voltage in V, current in A, mode as in BCL (1 constant voltage, 2 current)."""

    voltage_v: float
    current_a: float
    mode: int


class Battery:
    """State of one pack."""

    def __init__(
        self, profile: Profile, *, soc_percent: float | None = None, target_soc_percent: float | None = None
    ) -> None:
        self.profile = profile
        self.soc_percent = profile.pack.soc_percent if soc_percent is None else soc_percent
        self.target_soc_percent = profile.pack.target_soc_percent if target_soc_percent is None else target_soc_percent
        self.temperature_c = profile.thermal.temperature_c
        self.insulation_kohm = profile.pack.insulation_kohm
        self.polarisation_v = 0.0
        self.charged_ah = 0.0
        self._current_a = 0.0
        self._charger_voltage_v = math.inf
        self._charger_current_a = math.inf
        self._constant_voltage = False
        self._tail_s = 0.0
        self._cell_limit_s = 0.0

    # --------------------------------------------------------------------------------------------- electrical side

    @property
    def resistance_ohm(self) -> float:
        """Series resistance of the pack."""
        return self.profile.pack.cells_in_series * self.profile.pack.cell_resistance_ohm

    @property
    def source_voltage_v(self) -> float:
        """Voltage behind the series resistance: open-circuit voltage and polarisation."""
        curve = self.profile.chemistry.open_circuit_voltage
        cell_v = interpolate(curve, self.soc_percent)
        if self.soc_percent > curve[-1][0]:
            # Beyond full the voltage rises on as steeply as before; without that an overcharge would never taper.
            (x0, y0), (x1, y1) = curve[-2:]
            cell_v += (self.soc_percent - x1) * (y1 - y0) / (x1 - x0)
        return self.profile.pack.cells_in_series * cell_v + self.polarisation_v

    @property
    def shown_soc_percent(self) -> float:
        """State of charge as the BMS reports it, at most 100 %."""
        return min(100.0, self.soc_percent)

    @property
    def terminal_voltage_v(self) -> float:
        """Voltage at the poles of the pack with the current of the last step."""
        return self.source_voltage_v + self._current_a * self.resistance_ohm

    @property
    def highest_cell_v(self) -> float:
        """Voltage of the highest cell."""
        return self._mean_cell_v + self.profile.pack.cell_spread_v

    @property
    def lowest_cell_v(self) -> float:
        """Voltage of the lowest cell."""
        return max(0.0, self._mean_cell_v - self.profile.pack.cell_spread_v)

    @property
    def _mean_cell_v(self) -> float:
        return self.terminal_voltage_v / self.profile.pack.cells_in_series

    def cell_voltages_v(self) -> list[float]:
        """Voltage of every cell, spread evenly between the lowest and the highest, in a fixed mixed order."""
        count = self.profile.pack.cells_in_series
        low, high = self.lowest_cell_v, self.highest_cell_v
        # Stepping by a prime visits every place once (no pack has a multiple of 37 cells) without being a ramp.
        return [low + (high - low) * (number * 37 % count) / max(1, count - 1) for number in range(count)]

    # ------------------------------------------------------------------------------------------------- temperature

    @property
    def highest_temperature_c(self) -> float:
        """Hottest measuring point."""
        return self.temperature_c + self.profile.thermal.spread_c / 2

    @property
    def lowest_temperature_c(self) -> float:
        """Coldest measuring point."""
        return self.temperature_c - self.profile.thermal.spread_c / 2

    def temperatures_c(self) -> list[float]:
        """All measuring points, coldest first."""
        points = self.profile.thermal.points
        low, high = self.lowest_temperature_c, self.highest_temperature_c
        return [low + (high - low) * number / max(1, points - 1) for number in range(points)]

    # -------------------------------------------------------------------------------------------------- flags (BSM)

    @property
    def over_temperature(self) -> bool:
        """The hottest point is above what BCP announces as permitted."""
        return self.highest_temperature_c > self.profile.thermal.maximum_c

    @property
    def cell_voltage_too_high(self) -> bool:
        """A cell is above its limit."""
        return self.highest_cell_v > self.profile.pack.maximum_cell_voltage_v

    @property
    def insulation_fault(self) -> bool:
        """Insulation of the pack at or below 100 ohm per volt (GB/T 18487.1)."""
        return self.insulation_kohm * 1000 <= 100.0 * self.source_voltage_v

    # ------------------------------------------------------------------------------------------------ what it wants

    def respect(self, maximum_voltage_v: float, maximum_current_a: float) -> None:
        """Keep the demand within what the charger can give (CML)."""
        self._charger_voltage_v = maximum_voltage_v
        self._charger_current_a = maximum_current_a

    @property
    def current_limit_a(self) -> float:
        """Largest charging current now: pack, temperature and charger, whichever is least."""
        pack = self.profile.pack
        hot = interpolate(self.profile.chemistry.current_limit, self.highest_temperature_c)
        cold = interpolate(self.profile.chemistry.current_limit, self.lowest_temperature_c)
        return min(pack.maximum_current_a * min(hot, cold), self._charger_current_a)

    @property
    def accepted_current_a(self) -> float:
        """Current that would flow with the charge voltage at the poles."""
        return max(0.0, (self._hold_voltage_v - self.source_voltage_v) / self.resistance_ohm)

    @property
    def _hold_voltage_v(self) -> float:
        return min(self.profile.charge_voltage_v, self._charger_voltage_v)

    def demand(self) -> Demand:
        """Voltage, current and mode to ask for now."""
        limit_a = self.current_limit_a
        accepted_a = self.accepted_current_a
        if accepted_a < limit_a:
            self._constant_voltage = True
        elif accepted_a > limit_a * _BACK_TO_CONSTANT_CURRENT:
            self._constant_voltage = False
        wanted_a = limit_a
        if self._constant_voltage:
            margin_a = self.profile.pack.maximum_current_a * _DEMAND_ABOVE_ACCEPTED
            wanted_a = min(limit_a, accepted_a + margin_a)
        mode = CONSTANT_VOLTAGE if self._constant_voltage else CONSTANT_CURRENT
        # Asking for less than a charger can give ends the charge (2023: demand below the minimum), and a full pack
        # reports it with BST, not with a demand of zero.
        return Demand(self._hold_voltage_v, max(min(_SMALLEST_DEMAND_A, limit_a), wanted_a), mode)

    def end_reason(self) -> EndReason | None:
        """Why charging should end now, or None."""
        if self.soc_percent >= self.target_soc_percent:
            return EndReason.SOC
        if self._cell_limit_s >= _CELL_LIMIT_TIME_S:
            return EndReason.CELL_VOLTAGE
        if self._tail_s >= _TAIL_TIME_S:
            return EndReason.VOLTAGE
        return None

    def remaining_min(self) -> int:
        """Estimated minutes to the target, rounded up; a fifth is added for the taper."""
        missing_ah = max(0.0, self.target_soc_percent - self.soc_percent) / 100 * self.profile.pack.capacity_ah
        return math.ceil(missing_ah / max(1.0, self.demand().current_a) * 60 * 1.2)

    # ----------------------------------------------------------------------------------------------------- in time

    def step(self, elapsed_s: float, current_a: float) -> None:
        """Let ``current_a`` flow for ``elapsed_s`` seconds."""
        self._current_a = current_a
        while elapsed_s > 0:
            part_s = min(elapsed_s, _LARGEST_STEP_S)
            self._advance(part_s, current_a)
            elapsed_s -= part_s

    def rest(self) -> None:
        """Reset the end conditions of the last charge for the next one."""
        self._tail_s = 0.0
        self._cell_limit_s = 0.0
        self._constant_voltage = False
        self.respect(math.inf, math.inf)

    def _advance(self, elapsed_s: float, current_a: float) -> None:
        pack, thermal = self.profile.pack, self.profile.thermal
        moved_ah = current_a * elapsed_s / 3600
        self.charged_ah += moved_ah
        self.soc_percent = min(_FULLEST_PERCENT, max(0.0, self.soc_percent + moved_ah / pack.capacity_ah * 100))

        settled_v = current_a * pack.cells_in_series * pack.cell_polarisation_ohm
        kept = math.exp(-elapsed_s / pack.polarisation_time_s)
        self.polarisation_v = settled_v + (self.polarisation_v - settled_v) * kept

        heat_w = current_a * current_a * self.resistance_ohm + current_a * self.polarisation_v
        lost_w = (self.temperature_c - thermal.ambient_c) * thermal.cooling_w_per_k
        self.temperature_c += (heat_w - lost_w) * elapsed_s / thermal.heat_capacity_j_per_k

        tail = self._constant_voltage and 0.2 < current_a < pack.tail_current_a
        self._tail_s = self._tail_s + elapsed_s if tail else 0.0
        self._cell_limit_s = self._cell_limit_s + elapsed_s if self.cell_voltage_too_high else 0.0
