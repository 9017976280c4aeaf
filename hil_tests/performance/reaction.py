"""Figure "reaction": from an input edge arriving at the field process to the open command leaving it.

Four runs against the same boards (``reaction_board``): the product and the asyncio reference, each idle and under
load, and an echo for the floor. See docs/performance.md for what is inside and outside the measured path.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil_tests.bench.site import INPUTS_OUTPUTS_WIRE, write_site_file
from hil_tests.performance.broker import broker
from hil_tests.performance.flags import Flags
from hil_tests.performance.load import disturbance
from hil_tests.performance.proc import cpu_seconds, policy_of
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import Summary, summarise
from hil_tests.performance.spawn import spawn

GROUP = "reaction"
LIMIT_US = 1000.0
TIMES_BETTER = 10.0

_PRIORITY = 50
_START_S = 30.0
_EDGE_S = 0.25
"""Longest mean time of an edge with everything around it before the run is given up."""


class ReactionError(Exception):
    """A run did not complete; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one run, microseconds."""

    total: Summary
    decision: Summary | None
    lost: int
    overtaken: int
    policy: str
    board_policy: str
    north_share_percent: float | None
    duration_s: float

    def detail(self) -> dict[str, Any]:
        """For the report."""
        detail: dict[str, Any] = {f"{key}_us": value for key, value in self.total.as_dict().items() if key != "count"}
        if self.decision is not None:
            detail["decided"] = {f"{key}_us": value for key, value in self.decision.as_dict().items()}
            detail["decided_p50_us"] = round(self.decision.p50, 1)
            detail["decided_p99.9_us"] = round(self.decision.p99_9, 1)
        detail |= {"lost": self.lost, "policy": self.policy, "board_policy": self.board_policy}
        if self.north_share_percent is not None:
            detail["north_share_percent"] = round(self.north_share_percent, 1)
        return detail


@contextlib.contextmanager
def _child(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = spawn(arguments, errors=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _wait_for(path: Path, processes: list[subprocess.Popen[bytes]], timeout_s: float, folder: Path) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not path.exists():
        ended = [process for process in processes if process.poll() is not None]
        if ended or time.monotonic() > deadline_s:
            logs = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-800:]}" for log in folder.glob("*.log"))
            raise ReactionError(f"{path.name} did not come within {timeout_s:.0f} s\n{logs}")
        time.sleep(0.05)


def run_once(kind: str, count: int, *, loaded: bool, seed: int, filtered: bool = False) -> Run:
    """Measure ``count`` edges against ``process``, ``asyncio`` or ``floor``. Raises ReactionError.

    ``filtered`` keeps the debounce time of the input, which is a wait that is meant, not one of the agent's making.
    """
    folder = Path(tempfile.mkdtemp(prefix="pile-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port = stack.enter_context(broker(folder))
        config = write_site_file(
            folder,
            mqtt_port=port,
            control={"real_time_priority": _PRIORITY},
            board={"io": {"interval_ms": 10}},
        )
        flags_file, board_file, out = folder / "flags", folder / "board.json", folder / "samples.json"
        Flags(flags_file, create=True).close()
        dev = folder / "dev"
        common = ["--flags", str(flags_file), "--board", str(board_file)]
        board = stack.enter_context(
            _child(
                _python("hil_tests.performance.reaction_board", "--dev", str(dev), *common, "--out", str(out))
                + ["--count", str(count), "--seed", str(seed)]
                + (["--floor"] if kind == "floor" else []),
                folder / "boards.log",
            )
        )
        _wait_for(dev / "ready", [board], _START_S, folder)
        north = None
        if kind == "floor":
            port_path = str(dev / INPUTS_OUTPUTS_WIRE)
            command = _python("hil_tests.performance.reaction_echo", port_path, str(_PRIORITY))
            subject = stack.enter_context(_child(command, folder / "agent.log"))
            time.sleep(1.0)
            board_file.write_text("{}", encoding="utf-8")
        else:
            if kind == "process":
                command = _python("agent.cli.main", "--config", str(config), "agent")
                north = stack.enter_context(_child(command, folder / "north.log"))
            command = _python("hil_tests.performance.reaction_agent", "--as", kind, "--config", str(config), *common)
            command += ["--filtered"] if filtered else []
            subject = stack.enter_context(_child(command, folder / "agent.log"))
            _wait_for(board_file, [subject], _START_S, folder)
        if loaded:
            stack.enter_context(disturbance(folder))
        begin_s = time.monotonic()
        north_used_s = cpu_seconds(north.pid) if north is not None else 0.0
        _wait_for(out, [board, subject], _START_S + count * _EDGE_S, folder)
        duration_s = time.monotonic() - begin_s
        north_share = None if north is None else 100.0 * (cpu_seconds(north.pid) - north_used_s) / duration_s
        policy = policy_of(subject.pid)
        return _evaluate(json.loads(out.read_text(encoding="utf-8")), policy, north_share, duration_s)


def _evaluate(content: dict[str, Any], policy: str, north_share: float | None, duration_s: float) -> Run:
    if not content["totals_ns"]:
        raise ReactionError("no edge was answered")
    decisions = content["decisions_ns"]
    return Run(
        total=summarise([value / 1000.0 for value in content["totals_ns"]]),
        decision=summarise([value / 1000.0 for value in decisions]) if decisions else None,
        lost=content["lost"],
        overtaken=content["overtaken"],
        policy=policy,
        board_policy=content["policy"],
        north_share_percent=north_share,
        duration_s=duration_s,
    )


def _as_shipped(count: int) -> Figure:
    """The same edge with the debounce time of the fault catalogue, which the other runs leave out."""
    name = f"{_NAMES['process']}, idle, with the input's debounce time, p99.9"
    try:
        run = run_once("process", count, loaded=False, seed=9, filtered=True)
    except (ReactionError, OSError) as error:
        return not_measured(GROUP, name, "us", str(error))
    return Figure(GROUP, name, round(run.total.p99_9, 1), "us", samples=run.total.count, detail=run.detail())


_NAMES = {"process": "field process", "asyncio": "asyncio reference", "floor": "floor (echo without work)"}


def measure(*, quick: bool) -> list[Figure]:
    """p99.9 of the product under load against its limit and against the reference; the other runs beside it."""
    count = 2000 if quick else 20000
    figures: list[Figure] = []
    runs: dict[tuple[str, bool], Run] = {}
    for loaded in (False, True):
        for seed, kind in enumerate(_NAMES, start=1):
            name = f"{_NAMES[kind]}, {'under load' if loaded else 'idle'}, p99.9"
            try:
                run = run_once(kind, count, loaded=loaded, seed=seed)
            except (ReactionError, OSError) as error:
                figures.append(not_measured(GROUP, name, "us", str(error)))
                continue
            runs[kind, loaded] = run
            promised = loaded and kind == "process"
            figures.append(
                Figure(
                    GROUP,
                    name,
                    round(run.total.p99_9, 1),
                    "us",
                    limit=LIMIT_US if promised else None,
                    samples=run.total.count,
                    detail=run.detail(),
                )
            )
    figures.append(_as_shipped(count // 10))
    product, reference = runs.get(("process", True)), runs.get(("asyncio", True))
    if product is not None and reference is not None:
        figures.append(
            Figure(
                GROUP,
                "reference to field process, under load, p99.9",
                round(reference.total.p99_9 / product.total.p99_9, 1),
                "times",
                limit=TIMES_BETTER,
                at_least=True,
                rival="asyncio reference of the same run",
                samples=min(product.total.count, reference.total.count),
                detail={"p50_times": round(reference.total.p50 / product.total.p50, 1)},
            )
        )
    return figures
