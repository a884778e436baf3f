"""Writing one table into a sheet: headings, rows, total, filter, widths, colours of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from openpyxl.formatting.rule import ColorScaleRule, DataBarRule
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from reports.fast_table import BodyColumn
from reports.layout import Column, Layout, Table
from reports.style import Painter, display_width
from reports.values import as_cells, column_total, guessed_column, missing

__all__ = ["Area", "put", "write_table"]

_FORMULA_STARTS = ("=", "+", "-", "@")
_WIDEST = 90.0
_FILTER_BUTTON = 3.0
_SAMPLE = 2_000
_LINE_HEIGHT, _HIGHEST = 15.0, 400.0


@dataclass(frozen=True, slots=True)
class Area:
    """Where a table was written; rows and columns count from 1.

    ``total`` is 0 where there is no total row, ``place`` maps a key to its column.
    """

    head: int
    first: int
    last: int
    total: int
    left: int
    right: int
    place: Mapping[str, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The last row in use."""
        return max(self.head, self.last, self.total)


def put(sheet: Worksheet, row: int, column: int, value: Any, look: Any) -> None:
    """Write one value as what it is: text is always text, even where it begins with ``=``."""
    cell: Any = sheet.cell(row, column)
    cell._style = look
    if value is not None:
        cell.value = value
        if isinstance(value, str):
            cell.data_type = "s"


def write_table(
    sheet: Worksheet,
    top: int,
    table: Table,
    frame: pd.DataFrame,
    layout: Layout,
    painter: Painter,
    whole: Mapping[str, Any] | None = None,
) -> Area:
    """Write ``frame`` from row ``top`` on and say where it stands.

    whole: the hospital's values by key, shown in the total row where adding up would be wrong
    (rates, distinct counts).  Columns that the frame doesn't have are left out; columns that the
    layout doesn't know come last under their own names, or not at all, as the layout says.
    """
    shown = frame.iloc[: table.max_rows]
    columns = _columns(table, frame)
    if any(column.key == "row_number" for column in columns):
        shown = shown.assign(row_number=range(1, len(shown) + 1))
    head = _headings(sheet, top, columns, painter)
    first = head + 1
    bodies = [_body_column(column, shown, layout, painter) for column in columns]
    painter.rows.add(sheet, first, bodies, _heights(first, columns, bodies))
    for index, (column, body) in enumerate(zip(columns, bodies, strict=True), start=1):
        _fit(sheet, index, column, body.values, painter)
    last = head + len(shown)
    total = _write_total(sheet, last + 1, columns, frame, whole or {}, painter) if len(shown) else 0
    if len(frame) > len(shown):
        note = f"共 {len(frame):,} 行，此处列出前 {len(shown):,} 行，其余见同一文件夹的明细文件。"
        put(sheet, (total or last) + 1, 1, note, painter.look(size="note", ink="muted"))
    area = Area(
        head=head,
        first=first,
        last=last,
        total=total,
        left=1,
        right=len(columns),
        place={column.key: index for index, column in enumerate(columns, 1) if column.key},
    )
    _colour_values(sheet, area, columns, shown, painter)
    return area


def _columns(table: Table, frame: pd.DataFrame) -> list[Column]:
    """The layout's columns that the frame has, then the frame's others if they are wanted."""
    chosen = [
        column
        for column in table.columns
        if column.key in ("", "row_number")
        or (column.key in frame.columns and not (column.optional and _idle(frame[column.key])))
    ]
    known = {column.key for column in table.columns}
    if table.unknown == "show":
        chosen += [
            guessed_column(str(key), frame[key]) for key in frame.columns if key not in known
        ]
    return chosen


def _idle(column: pd.Series[Any]) -> bool:
    """Whether a column says nothing: absent, 0 or an empty text in every row."""
    kept = column[~missing(column)]
    return bool(kept.empty or kept.isin([0, ""]).all())


def _headings(sheet: Worksheet, top: int, columns: list[Column], painter: Painter) -> int:
    """Write the headings, with a row of groups above where there are any; returns their row."""
    row = top
    if any(column.group for column in columns):
        look = painter.look(bold=True, ink="on_primary", fill="band", align="center", size="note")
        start = 1
        for group, members in groupby(columns, key=lambda column: column.group):
            count = len(list(members))
            for index in range(start, start + count):
                put(sheet, row, index, None, look)
            put(sheet, row, start, group or None, look)
            if count > 1 and group:
                sheet.merge_cells(
                    start_row=row, end_row=row, start_column=start, end_column=start + count - 1
                )
            start += count
        row += 1
    look = painter.look(bold=True, ink="on_primary", fill="primary", align="center", wrap=True)
    for index, column in enumerate(columns, start=1):
        put(sheet, row, index, column.heading or None, look)
        _widen(sheet, index, column.width)
    sheet.row_dimensions[row].height = 30
    return row


def _widen(sheet: Worksheet, index: int, width: float) -> None:
    letter = get_column_letter(index)
    dimensions = sheet.column_dimensions
    if letter not in dimensions or dimensions[letter].width < width:
        dimensions[letter].width = width


