"""What a listener raises alarms about: from the image, the dialogue as heard and the time to fault ids. Pure.

A listener drives nothing, so nothing here permits or forbids anything; a rule without its input finds nothing,
and that the input is missing is a fault of its own.
"""

from dataclasses import dataclass, field
from typing import Any

from agent.control.chassis.envelope import CurrentEnvelope
from agent.control.chassis.image import ProcessImage
from agent.control.chassis.vehicle_faults import FAULT_OF_FINDING, faults_of_findings
from agent.control.listener.parameters import ListenerParameters
from agent.settings.catalogue import threshold_of
from drivers.can.state import BusState
from drivers.gbt27930.charger.phases import Latest
from drivers.gbt27930.judge.demands import Ceiling, announced, demand_beyond
from drivers.gbt27930.judge.finding import Finding
from drivers.gbt27930.judge.lasting import Stuck
from drivers.gbt27930.judge.limits import JudgeLimits
from drivers.gbt27930.judge.states import vehicle_says_fault
from drivers.gbt27930.judge.status import Difference, battery_beyond
from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.messages.table import MESSAGES
from drivers.gbt27930.observer.model import Observation, Session, Stage

_OUTPUT_STAGES = frozenset({Stage.WAIT_READY, Stage.READY, Stage.CHARGING, Stage.STOPPING})
"""Stages in which the output may carry the voltage of the charge, and BCP and CML are known."""

NOT_AN_ALARM = frozenset(
    {
        "period.late",
        "period.early",
        "value",
        "output.voltage",
        "output.voltage_bcp",
        "output.current",
        "output.differs",
        "demand.voltage_bcp",
        "demand.current_bcp",
        "demand.voltage_cml",
        "demand.current_cml",
        "battery.voltage",
        "battery.cell_voltage",
        "battery.temperature",
        "frozen",
    }
)
"""Violations that are counted in the session and raise nothing by themselves: real chargers and vehicles commit the
first ones all day (periods of 33 to 105 ms where 50 are asked for), and what matters of the others has a rule here."""

_UNUSABLE = frozenset({"length", "transferred"})


def fault_of(observation: Observation) -> str | None:
    """The fault that a violation stands for, None if it is only counted."""
    code = observation.code
    if code in NOT_AN_ALARM:
        return None
    if code == "soc.jump":
        return FAULT_OF_FINDING[code]
    if code in _UNUSABLE and MESSAGES[observation.message].sender is Sender.VEHICLE:
        return "bms_message_unusable"
    return "protocol_violation"


EVENT_FAULTS = frozenset(
    {
        *(f"bms_timeout_{name}" for name in ("bhm", "brm", "bcp", "bro", "bcs", "bcl", "bsm", "bst", "bsd")),
        "bms_soc_jump",
        "bms_message_unusable",
        "bms_error_message",
        "charger_fault",
        "emergency_stop",
        "protocol_violation",
        "meter_abnormal",
        "measurements_disagree",
        "control_restarted",
        "internal_error",
    }
)
"""Faults that the listener itself has found; the others are conditions of the moment."""

CONDITION_FAULTS = frozenset(
    {
        "emergency_stop",
        "door_open",
        "smoke",
        "inputs_lost",
        "insulation_monitor_lost",
        "insulation_fault",
        "insulation_warning",
        "meter_lost",
        "measurements_disagree",
        "reverse_polarity",
        "output_over_voltage",
        "output_over_current",
        "bms_limits_violated",
        "bms_demand_beyond_limits",
        "bms_measurement_differs",
        "bms_data_stuck",
        "bms_fault",
        "vehicle_bus_lost",
        "vehicle_bus_off",
        "vehicle_bus_error_passive",
        "listen_only_off",
        "recorder_absent",
        "uplink_lost",
        "clock_unset",
    }
)

FAULT_IDS = EVENT_FAULTS | CONDITION_FAULTS
"""Every fault that a listener may raise."""


class StatusWatch:
    """Memory of the BCS of one session."""

    def __init__(self, limits: JudgeLimits) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """A session has ended: nothing of it counts."""
        self._stuck, self._difference = Stuck("BCS"), Difference()
        self._found: list[Finding] = []

    def take(self, bcs: Latest, voltage_v: float | None, current_a: float | None, *, charging: bool) -> None:
        """Take the next BCS, and what is measured now in V and A, None while unknown.

        Outside the charging stage a difference of measurements judges nothing.
        """
        self._found = self._stuck.take(bcs.values, bcs.at_s, current_a, self._limits)
        measured = (voltage_v, current_a) if charging else (None, None)
        self._found += self._difference.take(bcs.values, *measured, bcs.at_s, self._limits)

    @property
    def findings(self) -> list[Finding]:
        """What the last BCS showed."""
        return self._found


