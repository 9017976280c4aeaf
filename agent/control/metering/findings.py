"""Names of what is found about the billing meter."""

METER_FINDINGS = frozenset(
    {
        "meter_register_stuck",
        "meter_unit_unproven",
        "meter_verification_due",
        "meter_verification_near",
        "meter_verification_expired",
        "meter_verification_refused",
    }
)
"""Faults found by looking at the meter over time."""
