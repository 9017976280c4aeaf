"""Budget, limits by command, division and set points: numbers on paper."""

import dataclasses
from collections.abc import Mapping

import pytest
from power_plant import parameters

from agent.control.power.budget import Budget, Grant, Need, ShareKeeper, pile_budget, water_fill
from agent.control.power.commands import LONGEST_VALIDITY_S, LimitBook, LimitCommand, Origin
from agent.control.power.evidence import Evidence
from agent.control.power.gate import AllocationGate
from agent.control.power.parameters import AllocationContactor, ModuleGroup, PowerNumbers
from agent.control.power.policy import Claim, FixedSplit, SwitchedGroups, policy_of
from agent.control.power.split import split
from agent.control.power.values import (
    ConnectorInput,
    GroupInput,
    PowerInputs,
    PowerShare,
    SetPoint,
    fresh,
    number,
)
from agent.control.power.witness import DischargeWatch
from drivers.reading import Quality, Reading

NUMBERS = PowerNumbers()


@pytest.mark.parametrize(
    ("incomer_w", "command", "expected"),
    [
        (None, (1e9, "default"), Budget(120_000.0, "profile")),
        (100_500.0, (1e9, "default"), Budget(93_000.0, "incomer")),
        (100_500.0, (20_000.0, "command:site"), Budget(20_000.0, "command:site")),
        (400.0, (1e9, "default"), Budget(0.0, "incomer")),
    ],
)
def test_the_budget_is_the_least_and_says_of_whom(
    incomer_w: float | None, command: tuple[float, str], expected: Budget
) -> None:
    assert pile_budget(parameters(numbers=NUMBERS, incomer_limit_w=incomer_w), command) == expected


@pytest.mark.parametrize(
    ("total_w", "wanted_w", "expected"),
    [
        (90.0, {1: 60.0, 2: 60.0}, {1: 45.0, 2: 45.0}),
        (90.0, {1: 20.0, 2: 80.0}, {1: 20.0, 2: 70.0}),
        (90.0, {1: 20.0, 2: 40.0}, {1: 20.0, 2: 40.0}),
        (90.0, {1: 10.0, 2: 100.0, 3: 100.0}, {1: 10.0, 2: 40.0, 3: 40.0}),
        (0.0, {1: 10.0}, {1: 0.0}),
    ],
)
def test_water_filling(total_w: float, wanted_w: dict[int, float], expected: dict[int, float]) -> None:
    assert water_fill(total_w, wanted_w) == expected


def limit(value_w: float, expires_at_s: float | None, origin: Origin = "platform") -> LimitCommand:
    return LimitCommand(value_w, origin, expires_at_s)


def test_a_raise_needs_an_expiry_and_a_lowering_does_not() -> None:
    book = LimitBook(60.0)
    assert book.in_force(0.0) == (60.0, "default")
    assert book.take(limit(60.1, None), 0.0) == "expiry_missing"
    assert book.take(limit(60.1, float("nan")), 0.0) == "expiry_missing"
    assert book.take(limit(60.1, LONGEST_VALIDITY_S + 0.1), 0.0) == "expiry_too_far"
    assert book.take(limit(60.1, LONGEST_VALIDITY_S), 0.0) == "granted"
    assert book.in_force(1.0) == (60.1, "command:platform")
    assert book.take(limit(20.0, None), 1.0) == "granted"
    assert book.in_force(1e9) == (20.0, "command:platform")
    assert book.take(limit(20.0, None), 1.0) == "granted"
    assert book.take(limit(20.1, None), 1.0) == "expiry_missing"
    assert book.take(limit(10.0, 1e12), 1.0) == "granted"


def test_a_limit_that_has_run_out_changes_nothing() -> None:
    book = LimitBook(60.0)
    assert book.take(limit(10.0, 5.0), 5.0) == "expired"
    assert book.in_force(5.0) == (60.0, "default")
    assert book.expired(5.0) == ()


def test_an_expired_limit_falls_to_the_default_even_beside_another_origin() -> None:
    book = LimitBook(60.0)
    assert book.take(limit(100.0, 10.0), 0.0) == "granted"
    assert book.take(limit(80.0, 50.0, "site"), 0.0) == "granted"
    assert book.in_force(9.9) == (80.0, "command:site")
    assert book.in_force(10.0) == (60.0, "default")
    assert book.expired(10.0) == ("platform",)
    assert book.take(limit(90.0, 50.0), 10.0) == "granted"
    assert book.in_force(10.0) == (80.0, "command:site")
    assert book.expired(10.0) == ()


