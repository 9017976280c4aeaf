"""The reason of a stop as sent to the vehicle (CST)."""

from collections.abc import Mapping

from agent.vocabulary import states
from drivers.gbt27930.charger.dialogue import StopCause

_STOP_CAUSES: Mapping[str, StopCause] = {
    "local": StopCause.MANUAL,
    "platform": StopCause.MANUAL,
    "shutdown": StopCause.MANUAL,
    "energy_limit": StopCause.CONDITION_REACHED,
    "time_limit": StopCause.CONDITION_REACHED,
    "amount_limit": StopCause.CONDITION_REACHED,
    "soc_limit": StopCause.CONDITION_REACHED,
    "pause_too_long": StopCause.PAUSE_TOO_LONG,
    "vehicle": StopCause.BY_VEHICLE,
    "vehicle_fault": StopCause.BY_VEHICLE,
    "emergency_stop": StopCause.EMERGENCY_STOP,
    "over_temperature": StopCause.OVER_TEMPERATURE,
    "smoke": StopCause.INTERNAL_OVER_TEMPERATURE,
    "connector_unplugged": StopCause.CONNECTOR_FAULT,
    "lock_lost": StopCause.CONNECTOR_FAULT,
    "current_absent": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "demand_below_minimum": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "power_stage_lost": StopCause.ENERGY_TRANSFER_IMPOSSIBLE,
    "output_over_current": StopCause.CURRENT_MISMATCH,
    "inrush_excessive": StopCause.CURRENT_MISMATCH,
    "output_over_voltage": StopCause.VOLTAGE_ABNORMAL,
    "reverse_polarity": StopCause.VOLTAGE_ABNORMAL,
    "bms_fault": StopCause.FAULT,
    "parameter_mismatch": StopCause.PARAMETER_MISMATCH,
    "precharge_failed": StopCause.PRECHARGE,
    "bms_not_ready": StopCause.PRECHARGE,
    "insulation_fault": StopCause.SELF_TEST,
    "outside_voltage_present": StopCause.SELF_TEST,
}

_SELF_TEST_STATES = (states.HANDSHAKE, states.INSULATION)
_OF_THE_SELF_TEST = frozenset({"contactor_refuses", "contactor_welded", "insulation_monitor_lost", "precharge_failed"})
_OF_THE_PRECHARGE = frozenset({"contactor_refuses", "contactor_welded", "inrush_excessive"})


def stop_cause(reason: str, state: str) -> StopCause:
    """Content of CST for a stop reason that came up in ``state`` of the sequence."""
    if state in _SELF_TEST_STATES and reason in _OF_THE_SELF_TEST:
        return StopCause.SELF_TEST
    if state == "precharge" and reason in _OF_THE_PRECHARGE:
        return StopCause.PRECHARGE
    return _STOP_CAUSES.get(reason, StopCause.OTHER_FAULT)
