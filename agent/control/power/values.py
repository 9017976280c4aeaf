"""What goes into power sharing and what comes out: readings with their time in, shares and set points out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.reading import Quality, Reading

_CLOCK_SLACK_S = 0.001
"""A reading may seem this much younger than now: driver and core round the same clock (as in the process image)."""


def fresh(reading: Reading | None, now_s: float, limit_s: float) -> Reading | None:
    """The reading if it is a value now: not suspect, finite, not from the future and at most ``limit_s`` old."""
    if reading is None or reading.quality is Quality.SUSPECT or not math.isfinite(reading.value):
        return None
    return reading if -_CLOCK_SLACK_S <= now_s - reading.at_s <= limit_s else None


def number(reading: Reading | None, now_s: float, limit_s: float) -> float | None:
    """Value of a fresh reading, or None."""
    found = fresh(reading, now_s, limit_s)
    return None if found is None else float(found.value)


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What a group or all groups of a connector shall give. Off by default."""

    on: bool = False
    voltage_v: float = 0.0
    current_a: float = 0.0


OFF = SetPoint()


@dataclass(frozen=True, slots=True)
class ConnectorInput:
    """What a connector's core wants and measures."""

    at_s: float
    """Time of these values, monotonic; older than ``input_age_limit_s`` counts as faulted."""
    wants_power: bool = False
    """A session has begun and its end has not."""
    wanted_power_w: float = 0.0
    """Most that the vehicle can take now: demanded voltage times demanded current, not lowered by the share."""
    set_point: SetPoint = OFF
    """What the core orders for all its groups together."""
    faulted: bool = False
    """A fault with action ``open`` or ``stop``, or no permission to energise."""
    contactors_closed: Reading | None = None
    """True: K1 and K2 are both seen closed. False: both are seen open. None: anything else."""
    bus_voltage_v: Reading | None = None
    """Module side of K1/K2."""
    vehicle_side_voltage_v: Reading | None = None
    """Vehicle side of K1/K2: the second witness of the bus voltage while both are closed."""
    current_a: Reading | None = None
    """Measured current into the vehicle."""


@dataclass(frozen=True, slots=True)
class GroupInput:
    """What a group of modules and its contactors report."""

    voltage_v: Reading | None = None
    current_a: Reading | None = None
    maximum_current_a: Reading | None = None
    """What the group can give now; None: its rating."""
    feedback: Mapping[int, Reading | None] = field(default_factory=dict)
    """Auxiliary contact of each allocation contactor, by connector: True is closed."""


@dataclass(frozen=True, slots=True)
class PowerInputs:
    """Everything that one evaluation sees."""

    connectors: Mapping[int, ConnectorInput]
    groups: Mapping[str, GroupInput]
    incomer_power_w: Reading | None = None
    """Meter at the grid side, if the pile has one."""
    reset: bool = False
    """A person at the pile resets faults."""


@dataclass(frozen=True, slots=True)
class PowerShare:
    """What a connector may draw, until when, and who sets it.

    ``by`` is ``vehicle`` (no limit: it asks for no more), ``modules``, ``connector``, ``profile``, ``incomer``,
    ``command:<origin>``, ``default``, ``shared with connector <n>``, ``rising``, ``fault`` or ``expired``.
    """

    power_w: float
    current_a: float
    by: str
    expires_at_s: float

    def in_force(self, now_s: float) -> "PowerShare":
        """The share at ``now_s``: nothing once it has run out, or when the time is not a number."""
        return self if now_s <= self.expires_at_s else PowerShare(0.0, 0.0, "expired", self.expires_at_s)


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault with a present cause; debounce, latch and action are the fault register's."""

    fault: str
    connector: int | None
    """Connector that it acts on; None: the pile."""
    group: str | None = None
    output: str | None = None
    """Contactor, as the output that commands it."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether a connector's K1/K2 may close, as far as the groups are concerned, and why not."""

    close: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """Where a group is, for status and record."""

    state: str
    connector: int | None
    """Connector that it is joined to, or moves to."""


@dataclass(frozen=True, slots=True)
class PowerOutputs:
    """Result of one evaluation."""

    budget_w: float
    budget_by: str
    shares: Mapping[int, PowerShare]
    set_points: Mapping[str, SetPoint]
    relays: Mapping[str, bool]
    """Every allocation contactor, by output."""
    ready: Mapping[int, Ready]
    groups: Mapping[str, GroupStatus]
    findings: tuple[Finding, ...]
    refused: tuple[str, ...]
    """Outputs that the last gate held open although they were asked for: an error of the program."""
    events: tuple[dict[str, Any], ...]
