"""What a charger tells before anything has happened, and that it tells that there is something to tell."""

import pytest
from bms_dialogue import LIMITS, Dialogue

from drivers.bms.charger import Charger, EventKind, Phase


def test_a_charger_that_has_done_nothing() -> None:
    charger = Charger(charger_number=1, limits=LIMITS)
    status = charger.status()
    assert (status["phase"], status["reconnects"], status["missing"], status["paused"]) == ("idle", 0, None, False)
    assert not charger.has_events
    assert charger.events() == []
    assert charger.next_due() is None


def test_there_is_something_to_tell_until_it_is_fetched() -> None:
    dialogue = Dialogue().until(Phase.HANDSHAKE)
    waiting = [dialogue.charger.has_events]
    dialogue.raw("BHM", (5000).to_bytes(2, "little"))
    waiting.append(dialogue.charger.has_events)
    assert [event.kind for event in dialogue.charger.events()] == [EventKind.VEHICLE_VOLTAGE]
    waiting.append(dialogue.charger.has_events)
    assert waiting == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (EventKind.VEHICLE_VOLTAGE, "BHM"),
        (EventKind.IDENTIFIED, "BRM"),
        (EventKind.PARAMETERS, "BCP"),
        (EventKind.READY, "BRO"),
        (EventKind.CHARGING, "BCS"),
        (EventKind.STOP_REQUESTED, "BST"),
        (EventKind.STATISTICS, "BSD"),
    ],
)
def test_every_event_names_its_message(kind: EventKind, message: str) -> None:
    dialogue = Dialogue().until(Phase.ENDING)
    assert dialogue.last(kind).message == message
