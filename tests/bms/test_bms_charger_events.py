"""What a charger tells before anything has happened, and that it tells that there is something to tell."""

import pytest
from bms_dialogue import LIMITS, Dialogue

from drivers.bms.charger import Charger, EventKind, Phase
from drivers.bms.messages import decode
from drivers.bms.reports import Reports
from drivers.bms.sendings import Sendings


def test_a_charger_that_has_done_nothing() -> None:
    charger = Charger(charger_number=1, limits=LIMITS)
    status = charger.status()
    assert (status["phase"], status["reconnects"], status["missing"], status["paused"]) == ("idle", 0, None, False)
    assert not charger.has_events
    assert charger.events() == []
    assert charger.next_due() is None


def test_sendings_that_are_cleared_tell_no_output_and_no_totals() -> None:
    sendings = Sendings(1, b"", LIMITS)

    def told(name: str, phase: Phase) -> list[object]:
        values = decode(name, sendings.cycles(phase, 0.0)[0].build())
        return [values.get(each) for each in ("voltage_v", "current_a", "permitted", "minutes", "energy_kwh")]

    sendings.set_output(400.0, 50.0, True, 30)
    sendings.set_totals(31, 500_000)
    assert told("CCS", Phase.CHARGING) == [400.0, 50.0, True, 30, None]
    assert told("CSD", Phase.ENDING) == [None, None, None, 31, 500.0]
    sendings.paused = True
    sendings.clear()
    assert not sendings.paused
    assert told("CCS", Phase.CHARGING) == [0.0, 0.0, False, 0, None]
    assert told("CSD", Phase.ENDING) == [None, None, None, 0, 0.0]


def test_of_more_than_256_events_the_oldest_go_and_are_counted() -> None:
    reports = Reports()
    for number in range(256):
        reports.tell(EventKind.LATE, "BSM", {"number": number}, 0.0)
    assert reports.dropped == 0
    reports.tell(EventKind.LATE, "BSM", {"number": 256}, 0.0)
    assert reports.dropped == 1
    assert [event.detail["number"] for event in reports.drain()] == list(range(1, 257))


def test_the_same_trouble_is_told_every_ten_seconds_at_most() -> None:
    reports = Reports()
    for at_s in (0.0, 9.99, 10.0, 19.99, 20.0):
        reports.tell_seldom(EventKind.REFUSED, "BCS", {}, at_s)
    assert [event.at_s for event in reports.drain()] == [0.0, 10.0, 20.0]


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
