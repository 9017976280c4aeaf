"""What a simulated vehicle is made of, as data: the files in ``profiles/`` and the cell chemistries."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from drivers.gbt27930.messages.table import MESSAGES, Sender

Kind = TypeVar("Kind")

_HERE = Path(__file__).parent
PROFILES_FOLDER = _HERE / "profiles"
CHEMISTRIES_FILE = _HERE / "chemistries.toml"

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Curve = Annotated[list[tuple[float, float]], msgspec.Meta(min_length=2)]


class ProfileError(Exception):
    """A vehicle profile is missing or wrong; the text gives file, place and valid values."""


class Chemistry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of cell.

    ``battery_type`` is the code of BRM (SPN 2566). ``open_circuit_voltage`` is a curve of (SoC %, V per cell),
    rising in both. ``current_limit`` is a curve of (cell temperature in degrees Celsius, fraction of the maximum
    current that may be charged), rising in temperature.
    """

    battery_type: int
    nominal_cell_voltage_v: Positive
    open_circuit_voltage: Curve
    current_limit: Curve


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The battery: how many cells, how big, and what it may be charged with.

    ``charge_cell_voltage_v`` is what the pack is held at in constant-voltage charging, ``maximum_cell_voltage_v`` the
    limit no single cell may pass (BCP). Charging ends in the constant-voltage part when the current falls below
    ``tail_current_a``.
    """

    chemistry: str
    cells_in_series: Annotated[int, msgspec.Meta(ge=1, le=256)]
    capacity_ah: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    charge_cell_voltage_v: Positive
    maximum_cell_voltage_v: Positive
    maximum_current_a: Annotated[float, msgspec.Meta(gt=0, le=400)]
    tail_current_a: Positive
    cell_resistance_ohm: Positive
    cell_polarisation_ohm: Positive
    polarisation_time_s: Positive
    cell_spread_v: NotNegative
    soc_percent: Percent
    target_soc_percent: Percent
    insulation_kohm: Positive = 5000.0


class Thermal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Warming and cooling of the pack. Temperatures in degrees Celsius."""

    ambient_c: float
    temperature_c: float
    heat_capacity_j_per_k: Positive
    cooling_w_per_k: Positive
    spread_c: NotNegative
    maximum_c: float
    points: Annotated[int, msgspec.Meta(ge=1, le=128)] = 8


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vehicle's data in BRM."""

    vin: Annotated[str, msgspec.Meta(min_length=17, max_length=17)]
    maker: Annotated[str, msgspec.Meta(max_length=4)]
    pack_serial: int
    production_year: int
    production_month: int
    production_day: int
    charge_count: int
    software_version: str


