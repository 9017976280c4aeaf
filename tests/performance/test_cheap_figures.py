"""The cheap figures run; what they take is not judged here."""

import os

import pytest

from hil_tests.performance import cycle
from hil_tests.performance.proc import child_running, cpu_seconds, memory_of, ticks_in
from hil_tests.performance.report import REPORTED


def test_cycle_figures_are_taken() -> None:
    figures = cycle.measure(quick=True)
    assert [figure.verdict for figure in figures] == [REPORTED] * 3
    assert all(figure.samples == 500 and figure.value for figure in figures)
    assert {figure.unit for figure in figures} == {"us"}


def test_own_process_can_be_read() -> None:
    assert memory_of(os.getpid()).rss_mb >= memory_of(os.getpid()).pss_mb > 1
    assert cpu_seconds(os.getpid()) > 0


def test_times_are_found_behind_a_name_with_blanks_and_parentheses() -> None:
    assert ticks_in("12 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 31 11 0 0 20 0") == 42


def test_a_service_that_does_not_run_is_an_error() -> None:
    with pytest.raises(OSError, match="does not run"):
        child_running("no-such-service")
