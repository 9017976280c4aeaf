"""What the two-gun story claims, each point judged on the plant's true values and on the record. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hil_tests.bench.closings import JOINING_DIFFERENCE_V, SAFE_VOLTAGE_V, closings
from hil_tests.demo.observed import FLOWS_A, Observed
from hil_tests.demo.summary import kilowatt_hours
from hil_tests.demo.words import Language, text

TOGETHER_S = 4.0
"""Own: so long both guns charge at once, at least, before anything is done to one of them."""
GOES_ON_S = 5.0
"""Own: so long the other gun goes on without a gap after the fault of the first, at least."""
OWN_FAULT_WITHIN_S = 6.0
"""Own: debounce of the over-temperature (3 s, config/faults.toml), ramp-down, and the time of the boards."""
STOP_WITHIN_S = 1.0
"""Own: from the pressed emergency stop to open contactors, with the input's interval and the contactors' travel."""
SHARE_TOLERANCE_W = 1500.0
"""Own: by how much true power may exceed the budget: error of meter and modules' set point at 60 kW."""
GAIN_W = 5000.0
"""Own: power that a gun must gain once the other one needs none."""
ONE_GROUP_A = 150.0
"""Maximum current of one group of modules (config/piles/dc-120kw-two-guns.toml)."""
LENT_MARGIN_A = 10.0
"""Own: so much above one group's maximum shows that a second one feeds the gun."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One point: its key among the texts, what was measured, and whether it was observed."""

    key: str
    measured: str
    held: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the claims look at."""

    observed: Observed
    sessions: Sequence[Mapping[str, Any]]
    """Ended sessions of the pile's record with ``connector``, oldest first."""
    published: Sequence[tuple[int, Mapping[str, Any]]]
    """Connector and body of each session's end that the platform received."""
    registers_wh: Mapping[int, int]
    """Register of each gun's meter on the bench at the end."""
    switched: bool
    steady: int = 1
    """The gun that goes on."""
    failing: int = 2
    """The gun with a fault of its own."""


def claims(evidence: Evidence) -> list[Claim]:
    """All points of the story, in the sequence of the story."""
    checks: list[Callable[[Evidence], Claim]] = [_different_vehicles]
    if evidence.switched:
        checks += [_lent, _given_back]
    checks += [_together]
    checks += [] if evidence.switched else [_within_budget]
    checks += [_own_fault, _goes_on]
    checks += [] if evidence.switched else [_gains]
    checks += [_again, _emergency_stop, _sessions, _bills, _platform]
    if evidence.switched:
        checks += [_closing_differences, _one_gun_a_group]
    return [check(evidence) for check in checks]


def missed(found: Sequence[Claim], language: Language) -> list[str]:
    """What was not observed, one sentence each."""
    return [f"{text(claim.key, language)}: {claim.measured}" for claim in found if not claim.held]


def _different_vehicles(evidence: Evidence) -> Claim:
    vins = {gun: sorted({str(each.get("vin")) for each in _of(evidence, gun)}) for gun in _guns(evidence)}
    seen = [vin for found in vins.values() for vin in found]
    measured = ", ".join(f"{gun}: {'/'.join(found) or '-'}" for gun, found in vins.items())
    return Claim("claim_vehicles", measured, len(seen) == len(set(seen)) == len(vins) and "None" not in seen)


def _lent(evidence: Evidence) -> Claim:
    observed, gun = evidence.observed, evidence.steady
    before = observed.between(0.0, observed.marks.get("second_order"))
    both = [sample for sample in before if sample.fed_by and all(gun in found for found in sample.fed_by.values())]
    most_a = max((sample.current_a[gun] for sample in both), default=0.0)
    return Claim("claim_lent", f"{most_a:.0f} A", most_a > ONE_GROUP_A + LENT_MARGIN_A)


def _given_back(evidence: Evidence) -> Claim:
    observed = evidence.observed
    later = observed.between(observed.marks.get("second_order"), observed.marks.get("fault"))
    apart = [
        sample
        for sample in later
        if sample.flows(evidence.steady) and sample.flows(evidence.failing) and _fed_apart(sample.fed_by)
    ]
    most_a = max((sample.current_a[evidence.steady] for sample in apart), default=0.0)
    held = bool(apart) and most_a <= ONE_GROUP_A + LENT_MARGIN_A
    return Claim("claim_given_back", f"{evidence.steady}: {most_a:.0f} A" if apart else "-", held)