@pytest.mark.parametrize("value_w", [-1.0, float("nan"), float("inf")])
def test_a_value_that_is_none_is_refused(value_w: float) -> None:
    assert LimitBook(60.0).take(limit(value_w, 5.0), 0.0) == "value_invalid"


def test_an_unknown_origin_is_refused() -> None:
    assert LimitBook(60.0).take(limit(1.0, 5.0, "passer-by"), 0.0) == "value_invalid"  # type: ignore[arg-type]


def test_zero_is_a_limit() -> None:
    book = LimitBook(60.0)
    assert book.take(limit(0.0, 5.0), 0.0) == "granted"
    assert book.in_force(1.0) == (0.0, "command:platform")


class Division:
    """A share keeper of two connectors, with time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.keeper = ShareKeeper(NUMBERS, {1: 0.0, 2: 0.0})
        self.measured_w: dict[int, float | None] = {1: 0.0, 2: 0.0}
        self.follow = True
        self.grants: dict[int, Grant] = {}
        self.history: list[dict[int, float]] = []

    def run(self, seconds: float, budget_w: float, **needs: float) -> "Division":
        wanted = {1: needs.get("one", 0.0), 2: needs.get("two", 0.0)}
        blocked = {1: bool(needs.get("block_one", 0)), 2: False}
        for _ in range(round(seconds / 0.05)):
            self.now_s += 0.05
            self.grants = self.keeper.update(
                self.now_s,
                Budget(budget_w, "profile"),
                {
                    n: Need(
                        wanted[n],
                        needs.get("able", 60_000.0),
                        "modules",
                        None if self.measured_w[n] is None else Reading(self.measured_w[n] or 0.0, "W", self.now_s),
                        blocked[n],
                    )
                    for n in (1, 2)
                },
            )
            assert sum(grant.power_w for grant in self.grants.values()) <= budget_w + 1e-6
            if self.follow:
                self.measured_w = {n: min(wanted[n], grant.power_w) for n, grant in self.grants.items()}
            self.history.append(self.powers)
        return self

    @property
    def powers(self) -> dict[int, float]:
        return {n: grant.power_w for n, grant in self.grants.items()}

    @property
    def by(self) -> list[str]:
        return [self.grants[n].by for n in (1, 2)]


def test_a_share_rises_at_20_kilowatt_a_second() -> None:
    division = Division().run(1.05, 120_000.0, one=50_000.0)
    assert division.powers[1] == pytest.approx(20_000.0)
    assert division.by == ["rising", "vehicle"]
    division.run(2.0, 120_000.0, one=50_000.0)
    assert division.powers == {1: 50_000.0, 2: 0.0}
    assert division.by == ["vehicle", "vehicle"]


def test_what_limits_is_named() -> None:
    division = Division().run(5.0, 40_000.0, one=50_000.0)
    assert division.by == ["profile", "vehicle"]
    division.run(5.0, 200_000.0, one=90_000.0)
    assert division.by == ["modules", "vehicle"]
    division.run(10.0, 80_000.0, one=90_000.0, two=90_000.0)
    assert division.by == ["shared with connector 2", "shared with connector 1"]
    assert division.powers == {1: pytest.approx(40_000.0), 2: pytest.approx(40_000.0)}
    division.run(0.05, 80_000.0, one=90_000.0, two=90_000.0, block_one=1.0)
    assert division.by[0] == "fault"
    assert division.powers[1] == 0.0


def test_a_ripple_of_the_demand_moves_no_share_of_the_other() -> None:
    division = Division().run(10.0, 80_000.0, one=30_000.0, two=60_000.0)
    assert division.powers == {1: 30_000.0, 2: pytest.approx(50_000.0)}
    division.history.clear()
    for _ in range(20):
        division.run(1.0, 80_000.0, one=26_000.0, two=60_000.0).run(0.2, 80_000.0, one=30_000.0, two=60_000.0)
    assert all(entry == division.powers for entry in division.history)


def test_a_need_that_stays_low_frees_power_after_5_seconds_down_to_its_last_peak() -> None:
    division = Division().run(10.0, 80_000.0, one=40_000.0, two=60_000.0)
    division.run(2.0, 80_000.0, one=22_000.0, two=60_000.0).run(4.0, 80_000.0, one=20_000.0, two=60_000.0)
    division.run(1.0, 80_000.0, one=20_000.0, two=60_000.0)
    assert division.powers[1] == 22_000.0
    assert division.powers[2] == pytest.approx(58_000.0, abs=501.0)


def test_an_ended_session_frees_its_power_at_once() -> None:
    division = Division().run(10.0, 80_000.0, one=40_000.0, two=60_000.0)
    division.run(0.05, 80_000.0, two=60_000.0)
    assert division.powers[1] == 0.0


def test_the_other_is_raised_only_when_the_lowering_is_seen() -> None:
    division = Division().run(10.0, 60_000.0, one=60_000.0)
    division.follow = False
    division.run(3.0, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers == {1: 30_000.0, 2: 0.0}
    assert division.by == ["shared with connector 2", "shared with connector 1"]
    assert division.keeper.committed_w == 60_000.0
    # 31.1 kW is the share and its tolerance of 500 W and 2 %.
    division.measured_w[1] = 31_101.0
    division.run(3.0, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers[2] == 0.0
    division.measured_w[1] = 31_100.0
    division.run(0.25, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers[2] > 0.0
    division.run(5.0, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers == {1: 30_000.0, 2: 30_000.0}


def test_without_a_measurement_the_lowering_counts_after_10_seconds() -> None:
    division = Division().run(10.0, 60_000.0, one=60_000.0)
    division.follow = False
    division.measured_w[1] = None
    division.run(9.9, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers[2] == 0.0
    division.run(0.3, 60_000.0, one=60_000.0, two=60_000.0)
    assert division.powers[2] > 0.0


def test_a_measurement_from_before_the_lowering_proves_nothing() -> None:
    keeper = ShareKeeper(NUMBERS, {1: 0.0})
    for at_s in range(10):
        keeper.update(0.1 * at_s, Budget(9_000.0, "profile"), {1: Need(9_000.0, 9_000.0, "modules")})
    committed_w = keeper.committed_w
    for at_s in range(10, 30):
        old = Need(0.0, 9_000.0, "modules", Reading(0.0, "W", 0.95 if at_s > 10 else 0.9))
        keeper.update(0.1 * at_s, Budget(9_000.0, "profile"), {1: old})
    assert keeper.committed_w == committed_w


def test_after_a_pause_of_the_program_a_share_rises_slowly() -> None:
    keeper = ShareKeeper(NUMBERS, {1: 0.0})
    need = {1: Need(60_000.0, 60_000.0, "modules")}
    keeper.update(0.0, Budget(60_000.0, "profile"), need)
    assert keeper.update(60.0, Budget(60_000.0, "profile"), need)[1].power_w == pytest.approx(2_000.0)


def test_a_share_is_not_raised_for_a_trifle() -> None:
    division = Division().run(5.0, 40_000.0, one=60_000.0)
    division.run(1.0, 40_500.0, one=60_000.0)
    assert division.powers[1] == 40_000.0
    division.run(1.0, 40_501.0, one=60_000.0)
    assert division.powers[1] == 40_501.0


def test_a_share_runs_out() -> None:
    share = PowerShare(1000.0, 2.0, "profile", 10.0)
    assert share.in_force(10.0) is share
    assert share.in_force(10.001) == PowerShare(0.0, 0.0, "expired", 10.0)
    assert share.in_force(float("nan")).power_w == 0.0


@pytest.mark.parametrize(
    ("order", "limit_a", "able_a", "expected_a"),
    [
        (SetPoint(True, 400.0, 90.0), 1e9, {"A": 100.0, "B": 50.0}, {"A": 60.0, "B": 30.0}),
        (SetPoint(True, 400.0, 90.0), 30.0, {"A": 100.0, "B": 50.0}, {"A": 20.0, "B": 10.0}),
        (SetPoint(True, 400.0, 300.0), 1e9, {"A": 100.0, "B": 50.0}, {"A": 100.0, "B": 50.0}),
        (SetPoint(True, 400.0, 10.0), -1.0, {"A": 100.0}, {"A": 0.0}),
        (SetPoint(False, 400.0, 10.0), 1e9, {"A": 100.0}, None),
        (SetPoint(True, 400.0, 10.0), 1e9, {"A": 0.0}, None),
    ],
)
def test_current_is_split_by_what_groups_can_give(
    order: SetPoint, limit_a: float, able_a: Mapping[str, float], expected_a: Mapping[str, float] | None
) -> None:
    found = split(order, limit_a, able_a)
    if expected_a is None:
        assert found == {group: SetPoint() for group in able_a}
    else:
        assert {(order.on, order.voltage_v) for order in found.values()} == {(True, 400.0)}
        assert {group: order.current_a for group, order in found.items()} == pytest.approx(expected_a)


def test_a_value_is_fresh_sound_and_a_number() -> None:
    assert number(Reading(1.0, "V", 10.0), 11.0, 1.0) == 1.0
    assert number(Reading(1.0, "V", 10.0), 11.001, 1.0) is None
    assert number(Reading(1.0, "V", 10.0), 9.9, 1.0) is None
    assert number(Reading(float("nan"), "V", 10.0), 10.0, 1.0) is None
    assert fresh(Reading(1.0, "V", 10.0, Quality.SUSPECT), 10.0, 1.0) is None
    assert fresh(None, 10.0, 1.0) is None


def test_evidence_needs_samples_and_time() -> None:
    evidence = Evidence(3, 1.0)
    assert [evidence.update(t, True, s) for t, s in ((0.0, 1), (2.0, 1), (2.1, 2), (2.2, 3))] == [
        None,
        None,
        None,
        True,
    ]
    assert evidence.update(2.3, False, 4) is None
    assert evidence.update(2.4, None, 5) is None
    assert evidence.update(2.5, None, 6) is None
    assert [evidence.update(t, False, t) for t in (3.0, 3.5, 3.9, 4.0)] == [None, None, None, False]


def _watch(watch: DischargeWatch, now_s: float, seconds: float, volts: float | None, energised: bool) -> float:
    for _ in range(round(seconds / 0.05)):
        now_s += 0.05
        watch.update(now_s, None if volts is None else Reading(volts, "V", now_s), energised=energised)
    return now_s


def _discharged(watch: DischargeWatch) -> bool:
    return watch.discharged


def test_discharged_is_what_was_seen_to_fall_or_has_had_its_time() -> None:
    watch = DischargeWatch(NUMBERS)
    now_s = _watch(watch, 1000.0, 1.0, 400.0, energised=True)
    assert not _discharged(watch)
    now_s = _watch(watch, now_s, 1.0, 60.0, energised=False)
    assert not _discharged(watch)
    now_s = _watch(watch, now_s, 0.3, 59.9, energised=False)
    assert _discharged(watch)
    # A sensor that stays at zero shows no fall.
    now_s = _watch(watch, now_s, 1.0, 0.0, energised=True)
    now_s = _watch(watch, now_s, NUMBERS.matching_limit_s - 0.2, 0.0, energised=False)
    assert not _discharged(watch)
    _watch(watch, now_s, 0.3, 0.0, energised=False)
    assert _discharged(watch)


def test_a_fall_counts_that_begins_after_the_supply_has_gone() -> None:
    watch = DischargeWatch(NUMBERS)
    now_s = _watch(watch, 1000.0, 0.2, None, energised=True)
    now_s = _watch(watch, now_s, 0.3, 100.0, energised=False)
    assert not _discharged(watch)
    _watch(watch, now_s, 0.3, 10.0, energised=False)
    assert _discharged(watch)


def claims(one: Claim, two: Claim) -> dict[int, Claim]:
    return {1: one, 2: two}


IDLE, BLOCKED, BIG = Claim(blocked=False), Claim(), Claim(True, 110_000.0, False)


def test_both_policies_have_one_interface() -> None:
    assert isinstance(policy_of(parameters("fixed")), FixedSplit)
    assert isinstance(policy_of(parameters("switched")), SwitchedGroups)
    for policy in (FixedSplit(parameters()), SwitchedGroups(parameters())):
        assert policy.wanted(0.0, claims(IDLE, IDLE), {"A", "B"}) == {"A": 1, "B": 2}
        assert policy.wanted(0.0, claims(BLOCKED, IDLE), {"A", "B"}) == {"A": None, "B": 2}


def test_a_group_is_lent_after_10_seconds_of_need_and_stays_until_the_session_ends() -> None:
    policy, all_groups = SwitchedGroups(parameters(numbers=NUMBERS)), {"A", "B"}
    assert policy.wanted(0.0, claims(BIG, IDLE), all_groups) == {"A": 1, "B": 2}
    assert policy.wanted(9.9, claims(BIG, IDLE), all_groups) == {"A": 1, "B": 2}
    assert policy.wanted(10.0, claims(BIG, IDLE), all_groups) == {"A": 1, "B": 1}
    small = Claim(True, 10_000.0, False)
    assert policy.wanted(20.0, claims(small, IDLE), all_groups) == {"A": 1, "B": 1}
    assert policy.wanted(30.0, claims(small, BIG), all_groups) == {"A": 1, "B": 2}
    assert policy.wanted(31.0, claims(small, IDLE), all_groups) == {"A": 1, "B": 2}
    assert policy.wanted(32.0, claims(BIG, IDLE), all_groups) == {"A": 1, "B": 2}
    assert policy.wanted(42.0, claims(BIG, BLOCKED), all_groups) == {"A": 1, "B": 1}
    assert policy.wanted(43.0, claims(IDLE, BLOCKED), all_groups) == {"A": 1, "B": None}


def test_a_need_that_is_not_worth_a_move_moves_nothing() -> None:
    policy = SwitchedGroups(parameters(numbers=NUMBERS))
    for at_s in range(60):
        assert policy.wanted(at_s, claims(Claim(True, 63_000.0, False), IDLE), {"A", "B"})["B"] == 2
    policy.wanted(60.0, claims(Claim(True, 63_001.0, False), IDLE), {"A", "B"})
    assert policy.wanted(70.0, claims(Claim(True, 63_001.0, False), IDLE), {"A", "B"})["B"] == 1


def test_a_group_with_a_fault_is_not_lent_and_its_power_is_missed() -> None:
    policy = SwitchedGroups(parameters(numbers=NUMBERS))
    policy.wanted(0.0, claims(BIG, IDLE), {"A"})
    assert policy.wanted(10.0, claims(BIG, IDLE), {"A"})["B"] == 2
    half = Claim(True, 50_000.0, False)
    policy.wanted(20.0, claims(half, IDLE), {"B"})
    assert policy.wanted(30.0, claims(half, IDLE), {"B"})["B"] == 1


def test_the_connector_that_lacks_most_gets_the_group() -> None:
    groups = tuple(
        ModuleGroup(name, home, 1, 40_000.0, 100.0, 200.0, 1000.0) for name, home in zip("ABC", (1, 2, 3), strict=True)
    )
    rows = tuple(AllocationContactor(g, c, f"{g}{c}", f"{g}{c}f") for g in "ABC" for c in (1, 2, 3))
    pile = parameters(
        numbers=NUMBERS, groups=groups, contactors=rows, connector_power_w=dict.fromkeys((1, 2, 3), 120_000.0)
    )
    policy = SwitchedGroups(pile)
    needs = {1: Claim(True, 50_000.0, False), 2: Claim(True, 90_000.0, False), 3: IDLE}
    policy.wanted(0.0, needs, set("ABC"))
    assert policy.wanted(10.0, needs, set("ABC")) == {"A": 1, "B": 2, "C": 2}


def _gate_inputs(**changes: object) -> PowerInputs:
    at = 10.0
    connector = ConnectorInput(
        at,
        contactors_closed=Reading(False, "bool", at),
        bus_voltage_v=Reading(20.0, "V", at),
        vehicle_side_voltage_v=Reading(20.0, "V", at),
    )
    group = GroupInput(
        voltage_v=Reading(30.0, "V", at), feedback={1: Reading(False, "bool", at), 2: Reading(False, "bool", at)}
    )
    for name, value in changes.items():
        if hasattr(connector, name):
            connector = dataclasses.replace(connector, **{name: value})  # type: ignore[arg-type]
        else:
            group = dataclasses.replace(group, **{name.removeprefix("group_"): value})  # type: ignore[arg-type]
    return PowerInputs({1: connector, 2: connector}, {"A": group, "B": group})


def _asked(*outputs: str) -> dict[str, bool]:
    return {f"allocation_{output}": True for output in outputs}


def test_the_gate_lets_a_closing_pass_that_nothing_speaks_against() -> None:
    gate = AllocationGate(parameters())
    relays, refused = gate.passed(10.0, _asked("A1", "B2"), _gate_inputs())
    assert relays == {"allocation_A1": True, "allocation_A2": False, "allocation_B1": False, "allocation_B2": True}
    assert refused == ()
    # What is closed stays closed without being judged, and opens whenever it is not asked for.
    assert gate.passed(99.0, _asked("A1", "B2"), PowerInputs({}, {})) == (relays, ())
    assert not any(gate.passed(99.0, {}, PowerInputs({}, {}))[0].values())


def test_the_gate_never_lets_one_group_be_closed_twice() -> None:
    gate = AllocationGate(parameters())
    gate.passed(10.0, _asked("A1"), _gate_inputs())
    relays, refused = gate.passed(10.0, _asked("A1", "A2", "B2"), _gate_inputs())
    assert relays == {"allocation_A1": False, "allocation_A2": False, "allocation_B1": False, "allocation_B2": True}
    assert refused == ("allocation_A1", "allocation_A2")


def _is(value: float | bool, at_s: float = 10.0) -> Reading:
    return Reading(value, "", at_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"group_voltage_v": None},
        {"group_voltage_v": _is(60.0)},
        {"group_voltage_v": _is(30.0, 8.4)},
        {"bus_voltage_v": None},
        {"bus_voltage_v": _is(60.0)},
        {"contactors_closed": None},
        {"contactors_closed": _is(False, 9.3)},
        {"faulted": True},
        {"group_feedback": {}},
        {"group_feedback": {1: _is(False)}},
        {"group_feedback": {1: _is(False), 2: _is(True)}},
        {"group_feedback": {1: _is(True), 2: _is(False)}},
        {"group_feedback": {1: _is(False), 2: _is(False, 9.3)}},
        {"contactors_closed": _is(True), "group_voltage_v": _is(30.1)},
        {"contactors_closed": _is(True), "vehicle_side_voltage_v": None},
        {"contactors_closed": _is(True), "vehicle_side_voltage_v": _is(25.1)},
    ],
)
def test_the_gate_refuses_what_a_reading_speaks_against(changes: dict[str, object]) -> None:
    gate = AllocationGate(parameters())
    relays, refused = gate.passed(10.0, _asked("A1"), _gate_inputs(**changes))
    assert not any(relays.values())
    assert refused == ("allocation_A1",)


def test_the_gate_refuses_without_inputs_and_joins_a_live_bus_within_10_volt() -> None:
    gate = AllocationGate(parameters())
    assert gate.passed(10.0, _asked("A1"), PowerInputs({}, {}))[1] == ("allocation_A1",)
    no_connector = PowerInputs({}, _gate_inputs().groups)
    assert gate.passed(10.0, _asked("A1"), no_connector)[1] == ("allocation_A1",)
    live = _gate_inputs(contactors_closed=_is(True), vehicle_side_voltage_v=_is(25.0))
    assert gate.passed(10.0, _asked("A1"), live)[0]["allocation_A1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": (ModuleGroup("A", 1, 1, 1.0, 1.0, 1.0, 1.0),) * 2, "contactors": ()}, "given twice"),
        ({"groups": (ModuleGroup("A", 3, 1, 1.0, 1.0, 1.0, 1.0),), "contactors": ()}, "home connector 3 does not"),
        ({"contactors": (AllocationContactor("A", 2, "o", "f"),)}, "no contactor to its home connector 1"),
        ({"contactors": (AllocationContactor("X", 2, "o", "f"),)}, "group X does not exist"),
        ({"contactors": (AllocationContactor("A", 1, "o", "f"), AllocationContactor("A", 3, "p", "g"))}, "connector 3"),
        ({"contactors": (AllocationContactor("A", 1, "o", "f"), AllocationContactor("A", 2, "o", "g"))}, "output o"),
        ({"contactors": (AllocationContactor("A", 1, "o", "f"), AllocationContactor("A", 2, "p", "f"))}, "feedback f"),
        ({"contactors": (AllocationContactor("A", 1, "o", "f"), AllocationContactor("A", 1, "p", "g"))}, "two alloc"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_with_place(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameters(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"efficiency": 1.01}, {"evidence_s": 0.0}, {"follow_s": float("nan")}])
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        PowerNumbers(**changes)  # type: ignore[arg-type]


def test_every_number_has_a_source() -> None:
    for each in dataclasses.fields(PowerNumbers):
        assert len(each.metadata["source"]) > 10, each.name
