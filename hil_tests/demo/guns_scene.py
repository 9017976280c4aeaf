"""What is on the screen of the two-gun story: one scene a gun, and what the pile shares out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hil_tests.demo import scene as content
from hil_tests.demo.scene import Scene, number
from hil_tests.demo.words import text


@dataclass(slots=True)
class GunsScene(Scene):
    """The pile as a whole (status, records, what was published) and each gun as a scene of its own."""

    guns: dict[int, Scene] = field(default_factory=dict)
    vehicles: dict[int, str] = field(default_factory=dict)
    """Profile of the vehicle at each gun."""
    observed: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Latest probe of the bench by gun: the plant's true values."""


def share(scene: GunsScene, gun: int) -> str:
    """Power and current that a gun may have, and who limits it."""
    found = scene.part("power").get("shares", {}).get(str(gun))
    if not found:
        return "-"
    power_w = found.get("power_w")
    by = f" ({found['by']})" if found.get("by") else ""
    kilowatts = number(None if power_w is None else power_w / 1000, "kW")
    return f"{kilowatts}  {number(found.get('current_a'), 'A', 0)}{by}"


def budget(scene: GunsScene) -> str:
    """Power for all guns together, and what sets it."""
    power = scene.part("power")
    budget_w = power.get("budget_w")
    by = f" ({power['budget_by']})" if power.get("budget_by") else ""
    return f"{number(None if budget_w is None else budget_w / 1000, 'kW')}{by}"


def groups(scene: GunsScene) -> str:
    """Which gun each group of modules feeds on the bench; empty before the first look."""
    probe = next(iter(scene.observed.values()), {})
    found = probe.get("bank", {}).get("groups", {})
    return " · ".join(
        text("feeds", scene.language, group=name, gun="+".join(str(gun) for gun in group["guns"]))
        if group["guns"]
        else text("feeds_none", scene.language, group=name)
        for name, group in found.items()
    )


def faults(scene: Scene) -> str:
    """Faults in force at one gun."""
    return ", ".join(str(fault["id"]) for fault in scene.status.get("faults", ())) or text("no_faults", scene.language)


def contactors(scene: GunsScene, gun: int) -> str:
    """Contactors of a gun as the bench has them, and the current through them."""
    probe = scene.observed.get(gun, {})
    words = [
        f"{name} {text('unknown' if probe.get(key) is None else 'closed' if probe[key] else 'open', scene.language)}"
        for name, key in (("K1", "contactor_k1"), ("K2", "contactor_k2"))
    ]
    return " · ".join(words)


def electric(scene: Scene) -> str:
    """Voltage, current and power of one gun by its meter, short."""
    power_w = scene.value("meter_power_w")
    return " ".join(
        (
            number(scene.value("meter_voltage_v"), "V", 0),
            number(scene.value("meter_current_a"), "A", 0),
            number(None if power_w is None else power_w / 1000, "kW"),
        )
    )


def demand(scene: Scene) -> str:
    """What the vehicle asks for, short."""
    bms = scene.part("bms")
    return f"{number(bms.get('demand_voltage_v'), 'V', 0)} {number(bms.get('demand_current_a'), 'A', 0)}"


def energy(scene: Scene) -> str:
    """Energy of the latest session."""
    return number(scene.energy_wh / 1000, "kWh", 3)


def headline(scene: Scene) -> str:
    """State of one gun, or that it is not known yet."""
    return content.headline(scene)
