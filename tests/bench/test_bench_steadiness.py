"""The bench notices when it stood still, and a test that failed meanwhile is told from one that failed."""

import os
import signal
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil_tests.bench import steadiness
from hil_tests.bench.runner import start_bench
from hil_tests.bench.steadiness import STANDSTILL_S, StandstillWatch
from hil_tests.harness import standstill
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import wait_until


def test_a_beat_in_time_is_none_and_a_late_one_is_kept() -> None:
    watch = StandstillWatch(0.005)
    for now_s in (10.0, 10.005, 10.02, 10.02 + 0.005 + STANDSTILL_S - 0.001):
        watch.beat(now_s)
    assert not watch.standstills
    watch.beat(11.0)
    (found,) = watch.standstills
    assert found.at_s == 11.0
    assert found.length_s == pytest.approx(watch.longest_s)
    assert found.length_s == pytest.approx(11.0 - 10.124 - 0.005)


def test_without_the_right_to_it_the_priority_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert steadiness.take_priority() is False


@pytest.mark.bench
def test_a_bench_that_was_stopped_says_so(tmp_path: Path) -> None:
    with start_bench(tmp_path / "b", without=("vehicle", "broker")) as bench:
        os.kill(bench.process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(bench.process.pid, signal.SIGCONT)
        wait_until(lambda: bench.probe()["standstills"], "the standstill is told", 10.0)
        assert max(each["length_s"] for each in bench.probe()["standstills"]) > 0.4


def _judged(length_s: float) -> BaseException:
    pile = object.__new__(Pile)
    pile.longest_standstill_s = lambda: length_s  # type: ignore[method-assign]
    item: Any = SimpleNamespace(funcargs={"pile": pile})
    running: Generator[None, object, object] = standstill.judge(item)
    next(running)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which of the two it is, is the question
        running.throw(ValueError("contactors closed"))
    return caught.value


def test_only_a_failure_of_a_machine_that_stood_still_is_run_again() -> None:
    assert isinstance(_judged(steadiness.TOO_LONG_STANDSTILL_S - 0.01), ValueError)
    error = _judged(steadiness.TOO_LONG_STANDSTILL_S)
    assert isinstance(error, standstill.StoodStillError)
    assert "contactors closed" in str(error)
