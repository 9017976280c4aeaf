"""States and stop reasons of the messages that are faults, not wishes."""

from collections.abc import Mapping
from typing import Any

from drivers.gbt27930.messages.table_vehicle import FAULT, UNTRUSTED

_LEVEL_STATES = ("cell_voltage_state", "soc_state")
_FAULT_STATES = ("over_current_state", "over_temperature_state", "insulation_state", "connector_state")

VEHICLE_STOP_FAULTS = frozenset(
    {
        "insulation_fault",
        "output_connector_over_temperature",
        "bms_over_temperature",
        "charging_connector_fault",
        "battery_over_temperature",
        "high_voltage_relay_fault",
        "detection_point_2_fault",
        "other_fault",
        "over_current",
        "voltage_abnormal",
        "parameter_mismatch",
    }
)
"""BST fields (SPN 3512 and 3513) that make the vehicle's stop a fault."""

CHARGER_STOP_FAULTS = frozenset(
    {
        "fault_stop",
        "charger_over_temperature",
        "connector_fault",
        "internal_over_temperature",
        "energy_transfer_impossible",
        "other_fault",
        "self_test_fault",
        "precharge_fault",
        "current_mismatch",
        "voltage_abnormal",
    }
)
"""Fields of CST (SPN 3521 to 3523) by which a charger reports a fault."""


def faults_of(bsm: Mapping[str, Any]) -> dict[str, int]:
    """States of a BSM that end the charge: too high or too low, and faults; an untrusted fault state does not."""
    faults = {name: bsm[name] for name in _LEVEL_STATES if bsm[name] in (FAULT, UNTRUSTED)}
    faults.update({name: FAULT for name in _FAULT_STATES if bsm[name] == FAULT})
    return faults


def vehicle_says_fault(bsm: Mapping[str, Any], bst: Mapping[str, Any]) -> bool:
    """BSM or BST reports a fault of vehicle or battery; empty values give nothing."""
    return bool(bsm and faults_of(bsm)) or any(bst.get(name) == FAULT for name in VEHICLE_STOP_FAULTS)