def _body_column(
    column: Column, frame: pd.DataFrame, layout: Layout, painter: Painter
) -> BodyColumn:
    """The cells of one column, with the looks that depend on the text."""
    wrap = column.format == "wrap"
    look = painter.look(column.format, edge="below", wrap=wrap)
    if not column.key:
        return BodyColumn([None] * len(frame), look)
    shown = painter.style.formats[column.format]
    values = as_cells(frame[column.key], shown, layout.values.get(column.values, {}))
    if shown.kind != "text":
        return BodyColumn(values, look)
    quoted = painter.look(column.format, edge="below", wrap=wrap, quoted=True)
    badges = _badge_looks(painter) if column.format == "badge" else {}
    looks = {word: quoted for word in set(values) if word and word.startswith(_FORMULA_STARTS)}
    return BodyColumn(values, look, badges | looks)


def _heights(first: int, columns: list[Column], bodies: list[BodyColumn]) -> dict[int, float]:
    """Rows with wrapped text and their height: not every program finds it by itself."""
    found: dict[int, float] = {}
    for column, body in zip(columns, bodies, strict=True):
        if column.format != "wrap":
            continue
        holds = column.width - 3.0
        for row, value in enumerate(body.values, start=first):
            parts = value.split("\n") if value else [""]
            lines = sum(max(1, math.ceil(display_width(part) / holds)) for part in parts)
            if lines > 1:
                height = min(_LINE_HEIGHT * lines + 4.0, _HIGHEST)
                found[row] = max(found.get(row, 0.0), height)
    return found


def _fit(
    sheet: Worksheet, index: int, column: Column, values: Sequence[Any], painter: Painter
) -> None:
    """Widen a column of text to its content, and one of amounts to its longest amount."""
    if column.format == "wrap":
        return
    is_text = painter.style.formats[column.format].kind == "text"
    sample = values[:_SAMPLE]
    if is_text:
        need = max((display_width(value) for value in set(sample) if value), default=0) + 3.5
        _widen(
            sheet, index, min(need, max(column.width, 44.0 if column.format != "mono" else 78.0))
        )
    elif column.format in ("yuan", "wan"):
        need = max((len(f"{value:,.2f}") for value in sample if value is not None), default=0) + 2.5
        _widen(sheet, index, min(need, _WIDEST))


def _badge_looks(painter: Painter) -> dict[str, Any]:
    return {
        word: painter.look("badge", edge="below", fill=fill, ink=ink, bold=True)
        for word, (fill, ink) in painter.style.badge.items()
    }


def _write_total(
    sheet: Worksheet,
    row: int,
    columns: list[Column],
    frame: pd.DataFrame,
    whole: Mapping[str, Any],
    painter: Painter,
) -> int:
    """Write the total row where a column asks for one; returns its row, or 0."""
    if not any(column.total for column in columns):
        return 0
    label_at = next((i for i, c in enumerate(columns) if c.key and c.key != "row_number"), 0)
    for index, column in enumerate(columns):
        look = painter.look(column.format, bold=True, fill="total", edge="total")
        value: Any = None
        if index == label_at:
            value = "合计"
        elif column.total:
            value = _total_value(column, frame, whole, painter)
        put(sheet, row, index + 1, value, look)
        if isinstance(value, float) and column.format in ("yuan", "wan"):
            _widen(sheet, index + 1, len(f"{value:,.2f}") + 2.5)
    sheet.row_dimensions[row].height = 21
    return row


def _total_value(
    column: Column, frame: pd.DataFrame, whole: Mapping[str, Any], painter: Painter
) -> Any:
    if column.total == "hospital":
        value = whole.get(column.key)
        series = pd.Series([value]) if value is not None else None
    else:
        total = column_total(frame[column.key])
        series = pd.Series([total])
    if series is None:
        return None
    return as_cells(series, painter.style.formats[column.format], {})[0]


def _colour_values(
    sheet: Worksheet, area: Area, columns: list[Column], frame: pd.DataFrame, painter: Painter
) -> None:
    """Colour scales around zero and data bars, as conditional formats."""
    if area.last <= area.first:
        return
    colour = painter.style.colour
    for index, column in enumerate(columns, start=1):
        if not column.visual:
            continue
        letter = get_column_letter(index)
        cells = f"{letter}{area.first}:{letter}{area.last}"
        if column.visual == "bar":
            bar = DataBarRule("num", 0, end_type="max", color=colour["blue"])  # type: ignore[no-untyped-call]
            sheet.conditional_formatting.add(cells, bar)
            continue
        values = as_cells(frame[column.key], painter.style.formats[column.format], {})
        sizes = [abs(value) for value in values if value is not None]
        # The same distance from zero gets the same depth of colour; a few extremes don't pale all.
        bound = float(np.quantile(sizes, 0.9)) if sizes else 0.0
        if bound > 0:
            low, high = ("num", -bound, colour["scale_loss"]), ("num", bound, colour["scale_gain"])
            scale = ColorScaleRule(*low, "num", 0, "FFFFFF", *high)  # type: ignore[no-untyped-call]
            sheet.conditional_formatting.add(cells, scale)
