"""Proves that the tests of control and vehicle protocol can fail: every small change to these must be noticed.

    python tests/mutation/mutation_run.py              everything, and the table in docs/mutation.md must be right
    python tests/mutation/mutation_run.py --write      the same, and the table is written anew; explanations are kept
    python tests/mutation/mutation_run.py --only agent/control/safety/rules.py --every 9

With --every only a sample is run; written down, its score says so, and explanations of mutants outside it stay.

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
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "mutation.md"
_BMS_TRANSPORT = ("bms/test_bms_transport.py", "bms/test_bms_transfers_in_flight.py")
_BMS_MESSAGES = ("bms/test_bms_messages.py", "bms/test_bms_codec_kinds.py", "bms/test_bms_table.py")
_BMS_CHARGER = (
    "bms/test_bms_charger.py",
    "bms/test_bms_timeouts.py",
    "bms/test_bms_charger_events.py",
    "bms/test_bms_other_editions.py",
)
_JUDGE = ("bms/test_judge.py", "bms/test_bms_observer_content.py")
_RULES = (
    "control/test_interlocks.py",
    "control/test_contactor_rules.py",
    "control/test_over_voltage_age.py",
    "control/test_optional_inputs.py",
    "control/test_numbers.py",
)
_CHASSIS = ("control/test_requests.py", "control/test_control_memory.py", "control/test_process_image.py")
_LISTENER = (
    "control/test_listener_lists.py",
    "control/test_listener_core.py",
    "control/test_listener_faults.py",
)
_POWER = ("control/power/test_power_manager.py", "control/power/test_group_machine.py")
_POWER_PLANT = (*_POWER, "control/power/test_power_budget.py", "control/power/test_power_plant.py")
_QUALITY = ("control/test_power_quality.py",)
_SEQUENCE = (
    "control/test_whole_charge.py",
    "control/test_requests.py",
    "control/test_sequence_edges.py",
    "control/test_every_fault.py",
    "control/test_stale_inputs.py",
    "control/test_contactor_rules.py",
    "control/test_output_limits.py",
    "control/test_vehicle_data.py",
    "control/test_reconnecting.py",
    "control/test_pause_of_2023.py",
    "control/test_steps_are_pure.py",
    "control/test_meter_service.py",
    "control/test_metering.py",
    "control/test_core_properties.py",
    "control/test_sequence_machine.py",
)
"""The core and its steps answer to these tests of the control, the one that finds most first."""
_LEDGER = (
    "records/test_ledger.py",
    "records/test_ledger_damage.py",
    "records/test_ledger_full.py",
    "records/test_fixed_vectors.py",
    "records/test_reader_and_signing.py",
)
_RECORDER = ("north/test_ledger_writer.py",)


def _each(folder: str, tests: tuple[str, ...], *, but: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Every file of a folder with the same tests, but for those with tests of their own."""
    files = sorted(path.name for path in (ROOT / folder).glob("[!_]*.py"))
    return {f"{folder}/{name}": tests for name in files if name not in but}