class Foreign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cyclic frame of another node on the bus: 29-bit identifier and up to 8 bytes, both hexadecimal."""

    identifier_hex: Annotated[str, msgspec.Meta(pattern="^[01]?[0-9A-Fa-f]{1,7}$")]
    data_hex: Annotated[str, msgspec.Meta(pattern="^([0-9A-Fa-f]{2}){0,8}$")]
    period_s: Positive

    @property
    def identifier(self) -> int:
        """The identifier."""
        return int(self.identifier_hex, 16)

    @property
    def payload(self) -> bytes:
        """The data."""
        return bytes.fromhex(self.data_hex)


class Manners(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the BMS behaves on the bus.

    ``wake_s``: from auxiliary supply to the first message understood. ``prepare_s``: BRO 00 is sent for so long before
    the contactors close. ``jitter``: largest deviation of a send time from its grid, as a fraction of the period.
    ``lists``: which of the optional BMV, BMT and BSP are sent. ``pause_after_s`` after the first charging current the
    BMS forbids charging (BSM permit 00) once, for ``pause_s``; 0 for never. ``intervals_ms``: for single messages the
    shortest and longest interval measured on a real vehicle, in place of ``jitter``. ``trailing_s``: messages that go
    on so long after their phase has ended. ``foreign``: frames of other senders on the bus while the vehicle is awake.
    """

    wake_s: NotNegative = 0.4
    prepare_s: NotNegative = 1.5
    jitter: Annotated[float, msgspec.Meta(ge=0, le=0.4)] = 0.1
    lists: list[str] = []
    pause_after_s: NotNegative = 0.0
    pause_s: NotNegative = 0.0
    intervals_ms: dict[str, tuple[float, float]] = {}
    trailing_s: dict[str, Positive] = {}
    foreign: list[Foreign] = []

    def interval_s(self, name: str) -> tuple[float, float] | None:
        """Shortest and longest interval of a message in seconds, or None where only ``jitter`` is known."""
        found = self.intervals_ms.get(name)
        return None if found is None else (found[0] / 1000, found[1] / 1000)


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One vehicle."""

    description: str
    pack: Pack
    thermal: Thermal
    identity: Identity
    manners: Manners = Manners()

    @property
    def chemistry(self) -> Chemistry:
        """The cells of the pack."""
        return CHEMISTRIES[self.pack.chemistry]

    @property
    def rated_voltage_v(self) -> float:
        """Nominal voltage of the pack in V."""
        return self.pack.cells_in_series * self.chemistry.nominal_cell_voltage_v

    @property
    def maximum_voltage_v(self) -> float:
        """Highest total charging voltage in V, as announced by BHM and BCP."""
        return self.pack.cells_in_series * self.pack.maximum_cell_voltage_v

    @property
    def charge_voltage_v(self) -> float:
        """Voltage the pack is held at in the constant-voltage part, in V."""
        return self.pack.cells_in_series * self.pack.charge_cell_voltage_v

    @property
    def nominal_energy_kwh(self) -> float:
        """Nominal energy content in kWh."""
        return self.rated_voltage_v * self.pack.capacity_ah / 1000


def interpolate(curve: Sequence[tuple[float, float]], at: float) -> float:
    """Value of a curve of (x, y) points at ``at``; the end values hold outside."""
    if at <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return curve[-1][1]


def profile_names() -> list[str]:
    """Names of all shipped profiles."""
    return sorted(path.stem for path in PROFILES_FOLDER.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """The shipped profile ``name``. Raises ProfileError if there is none, or if its file is wrong."""
    path = PROFILES_FOLDER / f"{name}.toml"
    if name not in profile_names():
        raise ProfileError(f"there is no vehicle profile {name!r}; there are: {', '.join(profile_names())}")
    profile = _read(path, Profile)
    _check(path, profile)
    return profile


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise ProfileError(f"{path.name}: {error}") from error


def _check(path: Path, profile: Profile) -> None:
    pack = profile.pack
    if pack.chemistry not in CHEMISTRIES:
        raise ProfileError(f"{path.name}: unknown chemistry {pack.chemistry!r}; there are: {', '.join(CHEMISTRIES)}")
    if not pack.charge_cell_voltage_v < pack.maximum_cell_voltage_v:
        raise ProfileError(f"{path.name}: charge_cell_voltage_v must be below maximum_cell_voltage_v")
    if not pack.soc_percent < pack.target_soc_percent:
        raise ProfileError(f"{path.name}: soc_percent must be below target_soc_percent")
    unknown = set(profile.manners.lists) - {"BMV", "BMT", "BSP"}
    if unknown:
        raise ProfileError(f"{path.name}: lists knows only BMV, BMT and BSP, not {', '.join(sorted(unknown))}")
    vehicle = {name: message for name, message in MESSAGES.items() if message.sender is Sender.VEHICLE}
    unknown = {*profile.manners.intervals_ms, *profile.manners.trailing_s} - vehicle.keys()
    if unknown:
        raise ProfileError(f"{path.name}: a vehicle does not send {', '.join(sorted(unknown))}")
    for name, (shortest_ms, longest_ms) in profile.manners.intervals_ms.items():
        if not 0 < shortest_ms <= vehicle[name].period_s * 1000 <= longest_ms:
            raise ProfileError(
                f"{path.name}: intervals_ms.{name} must be around its period of {vehicle[name].period_s * 1000:g} ms"
            )


def _load_chemistries() -> Mapping[str, Chemistry]:
    chemistries = _read(CHEMISTRIES_FILE, dict[str, Chemistry])
    for name, chemistry in chemistries.items():
        curve = chemistry.open_circuit_voltage
        if any(x1 <= x0 or y1 <= y0 for (x0, y0), (x1, y1) in itertools.pairwise(curve)):
            raise ProfileError(f"{CHEMISTRIES_FILE.name}: {name}.open_circuit_voltage must rise from point to point")
    return chemistries


CHEMISTRIES: Mapping[str, Chemistry] = _load_chemistries()
