"""One pile as everything else sees it: the site file and every file that belongs to it, checked together."""

from dataclasses import dataclass
from pathlib import Path

from agent.settings.catalogue import Allocation, Fault, Group, PileProfile, TariffTable
from agent.settings.power_quality import SupplyLimits
from agent.settings.schema import Board, Connector, KindOfPile, ModuleGroup, Settings
from drivers.catalogue import PowerModel
from drivers.inputs_outputs.board_model import BoardModel
from drivers.inputs_outputs.wiring import Wiring
from drivers.meters.register_form import RegisterForm
from drivers.meters.register_map import AnyMap


@dataclass(frozen=True, slots=True)
class BoardOfSite:
    """One board: its section, and what the device is."""

    settings: Board
    model: BoardModel

    @property
    def interval_s(self) -> float:
        """Time between two readings, seconds."""
        return (self.settings.interval_ms or self.model.interval_ms) / 1000.0


@dataclass(frozen=True, slots=True)
class GroupOfSite:
    """One group of power modules: its section, and its row in the profile."""

    settings: ModuleGroup
    rated: Group
    model: PowerModel

    @property
    def module_count(self) -> int:
        """Number of modules that are there."""
        return self.settings.module_count or self.rated.module_count


@dataclass(frozen=True, slots=True)
class ConnectorOfSite:
    """One connector with what hangs on it."""

    settings: Connector
    wiring: Wiring | None
    """None for a listener without contacts."""
    boards: dict[str, BoardOfSite]
    """By role of the wiring."""
    meter_map: Path | None
    """Register map of the meter; ``drivers.meters.register_map`` reads it. None without a meter."""
    register_form: RegisterForm | None
    """The energy register by that map."""
    insulation_map: Path | None
    """Register map of the insulation monitor, None without one."""
    groups: tuple[GroupOfSite, ...]
    """The groups at home here; none for a listener."""
    allocations: tuple[Allocation, ...]
    """Contactors that can join groups of other connectors to this one."""

    @property
    def number(self) -> int:
        """Its number, 1 to 4."""
        return self.settings.number


@dataclass(frozen=True, slots=True)
class Site:
    """One pile."""

    path: Path
    settings: Settings
    profile: PileProfile
    tariff: TariffTable
    faults: dict[str, Fault]
    connectors: tuple[ConnectorOfSite, ...]
    """In the order of their numbers."""
    boards: tuple[BoardOfSite, ...]
    """In the order of the file."""
    auxiliary_maps: tuple[tuple[Path, AnyMap], ...]
    """File and map of each auxiliary meter, in the order of the site file."""
    supply_limits: SupplyLimits

    @property
    def kind(self) -> KindOfPile:
        """Whether the pile charges or follows another charger."""
        return self.settings.kind
