"""The first sheet: the month on one page, in large figures, charts and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from reports.grid import put
from reports.layout import Column, Summary, Tile
from reports.style import Edge, Painter, display_width
from reports.values import as_cells, missing

__all__ = ["COLUMNS", "link", "write_contents", "write_findings", "write_indicators", "write_tiles"]

COLUMNS = 16
"""The page is a grid of this many columns of equal width."""

_COLUMN_WIDTH = 10.5
_TILE_COLUMNS = 4
_HALF = COLUMNS // 2
_FACTORS = ("percent",)
_LINE_HOLDS = COLUMNS * _COLUMN_WIDTH * 0.98


def _value(row: Mapping[str, Any], key: str, format_name: str, painter: Painter) -> Any:
    if key not in row:
        return None
    return as_cells(pd.Series([row[key]]), painter.style.formats[format_name], {})[0]


def write_tiles(
    sheet: Worksheet,
    top: int,
    summary: Summary,
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    painter: Painter,
) -> int:
    """Write the large figures, four to a line; returns the next free row.

    rows: this period's values first, then those to compare with, each with its name.
    """
    for index in range(1, COLUMNS + 1):
        sheet.column_dimensions[get_column_letter(index)].width = _COLUMN_WIDTH
    row, shown = top, [tile for tile in summary.tiles if tile.key in rows[0][1]]
    for index, tile in enumerate(shown):
        at = index % (COLUMNS // _TILE_COLUMNS)
        if at == 0 and index:
            row += 4
        _tile(sheet, row, 1 + at * _TILE_COLUMNS, tile, rows, painter)
    return row + 4


def _tile(
    sheet: Worksheet,
    row: int,
    left: int,
    tile: Tile,
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    painter: Painter,
) -> None:
    value = _value(rows[0][1], tile.key, tile.format, painter)
    bad = isinstance(value, (int, float)) and value < 0
    right = left + _TILE_COLUMNS - 1
    label = tile.label + (f"（{tile.unit}）" if tile.unit else "")
    small: dict[str, Any] = {"size": "note", "ink": "muted"}
    large: dict[str, Any] = {
        "format_name": tile.format,
        "size": "tile",
        "bold": True,
        "ink": "loss" if bad else "primary",
    }
    lines = (
        (label, small, 20),
        (value, large, 34),
        (_compared(tile, value, rows[1:], painter), small, 18),
    )
    for at, (content, how, height) in enumerate(lines, start=row):
        for column in range(left, right + 1):
            edge: Edge = "tile" if column == left else ""
            look = painter.look(**how, fill="tile", align="center", edge=edge)
            put(sheet, at, column, content if column == left else None, look)
        sheet.merge_cells(start_row=at, end_row=at, start_column=left, end_column=right)
        sheet.row_dimensions[at].height = height
    sheet.row_dimensions[row + 3].height = 6


def _compared(
    tile: Tile,
    value: Any,
    others: Sequence[tuple[str, Mapping[str, Any]]],
    painter: Painter,
) -> str | None:
    """A figure against the others in words: a rate by points, the rest by per cent.

    Across 0 a per cent says nothing; there it is the difference.
    """
    parts = []
    for name, row in others:
        before = _value(row, tile.key, tile.format, painter)
        if value is None or before is None:
            continue
        if tile.format in _FACTORS:
            parts.append(f"较{name} {(value - before) * 100:+.2f} 个百分点")
        elif before > 0 > value:
            parts.append(f"较{name} {value - before:+,.2f}")
        elif before > 0:
            parts.append(f"较{name} {(value - before) / before:+.1%}")
        else:
            parts.append(f"{name} {before:,.2f}")
    return "　".join(parts) or None


def write_indicators(
    sheet: Worksheet,
    top: int,
    summary: Summary,
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    painter: Painter,
) -> int:
    """Write two lists of indicators side by side, periods as columns; returns the next row."""
    ends = [
        _indicator_list(sheet, top, left, columns, rows[:3], painter)
        for left, columns in ((1, summary.left), (1 + _HALF, summary.right))
    ]
    return max(ends) + 1


def _indicator_list(
    sheet: Worksheet,
    top: int,
    left: int,
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    painter: Painter,
) -> int:
    head = painter.look(bold=True, ink="on_primary", fill="primary", align="center")
    # Two columns a period; with one or two periods there is room for a gap between the lists.
    span, first = 2, 3 if len(rows) < 3 else 2
    _wide(sheet, top, left, first, "指标", head)
    for index, (name, _) in enumerate(rows):
        _wide(sheet, top, left + first + span * index, span, _short(name, span), head)
    row = top
    for column in columns:
        if column.key not in rows[0][1]:
            continue
        row += 1
        heading = column.heading + ("（元）" if column.format == "yuan" else "")
        _wide(sheet, row, left, first, heading, painter.look(edge="below"))
        for index, (_, values) in enumerate(rows):
            look = painter.look(column.format, edge="below", bold=index == 0)
            value = _value(values, column.key, column.format, painter)
            _wide(sheet, row, left + first + span * index, span, value, look)
    return row + 1


def _short(name: str, span: int) -> str:
    """A heading cut to the columns that it stands over."""
    holds = int(span * _COLUMN_WIDTH) - 2
    if display_width(name) <= holds:
        return name
    while display_width(name) > holds - 2:
        name = name[:-1]
    return f"{name}…"


def _wide(sheet: Worksheet, row: int, left: int, span: int, value: Any, look: Any) -> None:
    for column in range(left, left + span):
        put(sheet, row, column, None, look)
    if span > 1:
        sheet.merge_cells(start_row=row, end_row=row, start_column=left, end_column=left + span - 1)
    put(sheet, row, left, value, look)


def write_findings(sheet: Worksheet, top: int, lines: Sequence[str], painter: Painter) -> int:
    """Write the month in sentences; returns the next free row."""
    heading(sheet, top, "本月要点", painter)
    for row, line in enumerate(lines, start=top + 1):
        _wide(sheet, row, 1, COLUMNS, f"·  {line}", painter.look(wrap=True))
        # Merged cells aren't made higher by themselves.
        sheet.row_dimensions[row].height = 20 if display_width(line) <= _LINE_HOLDS else 36
    return top + 2 + len(lines)


def heading(sheet: Worksheet, row: int, text: str, painter: Painter) -> None:
    """A heading inside the page."""
    put(sheet, row, 1, text, painter.look(bold=True, ink="primary", align="left"))
    sheet.row_dimensions[row].height = 24


def write_contents(
    sheet: Worksheet, top: int, entries: Sequence[tuple[str, str, int]], painter: Painter
) -> int:
    """Write the list of sheets with links: name, what it shows, rows; returns the next free row."""
    heading(sheet, top, "目录", painter)
    row = top
    for row, (name, title, count) in enumerate(entries, start=top + 1):
        look = painter.look(ink="blue", edge="below")
        _wide(sheet, row, 1, 3, name, look)
        link(sheet, row, 1, name)
        _wide(sheet, row, 4, 10, title, painter.look(edge="below", ink="muted"))
        rows = painter.look(edge="below", ink="muted", align="right")
        _wide(sheet, row, 14, 3, f"{count:,} 行" if count else None, rows)
    return row + 2


def link(sheet: Worksheet, row: int, column: int, target: str, cell: str = "A1") -> None:
    """Make a cell lead to a cell of another sheet (or of its own)."""
    at: Any = sheet.cell(row, column)
    look = at._style
    at.hyperlink = Hyperlink(ref=at.coordinate, location=f"'{target}'!{cell}", display=None)
    at._style = look


def period_rows(hospital: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """The hospital's rows as (label, values), absent values left out."""
    found = []
    for position in range(len(hospital)):
        row = hospital.iloc[[position]]
        values = {
            str(key): row[key].iloc[0] for key in row.columns if not missing(row[key]).iloc[0]
        }
        found.append((str(values.pop("label", "本月")), values))
    return found
