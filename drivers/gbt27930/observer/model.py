"""What an observer of the bus reports: stages, observations, and the session they belong to. Plain data, bounded."""

import enum
from dataclasses import dataclass, field
from typing import Any

import msgspec

from drivers.gbt27930.charger.phases import Latest, Phase
from drivers.gbt27930.messages.fields import Sender

TIMELINE_AT_MOST = 256
"""Stage changes, and pauses, kept of one session; later ones are only counted."""


class Stage(enum.Enum):
    """Stage of a dialogue between two others, as far as their frames show it; in brackets what shows it.

    Values that mean the same as those of the charger's ``Phase`` have the same name.
    """

    IDLE = "idle"  # nothing yet
    HANDSHAKE = "handshake"  # CHM
    INSULATION = "insulation"  # CHM, after the first BHM
    RECOGNITION = "recognition"  # CRM 00
    RECOGNISED = "recognised"  # CRM AA
    PARAMETERS = "parameters"  # CML, CTS
    WAIT_READY = "wait ready"  # CRO 00
    READY = "ready"  # CRO AA
    CHARGING = "charging"  # CCS
    STOPPING = "stopping"  # CST or BST
    ENDING = "ending"  # CSD
    TIMED_OUT = "timed out"  # CEM or BEM
    ENDED = "ended"  # silence, or something new

    @property
    def phase(self) -> Phase:
        """The phase a charger is in that shows this stage."""
        return Phase.HANDSHAKE if self is Stage.INSULATION else Phase(self.value)


class Severity(enum.Enum):
    """What an observation means.

    NOTE: it belongs to any session, or is no fault. VARIANT: departs from the edition in a way that is known
    from the field and accepted. VIOLATION: breaks a rule of the edition, of J1939-21 or of plausibility.
    """

    NOTE = "note"
    VARIANT = "variant"
    VIOLATION = "violation"


class Outcome(enum.Enum):
    """How a session ended."""

    RUNNING = "running"  # still under way
    COMPLETE = "complete"  # BSD and CSD were exchanged
    STOPPED = "stopped without statistics"
    TIMED_OUT = "timed out"
    BROKEN_OFF = "broken off"  # silence in the middle, or a new handshake
    CUT_OFF = "cut off"  # the recording ended


class Observation(msgspec.Struct, frozen=True):
    """Something seen at ``at_s``.

    ``code`` names the rule in ``observer_rules.RULES`` (texts, severity, source), ``message`` the GB/T message or is
    empty. ``expected`` and ``seen`` are short, language-free facts with their units. ``amount`` is how far off it is
    (larger is worse; seconds, volts, amperes or percent, by the rule), 0 where nothing can be measured.
    ``first`` marks the first one of its code and message in the session.
    """

    code: str
    severity: Severity
    at_s: float
    message: str
    expected: str = ""
    seen: str = ""
    amount: float = 0.0
    source: str = ""
    first: bool = True


class Heard(msgspec.Struct, frozen=True):
    """A complete message as it was heard; ``values`` is None when it could not be read.

    ``started_s`` is the time of its first frame (the request to send of a transfer), ``at_s`` that of its last.
    """

    name: str
    sender: Sender
    payload: bytes
    values: dict[str, Any] | None
    started_s: float
    at_s: float
    multi_packet: bool


@dataclass(slots=True)
class Group:
    """All observations of one code about one message in a session: the first, the worst, and how many."""

    first: Observation
    worst: Observation
    last_s: float
    count: int = 1


@dataclass(slots=True)
class MessageCount:
    """How often and how regularly a message came. Intervals are from first frame to first frame, in seconds."""

    count: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    intervals: int = 0
    interval_sum_s: float = 0.0
    interval_least_s: float = float("inf")
    interval_most_s: float = 0.0

    @property
    def interval_mean_s(self) -> float | None:
        """Mean of the intervals counted, or None."""
        return self.interval_sum_s / self.intervals if self.intervals else None


@dataclass(slots=True)
class Extremes:
    """Least and greatest value of a quantity, None before the first."""

    first: float | None = None
    least: float | None = None
    greatest: float | None = None
    last: float | None = None

    def take(self, value: float) -> None:
        """Counts ``value`` in."""
        if self.least is None or self.greatest is None:
            self.first = self.least = self.greatest = value
        else:
            self.least = min(self.least, value)
            self.greatest = max(self.greatest, value)
        self.last = value


@dataclass(slots=True)
class StageChange:
    """From ``at_s`` the dialogue is in ``stage``, in attempt ``attempt`` (from 1)."""

    at_s: float
    stage: Stage
    attempt: int


@dataclass(slots=True)
class Pause:
    """The vehicle did not permit charging (BSM) from ``from_s`` to ``until_s``; None while it lasts."""

    from_s: float
    until_s: float | None = None


@dataclass(slots=True)
class Session:
    """One charge between a charger and a vehicle, as heard; all reconnections are attempts of the same session.

    ``from_start`` is False when listening began in its middle. Voltages are volts, currents amperes into the vehicle.
    ``energy_estimate_wh`` is the sum over CCS, never a billing value. Reasons are field names of the message.
    """

    number: int
    started_s: float
    from_start: bool
    stage: Stage = Stage.IDLE
    stage_since_s: float = 0.0
    last_frame_s: float = 0.0
    ended_s: float | None = None
    outcome: Outcome = Outcome.RUNNING
    attempts: int = 1
    timeline: list[StageChange] = field(default_factory=list)
    timeline_dropped: int = 0
    pauses: list[Pause] = field(default_factory=list)
    paused: bool = False
    latest: dict[str, Latest] = field(default_factory=dict)
    counts: dict[str, MessageCount] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    heard_from: set[Sender] = field(default_factory=set)
    vehicle_2011: bool = False
    stop_side: Sender | None = None
    stopped_at_s: float | None = None
    bst_reasons: tuple[str, ...] = ()
    cst_reasons: tuple[str, ...] = ()
    bem_reasons: tuple[str, ...] = ()
    cem_reasons: tuple[str, ...] = ()
    energy_estimate_wh: float = 0.0
    charging_s: float = 0.0
    slowest_answer_s: dict[Sender, float] = field(default_factory=dict)
    """Longest time from a request to send to the first answer, by who answered."""
    extremes: dict[str, Extremes] = field(default_factory=dict)
    """By "<message>.<field>", for the measured and demanded quantities."""

    def values(self, name: str) -> dict[str, Any]:
        """Latest values of message ``name`` in this attempt, empty if it has not come."""
        latest = self.latest.get(name)
        return {} if latest is None else latest.values

    @property
    def vin(self) -> str | None:
        """Vehicle identification number of BRM."""
        vin: str | None = self.values("BRM").get("vin")
        return vin

    @property
    def soc_percent(self) -> float | None:
        """Latest state of charge: BSD, else BCS, else BCP."""
        for name in ("BSD", "BCS", "BCP"):
            soc: float | None = self.values(name).get("soc_percent")
            if soc is not None:
                return soc
        return None

    @property
    def permitted(self) -> bool | None:
        """Latest charging permission of the charger (CCS); None before the first CCS."""
        permitted: bool | None = self.values("CCS").get("permitted")
        return permitted

    @property
    def violations(self) -> int:
        """Number of violations so far."""
        return sum(group.count for group in self.groups.values() if group.first.severity is Severity.VIOLATION)

    def extreme(self, name: str) -> Extremes:
        """Extremes of "<message>.<field>"; empty ones if it never came."""
        return self.extremes.get(name) or Extremes()