TARGETS: dict[str, tuple[str, ...]] = {
    "drivers/gbt27930/transport/segments.py": _BMS_TRANSPORT,
    "drivers/gbt27930/transport/transfer_in.py": _BMS_TRANSPORT,
    "drivers/gbt27930/transport/transfer_out.py": _BMS_TRANSPORT,
    "drivers/gbt27930/transport/transport.py": _BMS_TRANSPORT,
    "drivers/gbt27930/messages/fields.py": _BMS_MESSAGES,
    "drivers/gbt27930/messages/codec.py": _BMS_MESSAGES,
    "drivers/gbt27930/messages/table.py": _BMS_MESSAGES,
    "drivers/gbt27930/charger/phases.py": _BMS_CHARGER,
    "drivers/gbt27930/charger/timers.py": _BMS_CHARGER,
    "drivers/gbt27930/charger/expectations.py": _BMS_CHARGER,
    "drivers/gbt27930/charger/sendings.py": _BMS_CHARGER,
    "drivers/gbt27930/charger/reports.py": _BMS_CHARGER,
    "drivers/gbt27930/charger/dialogue.py": _BMS_CHARGER,
    **_each("drivers/gbt27930/judge", _JUDGE, but=("finding.py",)),
    "drivers/line/owner.py": ("drivers/test_line_owner.py", "drivers/test_modbus_master.py"),
    "agent/control/safety/rules.py": _RULES,
    "agent/control/safety/permission.py": (*_RULES, "control/test_gate.py"),
    "agent/control/safety/gate.py": ("control/test_gate.py",),
    "agent/control/safety/fault_register.py": ("control/test_fault_register.py",),
    "agent/control/safety/requirements.py": ("control/test_optional_inputs.py", "control/test_interlocks.py"),
    "agent/control/safety/numbers.py": (*_RULES, *_SEQUENCE),
    "agent/control/safety/situation.py": _RULES,
    "agent/control/chassis/image.py": ("control/test_process_image.py",),
    "agent/control/chassis/envelope.py": ("control/test_output_limits.py",),
    "agent/control/chassis/backlog.py": ("control/test_control_memory.py",),
    "agent/control/chassis/commands.py": ("control/test_control_memory.py",),
    "agent/control/chassis/chassis.py": (*_CHASSIS, *_SEQUENCE),
    "agent/control/chassis/errors.py": (*_CHASSIS, *_SEQUENCE),
    "agent/control/chassis/vehicle_faults.py": _SEQUENCE,
    "agent/control/chassis/pace.py": _SEQUENCE,
    "agent/control/dc/machine.py": ("control/test_sequence_machine.py",),
    "agent/control/dc/limits.py": ("control/test_output_limits.py",),
    "agent/control/dc/plausibility.py": ("control/test_plausibility.py",),
    "agent/control/metering/billing.py": ("control/test_billing.py",),
    "agent/control/metering/register_watch.py": ("control/test_register_watch.py",),
    "agent/control/metering/quarter_hours.py": ("control/test_quarter_hours.py",),
    "agent/control/metering/meter.py": ("control/test_metering.py", "control/test_meter_service.py"),
    "agent/control/metering/service.py": ("control/test_meter_service.py",),
    **_each("agent/control/power_quality", _QUALITY),
    **_each(
        "agent/control/dc",
        _SEQUENCE,
        but=("machine.py", "limits.py", "plausibility.py", "diagram.py", "power_share.py"),
    ),
    "agent/control/dc/power_share.py": ("control/test_pile.py", *_POWER),
    **_each("agent/control/dc/steps", _SEQUENCE),
    **_each("agent/control/listener", _LISTENER),
    "agent/control/pile.py": ("control/test_pile.py",),
    **_each("agent/control/power", _POWER_PLANT),
    "agent/records/ledger.py": _LEDGER,
    "agent/records/canonical.py": _LEDGER,
    "agent/records/reserved.py": _LEDGER,
    "agent/records/readings.py": ("records/test_readings.py",),
    "agent/records/recovery.py": ("records/test_recovery.py",),
    "agent/north/ledger_writer.py": _RECORDER,
    "agent/north/orphans.py": _RECORDER,
    "agent/uplink/outbox.py": ("uplink/test_outbox.py", "uplink/test_uplink_service.py"),
}
"""Module under test and the tests, below tests/, that must notice every change to it. The protocol comes first."""
_WORKERS = 2
_LONGEST_S = 60.0
"""A mutant that computes longer for every four files of tests hangs, which a person would notice as well.

Time of the processor, not of the clock: on a busy machine a slow run must not count as noticed.
"""
_BEGIN, _END = "<!-- survivors -->\n", "<!-- /survivors -->\n"
_SCORES_BEGIN, _SCORES_END = "<!-- scores -->\n", "<!-- /scores -->\n"
_UNEXPLAINED = "UNEXPLAINED"
PIPE = r"\|"
"""A bar inside a cell of a table."""


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

    signal.setitimer(signal.ITIMER_PROF, _LONGEST_S * max(1.0, len(TARGETS[job.module]) / 4))
    settings.register_profile("mutation", database=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")
    sys.meta_path.insert(0, _Swapped(_dotted(job.module), ROOT / job.module, job.tree()))
    tests = [str(ROOT / "tests" / test) for test in TARGETS[job.module]]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        return int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--no-cov"]))


def _dotted(module: str) -> str:
    return module.removesuffix(".py").replace("/", ".")


def _preload(modules: Sequence[str]) -> None:
    """Load what every mutant of these modules needs and none of them changes."""
    sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / room) for room in ("control", "bms", "drivers"))]
    os.chdir(ROOT)
    names = ["pytest", "hypothesis", "hypothesis.stateful", "msgspec", "transitions"]
    protocol = any(module.startswith("drivers") for module in modules)
    if not protocol:
        names += ["agent.settings.files", "drivers.gbt27930.charger.dialogue", "hil_tests.bench.plant"]
        names += ["hil_tests.bench.vehicle.vehicle", "hil_tests.bench.wiring"]
    for name in names:
        importlib.import_module(name)
    loaded = sorted({_dotted(module) for module in modules} & set(sys.modules))
    assert not loaded, f"the code under test is loaded already: {loaded}"


def run(jobs: Sequence[Job], *, workers: int = _WORKERS) -> Iterator[Job]:
    """Run the mutants and return those that no test noticed. First those of the protocol: the control loads it."""
    for protocol in (True, False):
        part = [job for job in jobs if job.module.startswith("drivers") is protocol]
        if part:
            yield from _run(part, workers)


def _run(jobs: Sequence[Job], workers: int) -> list[Job]:
    _preload([job.module for job in jobs])
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
        source = (ROOT / module).read_text(encoding="utf-8")
        found += [Job(module, each.key, each.line, each.tree) for each in mutants(source)]
    return found[::every]


