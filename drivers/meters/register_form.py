"""The energy register of a meter according to its map: resolution and roll-over."""

from dataclasses import dataclass
from fractions import Fraction

from drivers.meters.modbus_map import Field, RegisterMap
from drivers.meters.register_map import AnyMap
from drivers.meters.signals import ENERGY_SIGNAL, UNIT_FACTORS


@dataclass(frozen=True, slots=True)
class RegisterForm:
    """The energy register as the meter counts it. What the map does not give is None and never guessed."""

    step_mwh: int | None = None
    """Energy of one digit, thousandths of a Wh: 10_000 is the 0.01 kWh of many meters."""
    modulus_wh: int | None = None
    """Register at which the meter begins again at 0, whole Wh (rounded down)."""
    unit_disputed: bool = False
    """Sources differ on the unit: it must be proven against the display."""

    @property
    def step_wh(self) -> int:
        """One digit in whole Wh, rounded up, at least 1: how far two right readings may differ by resolution alone."""
        return 1 if self.step_mwh is None else max(1, -(-self.step_mwh // 1000))


def register_form(meter_map: AnyMap, energy_unit_wh: float = 1.0, channel: int = 1) -> RegisterForm:
    """The register that is billed. ``energy_unit_wh`` corrects the unit of the map, as ``Meter`` takes it.

    Floats, exponent registers, ratios and places that differ between firmware versions have no digit that is known
    beforehand: no resolution, no modulus.
    """
    parts = meter_map.fields if isinstance(meter_map, RegisterMap) else meter_map.items
    wanted = 1 if isinstance(meter_map, RegisterMap) and meter_map.channel_address_step else channel
    found = [part for part in parts if part.signal == ENERGY_SIGNAL and part.channel == wanted]
    disputed = meter_map.energy_unit_disputed
    if len(found) != 1:
        return RegisterForm(unit_disputed=disputed)
    [part] = found
    if isinstance(part, Field) and (part.type == "f32" or part.exponent_register is not None or part.ratios):
        return RegisterForm(unit_disputed=disputed)
    digit = Fraction(str(part.scale)) * Fraction(UNIT_FACTORS[part.unit][1]) * Fraction(str(energy_unit_wh))
    step_mwh = digit * 1000
    return RegisterForm(
        step_mwh=int(step_mwh) if step_mwh.denominator == 1 else None,
        modulus_wh=None if part.modulus is None else int(part.modulus * digit),
        unit_disputed=disputed,
    )
