"""What the metering must know of its connector."""

from collections.abc import Mapping
from typing import Any, Protocol

from agent.control.metering.billing import BillingTariff
from agent.settings.catalogue import Fault
from drivers.meters.register_form import RegisterForm


class MeterParameters(Protocol):
    """The part of a connector's parameters that describes its billing meter."""

    @property
    def register_form(self) -> RegisterForm:
        """Step, roll-over and unit of the energy register."""

    @property
    def maximum_power_w(self) -> float:
        """Most that can flow through the meter, W."""

    @property
    def verification_due_day(self) -> int | None:
        """Last day of the meter's verification (``date.toordinal``); None: not known."""

    @property
    def refuse_after_verification_due(self) -> bool:
        """No charge with a meter of expired verification."""

    @property
    def tariff(self) -> BillingTariff:
        """Tariff with the offset of local time."""

    @property
    def meter(self) -> Mapping[str, Any]:
        """The meter as the record names it."""

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The fault catalogue by id, for its thresholds."""

    @property
    def meter_proof_key(self) -> str:
        """What a proof of the meter's unit holds for."""