def explanations(document: str) -> dict[tuple[str, str], str]:
    """Module and key of each survivor in the table, and why it is accepted."""
    inside = document.partition(_BEGIN)[2].partition(_END)[0]
    rows = re.findall(r"^\| `([a-z0-9_/]+\.py)` \| `` (.+?) `` \| (.*?) \|$", inside, re.MULTILINE)
    return {(module, key.replace(PIPE, "|")): why for module, key, why in rows}


def table(rows: dict[tuple[str, str], str]) -> str:
    """The table of survivors with what is known about each."""
    lines = ["| module | change that no test notices | why it is accepted |", "|---|---|---|"]
    for (module, key), why in rows.items():
        lines.append(f"| `{module}` | `` {key.replace('|', PIPE)} `` | {why} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Score:
    """How many mutants of a module ran and were noticed; ``every`` above 1 is a sample of each so many-th."""

    count: int
    noticed: int
    every: int = 1


def scores(document: str) -> dict[str, Score]:
    """The score of each module, as the document has it."""
    inside = document.partition(_SCORES_BEGIN)[2].partition(_SCORES_END)[0]
    rows = re.findall(r"^\| `([a-z0-9_/]+\.py)` \| (?:all|1 in (\d+)) \| (\d+) \| (\d+) \|", inside, re.MULTILINE)
    return {module: Score(int(count), int(noticed), int(every or 1)) for module, every, count, noticed in rows}


def score_table(rows: dict[str, Score]) -> str:
    """The table of scores in the order of the modules, with their sum; samples are named as such."""
    lines = ["| module | of its mutants | ran | noticed | score |", "|---|---|---|---|---|"]
    known = [(module, rows[module]) for module in TARGETS if module in rows]
    for module, each in known:
        share = "all" if each.every == 1 else f"1 in {each.every}"
        lines.append(
            f"| `{module}` | {share} | {each.count} | {each.noticed} | {100 * each.noticed / each.count:.1f} % |"
        )
    count, noticed = sum(each.count for _, each in known), sum(each.noticed for _, each in known)
    if count:
        lines.append(f"| together | | {count} | {noticed} | {100 * noticed / count:.1f} % |")
    return "\n".join(lines) + "\n"


def _written(
    document: str, modules: Sequence[str], jobs: Sequence[Job], survivors: Sequence[Job], every: int = 1
) -> str:
    """The document with the rows of the modules that were run made again; those of the others stay.

    After a sample (``every`` above 1) the explanations of mutants outside it stay as well: nothing is known of them.
    """
    known = explanations(document)
    ran = {(job.module, job.key) for job in jobs}
    left = {(job.module, job.key): known.get((job.module, job.key), _UNEXPLAINED) for job in survivors}
    left |= {row: why for row, why in known.items() if row[0] not in modules or (every != 1 and row not in ran)}
    order = list(TARGETS)
    left = dict(sorted(left.items(), key=lambda row: order.index(row[0][0])))
    counted = scores(document)
    for module in modules:
        count = sum(job.module == module for job in jobs)
        if count:
            counted[module] = Score(count, count - sum(job.module == module for job in survivors), every)
    for begin, end, text in ((_SCORES_BEGIN, _SCORES_END, score_table(counted)), (_BEGIN, _END, table(left))):
        head, _, rest = document.partition(begin)
        document = head + begin + text + end + rest.partition(end)[2]
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if every survivor is explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="only this module (may be repeated)")
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant")
    parser.add_argument("--workers", type=int, default=_WORKERS, help="mutants at the same time")
    parser.add_argument("--write", action="store_true", help="write the table in docs/mutation.md anew")
    chosen = parser.parse_args(arguments)
    if chosen.every < 1:
        parser.error("--every takes 1 (all mutants) or more")
    sys.path.insert(0, str(Path(__file__).parent))
    modules = chosen.only or list(TARGETS)
    jobs = jobs_of(modules, chosen.every)
    began_s = time.monotonic()
    survivors = list(run(jobs, workers=chosen.workers))
    document = DOCUMENT.read_text(encoding="utf-8")
    known = explanations(document)
    noticed = len(jobs) - len(survivors)
    print(
        f"{len(jobs)} mutants, {noticed} noticed ({100 * noticed / len(jobs):.1f} %), {len(survivors)} survive,", end=""
    )
    print(f" {time.monotonic() - began_s:.0f} s")
    if chosen.write:
        DOCUMENT.write_text(_written(document, modules, jobs, survivors, chosen.every), encoding="utf-8")
    left = {(job.module, job.key) for job in survivors}
    bad = 0
    for job in survivors:
        if known.get((job.module, job.key), _UNEXPLAINED) == _UNEXPLAINED:
            bad += 1
            print(f"not noticed and not explained: {job.module}:{job.line}: {job.key}")
    if chosen.every == 1:
        for module, key in known:
            if module in modules and (module, key) not in left:
                bad += not chosen.write
                print(f"explained, but noticed or gone: {module}: {key}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
