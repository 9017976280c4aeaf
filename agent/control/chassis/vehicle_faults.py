"""The fault that each finding of the judge stands for, for a charger and for a listener."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from drivers.gbt27930.judge.finding import Finding

FAULT_OF_FINDING: Mapping[str, str] = MappingProxyType(
    {
        **{
            f"demand.{quantity}_{source}": "bms_demand_beyond_limits"
            for quantity in ("voltage", "current")
            for source in ("bcp", "cml", "pile")
        },
        "demand.minimum": "demand_below_minimum",
        "battery.voltage": "bms_limits_violated",
        "battery.cell_voltage": "bms_limits_violated",
        "battery.temperature": "bms_limits_violated",
        "output.differs": "bms_measurement_differs",
        "frozen": "bms_data_stuck",
        "soc.jump": "bms_soc_jump",
    }
)
"""Fault id by code; what a charger reports about its own output has rules of its own here and is missing."""


def faults_of_findings(findings: Iterable[Finding]) -> frozenset[str]:
    """The fault ids of ``findings``. Raises KeyError for a code that stands for no fault."""
    return frozenset(FAULT_OF_FINDING[finding.code] for finding in findings)
