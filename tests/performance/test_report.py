"""Verdicts, the printed form and the report file."""

import io
import json
from pathlib import Path

import pytest

from hil_tests.performance import __main__ as program
from hil_tests.performance.machine import facts, preemption
from hil_tests.performance.report import (
    MET,
    MISSED,
    NOT_MEASURED,
    REPORTED,
    Figure,
    not_measured,
    number,
    print_report,
    write_report,
)


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "verdict"),
    [
        (0.5, 0.5, False, MET),
        (0.51, 0.5, False, MISSED),
        (10.0, 10.0, True, MET),
        (9.9, 10.0, True, MISSED),
        (3.0, None, False, REPORTED),
        (None, 1.0, False, NOT_MEASURED),
    ],
)
def test_verdict(value: float | None, limit: float | None, at_least: bool, verdict: str) -> None:
    assert Figure("start", "x", value, "s", limit=limit, at_least=at_least).verdict == verdict


def test_ratio_is_value_to_limit() -> None:
    assert Figure("start", "x", 0.25, "s", limit=0.5).ratio == 0.5
    assert Figure("start", "x", 0.25, "s").ratio is None
    assert not_measured("start", "x", "s", "why").ratio is None


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _figures() -> list[Figure]:
    return [
        Figure("start", "exec to cycle", 0.123, "s", limit=0.5, samples=11, detail={"max_s": 0.2, "inner": {"a": 1}}),
        not_measured("footprint", "memory", "MB", "the process is gone"),
    ]


def test_plain_lines_without_a_terminal() -> None:
    out = io.StringIO()
    print_report(_figures(), out)
    first, second = out.getvalue().splitlines()
    assert first == "start: exec to cycle: 0.123 s (limit ≤ 0.5, ratio 0.25): met; max_s 0.2"
    assert second == "footprint: memory: -: not measured; the process is gone"


def test_a_table_on_a_terminal() -> None:
    out = _Terminal()
    print_report(_figures(), out)
    assert "verdict" in out.getvalue()
    assert "not" in out.getvalue()


def test_the_report_file_holds_everything(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    write_report(path, _figures(), {"cores": 2}, quick=True)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["quick"] is True
    assert content["machine"] == {"cores": 2}
    assert [figure["verdict"] for figure in content["figures"]] == [MET, NOT_MEASURED]
    assert content["figures"][0]["ratio"] == 0.246
    assert content["figures"][0]["limit_is"] == "at most"
    assert content["figures"][0]["samples"] == 11
    assert [entry.name for entry in path.parent.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.00123, "0.00123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_group_that_breaks_is_a_figure_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*, quick: bool) -> list[Figure]:
        raise RuntimeError("no such wire")

    monkeypatch.setitem(program.GROUPS, "start", broken)
    said: list[str] = []
    figures = program.run(["start"], quick=True, say=said.append)
    assert figures[0].verdict == NOT_MEASURED
    assert "no such wire" in figures[0].trouble
    assert said == ["measuring: start"]


def test_exit_code_tells_only_what_could_not_be_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "bench.json")
    monkeypatch.setitem(program.GROUPS, "start", lambda *, quick: [Figure("start", "x", 9.0, "s", limit=0.5)])
    assert program.main(["--only", "start", "--out", out]) == 0
    assert "missed" in capsys.readouterr().out
    monkeypatch.setitem(program.GROUPS, "start", lambda *, quick: [not_measured("start", "x", "s", "why")])
    assert program.main(["--only", "start", "--out", out]) == 1


def test_machine_facts_are_there() -> None:
    found = facts()
    assert found["cores"] >= 1
    assert found["python"]
    assert found["kernel"]


@pytest.mark.parametrize(
    ("version", "model"),
    [
        ("#1 SMP PREEMPT_RT Debian 6.12", "PREEMPT_RT"),
        ("#1 SMP PREEMPT_DYNAMIC x", "PREEMPT_DYNAMIC"),
        ("#1 SMP x", "not stated"),
    ],
)
def test_preemption_model(version: str, model: str) -> None:
    assert preemption(version) == model
