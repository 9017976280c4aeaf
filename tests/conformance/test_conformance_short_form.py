"""The short form of the conformance run: a handful of cases on real processes, two piles at a time."""

from pathlib import Path

import pytest

from hil_tests.conformance.catalogue import CASES
from hil_tests.conformance.run import line_of, run_cases
from hil_tests.conformance.wire import read_frames

pytestmark = pytest.mark.bench


def test_a_handful_of_cases_against_the_real_field_process(tmp_path: Path) -> None:
    cases = [case for case in CASES if case.short]
    results = run_cases(cases, tmp_path, piles=2, say=print, explanations={})
    missed = [line_of(result, 0, len(results)) for result in results if result.is_miss]
    assert not missed, "\n".join(missed)
    for result in results:
        frames = read_frames((tmp_path / result.log).read_text(encoding="ascii").splitlines(keepends=True), 0.0)
        assert len(frames) >= result.evidence.end_s, "the recording lies beside the table"
