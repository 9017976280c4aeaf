"""What power sharing knows of the pile beforehand, and every number it uses, with unit and source.

``PowerParameters`` is independent of the settings: the field process builds it from profile and site file
(docs/power-sharing.md lists the keys).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

Policy = Literal["fixed", "switched"]
"""``fixed``: a group stays at its home 固定分配. ``switched``: a free group goes where power is short 动态分配."""


def _number(value: float, source: str) -> Any:
    return dataclasses.field(default=value, metadata={"source": source})


@dataclasses.dataclass(frozen=True, slots=True)
class PowerNumbers:
    """Limits and times of power sharing. The unit is the end of the name; the source is in the field's metadata."""

    efficiency: float = _number(
        0.93, "own: below the 94 % to 96 % of current module data sheets at half to full load; a site may state its own"
    )
    own_consumption_w: float = _number(500.0, "own: controller, fans, screen and idle modules of a 120 kW pile")
    share_validity_s: float = _number(1.0, "own: 100 cycles of 10 ms; below the 10 s after which modules switch off")
    lowering_tolerance_w: float = _number(500.0, "own: a lowering counts as done within this of the new share")
    lowering_tolerance_share: float = _number(
        0.02, "own: of the new share; control and measurement of the output differ by less"
    )
    lowering_unmeasured_s: float = _number(
        10.0, "InfyPower V1.13: a module without a command is off after 10 s; used when no measurement comes"
    )
    raise_rate_w_per_s: float = _number(20_000.0, "own: a 60 kW group in 3 s; GB/T 18487.1 gives 20 A/s as the least")
    raise_hysteresis_w: float = _number(500.0, "own: a share is not raised for less")
    need_hold_s: float = _number(5.0, "own: a need counts as fallen after this time below its last peak")
    overload_share: float = _number(0.05, "own: accuracy of the meters and 2 % of the output control")
    value_age_limit_s: float = _number(1.5, "as module_voltage_v in agent/vocabulary/signals.py")
    feedback_age_limit_s: float = _number(0.6, "as contactor_k1_closed in agent/vocabulary/signals.py")
    input_age_limit_s: float = _number(1.0, "own: a connector core that is silent for 100 cycles gets no power")
    start_up_grace_s: float = _number(3.0, "as start_up_grace_s of the control core: time for the first readings")
    evidence_s: float = _number(0.1, "own: five readings at 20 ms; contact bounce is over (practice: 20 to 50 ms)")
    evidence_samples: int = _number(2, "design: one sample decides nothing")
    safe_voltage_v: float = _number(60.0, "GB/T 18487.1, GB 44263-2024: safe to touch below")
    joining_difference_v: float = _number(10.0, "GB/T 18487.1: contactors close within 10 V of the other side")
    matching_below_v: float = _number(5.0, "own: the middle of the 1 to 10 V of GB/T 18487.1")
    matching_proof_below_v: float = _number(
        25.0, "own: first level of matching, outside the joining window by 5 V and more: proves that the sensor follows"
    )
    matching_current_a: float = _number(2.0, "own: as precharge; charges the output capacitors of the group")
    sides_differ_v: float = _number(
        5.0, "as weld_difference_v of the DC sequence: both sides of closed K1/K2 agree within this"
    )
    separation_difference_v: float = _number(15.0, "own: 5 V more than a joining may have: the two sides are apart")
    follow_s: float = _number(5.0, "own: a dead bus that follows a group for this long is connected to it")
    opening_current_a: float = _number(5.0, "GB/T 18487.1: contactors open normally below 5 A")
    unloading_limit_s: float = _number(3.0, "GB/T 18487.1: current below 5 A; as ramp_down_s of the DC sequence")
    contactor_limit_s: float = _number(1.0, "as contactor_refuses and contactor_welded in config/faults.toml")
    opening_rest_s: float = _number(
        0.5, "own: output board, contactor and feedback need up to 0.2 s; no new closing before an old one is over"
    )
    matching_limit_s: float = _number(120.0, "own: an idle module discharges its output within about 60 s, doubled")
    waiting_limit_s: float = _number(300.0, "own: lock, handshake, insulation test and precharge take 90 s at most")
    retry_after_s: float = _number(60.0, "own: a parked group with a fault that may pass tries again after this")
    retry_limit: int = _number(3, "own: so many failures without a success need a person")
    lend_hold_s: float = _number(10.0, "own: a need must last before contactors move for it")
    lend_need_w: float = _number(3_000.0, "own: a move is worth a tenth of a 30 kW module")

    def __post_init__(self) -> None:
        """Raise ValueError for a number that is not finite or not above zero, or an efficiency above 1."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value <= 0:
                raise ValueError(f"{field.name}: must be a finite number above 0, is {value}")
        if self.efficiency > 1.0:
            raise ValueError(f"efficiency: must be at most 1, is {self.efficiency}")


@dataclasses.dataclass(frozen=True, slots=True)
class ModuleGroup:
    """Power modules that are switched together 功率模块组."""

    id: str
    home: int
    """Connector that it belongs to."""
    module_count: int
    maximum_power_w: float
    maximum_current_a: float
    minimum_voltage_v: float
    maximum_voltage_v: float


@dataclasses.dataclass(frozen=True, slots=True)
class AllocationContactor:
    """The contactor pair that joins a group to a connector 功率分配接触器, as wiring knows it."""

    group: str
    connector: int
    output: str
    """Output of a board that closes it."""
    feedback: str
    """Input of a board that shows it closed (auxiliary contact 辅助触点)."""


@dataclasses.dataclass(frozen=True, slots=True)
class PowerParameters:
    """Groups, contactors and limits of one pile.

    A group without contactors is wired to its home connector and stays there. A group with contactors needs one to
    its home connector too: otherwise it could not be parked, and its home bus would be live with another connector's
    voltage. Raises ValueError with the place and the cure for what does not fit.
    """

    maximum_power_w: float
    """Rating of the pile (profile), DC side."""
    maximum_voltage_v: float
    connector_power_w: Mapping[int, float]
    """Rating of each connector, by number."""
    connector_current_a: Mapping[int, float]
    groups: tuple[ModuleGroup, ...]
    contactors: tuple[AllocationContactor, ...] = ()
    policy: Policy = "fixed"
    incomer_limit_w: float | None = None
    """Most that the pile may take from the grid, AC side; None: no limit beside the rating."""
    default_limit_w: float | None = None
    """Limit when no command is in force (fail-safe share of a group of piles); None: the rating of the pile."""
    numbers: PowerNumbers = dataclasses.field(default_factory=PowerNumbers)

    def __post_init__(self) -> None:
        """Check groups and contactors against each other."""
        ids = [group.id for group in self.groups]
        for group in self.groups:
            if ids.count(group.id) > 1:
                raise ValueError(f"group {group.id}: given twice; give every group its own id")
            if group.home not in self.connector_power_w:
                raise ValueError(f"group {group.id}: home connector {group.home} does not exist")
            paths = self.paths(group.id)
            if paths and group.home not in paths:
                raise ValueError(
                    f"group {group.id}: no contactor to its home connector {group.home}; add an [[allocation]] row, "
                    "or remove the rows of the group to wire it to its home connector"
                )
        for row in self.contactors:
            if row.group not in ids:
                raise ValueError(f"allocation {row.output}: group {row.group} does not exist")
            if row.connector not in self.connector_power_w:
                raise ValueError(f"allocation {row.output}: connector {row.connector} does not exist")
        for kind, names in (("output", self.outputs), ("feedback", tuple(row.feedback for row in self.contactors))):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind} {name}: used by two allocation contactors; give each its own")
        pairs = [(row.group, row.connector) for row in self.contactors]
        for group_id, connector in pairs:
            if pairs.count((group_id, connector)) > 1:
                raise ValueError(f"group {group_id}, connector {connector}: two allocation rows; keep one")

    @property
    def shared(self) -> bool:
        """Power is shared or limited from the start: a set point is more than passed on to the only group."""
        lone = len(self.groups) == 1 and len(self.connector_power_w) == 1
        limited = self.incomer_limit_w is not None or self.default_limit_w is not None
        return not lone or bool(self.contactors) or limited

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs of all allocation contactors."""
        return tuple(row.output for row in self.contactors)

    def paths(self, group_id: str) -> dict[int, AllocationContactor]:
        """Contactors of a group, by connector."""
        return {row.connector: row for row in self.contactors if row.group == group_id}
