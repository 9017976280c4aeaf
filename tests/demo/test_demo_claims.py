"""Each claim of the two-gun story: held by a good run, and missed when the plant or the record says otherwise."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from hil_tests.demo.claims import Evidence, claims, missed
from hil_tests.demo.observed import Observed, Sample
from hil_tests.demo.words import text

FAULT_S, OPENED_S, CAUSE_GONE_S, ESTOP_S = 20.0, 23.2, 31.0, 60.0


def session(connector: int, reason: str, start_wh: int, energy_wh: int) -> dict[str, Any]:
    return {
        "connector": connector,
        "stop_reason": reason,
        "vin": f"VIN{connector}",
        "register_start_wh": start_wh,
        "register_end_wh": start_wh + energy_wh,
        "energy_wh": energy_wh,
        "slices": [{"energy_wh": energy_wh, "electricity_e4": 300, "service_e4": 149}],
        "amount_e4": 400,
    }


def sample(at_s: float, first_a: float, second_a: float, **changes: Any) -> Sample:
    currents = {1: first_a, 2: second_a}
    values: dict[str, Any] = {
        "closed": {gun: amps > 0.0 for gun, amps in currents.items()},
        "current_a": currents,
        "power_w": {gun: amps * 400.0 for gun, amps in currents.items()},
        "fed_by": {"A": (1,), "B": (2,)},
    }
    return Sample(at_s, **(values | changes))


def good(*, switched: bool = False) -> Evidence:
    """A run as it should be: seconds 0 to 65, one sample a second."""
    observed = Observed()
    alone_a, shared_a = (180.0, 140.0) if switched else (120.0, 78.0)
    for second in range(66):
        at_s = float(second)
        if switched and at_s < 8.0:
            observed.samples.append(sample(at_s, alone_a, 0.0, fed_by={"A": (1,), "B": (1,)}))
        elif at_s <= OPENED_S or CAUSE_GONE_S + 15.0 <= at_s < ESTOP_S:
            observed.samples.append(sample(at_s, shared_a, 75.0))
        elif at_s < ESTOP_S:
            observed.samples.append(sample(at_s, alone_a, 0.0))
        else:
            observed.samples.append(sample(at_s, 0.0, 0.0))
    observed.marks = {"second_order": 8.0, "fault": FAULT_S, "cause_gone": CAUSE_GONE_S, "estop": ESTOP_S}
    observed.opened_at_s = {"fault": OPENED_S, "estop 1": ESTOP_S + 0.03, "estop 2": ESTOP_S + 0.04}
    observed.shares = [
        {
            "budget_w": 64635,
            "budget_by": "incomer",
            "shares": {"1": {"by": "shared with connector 2"}, "2": {"by": "shared with connector 1"}},
        }
    ]
    observed.bank = {
        "fed_two_guns": 0,
        "allocations": {
            "allocation_a1": {"closing_voltages_v": [[0.0, 0.0]]},
            "allocation_b1": {"closing_voltages_v": [[410.0, 414.8], [22.0, 0.1]]},
        },
    }
    sessions = [
        session(1, "emergency_stop", 1000, 480),
        session(2, "over_temperature", 500, 90),
        session(2, "emergency_stop", 590, 30),
    ]
    published = [(each["connector"], each) for each in sessions]
    return Evidence(observed, sessions, published, {1: 1480, 2: 620}, switched)


@pytest.mark.parametrize("switched", [False, True])
def test_a_good_run_holds_every_claim(switched: bool) -> None:
    found = claims(good(switched=switched))
    assert missed(found, "en") == []
    assert len(found) == (13 if switched else 11)
    for claim in found:
        assert text(claim.key, "en")
        assert text(claim.key, "zh")


def _shares(evidence: Evidence, by: str) -> None:
    evidence.observed.shares[0]["shares"]["2"]["by"] = by


def _replace_samples(evidence: Evidence, change: Callable[[Sample], Sample | None]) -> None:
    evidence.observed.samples[:] = [new for each in evidence.observed.samples if (new := change(each)) is not None]


def _interrupt_first(evidence: Evidence) -> None:
    """Gun 1 stops for a moment while gun 2 has its fault."""
    _replace_samples(evidence, lambda each: sample(each.at_s, 0.0, 0.0) if each.at_s == 26.0 else each)


def _never_both(evidence: Evidence) -> None:
    _replace_samples(evidence, lambda each: sample(each.at_s, each.current_a[1], 0.0) if each.at_s < FAULT_S else each)


def _too_much(evidence: Evidence) -> None:
    _replace_samples(evidence, lambda each: sample(each.at_s, 120.0, 75.0) if each.at_s == 12.0 else each)


def _not_again(evidence: Evidence) -> None:
    _replace_samples(evidence, lambda each: sample(each.at_s, 120.0, 0.0) if 40.0 < each.at_s < ESTOP_S else each)


def _no_gain(evidence: Evidence) -> None:
    _replace_samples(evidence, lambda each: sample(each.at_s, 78.0, 0.0) if each.current_a[2] == 0.0 else each)


def _session(evidence: Evidence, number: int, **changes: Any) -> None:
    evidence.sessions[number].update(changes)  # type: ignore[attr-defined]  # a dict in these tests


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (lambda evidence: _session(evidence, 1, vin="VIN1"), "claim_vehicles"),
        (lambda evidence: _session(evidence, 0, vin=None), "claim_vehicles"),
        (_too_much, "claim_budget"),
        (lambda evidence: _shares(evidence, "vehicle"), "claim_budget"),
        (lambda evidence: evidence.observed.shares.clear(), "claim_budget"),
        (lambda evidence: evidence.observed.opened_at_s.update(fault=FAULT_S + 7.0), "claim_own_fault"),
        (lambda evidence: evidence.observed.opened_at_s.update(fault=FAULT_S - 7.0), "claim_own_fault"),
        (_interrupt_first, "claim_goes_on"),
        (_no_gain, "claim_gains"),
        (_not_again, "claim_again"),
        (lambda evidence: evidence.observed.opened_at_s.pop("estop 1"), "claim_estop"),
        (lambda evidence: evidence.observed.opened_at_s.update({"estop 2": ESTOP_S + 1.5}), "claim_estop"),
        (lambda evidence: _session(evidence, 0, stop_reason="over_temperature"), "claim_sessions"),
        (lambda evidence: _session(evidence, 1, connector=1), "claim_sessions"),
        (lambda evidence: _session(evidence, 0, amount_e4=500), "claim_bills"),
        (lambda evidence: _session(evidence, 0, energy_wh=479), "claim_bills"),
        (lambda evidence: evidence.registers_wh.update({2: 621}), "claim_bills"),
        (lambda evidence: evidence.published.pop(), "claim_platform"),
    ],
)
def test_what_went_wrong_is_missed(spoil: Callable[[Evidence], object], key: str) -> None:
    evidence = copy.deepcopy(good())
    spoil(evidence)
    assert key in [claim.key for claim in claims(evidence) if not claim.held]
    assert any(line.startswith(text(key, "en")) for line in missed(claims(evidence), "en"))


def test_one_gun_after_the_other_is_not_at_once() -> None:
    evidence = good()
    _never_both(evidence)
    assert "claim_together" in [claim.key for claim in claims(evidence) if not claim.held]


def _never_apart(observed: Observed) -> None:
    """Both groups stay at gun 1 although gun 2 delivers."""
    observed.samples[:] = [
        sample(each.at_s, each.current_a[1], each.current_a[2], fed_by={"A": (1,), "B": (1,)})
        for each in observed.samples
    ]


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (lambda observed: observed.samples.__setitem__(slice(0, 8), []), "claim_lent"),
        (_never_apart, "claim_given_back"),
        (lambda observed: observed.bank.update(fed_two_guns=1), "claim_one_gun"),
        (lambda observed: observed.bank.update(allocations={}), "claim_differences"),
        (
            lambda observed: observed.bank["allocations"]["allocation_b1"]["closing_voltages_v"].append([400.0, 411.0]),
            "claim_differences",
        ),
        (
            lambda observed: observed.bank["allocations"]["allocation_b1"]["closing_voltages_v"].append([61.0, 0.0]),
            "claim_differences",
        ),
    ],
)
def test_wrong_switching_is_missed(spoil: Callable[[Any], object], key: str) -> None:
    evidence = good(switched=True)
    spoil(evidence.observed)
    assert [claim.key for claim in claims(evidence) if not claim.held] == [key]


def test_a_run_that_showed_nothing_holds_nothing() -> None:
    for switched in (False, True):
        evidence = Evidence(Observed(), [], [], {}, switched)
        assert [claim.key for claim in claims(evidence) if claim.held] == []


def test_a_sample_comes_from_the_probes_of_all_guns() -> None:
    bank = {"groups": {"A": {"guns": [1]}, "B": {"guns": []}}}
    probe = {"time_s": 5.0, "contactors_closed": True, "current_a": 30.0, "power_w": 12000.0, "bank": bank}
    observed = Observed()
    taken = observed.take({1: probe, 2: {**probe, "time_s": 5.1, "contactors_closed": False}})
    assert (taken.at_s, taken.flows(1), taken.flows(2)) == (5.1, True, False)
    assert taken.fed_by == {"A": (1,), "B": ()}
    assert observed.bank is bank
    for power in ({"budget_w": 1}, {"budget_w": 1}, {}, {"budget_w": 2}):
        observed.take_shares(power)
    assert observed.shares == [{"budget_w": 1}, {"budget_w": 2}]
