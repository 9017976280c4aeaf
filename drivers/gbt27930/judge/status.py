"""What the vehicle measures (BCS, BSM, BMV, BMT): against its own limits, and against what others measure."""

from collections.abc import Mapping
from typing import Any

from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import Lasting
from drivers.gbt27930.judge.limits import JudgeLimits

Said = Mapping[str, Mapping[str, Any]]
"""Values of the newest messages, keyed by name; a message that is unknown or too old is missing or empty."""

_NOTHING: Mapping[str, Any] = {}


def _highest(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def battery_beyond(said: Said, limits: JudgeLimits) -> list[Finding]:
    """The battery is measured above limits of its own BCP. A value that is not sent judges nothing."""
    bcp, bcs, bsm, bmv, bmt = (said.get(name, _NOTHING) for name in ("BCP", "BCS", "BSM", "BMV", "BMT"))
    total_v = bcp.get("maximum_voltage_v")
    cells_v = _highest([bcs.get("maximum_cell_voltage_v"), *(bmv.get("cell_voltages_v") or ())])
    hottest_c = _highest([bsm.get("highest_temperature_c"), *(bmt.get("temperatures_c") or ())])
    found = []
    for code, message, seen, most, unit in (
        ("battery.cell_voltage", "BCS", cells_v, bcp.get("maximum_cell_voltage_v"), "V"),
        (
            "battery.voltage",
            "BCS",
            bcs.get("voltage_v"),
            None if total_v is None else limits.over_maximum_limit_v(total_v),
            "V",
        ),
        ("battery.temperature", "BSM", hottest_c, bcp.get("maximum_temperature_c"), "degC"),
    ):
        if seen is not None and most is not None and seen > most:
            found.append(Finding(code, message, most, seen, unit, seen - most))
    return found


class Difference:
    """Whether the output that BCS reports differs for too long from what others measure."""

    __slots__ = ("_lasting",)

    def __init__(self) -> None:
        self._lasting = {"voltage_v": Lasting(), "current_a": Lasting()}

    def take(
        self,
        bcs: Mapping[str, Any],
        voltage_v: float | None,
        current_a: float | None,
        now_s: float,
        limits: JudgeLimits,
    ) -> list[Finding]:
        """Take BCS and what is measured, None while unknown; what differs and has lasted."""
        found = []
        for key, unit, measured, slack in (
            ("voltage_v", "V", voltage_v, 0.0),
            ("current_a", "A", current_a, limits.difference_slack_a),
        ):
            said, lasting = bcs.get(key), self._lasting[key]
            if said is None or measured is None:
                lasting.take(0.0, now_s, limits.difference_lasting_s)
                continue
            off = abs(said - measured)
            excess = off - (limits.difference_share * abs(measured) + slack)
            if lasting.take(excess, now_s, limits.difference_lasting_s):
                found.append(Finding("output.differs", "BCS", measured, said, unit, off))
        return found

    def begins(self, unit: str) -> bool:
        """Whether the difference in V or A has become too long with the last ``take``."""
        return self._lasting["voltage_v" if unit == "V" else "current_a"].begins
