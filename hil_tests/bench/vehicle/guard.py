"""The vehicle protecting itself: when the charger does not react, the BMS ends the charge by BST.

The limits are choices of this bench; the standard only requires that the BMS ends the charge on a fault of its own.
"""

from hil_tests.bench.vehicle.battery import Battery, Demand

_OVER_VOLTAGE_V = 15.0
"""Above the highest permitted voltage (GB/T 18487.1-2023 has the charger open within 1 s at this margin)."""

_OVER_VOLTAGE_TIME_S = 0.4
_OVER_CURRENT_FACTOR = 1.1
_OVER_CURRENT_A = 10.0
_OVER_CURRENT_TIME_S = 5.0
"""Longer than a charger needs to follow a smaller demand at the slowest rate permitted, 20 A/s, from 100 A."""

_STATE_TIME_S = 2.0
"""A charger has to stop at once on a fault in BSM; the vehicle waits this long for it."""

_BST_OF_STATE = {
    "cell_voltage_state": "voltage_abnormal",
    "over_current_state": "over_current",
    "over_temperature_state": "battery_over_temperature",
    "insulation_state": "insulation_fault",
    "connector_state": "charging_connector_fault",
    "soc_state": "other_fault",
}


class Guard:
    """Watches the inlet and the states of BSM; a condition has to last before it ends the charge."""

    def __init__(self, battery: Battery) -> None:
        self._limit_v = battery.profile.maximum_voltage_v + _OVER_VOLTAGE_V
        self._since_s: dict[str, float] = {}

    def reset(self) -> None:
        """Forget what was seen."""
        self._since_s.clear()

    def watch(
        self, voltage_v: float, current_a: float, demand: Demand, states: dict[str, int], now_s: float
    ) -> str | None:
        """Field of BST that ends the charge now, or None."""
        highest_a = max(demand.current_a * _OVER_CURRENT_FACTOR, demand.current_a + _OVER_CURRENT_A)
        conditions = [
            ("terminal voltage", "voltage_abnormal", _OVER_VOLTAGE_TIME_S, voltage_v > self._limit_v),
            ("inlet current", "over_current", _OVER_CURRENT_TIME_S, current_a > highest_a),
        ]
        conditions += [(name, _BST_OF_STATE[name], _STATE_TIME_S, value == 1) for name, value in states.items()]
        self._since_s = {name: self._since_s.get(name, now_s) for name, _, _, holds in conditions if holds}
        for name, reason, lasts_s, holds in conditions:
            if holds and now_s - self._since_s[name] >= lasts_s:
                return reason
        return None
