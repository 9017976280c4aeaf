"""Running and reporting without a bench: the plan, verdicts on a stalled bench, misses, the command line, the page."""

import json
from pathlib import Path
from typing import ClassVar

import click
import pytest
from click.testing import CliRunner
from synthetic import every, evidence, row, seen

from hil_tests.conformance import __main__ as command_line
from hil_tests.conformance import run as running
from hil_tests.conformance.case import Case, Wait
from hil_tests.conformance.catalogue import CASES, select
from hil_tests.conformance.checks import Sent, timeout
from hil_tests.conformance.evidence import Evidence, First, Mark, Text, Verdict
from hil_tests.conformance.place import Place, Where
from hil_tests.conformance.report import case_document, write_report
from hil_tests.conformance.run import Plan, Result, judge, line_of, misses, reason_of
from hil_tests.conformance.tester import NotReachedError
from hil_tests.conformance.timeline import picture

CEM, CRM00 = First("CEM"), First("CRM-00")
GOOD = evidence(
    every("CRM-00", 1.0, 6.0),
    [seen("CEM", 6.01), seen("BCL", 2.0), seen("BMV", 3.0, "00")],
    rows=[row(0.0), row(2.0, contactors=True, current_a=40.0), row(5.0, contactors=True), row(7.0)],
    marks={"start": 0.5},
)
BAD = evidence(every("CRM-00", 1.0, 9.0), [seen("CEM", 9.01)], rows=[row(0.0)])


def case_with(case_id: str = "DN.1001", **changes: object) -> Case:
    checks = (Sent("CRM-00", until=CEM), timeout(CRM00, CEM, 5.0))
    values = {"title": Text("题", "title <b>"), "sent": Text("发", "sent"), "checks": checks, "steps": (Wait(0.0),)}
    return Case(case_id, **{**values, **changes})  # type: ignore[arg-type]  # a test builds what it likes


def result_of(found: Evidence, case: Case | None = None, **changes: object) -> Result:
    chosen = case or case_with()
    verdict, findings = judge(chosen, found, reached=True, stalled=False)
    values = {"findings": findings, "evidence": found, "stalls_ms": [3.0], "log": f"logs/{chosen.id}.log"}
    return Result(chosen, verdict, **{**values, **changes})  # type: ignore[arg-type]  # a test builds what it likes


@pytest.mark.parametrize(
    ("found", "reached", "stalled", "expected"),
    [
        (GOOD, True, False, Verdict.PASS),
        (GOOD, True, True, Verdict.PASS),
        (GOOD, False, False, Verdict.INCONCLUSIVE),
        (BAD, True, False, Verdict.FAIL),
        (BAD, False, False, Verdict.FAIL),
        (BAD, True, True, Verdict.INCONCLUSIVE),
        (Evidence(), False, False, Verdict.FAIL),
    ],
)
def test_verdicts(found: Evidence, reached: bool, stalled: bool, expected: Verdict) -> None:
    assert judge(case_with(), found, reached=reached, stalled=stalled)[0] is expected


def test_the_longest_fitting_case_comes_first_and_each_once() -> None:
    cases = [
        case_with("DN.1001", seconds=10.0),
        case_with("DN.1002", seconds=30.0),
        case_with("A.BHM", edition="2023", seconds=25.0),
        case_with("A.BSM", edition="2023", seconds=5.0),
    ]
    plan = Plan(cases)
    first = plan.take(None)
    assert first is not None
    assert first.id == "DN.1002"
    other = plan.take(("2023", "demo-car"))
    assert other is not None
    assert other.id == "A.BHM"
    order = [plan.take(("2015", "demo-car")), plan.take(("2015", "demo-car")), plan.take(None)]
    assert [each.id if each else None for each in order] == ["DN.1001", "A.BSM", None]


def test_a_miss_is_what_neither_passed_nor_is_explained() -> None:
    good, bad = result_of(GOOD, case_with("DN.1001")), result_of(BAD, case_with("DN.1002"))
    assert [each.en for each in misses([good], {})] == []
    assert [each.en[:8] for each in misses([good, bad], {})] == ["DN.1002:"]
    bad.explained = "known"
    assert list(misses([good, bad], {"DN.1002": "known"})) == []
    (stale,) = misses([good, bad], {"DN.1001": "no longer true", "DN.1002": "known"})
    assert "take the entry out" in stale.en
    lost = result_of(Evidence(), case_with("DN.1003", checks=(timeout(Mark("told", "告知"), CEM, 1.0),)))
    assert lost.verdict is Verdict.INCONCLUSIVE
    assert lost.is_miss


