"""The states of a connector and the moves between them: a table, and a plain state machine over it."""

from typing import Any

from transitions import Machine

STATES = (
    "idle",
    "plugged",
    "locked",
    "handshake",
    "insulation",
    "recognition",
    "parameters",
    "precharge",
    "charging",
    "reconnecting",
    "stopping",
    "settled",
    "faulted",
)

SESSION_STATES = (
    "locked",
    "handshake",
    "insulation",
    "recognition",
    "parameters",
    "precharge",
    "charging",
    "reconnecting",
    "stopping",
)
"""States in which a session is open."""

RECONNECT_FROM_STATES = ("recognition", "parameters", "precharge", "charging")
"""States in which a lost dialogue may begin again: the self-test has passed, the end has not begun."""

START_FROM_STATES = ("plugged", "settled")
"""States from which a session may begin."""

TRANSITIONS: tuple[dict[str, Any], ...] = (
    {"trigger": "plug", "source": "idle", "dest": "plugged"},
    {"trigger": "unplug", "source": ["plugged", "settled"], "dest": "idle"},
    {"trigger": "begin", "source": ["plugged", "settled"], "dest": "locked"},
    {"trigger": "powered", "source": "locked", "dest": "handshake"},
    {"trigger": "greeted", "source": "handshake", "dest": "insulation"},
    {"trigger": "insulated", "source": "insulation", "dest": "recognition"},
    {"trigger": "described", "source": "recognition", "dest": "parameters"},
    {"trigger": "vehicle_ready", "source": "parameters", "dest": "precharge"},
    {"trigger": "precharged", "source": "precharge", "dest": "charging"},
    {"trigger": "lose_contact", "source": list(RECONNECT_FROM_STATES), "dest": "reconnecting"},
    {"trigger": "reconnect", "source": "reconnecting", "dest": "recognition"},
    {
        "trigger": "halt",
        "source": [state for state in SESSION_STATES if state != "stopping"],
        "dest": "stopping",
    },
    {"trigger": "settle", "source": "stopping", "dest": "settled"},
    {"trigger": "trip", "source": ["idle", "plugged", "settled"], "dest": "faulted"},
    {"trigger": "restore_plugged", "source": "faulted", "dest": "plugged"},
    {"trigger": "restore_idle", "source": "faulted", "dest": "idle"},
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
