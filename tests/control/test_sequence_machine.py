"""The table of states and moves: every move it has, and none that it has not."""

import pytest
from transitions import MachineError

from agent.control.dc.machine import SESSION_STATES, START_FROM_STATES, STATES, TRANSITIONS, Sequence

MOVES = {
    ("idle", "plug"): "plugged",
    ("plugged", "unplug"): "idle",
    ("settled", "unplug"): "idle",
    ("plugged", "begin"): "locked",
    ("settled", "begin"): "locked",
    ("locked", "powered"): "handshake",
    ("handshake", "greeted"): "insulation",
    ("insulation", "insulated"): "recognition",
    ("recognition", "described"): "parameters",
    ("parameters", "vehicle_ready"): "precharge",
    ("precharge", "precharged"): "charging",
    ("recognition", "lose_contact"): "reconnecting",
    ("parameters", "lose_contact"): "reconnecting",
    ("precharge", "lose_contact"): "reconnecting",
    ("charging", "lose_contact"): "reconnecting",
    ("reconnecting", "reconnect"): "recognition",
    ("reconnecting", "halt"): "stopping",
    ("locked", "halt"): "stopping",
    ("handshake", "halt"): "stopping",
    ("insulation", "halt"): "stopping",
    ("recognition", "halt"): "stopping",
    ("parameters", "halt"): "stopping",
    ("precharge", "halt"): "stopping",
    ("charging", "halt"): "stopping",
    ("stopping", "settle"): "settled",
    ("idle", "trip"): "faulted",
    ("plugged", "trip"): "faulted",
    ("settled", "trip"): "faulted",
    ("faulted", "restore_plugged"): "plugged",
    ("faulted", "restore_idle"): "idle",
}
TRIGGERS = sorted({trigger for _, trigger in MOVES})


def test_it_begins_idle() -> None:
    assert Sequence().state == "idle"


def test_the_states() -> None:
    assert STATES == (
        "idle", "plugged", "locked", "handshake", "insulation", "recognition", "parameters", "precharge", "charging",
        "reconnecting", "stopping", "settled", "faulted",
    )  # fmt: skip
    assert STATES[2:11] == SESSION_STATES
    assert START_FROM_STATES == ("plugged", "settled")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_pair_of_state_and_trigger(state: str, trigger: str) -> None:
    sequence = Sequence()
    sequence._machine.set_state(state)
    destination = MOVES.get((state, trigger))
    if destination is None:
        with pytest.raises(MachineError):
            sequence.move(trigger)
        assert sequence.state == state
    else:
        assert sequence.move(trigger) == state
        assert sequence.state == destination


@pytest.mark.parametrize("trigger", ["to_charging", "", "close"])
def test_there_is_no_way_around_the_table(trigger: str) -> None:
    with pytest.raises((MachineError, AttributeError)):
        Sequence().move(trigger)
    assert not hasattr(Sequence(), "to_charging")


def test_two_sequences_do_not_share_a_state() -> None:
    one, other = Sequence(), Sequence()
    one.move("plug")
    assert (one.state, other.state) == ("plugged", "idle")
    assert [row["trigger"] for row in TRANSITIONS if row["dest"] == "charging"] == ["precharged"]
