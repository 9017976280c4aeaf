"""What the rules know of the sequence besides the readings: built whole and fresh for each evaluation, immutable."""

import msgspec

from agent.vocabulary.reasons import Reason
from drivers.can.state import BusState

_NONE: frozenset[str] = frozenset()


class Situation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The circumstances of one evaluation. The defaults are those of a connector at rest."""

    now_s: float
    started_at_s: float
    """When the control core came up."""
    in_session: bool = False
    record_durable: bool = False
    """The start of this session is durable in the ledger."""
    lock_required: bool = False
    vehicle_expected: bool = False
    """The plug must be in the vehicle."""
    contactors_wanted: bool = False
    """The contactors are commanded closed."""
    contactors_wanted_since_s: float = 0.0
    """Since when the contactors are commanded as ``contactors_wanted`` demands."""
    before_insulation_test: bool = False
    auxiliary_wanted_since_s: float | None = None
    output_idle_since_s: float | None = None
    """Since when the power modules have no set point; None while they have one."""
    voltage_ceiling_v: float | None = None
    """Highest voltage permitted at the output now; None while there is no set point."""
    voltage_ceiling_since_s: float = float("-inf")
    """Since when there is a set point: an older reading belongs to what was permitted before."""
    current_envelope_a: float | None = None
    """Highest set point of the recent past; None while there is none."""
    current_expected_since_s: float | None = None
    vehicle_port_open: bool = True
    vehicle_bus_state: BusState = BusState.UNKNOWN
    module_bus_state: BusState = BusState.UNKNOWN
    battery_limits_violated: bool = False
    recorder_ready_at_s: float | None = None
    """When the recorder last reported that it takes records; one that reports that it cannot counts as none."""
    uplink_lost: bool = False
    clock_unset: bool = False
    discharged_side: bool = True
    """The vehicle has had its time to open its contactors: voltage on the vehicle side is now a fault."""
    reconnect_cause: str | None = None
    """Fault that has broken the dialogue with the vehicle while a new one is being prepared: recorded only, but
    nothing is closed meanwhile."""
    replug_after: str | None = None
    """Stop reason after which no session starts until the plug has been pulled; None while there is none."""
    vehicle_findings: frozenset[str] = _NONE
    """Faults of ``VEHICLE_FINDINGS`` that the vehicle's data show now."""
    meter_findings: frozenset[str] = _NONE
    """Faults of ``METER_FINDINGS`` that are present now."""
    grid_findings: frozenset[str] = _NONE
    """Faults of ``GRID_FINDINGS`` that the last ten minutes of the supply show."""
    power_findings: frozenset[str] = _NONE
    """Faults of ``POWER_FINDINGS`` that power sharing has found."""
    power_reasons: tuple[Reason, ...] = ()
    """Why power sharing lets no contactor of this connector close."""
    modules_away: bool = False
    """Power sharing has joined no group of modules to this connector, and its contactors are open: that no module is
    measured is no fault."""
    events: frozenset[str] = _NONE
    """Faults that the sequence itself has found and that stay until their clear rule is met."""