def _fed_apart(fed_by: Mapping[str, tuple[int, ...]]) -> bool:
    """Each group feeds one gun, and each gun is fed."""
    guns = [found for found in fed_by.values() if len(found) == 1]
    return len(guns) == len(fed_by) and len(set(guns)) == len(guns) > 1


def _together(evidence: Evidence) -> Claim:
    observed = evidence.observed
    samples = observed.between(0.0, observed.marks.get("fault"))
    lasted_s = observed.longest_s(lambda sample: all(sample.flows(gun) for gun in _guns(evidence)), samples)
    return Claim("claim_together", f"{lasted_s:.1f} s", lasted_s >= TOGETHER_S)


def _within_budget(evidence: Evidence) -> Claim:
    observed = evidence.observed
    both = [sample for sample in observed.samples if all(sample.flows(gun) for gun in _guns(evidence))]
    most_w = max((sum(sample.power_w.values()) for sample in both), default=0.0)
    budgets_w = [float(each["budget_w"]) for each in observed.shares if each.get("budget_by") == "incomer"]
    limited = [each for each in observed.shares if _both_limited_by_the_other(each)]
    held = bool(budgets_w and limited) and 0.0 < most_w <= min(budgets_w) + SHARE_TOLERANCE_W
    budget = f"{min(budgets_w) / 1000:.1f} kW" if budgets_w else "-"
    return Claim("claim_budget", f"{most_w / 1000:.1f} kW / {budget}", held)


def _both_limited_by_the_other(power: Mapping[str, Any]) -> bool:
    shares = power.get("shares", {})
    return len(shares) > 1 and all(str(each.get("by", "")).startswith(_SHARED) for each in shares.values())


_SHARED = ("shared with connector", "incomer")


def _own_fault(evidence: Evidence) -> Claim:
    observed = evidence.observed
    took_s = _after(observed.opened_at_s.get("fault"), observed.marks.get("fault"))
    return Claim("claim_own_fault", _seconds(took_s), took_s is not None and took_s <= OWN_FAULT_WITHIN_S)


def _goes_on(evidence: Evidence) -> Claim:
    observed, gun = evidence.observed, evidence.steady
    opened_s, until_s = observed.opened_at_s.get("fault"), observed.marks.get("cause_gone")
    samples = observed.between(observed.marks.get("fault"), until_s)
    least_a = min((sample.current_a[gun] for sample in samples), default=0.0)
    lasted_s = _after(until_s, opened_s) or 0.0
    held = lasted_s >= GOES_ON_S and all(sample.flows(gun) for sample in samples) and len(samples) > 1
    return Claim("claim_goes_on", f"{lasted_s:.1f} s, ≥ {least_a:.0f} A", held)


def _gains(evidence: Evidence) -> Claim:
    observed, gun = evidence.observed, evidence.steady
    begin_s, end_s = observed.marks.get("fault"), observed.marks.get("cause_gone")
    before = [sample.power_w[gun] for sample in observed.between(0.0, begin_s) if sample.flows(evidence.failing)]
    after = [sample.power_w[gun] for sample in observed.between(observed.opened_at_s.get("fault"), end_s)]
    shared_w, alone_w = (before[-1] if before else 0.0), max(after, default=0.0)
    measured = f"{shared_w / 1000:.1f} → {alone_w / 1000:.1f} kW"
    return Claim("claim_gains", measured, bool(before) and alone_w >= shared_w + GAIN_W)


def _again(evidence: Evidence) -> Claim:
    observed = evidence.observed
    samples = observed.between(observed.marks.get("cause_gone"), observed.marks.get("estop"))
    lasted_s = observed.longest_s(lambda sample: all(sample.flows(gun) for gun in _guns(evidence)), samples)
    return Claim("claim_again", f"{lasted_s:.1f} s", lasted_s >= TOGETHER_S / 2)


