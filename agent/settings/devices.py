"""The models of insulation monitors and power modules: the data files of config are the list."""

from agent.settings.files import data_folder
from drivers.catalogue import INSULATION_MONITORS, POWER_MODULES, models


def module_models() -> list[str]:
    """Every model of power modules."""
    return list(models(POWER_MODULES, (data_folder(),)))


def insulation_models() -> list[str]:
    """Every model of insulation monitors."""
    return list(models(INSULATION_MONITORS, (data_folder(),)))
