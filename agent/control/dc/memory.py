"""Memory of the sequence: of the running step, of the dialogue with the vehicle, of the session."""

import msgspec

from drivers.gbt27930.charger.dialogue import EventKind


class StepMemory(msgspec.Struct, kw_only=True, gc=False):
    """What the steps remember; never outlives the session. A step gets a copy and returns it."""

    entered_at_s: float
    """When the state was entered."""
    sub_step: str = ""
    sub_step_since_s: float = 0.0
    seen: frozenset[EventKind] = frozenset()
    """Protocol events that have come in this session."""
    lock_confirmed: bool = False
    test_voltage_v: float = 0.0
    test_voltage_reached_at_s: float = 0.0
    setpoint_a: float = 0.0
    setpoint_at_s: float | None = None
    current_expected_since_s: float | None = None
    paused_since_s: float | None = None
    contactors_used: bool = False
    """The contactors have been closed in this session."""
    opened: bool = False
    """The contactors have been opened for the end of the session."""
    opened_at_s: float | None = None
    output_safe: bool = False
    """Contactors confirmed open and the output below 60 V: the plug may go."""
    refused_messages: frozenset[str] = frozenset()
    """Messages of this session that could not be used: each is in the record once."""
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
        self.sub_step = ""
        self.sub_step_since_s = now_s

    def go(self, sub_step: str, now_s: float) -> None:
        """Go to the next sub-step of the running step."""
        self.sub_step = sub_step
        self.sub_step_since_s = now_s

    def forget_dialogue(self) -> None:
        """Forget the vehicle's data and what followed from it; the session goes on."""
        self.seen = frozenset()
        self.setpoint_a = 0.0
        self.setpoint_at_s = None
        self.current_expected_since_s = None
        self.paused_since_s = None
        self.lost_fault = None
