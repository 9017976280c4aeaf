"""What each number of a data file does: one probe for each key, by the file it is in.

A probe takes the file as loaded and the number as it was, builds what the agent builds from the file, looks at it just
below, at and just above the number, and returns what it saw. A number that can be changed without any probe seeing a
difference is a label.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from interlock_cases import Case
from number_walk import Number, around

from agent.control.dc.limits import combine, pile_limit
from agent.control.dc.plausibility import below_minimum
from agent.control.metering.billing import Billing
from agent.control.metering.meter import StuckRegister, verification_findings
from agent.control.power.parameters import ModuleGroup
from agent.control.power_quality.watch import PowerQuality
from agent.control.safety.fault_register import FaultRegister
from agent.field import parameters as field_parameters
from agent.field.power_parameters import power_parameters
from agent.settings.catalogue import Fault, FaultCatalogue, PileProfile, TariffTable, fault_table, threshold_of
from agent.settings.load import load_site
from agent.settings.power_quality import SupplyLimits
from agent.settings.profile import profile_problems
from agent.settings.schema import CONNECTORS
from drivers.meters.register_form import RegisterForm
from drivers.power.infypower import InfyPower
from drivers.power.module_group import GroupPlan
from drivers.reading import Reading
from scripts.documents.faults import faults_text

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
SITE = load_site(CONFIG / "site-example.toml")

Probe = Callable[[Any, Number], Any]


def parameters_of(**files: Any) -> Any:
    """The parameters that the field process derives from the example site with other data files."""
    settings = msgspec.structs.replace(SITE.settings, limits=type(SITE.settings.limits)())
    site = dataclasses.replace(SITE, settings=settings, **files)
    return field_parameters.connector_parameters(site, site.connectors[0], boot_id="0123456789abcdef", version="test")


# config/faults.toml


def _row(catalogue: FaultCatalogue, number: Number) -> Fault:
    return catalogue.fault[int(number.place[1])]


def _level(catalogue: FaultCatalogue, number: Number) -> Any:
    """Its place among faults of every level in the list of those in force."""
    row = _row(catalogue, number)
    beside = {f"level_{level}": msgspec.structs.replace(row, id=f"level_{level}", level=level) for level in (1, 2, 3)}
    register = FaultRegister({row.id: row, **beside})
    register.update(0.0, [row.id], unplugged=False, reset=False)
    register.update(1.0, [*beside, row.id], unplugged=False, reset=False)
    register.update(900.0, [*beside, row.id], unplugged=False, reset=False)
    return [active.fault.id for active in register.active()]


def _debounce(catalogue: FaultCatalogue, number: Number) -> Any:
    row = _row(catalogue, number)
    seen = []
    for at_s in around(number.value):
        register = FaultRegister({row.id: row})
        register.update(0.0, [row.id], unplugged=False, reset=False)
        seen.append(bool(register.update(max(0.0, at_s), [row.id], unplugged=False, reset=False)[0]) or at_s <= 0.0)
    at_once = FaultRegister({row.id: row}).update(0.0, [row.id], unplugged=False, reset=False)[0]
    return seen, bool(at_once)


def _clear(catalogue: FaultCatalogue, number: Number) -> Any:
    row = _row(catalogue, number)
    seen = []
    for gone_s in around(number.value):
        register = FaultRegister({row.id: row})
        for at_s in (-2000.0, -1000.0):
            register.update(at_s, [row.id], unplugged=False, reset=False)
        register.update(0.0, [], unplugged=True, reset=True)
        seen.append(bool(register.update(gone_s, [], unplugged=True, reset=True)[1]))
    return seen


def _age(signal: str) -> Callable[[dict[str, Fault], float], Any]:
    def look(faults: dict[str, Fault], limit_s: float) -> Any:
        seen = []
        for age_s in around(limit_s):
            case = Case(parameters_of(faults=faults))
            case.ages_s[signal] = age_s
            seen.append(case.conditions())
        return seen

    return look


def _temperature(faults: dict[str, Fault], limit_c: float) -> Any:
    seen = []
    for celsius in around(limit_c):
        case = Case(parameters_of(faults=faults))
        case["connector_temperature_plus_c"] = celsius
        seen.append(case.conditions())
    return seen


def _current_absent(faults: dict[str, Fault], limit_s: float) -> Any:
    return [
        Case(parameters_of(faults=faults), current_expected_since_s=-since_s).conditions()
        for since_s in around(limit_s)
    ]


def _recorder_lost(faults: dict[str, Fault], limit_s: float) -> Any:
    return [
        Case(parameters_of(faults=faults), recorder_ready_at_s=-since_s).conditions() for since_s in around(limit_s)
    ]


def _register_stuck(faults: dict[str, Fault], limit_wh: float) -> Any:
    """One second at a power that carries just less, as much and just more than the limit."""
    seen = []
    for flowed_wh in around(limit_wh):
        watch = StuckRegister(RegisterForm())
        threshold_wh = threshold_of(faults, "meter_register_stuck")
        for at_s, power_w in ((0.0, 0.0), (1.0, flowed_wh * 3600.0), (20.0, 0.0)):
            found = watch.look(at_s, 5, threshold_wh - 5.0, charging=True, power_w=power_w)
        seen.append(found)
    return seen


def _days(faults: dict[str, Fault], days: float) -> Any:
    return [verification_findings(int(days) + more, faults, refuse=False) for more in (-1, 0, 1)]


THRESHOLDS: Mapping[str, Callable[[dict[str, Fault], float], Any]] = {
    "over_temperature": _temperature,
    "temperature_high": _temperature,
    "current_absent": _current_absent,
    "insulation_monitor_lost": _age("insulation_plus_kohm"),
    "meter_lost": _age("meter_energy_wh"),
    "power_stage_lost": _age("module_voltage_v"),
    "recorder_lost": _recorder_lost,
    "meter_register_stuck": _register_stuck,
    "meter_verification_due": _days,
    "meter_verification_near": _days,
}


def _threshold(catalogue: FaultCatalogue, number: Number) -> Any:
    return THRESHOLDS[_row(catalogue, number).id](fault_table(catalogue), number.value)


def _fault_document(catalogue: FaultCatalogue, number: Number) -> Any:
    """The code of a platform is for people who match lists: it acts in the document."""
    row = _row(catalogue, number)
    return faults_text({row.id: row})


FAULT_PROBES: Mapping[str, Probe] = {
    "level": _level,
    "debounce_s": _debounce,
    "clear_s": _clear,
    "threshold": _threshold,
    "sz77_code": _fault_document,
}


# config/power_quality.toml

NOMINAL_V = 230.0


def _watch(limits: SupplyLimits, phases: int) -> PowerQuality:
    entry = SimpleNamespace(
        model="m", nominal_voltage_v=NOMINAL_V, poll_interval_ms=1000, measurement_class="A", role="incomer"
    )
    kind = SimpleNamespace(kind="ac1" if phases == 1 else "ac3")
    site = SimpleNamespace(
        supply_limits=limits, settings=SimpleNamespace(auxiliary_meter=[entry]), auxiliary_maps=[(None, kind)]
    )
    parameters = field_parameters._power_quality(site)  # type: ignore[arg-type]  # the three parts that it reads
    assert parameters is not None
    return PowerQuality(parameters)


def _supply_readings(quantity: str, value: float) -> dict[str, float]:
    if quantity == "voltage_deviation_percent":
        return {"voltage_l1_v": NOMINAL_V * (1.0 + value / 100.0)}
    if quantity == "frequency_deviation_hz":
        return {"frequency_hz": 50.0 + value}
    return {quantity: value}


def _ten_minutes(watch: PowerQuality, readings: Mapping[str, float]) -> list[str]:
    for at_s, wall_ms in ((0.0, 0), (600.0, 600_000)):
        watch.turn(at_s, wall_ms, "synced")
    for name, value in readings.items():
        watch.take(name, Reading(value, "1", 700.0))
    records = watch.turn(1200.0, 1_200_000, "synced")
    return [limit for kind, body in records if kind == "power_quality" for limit in body["exceeded"]]


def _supply_limit(limits: SupplyLimits, number: Number) -> Any:
    was = limits.limit[int(number.place[1])]
    value = number.value if number.place[2] in ("low", "high") else 1.1 * was.high
    return [
        (was.id, phases, was.id in _ten_minutes(_watch(limits, phases), _supply_readings(was.quantity, seen)))
        for phases in (1, 3)
        for seen in around(value)
    ]


def _supply_event(limits: SupplyLimits, number: Number) -> Any:
    """Voltages at the limit: what kind of event begins, and when one that runs is over."""
    key, events = str(number.place[-1]), limits.events
    centre = number.value
    if key == "hysteresis_percent":
        centre = 90.0 + number.value
    seen = []
    for percent in around(centre) if key != "hysteresis_percent" else (centre - 0.01, centre, centre + 0.01):
        watch = _watch(limits, 1)
        begin = 80.0 if key == "hysteresis_percent" else percent
        for at_s, value in ((0.0, begin), (0.5, percent), (1.0, percent)):
            watch.take("voltage_l1_v", Reading(NOMINAL_V * value / 100.0, "V", at_s))
        watch.take("voltage_l1_v", Reading(NOMINAL_V, "V", 1.5))
        records = watch.turn(1.6, 1, "unset")
        seen.append([(body["what"], body["duration_ms"]) for _, body in records])
    assert events
    return seen


SUPPLY_PROBES: Mapping[str, Probe] = {
    "low": _supply_limit,
    "high": _supply_limit,
    "phases": _supply_limit,
    **dict.fromkeys(
        ("sag_below_percent", "swell_above_percent", "interruption_below_percent", "hysteresis_percent"), _supply_event
    ),
}


# config/tariffs


def _bill(table: TariffTable, number: Number) -> Any:
    """A day at 100 kW, and the amounts of each rate."""
    billing = Billing(parameters_of(tariff=table).tariff)
    billing.start(0, 0)
    for half_hour in range(1, 49):
        billing.sample(50_000 * half_hour, 1_800_000 * half_hour)
    return billing.bill().as_record()["slices"]


def _tariff_version(table: TariffTable, number: Number) -> Any:
    return parameters_of(tariff=table).tariff.as_record()["version"]


TARIFF_PROBES: Mapping[str, Probe] = {
    "electricity_e5": _bill,
    "service_e5": _bill,
    "version": _tariff_version,
}


# config/piles


def _output(profile: PileProfile, number: Number) -> Any:
    """The most that a pile of this profile puts out over its range of voltages."""
    parameters = parameters_of(profile=profile)
    base = pile_limit(parameters, 1.0)
    voltages_v = (100.0, 300.0, 450.0, 900.0, 2000.0)
    groups = [
        (group.maximum_power_w, group.maximum_current_a, group.module_count) for group in _groups_of(profile).values()
    ]
    return [(limit.voltage_v, limit.current_a) for v in voltages_v for limit in [combine(base, v, (), None)]], groups


def _groups_of(profile: PileProfile) -> dict[str, ModuleGroup]:
    """The groups as power sharing sees them, at the example site or at one with two connectors."""
    connectors = [
        dataclasses.replace(
            SITE.connectors[0], settings=msgspec.structs.replace(SITE.connectors[0].settings, number=each)
        )
        for each in range(1, CONNECTORS + 1)
    ]
    site = dataclasses.replace(SITE, profile=profile, connectors=tuple(connectors))
    return {group.id: group for group in power_parameters(site).groups}


def _fit(profile: PileProfile, number: Number) -> Any:
    """What is said of connectors, homes of groups and contactors that do not fit together."""
    return [problem.line() for problem in profile_problems(profile)]


def _smallest_demand(profile: PileProfile, number: Number) -> Any:
    parameters = parameters_of(profile=profile)
    limit_v, limit_a = SITE.profile.minimum_voltage_v, SITE.profile.minimum_current_a
    return [
        below_minimum({"voltage_v": voltage_v, "current_a": current_a}, parameters)
        for voltage_v, current_a in (
            *((value, 50.0) for value in around(limit_v)),
            *((400.0, value) for value in around(limit_a)),
        )
    ]


def _modules(profile: PileProfile, number: Number) -> Any:
    stage = InfyPower(GroupPlan.of(profile.group[int(number.place[1])].module_count), 0.1)
    stage.set_point(500.0, 60.0, True)
    return [(frame.identifier, frame.data) for turn in range(200) for frame in stage.poll(turn * 0.005)]


PILE_PROBES: Mapping[str, Probe] = {
    "maximum_power_w": _output,
    "maximum_voltage_v": _output,
    "maximum_current_a": _output,
    "minimum_voltage_v": _smallest_demand,
    "minimum_current_a": _smallest_demand,
    "module_count": _modules,
    "connectors": _fit,
    "connector": _fit,
}