def test_the_line_says_what_speaks_against_it() -> None:
    line = line_of(result_of(BAD, stalls_ms=[120.0, 4.0]), 3, 9)
    assert "MISS" in line
    assert "(repeated)" in line
    assert "first CRM-00" in reason_of(result_of(BAD))
    assert "MISS" not in line_of(result_of(GOOD), 1, 1)
    assert reason_of(Result(case_with(), Verdict.INCONCLUSIVE, error="no current flows")) == "no current flows"
    assert reason_of(Result(case_with(), Verdict.INCONCLUSIVE)) == "not judged"


def test_the_report_holds_everything_in_both_languages(tmp_path: Path) -> None:
    uncertain = case_with("DN.2007a", uncertain=Text("不确定", "unsure"))
    results = [
        result_of(GOOD),
        result_of(BAD, uncertain, explained="because <it> is"),
        Result(case_with("A.BHM"), Verdict.INCONCLUSIVE, error="no current flows"),
    ]
    page = write_report(tmp_path, results, begun_wall_s=1e9, took_s=61.0, piles=2)
    text = page.read_text(encoding="utf-8")
    for word in ("DN.1001", "不确定", "unsure", "because &lt;it&gt; is", "no current flows", "logs/DN.1001.log"):
        assert word in text
    assert "title &lt;b&gt;" in text
    assert "<svg" in text
    assert 'src="http' not in text
    assert "https://" not in text
    document = json.loads((tmp_path / "conformance.json").read_text(encoding="utf-8"))
    assert document["verdicts"] == {"pass": 1, "fail": 1, "inconclusive": 1}
    assert [case["verdict"] for case in document["cases"]] == ["pass", "fail", "inconclusive"]
    assert document["cases"][0]["checks"][1]["measured"]["en"].startswith("5.010 s")
    assert case_document(results[1])["uncertain"] == {"zh": "不确定", "en": "unsure"}


def test_the_picture_needs_a_recording() -> None:
    assert picture(Evidence()) == ""
    assert "polyline" in picture(GOOD)
    assert "polyline" not in picture(BAD)


def test_listing_and_wrong_words() -> None:
    runner = CliRunner()
    listed = runner.invoke(command_line.main, ["--list"])
    assert listed.exit_code == 0
    assert all(case.id in listed.output for case in CASES)
    short = runner.invoke(command_line.main, ["--list", "--short"])
    assert short.output.count("\n") == sum(case.short for case in CASES)
    wrong = runner.invoke(command_line.main, ["--only", "DX.9"])
    assert wrong.exit_code == 1
    assert "no case 'DX.9'" in wrong.output