def _emergency_stop(evidence: Evidence) -> Claim:
    observed = evidence.observed
    times = {
        gun: _after(observed.opened_at_s.get(f"estop {gun}"), observed.marks.get("estop")) for gun in _guns(evidence)
    }
    held = all(took_s is not None and took_s <= STOP_WITHIN_S for took_s in times.values())
    return Claim("claim_estop", ", ".join(f"{gun}: {_seconds(took_s)}" for gun, took_s in times.items()), held)


def _sessions(evidence: Evidence) -> Claim:
    wanted = {
        evidence.steady: ["emergency_stop"],
        evidence.failing: ["over_temperature", "emergency_stop"],
    }
    found = {gun: [str(each.get("stop_reason")) for each in _of(evidence, gun)] for gun in wanted}
    measured = "; ".join(f"{gun}: {', '.join(reasons) or '-'}" for gun, reasons in found.items())
    return Claim("claim_sessions", measured, found == wanted)


def _bills(evidence: Evidence) -> Claim:
    sums = {gun: sum(int(each.get("energy_wh", 0)) for each in _of(evidence, gun)) for gun in _guns(evidence)}
    measured = ", ".join(f"{gun}: {kilowatt_hours(energy_wh)} kWh" for gun, energy_wh in sums.items())
    consistent = all(_bill_adds_up(each) for each in evidence.sessions)
    last = {gun: int(found[-1]["register_end_wh"]) for gun in sums if (found := _of(evidence, gun))}
    held = consistent and last == dict(evidence.registers_wh) and all(sums.values())
    return Claim("claim_bills", measured, held)


def _bill_adds_up(ended: Mapping[str, Any]) -> bool:
    energy_wh = int(ended.get("energy_wh", 0))
    slices = list(ended.get("slices", ()))
    total_e4 = sum(int(part["electricity_e4"]) + int(part["service_e4"]) for part in slices)
    return (
        energy_wh == int(ended.get("register_end_wh", 0)) - int(ended.get("register_start_wh", 0))
        and energy_wh == sum(int(part["energy_wh"]) for part in slices)
        # Rounded half up once to 0.01 yuan.
        and int(ended.get("amount_e4", -1)) == (total_e4 + 50) // 100 * 100
    )


def _platform(evidence: Evidence) -> Claim:
    here = sorted((int(each["connector"]), str(each.get("stop_reason"))) for each in evidence.sessions)
    there = sorted((connector, str(body.get("stop_reason"))) for connector, body in evidence.published)
    counts = {gun: sum(connector == gun for connector, _ in there) for gun in _guns(evidence)}
    measured = ", ".join(f"{gun}: {count}" for gun, count in counts.items())
    return Claim("claim_platform", measured, bool(here) and here == there)


def _closing_differences(evidence: Evidence) -> Claim:
    found = closings(evidence.observed.bank)
    live = [each for each in found if each.onto_live]
    most_v = max((each.difference_v for each in live), default=0.0)
    highest_v = max((max(each.group_v, each.gun_v) for each in found if not each.onto_live), default=0.0)
    measured = (
        f"{len(live)} × Δ ≤ {most_v:.1f} V (≤ {JOINING_DIFFERENCE_V:.0f} V), "
        f"{len(found) - len(live)} × ≤ {highest_v:.0f} V (< {SAFE_VOLTAGE_V:.0f} V)"
    )
    return Claim("claim_differences", measured, bool(live) and all(each.permitted for each in found))


def _one_gun_a_group(evidence: Evidence) -> Claim:
    count = evidence.observed.bank.get("fed_two_guns")
    return Claim("claim_one_gun", "-" if count is None else str(count), count == 0)


def _guns(evidence: Evidence) -> tuple[int, int]:
    return tuple(sorted((evidence.steady, evidence.failing)))  # type: ignore[return-value]  # two in, two out


def _of(evidence: Evidence, gun: int) -> list[Mapping[str, Any]]:
    return [each for each in evidence.sessions if each.get("connector") == gun]


def _after(at_s: float | None, since_s: float | None) -> float | None:
    return None if at_s is None or since_s is None or at_s < since_s else at_s - since_s


def _seconds(took_s: float | None) -> str:
    return "-" if took_s is None else f"{took_s:.2f} s"


__all__ = ["FLOWS_A", "Claim", "Evidence", "claims", "missed"]
