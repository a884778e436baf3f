"""A workbook of tables from a layout: contents with links, then one sheet after the other.

What every report has is here: title lines, large figures, frozen headings, filters, print set-up,
masked ids, the same bytes for the same report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl.worksheet.worksheet import Worksheet

from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.charts import ChartData
from reports.layout import Column, Layout, Sheet, Table
from reports.page import TABLE_ROW
from reports.style import Painter, Style
from reports.summary import write_findings, write_tiles
from reports.values import masked_ids
from reports.workbook import (
    close_data_sheet,
    close_first_sheet,
    new_workbook,
    open_sheets,
    write_tables,
)

__all__ = ["Book", "Canvas", "layout_columns", "write_book"]

_MASKED = "编号只显示末四位。"
_MASKED_KEYS = ("case_id", "setl_id", "person_id")


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """What a workbook shows.

    tables: by the layout's sources; an empty one gives a sheet that says so.  figures: values of
    the first sheet's tiles by key (fen for amounts), first those of the period, then those to
    compare with, each with its name.  findings: sentences of the first sheet.  words: what stands
    for ``{key}`` in the layout's notes.
    stamp: the moment written into the file, made from the report and not from the clock.
    untotalled: sources of tables that get no total row.
    """

    hospital: str
    period: str
    stamp: datetime
    tables: Mapping[str, pd.DataFrame]
    figures: Sequence[tuple[str, Mapping[str, Any]]] = ()
    findings: Sequence[str] = field(default_factory=tuple)
    words: Mapping[str, str] = field(default_factory=dict)
    untotalled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a chart is drawn with: sheet, its layout, the data sheet, the painter, the tables."""

    sheet: Worksheet
    layout: Layout
    data: ChartData
    painter: Painter
    tables: Mapping[str, pd.DataFrame]


Chart = Callable[[Canvas, int], int]
"""Draws from a row on and returns the next free row."""


def write_book(
    layout_file: Path,
    book: Book,
    path: Path,
    *,
    show_ids: bool = False,
    charts: Mapping[str, Chart] | None = None,
) -> None:
    """Write the workbook (xlsx) at ``path``; the same report gives the same bytes.

    charts: what a sheet's ``chart`` names in the layout; ``summary`` is drawn on the first sheet.
    Ids are masked unless ``show_ids``.  The file is written aside and renamed.
    """
    style = Style.load()
    layout = Layout.load(layout_file, style)
    title = f"{book.hospital} {book.period} {layout.summary.title}"
    workbook, painter = new_workbook(title, style)
    opened = open_sheets(workbook, layout, painter)
    drawn = charts or {}
    tables = _masked(book.tables, show_ids=show_ids)
    writer = _Writer(book, layout, painter, opened.data, tables, drawn, show_ids)
    writer.first(opened.first)
    for entry, sheet in opened.listed:
        writer.sheet(entry, sheet)
    if drawn:
        close_data_sheet(opened.data, book.hospital, book.period)
    else:
        workbook.remove(opened.data.sheet)
    save_same_bytes(workbook, path, book.stamp, painter.rows.entries())


def layout_columns(layout_file: Path) -> dict[str, tuple[Column, ...]]:
    """The columns of each table as the workbook shows them, by source, for other writers."""
    layout = Layout.load(layout_file, Style.load())
    return {table.source: table.columns for sheet in layout.sheets for table in sheet.tables}


def _masked(tables: Mapping[str, pd.DataFrame], *, show_ids: bool) -> dict[str, pd.DataFrame]:
    if show_ids:
        return dict(tables)
    return {
        name: frame.assign(
            **{key: masked_ids(frame[key]) for key in _MASKED_KEYS if key in frame.columns}
        )
        for name, frame in tables.items()
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    book: Book
    layout: Layout
    painter: Painter
    data: ChartData
    tables: Mapping[str, pd.DataFrame]
    charts: Mapping[str, Chart]
    show_ids: bool

    def _table(self, source: str) -> pd.DataFrame:
        return self.tables.get(source, pd.DataFrame())

    def _plain(self, table: Table) -> Table:
        if table.source not in self.book.untotalled:
            return table
        return replace(table, columns=tuple(replace(one, total="") for one in table.columns))

    def _title(self, sheet: Worksheet, title: str, note: str) -> None:
        words = {"masking": "" if self.show_ids else _MASKED, **self.book.words}
        told = note
        for key, text in words.items():
            told = told.replace(f"{{{key}}}", text)
        page.write_title(sheet, title, told, self.book.hospital, self.book.period, self.painter)

    def _canvas(self, sheet: Worksheet) -> Canvas:
        return Canvas(sheet, self.layout, self.data, self.painter, self.tables)

    def first(self, sheet: Worksheet) -> None:
        """Tiles, charts, sentences and the list of sheets."""
        summary, painter = self.layout.summary, self.painter
        self._title(sheet, summary.title, summary.note)
        row = TABLE_ROW
        figures = self.book.figures or [("", {})]
        row = write_tiles(sheet, row + 1, summary, figures, painter) if figures[0][1] else row
        if not figures[0][1]:
            write_tiles(sheet, row, summary, [("", {})], painter)
        if "summary" in self.charts:
            row = self.charts["summary"](self._canvas(sheet), row)
        if self.book.findings:
            row = write_findings(sheet, row, self.book.findings, painter)
        entries = [
            (entry.name, entry.title, sum(len(self._table(t.source)) for t in entry.tables))
            for entry in self.layout.sheets
        ]
        close_first_sheet(sheet, row, entries, self.book.hospital, self.book.period, painter)

    def sheet(self, entry: Sheet, sheet: Worksheet) -> None:
        """One sheet: its chart, then its tables under each other."""
        painter = self.painter
        self._title(sheet, entry.title, entry.note)
        row = TABLE_ROW
        if entry.chart in self.charts:
            row = self.charts[entry.chart](self._canvas(sheet), row)
        listed = [self._plain(table) for table in entry.tables]
        areas = write_tables(sheet, row, listed, self.tables, self.layout, painter)
        only = areas[0] if len(areas) == 1 else None
        page.freeze(sheet, entry.freeze, only)
        repeat = only.head if only else None
        page.set_up(sheet, self.book.hospital, self.book.period, entry.tab, painter, repeat=repeat)
