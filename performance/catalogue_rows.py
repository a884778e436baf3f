"""Tables of a point catalogue's inputs: headings found wherever they stand, every fault told.

Files that a hospital gets from others (national tables, fee schedules) begin with titles and
notes; its own begin with the headings.  Both come out as text columns under canonical names.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine import readers
from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import BadRow
from performance.columns import NO_DATE, Opened, coded, dates, fixed, nearest
from performance.tables import Column

__all__ = [
    "find_table",
    "number_column",
    "open_below_titles",
    "open_sheet",
    "raw_rows",
    "repeated_keys",
    "typed_columns",
]

_TEXT_FILES = (".csv", ".txt", ".tsv")
_MOST_BYTES = 256 << 20
_HEADING_ROWS = 3_000
_LACKING = "缺少"
_ENCODINGS = ("utf-8-sig", "gb18030", "cp1252")


def open_sheet(path: Path, columns: Sequence[Column], sheet: str | None = None) -> Opened:
    """Open a table whose headings are its first row; ``sheet`` names one of a workbook.

    Raises InputError with every column that is missing or there twice.
    """
    source = readers.open_table(path, sheet=sheet)
    tables = list(source.parts)
    headings = list(source.headings)
    whole = [
        pa.chunked_array(
            [c.cast(pa.string()) for part in tables for c in part.table.column(at).chunks],
            pa.string(),
        )
        for at in range(len(headings))
    ]
    rows = np.concatenate([part.rows for part in tables] or [np.empty(0, dtype=np.int64)])
    file = path.name if sheet is None else f"{path.name}（{sheet}）"
    return _chosen(file, headings, whole, (rows, 1, tuple(source.bad_rows)), columns)


def open_below_titles(path: Path, columns: Sequence[Column], sheet: str | None = None) -> Opened:
    """Open a table whose headings are its first row, or stand below titles.

    Raises InputError; where no row has the headings, it tells what the first row lacks.
    """
    try:
        return open_sheet(path, columns, sheet)
    except InputError as error:
        if not any(fault.message.startswith(_LACKING) for fault in error.faults):
            raise
        try:
            return find_table(path, columns, sheet)
        except InputError:
            raise error from None


def find_table(path: Path, columns: Sequence[Column], sheet: str | None = None) -> Opened:
    """Open a table whose headings may stand below titles and notes.

    The headings are the first row that holds all columns without a default.  Raises InputError
    where there is none, naming the row that comes nearest.
    """
    rows = raw_rows(path, sheet)
    needed = [column for column in columns if column.default is None]
    best, most = 0, -1
    for at, cells in enumerate(rows[:_HEADING_ROWS]):
        known = {_plain(cell) for cell in cells if cell}
        hits = sum(not known.isdisjoint((c.name, *c.headings)) for c in needed)
        if hits > most:
            best, most = at, hits
        if hits == len(needed):
            break
    headings = [_plain(cell) for cell in rows[best]]
    body = [(at + 1, cells) for at, cells in enumerate(rows) if at > best and any(cells)]
    width = len(headings)
    bad = tuple(
        BadRow(number, ",".join(cells)[:80], f"应有 {width} 列，后面还有内容")
        for number, cells in body
        if any(cells[width:])
    )
    again = [
        (number, cells)
        for number, cells in body
        if [_plain(c) for c in cells] != headings and not any(cells[width:])
    ]
    texts = [
        pa.chunked_array([pa.array([_at(cells, place) for _, cells in again], pa.string())])
        for place in range(width)
    ]
    numbers = np.array([number for number, _ in again], dtype=np.int64)
    file = path.name if sheet is None else f"{path.name}（{sheet}）"
    return _chosen(file, headings, texts, (numbers, best + 1, bad), columns)


def _plain(cell: str) -> str:
    """A heading without line breaks and blanks."""
    return "".join(cell.split())


def _at(cells: Sequence[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""


def _chosen(
    file: str,
    headings: Sequence[str],
    texts: Sequence[pa.ChunkedArray],
    body: tuple[npt.NDArray[np.int64], int, tuple[BadRow, ...]],
    columns: Sequence[Column],
) -> Opened:
    rows, heading_row, bad = body
    names = {alias: c.name for c in columns for alias in (c.name, *c.headings)}
    places: dict[str, list[int]] = {}
    for place, heading in enumerate(headings):
        if heading.strip() in names:
            places.setdefault(names[heading.strip()], []).append(place)
    faults = []
    for column in columns:
        found = places.get(column.name, [])
        if len(found) > 1:
            mend = "删去多余的一列"
            faults.append(
                Fault(file, "同一列出现两次", heading_row, column.headings[0], None, mend)
            )
        elif not found and column.default is None:
            near = nearest(column.headings[0], headings)
            mend = f"请加上“{column.headings[0]}”列"
            mend = f"最接近的列是“{near}”，请改名" if near else mend
            shown = "，".join(h for h in headings if h)[:200]
            message = f"{_LACKING}“{column.headings[0]}”列"
            faults.append(Fault(file, message, heading_row, None, shown, mend))
    if faults:
        raise InputError(f"{file} 的表头不对", faults)
    order = [column.name for column in columns if column.name in places]
    table = pa.table([texts[places[name][0]] for name in order], names=order)
    return Opened(file, table, rows, bad)


def raw_rows(path: Path, sheet: str | None = None) -> list[list[str]]:
    """Every row of a file as text cells, from its first line on.

    Raises InputError where it can't be read, or holds nothing.
    """
    kind = path.suffix.lower()
    if kind in _TEXT_FILES and path.is_file():
        return _csv_rows(path)
    source = readers.open_table(path, sheet=sheet)  # refuses what is damaged or dangerous
    if kind in (".parquet", ".pq"):
        parts = [part.table.to_pydict() for part in source.parts]
        body = [list(r) for part in parts for r in zip(*part.values(), strict=True)]
        return [list(source.headings), *([_text(cell) for cell in row] for row in body)]
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_path(str(path))
    found = book.get_sheet_by_name(sheet or book.sheet_names[0])
    return [[_text(cell) for cell in row] for row in found.to_python(skip_empty_area=False)]


def _csv_rows(path: Path) -> list[list[str]]:
    data = path.read_bytes()
    if not data.strip() or len(data) > _MOST_BYTES or b"\0" in data[:4096]:
        reason = "文件里没有内容" if not data.strip() else "不是文本文件，或文件过大"
        raise InputError(f"{path.name} 不能读", [Fault(path.name, reason, mend="重新导出为 CSV")])
    text = _decoded(data)
    sample = text[: 1 << 14]
    sign = max(",\t;", key=lambda one: (sample.count(one), -",\t;".index(one)))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
    except csv.Error as error:
        fault = Fault(path.name, "不是完整的 CSV", found=str(error)[:120], mend="重新导出")
        raise InputError(f"{path.name} 读不下去", [fault]) from error
    return [[cell.strip() for cell in row] for row in rows]


def _decoded(data: bytes) -> str:
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return str(cell).strip()


def typed_columns(opened: Opened, columns: Sequence[Column]) -> tuple[pd.DataFrame, list[Fault]]:
    """The columns as typed values with a column ``row``, and every fault of their cells.

    Numbers are int64 ten-thousandths, money fen, dates days since 1970-01-01 (``Column.kind``); a
    blank cell has the column's default, a cell with a fault too.
    """
    faults = [Fault(opened.file, bad.message, bad.row, found=bad.found) for bad in opened.bad]
    data: dict[str, Any] = {"row": opened.rows}
    for column in columns:
        if column.name not in opened.table.column_names:
            data[column.field] = np.full(len(opened.rows), column.default)
            continue
        cells = opened.table[column.name]
        texts = coded(cells).texts()
        blank = np.asarray(texts == "", dtype=bool)
        tell = _teller(opened, column, texts, faults)
        if column.kind in ("text", "id"):
            if column.kind == "id":
                tell(blank, "不能为空", "请填写")
            values: npt.NDArray[Any] = texts
            if column.default:
                values = np.where(blank, column.default, texts)
        elif column.kind == "date":
            days, good, _ = dates(cells)
            tell(~good & ~blank, "不是日期", "写作 2026-10-01")
            values = np.where(good, days.astype(np.int64), NO_DATE)
        else:
            values = number_column(cells, column, tell)
        data[column.field] = values
    return pd.DataFrame(data), faults


Tell = Callable[[npt.NDArray[np.bool_], str, str], None]


def number_column(cells: pa.ChunkedArray, column: Column, tell: Tell) -> npt.NDArray[np.int64]:
    """One column of numbers (ten-thousandths) or money (fen), faults told through ``tell``."""
    money = column.kind == "money"
    values, good, blank = fixed(cells, 2 if money else 4)
    what = "不是金额（元，至多两位小数）" if money else "不是数字（至多四位小数）"
    tell(~good & ~blank, what, "请改为普通数字；由公式算出的请先用 ROUND 取四位小数")
    if column.default is None:
        tell(blank, "不能为空", "请填写数字")
    unit = 100 if money else 10_000
    low = -np.inf if column.low is None else column.low * unit
    high = np.inf if column.high is None else column.high * unit
    outside = good & ((values < low) | (values > high))
    bounds = ("" if column.low is None else f"{column.low:,g} ≤ ") + column.headings[0]
    bounds += "" if column.high is None else f" ≤ {column.high:,g}"
    tell(outside, "超出范围", f"允许范围：{bounds}")
    default = 0 if column.default is None else column.default
    return np.asarray(np.where(good & ~outside, values, default), dtype=np.int64)


def _teller(
    opened: Opened, column: Column, texts: npt.NDArray[np.object_], faults: list[Fault]
) -> Tell:
    def tell(bad: npt.NDArray[np.bool_], message: str, mend: str) -> None:
        for at in np.flatnonzero(bad):
            row, found = int(opened.rows[at]), str(texts[at])[:80]
            faults.append(Fault(opened.file, message, row, column.headings[0], found, mend))

    return tell


def repeated_keys(
    file: str, frame: pd.DataFrame, key: Sequence[str], names: Mapping[str, str]
) -> list[Fault]:
    """A fault for every row whose key was there before; ``names``: heading of each key column."""
    again = frame.duplicated(list(key), keep="first") & frame[key[0]].ne("")
    first = frame.drop_duplicates(list(key)).set_index(list(key))["row"]
    faults = []
    for _, row in frame[again].iterrows():
        one = tuple(row[name] for name in key)
        earlier = int(first.loc[one if len(key) > 1 else one[0]])
        found = " ".join(str(part) for part in one if part != "")
        message = f"重复，第 {earlier} 行已有"
        faults.append(Fault(file, message, int(row["row"]), names[key[0]], found, "请只保留一行"))
    return faults
