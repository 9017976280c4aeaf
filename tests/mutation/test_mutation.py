"""The mutation tool itself, and a fixed sample of the mutants of the interlocks; `make mutation` runs all."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from mutation_mutants import mutants
from mutation_run import (
    DOCUMENT,
    ROOT,
    TARGETS,
    Job,
    Score,
    _written,
    explanations,
    jobs_of,
    score_table,
    scores,
    table,
)

TOOL = Path(__file__).with_name("mutation_run.py")

SOURCE = '''"""Talk."""
from x import y
LIMITS = (1.0, 2.0, 3.0)
def f(a: int, b: "str" = "n") -> bool:
    """Talk."""
    if a < 3 and not b:
        g(f"talk {a}")
        return True
    return a + 1 == 2
'''


@pytest.mark.parametrize(
    "key",
    [
        "f: a < 3 -> a <= 3",
        "f: a < 3 -> a > 3",
        "f: a < 3 and (not b) -> a < 3 or not b",
        "f: a < 3 and (not b) -> a < 3",
        "f: not b -> not not b",
        "f: 3 -> 4",
        "f: 3 -> 6",
        "f: 'n' -> 'nX'",
        "f: True -> False",
        "f: return True -> (removed)",
        "f: a + 1 == 2 -> a + 1 != 2",
        "f: a + 1 -> a - 1",
        "module: (1.0, 2.0, 3.0) -> (1.0, 3.0)",
        "module: LIMITS = (1.0, 2.0, 3.0) -> (removed)",
    ],
)
def test_the_changes_it_makes(key: str) -> None:
    assert key in [each.key for each in mutants(SOURCE)]


def test_every_mutant_is_a_program_of_its_own_with_a_name_of_its_own() -> None:
    found = mutants(SOURCE)
    sources = [ast.unparse(each.tree()) for each in found]
    assert len(set(sources)) == len(sources)
    assert len({each.key for each in found}) == len(found)
    for each in found:
        compile(each.tree(), "mutant", "exec")
    assert not any("talk" in each.key.lower() and "g(" not in each.key for each in found), "messages are left alone"


def test_the_table_is_read_as_it_is_written() -> None:
    known = {
        ("agent/control/dc/limits.py", "f: a | b -> a & b"): "the same",
        ("agent/control/chassis/image.py", "g: x -> y (no. 2)"): "UNEXPLAINED",
    }
    assert explanations(f"<!-- survivors -->\n{table(known)}<!-- /survivors -->\n") == known


def test_the_scores_are_read_as_they_are_written_and_added_up() -> None:
    rows = {"drivers/gbt27930/messages/codec.py": Score(200, 199, every=3), "agent/control/dc/limits.py": Score(50, 50)}
    text = score_table(rows)
    assert scores(f"<!-- scores -->\n{text}<!-- /scores -->\n") == rows
    assert "| `drivers/gbt27930/messages/codec.py` | 1 in 3 | 200 | 199 | 99.5 % |" in text, (
        "a sample says that it is one"
    )
    assert "| `agent/control/dc/limits.py` | all | 50 | 50 | 100.0 % |" in text
    assert text.splitlines()[-1] == "| together | | 250 | 249 | 99.6 % |"


def test_rows_of_modules_that_were_not_run_stay() -> None:
    document = (
        "<!-- scores -->\n| `agent/control/chassis/image.py` | 1 in 2 | 10 | 9 | 90.0 % |\n"
        "| `agent/control/dc/limits.py` | all | 7 | 7 | 100.0 % |\n"
        "<!-- /scores -->\n<!-- survivors -->\n| `agent/control/chassis/image.py` | `` old `` | a reason |\n"
        "| `agent/control/dc/limits.py` | `` gone `` | a reason |\n<!-- /survivors -->\nend\n"
    )
    job = Job("agent/control/dc/limits.py", "new", 1, lambda: ast.parse(""))
    written = _written(document, ["agent/control/dc/limits.py"], [job] * 4, [job])
    assert scores(written) == {
        "agent/control/dc/limits.py": Score(4, 3),
        "agent/control/chassis/image.py": Score(10, 9, every=2),
    }
    assert explanations(written) == {
        ("agent/control/dc/limits.py", "new"): "UNEXPLAINED",
        ("agent/control/chassis/image.py", "old"): "a reason",
    }
    assert written.endswith("end\n")


def test_a_sample_leaves_the_explanations_of_mutants_outside_it() -> None:
    document = (
        "<!-- scores -->\n<!-- /scores -->\n<!-- survivors -->\n"
        "| `agent/control/dc/limits.py` | `` noticed by now `` | a reason |\n"
        "| `agent/control/dc/limits.py` | `` not in the sample `` | a reason |\n<!-- /survivors -->\n"
    )
    module = "agent/control/dc/limits.py"
    jobs = [Job(module, key, 1, lambda: ast.parse("")) for key in ("noticed by now", "new")]
    written = _written(document, [module], jobs, jobs[1:], every=4)
    assert scores(written) == {module: Score(2, 1, every=4)}
    assert explanations(written) == {(module, "new"): "UNEXPLAINED", (module, "not in the sample"): "a reason"}


def test_every_target_and_its_tests_exist() -> None:
    assert [module for module in TARGETS if not (ROOT / module).is_file()] == []
    named = {test for tests in TARGETS.values() for test in tests}
    assert [test for test in sorted(named) if not (ROOT / "tests" / test).is_file()] == []
    assert "agent/control/dc/steps/charging.py" in TARGETS, "folders are found"


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("LIMIT_S = 1.0", ["1.0 -> 2.0", "1.0 -> 0.5", "1.0 -> 8.0"]),
        ("LIMIT = 8", ["8 -> 9", "8 -> 16", "8 -> 4", "8 -> 64"]),
        ("FIRST = 1", ["1 -> 2"]),
        ("NONE_S = 0.0", ["0.0 -> 1.0"]),
        (
            "class C(Struct, gc=False):\n    limit_s: float = 3.0",
            ["3.0 -> 4.0", "3.0 -> 6.0", "3.0 -> 1.5", "3.0 -> 24.0"],
        ),
        ("A = number(2.0, 'own: a source')", ["2.0 -> 3.0", "2.0 -> 4.0", "2.0 -> 1.0", "2.0 -> 16.0"]),
        ("A = 'SELECT a FROM b'", ["'SELECT a FROM b' -> 'SELECT a FROM bX'"]),
    ],
)
def test_numbers_become_half_and_eight_times_as_well_and_prose_is_left_alone(source: str, keys: list[str]) -> None:
    found = [each.key.partition(": ")[2] for each in mutants(source)]
    assert [key for key in found if "removed" not in key] == keys


def test_every_explanation_names_a_mutant_that_exists() -> None:
    known = explanations(DOCUMENT.read_text(encoding="utf-8"))
    existing = {(job.module, job.key) for job in jobs_of(list(TARGETS))}
    assert set(known) <= existing
    assert all(len(why) > 10 and why != "UNEXPLAINED" for why in known.values())


def test_a_sample_of_the_interlocks_is_noticed() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--only", "agent/control/safety/rules.py", "--every", "23"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
