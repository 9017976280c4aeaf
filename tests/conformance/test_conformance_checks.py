"""The judges: each must pass what is right and fail what is wrong."""

import pytest
from synthetic import every, evidence, row, seen

from hil_tests.conformance.checks import (
    Between,
    Bytes,
    Check,
    EitherReading,
    Gone,
    Reaches,
    Reading,
    Replied,
    Rounds,
    Sent,
    Switched,
    Transferred,
    late_s,
    overall,
    timeout,
)
from hil_tests.conformance.evidence import Evidence, Finding, First, Last, Mark, Switch, Text, Verdict
from hil_tests.conformance.wire import Answer, Stall
from hil_tests.conformance.words import CEM_BITS, cem_payload, cem_says

PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
CEM, CRM00 = First("CEM"), First("CRM-00")
TOLD = Mark("told", "告知")


def verdict(check: Check, found: Evidence) -> Verdict:
    finding = check.judge(found)
    assert finding.expected.zh
    assert finding.expected.en
    assert finding.measured.zh
    assert finding.measured.en
    return finding.verdict


# ------------------------------------------------------------------------------------------------------------- Sent


def test_a_message_on_its_grid_passes() -> None:
    assert verdict(Sent("CHM"), evidence(every("CHM", 1.0, 6.0))) is PASS


@pytest.mark.parametrize(
    ("period_s", "expected"),
    [(0.226, PASS), (0.224, FAIL), (0.274, PASS), (0.276, FAIL)],
)
def test_a_period_just_inside_and_outside_ten_percent(period_s: float, expected: Verdict) -> None:
    assert verdict(Sent("CHM"), evidence(every("CHM", 1.0, 6.0, period_s))) is expected


@pytest.mark.parametrize(("period_s", "expected"), [(0.0072, PASS), (0.0068, FAIL), (0.0128, PASS), (0.0132, FAIL)])
def test_the_ten_millisecond_period_is_judged_in_milliseconds(period_s: float, expected: Verdict) -> None:
    assert verdict(Sent("CST"), evidence(every("CST", 1.0, 1.5, period_s))) is expected


def test_one_uneven_message_is_forgiven_and_many_are_not() -> None:
    grid = every("CCS", 0.0, 5.0)
    for shift, expected in ((1, PASS), (10, FAIL)):
        moved = [
            seen("CCS", each.at_s + (0.012 if number % 10 == 5 and number <= 10 * shift else 0.0))
            for number, each in enumerate(grid)
        ]
        assert verdict(Sent("CCS"), evidence(moved)) is expected


def test_a_missing_message_is_a_gap_whatever_the_median_says() -> None:
    grid = every("CCS", 0.0, 5.0)
    assert verdict(Sent("CCS"), evidence(grid[:50], grid[51:])) is FAIL


def test_what_the_bench_itself_was_late_by_is_not_held_against_the_charger() -> None:
    grid = every("CCS", 0.0, 1.0)
    late = [seen("CCS", each.at_s + (0.02 if 5 <= number < 9 else 0.0)) for number, each in enumerate(grid)]
    jumpy = [seen("CCS", each.at_s + (0.02 if number % 2 else 0.0)) for number, each in enumerate(grid)]
    stalls = [Stall(each.at_s, 0.02) for each in jumpy]
    assert verdict(Sent("CCS"), evidence(jumpy)) is FAIL
    assert verdict(Sent("CCS"), evidence(jumpy, stalls=stalls)) is PASS
    assert verdict(Sent("CCS"), evidence(jumpy, stalls=[Stall(each.at_s, 0.012) for each in jumpy])) is FAIL
    assert verdict(Sent("CCS"), evidence(late, stalls=[Stall(9.0, 1.0)])) is FAIL


@pytest.mark.parametrize("payload", ["880FA00F0000FDFF", "880FA00F0000"])
def test_a_wrong_length_fails(payload: str) -> None:
    assert verdict(Sent("CCS"), evidence(every("CCS", 0.0, 1.0, payload=payload))) is FAIL


def test_a_wrong_identifier_fails() -> None:
    found = [seen("CHM", 0.25 * number, identifier=0x1026F456) for number in range(8)]
    assert verdict(Sent("CHM"), evidence(found)) is FAIL


