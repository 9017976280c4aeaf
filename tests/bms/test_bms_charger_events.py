"""What a charger tells and listens to: before anything has happened, at the limits, and in which words."""

import pytest
from bms_dialogue import LIMITS, Dialogue

from drivers.gbt27930.charger.dialogue import Charger, EventKind, Phase
from drivers.gbt27930.charger.expectations import EXPECTED, PGNS_OF_2024, TRAILING
from drivers.gbt27930.charger.phases import StopCause
from drivers.gbt27930.charger.reports import Reports
from drivers.gbt27930.charger.sendings import Sendings
from drivers.gbt27930.messages.table import MESSAGES, Sender, decode


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

    nothing = [0.0, 0.0, False, 0, None]
    assert told("CCS", Phase.CHARGING) == nothing
    sendings.set_output(400.0, 50.0, True, 30)
    sendings.set_totals(31, 500_000)
    assert told("CCS", Phase.CHARGING) == [400.0, 50.0, True, 30, None]
    assert told("CSD", Phase.ENDING) == [None, None, None, 31, 500.0]
    sendings.paused = True
    sendings.clear()
    assert not sendings.paused
    assert told("CCS", Phase.CHARGING) == nothing
    assert told("CSD", Phase.ENDING) == [None, None, None, 0, 0.0]


@pytest.mark.parametrize(("number", "fits"), [(-1, False), (0, True), (0xFFFFFFFF, True), (0x100000000, False)])
def test_a_charger_number_at_its_limits(number: int, fits: bool) -> None:
    if fits:
        assert decode("CSD", Sendings(number, b"", LIMITS).cycles(Phase.ENDING, 0.0)[0].build())
        return
    with pytest.raises(ValueError, match="is outside 0 to"):
        Sendings(number, b"", LIMITS)


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


def test_the_words_of_status_pages_and_recordings() -> None:
    """Who reads a status or a recording of last year must find the same ones."""
    assert [phase.value for phase in Phase] == [
        "idle", "handshake", "recognition", "recognised", "parameters", "wait ready", "ready", "charging", "stopping",
        "ending", "timed out", "ended",
    ]  # fmt: skip
    assert [cause.value for cause in StopCause] == [
        "condition reached", "manual", "fault", "by vehicle", "emergency stop", "over-temperature",
        "internal over-temperature", "connector fault", "energy transfer impossible", "other fault",
        "current mismatch", "voltage abnormal", "self-test", "precharge", "parameter mismatch", "pause too long",
    ]  # fmt: skip
    assert [kind.value for kind in EventKind] == [
        "vehicle voltage", "identified", "parameters", "ready", "not ready", "charging", "paused", "resumed",
        "vehicle fault", "stop requested", "statistics", "vehicle time-out", "time-out", "protocol of 2011",
        "version negotiation", "late", "refused",
    ]  # fmt: skip


def test_only_messages_of_the_vehicle_are_listened_to_and_none_both_counts_and_trails() -> None:
    of_vehicle = {name for name, message in MESSAGES.items() if message.sender is Sender.VEHICLE}
    assert EXPECTED.keys() == TRAILING.keys()
    for phase, names in EXPECTED.items():
        assert set(names) <= of_vehicle
        assert set(TRAILING[phase]) <= of_vehicle - set(names)
    assert set(TRAILING[Phase.TIMED_OUT]) == of_vehicle - {"BEM"}, "after a time-out anything may still come"
    assert sorted(PGNS_OF_2024) == [0x3400, 0x3500, 0x3600, 0x3700, 0x3900]


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
