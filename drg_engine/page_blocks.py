"""Pages of text and grids for the terminal: wrapped there, one line a line when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Block", "Grid", "Line", "show"]

_WIDE = 20_000
"""Columns of a page that is not for a terminal: wider than any line, so that nothing is folded."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; ``level`` indents it by two columns each, 0 with ``head`` is a heading."""

    words: str
    level: int = 0
    head: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows in columns; without headings it is a plain list.  Numbers stand to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
    level: int = 1


Block = Line | Grid


def show(blocks: Iterable[Block]) -> None:
    """Print a page to standard output."""
    from rich.console import Console

    if sys.stdout.isatty():
        console = Console(highlight=False)
        for block in blocks:
            console.print(_rendered(block))
        return
    console = Console(highlight=False, width=_WIDE)
    with console.capture() as captured:
        for block in blocks:
            console.print(_rendered(block))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    sys.stdout.write("\n".join([*lines, ""]))


def _rendered(block: Block) -> Any:
    from rich.padding import Padding
    from rich.text import Text

    if isinstance(block, Line):
        if not block.words:
            return ""
        text = Text(block.words, style="bold" if block.head else "", overflow="fold")
        return Padding(text, (0, 0, 0, 2 * block.level), expand=False)
    return Padding(_table(block), (0, 0, 0, 2 * block.level), expand=False)


def _table(grid: Grid) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if grid.headings else None,
        show_header=bool(grid.headings),
        show_edge=False,
        pad_edge=False,
    )
    for place in range(len(grid.rows[0]) if grid.rows else len(grid.headings)):
        numeric = any(isinstance(row[place], (int, float)) for row in grid.rows)
        table.add_column(
            grid.headings[place] if grid.headings else "",
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=place == 0,
        )
    for row in grid.rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "—"
    return f"{value:,}" if isinstance(value, int) else str(value)