@dataclass(slots=True)
class Surroundings:
    """What the rules must know besides readings and dialogue."""

    started_at_s: float
    status: StatusWatch
    """What the BCS of the session show, one after the other."""
    vehicle_port_open: bool = False
    vehicle_bus_state: BusState = BusState.UNKNOWN
    acknowledging: bool = False
    """The CAN interface is not listen-only and acknowledges frames."""
    uplink_lost: bool = False
    clock_unset: bool = False
    demands: CurrentEnvelope = field(default_factory=CurrentEnvelope)
    """Currents that the vehicle has asked for."""


class Dialogue:
    """What has been heard in a session, as far as it is still a value at ``now_s``."""

    __slots__ = ("_age_s", "_session", "now_s")

    def __init__(self, session: Session | None, now_s: float, age_s: float) -> None:
        self._session = session
        self.now_s = now_s
        self._age_s = age_s

    @property
    def stage(self) -> Stage:
        """Stage of the dialogue."""
        return Stage.IDLE if self._session is None else self._session.stage

    def fresh(self, name: str) -> dict[str, Any]:
        """Values of a message that both sides repeat; empty when the last one is too old."""
        latest = None if self._session is None else self._session.latest.get(name)
        return {} if latest is None or self.now_s - latest.at_s > self._age_s else latest.values

    def told(self, name: str) -> dict[str, Any]:
        """Values of a message that holds for the whole session (BCP, CML); empty if it was not heard."""
        latest = None if self._session is None else self._session.latest.get(name)
        return {} if latest is None else latest.values


def conditions(
    image: ProcessImage, session: Session | None, around: Surroundings, parameters: ListenerParameters, now_s: float
) -> list[str]:
    """Ids of the faults with a present cause, each once, in the same order on every run."""
    dialogue = Dialogue(session, now_s, parameters.listener.message_age_s)
    settled = now_s - around.started_at_s > parameters.start_up_grace_s
    found = _contacts(image, parameters, now_s, settled)
    found += _devices(image, around, parameters, now_s, settled)
    found += _insulation(image, parameters, now_s)
    if session is not None:
        found += _output(image, dialogue, around, parameters)
        found += _vehicle(dialogue, around, parameters)
    return found


def _contacts(image: ProcessImage, parameters: ListenerParameters, now_s: float, settled: bool) -> list[str]:
    pairs = (("emergency_stop_pressed", "emergency_stop"), ("door_open", "door_open"), ("smoke_detected", "smoke"))
    found = [fault for name, fault in pairs if image.value(name, now_s) is True]
    lost = image.stale(parameters.inputs, now_s)
    # The grace is for first readings: what has been there and is gone is lost.
    if lost and (settled or any(image.age_s(name, now_s) is not None for name in lost)):
        found.append("inputs_lost")
    return found


def _older_than(image: ProcessImage, name: str, limit_s: float, around: Surroundings, now_s: float) -> bool:
    age_s = image.age_s(name, now_s)
    return (now_s - around.started_at_s if age_s is None else age_s) > limit_s


def _devices(
    image: ProcessImage, around: Surroundings, parameters: ListenerParameters, now_s: float, settled: bool
) -> list[str]:
    meter_v = image.value("meter_voltage_v", now_s)
    meter_age_s = threshold_of(parameters.faults, "meter_lost")
    monitor_age_s = threshold_of(parameters.faults, "insulation_monitor_lost")
    checks = (
        (
            "meter_lost",
            parameters.meter is not None and _older_than(image, "meter_energy_wh", meter_age_s, around, now_s),
        ),
        (
            "insulation_monitor_lost",
            parameters.insulation_monitor and _older_than(image, "insulation_plus_kohm", monitor_age_s, around, now_s),
        ),
        ("reverse_polarity", meter_v is not None and meter_v < -parameters.numbers.reverse_voltage_v),
        ("vehicle_bus_lost", not around.vehicle_port_open),
        ("vehicle_bus_off", around.vehicle_bus_state is BusState.OFF),
        ("vehicle_bus_error_passive", around.vehicle_bus_state is BusState.PASSIVE),
        ("listen_only_off", around.acknowledging),
        ("recorder_absent", settled and image.value("recorder_ready", now_s) is not True),
        ("uplink_lost", around.uplink_lost),
        ("clock_unset", around.clock_unset),
    )
    return [fault for fault, present in checks if present]


