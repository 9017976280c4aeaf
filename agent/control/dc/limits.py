"""What the output may be now: the least of all limits, with the name of the one that binds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from agent.control.dc.parameters import ControlParameters
from agent.control.dc.power_share import PowerShare


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """Ceilings of the output and who sets the lowest current."""

    voltage_v: float
    current_a: float
    power_w: float
    by: str
    power_by: str = "power"
    """Who sets the power, where the power binds."""


def pile_limit(parameters: ControlParameters, derate_share: float) -> OutputLimit:
    """Ratings of the pile, the current lowered to ``derate_share`` (0 to 1) when the connector is hot."""
    return OutputLimit(
        voltage_v=parameters.maximum_voltage_v,
        current_a=parameters.maximum_current_a * derate_share,
        power_w=parameters.maximum_power_w,
        by="pile" if derate_share >= 1.0 else "temperature",
    )


def shared(limit: OutputLimit, share: PowerShare | None, now_s: float) -> OutputLimit:
    """The limit within this connector's share of the pile's power; unchanged without a share."""
    if share is None:
        return limit
    power_w, current_a, by = share.at(now_s)
    tighter = current_a < limit.current_a
    return OutputLimit(
        voltage_v=limit.voltage_v,
        current_a=current_a if tighter else limit.current_a,
        power_w=min(power_w, limit.power_w),
        by=by if tighter else limit.by,
        power_by=by if power_w < limit.power_w else limit.power_by,
    )


def combine(
    base: OutputLimit, voltage_v: float, currents: Iterable[tuple[str, float]], module_current_a: float | None
) -> OutputLimit:
    """The output at ``voltage_v``: the least of base, power limit at this voltage, modules and ``currents``.

    ``currents`` are (name, ampere) pairs. Negative and non-finite values count as zero: what makes no sense
    permits nothing.
    """
    candidates = [(base.by, base.current_a)]
    if voltage_v > 0:
        candidates.append((base.power_by, base.power_w / voltage_v))
    if module_current_a is not None:
        candidates.append(("modules", module_current_a))
    candidates.extend(currents)
    by, current_a = min(
        ((name, value if math.isfinite(value) else 0.0) for name, value in candidates), key=lambda pair: pair[1]
    )
    return OutputLimit(
        voltage_v=min(base.voltage_v, voltage_v) if voltage_v > 0 else 0.0,
        current_a=max(0.0, current_a),
        power_w=base.power_w,
        by=by,
        power_by=base.power_by,
    )


def derate_share(temperature_c: float | None, derate_c: float, stop_c: float) -> float:
    """Share of the rated current at a contact temperature: 1 below ``derate_c``, then falling to 0.3 at ``stop_c``.

    The slope is this project's own; GB 44263-2024 only asks that current be reduced or stopped before 105 degC.
    An unknown temperature permits nothing.
    """
    if temperature_c is None:
        return 0.0
    if temperature_c <= derate_c:
        return 1.0
    if temperature_c >= stop_c:
        return 0.3
    return 1.0 - 0.7 * (temperature_c - derate_c) / (stop_c - derate_c)
