"""Command line: ``python -m hil_tests.conformance``, or ``make conformance ARGS="..."``."""

import json
import sys
import time
import tomllib
from pathlib import Path
from typing import get_args

import click

from hil_tests.conformance.case import Case
from hil_tests.conformance.catalogue import CASES, select
from hil_tests.conformance.place import Beside, Where
from hil_tests.conformance.report import write_report
from hil_tests.conformance.run import differences, misses, run_cases

EXPLAINED_FILE = Path(__file__).with_name("explained.toml")
_OUTPUT = Path("build") / "conformance"


@click.command()
@click.option(
    "--only", multiple=True, metavar="ID", help="Only this case, this item, or all with this prefix; repeatable."
)
@click.option("--short", is_flag=True, help="Only the cases that `make test` runs.")
@click.option("--table", is_flag=True, help="Print the table of cases for docs/conformance.md and run none.")
@click.option("--list", "list_only", is_flag=True, help="List the cases and run none.")
@click.option(
    "--piles", type=click.IntRange(1, 8), default=2, show_default=True, help="Number of piles that run in parallel."
)
@click.option(
    "--connector",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="1: a pile with one connector. 2: the second one of a pile with two.",
)
@click.option(
    "--beside",
    type=click.Choice(get_args(Beside)),
    default="idle",
    show_default=True,
    help="With --connector 2: what connector 1 does meanwhile.",
)
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="conformance.json of another run; a verdict that differs from it is a problem. "
    f"With --connector 2: {_OUTPUT}/conformance.json if it exists.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Output folder. Default: {_OUTPUT}, with --connector 2 {_OUTPUT}-2.",
)
def main(
    only: tuple[str, ...],
    short: bool,
    table: bool,
    list_only: bool,
    piles: int,
    connector: str,
    beside: Beside,
    compare: Path | None,
    output: Path | None,
) -> None:
    """Run the conformance cases of GB/T 34658-2017 for a charger against the real field process.

    Writes index.html, conformance.json and one recording a case. Ends with 0 only when nothing is missed unexplained.
    """
    try:
        cases = select(only) if only else [case for case in CASES if case.short or not short]
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if table:
        click.echo("\n".join(table_rows(cases)))
        return
    if list_only:
        for case in cases:
            click.echo(f"{case.id:15} {case.edition} {case.seconds:4.0f} s  {case.title.en} / {case.title.zh}")
        return
    where = Where(int(connector), beside)
    if where.other is None and beside != "idle":
        raise click.ClickException("--beside needs a pile with two connectors: --connector 2")
    if output is None:
        output = _OUTPUT if where.other is None else _OUTPUT.with_name(f"{_OUTPUT.name}-{connector}")
    usual = _OUTPUT / "conformance.json"
    if compare is None and where.other is not None and usual.exists():
        compare = usual
    sys.exit(run(cases, piles, output, where, compare))


def table_rows(cases: list[Case]) -> list[str]:
    """The list of cases in Markdown."""
    head = ["| case | edition | what | 内容 |", "|---|---|---|---|"]
    return [*head, *(f"| `{case.id}` | {case.edition} | {case.title.en} | {case.title.zh} |" for case in cases)]


def run(cases: list[Case], piles: int, output: Path, where: Where | None = None, compare: Path | None = None) -> int:
    """Run these cases at a connector and write the report. Returns the exit code.

    ``compare`` is the conformance.json of another run: a verdict that differs from it is a problem.
    """
    before = load_verdicts(compare) if compare is not None else {}
    explanations = load_explanations(EXPLAINED_FILE)
    begin_s, begin_wall_s = time.monotonic(), time.time()
    results = run_cases(cases, output, piles=piles, say=_say, explanations=explanations, where=where)
    page = write_report(output, results, begun_wall_s=begin_wall_s, took_s=time.monotonic() - begin_s, piles=piles)
    problems = [*misses(results, explanations), *differences(results, before)]
    for problem in problems:
        _say(problem.en)
    if compare is not None:
        shared = sum(result.case.id in before for result in results)
        _say(f"{shared} of {len(results)} verdicts compared with {compare}")
    _say(f"{len(results)} cases in {(time.monotonic() - begin_s) / 60:.1f} min, {len(problems)} problems: {page}")
    return 1 if problems else 0


def load_verdicts(path: Path) -> dict[str, str]:
    """Verdict of each case of another run. Raises click.ClickException when the file is not one of this program's."""
    try:
        return {str(case["id"]): str(case["verdict"]) for case in json.loads(path.read_text(encoding="utf-8"))["cases"]}
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{path}: this is no conformance.json of a run ({error!r})") from None


def load_explanations(path: Path) -> dict[str, str]:
    """Reasons of the known misses. Raises click.ClickException when the file names no case or is not readable."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise click.ClickException(f"{path.name}: {error}") from None
    strange = sorted(set(found) - {case.id for case in CASES})
    if strange:
        raise click.ClickException(f"{path.name}: there is no case {', '.join(strange)}")
    return {name: str(reason) for name, reason in found.items()}


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