def highest_voltage_v(image: ProcessImage, now_s: float) -> float | None:
    """The higher of what the meter measures and what the charger reports (CCS)."""
    values = [value for name in ("meter_voltage_v", "ccs_voltage_v") if (value := image.value(name, now_s)) is not None]
    return max(values, default=None)


def _insulation(image: ProcessImage, parameters: ListenerParameters, now_s: float) -> list[str]:
    """Ohm per volt by our own insulation monitor, while the output carries voltage (GB/T 18487.1)."""
    numbers = parameters.numbers
    voltage_v = highest_voltage_v(image, now_s)
    plus_kohm, minus_kohm = image.value("insulation_plus_kohm", now_s), image.value("insulation_minus_kohm", now_s)
    if plus_kohm is None or minus_kohm is None or voltage_v is None or voltage_v < numbers.safe_voltage_v:
        return []
    ohm_per_v = min(plus_kohm, minus_kohm) * 1000.0 / voltage_v
    if ohm_per_v <= numbers.insulation_fault_ohm_per_v:
        return ["insulation_fault"]
    return ["insulation_warning"] if ohm_per_v <= numbers.insulation_warning_ohm_per_v else []


def _least(*values: float | None) -> float:
    return min(value for value in values if value is not None)


def _output(image: ProcessImage, dialogue: Dialogue, around: Surroundings, parameters: ListenerParameters) -> list[str]:
    if dialogue.stage not in _OUTPUT_STAGES:
        return []
    numbers, now_s = parameters.numbers, dialogue.now_s
    found: list[str] = []
    bcp, cml = dialogue.told("BCP"), dialogue.told("CML")
    voltage_v = highest_voltage_v(image, now_s)
    ceiling_v = _least(bcp.get("maximum_voltage_v"), cml.get("maximum_voltage_v"), parameters.maximum_voltage_v)
    if voltage_v is not None and voltage_v > numbers.over_voltage_limit_v(ceiling_v):
        found.append("output_over_voltage")
    currents = [
        value for name in ("meter_current_a", "ccs_current_a") if (value := image.value(name, now_s)) is not None
    ]
    allowed_a = _least(
        around.demands.highest_a(now_s),
        bcp.get("maximum_current_a"),
        cml.get("maximum_current_a"),
        parameters.maximum_current_a,
    )
    if allowed_a < numbers.over_current_small_limit_a:
        allowed_a += numbers.over_current_small_a
    else:
        allowed_a *= 1.0 + numbers.over_current_share
    if currents and max(currents) > allowed_a:
        found.append("output_over_current")
    if dialogue.stage is Stage.CHARGING and _disagree(image, parameters, now_s):
        found.append("measurements_disagree")
    return found


def _disagree(image: ProcessImage, parameters: ListenerParameters, now_s: float) -> bool:
    """Our meter and what the charger reports to the vehicle."""
    own = parameters.listener
    for ours, theirs, share, floor in (
        ("meter_current_a", "ccs_current_a", own.current_share, own.current_floor_a),
        ("meter_voltage_v", "ccs_voltage_v", own.voltage_share, own.voltage_floor_v),
    ):
        measured, told = image.value(ours, now_s), image.value(theirs, now_s)
        if measured is not None and told is not None and abs(measured - told) > max(floor, share * abs(measured)):
            return True
    return False


def _vehicle(dialogue: Dialogue, around: Surroundings, parameters: ListenerParameters) -> list[str]:
    limits = parameters.judge_limits
    found = ["bms_fault"] if vehicle_says_fault(dialogue.fresh("BSM"), dialogue.fresh("BST")) else []
    said = {"BCP": dialogue.told("BCP")} | {name: dialogue.fresh(name) for name in ("BCS", "BSM", "BMV", "BMT")}
    findings = battery_beyond(said, limits)
    if said["BCP"]:
        ceilings = (
            announced("bcp", said["BCP"]),
            announced("cml", dialogue.told("CML")),
            Ceiling("pile", parameters.maximum_voltage_v, parameters.maximum_current_a),
        )
        findings += demand_beyond(dialogue.fresh("BCL"), ceilings, limits)
    if said["BCS"]:
        findings += around.status.findings
    return found + sorted(faults_of_findings(findings))
