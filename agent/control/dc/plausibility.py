"""What the data of the vehicle show: the judge of drivers/gbt27930 asked with what the pile measures.

Nothing here widens an output: whatever the vehicle asks for, it gets the least of all limits. This only gives the odd
behaviour a name, and ends the charge where going on would rest on data that cannot be trusted.
"""

from collections.abc import Mapping
from typing import Any

from agent.control.chassis.vehicle_faults import faults_of_findings
from agent.control.dc.parameters import ControlParameters
from drivers.gbt27930.charger.phases import VehicleData
from drivers.gbt27930.judge.demands import Ceiling, announced, demand_below, demand_beyond
from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import StateOfCharge, Stuck
from drivers.gbt27930.judge.status import Difference, battery_beyond


class VehicleWatch:
    """Memory of one dialogue. ``look`` takes the newest data in, ``findings`` returns what they show."""

    def __init__(self) -> None:
        self._found: frozenset[str] = frozenset()
        self._stuck = Stuck("BCS")
        self._soc = StateOfCharge()
        self._difference = Difference()
        self._jump_until_s = float("-inf")

    def findings(self, now_s: float) -> frozenset[str]:
        """Faults that are present at ``now_s``."""
        if now_s < self._jump_until_s:
            return self._found | {"bms_soc_jump"}
        return self._found

    def look(
        self,
        now_s: float,
        vehicle: VehicleData,
        parameters: ControlParameters,
        voltage_v: float | None,
        current_a: float | None,
    ) -> None:
        """Take in the vehicle's data and the pile's measurement: volts and amperes, None while unknown."""
        limits = parameters.judge_limits
        found: list[Finding] = []
        if vehicle.bcl is not None and vehicle.bcp is not None:
            bcl = vehicle.bcl.values
            ceilings = (
                announced("bcp", vehicle.bcp.values),
                Ceiling("pile", parameters.maximum_voltage_v, parameters.maximum_current_a),
            )
            found += demand_beyond(bcl, ceilings, limits)
            found += _below(bcl, parameters)
        latest = vehicle.bcs or vehicle.bcp
        if latest is not None and self._soc.take(latest.values["soc_percent"], limits):
            self._jump_until_s = latest.at_s + limits.soc_jump_present_s
        if vehicle.bcs is not None:
            bcs = vehicle.bcs
            found += self._stuck.take(bcs.values, bcs.at_s, current_a, limits)
            found += self._difference.take(bcs.values, voltage_v, current_a, now_s, limits)
        self._found = faults_of_findings(found)


def below_minimum(bcl: Mapping[str, Any], parameters: ControlParameters) -> bool:
    """The vehicle demands less than the pile can deliver. In 2015 a demand of no current at all is not meant."""
    return bool(_below(bcl, parameters))


def _below(bcl: Mapping[str, Any], parameters: ControlParameters) -> list[Finding]:
    return demand_below(bcl, parameters.minimum_voltage_v, parameters.minimum_current_a, parameters.judge_limits)


def battery_limits_violated(vehicle: VehicleData, parameters: ControlParameters) -> bool:
    """The battery is measured above its own BCP limits, by the messages that every vehicle must send.

    BMV and BMT are optional and come every ten seconds; their lists are judged by the listener only.
    """
    known = (("BCP", vehicle.bcp), ("BCS", vehicle.bcs), ("BSM", vehicle.bsm))
    said = {name: latest.values for name, latest in known if latest is not None}
    return bool(battery_beyond(said, parameters.judge_limits))
