"""A sheet as a page: title, note, print set-up, where a chart stands."""

from __future__ import annotations

import math
from typing import Any

from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from reports.grid import Area, put
from reports.style import Painter

__all__ = [
    "TABLE_ROW",
    "WIDE_CHART",
    "filter_by",
    "fit",
    "freeze",
    "place",
    "portrait",
    "set_up",
    "write_title",
]

TABLE_ROW = 3
"""The first row below title and note."""
WIDE_CHART = (30.0, 16.5)
_ROW_HEIGHT = 18.0
_A4 = 9
_PAGE_HOLDS = 260.0
"""Widths of columns that can still be read on one page."""


def write_title(
    sheet: Worksheet, title: str, note: str, hospital: str, period: str, painter: Painter
) -> None:
    """Write the title line and the line of units and definitions."""
    look = painter.look(size="title", bold=True, ink="primary")
    put(sheet, 1, 1, "　".join(text for text in (hospital, period, title) if text), look)
    put(sheet, 2, 1, note, painter.look(size="note", ink="muted"))
    sheet.row_dimensions[1].height = 30
    sheet.row_dimensions[2].height = 18
    sheet.sheet_view.showGridLines = False
    sheet.sheet_format.defaultRowHeight = _ROW_HEIGHT
    sheet.sheet_format.customHeight = True


def freeze(sheet: Worksheet, columns: int = 0, area: Area | None = None) -> None:
    """Keep the first ``columns`` and the headings of ``area`` in sight and filter by them.

    Without an area the title and the note stay.
    """
    column = get_column_letter(columns + 1)
    if area is None:
        sheet.freeze_panes = f"{column}{TABLE_ROW}"
        return
    sheet.freeze_panes = f"{column}{area.first}"
    filter_by(sheet, area)


def filter_by(sheet: Worksheet, area: Area) -> None:
    """Give the headings of a table the filter's buttons."""
    right = get_column_letter(area.right)
    sheet.auto_filter.ref = f"A{area.head}:{right}{max(area.last, area.head)}"


def set_up(
    sheet: Worksheet,
    hospital: str,
    period: str,
    tab: str,
    painter: Painter,
    *,
    repeat: int | None,
    freeze: int = 0,
) -> None:
    """A4 across, as wide as the paper, headings on each page, page numbers.

    A sheet too wide to be read on one page takes several, each with its first ``freeze`` columns.
    """
    sheet.sheet_properties.tabColor = painter.style.colour[tab]
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    width = sum(one.width for one in sheet.column_dimensions.values() if one.width)
    pages = math.ceil(width / _PAGE_HOLDS) if freeze else 1
    sheet.page_setup.fitToWidth = pages
    if pages > 1:
        sheet.print_title_cols = f"A:{get_column_letter(freeze)}"
        sheet.page_setup.pageOrder = "overThenDown"
    sheet.page_setup.fitToHeight = 0
    properties: Any = sheet.sheet_properties
    properties.pageSetUpPr.fitToPage = True
    margins = sheet.page_margins
    margins.left = margins.right = 0.4
    margins.top, margins.bottom = 0.7, 0.6
    margins.header = margins.footer = 0.3
    sheet.print_options.horizontalCentered = True
    if repeat:
        sheet.print_title_rows = f"1:{repeat}"
    header: Any = sheet.oddHeader
    footer: Any = sheet.oddFooter
    for part, text in (
        (header.left, _plain(hospital)),
        (header.right, _plain(period)),
        (footer.left, "&A"),
        (footer.right, "第 &P 页 / 共 &N 页"),
    ):
        part.text = text
        part.size = 9
        part.font = f"{painter.style.font},Regular"


def _plain(text: str) -> str:
    """``&`` begins a code in headers, so it is doubled."""
    return text.replace("&", "&&")


def portrait(sheet: Worksheet) -> None:
    """Upright on one page: the summary."""
    sheet.page_setup.orientation = "portrait"
    sheet.page_setup.fitToHeight = 1


def place(sheet: Worksheet, chart: Any, anchor: str, size_cm: tuple[float, float]) -> None:
    """Put a chart at a cell in the given size."""
    chart.width, chart.height = size_cm
    sheet.add_chart(chart, anchor)


def fit(sheet: Worksheet, chart: Any, row: int, left: int, right: int, rows: int) -> None:
    """Put a chart over whole cells, ``rows`` from ``row``, columns ``left`` to ``right``.

    It keeps its place on the grid whatever width the program gives the columns.
    """
    chart.anchor = TwoCellAnchor(
        editAs="oneCell",
        _from=AnchorMarker(col=left - 1, row=row - 1),
        to=AnchorMarker(col=right, row=row - 1 + rows),
    )
    sheet.add_chart(chart)
