"""The sections of layout 1 that layout 2 does not have, as they were, with their defaults. Not to be changed."""

from typing import Annotated, Literal

from msgspec import Meta

from agent.settings.schema import BusName, Identifier, Section

Address = Annotated[int, Meta(ge=1, le=247)]
Channel = Annotated[int, Meta(ge=0, le=31)]

BOARD = "waveshare-rs485"
"""The board file that was shipped with layout 1 and was the default."""
LISTENER_CONTACTS = ("emergency_stop_pressed", "door_open", "smoke_detected")


class InputsOutputs(Section, frozen=True, kw_only=True):
    """``[connector.inputs_outputs]``."""

    bus: BusName
    board: Identifier = BOARD
    relay_address: Address = 1
    analog_address: Address = 2
    input_interval_ms: Annotated[int, Meta(ge=10, le=100)] = 20
    analog_interval_ms: Annotated[int, Meta(ge=20, le=200)] = 50


class PowerStage(Section, frozen=True, kw_only=True):
    """``[connector.power_stage]``."""

    bus: BusName
    family: Literal["infypower"] = "infypower"
    command_interval_ms: Annotated[int, Meta(ge=50, le=200)] = 100


class Contact(Section, frozen=True, kw_only=True):
    """One contact of ``[connector.inputs]``."""

    channel: Channel
    active_low: bool = True


class Inputs(Section, frozen=True, kw_only=True):
    """``[connector.inputs]`` of a listener."""

    bus: BusName
    address: Address = 1
    channels: Annotated[int, Meta(ge=1, le=32)] = 8
    interval_ms: Annotated[int, Meta(ge=20, le=300)] = 100
    emergency_stop_pressed: Contact | None = None
    door_open: Contact | None = None
    smoke_detected: Contact | None = None


class RelayBoard(Section, frozen=True, kw_only=True):
    """``[relay_board]`` of a board file."""

    channels: Annotated[int, Meta(ge=1, le=32)]
    pulse_100ms: Annotated[int, Meta(ge=2, le=20)]
    renew_interval_ms: Annotated[int, Meta(ge=50, le=1000)]


class Output(Section, frozen=True, kw_only=True):
    """One relay of a board file."""

    channel: Channel
    timed: bool


class DiscreteInput(Section, frozen=True, kw_only=True):
    """One discrete input of a board file."""

    channel: Channel
    active_low: bool


class AnalogInput(Section, frozen=True, kw_only=True):
    """One analogue input of a board file."""

    channel: Annotated[int, Meta(ge=0, le=7)]
    scale: float
    offset: float


class BoardFile(Section, frozen=True, kw_only=True):
    """A file in ``boards/``: device and wiring in one."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    id: Identifier
    description: str
    source: str
    relay_board: RelayBoard
    outputs: dict[str, Output]
    inputs: dict[str, DiscreteInput]
    analog: dict[str, AnalogInput]


class Profile(Section, frozen=True, kw_only=True):
    """A file in ``piles/``."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    id: Identifier
    description: str
    kind: Literal["dc"]
    maximum_power_w: Annotated[int, Meta(ge=1000, le=1000000)]
    maximum_voltage_v: Annotated[float, Meta(ge=50, le=1500)]
    minimum_voltage_v: Annotated[float, Meta(ge=0, le=1000)]
    maximum_current_a: Annotated[float, Meta(ge=1, le=1000)]
    minimum_current_a: Annotated[float, Meta(ge=0, le=100)]
    module_count: Annotated[int, Meta(ge=1, le=60)]
