"""The states of a connector and the moves between them: a table, and a plain state machine over it."""

from typing import Any

from transitions import Machine

from agent.vocabulary import states
from agent.vocabulary.states import (
    CHARGING,
    FAULTED,
    HANDSHAKE,
    IDLE,
    INSULATION,
    LOCKED,
    PARAMETERS,
    PLUGGED,
    PRECHARGE,
    RECOGNITION,
    RECONNECTING,
    SETTLED,
    STOPPING,
)

STATES = tuple(states.STATES)
"""All states, in the order of a charge."""

SESSION_STATES = (
    LOCKED,
    HANDSHAKE,
    INSULATION,
    RECOGNITION,
    PARAMETERS,
    PRECHARGE,
    CHARGING,
    RECONNECTING,
    STOPPING,
)
"""States in which a session is open."""

RECONNECT_FROM_STATES = (RECOGNITION, PARAMETERS, PRECHARGE, CHARGING)
"""States in which a lost dialogue may begin again: the self-test has passed, the end has not begun."""

START_FROM_STATES = (PLUGGED, SETTLED)
"""States from which a session may begin."""

TRANSITIONS: tuple[dict[str, Any], ...] = (
    {"trigger": "plug", "source": IDLE, "dest": PLUGGED},
    {"trigger": "unplug", "source": [PLUGGED, SETTLED], "dest": IDLE},
    {"trigger": "begin", "source": [PLUGGED, SETTLED], "dest": LOCKED},
    {"trigger": "powered", "source": LOCKED, "dest": HANDSHAKE},
    {"trigger": "greeted", "source": HANDSHAKE, "dest": INSULATION},
    {"trigger": "insulated", "source": INSULATION, "dest": RECOGNITION},
    {"trigger": "described", "source": RECOGNITION, "dest": PARAMETERS},
    {"trigger": "vehicle_ready", "source": PARAMETERS, "dest": PRECHARGE},
    {"trigger": "precharged", "source": PRECHARGE, "dest": CHARGING},
    {"trigger": "lose_contact", "source": list(RECONNECT_FROM_STATES), "dest": RECONNECTING},
    {"trigger": "reconnect", "source": RECONNECTING, "dest": RECOGNITION},
    {
        "trigger": "halt",
        "source": [state for state in SESSION_STATES if state != STOPPING],
        "dest": STOPPING,
    },
    {"trigger": "settle", "source": STOPPING, "dest": SETTLED},
    {"trigger": "trip", "source": [IDLE, PLUGGED, SETTLED], "dest": FAULTED},
    {"trigger": "restore_plugged", "source": FAULTED, "dest": PLUGGED},
    {"trigger": "restore_idle", "source": FAULTED, "dest": IDLE},
)


class Sequence:
    """State of a connector. ``state`` is written by the machine only; a wrong move raises MachineError."""

    state: str

    def __init__(self) -> None:
        self._machine = Machine(
            model=self,
            states=list(STATES),
            transitions=[dict(row) for row in TRANSITIONS],
            initial=STATES[0],
            auto_transitions=False,
        )

    def move(self, trigger: str) -> str:
        """Make the move ``trigger`` and return the state it came from. Raises MachineError if it is not allowed."""
        previous = self.state
        self.trigger(trigger)  # type: ignore[attr-defined]  # added by transitions at run time
        return previous
