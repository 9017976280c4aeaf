"""Proves the unit of a meter's energy register: the register compared with the display."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from agent.cli.meter.survey import Survey
from agent.cli.screen import Screen
from drivers.text import Language, Text

_UNITS = tuple(Fraction(10) ** power for power in range(-3, 4))
"""Factors that a unit can be wrong by: a power of ten."""
_TOLERANCE = Fraction(1, 100)
_LEAST_WH = 1000
"""A display of less than 1 kWh proves nothing: its rounding hides a power of ten."""
_ENERGY = ("meter_energy_wh", "energy_import_wh", "energy_total_wh")


@dataclass(frozen=True, slots=True)
class Proof:
    """The register as read, the display, and the ``energy_unit_wh`` with which they agree."""

    signal: str
    register_wh: int
    display_wh: int
    energy_unit_wh: Fraction


def prove(survey: Survey, energy_unit_wh: float, display_kwh: float) -> Proof | None:
    """The factor for the site file, or None if there is no power of ten with which register and display agree.

    ``energy_unit_wh`` is the factor that was already applied when the survey was read.
    """
    display_wh = round(display_kwh * 1000)
    applied = Fraction(str(energy_unit_wh))
    if display_wh < _LEAST_WH:
        return None
    for signal in _ENERGY:
        value = survey.value(signal)
        if value is None:
            continue
        bare_wh = Fraction(value) / applied
        for unit in _UNITS:
            if abs(bare_wh * unit - display_wh) <= _TOLERANCE * display_wh:
                return Proof(signal, int(value), display_wh, unit)
    return None


def show_proof(screen: Screen, language: Language, proof: Proof | None) -> None:
    """What to write into the site file."""
    if proof is None:
        screen.line(
            Text(
                "寄存器与显示不符(或显示小于 1 kWh):检查型号、通道和互感器变比",
                "register and display do not agree (or show less than 1 kWh): check model, channel and ratios",
            ).in_(language),
            "bold yellow",
        )
        return
    screen.line(
        Text(
            "寄存器与显示相符,写入现场文件 [connector.meter]:",
            "register and display agree; enter in [connector.meter] of the site file:",
        ).in_(language),
        "bold green",
    )
    screen.line(f"energy_unit_wh = {float(proof.energy_unit_wh):g}")


def proof_document(proof: Proof | None) -> dict[str, Any] | None:
    """The same for machines."""
    if proof is None:
        return None
    return {
        "signal": proof.signal,
        "register_wh": proof.register_wh,
        "display_wh": proof.display_wh,
        "energy_unit_wh": float(proof.energy_unit_wh),
    }
