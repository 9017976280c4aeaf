"""A model of power modules as data: its driver and the settings of that, a file in config/power_modules."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from drivers.data_file import SCHEMA, Form, Mistake, load_form, unknown
from drivers.power.module_group import GroupPlan

_PACKAGE = "drivers.power"
_NO_DRIVERS = frozenset({"addressed", "models", "module_group"})


class PowerModel(Form, frozen=True, kw_only=True):
    """The whole file. ``settings`` are those of the driver, checked by the driver itself."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    description: Annotated[str, Meta(min_length=1)]
    description_zh: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    confidence: Literal["high", "medium", "low"]
    driver: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", description="module of drivers/power")]
    bitrate_bps: Annotated[int, Meta(ge=50_000, le=1_000_000)]
    first_address: Annotated[int, Meta(ge=0, le=255, description="address of the first module, if the site gives none")]
    last_address: Annotated[int, Meta(ge=0, le=255, description="highest address of a module")]
    maximum_modules: Annotated[int, Meta(ge=1, le=60, description="largest group that one driver can serve")]
    separated_by: Annotated[
        Literal["group_number", "address"], Meta(description="what keeps two groups on one line apart")
    ]
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


def driver_names() -> list[str]:
    """The modules of this package that are drivers."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    found = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
    return sorted(name for name in found - _NO_DRIVERS if not name.startswith("_"))


def driver_of(model: PowerModel) -> ModuleType:
    """The driver module of a model; only the one that is asked for is imported."""
    return importlib.import_module(f"{_PACKAGE}.{model.driver}")


def load_power_model(path: Path) -> PowerModel:
    """The model in a file. Raises DataFileError with every error."""
    return load_form(path, PowerModel, power_model_mistakes)


def power_model_mistakes(model: PowerModel) -> list[Mistake]:
    """What types and ranges do not show; the driver checks its own settings."""
    found = []
    if model.first_address > model.last_address:
        found.append(Mistake("first_address", "大于 last_address", "is above last_address"))
    names = driver_names()
    if model.driver not in names:
        return [*found, unknown("driver", model.driver, names)]
    found += driver_of(model).mistakes(model)
    return found


def settings_of(model: PowerModel, form: type[Any]) -> Any:
    """The settings of a model in its driver's form. Raises msgspec.ValidationError."""
    return msgspec.convert(model.settings, form)


def settings_mistakes(model: PowerModel, form: type[Any]) -> list[Mistake]:
    """What is wrong with the settings of a model."""
    try:
        settings_of(model, form)
    except msgspec.ValidationError as error:
        return [Mistake("settings", str(error), str(error))]
    return []


def plan_mistakes(model: PowerModel, plan: GroupPlan) -> list[Mistake]:
    """What is wrong with a group of this model, whatever else is on its line."""
    found = []
    count, maximum = len(plan.addresses), model.maximum_modules
    if not 1 <= count <= maximum:
        found.append(
            Mistake(
                "module_count", f"{count} 超出 1 至 {maximum}", f"{count} is not within 1 to {maximum} of {model.id}"
            )
        )
    last = max(plan.addresses, default=0)
    if last > model.last_address:
        found.append(
            Mistake(
                "address",
                f"最后一个模块地址 {last} 超过 {model.last_address}",
                f"reaches to {last}, past {model.last_address}",
            )
        )
    return found


def shared_bus_mistakes(groups: Sequence[tuple[str, PowerModel, GroupPlan]]) -> list[Mistake]:
    """What is wrong with groups (id, model, plan) that share one CAN line; the place is the id of the group.

    Two groups must differ in what their family separates them by, may not share an address, and must be of one driver:
    frames of one family may look like commands of another.
    """
    found: list[Mistake] = []
    taken: dict[int, str] = {}
    numbers: dict[int, str] = {}
    for identifier, model, plan in groups:
        for address in plan.addresses:
            former = taken.setdefault(address, identifier)
            if former != identifier:
                what = f"module address {address} is in group {former} as well"
                found.append(Mistake(f"{identifier}.address", f"模块地址 {address} 也在组 {former} 中", what))
                break
        if len(groups) > 1:
            found += _separation(identifier, model, plan, groups[0][1], numbers)
    return found


def _separation(
    identifier: str, model: PowerModel, plan: GroupPlan, first: PowerModel, numbers: dict[int, str]
) -> list[Mistake]:
    if model.driver != first.driver:
        what = f"{model.id} and {first.id} cannot share a CAN line"
        hint = ("换到另一条 CAN 总线", "use another CAN bus")
        return [Mistake(f"{identifier}.model", f"{model.id} 与 {first.id} 不能共用总线", what, *hint)]
    if model.separated_by == "address":
        return []
    if plan.group_number is None:
        what = "is missing: two groups of this family share the line"
        hint = ("写模块上设置的组号", "write the group number that is set in the modules")
        return [Mistake(f"{identifier}.group_number", "缺少:两组共用一条总线", what, *hint)]
    former = numbers.setdefault(plan.group_number, identifier)
    if former != identifier:
        what = f"{plan.group_number} is the number of group {former} as well"
        return [Mistake(f"{identifier}.group_number", f"{plan.group_number} 也是组 {former} 的组号", what)]
    return []
