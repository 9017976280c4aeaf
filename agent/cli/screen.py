"""Puts tables and lines on a terminal, or plain text into a pipe."""

import os
import sys
import unicodedata
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def width_of(text: str) -> int:
    """Columns that a text takes: Chinese letters take two."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def is_rich() -> bool:
    """Whether there is a terminal that may be written to in colour (NO_COLOR disables it)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") != "dumb"


def plain_table(headers: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> list[str]:
    """A table as aligned lines; columns with an index in ``right`` are right-aligned. Empty headers are left out."""
    grid = [list(headers), *[list(row) for row in rows]] if any(headers) else [list(row) for row in rows]
    if not grid:
        return []
    widths = [max(width_of(row[column]) for row in grid) for column in range(len(grid[0]))]
    lines = []
    for row in grid:
        cells = []
        for column, cell in enumerate(row):
            gap = " " * (widths[column] - width_of(cell))
            cells.append(gap + cell if column in right else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


class Screen:
    """Where a command writes. Colours and frames only on a terminal."""

    def __init__(self, *, rich: bool | None = None) -> None:
        self._rich = is_rich() if rich is None else rich

    def line(self, text: str = "", style: str = "") -> None:
        """One line; ``style`` counts on a terminal only."""
        if self._rich and style:
            from rich.console import Console
            from rich.text import Text

            Console().print(Text(text, style=style))
        else:
            self._write(text)

    def heading(self, text: str) -> None:
        """A line above a part, with an empty one before it."""
        self.line()
        self.line(text, "bold")

    def table(self, headers: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> None:
        """A table; headers that are all empty make a list of names and values."""
        if not self._rich:
            for text in plain_table(headers, rows, right):
                self._write(text)
            return
        from rich import box
        from rich.console import Console
        from rich.table import Table

        shown = any(headers)
        table = Table(box=box.SIMPLE_HEAD if shown else None, show_header=shown, pad_edge=False)
        for column, header in enumerate(headers):
            table.add_column(
                header,
                justify="right" if column in right else "left",
                style="cyan" if not shown and column == 0 else None,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*[_escaped(cell) for cell in row])
        Console().print(table)

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")


def _escaped(cell: str) -> str:
    """A cell in which square brackets are no markup."""
    from rich.markup import escape

    return escape(cell)
