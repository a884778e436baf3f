"""The workbook of a point catalogue: what to review, all items, coverage, what moved, what made it.

``catalogue.toml`` says which columns stand where.  The sheets that are read back have their
headings in row 1; cells to fill in have a colour of their own and are checked by the program.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from drg_engine.money import MISSING_FEN
from drg_engine.workbook_bytes import save_same_bytes
from reports import page
from reports.fast_table import BodyColumn
from reports.grid import put
from reports.style import Painter, Style, display_width
from reports.values import as_cells
from reports.workbook import new_workbook

__all__ = ["CATALOGUE_LAYOUT", "CatalogueReport", "workbook_guide", "write_catalogue_workbook"]

CATALOGUE_LAYOUT = Path(__file__).with_name("catalogue.toml")

_STAMP = datetime(2000, 1, 1)
_INPUT_FILL, _INPUT_HEAD = "amber_light", "amber"
_NO_DAY = int(np.iinfo(np.int32).min)
_FORMULA_STARTS = ("=", "+", "-", "@")
_SAMPLE = 2_000
_WIDEST = 60.0
_LINE_HEIGHT, _ROW_HEIGHT = 15.0, 18.0
_NOTHING = {"review": "没有需要复核的项目。", "changes": "没有变化。"}


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueReport:
    """The tables of the workbook by their name in catalogue.toml.

    review and items have the columns of performance.catalogue.Catalogue; made_from has label and
    value.  nothing: what an empty sheet says, by table.
    """

    version: str
    tables: Mapping[str, pd.DataFrame]
    verdicts: Sequence[str]
    nothing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    heading: str
    format: str
    width: float
    check: str = ""


def workbook_guide() -> list[tuple[str, str]]:
    """How to fill in the workbook: label and words, for the sheet that says what made it."""
    raw = tomllib.loads(CATALOGUE_LAYOUT.read_text(encoding="utf-8"))
    return [(label, words) for label, words in raw["guide"]]


def write_catalogue_workbook(report: CatalogueReport, path: Path) -> None:
    """Write the workbook (xlsx) at ``path``; the same report gives the same bytes."""
    raw = tomllib.loads(CATALOGUE_LAYOUT.read_text(encoding="utf-8"))
    columns = {key: _Column(key=key, **entry) for key, entry in raw["column"].items()}
    workbook, painter = new_workbook(raw["title"], Style.load())
    first: Any = workbook.active
    for place, entry in enumerate(raw["sheet"]):
        sheet = first if place == 0 else workbook.create_sheet()
        sheet.title = entry["name"]
        _write_sheet(sheet, entry, columns, report, painter)
    save_same_bytes(workbook, path, _STAMP, painter.rows.entries())


def _write_sheet(
    sheet: Worksheet,
    entry: Mapping[str, Any],
    columns: Mapping[str, _Column],
    report: CatalogueReport,
    painter: Painter,
) -> None:
    parts = entry.get("part", [entry])
    row = 1
    sheet.sheet_format.defaultRowHeight = _ROW_HEIGHT
    sheet.sheet_format.customHeight = True
    for part in parts:
        if "part" in entry:
            put(sheet, row, 1, part["title"], painter.look(bold=True, ink="primary"))
            row += 1
        chosen = [columns[key] for key in part["columns"]]
        frame = report.tables[part["table"]]
        shown = frame.iloc[:-1] if part.get("total") else frame
        last = _write_table(sheet, row, chosen, shown, report, painter)
        if part.get("total"):
            last += 1
            _write_total(sheet, last, chosen, frame.iloc[-1:], painter)
        if frame.empty:
            said = report.nothing.get(part["table"], _NOTHING.get(part["table"], "没有此项数据。"))
            put(sheet, row + 1, 1, said, painter.look(ink="muted"))
        row = last + 3
    sheet.sheet_view.showGridLines = False
    top = 1 if "part" not in entry else 0
    sheet.freeze_panes = f"{get_column_letter(entry['freeze'] + 1)}{top + 1}"
    repeat = 1 if top else None
    label = f"点数目录 {report.version}".strip()
    page.set_up(sheet, label, "", entry["tab"], painter, repeat=repeat)


def _write_table(
    sheet: Worksheet,
    top: int,
    columns: Sequence[_Column],
    frame: pd.DataFrame,
    report: CatalogueReport,
    painter: Painter,
) -> int:
    """Headings and rows from row ``top``; returns the last row."""
    for at, column in enumerate(columns, start=1):
        fill = _INPUT_HEAD if column.check else "primary"
        look = painter.look(bold=True, ink="on_primary", fill=fill, align="center", wrap=True)
        put(sheet, top, at, column.heading, look)
    sheet.row_dimensions[top].height = 30
    bodies = [_body(column, frame, painter) for column in columns]
    first, last = top + 1, top + len(frame)
    painter.rows.add(sheet, first, bodies, _heights(first, columns, bodies))
    for at, (column, body) in enumerate(zip(columns, bodies, strict=True), start=1):
        _widen(sheet, at, column, body.values)
        if column.check and len(frame):
            _check(sheet, f"{get_column_letter(at)}{first}:{get_column_letter(at)}{last}",
                   column.check, report.verdicts)  # fmt: skip
    if top == 1 and len(frame):
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{last}"
    return last


def _write_total(
    sheet: Worksheet,
    row: int,
    columns: Sequence[_Column],
    frame: pd.DataFrame,
    painter: Painter,
) -> None:
    for at, column in enumerate(columns, start=1):
        shown = painter.style.formats[column.format]
        value = as_cells(_absent(frame[column.key], column), shown, {})[0]
        put(
            sheet,
            row,
            at,
            value,
            painter.look(column.format, bold=True, fill="total", edge="total"),
        )
    sheet.row_dimensions[row].height = 21


def _body(column: _Column, frame: pd.DataFrame, painter: Painter) -> BodyColumn:
    fill = _INPUT_FILL if column.check else ""
    wrap = column.format == "wrap"
    shown = painter.style.formats[column.format]

    def look(*, quoted: bool = False) -> Any:
        return painter.look(column.format, edge="below", fill=fill, wrap=wrap, quoted=quoted)

    values = as_cells(_absent(frame[column.key], column), shown, {})
    if shown.kind != "text":
        return BodyColumn(values, look())
    quoted = look(quoted=True)
    looks = {word: quoted for word in set(values) if word and word.startswith(_FORMULA_STARTS)}
    return BodyColumn(values, look(), looks)


def _absent(values: pd.Series[Any], column: _Column) -> pd.Series[Any]:
    """Absent points and days as what the cells' writer leaves blank."""
    if column.format == "date":
        days = values.astype(np.int64)
        dates = pd.to_datetime(days.where(days.ne(_NO_DAY), 0), unit="D").astype("datetime64[s]")
        return dates.where(days.ne(_NO_DAY))
    if column.key.endswith("_e4") and column.key not in ("difference_e4", "quantity_e4"):
        numbers = values.astype(np.int64)
        return numbers.where(numbers.ge(0), MISSING_FEN)
    return values


