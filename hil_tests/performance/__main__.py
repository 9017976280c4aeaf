"""``python -m hil_tests.performance``: measure, print, write ``build/bench.json``.

Exit code 0 if everything could be measured, whether a limit was met or not; 1 if something could not.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hil_tests.performance import (
    against,
    bms,
    bus,
    cycle,
    failsafe,
    footprint,
    machine,
    reaction,
    records,
    start,
    stop_reaction,
    two_connectors,
)
from hil_tests.performance.report import NOT_MEASURED, Figure, not_measured, print_report, write_report

REPORT = Path("build/bench.json")


class Measure(Protocol):
    """One group of figures."""

    def __call__(self, *, quick: bool) -> list[Figure]:
        """Take them; ``quick`` takes fewer samples."""


GROUPS: dict[str, Measure] = {
    module.GROUP: module.measure
    for module in (start, cycle, two_connectors, bms, bus, records, footprint, failsafe, stop_reaction, reaction)
}


def run(names: Sequence[str], *, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """Measure the named groups one after the other; a group that breaks is a figure not measured."""
    figures: list[Figure] = []
    for name in names:
        say(f"measuring: {name}")
        try:
            figures += GROUPS[name](quick=quick)
        except Exception as error:
            figures.append(not_measured(name, "everything", "", f"{type(error).__name__}: {error}"[:600]))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hil_tests.performance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples: minutes instead of half an hour")
    parser.add_argument("--only", choices=sorted(GROUPS), action="append", help="only this group; may be repeated")
    parser.add_argument(
        "--against", metavar="COMMIT", help="evaluation beside that of another commit, in turn; alone without --only"
    )
    parser.add_argument("--out", type=Path, default=REPORT, help="report file (build/bench.json)")
    options = parser.parse_args(arguments)
    facts = machine.facts()
    stolen = machine.steal_ticks()
    names = options.only or ([] if options.against else list(GROUPS))
    figures = run(names, quick=options.quick, say=lambda text: print(text, file=sys.stderr))
    if options.against:
        print(f"measuring: against {options.against}", file=sys.stderr)
        figures += against.measure(options.against, quick=options.quick)
    facts["stolen_ticks"] = machine.steal_ticks() - stolen
    print_report(figures)
    write_report(options.out, figures, facts, quick=options.quick)
    print(f"report: {options.out}", file=sys.stderr)
    return 1 if any(figure.verdict == NOT_MEASURED for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
