"""Proves that the tests of the control can fail: every small change to it must be noticed.

    python tests/mutation/mutation_run.py              everything, and the table in docs/mutation.md must be right
    python tests/mutation/mutation_run.py --write      the same, and the table is written anew; explanations are kept
    python tests/mutation/mutation_run.py --only interlocks.py --every 9

Each mutant runs in a process of its own, forked from one in which everything but the code under test is loaded.
A mutant that no test notices must be explained in the table, one by one; an explanation of a mutant that is
noticed, or no longer exists, is an error too.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "mutation.md"
TARGETS: dict[str, tuple[str, ...]] = {
    "interlocks.py": ("test_interlocks.py", "test_contactor_rules.py"),
    "fault_register.py": ("test_fault_register.py",),
    "machine.py": ("test_sequence_machine.py",),
    "limits.py": ("test_output_limits.py",),
    "image.py": ("test_process_image.py",),
    "billing.py": ("test_billing.py",),
    "envelope.py": ("test_output_limits.py",),
    "plausibility.py": ("test_plausibility.py",),
    "backlog.py": ("test_control_memory.py",),
    "commands.py": ("test_control_memory.py",),
}
"""Module of the control and the tests, in tests/control, that must notice every change to it."""
_WORKERS = 2
_LONGEST_S = 60.0
"""A mutant that runs longer hangs, which a person would notice as well."""
_BEGIN, _END = "<!-- survivors -->\n", "<!-- /survivors -->\n"
_UNEXPLAINED = "UNEXPLAINED"


@dataclass(frozen=True)
class Job:
    """One mutant to run."""

    module: str
    key: str
    line: int
    tree: Callable[[], ast.Module]


class _Swapped(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Gives one module of the agent another text."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)  # noqa: S102  # the mutant


def _child(job: Job) -> int:
    """Run the tests against the mutant: 0 if none noticed. The process ends with this."""
    import pytest
    from hypothesis import Phase, settings

    signal.alarm(int(_LONGEST_S))
    settings.register_profile("mutation", database=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")
    name = f"agent.control.{job.module.removesuffix('.py')}"
    sys.meta_path.insert(0, _Swapped(name, ROOT / "agent" / "control" / job.module, job.tree()))
    tests = [str(ROOT / "tests" / "control" / test) for test in TARGETS[job.module]]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        return int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--no-cov"]))


def _preload() -> None:
    """Load what every mutant needs and none of them changes."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "control")]
    os.chdir(ROOT)
    for name in (
        "pytest", "hypothesis", "msgspec", "transitions", "agent.settings.files", "drivers.bms.charger",
        "hil_tests.bench.plant", "hil_tests.bench.vehicle.vehicle", "hil_tests.bench.wiring",
    ):  # fmt: skip
        importlib.import_module(name)
    assert not any(name.startswith("agent.control") for name in sys.modules), "the code under test is loaded already"


def run(jobs: Sequence[Job], *, workers: int = _WORKERS) -> list[Job]:
    """Run the mutants and return those that no test noticed."""
    _preload()
    waiting, survivors = list(reversed(jobs)), []
    running: dict[int, tuple[Job, int]] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            job = waiting.pop()
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                code = 1
                try:
                    code = _child(job)
                finally:
                    os.write(writer, bytes([code & 0xFF]))
                    os._exit(0)
            os.close(writer)
            running[reader] = (job, pid)
        ready, _, _ = select.select(list(running), [], [])
        for reader in ready:
            job, pid = running.pop(reader)
            verdict = os.read(reader, 1)
            os.close(reader)
            os.waitpid(pid, 0)
            if verdict == b"\x00":
                survivors.append(job)
    order = {(job.module, job.key): place for place, job in enumerate(jobs)}
    return sorted(survivors, key=lambda job: order[job.module, job.key])


def jobs_of(modules: Sequence[str], every: int = 1) -> list[Job]:
    """The mutants of these modules, or each ``every``-th of them."""
    from mutation_mutants import mutants

    found: list[Job] = []
    for module in modules:
        source = (ROOT / "agent" / "control" / module).read_text(encoding="utf-8")
        found += [Job(module, each.key, each.line, each.tree) for each in mutants(source)]
    return found[::every]


def explanations(document: str) -> dict[tuple[str, str], str]:
    """Module and key of each survivor in the table, and why it is accepted."""
    inside = document.partition(_BEGIN)[2].partition(_END)[0]
    rows = re.findall(r"^\| `([a-z_]+\.py)` \| `` (.+?) `` \| (.*?) \|$", inside, re.MULTILINE)
    return {(module, key.replace(r"\|", "|")): why for module, key, why in rows}


def table(survivors: Sequence[Job], known: dict[tuple[str, str], str]) -> str:
    """The table of survivors with what is known about each."""
    rows = ["| module | change that no test notices | why it may stand |", "|---|---|---|"]
    for job in survivors:
        key = job.key.replace("|", r"\|")
        rows.append(f"| `{job.module}` | `` {key} `` | {known.get((job.module, job.key), _UNEXPLAINED)} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if every survivor is explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="only this module (may be repeated)")
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant")
    parser.add_argument("--write", action="store_true", help="write the table in docs/mutation.md anew")
    chosen = parser.parse_args(arguments)
    sys.path.insert(0, str(Path(__file__).parent))
    modules = chosen.only or list(TARGETS)
    jobs = jobs_of(modules, chosen.every)
    began_s = time.monotonic()
    survivors = run(jobs)
    document = DOCUMENT.read_text(encoding="utf-8")
    known = explanations(document)
    noticed = len(jobs) - len(survivors)
    print(
        f"{len(jobs)} mutants, {noticed} noticed ({100 * noticed / len(jobs):.1f} %), {len(survivors)} survive,", end=""
    )
    print(f" {time.monotonic() - began_s:.0f} s")
    if chosen.write:
        head, _, rest = document.partition(_BEGIN)
        DOCUMENT.write_text(head + _BEGIN + table(survivors, known) + _END + rest.partition(_END)[2], encoding="utf-8")
    left = {(job.module, job.key) for job in survivors}
    bad = 0
    for job in survivors:
        if known.get((job.module, job.key), _UNEXPLAINED) == _UNEXPLAINED:
            bad += 1
            print(f"not noticed and not explained: agent/control/{job.module}:{job.line}: {job.key}")
    if chosen.every == 1:
        for module, key in known:
            if module in modules and (module, key) not in left:
                bad += not chosen.write
                print(f"explained, but noticed or gone: {module}: {key}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
