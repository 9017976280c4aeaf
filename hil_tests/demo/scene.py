"""What is on the screen: plain data, filled by the story, drawn by the panel or printed line by line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hil_tests.demo.words import STATES, Language, text, word

_MODES = {1: "CV", 2: "CC"}
"""Charging mode of BCL: constant voltage, constant current."""


@dataclass(frozen=True, slots=True)
class Step:
    """A state that the connector entered, ``at_s`` seconds after the run began."""

    state: str
    at_s: float


@dataclass(slots=True)
class Scene:
    """The picture of one moment. ``status`` is the field process's snapshot, empty while it does not answer."""

    language: Language = "en"
    elapsed_s: float = 0.0
    doing: str = "starting_bench"
    """What the run is doing: a key of the texts."""
    status: Mapping[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    published: Mapping[str, int] = field(default_factory=dict)
    """Messages that the platform has received, by topic class."""
    energy_wh: int = 0
    """Energy of the session by the meter's register; stays when the session has ended."""
    soc_from_percent: float | None = None
    soc_to_percent: float | None = None

    @property
    def state(self) -> str:
        """State of the connector, or an empty text before the field process answers."""
        return str(self.status.get("state", ""))

    def value(self, name: str) -> float | bool | None:
        """A signal of the process image; None when it is stale or unknown."""
        found = self.status.get("values", {}).get(name)
        return found if isinstance(found, int | float) else None

    def part(self, name: str) -> Mapping[str, Any]:
        """A group of the status snapshot; empty when it is absent."""
        found = self.status.get(name)
        return found if isinstance(found, Mapping) else {}

    @property
    def soc_percent(self) -> float | None:
        """State of charge as the vehicle reports it."""
        found = self.part("bms").get("soc_percent")
        return float(found) if found is not None else None

    @property
    def soc_share(self) -> float:
        """How far the charge has come, 0 to 1: from the first state of charge to the one that the vehicle wants."""
        soc = self.soc_percent
        if soc is None:
            return 0.0
        begin = self.soc_from_percent or 0.0
        end = self.soc_to_percent or 100.0
        if end <= begin:
            return 1.0
        return min(1.0, max(0.0, (soc - begin) / (end - begin)))


def number(value: float | None, unit: str, digits: int = 1) -> str:
    """A value with its unit; a dash when there is none."""
    return f"{value:.{digits}f} {unit}" if value is not None else f"- {unit}"


def measured(scene: Scene) -> str:
    """Voltage, current, power and energy of the session from the meter."""
    power_w = scene.value("meter_power_w")
    return "  ".join(
        (
            number(scene.value("meter_voltage_v"), "V"),
            number(scene.value("meter_current_a"), "A"),
            number(None if power_w is None else power_w / 1000, "kW", 2),
            number(scene.energy_wh / 1000, "kWh", 3),
        )
    )


def demand(scene: Scene) -> str:
    """What the vehicle's BMS asks for (BCL, BCS)."""
    bms = scene.part("bms")
    parts = [
        number(bms.get("demand_voltage_v"), "V"),
        number(bms.get("demand_current_a"), "A"),
    ]
    if bms.get("mode") is not None:
        parts.append(_MODES.get(bms["mode"], str(bms["mode"])))
    if bms.get("remaining_min") is not None:
        parts.append(f"{bms['remaining_min']} {text('remaining', scene.language)}")
    return "  ".join(parts)


def battery(scene: Scene) -> str:
    """The battery's own limits (BCP) and its fullest and hottest places (BCS, BSM)."""
    bms, language = scene.part("bms"), scene.language
    parts = [
        f"{text('battery_limit', language)} {number(bms.get('bcp_maximum_voltage_v'), 'V', 0)} "
        f"{number(bms.get('bcp_maximum_current_a'), 'A', 0)}",
        f"{text('highest_cell', language)} {number(bms.get('maximum_cell_voltage_v'), 'V', 2)} "
        f"{number(bms.get('highest_temperature_c'), '°C', 0)}",
    ]
    return "  ".join(parts)


def limits(scene: Scene) -> str:
    """What the pile permits now, and the rule for it."""
    limit = scene.part("limit")
    power_w = limit.get("power_w")
    words = [
        f"{text('allowed', scene.language)} {number(limit.get('voltage_v'), 'V', 0)}",
        number(limit.get("current_a"), "A", 0),
        number(None if power_w is None else power_w / 1000, "kW"),
    ]
    if limit.get("by"):
        words.append(f"({limit['by']})")
    return "  ".join(words)


def permission(scene: Scene) -> str:
    """The interlocks' verdict and the faults in force."""
    status, language = scene.status, scene.language
    if not status:
        return "-"
    if status.get("may_energise"):
        verdict = text("permitted", language)
    elif status.get("may_start"):
        verdict = text("start_permitted", language)
    else:
        blockers = ", ".join(str(item) for item in status.get("start_blockers", ())[:3])
        verdict = text("denied", language) + (f" ({blockers})" if blockers else "")
    faults = [str(fault["id"]) for fault in status.get("faults", ())]
    return f"{verdict} · {', '.join(faults) or text('no_faults', language)}"


def switches(scene: Scene) -> str:
    """Contactors and lock, by their feedback."""
    language = scene.language

    def fed_back(name: str, yes: str, no: str) -> str:
        value = scene.value(name)
        return text("unknown" if value is None else yes if value else no, language)

    return " · ".join(
        (
            f"K1 {fed_back('contactor_k1_closed', 'closed', 'open')}",
            f"K2 {fed_back('contactor_k2_closed', 'closed', 'open')}",
            f"{text('lock', language)} {fed_back('lock_locked', 'locked', 'unlocked')}",
        )
    )


def outputs(scene: Scene) -> str:
    """Contactors and lock by their feedback, the auxiliary supply by its voltage."""
    auxiliary = number(scene.value("auxiliary_voltage_v"), "V")
    return f"{switches(scene)} · {text('auxiliary', scene.language)} {auxiliary}"


def recorded(scene: Scene) -> str:
    """How far the record has come and what of it the broker has."""
    records, recorder, language = scene.part("records"), scene.part("recorder"), scene.language
    return " · ".join(
        (
            f"{text('last_number', language)} {records.get('last_number', '-')}",
            f"{text('durable', language)} {records.get('acknowledged', '-')}",
            f"{text('unsent', language)} {recorder.get('uplink_pending', '-')}",
        )
    )


def published(scene: Scene) -> str:
    """What the platform has received, by topic class."""
    return "  ".join(f"{name} {count}" for name, count in sorted(scene.published.items())) or "-"


def timeline(scene: Scene) -> str:
    """The states passed so far, each with the second it began."""
    return " › ".join(f"{word(STATES, step.state, scene.language)} {step.at_s:.0f}s" for step in scene.steps) or "-"


def headline(scene: Scene) -> str:
    """State of the connector, or what is being waited for."""
    return word(STATES, scene.state, scene.language) if scene.state else "…"


__all__ = [
    "Scene",
    "Step",
    "battery",
    "demand",
    "headline",
    "limits",
    "measured",
    "number",
    "outputs",
    "permission",
    "published",
    "recorded",
    "switches",
    "timeline",
]
