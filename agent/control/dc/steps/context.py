"""What the steps of the sequence remember and ask for."""

from dataclasses import dataclass, field

from agent.control.dc.plausibility import VehicleWatch
from drivers.gbt27930.charger.dialogue import EventKind


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the power stage. Off with zeros is the stated safe value."""

    voltage_v: float = 0.0
    current_a: float = 0.0
    on: bool = False


_OF_THE_DIALOGUE = (
    "seen",
    "voltage_ceiling_v",
    "voltage_ceiling_since_s",
    "setpoint_a",
    "setpoint_at_s",
    "current_expected_since_s",
    "paused_since_s",
    "lost_fault",
    "watch",
)


@dataclass(slots=True)
class StepMemory:
    """Memory of the running step and of the session's sequence; never outlives the session."""

    entered_at_s: float
    stage: str = ""
    stage_since_s: float = 0.0
    seen: set[EventKind] = field(default_factory=set)
    """Protocol events that have come in this session."""
    lock_confirmed: bool = False
    voltage_ceiling_v: float | None = None
    voltage_ceiling_since_s: float = float("-inf")
    test_voltage_v: float = 0.0
    test_voltage_reached_at_s: float = 0.0
    setpoint_a: float = 0.0
    setpoint_at_s: float | None = None
    current_expected_since_s: float | None = None
    paused_since_s: float | None = None
    contactors_used: bool = False
    """The contactors have been told to close in this session."""
    opened: bool = False
    """The contactors have been told to open for the end of the session."""
    opened_at_s: float | None = None
    output_safe: bool = False
    """Contactors confirmed open and the output below 60 V: the plug may go."""
    refused_messages: set[str] = field(default_factory=set)
    """Messages of this session that could not be used: each stands in the record once."""
    watch: VehicleWatch = field(default_factory=VehicleWatch)
    """What the vehicle's data say about themselves."""
    lost_fault: str | None = None
    """Fault that has broken the dialogue with the vehicle."""
    lost_at_s: float | None = None
    """When the dialogue last broke: CEM goes out from then on."""
    reconnects: int = 0
    """New handshakes of this session."""
    register_source: str = "meter"
    bleeding_since_s: float | None = None
    """Since when voltage has been bled off the output without a session; None while there is none."""

    def enter(self, now_s: float) -> None:
        """A new state has been entered."""
        self.entered_at_s = now_s
        self.stage = ""
        self.stage_since_s = now_s

    def go(self, stage: str, now_s: float) -> None:
        """Go to the next stage of the running step."""
        self.stage = stage
        self.stage_since_s = now_s

    def new_dialogue(self) -> None:
        """Forget what the vehicle has said and what followed from it; the session goes on."""
        fresh = StepMemory(entered_at_s=self.entered_at_s)
        for name in _OF_THE_DIALOGUE:
            setattr(self, name, getattr(fresh, name))

    def new_session(self) -> None:
        """Forget the last session."""
        fresh = StepMemory(entered_at_s=self.entered_at_s)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
