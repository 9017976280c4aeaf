"""From the model that a site file names to its driver. No product is named here: the data files are the list.

A model is a file: config/boards, config/insulation_monitors, config/power_modules, config/meters. A driver is imported
when something of its kind is built, so that a site loads only what it uses.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.data_file import Mistake, unknown
from drivers.power.models import (
    PowerModel,
    driver_of,
    load_power_model,
    plan_mistakes,
    power_model_mistakes,
    shared_bus_mistakes,
)
from drivers.power.module_group import GroupPlan

if TYPE_CHECKING:
    from drivers.contracts import PowerStage

BOARDS, WIRING = "boards", "wiring"
INSULATION_MONITORS, POWER_MODULES = "insulation_monitors", "power_modules"


def models(kind: str, folders: Iterable[Path]) -> dict[str, Path]:
    """Every model of a kind (a folder of config) with its file; an earlier folder goes before a later one."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / kind).glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def find_model(kind: str, model: str, folders: Collection[Path], place: str = "model") -> Path | Mistake:
    """The file of a model, or the error that names the nearest model there is."""
    known = models(kind, folders)
    return known[model] if model in known else unknown(place, model, known)


def group_plan(
    model: PowerModel, module_count: int, address: int | None = None, group_number: int | None = None
) -> GroupPlan:
    """The group that a site file describes: ``address`` is that of the first module, by default the model's."""
    first = model.first_address if address is None else address
    return GroupPlan.of(module_count, first, group_number)


def build_power_stage(model: PowerModel, plan: GroupPlan, command_interval_s: float) -> "PowerStage":
    """The driver of a group of modules. Raises ValueError if the plan does not fit the model."""
    mistakes = plan_mistakes(model, plan)
    if mistakes:
        raise ValueError("; ".join(mistake.en for mistake in mistakes))
    stage: PowerStage = driver_of(model).build(model, plan, command_interval_s)
    return stage


__all__ = [
    "BOARDS",
    "INSULATION_MONITORS",
    "POWER_MODULES",
    "WIRING",
    "GroupPlan",
    "PowerModel",
    "build_power_stage",
    "find_model",
    "group_plan",
    "load_power_model",
    "models",
    "plan_mistakes",
    "power_model_mistakes",
    "shared_bus_mistakes",
]
