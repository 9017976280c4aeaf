"""Figures of two connectors beside one, and of this tree beside another commit."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hil_tests.performance import __main__ as program
from hil_tests.performance import against, footprint, two_connectors
from hil_tests.performance.against import AgainstError, Side, checked_out, compare
from hil_tests.performance.report import MET, MISSED, NOT_MEASURED, Figure
from hil_tests.performance.spawn import PROJECT


def test_one_and_two_connectors_are_evaluated_in_turn(tmp_path: Path) -> None:
    one, two = two_connectors.one_and_two(tmp_path, charging=True)
    assert [len(piles.connectors) for piles in (one, two)] == [1, 2]
    for piles in (one, two):
        for _ in range(20):
            assert piles.turn() > 0
        for pile in piles.connectors.values():
            assert pile.core.state == "charging"
            assert pile.plant.circuit.current_a > 20.0
    first, second = two.connectors.values()
    assert first.core.backlog is second.core.backlog
    assert first.now_s == pytest.approx(second.now_s, abs=0.011)


def test_the_ratio_of_two_to_one_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_connectors, "_WARM_UP", 5)
    monkeypatch.setattr(two_connectors, "_costs", _costs_of(two_connectors._costs))
    figures = two_connectors.measure(quick=True)
    assert [figure.name.split(", ")[1] for figure in figures] == ["idle", "charging"]
    for figure in figures:
        assert figure.value is not None
        assert 1.0 < figure.value < 4.0
        assert figure.limit == two_connectors.LIMIT_TIMES


def _costs_of(costs: Callable[..., object]) -> Callable[..., object]:
    return lambda piles, _count: costs(piles, 30)


def test_another_commit_is_evaluated_with_its_own_code() -> None:
    with checked_out("HEAD") as tree:
        assert (tree / "agent" / "control").is_dir()
        costs = compare(PROJECT, tree, 2)
        kept = tree
    assert not kept.exists()
    listed = subprocess.run(
        ["git", "-C", str(PROJECT), "worktree", "list"], capture_output=True, text=True, check=True
    ).stdout
    assert str(kept) not in listed
    for this, other in costs.values():
        assert len(this) == len(other) == 200
        assert min(this + other) > 0


def test_an_unknown_commit_is_a_figure_not_measured() -> None:
    (figure,) = against.measure("no-such-commit", quick=True)
    assert figure.verdict == NOT_MEASURED
    assert "git cannot check out no-such-commit" in figure.trouble
    (figure,) = against.measure("--help", quick=True)
    assert figure.verdict == NOT_MEASURED


def test_code_of_another_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    with Side(tmp_path) as side, pytest.raises(AgainstError, match=r"ended|ran instead"):
        side.turn(1)


def test_the_ratio_is_this_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"idle": ([110.0], [100.0]), "charging": ([150.0], [100.0])}
    monkeypatch.setattr(against, "compare", lambda *_: costs)
    idle, charging = against.measure("HEAD", quick=True)
    assert (idle.value, idle.verdict) == (1.1, MET)
    assert (charging.value, charging.verdict) == (1.5, MISSED)


def test_only_the_comparison_runs_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def measure(commit: str, *, quick: bool) -> list[Figure]:
        asked.append(commit)
        return [Figure("against", "x", 1.0, "times", limit=1.1)]

    monkeypatch.setattr(against, "measure", measure)
    assert program.main(["--against", "HEAD~3", "--out", str(tmp_path / "bench.json")]) == 0
    assert asked == ["HEAD~3"]
    assert capsys.readouterr().out.count("\n") == 1


def test_a_second_connector_is_judged_beside_the_first_of_the_same_run() -> None:
    one = footprint.Load(5.0, 2.0, 200.0, {})
    two = footprint.Load(8.5, 3.0, 350.0, {"wakeups_per_s": 350})
    figure = footprint._share_ratio(one, two)
    assert (figure.value, figure.verdict) == (1.7, MISSED)
    assert footprint._share_ratio(footprint.Load(0.0, 0.0, 1.0, {}), two).verdict == NOT_MEASURED
    before, after = [Figure("footprint", "x", 36.0, "MB RSS")], [Figure("footprint", "x", 39.5, "MB RSS")]
    more = footprint._more_memory("idle", before, after)
    assert (more.value, more.verdict, more.limit) == (3.5, MET, 4.0)
