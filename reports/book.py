"""A workbook of tables from a layout: contents with links, then one sheet after the other.

What every report has is here: title lines, large figures, frozen headings, filters, print set-up,
masked ids, the same bytes for the same report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.charts import ChartData
from reports.grid import Area, put, write_table
from reports.layout import Column, Layout, Sheet
from reports.style import Painter, Style
from reports.summary import COLUMNS, write_contents, write_findings, write_tiles
from reports.values import masked_ids

__all__ = ["Book", "Canvas", "layout_columns", "write_book"]

_TABLE_ROW = 3
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
    """

    hospital: str
    period: str
    stamp: datetime
    tables: Mapping[str, pd.DataFrame]
    figures: Sequence[tuple[str, Mapping[str, Any]]] = ()
    findings: Sequence[str] = field(default_factory=tuple)
    words: Mapping[str, str] = field(default_factory=dict)


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
    workbook = Workbook()
    painter = Painter(workbook, style)
    properties: Any = workbook.properties
    properties.creator = properties.lastModifiedBy = "drg-engine"
    properties.title = f"{book.hospital} {book.period} {layout.summary.title}"
    first: Any = workbook.active
    first.title = layout.summary.name
    sheets = [(entry, workbook.create_sheet(entry.name)) for entry in layout.sheets]
    drawn = charts or {}
    data_sheet = workbook.create_sheet(layout.charts.data_sheet)
    data = ChartData(data_sheet, painter, layout.charts)
    tables = _masked(book.tables, show_ids=show_ids)
    writer = _Writer(book, layout, painter, data, tables, drawn, show_ids)
    writer.first(first)
    for entry, sheet in sheets:
        writer.sheet(entry, sheet)
    if drawn:
        writer.data_sheet(data_sheet)
    else:
        workbook.remove(data_sheet)
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
        row = _TABLE_ROW
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
        row = write_contents(sheet, row + 1, entries, painter)
        page.set_up(sheet, self.book.hospital, self.book.period, "primary", painter, repeat=None)
        page.portrait(sheet)
        sheet.print_area = f"A1:{get_column_letter(COLUMNS)}{row}"
        sheet.freeze_panes = f"A{_TABLE_ROW}"

    def sheet(self, entry: Sheet, sheet: Worksheet) -> None:
        """One sheet: its chart, then its tables under each other."""
        painter = self.painter
        self._title(sheet, entry.title, entry.note)
        row = _TABLE_ROW
        if entry.chart in self.charts:
            row = self.charts[entry.chart](self._canvas(sheet), row)
        areas: list[Area] = []
        for table in entry.tables:
            frame = self._table(table.source)
            if frame.empty and areas:
                continue
            if table.title:
                look = painter.look(bold=True, ink="primary", align="left")
                put(sheet, row, 1, table.title, look)
                row += 1
            if frame.empty:
                put(sheet, row, 1, "没有此项数据。", painter.look(ink="muted"))
                row += 2
                continue
            area = write_table(sheet, row, table, frame, self.layout, painter)
            areas.append(area)
            row = area.end + 3
        _freeze(sheet, entry, areas)
        repeat = areas[0].head if len(areas) == 1 else None
        page.set_up(sheet, self.book.hospital, self.book.period, entry.tab, painter, repeat=repeat)

    def data_sheet(self, sheet: Worksheet) -> None:
        """The sheet that holds what the charts show."""
        charts = self.layout.charts
        self._title(sheet, charts.data_sheet, charts.data_note)
        for index, width in enumerate((26, 14, 14, 14, 14, 14), start=1):
            sheet.column_dimensions[get_column_letter(index)].width = width
        sheet.freeze_panes = f"A{_TABLE_ROW}"
        hospital, period = self.book.hospital, self.book.period
        page.set_up(sheet, hospital, period, "grey", self.painter, repeat=None)


def _freeze(sheet: Worksheet, entry: Sheet, areas: Sequence[Area]) -> None:
    """Freeze and filter the headings where a sheet is one table; else the title alone."""
    column = get_column_letter(entry.freeze + 1)
    if len(areas) == 1:
        area = areas[0]
        sheet.freeze_panes = f"{column}{area.first}"
        right = get_column_letter(area.right)
        sheet.auto_filter.ref = f"A{area.head}:{right}{max(area.last, area.head)}"
    else:
        sheet.freeze_panes = f"{column}{_TABLE_ROW}"
