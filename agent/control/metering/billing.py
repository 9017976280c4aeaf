"""The bill of one session: energy from the meter's register, money from the tariff, integers only.

Money is counted in units of 0.0001 yuan (``_e4``), prices in 0.00001 yuan per kWh (``_e5``), energy in Wh.
The register itself is rounded down to whole Wh where a meter counts finer, never a difference: bills and the energy
between them add up to the meter. Rounding rule ``half-up-per-slice``: each slice's electricity and service
amounts are rounded half up to 0.0001 yuan; the amount to pay is their sum rounded half up once to 0.01 yuan.
Local time of the slots is UTC plus a fixed offset (China has no summer time).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.vocabulary.bodies import BillBody, SliceBody, TariffBody

ROUNDING_RULE = "half-up-per-slice"
_SLOT_MS = 1_800_000
_SLOTS_PER_DAY = 48


def _divide_half_up(numerator: int, denominator: int) -> int:
    """Integer division of non-negative numbers, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


@dataclass(frozen=True, slots=True)
class BillingTariff:
    """Prices by rate name and the rate of each half-hour slot of local time."""

    id: str
    version: int
    electricity_e5: Mapping[str, int]
    service_e5: Mapping[str, int]
    slots: Sequence[str]
    utc_offset_minutes: int

    def rate_at(self, wall_ms: int) -> str:
        """Name of the rate in force at ``wall_ms`` (UTC milliseconds)."""
        local_ms = wall_ms + self.utc_offset_minutes * 60_000
        return self.slots[(local_ms // _SLOT_MS) % _SLOTS_PER_DAY]

    def as_record(self) -> TariffBody:
        """The form in which the tariff is kept with the session, so that a bill can be rebuilt."""
        return {
            "id": self.id,
            "version": self.version,
            "electricity_e5": dict(self.electricity_e5),
            "service_e5": dict(self.service_e5),
            "slots": list(self.slots),
            "utc_offset_minutes": self.utc_offset_minutes,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "BillingTariff":
        """The reverse of ``as_record``. Raises KeyError if a part is missing."""
        return cls(
            id=record["id"],
            version=record["version"],
            electricity_e5=record["electricity_e5"],
            service_e5=record["service_e5"],
            slots=tuple(record["slots"]),
            utc_offset_minutes=record["utc_offset_minutes"],
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a session in which one rate was in force."""

    start_wall_ms: int
    end_wall_ms: int
    rate: str
    price_electricity_e5: int
    price_service_e5: int
    energy_wh: int

    @property
    def electricity_e4(self) -> int:
        """Electricity amount, 0.0001 yuan."""
        return _divide_half_up(self.energy_wh * self.price_electricity_e5, 10_000)

    @property
    def service_e4(self) -> int:
        """Service amount, 0.0001 yuan."""
        return _divide_half_up(self.energy_wh * self.price_service_e5, 10_000)

    def as_record(self) -> SliceBody:
        """The slice as written in the record."""
        return {
            "start_wall_ms": self.start_wall_ms,
            "end_wall_ms": self.end_wall_ms,
            "rate": self.rate,
            "price_electricity_e5": self.price_electricity_e5,
            "price_service_e5": self.price_service_e5,
            "energy_wh": self.energy_wh,
            "electricity_e4": self.electricity_e4,
            "service_e4": self.service_e4,
        }


@dataclass(frozen=True, slots=True)
class Bill:
    """The finished bill. ``amount_e4`` is what is to be paid, a multiple of 100 (0.01 yuan)."""

    register_start_wh: int
    register_end_wh: int
    """Counted on over roll-overs of the meter's register; ``as_record`` gives what the meter shows."""
    slices: tuple[Slice, ...]
    modulus_wh: int | None = None
    """Where the register begins again at 0."""

    @property
    def energy_wh(self) -> int:
        """Difference of the register, Wh."""
        return self.register_end_wh - self.register_start_wh

    @property
    def amount_e4(self) -> int:
        """Amount to pay, 0.0001 yuan, rounded half up to 0.01 yuan."""
        total_e4 = sum(part.electricity_e4 + part.service_e4 for part in self.slices)
        return _divide_half_up(total_e4, 100) * 100

    def as_record(self) -> BillBody:
        """The bill as written in the record: energy = end - start + rollovers * modulus."""
        body: BillBody = {
            "register_start_wh": self.register_start_wh,
            "register_end_wh": self.register_end_wh,
            "energy_wh": self.energy_wh,
            "slices": [part.as_record() for part in self.slices],
            "amount_e4": self.amount_e4,
            "rounding": ROUNDING_RULE,
        }
        if self.modulus_wh is not None and self.register_end_wh >= self.modulus_wh:
            body["register_rollovers"], body["register_end_wh"] = divmod(self.register_end_wh, self.modulus_wh)
            body["register_modulus_wh"] = self.modulus_wh
        return body


@dataclass(slots=True)
class Billing:
    """Cuts a session into slices as readings of the register come in.

    The first reading at or after a change of rate ends the former slice: what flowed between the last
    reading before the change and that one counts at the former rate (one poll period at the most while the
    meter answers). Nothing can be asked of it before ``start``.
    """

    tariff: BillingTariff
    modulus_wh: int | None = None
    """Where the register begins again at 0; readings come in counted on beyond it."""
    _start_register_wh: int = field(init=False)
    _register_wh: int = field(init=False)
    _slice_register_wh: int = field(init=False)
    _slice_start_ms: int = field(init=False)
    _wall_ms: int = field(init=False)
    _rate: str = field(init=False)
    _slices: list[Slice] = field(default_factory=list)

    def start(self, register_wh: int, wall_ms: int) -> None:
        """Begin the session at this register reading (Wh, an integer) and time (UTC milliseconds)."""
        self._start_register_wh = self._register_wh = self._slice_register_wh = register_wh
        self._slice_start_ms = self._wall_ms = wall_ms
        self._rate = self.tariff.rate_at(wall_ms)
        self._slices.clear()

    @property
    def register_wh(self) -> int:
        """The last register reading that was taken into the bill."""
        return self._register_wh

    @property
    def rate(self) -> str:
        """Name of the rate in force at the last reading."""
        return self._rate

    def sample(self, register_wh: int, wall_ms: int) -> bool:
        """Take a reading in. Returns whether a slice ended here.

        Raises ValueError if the register has gone back: such a reading never enters a bill.
        """
        if register_wh < self._register_wh:
            raise ValueError(f"register went back from {self._register_wh} Wh to {register_wh} Wh")
        self._register_wh = register_wh
        self._wall_ms = max(self._wall_ms, wall_ms)
        rate = self.tariff.rate_at(wall_ms)
        if rate == self._rate:
            return False
        self._close_slice(self._wall_ms)
        self._rate = rate
        return True

    def bill(self) -> Bill:
        """The bill at the last reading; the session may go on."""
        open_slice = self._current_slice(self._wall_ms)
        slices = (*self._slices, open_slice) if open_slice.energy_wh or not self._slices else tuple(self._slices)
        return Bill(self._start_register_wh, self._register_wh, slices, self.modulus_wh)

    def finish(self, register_wh: int, wall_ms: int) -> Bill:
        """Take the last reading in and return the bill. Raises ValueError as ``sample`` does."""
        self.sample(register_wh, wall_ms)
        return self.bill()

    def _current_slice(self, end_ms: int) -> Slice:
        return Slice(
            start_wall_ms=self._slice_start_ms,
            end_wall_ms=end_ms,
            rate=self._rate,
            price_electricity_e5=self.tariff.electricity_e5[self._rate],
            price_service_e5=self.tariff.service_e5[self._rate],
            energy_wh=self._register_wh - self._slice_register_wh,
        )

    def _close_slice(self, end_ms: int) -> None:
        self._slices.append(self._current_slice(end_ms))
        self._slice_register_wh = self._register_wh
        self._slice_start_ms = end_ms
