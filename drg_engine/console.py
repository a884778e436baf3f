"""What the commands show: progress, tables and errors."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drg_engine.errors import DrgEngineError

__all__ = ["counted_rows", "fail", "say", "show_table", "stages"]

_PATIENCE = 1.0
_PIPE_WIDTH = 240


def _console(*, stderr: bool) -> Any:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=not stream.isatty(), width=width)


def fail(error: DrgEngineError) -> int:
    """Print an error in words; returns the exit code."""
    from rich.text import Text

    _console(stderr=True).print(Text(f"错误：{error}", style="red"))
    return error.exit_code


def say(text: str) -> None:
    """Print a line."""
    from rich.text import Text

    _console(stderr=False).print(Text(text))


def show_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], *, stderr: bool = False
) -> None:
    """Print a table; numbers stand to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings):
        numeric = bool(rows) and all(isinstance(row[place], (int, float)) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{v:,}" if isinstance(v, int) else str(v)) for v in row))
    _console(stderr=stderr).print(table)


@contextmanager
def counted_rows(what: str) -> Iterator[Callable[[int], None]]:
    """Give a function to tell rows done.

    Where somebody watches, a line is kept up to date once the work takes a while.
    """
    started = time.monotonic()
    watched = sys.stderr.isatty()
    status: Any = None

    def tell(rows: int) -> None:
        nonlocal status
        if status is None and watched and time.monotonic() - started > _PATIENCE:
            status = _console(stderr=True).status("")
            status.start()
        if status is not None:
            status.update(f"{what}：{rows:,} 行")

    try:
        yield tell
    finally:
        if status is not None:
            status.stop()


@contextmanager
def stages(total: int) -> Iterator[Callable[[str], None]]:
    """Give a function that begins the next of ``total`` named stages, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with Progress(*columns, console=_console(stderr=True)) as progress:
        task = progress.add_task("开始", total=total)
        begun = False

        def begin(name: str) -> None:
            nonlocal begun
            if begun:
                progress.advance(task)
            begun = True
            progress.update(task, description=name)

        yield begin
        progress.update(task, completed=total, description="完成")
