"""The table itself: streams, reasons as text and back, and a check that finds what does not fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.safety.rules import FAULT_IDS
from agent.vocabulary import events, kinds, reasons
from agent.vocabulary.check import check, problems
from agent.vocabulary.reasons import Reason, joined, parsed
from agent.vocabulary.record import Record
from drivers.text import NO_TEXT, Text


def test_a_text_is_picked_by_its_language() -> None:
    text = Text("枪", "connector")
    assert (text.in_("zh"), text.in_("en")) == ("枪", "connector")
    assert NO_TEXT.in_("zh") == NO_TEXT.in_("en") == ""


def test_streams() -> None:
    assert {row.stream for row in kinds.KINDS.values()} == set(kinds.STREAMS)
    assert kinds.stream_of("of_a_later_release") == kinds.STREAM_EVENT


def test_every_word_has_both_languages() -> None:
    texts = [*(row.text for row in kinds.KINDS.values()), *kinds.AUDITS.values(), *events.EVENTS.values()]
    texts += [*reasons.STOP_REASONS.values(), *reasons.REFUSALS.values(), *reasons.PERMISSION_REASONS.values()]
    assert all(text.zh and text.en for text in texts)


def test_no_stop_reason_is_a_fault() -> None:
    assert not set(reasons.STOP_REASONS) & FAULT_IDS


_CODES = [*reasons.PERMISSION_REASONS, "door_open", reasons.EXPIRED]
_REASON = st.builds(Reason, st.sampled_from(_CODES), st.sampled_from(["", "cc1_voltage_v", "idle", "12 V"]))


@given(st.lists(_REASON, max_size=5))
def test_reasons_survive_their_text(found: list[Reason]) -> None:
    assert list(parsed(joined(found))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        (" , ,", ()),
        ("door_open", (Reason("door_open"),)),
        ("bad_arguments: unknown argument a, b", (Reason("bad_arguments", "unknown argument a, b"),)),
        ("no value: x,state: idle", (Reason("no value", "x"), Reason("state", "idle"))),
    ],
)
def test_texts_of_earlier_releases_are_read(text: str, found: tuple[Reason, ...]) -> None:
    assert parsed(text) == found


_SLICE = {"start_wall_ms": 1, "end_wall_ms": 2, "rate": "flat", "price_electricity_e5": 1, "price_service_e5": 1}


@pytest.mark.parametrize(
    ("kind", "body", "part"),
    [
        ("state", {"state": "idle", "previous": "plugged", "reasons": []}, ""),
        ("state", {"state": "idle", "previous": "plugged"}, "reasons"),
        ("state", {"state": "idle", "previous": 5, "reasons": []}, "Expected `str`"),
        ("state", {"state": "idle", "previous": "plugged", "reasons": [], "more": 1}, "unknown key more"),
        ("nonsense", {}, "not in the table"),
        ("event", {"event": "nonsense"}, "not in the table (nonsense)"),
        ("event", {"event": "records_omitted", "count": 0}, "Expected `int` >= 1"),
        ("audit", {"audit": "nonsense"}, "not in the table"),
        ("telemetry", {"state": "idle", "soc_percent": 101}, "<= 100"),
        ("session_ended", {"slices": [{**_SLICE, "odd": 1}]}, "unknown key slices.odd"),
        ("session_started", {"tariff": {"odd": 1}}, "unknown key tariff.odd"),
        ("session_started", {"role": "monitor", "limits": {}}, "unknown key limits"),
        ("alarm_raised", {"numbers": {"tele": {"odd": 1}}}, "unknown key numbers.tele.odd"),
    ],
)
def test_the_check_finds_what_does_not_fit(kind: str, body: dict[str, Any], part: str) -> None:
    found = problems(kind, body)
    assert (not found) is (not part)
    assert part in "; ".join(found)


def test_a_partial_body_is_checked_for_its_names_only() -> None:
    assert problems("state", {"state": 5}, partial=True) == []
    assert problems("state", {"odd": 5}, partial=True) == ["state: unknown key odd"]


def test_check_raises_with_all_problems() -> None:
    good = Record("b", 1, "telemetry", 1.0, 2, "synced", 1, None, {"state": "idle"})
    assert check(good) is good
    with pytest.raises(ValueError, match="unknown key odd"):
        check(Record("b", 1, "telemetry", 1.0, 2, "synced", 1, None, {"state": "idle", "odd": 1}))