def _heights(
    first: int, columns: Sequence[_Column], bodies: Sequence[BodyColumn]
) -> dict[int, float]:
    found: dict[int, float] = {}
    for column, body in zip(columns, bodies, strict=True):
        if column.format != "wrap":
            continue
        for row, value in enumerate(body.values, start=first):
            lines = -(-display_width(value or "") // int(column.width - 3))
            if lines > 1:
                found[row] = _LINE_HEIGHT * lines + 4.0
    return found


def _widen(sheet: Worksheet, at: int, column: _Column, values: Sequence[Any]) -> None:
    width = column.width
    if column.format == "text":
        sample = {value for value in values[:_SAMPLE] if value}
        need = max((display_width(value) for value in sample), default=0) + 3.5
        width = max(width, min(need, _WIDEST))
    letter = get_column_letter(at)
    have = sheet.column_dimensions[letter].width if letter in sheet.column_dimensions else 0.0
    sheet.column_dimensions[letter].width = max(width, have)


def _check(sheet: Worksheet, cells: str, kind: str, verdicts: Sequence[str]) -> None:
    """Data validation of one column of input cells."""
    rules: dict[str, dict[str, Any]] = {
        "verdict": {"type": "list", "formula1": f'"{",".join(verdicts)}"'},
        "points": {"type": "decimal", "operator": "between", "formula1": "0", "formula2": "100000"},
        "coefficient": {"type": "decimal", "operator": "between", "formula1": "0",
                        "formula2": "10"},
        "date": {"type": "date", "operator": "greaterThan", "formula1": "36526"},
    }  # fmt: skip
    words = {
        "verdict": "请从下拉中选一项",
        "points": "点数是 0 至 100000 的数字，至多四位小数",
        "coefficient": "系数是 0 至 10 的数字，至多四位小数",
        "date": "请填日期，如 2026-10-01",
    }
    if kind not in rules:
        return
    rule = DataValidation(allow_blank=True, showErrorMessage=True, **rules[kind])
    rule.errorTitle, rule.error = "填写有误", words[kind]
    rule.add(cells)
    sheet.add_data_validation(rule)