def test_too_few_messages_and_none_at_all() -> None:
    assert verdict(Sent("CHM", at_least=4), evidence(every("CHM", 0.0, 0.5))) is FAIL
    assert verdict(Sent("CHM"), evidence()) is FAIL
    assert verdict(Sent("CTS", optional=True), evidence()) is PASS
    assert verdict(Sent("CRO-AA", at_least=1), evidence([seen("CRO-AA", 1.0)])) is PASS


def test_it_must_last_from_one_point_to_the_other() -> None:
    check = Sent("CRM-00", since=CRM00, until=CEM)
    whole = evidence(every("CRM-00", 1.0, 6.0), [seen("CEM", 6.01)])
    assert verdict(check, whole) is PASS
    assert verdict(check, evidence(every("CRM-00", 1.0, 4.0), [seen("CEM", 6.01)])) is FAIL
    late = Sent("CCS", since=TOLD)
    assert verdict(late, evidence(every("CCS", 3.0, 4.0), marks={"told": 2.95})) is PASS
    assert verdict(late, evidence(every("CCS", 3.0, 4.0), marks={"told": 2.5})) is FAIL


def test_a_second_round_after_the_end_point_is_not_looked_at() -> None:
    found = evidence(every("CRM-00", 1.0, 6.0), [seen("CEM", 6.01)], every("CRM-00", 9.13, 12.0))
    assert verdict(Sent("CRM-00", until=CEM), found) is PASS


# ----------------------------------------------------------------------------------------------------------- Between


@pytest.mark.parametrize(
    ("limit_s", "took_s", "expected"),
    [
        (1.0, 0.97, FAIL), (1.0, 0.99, PASS), (1.0, 1.19, PASS), (1.0, 1.21, FAIL),
        (5.0, 4.97, FAIL), (5.0, 5.0, PASS), (5.0, 5.49, PASS), (5.0, 5.51, FAIL),
        (10.0, 9.9, FAIL), (10.0, 12.9, PASS), (10.0, 13.1, FAIL),
        (60.0, 59.0, FAIL), (60.0, 61.0, PASS), (60.0, 64.0, FAIL),
    ],
)  # fmt: skip
def test_time_outs_below_at_and_above_their_tolerance(limit_s: float, took_s: float, expected: Verdict) -> None:
    found = evidence([seen("CRM-00", 2.0), seen("CEM", 2.0 + took_s)])
    assert verdict(timeout(CRM00, CEM, limit_s), found) is expected


def test_tolerances_grow_with_the_limit() -> None:
    assert [late_s(each) for each in (1.0, 4.99, 5.0, 9.99, 10.0, 60.0)] == [0.2, 0.2, 0.5, 0.5, 3.0, 3.0]


def test_what_the_charger_never_did_fails_and_what_the_tester_never_did_is_open() -> None:
    assert verdict(Between(CRM00, CEM, 0, 1), evidence([seen("CRM-00", 1.0)])) is FAIL
    assert verdict(Between(TOLD, CEM, 0, 1), evidence([seen("CEM", 1.0)])) is OPEN
    assert verdict(Between(First("BCL"), CEM, 0, 1), evidence([seen("CEM", 1.0)])) is OPEN


# -------------------------------------------------------------------------------------------------------- the others


def test_gone_means_gone_but_for_the_grace() -> None:
    base = every("CHM", 0.0, 5.0)
    assert verdict(Gone("CHM", CRM00), evidence(base, [seen("CRM-00", 5.1)])) is PASS
    assert verdict(Gone("CHM", CRM00), evidence(base, [seen("CRM-00", 4.98)])) is PASS
    assert verdict(Gone("CHM", CRM00), evidence(base, [seen("CRM-00", 4.9)])) is FAIL
    assert verdict(Gone("CHM", CRM00, grace_s=0.2), evidence(base, [seen("CRM-00", 4.9)])) is PASS
    assert verdict(Gone("CHM", CRM00), evidence(base)) is FAIL
    assert verdict(Gone("CHM", TOLD), evidence(base)) is OPEN
    again = evidence(every("CRM-00", 0.0, 5.0), [seen("CEM", 5.1)], every("CRM-00", 9.0, 10.0))
    assert verdict(Gone("CRM-00", CEM), again) is FAIL
    assert verdict(Gone("CRM-00", CEM, until=First("CRM-00", after=CEM)), again) is FAIL
    assert verdict(Gone("CRM-00", CEM, until=TOLD), Evidence(seen=again.seen, marks={"told": 6.0})) is PASS


