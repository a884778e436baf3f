"""Opening Excel workbooks, hostile ones included."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from drg_engine.errors import Fault, InputError
from drg_engine.text_tables import TextPart, TextTable, named
from drg_engine.workbook_errors import error_cells

__all__ = ["open_workbook", "sheet_rows"]

_LARGEST_ARCHIVE = 2 << 30
_LARGEST_RATIO = 300
_RATIO_MATTERS = 64 << 20
_MOST_CELLS = 100_000_000
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_DIMENSION = re.compile(rb'<dimension ref="[A-Z]+[0-9]+:([A-Z]{1,3})([0-9]{1,7})"')
_FILLED_CELL = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"[^>]*(?<!/)>')
_CELL_BYTES = 256
_UNREADABLE = (
    OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _check_archive(path: Path) -> None:
    """Refuse a workbook whose archive is damaged or unfolds beyond reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _UNREADABLE as error:
        mend = "文件可能没有传完整，请重新导出或重新复制；若是文本文件，请把扩展名改为 .csv"
        raise InputError(
            f"{path.name} 打不开", [Fault(path.name, "Excel 文件已损坏或被截断", mend=mend)]
        ) from error
    unfolded = sum(entry.file_size for entry in entries)
    folded = max(1, path.stat().st_size)
    if unfolded > _LARGEST_ARCHIVE or (
        unfolded > _RATIO_MATTERS and unfolded / folded > _LARGEST_RATIO
    ):
        found = f"{unfolded >> 20} MB，压缩前后相差 {unfolded // folded} 倍"
        mend = "来历不明的文件不要打开；确为业务数据请改存为 CSV"
        raise InputError(
            f"{path.name} 展开后过大，拒绝读取",
            [Fault(path.name, "压缩包展开后过大", found=found, mend=mend)],
        )


def _check_extent(path: Path) -> None:
    """Refuse a workbook with a filled cell so far out that the cells between would fill memory.

    A stray cell at the sheet's edge is enough: the reader lays out every cell up to it.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if not _SHEET.fullmatch(entry):
                continue
            with archive.open(entry) as sheet:
                told = _DIMENSION.search(sheet.read(1 << 12))
            if told and _cells(told) <= _MOST_CELLS:
                continue
            with archive.open(entry) as sheet:
                far = _farthest_cell(sheet)
            if _cells(far) > _MOST_CELLS:
                mend = "删去远处的多余单元格（Ctrl+End 可看到），或另存为 CSV"
                found = f"{far[1].decode()}{int(far[2])}"
                raise InputError(
                    f"{path.name} 的工作表范围过大，拒绝读取",
                    [Fault(path.name, "有内容的单元格最远到", found=found, mend=mend)],
                )


def _cells(corner: Any) -> int:
    """Number of cells up to a corner: letters at 1, row at 2."""
    column = 0
    for letter in corner[1]:
        column = column * 26 + letter - 64
    return column * int(corner[2])


def _farthest_cell(sheet: IO[bytes]) -> tuple[bytes, bytes, int]:
    """Nothing, the last column's letters, and the last row, over the filled cells."""
    column, row, rest = b"A", 1, b""
    while chunk := sheet.read(1 << 20):
        text = rest + chunk
        for cell in _FILLED_CELL.finditer(text):
            letters = cell[1]
            if (len(letters), letters) > (len(column), column):
                column = letters
            row = max(row, int(cell[2]))
        rest = text[-_CELL_BYTES:]
    return b"", column, row


def open_workbook(path: Path, sheet: str | None) -> TextTable:
    """Open a sheet, the first by default, of a workbook.  Raises InputError where it is not one."""
    return _sheet_table(path, sheet_rows(path, sheet))


def sheet_rows(path: Path, sheet: str | None = None) -> Sequence[Sequence[Any]]:
    """All cells of a sheet, the first by default, from its first row and column on.

    Formulas give the value they were saved with, errors their text (``#DIV/0!``).  Raises
    InputError where it is no workbook.
    """
    import python_calamine

    if path.stat().st_size == 0:
        raise InputError(
            f"{path.name} 是空文件", [Fault(path.name, "文件里没有内容", mend="重新导出")]
        )
    if path.suffix.lower() != ".xls":
        _check_archive(path)
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            _check_extent(path)
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            raise InputError(
                f"{path.name} 里没有工作表 {sheet}",
                [Fault(path.name, "没有这张工作表", found=sheet, mend="、".join(names))],
            )
        rows: Sequence[Sequence[Any]] = book.get_sheet_by_name(sheet or names[0]).to_python(
            skip_empty_area=False
        )
    except InputError:
        raise
    except (*_UNREADABLE, python_calamine.CalamineError, IndexError) as error:
        mend = "文件可能没有传完整，请重新导出或重新复制"
        raise InputError(
            f"{path.name} 打不开",
            [Fault(path.name, "Excel 文件读不出来", found=str(error)[:120], mend=mend)],
        ) from error
    return _with_errors(path, sheet or names[0], rows)


def _with_errors(path: Path, sheet: str, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """The rows with the text of error cells, which the reader leaves blank."""
    if path.suffix.lower() not in (".xlsx", ".xlsm"):
        return rows
    found = list(error_cells(path, sheet))
    if not found:
        return rows
    told = [list(row) for row in rows]
    for row, column, text in found:
        if row < len(told) and column < len(told[row]):
            told[row][column] = text
    return told


def _sheet_table(path: Path, rows: Sequence[Sequence[Any]]) -> TextTable:
    filled = [i for i, row in enumerate(rows) if any(cell not in ("", None) for cell in row)]
    if not filled:
        raise InputError(
            f"{path.name} 的工作表是空的", [Fault(path.name, "没有内容", mend="重新导出")]
        )
    headings = [_cell_text(cell) for cell in rows[filled[0]]]
    while headings and not headings[-1]:
        headings.pop()
    body = filled[1:]
    columns = [
        pa.array([_cell_text(rows[i][place]) for i in body], pa.string())
        for place in range(len(headings))
    ]
    names = named(headings)
    table = pa.table(columns, names=list(names))
    part = TextPart(table, np.array(body, dtype=np.int64) + 1)
    return TextTable(path.name, names, iter([part]), most_rows=table.num_rows)


def _cell_text(cell: Any) -> str:
    """A cell as a person sees it: whole numbers without ``.0``, dates as 2026-10-01."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return str(cell).strip()
