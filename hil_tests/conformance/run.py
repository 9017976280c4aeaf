"""Runs cases on a few piles at a time and judges each one."""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil_tests.bench.client import BenchError
from hil_tests.conformance.case import Case
from hil_tests.conformance.checks import overall
from hil_tests.conformance.evidence import Evidence, Finding, Text, Verdict
from hil_tests.conformance.place import Place, Where
from hil_tests.conformance.tester import NOT_PLUGGED, NotReachedError, PileUnfitError, Tester, clean_up
from hil_tests.harness.waiting import WaitError

LONGEST_STALL_MS = 100.0
"""A case with a longer stall of the bench is repeated once."""

_PILE_READY_S = 45.0

Key = tuple[str, str]
"""What a pile is set up for: edition and vehicle profile."""


@dataclass(slots=True)
class Result:
    """A case that has been run. ``stalls_ms`` has one entry a run, so two when it was repeated."""

    case: Case
    verdict: Verdict
    findings: Sequence[Finding] = ()
    evidence: Evidence = field(default_factory=Evidence)
    stalls_ms: list[float] = field(default_factory=list)
    error: str = ""
    log: str = ""
    took_s: float = 0.0
    explained: str = ""

    @property
    def repeated(self) -> bool:
        """Whether the bench stalled in the first run."""
        return len(self.stalls_ms) > 1

    @property
    def is_miss(self) -> bool:
        """Neither passed nor explained."""
        return self.verdict is not Verdict.PASS and not self.explained


def judge(case: Case, evidence: Evidence, *, reached: bool, stalled: bool) -> tuple[Verdict, list[Finding]]:
    """The verdict on a case; inconclusive if it did not reach its starting point, or failed on a stalled bench.

    A stalled bench can only spoil times, so what has passed on it has passed.
    """
    findings = [check.judge(evidence) for check in case.checks]
    verdict = overall(findings)
    if not reached and verdict is not Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE
    if stalled and verdict is Verdict.FAIL:
        verdict = Verdict.INCONCLUSIVE
    return verdict, findings