@pytest.mark.parametrize("spn", sorted(CEM_BITS))
def test_every_field_of_cem_is_told_from_every_other(spn: int) -> None:
    edition = "2023" if spn == 3928 else "2015"
    check = cem_says(spn, edition)
    for other in CEM_BITS:
        if other == 3928 and edition == "2015":
            continue
        found = evidence([seen("CEM", 1.0, cem_payload(other, edition).hex())])
        assert verdict(check, found) is (PASS if other == spn else FAIL)


def test_cem_as_the_reference_has_it() -> None:
    assert cem_payload(3921).hex() == "fdf0c0fc"
    assert cem_payload(3923).hex() == "fcf4c0fc"
    assert cem_payload(3927).hex() == "fcf0c0fd"
    assert cem_payload(3928, "2023").hex() == "fcf0c0f4"


def test_bytes_look_only_where_the_mask_does_and_at_the_first_message() -> None:
    check = Bytes("CST", bytes.fromhex("10000000"), Text("故障", "fault"), bytes.fromhex("30000000"))
    assert verdict(check, evidence([seen("CST", 1.0, "1001F4F0")])) is PASS
    assert verdict(check, evidence([seen("CST", 1.0, "0400F0F0")])) is FAIL
    assert verdict(check, evidence([seen("CST", 1.0, "0400F0F0"), seen("CST", 1.01, "1000F0F0")])) is FAIL
    assert verdict(check, evidence([seen("CST", 1.0, "")])) is FAIL
    assert verdict(check, evidence()) is FAIL
    after = Bytes("CST", bytes.fromhex("1000F4F0"), Text("故障", "fault"), after=TOLD)
    late = evidence([seen("CST", 1.0, "0400F0F0"), seen("CST", 3.0, "1000F4F0")], marks={"told": 2.0})
    assert verdict(after, late) is PASS
    assert verdict(after, evidence([seen("CST", 1.0)])) is OPEN


def test_a_switch_must_get_there_in_time_and_stay() -> None:
    check = Switched("contactors", False, CEM, 5.0)
    rows = [row(0.0, contactors=True), row(9.0, contactors=True), row(14.9)]
    assert verdict(check, evidence([seen("CEM", 10.0)], rows=rows)) is PASS
    assert verdict(check, evidence([seen("CEM", 9.8)], rows=rows)) is FAIL
    assert verdict(check, evidence([seen("CEM", 10.0)], rows=[*rows, row(20.0, contactors=True)])) is FAIL
    assert verdict(check, evidence([seen("CEM", 10.0)], rows=rows[:2])) is FAIL
    assert verdict(check, evidence([seen("CEM", 10.0)])) is OPEN
    assert verdict(check, evidence(rows=rows)) is FAIL
    held = Switched("contactors", False, CEM, 5.0, until=TOLD)
    marked = evidence([seen("CEM", 10.0)], rows=[*rows, row(20.0, contactors=True)], marks={"told": 16.0})
    assert verdict(held, marked) is PASS


def test_a_level_is_reached_or_held() -> None:
    rows = [row(0.0), row(1.0, current_a=10.0), row(2.0, current_a=50.0), row(3.0, current_a=60.0)]
    marks = {"told": 0.5}
    reached = Reaches("current_a", 20.0, 400.0, TOLD, 2.0)
    assert verdict(reached, evidence(rows=rows, marks=marks)) is PASS
    assert verdict(Reaches("current_a", 20.0, 400.0, TOLD, 1.0), evidence(rows=rows, marks=marks)) is FAIL
    held = Reaches("current_a", 20.0, 400.0, TOLD, 9.0, begins_s=1.2, all_time=True)
    assert verdict(held, evidence(rows=rows, marks=marks)) is PASS
    assert verdict(held, evidence(rows=[*rows, row(4.0)], marks=marks)) is FAIL
    assert verdict(reached, evidence(marks=marks)) is OPEN
    assert verdict(reached, evidence(rows=rows)) is OPEN


def test_rounds_are_counted_by_their_pauses() -> None:
    found = evidence(every("CRM-00", 0.0, 5.0), every("CRM-00", 8.0, 13.0))
    assert verdict(Rounds("CRM-00", 2), found) is PASS
    assert verdict(Rounds("CRM-00", 3), found) is FAIL
    assert verdict(Rounds("CRM-00", 1), evidence()) is FAIL


