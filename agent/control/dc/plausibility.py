"""What the vehicle's own words show: demands beyond limits, values that stand still, jump, or differ from the pile's.

Nothing here widens an output: whatever the vehicle asks for, it gets the least of all limits. This only gives the odd
behaviour a name, and ends the charge where going on would rest on data that nobody can trust.
"""

from collections.abc import Mapping
from typing import Any

from agent.control.dc.parameters import ControlParameters
from drivers.gbt27930.charger.phases import Latest, VehicleData


class VehicleWatch:
    """Memory of one dialogue. ``look`` takes the newest data in, ``findings`` says what they show."""

    def __init__(self) -> None:
        self._found: frozenset[str] = frozenset()
        self._bcs: Latest | None = None
        self._unchanged_since_s: float | None = None
        self._soc_percent: float | None = None
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
        """Take in what the vehicle says and what the pile measures: volts and amperes, None while unknown."""
        found: set[str] = set()
        if vehicle.bcl is not None and vehicle.bcp is not None:
            bcl = vehicle.bcl.values
            if _beyond(bcl, vehicle.bcp.values, parameters):
                found.add("bms_demand_beyond_limits")
            if below_minimum(bcl, parameters):
                found.add("demand_below_minimum")
        self._take_soc(vehicle, parameters)
        if vehicle.bcs is not None:
            if self._frozen(now_s, vehicle.bcs, parameters, current_a):
                found.add("bms_data_frozen")
            if _differs(vehicle.bcs.values, parameters, voltage_v, current_a):
                found.add("bms_measurement_differs")
        self._found = frozenset(found)

    def _take_soc(self, vehicle: VehicleData, parameters: ControlParameters) -> None:
        latest = vehicle.bcs or vehicle.bcp
        if latest is None:
            return
        soc_percent = latest.values["soc_percent"]
        if soc_percent is None:
            return
        former, self._soc_percent = self._soc_percent, soc_percent
        numbers = parameters.numbers
        if former is not None and abs(soc_percent - former) > numbers.soc_jump_percent:
            self._jump_until_s = latest.at_s + numbers.soc_jump_told_s

    def _frozen(self, now_s: float, bcs: Latest, parameters: ControlParameters, current_a: float | None) -> bool:
        """The same BCS again and again while a current flows: the vehicle repeats and no longer measures."""
        changed = self._bcs is None or self._bcs.values != bcs.values
        self._bcs = bcs
        if changed or current_a is None or current_a < parameters.numbers.frozen_current_a:
            self._unchanged_since_s = now_s
        since_s = now_s if self._unchanged_since_s is None else self._unchanged_since_s
        limit_s = parameters.faults["bms_data_frozen"].threshold
        return limit_s is not None and now_s - since_s > limit_s


def below_minimum(bcl: Mapping[str, Any], parameters: ControlParameters) -> bool:
    """The vehicle demands less than the pile can deliver. In 2015 a demand of no current at all is not meant."""
    if bcl["voltage_v"] < parameters.minimum_voltage_v:
        return True
    if bcl["current_a"] == 0.0 and parameters.numbers.zero_demand_gets_minimum:
        return False
    return bool(bcl["current_a"] < parameters.minimum_current_a)


def _beyond(bcl: Mapping[str, Any], bcp: Mapping[str, Any], parameters: ControlParameters) -> bool:
    highest_v = min(bcp["maximum_voltage_v"], parameters.maximum_voltage_v)
    highest_a = min(bcp["maximum_current_a"], parameters.maximum_current_a)
    # To a tenth, the step of the encoding: the rounding of a limit is no difference.
    return bool(round(bcl["voltage_v"] - highest_v, 1) > 0 or round(bcl["current_a"] - highest_a, 1) > 0)


def _differs(
    bcs: Mapping[str, Any], parameters: ControlParameters, voltage_v: float | None, current_a: float | None
) -> bool:
    numbers = parameters.numbers
    share = numbers.measurement_share
    if voltage_v is not None and abs(bcs["voltage_v"] - voltage_v) > share * voltage_v:
        return True
    return current_a is not None and abs(bcs["current_a"] - current_a) > share * current_a + numbers.measurement_slack_a