class Plan:
    """Which case comes next: the longest one that fits the pile at hand, then the kind of pile with most work left."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._left: dict[Key, list[Case]] = {}
        for case in sorted(cases, key=lambda case: -case.seconds):
            self._left.setdefault((case.edition, case.profile), []).append(case)
        self._lock = threading.Lock()

    def take(self, key: Key | None) -> Case | None:
        """The next case for a worker with pile ``key``; None when all are taken."""
        with self._lock:
            if key is None or not self._left.get(key):
                waiting = {each: sum(case.seconds for case in cases) for each, cases in self._left.items() if cases}
                if not waiting:
                    return None
                key = max(waiting, key=lambda each: waiting[each])
            return self._left[key].pop(0)


class Worker:
    """Runs cases one after the other and keeps its pile as long as it fits."""

    def __init__(self, plan: Plan, folder: Path, done: Callable[[Result], None], where: Where | None = None) -> None:
        self._plan = plan
        self._where = where or Where()
        self._folder = folder
        self._done = done
        self._stack = contextlib.ExitStack()
        self._place: Place | None = None
        self._key: Key | None = None

    def run(self) -> None:
        """Until no case is left."""
        try:
            while (case := self._plan.take(self._key)) is not None:
                self._done(self._run_case(case))
        finally:
            self._drop_pile()

    def _run_case(self, case: Case) -> Result:
        begin_s = time.monotonic()
        log = Path("logs") / f"{case.id}.log"
        result = Result(case, Verdict.INCONCLUSIVE, log=str(log))
        for _ in range(2):
            error, evidence = "", Evidence()
            try:
                place = self._place_for(case)
                place.prepare_other()
                tester = Tester(place, case, self._folder / log)
                evidence = tester.run()
                error = place.other_disturbed()
            except NotReachedError as problem:
                error, evidence = str(problem), tester.evidence
            except (BenchError, WaitError, AssertionError, OSError) as problem:
                # The bench itself, not the charger: nothing is known about the case.
                result.error = f"the bench: {problem}"[:500]
                self._drop_pile()
                continue
            result.stalls_ms.append(evidence.stall_ms)
            result.error, result.evidence = error, evidence
            stalled = evidence.stall_ms > LONGEST_STALL_MS
            result.verdict, result.findings = judge(case, evidence, reached=not error, stalled=stalled)
            self._clean()
            if not stalled:
                break
        result.took_s = time.monotonic() - begin_s
        return result

    def _place_for(self, case: Case) -> Place:
        key = (case.edition, case.profile)
        if self._place is None or self._key != key:
            self._drop_pile()
            pile = self._stack.enter_context(self._where.pile(case.profile, case.edition))
            place = Place(pile, self._where)
            place.wait("the pile is ready", lambda status: status["start_blockers"] == NOT_PLUGGED, _PILE_READY_S)
            self._place, self._key = place, key
        return self._place

    def _clean(self) -> None:
        if self._place is None:
            return
        try:
            clean_up(self._place)
        except PileUnfitError:
            self._drop_pile()

    def _drop_pile(self) -> None:
        stack, self._stack, self._place = self._stack, contextlib.ExitStack(), None
        with contextlib.suppress(AssertionError, OSError, BenchError):
            stack.close()


def run_cases(
    cases: Sequence[Case],
    folder: Path,
    *,
    piles: int,
    say: Callable[[str], None],
    explanations: Mapping[str, str],
    where: Where | None = None,
) -> list[Result]:
    """Run the cases on so many piles at once, at the connector ``where``. Returns the results in the order of them.

    Raises whatever went wrong in a worker, after the others have ended.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    plan = Plan(cases)
    results: dict[str, Result] = {}
    troubles: list[BaseException] = []
    lock = threading.Lock()

    def done(result: Result) -> None:
        with lock:
            if result.verdict is not Verdict.PASS:
                result.explained = explanations.get(result.case.id, "")
            results[result.case.id] = result
            say(line_of(result, len(results), len(cases)))

    def work() -> None:
        try:
            Worker(plan, folder, done, where).run()
        except BaseException as error:
            traceback.print_exc()
            troubles.append(error)

    threads = [threading.Thread(target=work, name=f"pile {number + 1}") for number in range(min(piles, len(cases)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    return [results[case.id] for case in cases]


def line_of(result: Result, number: int, count: int) -> str:
    """One line for the person who watches."""
    worst = max(result.stalls_ms, default=0.0)
    words = [f"[{number:3}/{count}] {result.verdict.value:12} {result.case.id:15} {result.took_s:5.1f} s"]
    words.append(f"stall {worst:5.1f} ms{' (repeated)' if result.repeated else ''}")
    if result.verdict is not Verdict.PASS:
        words.append(f"{'explained' if result.explained else 'MISS'}: {reason_of(result)}")
    return "  ".join(words)


def reason_of(result: Result) -> str:
    """The first failed expectation of a case."""
    for finding in result.findings:
        if finding.verdict is Verdict.FAIL:
            return f"{finding.expected.en}: {finding.measured.en}"[:220]
    if result.error:
        return result.error[:220]
    return next((f.measured.en for f in result.findings if f.verdict is Verdict.INCONCLUSIVE), "not judged")[:220]


def misses(results: Sequence[Result], explanations: Mapping[str, str]) -> Iterator[Text]:
    """What makes the run fail: cases missed without an explanation, and explanations of cases that pass."""
    for result in results:
        if result.is_miss:
            yield Text(f"{result.case.id}:{result.verdict.value}", f"{result.case.id}: {reason_of(result)}")
        elif result.verdict is Verdict.PASS and result.case.id in explanations:
            yield Text(
                f"{result.case.id}:已通过,但 explained.toml 仍有解释",
                f"{result.case.id}: passes, yet explained.toml still explains it; take the entry out",
            )


def differences(results: Sequence[Result], before: Mapping[str, str]) -> Iterator[Text]:
    """Cases with another verdict than ``before``, the verdicts of another run by case."""
    for result in results:
        then, now = before.get(result.case.id), result.verdict.value
        if then is not None and then != now:
            yield Text(
                f"{result.case.id}:对照结果为 {then},本次为 {now}",
                f"{result.case.id}: {now}, but {then} in the other run",
            )