@pytest.mark.parametrize(("found", "code"), [(GOOD, 0), (BAD, 1)])
def test_the_exit_code_tells(found: Evidence, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_cases(cases: list[Case], *_: object, **__: object) -> list[Result]:
        return [result_of(found, case_with(case.id)) for case in cases]

    monkeypatch.setattr(command_line, "run_cases", run_cases)
    result = CliRunner().invoke(command_line.main, ["--only", "DN.1001", "--output", str(tmp_path / "out")])
    assert result.exit_code == code
    assert (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize("text", ['"DN.9999" = "x"\n', "nonsense"])
def test_wrong_explanations_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "explained.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(click.ClickException, match=r"explained\.toml"):
        command_line.load_explanations(path)


class _Tester:
    """Stands in for the real one: gives the evidence it was told to."""

    given: ClassVar[list[tuple[Evidence, str]]] = []

    def __init__(self, *_: object) -> None:
        self.evidence, self.error = _Tester.given.pop(0)

    def run(self) -> Evidence:
        if self.error:
            raise NotReachedError(self.error)
        return self.evidence


def stalled(found: Evidence, stall_ms: float) -> Evidence:
    return Evidence(seen=found.seen, rows=found.rows, marks=found.marks, stall_ms=stall_ms)


@pytest.mark.parametrize(
    ("given", "verdict", "stalls_ms"),
    [
        ([(stalled(GOOD, 5.0), "")], Verdict.PASS, [5.0]),
        ([(stalled(GOOD, 100.0), "")], Verdict.PASS, [100.0]),
        ([(stalled(GOOD, 101.0), ""), (stalled(BAD, 3.0), "")], Verdict.FAIL, [101.0, 3.0]),
        ([(stalled(BAD, 101.0), ""), (stalled(GOOD, 3.0), "")], Verdict.PASS, [101.0, 3.0]),
        ([(stalled(BAD, 101.0), ""), (stalled(BAD, 200.0), "")], Verdict.INCONCLUSIVE, [101.0, 200.0]),
        ([(stalled(GOOD, 3.0), "no current flows")], Verdict.INCONCLUSIVE, [3.0]),
    ],
)
def test_a_case_on_a_bench_that_stood_still_is_repeated_once(
    given: list[tuple[Evidence, str]],
    verdict: Verdict,
    stalls_ms: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _Tester.given = list(given)
    monkeypatch.setattr(running, "Tester", _Tester)
    monkeypatch.setattr(running.Worker, "_place_for", lambda *_: Place(_Status("idle"), Where()))  # type: ignore[arg-type]  # as above
    said: list[str] = []
    (result,) = running.run_cases([case_with()], tmp_path, piles=2, say=said.append, explanations={"DN.1001": "known"})
    assert (result.verdict, result.stalls_ms) == (verdict, stalls_ms)
    assert result.explained == ("" if verdict is Verdict.PASS else "known")
    assert len(said) == 1
    assert _Tester.given == []


def test_trouble_in_a_worker_reaches_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(running.Worker, "_run_case", broken)
    with pytest.raises(RuntimeError, match="broken"):
        running.run_cases(select(("DN.1001",)), tmp_path, piles=1, say=print, explanations={})


def test_a_verdict_that_differs_from_the_other_run_is_a_problem() -> None:
    results = [result_of(GOOD), result_of(BAD, case_with("DN.1002")), result_of(GOOD, case_with("DN.1003"))]
    found = list(running.differences(results, {"DN.1001": "pass", "DN.1002": "pass"}))
    assert [text.en for text in found] == ["DN.1002: fail, but pass in the other run"]


def test_verdicts_come_from_the_file_of_a_run(tmp_path: Path) -> None:
    write_report(tmp_path, [result_of(GOOD)], begun_wall_s=0.0, took_s=1.0, piles=1)
    assert command_line.load_verdicts(tmp_path / "conformance.json") == {"DN.1001": "pass"}
    other = tmp_path / "other.json"
    other.write_text("[]", encoding="utf-8")
    with pytest.raises(click.ClickException, match=r"no conformance\.json of a run"):
        command_line.load_verdicts(other)


def test_the_second_connector_has_a_folder_and_a_comparison_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[object, ...]] = []

    def run(*arguments: object) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setattr(command_line, "run", run)
    monkeypatch.chdir(tmp_path)
    arguments = ["--only", "DN.1001", "--connector", "2", "--beside", "charging"]
    assert CliRunner().invoke(command_line.main, arguments).exit_code == 0
    usual = Path("build") / "conformance" / "conformance.json"
    usual.parent.mkdir(parents=True)
    usual.write_text('{"cases": []}', encoding="utf-8")
    assert CliRunner().invoke(command_line.main, arguments).exit_code == 0
    assert CliRunner().invoke(command_line.main, ["--only", "DN.1001"]).exit_code == 0
    assert [each[2:] for each in asked] == [
        (Path("build/conformance-2"), Where(2, "charging"), None),
        (Path("build/conformance-2"), Where(2, "charging"), usual),
        (Path("build/conformance"), Where(1, "idle"), None),
    ]
    refused = CliRunner().invoke(command_line.main, ["--only", "DN.1001", "--beside", "charging"])
    assert "--beside needs a pile with two connectors" in refused.output


class _Status:
    """A pile as far as a place asks for its status."""

    def __init__(self, state: str) -> None:
        self.state = state

    def status(self, _connector: int) -> dict[str, object]:
        return {"state": self.state, "faults": [{"id": "door_open"}]}


@pytest.mark.parametrize(
    ("where", "state", "said"),
    [
        (Where(), "faulted", ""),
        (Where(2, "idle"), "idle", ""),
        (Where(2, "charging"), "charging", ""),
        (Where(2, "idle"), "faulted", "connector 1 is faulted and not idle (door_open)"),
        (Where(2, "charging"), "settled", "connector 1 is settled and not charging (door_open)"),
    ],
)
def test_a_case_must_leave_the_other_connector_alone(where: Where, state: str, said: str) -> None:
    assert Place(_Status(state), where).other_disturbed() == said  # type: ignore[arg-type]  # a status is all it needs
