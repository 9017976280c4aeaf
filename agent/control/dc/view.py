"""What a step sees: read-only views of one instant. No object here can be used to reach a relay or the vehicle."""

from collections.abc import Mapping

import msgspec

from agent.control.chassis.image import Inputs
from agent.control.dc.memory import StepMemory
from agent.control.dc.parameters import ControlParameters
from agent.control.dc.power_share import PowerShare
from agent.control.dc.session import ChargeSession, SessionFacts
from agent.control.dc.wants import Wants
from agent.control.safety.gate import Held
from drivers.gbt27930.charger.dialogue import Charger, EventKind, Latest, Phase

__all__ = ["ChargeView", "DialogueView", "EventKind", "Phase", "RegisterView", "Value", "View"]

Value = float | int | bool
"""Value of a signal."""


class DialogueView:
    """The dialogue with the vehicle, to read: where it is and the latest values of each message."""

    __slots__ = ("_charger",)

    def __init__(self, charger: Charger) -> None:
        self._charger = charger

    @property
    def phase(self) -> Phase:
        """Where the dialogue is."""
        return self._charger.phase

    @property
    def paused(self) -> bool:
        """The vehicle has asked for a pause."""
        return self._charger.paused

    @property
    def may_reconnect(self) -> bool:
        """A new handshake is open now."""
        return self._charger.may_reconnect

    @property
    def bhm(self) -> Latest | None:
        """Handshake: highest voltage of the insulation test."""
        return self._charger.vehicle.bhm

    @property
    def brm(self) -> Latest | None:
        """Identification."""
        return self._charger.vehicle.brm

    @property
    def bcp(self) -> Latest | None:
        """Battery parameters."""
        return self._charger.vehicle.bcp

    @property
    def bcl(self) -> Latest | None:
        """Demand."""
        return self._charger.vehicle.bcl

    @property
    def bcs(self) -> Latest | None:
        """State of the charge."""
        return self._charger.vehicle.bcs

    @property
    def bsd(self) -> Latest | None:
        """Statistics."""
        return self._charger.vehicle.bsd


class ChargeView:
    """The session, to read."""

    __slots__ = ("_session",)

    def __init__(self, session: ChargeSession) -> None:
        self._session = session

    @property
    def facts(self) -> SessionFacts:
        """What is known of the charge."""
        return self._session.facts

    @property
    def stop_reason(self) -> str | None:
        """Why it ends; None before the end has begun."""
        return self._session.stop_reason

    @property
    def energy_wh(self) -> int:
        """Energy of the bill so far, Wh."""
        return self._session.billing.bill().energy_wh

    def duration_s(self, now_s: float) -> int:
        """Whole seconds since the start was granted."""
        return self._session.duration_s(now_s)

    def limit_reached(self, now_s: float, soc_percent: int | None) -> str | None:
        """The stop reason of the first limit of the customer that is reached, or None."""
        return self._session.limit_reached(now_s, soc_percent)


class RegisterView(msgspec.Struct, frozen=True, gc=False):
    """The register of the billing meter."""

    total_wh: int | None
    """Newest good reading, counted on over the roll-overs of this session; None before the first."""
    held: bool
    """A bad reading has come in this session; no further one counts."""


class View(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One instant as a step sees it."""

    now_s: float
    wall_ms: int
    wall_quality: str
    inputs: Inputs
    dialogue: DialogueView
    charge: ChargeView | None
    """None while no session is open."""
    memory: StepMemory
    """A copy that belongs to the step: ``wants()`` hands it back."""
    held: Held
    """What is commanded now."""
    parameters: ControlParameters
    plugged: bool | None
    """The plug is in a vehicle; None when unknown."""
    record_durable: bool
    """The start of the session is durable in the ledger."""
    blocked: bool
    """A fault in force refuses a start."""
    register: RegisterView
    reconnects_since_plug: int
    share: PowerShare | None
    """This connector's part of the power of the pile; None without a limit."""

    def value(self, name: str) -> Value | None:
        """Value of a signal, or None when there is none that counts."""
        return self.inputs.values.get(name)

    def wants(self) -> Wants:
        """Nothing wanted yet: everything is left as it is."""
        return Wants(memory=self.memory)

    def has(self, name: str) -> bool:
        """The pile has this input, by its profile."""
        return name in self.parameters.input_set

    def elapsed_s(self) -> float:
        """Since the state was entered, s."""
        return self.now_s - self.memory.entered_at_s

    def contactors_seen(self, closed: bool) -> bool:
        """Both contactors are seen closed (or open)."""
        values: Mapping[str, Value] = self.inputs.values
        return values.get("contactor_k1_closed") is closed and values.get("contactor_k2_closed") is closed
