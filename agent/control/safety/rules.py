"""The interlock rules: from a snapshot of qualified readings to the causes of faults.

Nothing here has a clock, a state or a side effect; debounce and latches are the fault register's. A rule that cannot
see its input refuses energising (``permission``). Hardware must be safe without this code: it is the second line.
"""

from collections.abc import Callable

from agent.control.chassis.image import ProcessImage
from agent.control.metering.findings import METER_FINDINGS
from agent.control.power_quality.limits import GRID_FINDINGS
from agent.control.safety.requirements import SafetyParameters
from agent.control.safety.situation import Situation
from agent.settings.catalogue import threshold_of
from drivers.can.state import BusState

Rule = Callable[[ProcessImage, Situation, SafetyParameters], bool]


def _is(name: str) -> Rule:
    def rule(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
        return image.value(name, situation.now_s) is True

    return rule


def _older_than(name: str, fault_id: str) -> Rule:
    """No reading of ``name`` for the threshold of the fault; at start-up the grace period counts instead of an age."""

    def rule(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
        limit_s = threshold_of(parameters.faults, fault_id)
        age_s = image.age_s(name, situation.now_s)
        if age_s is None:
            return situation.now_s - situation.started_at_s > max(limit_s, parameters.start_up_grace_s)
        return age_s > limit_s

    return rule


def _inputs_lost(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    lost = image.stale(parameters.safety_inputs, situation.now_s)
    if situation.now_s - situation.started_at_s <= parameters.start_up_grace_s and not situation.in_session:
        # The grace is for first readings: what has been there and is gone is lost.
        lost = [name for name in lost if image.age_s(name, situation.now_s) is not None]
    return bool(lost)


def _contactor_refuses(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if not situation.contactors_wanted:
        return False
    now_s = situation.now_s
    return image.value("contactor_k1_closed", now_s) is False or image.value("contactor_k2_closed", now_s) is False


def _contactor_welded(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if situation.contactors_wanted:
        return False
    now_s = situation.now_s
    if image.value("contactor_k1_closed", now_s) is True or image.value("contactor_k2_closed", now_s) is True:
        return True
    return _conducts_when_open(image, situation, parameters)


def _conducts_when_open(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    """Both poles conduct although their feedback is open: the module side follows the voltage of the vehicle side."""
    now_s, numbers, idle_since_s = situation.now_s, parameters.numbers, situation.output_idle_since_s
    if idle_since_s is None:
        return False
    if now_s - max(idle_since_s, situation.contactors_wanted_since_s) < numbers.weld_settling_s:
        return False
    outside_v, inside_v = image.value("outside_voltage_v", now_s), image.value("inside_voltage_v", now_s)
    if outside_v is None or inside_v is None or outside_v <= numbers.safe_voltage_v:
        return False
    return abs(outside_v - inside_v) <= numbers.weld_difference_v


def _inrush_excessive(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    """A current read right after the contactors were closed that is above the limit and was not asked for."""
    if not situation.contactors_wanted:
        return False
    numbers, closed_at_s = parameters.numbers, situation.contactors_wanted_since_s
    names = [
        name
        for name in ("module_current_a", "meter_current_a")
        if (taken_at_s := image.taken_at_s(name)) is not None
        and 0.0 <= taken_at_s - closed_at_s <= numbers.inrush_watch_s
    ]
    allowed_a = numbers.inrush_limit_a
    if situation.current_envelope_a is not None:
        allowed_a = max(allowed_a, situation.current_envelope_a * (1.0 + numbers.over_current_share))
    highest_a = _highest(image, situation.now_s, *names)
    return highest_a is not None and highest_a > allowed_a


def _highest(image: ProcessImage, now_s: float, *names: str) -> float | None:
    values = [value for name in names if (value := image.value(name, now_s)) is not None]
    return max(values) if values else None


def _output_over_voltage(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if situation.voltage_ceiling_v is None:
        return False
    names = [
        name
        for name in ("outside_voltage_v", "inside_voltage_v", "meter_voltage_v", "module_voltage_v")
        if (taken_at_s := image.taken_at_s(name)) is not None and taken_at_s >= situation.voltage_ceiling_since_s
    ]
    highest_v = _highest(image, situation.now_s, *names)
    limit_v = parameters.numbers.over_voltage_limit_v(situation.voltage_ceiling_v)
    return highest_v is not None and highest_v > limit_v


def _output_over_current(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if situation.current_envelope_a is None:
        return False
    numbers = parameters.numbers
    allowed_a = situation.current_envelope_a
    if allowed_a < numbers.over_current_small_limit_a:
        allowed_a += numbers.over_current_small_a
    else:
        allowed_a *= 1.0 + numbers.over_current_share
    highest_a = _highest(image, situation.now_s, "meter_current_a", "module_current_a")
    return highest_a is not None and highest_a > allowed_a


def _temperature_above(limit: Callable[[SafetyParameters], float]) -> Rule:
    def rule(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
        highest_c = _highest(image, situation.now_s, "connector_temperature_plus_c", "connector_temperature_minus_c")
        return highest_c is not None and highest_c >= limit(parameters)

    return rule


def _lock_lost(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    return situation.lock_required and image.value("lock_locked", situation.now_s) is not True


def _connector_unplugged(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if not situation.vehicle_expected:
        return False
    # A level that cannot be read is a lost input, which opens as well but does not ask for plugging again.
    known = image.value("cc1_voltage_v", situation.now_s) is not None
    return known and is_plugged(image, situation.now_s, parameters) is not True


def _outside_voltage_present(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if not situation.before_insulation_test:
        return False
    outside_v = image.value("outside_voltage_v", situation.now_s)
    return outside_v is not None and outside_v > parameters.numbers.outside_voltage_before_test_v


def _residual_voltage(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if situation.contactors_wanted or not situation.discharged_side:
        return False
    if situation.now_s - situation.contactors_wanted_since_s < parameters.numbers.residual_voltage_after_s:
        return False
    outside_v = image.value("outside_voltage_v", situation.now_s)
    return outside_v is not None and outside_v > parameters.numbers.safe_voltage_v


def _reverse_polarity(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    voltage_v = image.value("meter_voltage_v", situation.now_s)
    return voltage_v is not None and voltage_v < -parameters.numbers.reverse_voltage_v


def _auxiliary_supply_fault(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    since_s = situation.auxiliary_wanted_since_s
    if since_s is None or situation.now_s - since_s < parameters.numbers.auxiliary_rise_s:
        return False
    voltage_v = image.value("auxiliary_voltage_v", situation.now_s)
    numbers = parameters.numbers
    return voltage_v is None or not numbers.auxiliary_minimum_v <= voltage_v <= numbers.auxiliary_maximum_v


def _recorder_absent(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if situation.now_s - situation.started_at_s <= parameters.start_up_grace_s:
        return False
    return image.value("recorder_ready", situation.now_s) is not True


def _recorder_lost(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    if not situation.in_session:
        return False
    ready_at_s = situation.recorder_ready_at_s
    return ready_at_s is None or situation.now_s - ready_at_s > parameters.recorder_lost_stop_s


def _current_absent(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    since_s = situation.current_expected_since_s
    return since_s is not None and situation.now_s - since_s > threshold_of(parameters.faults, "current_absent")


def _flag(name: str) -> Rule:
    def rule(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
        return bool(getattr(situation, name))

    return rule


_modules_silent = _older_than("module_voltage_v", "power_stage_lost")


def _power_stage_lost(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    return not situation.modules_away and _modules_silent(image, situation, parameters)


def _vehicle_bus_lost(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
    return not situation.vehicle_port_open


def _bus(name: str, state: BusState) -> Rule:
    def rule(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> bool:
        return getattr(situation, name) is state

    return rule


RULES: tuple[tuple[str, Rule], ...] = (
    ("emergency_stop", _is("emergency_stop_pressed")),
    ("door_open", _is("door_open")),
    ("smoke", _is("smoke_detected")),
    ("inputs_lost", _inputs_lost),
    ("connector_unplugged", _connector_unplugged),
    ("contactor_refuses", _contactor_refuses),
    ("contactor_welded", _contactor_welded),
    ("inrush_excessive", _inrush_excessive),
    ("output_over_voltage", _output_over_voltage),
    ("output_over_current", _output_over_current),
    ("over_temperature", _temperature_above(lambda parameters: parameters.over_temperature_c)),
    ("temperature_high", _temperature_above(lambda parameters: parameters.temperature_derate_c)),
    ("lock_lost", _lock_lost),
    ("outside_voltage_present", _outside_voltage_present),
    ("residual_voltage", _residual_voltage),
    ("reverse_polarity", _reverse_polarity),
    ("auxiliary_supply_fault", _auxiliary_supply_fault),
    ("insulation_monitor_lost", _older_than("insulation_plus_kohm", "insulation_monitor_lost")),
    ("meter_lost", _older_than("meter_energy_wh", "meter_lost")),
    ("power_stage_lost", _power_stage_lost),
    ("power_stage_fault", _is("module_fault")),
    ("recorder_absent", _recorder_absent),
    ("recorder_lost", _recorder_lost),
    ("vehicle_bus_lost", _vehicle_bus_lost),
    ("vehicle_bus_off", _bus("vehicle_bus_state", BusState.OFF)),
    ("vehicle_bus_error_passive", _bus("vehicle_bus_state", BusState.PASSIVE)),
    ("module_bus_off", _bus("module_bus_state", BusState.OFF)),
    ("bms_limits_violated", _flag("battery_limits_violated")),
    ("current_absent", _current_absent),
    ("uplink_lost", _flag("uplink_lost")),
    ("clock_unset", _flag("clock_unset")),
)
"""Fault id and the rule that finds its cause. Faults found by the sequence itself are not here (``EVENT_FAULTS``)."""

SILENT_WITHOUT = {
    "auxiliary_supply_fault": "auxiliary_voltage_v",
    "insulation_monitor_lost": "insulation_plus_kohm",
    "meter_lost": "meter_energy_wh",
    "power_stage_lost": "module_voltage_v",
}
"""Rules about a missing value, and the input without which in the profile they are silent. The other rules find
nothing in an input that has no value."""

EVENT_FAULTS = frozenset(
    {
        "insulation_fault",
        "insulation_warning",
        "precharge_failed",
        "parameter_mismatch",
        "bms_timeout_bhm",
        "bms_timeout_brm",
        "bms_timeout_bcp",
        "bms_timeout_bro",
        "bms_timeout_bcs",
        "bms_timeout_bcl",
        "bms_timeout_bsm",
        "bms_timeout_bst",
        "bms_timeout_bsd",
        "bms_error_message",
        "bms_fault",
        "bms_not_ready",
        "bms_message_unusable",
        "vehicle_protocol_2011",
        "meter_abnormal",
        "meter_register_moved",
        "start_timeout",
        "control_restarted",
        "internal_error",
        "lock_lost",
    }
)
"""Faults that the sequence reports as events."""


VEHICLE_FINDINGS = frozenset(
    {
        "bms_demand_beyond_limits",
        "demand_below_minimum",
        "bms_data_stuck",
        "bms_measurement_differs",
        "bms_soc_jump",
    }
)
"""Faults found by comparing the vehicle's data with its own limits and with the measurement."""

POWER_FINDINGS = frozenset(
    {
        "allocation_contactor_welded",
        "allocation_contactor_refuses",
        "allocation_feedback_lost",
        "allocation_voltage_mismatch",
        "allocation_current_remains",
        "power_share_expired",
        "incomer_overload",
    }
)
"""Faults of power sharing: of the groups of modules, of the connector's share, and of the power of the whole pile."""

FAULT_IDS = (
    EVENT_FAULTS
    | VEHICLE_FINDINGS
    | METER_FINDINGS
    | GRID_FINDINGS
    | POWER_FINDINGS
    | {fault_id for fault_id, _ in RULES}
)
"""Every fault that the control core may raise."""


def is_plugged(image: ProcessImage, now_s: float, parameters: SafetyParameters) -> bool | None:
    """True with CC1 at 4 V, False with CC1 at 6 V or more, None when unknown."""
    voltage_v = image.value("cc1_voltage_v", now_s)
    if voltage_v is None:
        return None
    numbers = parameters.numbers
    if numbers.cc1_plugged_minimum_v <= voltage_v <= numbers.cc1_plugged_maximum_v:
        return True
    if voltage_v >= numbers.cc1_unplugged_minimum_v:
        return False
    return None


def _demanded(fault_id: str, parameters: SafetyParameters) -> bool:
    """Not a rule about an input that the pile does not have."""
    needed = SILENT_WITHOUT.get(fault_id)
    return needed is None or needed in parameters.start_inputs


def conditions(image: ProcessImage, situation: Situation, parameters: SafetyParameters) -> tuple[str, ...]:
    """Ids of the faults with a present cause, each once, in the order of the table (the same on every run)."""
    found = [fault_id for fault_id, rule in RULES if rule(image, situation, parameters)]
    if found:
        found = [fault_id for fault_id in found if _demanded(fault_id, parameters)]
    if situation.events:
        found += sorted(situation.events.difference(found))
    if situation.vehicle_findings:
        found += sorted(situation.vehicle_findings.difference(found))
    if situation.meter_findings:
        found += sorted(situation.meter_findings.difference(found))
    if situation.grid_findings:
        found += sorted(situation.grid_findings.difference(found))
    if situation.power_findings:
        found += sorted(situation.power_findings.difference(found))
    if situation.reconnect_cause is not None and situation.reconnect_cause not in found:
        found.append(situation.reconnect_cause)
    return tuple(found)


def suppressed(situation: Situation) -> tuple[str, ...]:
    """Faults that are present but suppressed (recorded only)."""
    cause = situation.reconnect_cause
    return () if cause is None or cause in situation.events else (cause,)
