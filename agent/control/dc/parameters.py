"""Everything the control core needs to know beforehand; the numbers of the DC sequence are in ``numbers``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.control.metering.billing import BillingTariff
from agent.control.power_quality.limits import PowerQualityParameters
from agent.control.safety.numbers import NUMBERS, TIMES, SequenceEdition, SequenceNumbers, StepTimes
from agent.control.safety.requirements import FULL_INPUTS, checked_inputs, safety_inputs
from agent.settings.catalogue import Fault
from drivers.gbt27930.judge.limits import LIMITS, JudgeLimits
from drivers.meters.register_form import RegisterForm


@dataclass(frozen=True, slots=True)
class ControlParameters:
    """Parameters of one connector's control core."""

    pile_id: str
    boot_id: str
    version: str
    connector: int
    maximum_power_w: float
    maximum_voltage_v: float
    minimum_voltage_v: float
    maximum_current_a: float
    minimum_current_a: float
    tariff: BillingTariff
    faults: Mapping[str, Fault]
    over_temperature_c: float
    """Contact temperature that ends the charge: the threshold of the fault, or a lower one of the site; with the next
    two."""
    temperature_derate_c: float
    """Contact temperature from which the current is lowered."""
    recorder_lost_stop_s: float
    """How long a session may go on without a recorder."""
    inputs: tuple[str, ...] = FULL_INPUTS
    """Sensors of the pile, by its profile; checked by ``checked_inputs`` (ValueError)."""
    edition: SequenceEdition = "2015"
    charger_number: int = 1
    meter: Mapping[str, Any] = field(default_factory=dict)
    """The billing meter as written in the record: model, address, numbers, class, unit."""
    register_form: RegisterForm = field(default_factory=RegisterForm)
    verification_due_day: int | None = None
    """Last day of the meter's verification, a day number as ``date.toordinal`` counts; None: not known."""
    refuse_after_verification_due: bool = False
    power_quality: PowerQualityParameters | None = None
    """The meter at the grid side, None without one."""
    start_time_limit_s: float = 90.0
    telemetry_interval_s: float = 15.0
    telemetry_idle_interval_s: float = 300.0
    start_up_grace_s: float = 3.0
    """A missing first reading denies permission at once but counts as a fault only after this long (own)."""
    maximum_backlog: int = 2_000
    """Records kept in memory while the recorder is away."""

    start_inputs: tuple[str, ...] = field(init=False)
    """Without a fresh value of each of these no session starts: ``inputs`` and the recorder."""
    safety_inputs: tuple[str, ...] = field(init=False)
    """Without a fresh value of each of these nothing is energised."""

    contact_sensors: tuple[str, ...] = field(init=False)
    """Temperature sensors of the contacts that the pile has."""
    input_set: frozenset[str] = field(init=False)
    """``start_inputs`` as a set."""

    def __post_init__(self) -> None:
        """Work out which inputs are demanded. Raises ValueError as ``checked_inputs`` does."""
        demanded = checked_inputs(self.inputs)
        object.__setattr__(self, "start_inputs", demanded)
        contacts = tuple(name for name in demanded if name.startswith("connector_temperature_"))
        object.__setattr__(self, "contact_sensors", contacts)
        object.__setattr__(self, "input_set", frozenset(demanded))
        object.__setattr__(self, "safety_inputs", safety_inputs(demanded))

    @property
    def meter_proof_key(self) -> str:
        """What a proof of the meter's unit holds for: another model, number or setting needs a proof of its own."""
        return "/".join(str(self.meter.get(key, "")) for key in ("model", "serial_number", "energy_unit_wh"))

    @property
    def numbers(self) -> SequenceNumbers:
        """Limits of the DC sequence under this edition."""
        return NUMBERS[self.edition]

    @property
    def times(self) -> StepTimes:
        """Longest stays in the steps of the sequence under this edition."""
        return TIMES[self.edition]

    @property
    def judge_limits(self) -> JudgeLimits:
        """Limits that the data of the vehicle are judged by under this edition."""
        return LIMITS[self.edition]
