"""What every workbook has around its tables: painter and properties, its sheets, their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from reports import page
from reports.charts import ChartData
from reports.grid import Area, put, write_table
from reports.layout import Layout, Sheet, Table
from reports.style import Painter, Style
from reports.summary import COLUMNS, write_contents

__all__ = [
    "Opened",
    "chart_data",
    "close_data_sheet",
    "close_first_sheet",
    "new_workbook",
    "open_sheets",
    "write_tables",
]

_MAKER = "drg-engine"
_DATA_WIDTHS = (26, 14, 14, 14, 14, 14)
# The row between the note and the first block is empty.
_UNPRINTED = "A3"


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The empty sheets of a layout: the first, those it lists, the one of the charts' data."""

    first: Worksheet
    listed: Sequence[tuple[Sheet, Worksheet]]
    data: ChartData


def new_workbook(title: str, style: Style) -> tuple[Workbook, Painter]:
    """An empty workbook of one sheet, called ``title`` in its properties, and its painter."""
    workbook = Workbook()
    painter = Painter(workbook, style)
    properties: Any = workbook.properties
    properties.creator = properties.lastModifiedBy = _MAKER
    properties.title = title
    return workbook, painter


def open_sheets(workbook: Workbook, layout: Layout, painter: Painter) -> Opened:
    """Make the sheets of a layout in their order, the charts' data last."""
    first: Any = workbook.active
    first.title = layout.summary.name
    listed = [(entry, workbook.create_sheet(entry.name)) for entry in layout.sheets]
    return Opened(first, listed, chart_data(workbook, layout, painter))


def chart_data(workbook: Workbook, layout: Layout, painter: Painter) -> ChartData:
    """Add the sheet of the charts' data."""
    sheet = workbook.create_sheet(layout.charts.data_sheet)
    return ChartData(sheet, painter, layout.charts)


def write_tables(
    sheet: Worksheet,
    row: int,
    tables: Sequence[Table],
    frames: Mapping[str, pd.DataFrame],
    layout: Layout,
    painter: Painter,
) -> list[Area]:
    """Write a sheet's tables under each other from ``row`` on; returns where they stand.

    frames: by the tables' sources.  An empty one is told of, or passed over below another.
    """
    areas: list[Area] = []
    for table in tables:
        frame = frames.get(table.source, pd.DataFrame())
        if frame.empty and areas:
            continue
        if table.title:
            put(sheet, row, 1, table.title, painter.look(bold=True, ink="primary", align="left"))
            row += 1
        if frame.empty:
            put(sheet, row, 1, "没有此项数据。", painter.look(ink="muted"))
            row += 2
            continue
        area = write_table(sheet, row, table, frame, layout, painter)
        areas.append(area)
        row = area.end + 3
    return areas


def close_first_sheet(
    sheet: Worksheet,
    row: int,
    entries: Sequence[tuple[str, str, int]],
    hospital: str,
    period: str,
    painter: Painter,
) -> None:
    """Write the list of sheets (name, what it shows, rows) below ``row``; set the page up."""
    row = write_contents(sheet, row + 1, entries, painter)
    page.set_up(sheet, hospital, period, "primary", painter, repeat=None)
    page.portrait(sheet)
    sheet.print_area = f"A1:{get_column_letter(COLUMNS)}{row}"
    page.freeze(sheet)


def close_data_sheet(data: ChartData, hospital: str, period: str) -> None:
    """Title, widths and page of the sheet that holds what the charts show.

    It is to be looked at, not printed: its print area is an empty cell.
    """
    sheet, charts, painter = data.sheet, data.charts, data.painter
    page.write_title(sheet, charts.data_sheet, charts.data_note, hospital, period, painter)
    for index, width in enumerate(_DATA_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(index)].width = width
    page.freeze(sheet)
    page.set_up(sheet, hospital, period, "grey", painter, repeat=None)
    sheet.print_area = _UNPRINTED
