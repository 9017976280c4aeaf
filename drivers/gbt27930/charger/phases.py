"""Words of the charger side: phases, reasons to stop, events, limits, and what is known of the vehicle."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from drivers.gbt27930.messages.fields import MAXIMUM_VOLTAGE_V

Edition = Literal["2015", "2023"]
"""Edition of GB/T 27930 that the charger follows. Both use protocol version 1.1 with the same messages."""


class Phase(enum.Enum):
    """Phase of the dialogue; in brackets what the charger sends meanwhile."""

    IDLE = "idle"  # nothing
    HANDSHAKE = "handshake"  # CHM
    RECOGNITION = "recognition"  # CRM, vehicle not recognised
    RECOGNISED = "recognised"  # CRM, vehicle recognised
    PARAMETERS = "parameters"  # CML and CTS
    WAIT_READY = "wait ready"  # CRO, charger not ready
    READY = "ready"  # CRO, charger ready
    CHARGING = "charging"  # CCS
    STOPPING = "stopping"  # CST
    ENDING = "ending"  # CSD
    TIMED_OUT = "timed out"  # CEM, or nothing when it was the vehicle that reported the time-out
    ENDED = "ended"  # nothing


SILENT = frozenset({Phase.IDLE, Phase.ENDED})
"""Phases in which the charger sends nothing at all and listens to nothing."""


class StopCause(enum.Enum):
    """Why the charger stops."""

    CONDITION_REACHED = "condition reached"
    MANUAL = "manual"
    FAULT = "fault"
    BY_VEHICLE = "by vehicle"
    EMERGENCY_STOP = "emergency stop"
    OVER_TEMPERATURE = "over-temperature"
    INTERNAL_OVER_TEMPERATURE = "internal over-temperature"
    CONNECTOR_FAULT = "connector fault"
    ENERGY_TRANSFER_IMPOSSIBLE = "energy transfer impossible"
    OTHER_FAULT = "other fault"
    CURRENT_MISMATCH = "current mismatch"
    VOLTAGE_ABNORMAL = "voltage abnormal"
    SELF_TEST = "self-test"
    PRECHARGE = "precharge"
    PARAMETER_MISMATCH = "parameter mismatch"
    PAUSE_TOO_LONG = "pause too long"


_FAULT_BITS: Mapping[StopCause, tuple[str, ...]] = MappingProxyType(
    {
        StopCause.CONDITION_REACHED: ("condition_reached",),
        StopCause.PAUSE_TOO_LONG: ("condition_reached",),
        StopCause.MANUAL: ("manual_stop",),
        StopCause.BY_VEHICLE: ("stopped_by_vehicle",),
        StopCause.FAULT: ("fault_stop", "other_fault"),
        StopCause.OTHER_FAULT: ("fault_stop", "other_fault"),
        StopCause.PARAMETER_MISMATCH: ("fault_stop", "other_fault"),
        StopCause.EMERGENCY_STOP: ("fault_stop", "emergency_stop"),
        StopCause.OVER_TEMPERATURE: ("fault_stop", "charger_over_temperature"),
        StopCause.INTERNAL_OVER_TEMPERATURE: ("fault_stop", "internal_over_temperature"),
        StopCause.CONNECTOR_FAULT: ("fault_stop", "connector_fault"),
        StopCause.ENERGY_TRANSFER_IMPOSSIBLE: ("fault_stop", "energy_transfer_impossible"),
        StopCause.CURRENT_MISMATCH: ("fault_stop", "current_mismatch"),
        StopCause.VOLTAGE_ABNORMAL: ("fault_stop", "voltage_abnormal"),
        StopCause.SELF_TEST: ("fault_stop", "self_test_fault"),
        StopCause.PRECHARGE: ("fault_stop", "precharge_fault"),
    }
)

BEFORE_CHARGING_2023 = frozenset({StopCause.SELF_TEST, StopCause.PRECHARGE, StopCause.PARAMETER_MISMATCH})
"""Causes that the 2023 edition reports to the vehicle with CST although charging has not begun."""

_ADDED_2023: Mapping[str, int] = MappingProxyType({"self_test_fault": 0, "precharge_fault": 0})


def stop_bits(cause: StopCause, edition: Edition) -> dict[str, int]:
    """Fields of CST for ``cause``.

    The bits for self-test and precharge exist since 2023; in the 2015 edition they are spare and the cause is an
    "other fault".
    """
    bits = dict.fromkeys(_FAULT_BITS[cause], 1)
    if edition == "2023":
        return {**_ADDED_2023, **bits}
    if bits.keys() & _ADDED_2023.keys():
        return dict.fromkeys(_FAULT_BITS[StopCause.OTHER_FAULT], 1)
    return bits


class EventKind(enum.Enum):
    """What has happened, as far as the charging control must know it."""

    VEHICLE_VOLTAGE = "vehicle voltage"
    IDENTIFIED = "identified"
    PARAMETERS = "parameters"
    READY = "ready"
    NOT_READY = "not ready"
    CHARGING = "charging"
    PAUSED = "paused"
    RESUMED = "resumed"
    VEHICLE_FAULT = "vehicle fault"
    STOP_REQUESTED = "stop requested"
    STATISTICS = "statistics"
    VEHICLE_TIMEOUT = "vehicle time-out"
    TIMEOUT = "time-out"
    PROTOCOL_2011 = "protocol of 2011"
    VERSION_NEGOTIATION = "version negotiation"
    LATE = "late"
    REFUSED = "refused"


class Event(msgspec.Struct, frozen=True):
    """Something that happened at ``at_s``; ``message`` names the GB/T message it is about."""

    kind: EventKind
    at_s: float
    message: str
    detail: dict[str, Any]


class Latest(msgspec.Struct, frozen=True):
    """The latest values of one message of the vehicle and when they were complete. Old values grow stale: check."""

    values: dict[str, Any]
    at_s: float


class VehicleData(msgspec.Struct):
    """The vehicle's data, message by message; None until received in this session."""

    bhm: Latest | None = None
    brm: Latest | None = None
    bcp: Latest | None = None
    bro: Latest | None = None
    bcl: Latest | None = None
    bcs: Latest | None = None
    bsm: Latest | None = None
    bmv: Latest | None = None
    bmt: Latest | None = None
    bsp: Latest | None = None
    bst: Latest | None = None
    bsd: Latest | None = None
    bem: Latest | None = None


@dataclass(frozen=True, slots=True)
class ChargerLimits:
    """What the charger can deliver, for CML: volts and amperes, 0 to 1500 V.

    A maximum current above 400 A is sent as 400 A, because the message cannot carry more.
    Raises ValueError when a minimum is negative or above its maximum, or a voltage is above 1500 V.
    """

    maximum_voltage_v: float
    minimum_voltage_v: float
    maximum_current_a: float
    minimum_current_a: float

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_voltage_v <= self.maximum_voltage_v <= MAXIMUM_VOLTAGE_V:
            raise ValueError(f"charger voltages must be 0 <= minimum <= maximum <= {MAXIMUM_VOLTAGE_V:g} V: {self}")
        if not 0 <= self.minimum_current_a <= self.maximum_current_a < float("inf"):
            raise ValueError(f"charger currents must be 0 <= minimum <= maximum: {self}")
