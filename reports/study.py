"""One question's answer as a file: a table with its charts, as a workbook or a page.

Used by the analyst's commands (sweep, break-even, neutral rate, resampling); ``.csv`` and
``.parquet`` take the first table alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.worksheet import Worksheet

from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.charts import ChartData
from reports.grid import put, write_table
from reports.html_page import Page, page_table, write_page
from reports.layout import Column, Layout, Table
from reports.page import TABLE_ROW
from reports.simulation import SIMULATION_LAYOUT
from reports.style import Painter, Style
from reports.vega import Chart
from reports.workbook import chart_data, close_data_sheet, new_workbook

__all__ = ["NativeChart", "Study", "StudyTable", "write_study_page", "write_study_workbook"]

NativeChart = Callable[[ChartData], Any]
"""Makes a chart of a workbook from figures that it writes into the sheet of charts' data."""

_CHART_ROWS, _CHART_COLUMNS = 20, 9
_FACTS = (
    Column("section", "类别", "text", 14),
    Column("name", "名称", "text", 26),
    Column("content", "内容", "wrap", 78),
)


@dataclass(frozen=True, slots=True, eq=False)
class StudyTable:
    """A table of a study: its sheet's name, title, note, columns and rows."""

    name: str
    title: str
    note: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    freeze: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A question's answer.

    ``head``: scheme, policies, cases and version in one line.  ``made_from``: section, name,
    content.  ``stamp``: the moment written into the workbook (no clock).  ``native``: charts of the
    workbook, on the first sheet; ``charts``: those of the page.
    """

    title: str
    hospital: str
    period: str
    head: str
    note: str
    tables: Sequence[StudyTable]
    made_from: pd.DataFrame
    stamp: datetime
    charts: Sequence[Chart] = ()
    native: Sequence[NativeChart] = ()


def write_study_page(study: Study, path: Path) -> None:
    """Write the study as one page of HTML; the same study gives the same bytes."""
    style = Style.load()
    rows = study.made_from.itertuples(index=False)
    tables = [
        page_table(table.title, table.note, table.columns, table.frame, style, {}, whole=False)
        for table in study.tables
    ]
    made = Page(
        title=f"{study.hospital}　{study.period}　{study.title}",
        subtitle=study.head,
        note=study.note,
        facts=[(f"{section}　{name}", content) for section, name, content in rows],
        charts=study.charts,
        tables=tables,
        file_name=f"{study.period}-{study.title}",
    )
    write_page(made, path)


def write_study_workbook(study: Study, path: Path) -> None:
    """Write the study as a workbook; the same study gives the same bytes."""
    style = Style.load()
    layout = Layout.load(SIMULATION_LAYOUT, style)
    title = f"{study.hospital} {study.period} {study.title}"
    workbook, painter = new_workbook(title, style)
    facts = StudyTable("编制依据", "编制依据", study.head, _FACTS, study.made_from)
    first: Any = workbook.active
    sheets = [first, *(workbook.create_sheet() for _ in study.tables)]
    data = chart_data(workbook, layout, painter) if study.native else None
    for sheet, table in zip(sheets, [*study.tables, facts], strict=True):
        sheet.title = table.name
        row = TABLE_ROW
        if sheet is first and data is not None:
            row = _charts(sheet, row, [made(data) for made in study.native])
        _write_sheet(study, sheet, table, row, layout, painter)
    if data is not None:
        close_data_sheet(data, study.hospital, study.period)
    save_same_bytes(workbook, path, study.stamp, painter.rows.entries())


def _charts(sheet: Worksheet, top: int, charts: Sequence[Any]) -> int:
    """Charts one below the other above the table; returns the next free row."""
    for at, chart in enumerate(charts):
        if len(charts) > 1:
            sheet.row_breaks.append(Break(id=top + (at + 1) * _CHART_ROWS - 1))
        page.fit(sheet, chart, top + at * _CHART_ROWS, 1, _CHART_COLUMNS, _CHART_ROWS - 1)
    return top + len(charts) * _CHART_ROWS


def _write_sheet(
    study: Study, sheet: Worksheet, table: StudyTable, row: int, layout: Layout, painter: Painter
) -> None:
    note = f"{table.note}　{study.head}" if table.note != study.head else study.head
    page.write_title(sheet, table.title, note, study.hospital, study.period, painter)
    if table.frame.empty:
        put(sheet, row, 1, "没有此项数据。", painter.look(ink="muted"))
        page.set_up(sheet, study.hospital, study.period, "primary", painter, repeat=None)
        return
    entry = Table(source="", columns=tuple(table.columns))
    area = write_table(sheet, row, entry, table.frame, layout, painter)
    alone = row == TABLE_ROW  # no charts above it
    if alone:
        page.freeze(sheet, table.freeze, area)
    else:
        page.freeze(sheet)
        page.filter_by(sheet, area)
    repeat = area.head if alone else None
    page.set_up(sheet, study.hospital, study.period, "primary", painter, repeat=repeat)
