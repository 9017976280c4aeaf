"""Figure "against": the evaluation of this tree beside that of another commit, in one run, in turn.

The other commit is checked out into a folder of its own with ``git worktree`` and runs with the same interpreter and
packages. Both sides evaluate in short turns one after the other, so that the machine's moods meet both alike.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import summarise
from hil_tests.performance.spawn import PROJECT

GROUP = "against"
LIMIT_TIMES = 1.1
"""One evaluation for one connector: at most 10 % more than the commit before (issue 7)."""
STATES = ("idle", "charging")
_SCRIPT = Path(__file__).with_name("against_child.py")
_TURN = 100
"""Evaluations of one turn: about 20 ms each."""
_WARM_UP_TURNS = 3


class AgainstError(Exception):
    """The comparison cannot be made; the text gives the cause."""


@contextlib.contextmanager
def checked_out(commit: str, repository: Path = PROJECT) -> Iterator[Path]:
    """A folder with that commit's files. Raises AgainstError if git knows no such commit."""
    folder = Path(tempfile.mkdtemp(prefix="pile-against-"))
    tree = folder / "tree"
    git = ["git", "-C", str(repository), "worktree"]
    try:
        # The name of a commit is looked up first: what begins with a dash must not become an option.
        _git(
            ["git", "-C", str(repository), "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}"], commit
        )
        _git([*git, "add", "--detach", "--force", str(tree), commit], commit)
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _git(command: list[str], commit: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise AgainstError(f"git cannot check out {commit}: {answer.stderr.strip()[-300:]}")
    return answer.stdout.strip()


class Side:
    """One process that evaluates on demand; use it in a ``with`` statement."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        # Without -P the folder of the script would come first: its modules are this tree's.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT)],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def turn(self, count: int) -> dict[str, list[int]]:
        """Costs of ``count`` evaluations of each state, nanoseconds. Raises AgainstError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{count}\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise AgainstError(f"the evaluation ended: {said.strip()[-400:]}")
        found: dict[str, Any] = json.loads(line)
        if Path(found["tree"]) != self._tree.resolve():
            raise AgainstError(f"the code of {found['tree']} ran instead of that of {self._tree}")
        return {state: found[state] for state in STATES}


def compare(here: Path, there: Path, turns: int) -> dict[str, tuple[list[float], list[float]]]:
    """Costs in microseconds by state: of this tree and of the other one, taken in turn. Raises AgainstError."""
    costs: dict[str, tuple[list[float], list[float]]] = {state: ([], []) for state in STATES}
    with Side(here) as this, Side(there) as other:
        for turn in range(turns + _WARM_UP_TURNS):
            # The second of a pair may find a warmer or a hotter processor: they change places.
            pair = [(0, this), (1, other)] if turn % 2 else [(1, other), (0, this)]
            for position, side in pair:
                found = side.turn(_TURN)
                if turn >= _WARM_UP_TURNS:
                    for state in STATES:
                        costs[state][position].extend(value / 1000.0 for value in found[state])
    return costs


def measure(commit: str, *, quick: bool) -> list[Figure]:
    """Ratio of this tree's evaluation to that of ``commit``, idle and charging, against its limit."""
    turns = 10 if quick else 60
    try:
        with checked_out(commit) as tree:
            costs = compare(PROJECT, tree, turns)
    except (AgainstError, OSError) as error:
        return [not_measured(GROUP, f"evaluation against {commit}", "times", str(error))]
    figures = []
    for state, (this, other) in costs.items():
        now, then = summarise(this), summarise(other)
        figures.append(
            Figure(
                GROUP,
                f"one evaluation to that of {commit}, {state}, p50",
                round(now.p50 / then.p50, 3),
                "times",
                limit=LIMIT_TIMES,
                rival=f"commit {commit} in the same run",
                samples=now.count,
                detail={
                    "this_p50_us": round(now.p50, 1),
                    "other_p50_us": round(then.p50, 1),
                    "this_p99_us": round(now.p99, 1),
                    "other_p99_us": round(then.p99, 1),
                },
            )
        )
    return figures