def test_replies() -> None:
    check = Replied("again", "再次启动", "rejected")
    assert verdict(check, evidence(replies={"again": "rejected not plugged"})) is PASS
    assert verdict(check, evidence(replies={"again": "accepted"})) is FAIL
    assert verdict(check, evidence()) is OPEN


def test_transfers_are_taken_whole_or_given_up() -> None:
    cts, end, abort = (Answer(1.0, kind, "BMV", 0.004) for kind in ("cts", "end", "abort"))
    message = [seen("BCL", 1.1)]
    whole = evidence([*message], answers=[cts, end])
    whole.seen = [type(message[0])(1.1, 1.0, "BMV", "BMV", bytes(20), 0x1C1556F4, by_transfer=True)]
    assert verdict(Transferred("BMV"), whole) is PASS
    assert verdict(Transferred("BMV"), evidence(answers=[abort])) is PASS
    assert verdict(Transferred("BMV"), evidence(answers=[cts])) is FAIL
    assert verdict(Transferred("BMV"), evidence()) is FAIL
    assert verdict(Transferred("BMT"), whole) is FAIL


def test_either_reading_says_which_was_met() -> None:
    slow = Reading(Text("慢", "slow"), (Between(CRM00, CEM, 9.0, 11.0),))
    fast = Reading(Text("快", "fast"), (Between(CRM00, CEM, 4.0, 6.0), Gone("CHM", CEM)))
    check = EitherReading((slow, fast))

    def note(found: Evidence) -> tuple[Verdict, str]:
        finding = check.judge(found)
        assert finding.note is not None
        return finding.verdict, finding.note.en

    assert note(evidence([seen("CRM-00", 0.0), seen("CEM", 5.0)])) == (PASS, "met: fast")
    assert note(evidence([seen("CRM-00", 0.0), seen("CEM", 10.0)])) == (PASS, "met: slow")
    assert note(evidence([seen("CRM-00", 0.0), seen("CEM", 7.0)])) == (FAIL, "no reading is met")
    assert note(evidence([seen("CRM-00", 0.0), seen("CEM", 5.0), seen("CHM", 6.0)])) == (FAIL, "no reading is met")
    told = EitherReading((Reading(Text("甲", "a"), (Between(TOLD, TOLD, 0, 0),)),))
    assert told.judge(evidence()).verdict is OPEN


def test_anchors() -> None:
    found = evidence(
        [seen("BRO-AA", 1.0), seen("BRO-AA", 2.0), seen("BRO-00", 3.0), seen("CEM", 4.0), seen("BRO-AA", 5.0)],
        rows=[row(0.0), row(1.0, lock=False), row(2.0), row(3.0, lock=False)],
        marks={"told": 2.5},
    )
    assert First("BRO").find(found) == 1.0
    assert First("BRO-00").find(found) == 3.0
    assert First("BRO-AA", after=TOLD).find(found) == 5.0
    assert First("BRO-AA", after=Mark("x", "x")).find(found) is None
    assert Last("BRO-AA").find(found) == 5.0
    assert Last("BRO-AA", before=CEM).find(found) == 2.0
    assert Last("BRO-AA", before=Mark("x", "x")).find(found) is None
    assert Switch("lock", False).find(found) == 1.0
    assert Switch("lock", False, after=TOLD).find(found) == 3.0
    assert Switch("lock", False, after=Mark("x", "x")).find(found) is None
    assert Switch("lock", True, after=TOLD).find(found) is None
    for anchor in (First("CEM"), Last("CEM"), TOLD, Switch("lock", True), Switch("k1", False)):
        assert anchor.text.zh
        assert anchor.text.en


def test_doubt_belongs_to_its_time() -> None:
    found = Evidence(stalls=[Stall(10.0, 0.05), Stall(20.0, 0.01)])
    assert found.doubt_s(9.97) == 0.05
    assert found.doubt_s(10.004) == 0.05
    assert found.doubt_s(9.9) == 0.0
    assert found.doubt_s(20.0) == 0.01


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [((PASS, PASS), PASS), ((PASS, OPEN), OPEN), ((OPEN, FAIL), FAIL), ((PASS, FAIL), FAIL), ((), OPEN)],
)
def test_one_failed_check_fails_the_case(verdicts: tuple[Verdict, ...], expected: Verdict) -> None:
    text = Text("x", "x")
    assert overall([Finding(text, text, each) for each in verdicts]) is expected
