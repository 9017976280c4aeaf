"""Quantiles are values that were measured, at the rank that is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil_tests.performance.samples import median, quantile, summarise


def test_quantiles_of_a_thousand() -> None:
    summary = summarise([float(value) for value in range(1000, 0, -1)])
    assert (summary.count, summary.p50, summary.p99, summary.p99_9, summary.maximum) == (1000, 500, 990, 999, 1000)


def test_twenty_thousand_values_leave_twenty_above_the_last_permille() -> None:
    ordered = [float(value) for value in range(1, 20001)]
    assert quantile(ordered, 0.999) == 19980


def test_few_values_give_the_largest_for_the_tail() -> None:
    summary = summarise([3.0, 1.0, 2.0])
    assert (summary.p50, summary.p99_9, summary.maximum) == (2.0, 3.0, 3.0)


def test_median_of_two_is_a_measured_value() -> None:
    assert median([2.0, 1.0]) == 1.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0, 1))
def test_at_least_the_share_is_not_above_the_quantile(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_nothing_and_nonsense_are_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the kind of error is what callers rely on
        quantile(values, share)


def test_report_form_keeps_the_names() -> None:
    assert summarise([1.25]).as_dict(1) == {"count": 1, "p50": 1.2, "p99": 1.2, "p99.9": 1.2, "max": 1.2}
