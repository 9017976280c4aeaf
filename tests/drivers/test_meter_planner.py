"""The read planner: nothing split, nothing missed, no limit passed, never slower than simpler ways."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.meters.planner import Limits, Need, PlanError, Read, Wire, alone, cost_us, plan, split

WIRE = Wire(9600, 10, 0.02)
INTERVALS = (1, 5, 10, 30)


def need(first: int, last: int | None = None, every: int = 1, key: str = "", priority: int = 2) -> Need:
    last = first if last is None else last
    return Need(key or f"{first}-{last}/{every}", 3, first, last, every, priority)


def spans(reads: list[Read]) -> list[tuple[int, int, int]]:
    return [(read.start, read.count, read.every) for read in reads]


@st.composite
def tasks(draw: st.DrawFn) -> tuple[list[Need], Limits, Wire]:
    maximum = draw(st.sampled_from([4, 5, 8, 20, 80, 125]))
    even = draw(st.booleans()) and maximum % 2 == 0
    needs = []
    for index in range(draw(st.integers(1, 12))):
        first = draw(st.integers(0, 60))
        width = draw(st.integers(1, min(maximum - even, 6)))
        if even and (first % 2 or width % 2):
            width = min(width, maximum - 2)
        needs.append(
            Need(
                f"need {index}",
                draw(st.sampled_from([3, 4])),
                first,
                first + max(width, 1) - 1,
                draw(st.sampled_from(INTERVALS)),
                draw(st.sampled_from([2, 3])),
            )
        )
    readable = tuple(
        (draw(st.sampled_from([3, 4])), first, first + draw(st.integers(0, 30)))
        for first in draw(st.lists(st.integers(0, 60), max_size=3))
    )
    wire = Wire(
        draw(st.sampled_from([1200, 9600, 115200])), draw(st.sampled_from([10, 11])), draw(st.sampled_from([0.0, 0.02]))
    )
    return needs, Limits(maximum, even, readable), wire


class TestProperties:
    @given(tasks())
    @settings(max_examples=300, deadline=None)
    def test_every_need_is_served_once_whole_and_often_enough(self, task: tuple[list[Need], Limits, Wire]) -> None:
        needs, limits, wire = task
        reads = plan(needs, limits, wire)
        served = [key for read in reads for key in read.keys]
        assert sorted(served) == sorted(each.key for each in needs)
        by_key = {each.key: each for each in needs}
        for read in reads:
            for key in read.keys:
                own = by_key[key]
                assert read.function == own.function
                assert read.start <= own.first <= own.last < read.start + read.count
                assert read.every <= own.every
                assert read.priority <= own.priority

    @given(tasks())
    @settings(max_examples=300, deadline=None)
    def test_no_limit_is_passed_and_nothing_unknown_is_read(self, task: tuple[list[Need], Limits, Wire]) -> None:
        needs, limits, wire = task
        for read in plan(needs, limits, wire):
            assert 1 <= read.count <= limits.maximum_registers
            if limits.even:
                assert read.start % 2 == 0
                assert read.count % 2 == 0
            known = {r for each in needs if each.function == read.function for r in range(each.first, each.last + 1)}
            for function, first, last in limits.readable:
                if function == read.function:
                    known.update(range(first, last + 1))
            unknown = set(range(read.start, read.start + read.count)) - known
            # Evenness may take one register more at either end, never in the middle.
            assert unknown <= ({read.start, read.start + read.count - 1} if limits.even else set())

    @given(tasks())
    @settings(max_examples=300, deadline=None)
    def test_the_line_is_never_busy_for_longer_than_with_one_request_a_need(
        self, task: tuple[list[Need], Limits, Wire]
    ) -> None:
        needs, limits, wire = task
        one_each = [alone(each, limits) for each in needs]
        assert cost_us(plan(needs, limits, wire), wire) <= cost_us(one_each, wire) + 0.01

    @given(tasks(), st.randoms(use_true_random=False))
    @settings(max_examples=100, deadline=None)
    def test_the_order_of_the_needs_does_not_matter(
        self, task: tuple[list[Need], Limits, Wire], random: Random
    ) -> None:
        needs, limits, wire = task
        shuffled = list(needs)
        random.shuffle(shuffled)
        assert plan(shuffled, limits, wire) == plan(needs, limits, wire)

    @given(st.lists(st.tuples(st.integers(0, 25), st.integers(1, 3)), min_size=1, max_size=6), st.integers(3, 12))
    @settings(max_examples=200, deadline=None)
    def test_no_other_way_to_share_out_the_needs_is_cheaper(self, parts: list[tuple[int, int]], maximum: int) -> None:
        """Against every way of forming requests, tried one by one."""
        needs = [need(first, first + width - 1, key=f"{index}") for index, (first, width) in enumerate(parts)]
        limits = Limits(maximum, readable=((3, 0, 30),))
        cheapest = min(
            sum(WIRE.time_us(max(n.last for n in group) - min(n.first for n in group) + 1) for group in groups)
            for groups in groupings(needs)
            if all(max(n.last for n in group) - min(n.first for n in group) + 1 <= maximum for group in groups)
        )
        assert cost_us(plan(needs, limits, WIRE), WIRE) == pytest.approx(cheapest)


def groupings(needs: list[Need]) -> list[list[list[Need]]]:
    if not needs:
        return [[]]
    head, rest = needs[0], needs[1:]
    found = []
    for smaller in groupings(rest):
        found.append([[head], *smaller])
        for index, group in enumerate(smaller):
            found.append([*smaller[:index], [head, *group], *smaller[index + 1 :]])
    return found


class TestCases:
    def test_neighbours_are_read_together(self) -> None:
        assert spans(plan([need(0, 1), need(2, 3), need(4)], Limits(20), WIRE)) == [(0, 5, 1)]

    def test_a_gap_is_read_through_only_where_that_is_known_to_be_harmless(self) -> None:
        needs = [need(0), need(3)]
        assert spans(plan(needs, Limits(20), WIRE)) == [(0, 1, 1), (3, 1, 1)]
        assert spans(plan(needs, Limits(20, readable=((3, 1, 2),)), WIRE)) == [(0, 4, 1)]
        assert spans(plan(needs, Limits(20, readable=((4, 1, 2),)), WIRE)) == [(0, 1, 1), (3, 1, 1)]

    def test_a_wide_gap_is_left_out_when_that_is_cheaper(self) -> None:
        # A request of its own costs 13 bytes, 30 ms until the answer and 20 ms of pause: some 30 registers at 9600.
        limits = Limits(125, readable=((3, 0, 125),))
        assert len(plan([need(0), need(30)], limits, WIRE)) == 1
        assert len(plan([need(0), need(34)], limits, WIRE)) == 2

    @pytest.mark.parametrize(("maximum", "reads"), [(3, [(0, 2, 1), (2, 2, 1)]), (4, [(0, 4, 1)])])
    def test_the_limit_of_registers_at_and_below(self, maximum: int, reads: list[tuple[int, int, int]]) -> None:
        assert spans(plan([need(0, 1), need(2, 3)], Limits(maximum), WIRE)) == reads

    @pytest.mark.parametrize(("maximum", "fits"), [(3, False), (4, True), (5, True)])
    def test_a_need_that_does_not_fit_is_never_split(self, maximum: int, fits: bool) -> None:
        if fits:
            assert spans(plan([need(6, 9)], Limits(maximum), WIRE)) == [(6, 4, 1)]
        else:
            with pytest.raises(PlanError, match="takes 4 registers in one request") as caught:
                plan([need(6, 9)], Limits(maximum), WIRE)
            assert (caught.value.key, caught.value.registers) == ("6-9/1", 4)

    def test_even_starts_and_counts(self) -> None:
        assert spans(plan([need(3, 4)], Limits(20, even=True), WIRE)) == [(2, 4, 1)]
        assert spans(plan([need(0xFFFF)], Limits(20, even=True), WIRE)) == [(0xFFFE, 2, 1)]
        with pytest.raises(PlanError):
            plan([need(3, 4)], Limits(2, even=True), WIRE)

    def test_slow_needs_within_reach_of_a_fast_read_come_free(self) -> None:
        assert spans(plan([need(0), need(2), need(1, every=10)], Limits(20), WIRE)) == [(0, 3, 1)]

    def test_slow_needs_beside_a_fast_read_join_it_only_when_that_is_cheaper(self) -> None:
        # Two registers more with every poll cost less than a request of 60 ms every tenth poll; forty do not.
        assert spans(plan([need(0), need(1, 2, 10)], Limits(125), WIRE)) == [(0, 3, 1)]
        assert spans(plan([need(0), need(1, 40, 10)], Limits(125), WIRE)) == [(0, 1, 1), (1, 40, 10)]

    def test_a_slow_read_may_go_across_a_fast_one(self) -> None:
        needs = [need(0, 19, 10), need(20), need(21, 40, 10)]
        assert spans(plan(needs, Limits(125), Wire(1200, 10, 0.0))) == [(20, 1, 1), (0, 41, 10)]

    def test_a_fast_need_never_waits_for_a_slow_read(self) -> None:
        # 0 and 12 make one slow read across 6; the need at 6 every 5 polls must not ride on a read every 30.
        needs = [need(0, 5, 30), need(6, every=5), need(7, 12, 30), need(40, every=1)]
        for read in plan(needs, Limits(125), WIRE):
            if "6-6/5" in read.keys:
                assert read.every <= 5

    def test_function_codes_are_kept_apart_and_fast_reads_come_first(self) -> None:
        needs = [Need("slow", 3, 0, 1, 10, 3), Need("fast", 4, 2, 3, 1, 2)]
        assert [(read.function, read.keys) for read in plan(needs, Limits(20), WIRE)] == [
            (4, ("fast",)),
            (3, ("slow",)),
        ]

    def test_the_same_key_twice_is_a_mistake_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="same key"):
            plan([need(0, key="a"), need(5, key="a")], Limits(20), WIRE)

    def test_nothing_wanted_is_nothing_read(self) -> None:
        assert plan([], Limits(20), WIRE) == []


class TestSplit:
    def test_the_parts_of_a_refused_read(self) -> None:
        needs = {each.key: each for each in (need(0, 1), need(4, every=10, priority=3), need(8, 9))}
        [read] = plan(list(needs.values()), Limits(20, readable=((3, 0, 9),)), WIRE)
        parts = sorted(split(read, needs, Limits(20)), key=lambda part: part.start)
        assert [(part.start, part.count, part.every, part.keys) for part in parts] == [
            (0, 2, 1, ("0-1/1",)),
            (4, 1, 10, ("4-4/10",)),
            (8, 2, 1, ("8-9/1",)),
        ]
        assert {(part.start, part.count) for part in split(read, needs, Limits(20, even=True))} == {
            (0, 2),
            (4, 2),
            (8, 2),
        }

    def test_needs_of_the_same_registers_stay_together(self) -> None:
        needs = {each.key: each for each in (need(0, 1), need(0, 1, every=5, priority=1))}
        [read] = plan(list(needs.values()), Limits(20), WIRE)
        assert split(read, needs, Limits(20)) == [Read(3, 0, 2, 1, 1, ("0-1/1", "0-1/5"))]


class TestWire:
    def test_bytes_and_time_of_a_request(self) -> None:
        # 8 bytes of request and 5 + 2 * 10 of reply at 10 bits: 33 characters of 1.0417 ms, 30 ms, 20 ms of pause.
        assert WIRE.bytes_of(10) == 33
        assert WIRE.time_us(10) == 34375 + 30000 + 20000

    def test_the_pause_is_at_least_that_of_the_line(self) -> None:
        assert Wire(9600, 10, 0.0, 0.0).time_us(10) == round(36.5 * 10 / 9600 * 1e6)
        assert Wire(115200, 10, 0.0, 0.0).time_us(10) == round(33 * 10 / 115200 * 1e6 + 1750)

    def test_time_agrees_with_the_table_of_the_reference(self) -> None:
        # 9600 8N1: 2 registers 17.7 ms, 10 registers 34 ms, 125 registers 274 ms on the wire alone.
        for count, milliseconds in ((2, 17.7), (10, 34.4), (125, 274.0)):
            assert WIRE.bytes_of(count) * 10 / 9.6 == pytest.approx(milliseconds, rel=0.01)
