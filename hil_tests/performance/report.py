"""Figures with their limits, as a table for people and as JSON for machines."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

MET, MISSED, REPORTED, NOT_MEASURED = "met", "missed", "reported", "not measured"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    ``limit`` is an upper bound in the same unit, or with ``at_least`` a lower one; None if nothing is promised.
    ``rival`` names what the value was measured against when the value itself is such a ratio. ``trouble`` is the reason
    why nothing could be measured; ``value`` is None then.
    """

    group: str
    name: str
    value: float | None
    unit: str
    limit: float | None = None
    at_least: bool = False
    rival: str = ""
    samples: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""

    @property
    def ratio(self) -> float | None:
        """Value to limit."""
        return None if self.value is None or not self.limit else self.value / self.limit

    @property
    def verdict(self) -> str:
        """One of MET, MISSED, REPORTED (nothing is promised) and NOT_MEASURED."""
        if self.value is None:
            return NOT_MEASURED
        if self.limit is None:
            return REPORTED
        kept = self.value >= self.limit if self.at_least else self.value <= self.limit
        return MET if kept else MISSED

    def as_dict(self) -> dict[str, Any]:
        """For the report file."""
        return {
            "group": self.group,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit,
            "limit_is": ("at least" if self.at_least else "at most") if self.limit is not None else None,
            "ratio": None if self.ratio is None else round(self.ratio, 4),
            "verdict": self.verdict,
            "rival": self.rival,
            "samples": self.samples,
            "detail": dict(self.detail),
            "trouble": self.trouble,
        }


def not_measured(group: str, name: str, unit: str, trouble: str) -> Figure:
    """A figure that could not be taken."""
    return Figure(group, name, None, unit, trouble=trouble)


def number(value: float | None) -> str:
    """Three significant digits, without an exponent for the usual sizes."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def _row(figure: Figure) -> list[str]:
    limit = ""
    if figure.limit is not None:
        limit = f"{'≥' if figure.at_least else '≤'} {number(figure.limit)}"
    detail = ", ".join(
        f"{key} {number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value}"
        for key, value in figure.detail.items()
        if not isinstance(value, Mapping | list)
    )
    return [
        figure.group,
        figure.name,
        f"{number(figure.value)} {figure.unit}".strip() if figure.value is not None else "-",
        limit,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.verdict,
        figure.trouble or detail,
    ]


_HEADINGS = ("figure", "what", "value", "limit", "ratio", "verdict", "detail")
_COLOURS = {MET: "green", MISSED: "red", NOT_MEASURED: "yellow", REPORTED: "default"}


def print_report(figures: Sequence[Figure], out: TextIO | None = None) -> None:
    """A table on a terminal, plain lines elsewhere."""
    stream = sys.stdout if out is None else out
    if not stream.isatty():
        for figure in figures:
            group, name, value, limit, ratio, verdict, detail = _row(figure)
            bound = f" (limit {limit}, ratio {ratio})" if limit else ""
            stream.write(f"{group}: {name}: {value}{bound}: {verdict}{f'; {detail}' if detail else ''}\n")
        return
    table = Table(*_HEADINGS)
    for figure in figures:
        row = _row(figure)
        row[5] = f"[{_COLOURS[figure.verdict]}]{row[5]}[/]"
        table.add_row(*row)
    Console(file=stream).print(table)


def write_report(path: Path, figures: Iterable[Figure], machine: Mapping[str, Any], *, quick: bool) -> None:
    """Write everything as JSON; the file appears in one piece."""
    content = {"quick": quick, "machine": dict(machine), "figures": [figure.as_dict() for figure in figures]}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
