"""What a step returns: all that it wants, as data. The core applies it, and the outputs go through the last gate."""

from typing import Any

import msgspec

from agent.control.dc.actions import Action
from agent.control.dc.limits import OutputLimit
from agent.control.dc.memory import StepMemory
from agent.control.dc.session import SessionFacts
from agent.control.safety.gate import OFF, Asked, SetPoint
from agent.vocabulary import kinds


class Wants(Asked, gc=False):
    """See ``Asked`` for the outputs. What is not set is left as it is."""

    memory: StepMemory
    """Memory of the sequence from now on."""
    facts: SessionFacts | None = None
    """What is now known of the session."""
    limit: OutputLimit | None = None
    """What binds the output now."""
    judge_vehicle: bool | None = None
    """True: compare the vehicle's data with what is measured; False: forget what was compared."""
    tell: list[Action] = msgspec.field(default_factory=list)
    """What to do in the dialogue, in this sequence."""
    records: list[tuple[str, dict[str, Any]]] = msgspec.field(default_factory=list)
    faults: list[str] = msgspec.field(default_factory=list)
    """Faults of ``EVENT_FAULTS`` that the step has found."""
    final_register: bool = False
    """The last reading is taken: the session ends with its bill."""
    take_register: bool = False
    """The register of this moment enters the bill before it ends."""
    halt: str | None = None
    """Stop reason: the end of the session begins."""
    move: str | None = None
    """Trigger of the move to the next state."""

    def order(self, voltage_v: float, current_a: float, ceiling_v: float) -> None:
        """A set point for the power modules; ``ceiling_v`` is the voltage above which it is a fault."""
        self.set_point = SetPoint(voltage_v, current_a, True)
        self.ceiling_v = ceiling_v

    def no_set_point(self) -> None:
        """The power modules off."""
        self.set_point = OFF

    def fail(self, fault_id: str) -> None:
        """The step found a fault."""
        self.faults.append(fault_id)

    def event(self, name: str, **body: Any) -> None:
        """An event for the record."""
        self.records.append((kinds.EVENT, {"event": name, **body}))
