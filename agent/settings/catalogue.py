"""The shipped data files that a site file refers to: ratings, tariffs, faults, and what they are made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta, field

from agent.settings.schema import CONNECTORS, SCHEMA, GroupId, Identifier, Section
from drivers.text import Text

SignalName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Sensors(Section, frozen=True, kw_only=True):
    """What a pile must have and what it may have: signals of the wiring, ``meter``, ``insulation_monitor``.

    A signal in neither list must not be wired: the profile describes the pile.
    """

    required: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)


class Group(Section, frozen=True, kw_only=True):
    """A group of power modules that is switched as one. ``connector`` is its home: that is what it feeds at rest."""

    id: GroupId
    connector: Annotated[int, Meta(ge=1, le=CONNECTORS)]
    module_count: Annotated[int, Meta(ge=1, le=60)]
    maximum_power_w: Annotated[int, Meta(ge=1000, le=1000000)]
    maximum_current_a: Annotated[float, Meta(ge=1, le=1000)]


class Allocation(Section, frozen=True, kw_only=True):
    """Contactors (both poles, one output) that join a group to a connector.

    A group without any is wired to its home. A group with one has one to its home too.
    """

    group: GroupId
    connector: Annotated[int, Meta(ge=1, le=CONNECTORS)]
    output: SignalName
    feedback: SignalName


class PileProfile(Section, frozen=True, kw_only=True):
    """Ratings of a pile, a file in config/piles.

    ``maximum_power_w`` is that of the whole pile; voltages and currents are those of each connector.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Identifier
    description: str
    kind: Literal["dc"]
    connectors: Annotated[int, Meta(ge=1, le=CONNECTORS)]
    maximum_power_w: Annotated[int, Meta(ge=1000, le=4000000)]
    maximum_voltage_v: Annotated[float, Meta(ge=50, le=1500)]
    minimum_voltage_v: Annotated[float, Meta(ge=0, le=1000)]
    maximum_current_a: Annotated[float, Meta(ge=1, le=1000)]
    minimum_current_a: Annotated[float, Meta(ge=0, le=100)]
    sensors: Sensors
    group: Annotated[list[Group], Meta(min_length=1)]
    allocation: list[Allocation] = field(default_factory=list)

    def groups_of(self, connector: int) -> list[Group]:
        """The groups at home at a connector."""
        return [group for group in self.group if group.connector == connector]


REQUIRED_OUTPUTS = (
    "contactor_k1",
    "contactor_k2",
    "auxiliary_supply",
    "electronic_lock",
    "discharge",
    "insulation_monitor",
)
"""Relays that the wiring of a connector that charges must have."""
OPTIONAL_OUTPUTS = ("fan", "fault_lamp")
TIMED_OUTPUTS = ("contactor_k1", "contactor_k2")
"""Relays that the board itself must open when the program has died; the contactors that join groups as well."""
DEVICES = ("meter", "insulation_monitor")
"""Devices of a connector that a profile may ask for like a sensor."""


RateName = Literal["sharp", "peak", "flat", "valley"]


class Rate(Section, frozen=True, kw_only=True):
    """Price of one of the four rates, in units of 0.00001 yuan per kWh."""

    electricity_e5: Annotated[int, Meta(ge=0, le=10_000_000)]
    service_e5: Annotated[int, Meta(ge=0, le=10_000_000)]


class TariffTable(Section, frozen=True, kw_only=True):
    """A tariff, a file in config/tariffs: 48 half-hour slots of local time, each with a rate."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    id: Identifier
    version: Annotated[int, Meta(ge=1)]
    description: str
    source: str
    rates: dict[RateName, Rate]
    slots: Annotated[list[RateName], Meta(min_length=48, max_length=48)]


class Fault(Section, frozen=True, kw_only=True):
    """One row of the fault catalogue.

    ``level``: 1 personal safety, 2 equipment safety, 3 notice. ``action``: ``open`` opens the contactors at
    once, ``stop`` is a normal stop, ``inhibit`` refuses a start, ``derate`` lowers the current,
    ``log`` only records. ``clear``: ``self`` clears when the cause is gone for ``clear_s``, ``unplug`` needs
    the plug pulled as well, ``local`` needs a person at the pile who resets it.

    A limit has one home. ``threshold`` (in ``unit``) is the limit that the rule of this fault reads: only the faults of
    ``WITH_THRESHOLD`` have one. ``limits`` names numbers that have their home in the program, where editions differ or
    several rules share them: ``safety.``, ``times.``, ``judge.`` or ``listener.`` and the name of the number;
    docs/faults.md shows their values.
    """

    id: Identifier
    level: Literal[1, 2, 3]
    action: Literal["open", "stop", "inhibit", "derate", "log"]
    clear: Literal["self", "unplug", "local"]
    debounce_s: Annotated[float, Meta(ge=0, le=600)]
    clear_s: Annotated[float, Meta(ge=0, le=600)] = 0.5
    threshold: float | None = None
    unit: str = ""
    limits: list[str] = field(default_factory=list)
    source: str
    sz77_code: int | None = None
    text_zh: str
    text_en: str
    hint_zh: str
    hint_en: str

    @property
    def text(self) -> Text:
        """What the fault is."""
        return Text(self.text_zh, self.text_en)

    @property
    def hint(self) -> Text:
        """What to look at when it is there."""
        return Text(self.hint_zh, self.hint_en)


class FaultCatalogue(Section, frozen=True, kw_only=True):
    """config/faults.toml."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    fault: list[Fault]


WITH_THRESHOLD: Mapping[str, str] = MappingProxyType(
    {
        "over_temperature": "degC",
        "temperature_high": "degC",
        "current_absent": "s",
        "insulation_monitor_lost": "s",
        "meter_lost": "s",
        "power_stage_lost": "s",
        "recorder_lost": "s",
        "meter_register_stuck": "Wh",
        "meter_verification_due": "d",
        "meter_verification_near": "d",
    }
)
"""The faults with a limit that the program reads from their row, and its unit."""


def threshold_of(faults: Mapping[str, Fault], fault_id: str) -> float:
    """The limit in the row of ``fault_id``. Raises KeyError without the row, ValueError without a limit in it."""
    threshold = faults[fault_id].threshold
    if threshold is None:
        raise ValueError(f"fault {fault_id} has no threshold in the catalogue; its rule needs one")
    return threshold


def fault_table(catalogue: FaultCatalogue) -> dict[str, Fault]:
    """The catalogue by fault id.

    Raises ValueError if an id comes twice, a limit is missing or in another unit, or a limit is one that no rule reads.
    """
    table: dict[str, Fault] = {}
    for fault in catalogue.fault:
        if fault.id in table:
            raise ValueError(f"fault {fault.id} is in the catalogue twice")
        if fault.unit != WITH_THRESHOLD.get(fault.id, ""):
            raise ValueError(f"fault {fault.id}: unit must be {WITH_THRESHOLD.get(fault.id, '')!r}, is {fault.unit!r}")
        if fault.threshold is not None and fault.id not in WITH_THRESHOLD:
            raise ValueError(f"fault {fault.id} has a threshold that no rule reads; remove it, or name it in limits")
        table[fault.id] = fault
        if fault.id in WITH_THRESHOLD:
            threshold_of(table, fault.id)
    return table
