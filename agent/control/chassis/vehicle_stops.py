"""Which stops of a vehicle are faults: for the charger's side and for a listener alike."""

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
